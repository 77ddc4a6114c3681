#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/core/command.h"
#include "node/task/capture_inner.h"

static bool is_paused(const struct capture *c, const struct capture_pause *p)
{
	return c->ports->is_paused(c->ports->ctx, p->sync_id, p->table_id);
}

static void propose(struct capture *c, const struct capture_pause *p)
{
	Synod__Command__Pause pause;
	Synod__Command__Command command = SYNOD__COMMAND__COMMAND__INIT;

	synod__command__pause__init(&pause);
	pause.sync_id = p->sync_id;
	pause.table_id = p->table_id;
	pause.is_paused = true;
	pause.reason = command_text(p->reason);
	pause.time_us = c->ports->wall_us(c->ports->ctx);
	command.body_case = SYNOD__COMMAND__COMMAND__BODY_PAUSE;
	command.pause = &pause;
	struct blob *sealed = command_seal(&command);
	c->ports->propose(c->ports->ctx, sealed, ++c->last_ticket);
	blob_unref(sealed);
}

/* Also takes it out of what is captured until the state has it; from then on
 * the state says what is. */
static void add(struct capture *c, uint32_t table_id, const struct err *e)
{
	const struct catalog_table *t =
		catalog_table(c->spec->catalog, table_id);
	struct capture_pause p = {.sync_id = t->sync->id, .table_id = table_id};

	snprintf(p.reason, sizeof p.reason, "%s: %.*s", err_name(e->code),
		 TASK_TEXT_MAX - 32, e->text);
	task_tables_leave_out(&c->tables, table_id);
	c->pauses = mem_grow(c->pauses, (c->n_pauses + 1) * sizeof *c->pauses);
	c->pauses[c->n_pauses++] = p;
}

bool capture_pause_named(struct capture *c, const struct err *e)
{
	const struct connector_table *named =
		task_tables_named(&c->tables, e->text);

	if (!named)
		return false;
	/* Two syncs may capture one table of the source. */
	for (size_t i = 0; i < c->tables.n; i++)
		if (strcmp(c->tables.list[i].side->table, named->side->table) ==
		    0)
			add(c, c->tables.list[i].table->id, e);
	return true;
}

void capture_pause_all(struct capture *c, const struct err *e)
{
	for (size_t i = 0; i < c->tables.n; i++)
		add(c, c->tables.list[i].table->id, e);
}

bool capture_pause_step(struct capture *c)
{
	int64_t now_us = capture_now(c);
	size_t n = 0;

	for (size_t i = 0; i < c->n_pauses; i++) {
		struct capture_pause p = c->pauses[i];

		if (is_paused(c, &p)) {
			task_tables_let_in(&c->tables, p.table_id);
			continue;
		}
		if (p.due_us <= now_us) {
			propose(c, &p);
			p.due_us = now_us + (int64_t)LIMIT_PROPOSAL_MS * 1000;
		}
		c->pauses[n++] = p;
	}
	c->n_pauses = n;
	return n == 0;
}

const char *capture_pause_hint(const struct capture *c, char *buf, size_t cap)
{
	const struct catalog_table *t;
	uint32_t connection_id = task_connection(c->spec->id);

	for (size_t i = 0; (t = catalog_at(c->spec->catalog, i)); i++) {
		const Synod__Definition__Side *side =
			catalog_side(t, connection_id);

		if (!side || !side->is_source || !t->is_current)
			continue;
		snprintf(buf, cap,
			 "synodctl sync resume %s --table %s loads it again "
			 "(and so each table of this connection)",
			 t->sync->name, t->table->name);
		return buf;
	}
	return task_hint(ERR_GAP);
}
