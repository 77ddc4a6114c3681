#include "connectors/postgres/relation.h"

#include <stdlib.h>
#include <string.h>

#include "connectors/postgres/checkpoint.h"
#include "connectors/postgres/types.h"

static void clear(struct relation *r)
{
	for (size_t i = 0; i < r->n_uses; i++) {
		free(r->uses[i].places);
		free(r->uses[i].is_in_key);
	}
	free(r->uses);
	*r = (struct relation){0};
}

void pg_relation_free_all(struct relation_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		clear(&set->list[i]);
	free(set->list);
	*set = (struct relation_set){0};
}

static bool find_column(const struct pgoutput_message *m, const char *name,
			uint16_t *place, struct pgoutput_column *out)
{
	struct bytes at = m->columns;

	for (uint16_t i = 0; pgoutput_next_column(&at, out); i++) {
		if (strcmp(out->name, name) == 0) {
			*place = i;
			return true;
		}
	}
	return false;
}

/* The stream speaks of the past, the catalog of now: where both name the same
 * type it was looked at already, else only built-in types are known. */
static bool is_type(const struct schema_table *now, const char *name,
		    uint32_t oid, uint32_t planned)
{
	const struct schema_column *c = pg_schema_find(now, name);

	if (c && c->oid == oid)
		return (uint32_t)c->type == planned;
	return planned != VALUE_NATIVE &&
	       (uint32_t)pg_types_of(oid, 'b') == planned;
}

static int match(const struct pgoutput_message *m,
		 const struct relation_plan *plan, struct relation_use *use,
		 struct err *e)
{
	const struct connector_table *t = &plan->tables[use->table];
	const struct schema_table *now = &plan->schemas[use->table];
	struct pgoutput_column c;

	for (size_t i = 0; i < t->table->n_fields; i++) {
		const char *name = t->side->columns[i];
		if (!find_column(m, name, &use->places[i], &c))
			return err_set(e, ERR_SCHEMA,
				       "table %s: column %s is gone", now->path,
				       name);
		if (!is_type(now, name, c.type_oid, t->table->fields[i]->type))
			return err_set(e, ERR_SCHEMA,
				       "table %s: column %s has another type "
				       "than it was planned with",
				       now->path, name);
		use->is_in_key[i] = c.is_key;
		if (t->table->fields[i]->is_key && !c.is_key &&
		    m->identity != 'f')
			return err_set(
				e, ERR_SCHEMA,
				"table %s: its replica identity no longer "
				"tells column %s of the key",
				now->path, name);
	}
	return 0;
}

static struct relation *slot_of(struct relation_set *set, uint32_t oid)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->list[i].oid == oid) {
			clear(&set->list[i]);
			return &set->list[i];
		}
	set->list = mem_grow(set->list, (set->n + 1) * sizeof *set->list);
	struct relation *r = &set->list[set->n++];
	*r = (struct relation){0};
	return r;
}

static int match_checkpoint(const struct pgoutput_message *m,
			    struct relation *r, struct err *e)
{
	struct pgoutput_column c;

	r->is_checkpoint = find_column(m, "cluster", &r->cluster_at, &c) &&
			   find_column(m, "task", &r->task_at, &c) &&
			   find_column(m, "applied_index", &r->applied_at, &c);
	return r->is_checkpoint ? 0
				: err_set(e, ERR_SCHEMA,
					  "table %s.%s is not as we made it",
					  m->schema, m->name);
}

int pg_relation_take(struct relation_set *set, const struct relation_plan *plan,
		     const struct pgoutput_message *m, struct err *e)
{
	struct relation *r = slot_of(set, m->relation);

	r->oid = m->relation;
	r->is_full = m->identity == 'f';
	r->n_columns = m->n_columns;
	if (strcmp(m->schema, plan->own_schema) == 0 &&
	    strcmp(m->name, CHECKPOINT_TABLE) == 0)
		return match_checkpoint(m, r, e);
	for (size_t i = 0; i < plan->n; i++) {
		const struct schema_table *now = &plan->schemas[i];
		if (strcmp(now->schema, m->schema) != 0 ||
		    strcmp(now->name, m->name) != 0)
			continue;
		size_t n = plan->tables[i].table->n_fields;
		r->uses = mem_grow(r->uses, (r->n_uses + 1) * sizeof *r->uses);
		struct relation_use *use = &r->uses[r->n_uses++];
		*use = (struct relation_use){
			.table = i,
			.places = mem_zero(n + 1, sizeof *use->places),
			.is_in_key = mem_zero(n + 1, sizeof *use->is_in_key),
		};
		int error = match(m, plan, use, e);
		if (error)
			return error;
	}
	return 0;
}

const struct relation *pg_relation_find(struct relation_set *set, uint32_t oid)
{
	if (set->last < set->n && set->list[set->last].oid == oid)
		return &set->list[set->last];
	for (size_t i = 0; i < set->n; i++)
		if (set->list[i].oid == oid) {
			set->last = i;
			return &set->list[i];
		}
	return NULL;
}
