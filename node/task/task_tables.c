#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "node/task/task.h"

static bool is_left_out(const struct task_tables *t, uint32_t table_id)
{
	for (size_t i = 0; i < t->n_left_out; i++)
		if (t->left_out[i] == table_id)
			return true;
	return false;
}

/* A table that is paused while its whole sync is cannot be told from the
 * others by the port; it is captured and, if it still does not fit, paused
 * again. */
static bool is_paused_alone(const struct task_ports *p,
			    const struct catalog_table *t)
{
	return p->is_paused(p->ctx, t->sync->id, t->table->id) &&
	       !p->is_paused(p->ctx, t->sync->id, 0);
}

static bool is_wanted(const struct task_tables *t, const struct task_spec *spec,
		      const struct task_ports *ports,
		      const struct catalog_table *table)
{
	const Synod__Definition__Side *side =
		catalog_side(table, task_connection(spec->id));

	if (!side || is_left_out(t, table->table->id))
		return false;
	if (task_kind(spec->id) == TASK_APPLY)
		return side->is_target &&
		       table->sync->id == task_sync(spec->id);
	return side->is_source && table->is_current &&
	       !is_paused_alone(ports, table);
}

static bool is_load_off(const struct catalog_table *table)
{
	return table->sync->initial && table->sync->initial->is_off;
}

/* In-flight deliveries of the table that it replaced would be overtaken. */
static bool is_load_too_early(struct task_tables *t,
			      const struct task_ports *ports,
			      const struct catalog_table *table)
{
	if (ports->may_load(ports->ctx, table->table->id))
		return false;
	t->is_load_put_off = true;
	return true;
}

static void add(struct task_tables *t, const struct task_spec *spec,
		const struct task_ports *ports,
		const struct catalog_table *table)
{
	const Synod__Definition__Initial *initial = table->sync->initial;
	uint32_t chunk = initial ? initial->chunk : 0;
	bool wants_load =
		task_kind(spec->id) == TASK_CAPTURE && !is_load_off(table);

	t->list = mem_grow(t->list, (t->n + 1) * sizeof *t->list);
	t->list[t->n++] = (struct connector_table){
		.table = table->table,
		.side = catalog_side(table, task_connection(spec->id)),
		.wants_load = wants_load,
		.is_load_put_off =
			wants_load && is_load_too_early(t, ports, table),
		.is_two_way = table->is_two_way,
		.load_chunk = chunk ? chunk : TASK_LOAD_CHUNK,
	};
}

void task_tables_read(struct task_tables *t, const struct task_spec *spec,
		      const struct task_ports *ports)
{
	const struct catalog_table *table;

	free(t->list);
	t->list = NULL;
	t->n = 0;
	t->is_load_put_off = false;
	for (size_t i = 0; (table = catalog_at(spec->catalog, i)); i++)
		if (is_wanted(t, spec, ports, table))
			add(t, spec, ports, table);
}

bool task_tables_is_stale(const struct task_tables *t,
			  const struct task_spec *spec,
			  const struct task_ports *ports)
{
	const struct catalog_table *table;
	size_t n = 0;

	for (size_t i = 0; (table = catalog_at(spec->catalog, i)); i++) {
		if (!is_wanted(t, spec, ports, table))
			continue;
		if (!task_tables_find(t, table->table->id))
			return true;
		n++;
	}
	return n != t->n;
}

bool task_tables_may_load_more(const struct task_tables *t,
			       const struct task_ports *ports)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->list[i].is_load_put_off &&
		    ports->may_load(ports->ctx, t->list[i].table->id))
			return true;
	return false;
}

void task_tables_free(struct task_tables *t)
{
	free(t->list);
	free(t->left_out);
	*t = (struct task_tables){0};
}

void task_tables_leave_out(struct task_tables *t, uint32_t table_id)
{
	if (is_left_out(t, table_id))
		return;
	CHECK(t->n_left_out < LIMIT_TABLES);
	t->left_out = mem_grow(t->left_out,
			       (t->n_left_out + 1) * sizeof *t->left_out);
	t->left_out[t->n_left_out++] = table_id;
}

void task_tables_let_in(struct task_tables *t, uint32_t table_id)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n_left_out; i++)
		if (t->left_out[i] != table_id)
			t->left_out[n++] = t->left_out[i];
	t->n_left_out = n;
}

const struct connector_table *task_tables_named(const struct task_tables *t,
						const char *text)
{
	const struct connector_table *found = NULL;
	size_t len = 0;

	for (size_t i = 0; i < t->n; i++) {
		const char *name = t->list[i].side->table;
		if (!strstr(text, name) || strlen(name) <= len)
			continue;
		found = &t->list[i];
		len = strlen(name);
	}
	return found;
}

const struct connector_table *task_tables_find(const struct task_tables *t,
					       uint32_t table_id)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->list[i].table->id == table_id)
			return &t->list[i];
	return NULL;
}
