#include "cluster/core/definition.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "proto/limits.h"
#include "proto/value.h"

/* A task's id is its sync's times 64, and a connection's. */
#define SYNC_ID_MAX (UINT32_MAX / 64 - 1)

static struct bytes packed(const ProtobufCMessage *m, uint8_t **buf)
{
	size_t len = protobuf_c_message_get_packed_size(m);

	*buf = mem_alloc(len + 1);
	protobuf_c_message_pack(m, *buf);
	return (struct bytes){*buf, len};
}

bool definition_same(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
	uint8_t *x, *y;
	struct bytes p = packed(a, &x), q = packed(b, &y);
	bool is_same = bytes_compare(p, q) == 0;

	free(x);
	free(y);
	return is_same;
}

/* -- checking -------------------------------------------------------------- */
struct check {
	const struct catalog *before;
	const Synod__Definition__Definition *d;
	uint64_t connections; /* those that exist */
	uint32_t sync_from, table_from;
	size_t n_tables, n_tasks;
	struct err *e;
};

static bool name_fits(const char *name)
{
	return name[0] && strlen(name) <= LIMIT_NAME_BYTES;
}

static int check_connections(struct check *k)
{
	const Synod__Definition__Definition *d = k->d;

	if (d->n_connections > LIMIT_CONNECTIONS)
		return err_set(k->e, ERR_LIMIT, "more than %d connections",
			       LIMIT_CONNECTIONS);
	for (size_t i = 0; i < d->n_connections; i++) {
		const Synod__Definition__Connection *c = d->connections[i];

		if (!name_fits(c->name) || !name_fits(c->type))
			return err_set(k->e, ERR_INVALID,
				       "connection %" PRIu32
				       " has no proper name or type",
				       c->id);
		if (c->id == 0 || c->id > CATALOG_CONNECTIONS ||
		    (k->connections & catalog_bit(c->id)))
			return err_set(k->e, ERR_INVALID,
				       "connection %s: id %" PRIu32
				       " is out of range or taken",
				       c->name, c->id);
		const Synod__Definition__Connection *old =
			catalog_connection(k->before, c->id);
		/* Positions and checkpoints are kept by id. */
		if (old && strcmp(old->name, c->name) != 0)
			return err_set(k->e, ERR_INVALID,
				       "connection %s: id %" PRIu32
				       " is that of %s until that one is gone",
				       c->name, c->id, old->name);
		for (size_t j = 0; j < i; j++) {
			if (strcmp(d->connections[j]->name, c->name) == 0)
				return err_set(k->e, ERR_INVALID,
					       "two connections are named %s",
					       c->name);
		}
		k->connections |= catalog_bit(c->id);
	}
	return 0;
}

static int bad_table(const struct check *k, const Synod__Definition__Table *t,
		     const char *why)
{
	return err_set(k->e, ERR_INVALID, "table %s (%" PRIu32 "): %s", t->name,
		       t->id, why);
}

static int check_fields(const struct check *k,
			const Synod__Definition__Table *t)
{
	bool is_behind_key = false;

	if (t->n_fields > LIMIT_FIELDS)
		return err_set(k->e, ERR_LIMIT,
			       "table %s has more than %d fields", t->name,
			       LIMIT_FIELDS);
	if (t->n_fields == 0 || !t->fields[0]->is_key)
		return bad_table(k, t, "the first field is not of the key");
	for (size_t i = 0; i < t->n_fields; i++) {
		const Synod__Definition__Field *f = t->fields[i];

		if (!f->name[0])
			return bad_table(k, t, "a field has no name");
		if (f->type == 0 || f->type >= VALUE__N)
			return bad_table(k, t, "a field has no known type");
		if (f->is_key && is_behind_key)
			return bad_table(k, t,
					 "the fields of the key are not first");
		is_behind_key = !f->is_key;
	}
	return 0;
}

static int check_side(const struct check *k, const Synod__Definition__Table *t,
		      const Synod__Definition__Side *s)
{
	if (!s->table[0])
		return bad_table(k, t, "a side has no table");
	if (!s->is_source && !s->is_target)
		return bad_table(k, t, "a side is neither source nor target");
	if (s->n_columns != t->n_fields)
		return bad_table(k, t, "a side has not one column a field");
	if (s->n_where > LIMIT_COMPARISONS)
		return bad_table(k, t, "a side has too many conditions");
	for (size_t i = 0; i < s->n_columns; i++) {
		if (!s->columns[i][0])
			return bad_table(k, t, "a column has no name");
	}
	for (size_t i = 0; i < s->n_where; i++) {
		const Synod__Definition__Comparison *w = s->where[i];

		if (w->field >= t->n_fields ||
		    (unsigned)w->op >
			    SYNOD__DEFINITION__COMPARISON__OP__NOT_NULL)
			return bad_table(k, t, "a condition is none");
	}
	return 0;
}

static int check_sides(const struct check *k, const Synod__Definition__Table *t,
		       uint64_t members)
{
	uint64_t seen = 0;
	bool has_source = false, has_target = false;
	int rc = 0;

	for (size_t i = 0; i < t->n_sides && !rc; i++) {
		const Synod__Definition__Side *s = t->sides[i];
		uint32_t id = s->connection_id;

		if (id > CATALOG_CONNECTIONS || !(members & catalog_bit(id)))
			return bad_table(k, t, "a side is not of its sync");
		if (seen & catalog_bit(id))
			return bad_table(k, t, "a connection has two sides");
		seen |= catalog_bit(id);
		has_source |= s->is_source;
		has_target |= s->is_target;
		rc = check_side(k, t, s);
	}
	if (!rc && (!has_source || !has_target || t->n_sides < 2))
		rc = bad_table(k, t, "it has no source or no target");
	return rc;
}

/* A table in force means what it meant; another one has a new id. */
static int check_table_id(const struct check *k,
			  const Synod__Definition__Sync *s,
			  const Synod__Definition__Table *t)
{
	const struct catalog_table *old = catalog_table(k->before, t->id);

	if (!old || !old->is_current) {
		if (t->id == 0 || t->id < k->table_from ||
		    t->id >= k->d->next_table_id)
			return bad_table(k, t, "its id is not a new one");
		return 0;
	}
	if (old->sync->id != s->id)
		return bad_table(k, t, "its id is of another sync's table");
	if (!definition_same(&old->table->base, &t->base))
		return bad_table(k, t,
				 "it has changed and needs an id of its own");
	return 0;
}

static int check_policy(const struct check *k, const Synod__Definition__Sync *s,
			uint64_t members)
{
	const Synod__Definition__Policy *p = s->policy;
	uint32_t authority = s->initial ? s->initial->authority_id : 0;

	if (p && ((unsigned)p->rule > SYNOD__DEFINITION__POLICY__RULE__QUEUE ||
		  (unsigned)p->delete_vs_update >
			  SYNOD__DEFINITION__POLICY__DELETE_RULE__DELETE_QUEUE))
		return err_set(k->e, ERR_INVALID, "sync %s: unknown policy",
			       s->name);
	if (p && p->rule == SYNOD__DEFINITION__POLICY__RULE__PREFER &&
	    (p->prefer_id > CATALOG_CONNECTIONS ||
	     !(members & catalog_bit(p->prefer_id))))
		return err_set(k->e, ERR_INVALID,
			       "sync %s prefers a connection that is not its "
			       "own",
			       s->name);
	if (authority && (authority > CATALOG_CONNECTIONS ||
			  !(members & catalog_bit(authority))))
		return err_set(k->e, ERR_INVALID,
			       "sync %s: the authority of the first load is "
			       "not a connection of its own",
			       s->name);
	return 0;
}

static int check_members(const struct check *k,
			 const Synod__Definition__Sync *s, uint64_t *members)
{
	*members = 0;
	for (size_t i = 0; i < s->n_connection_ids; i++) {
		uint32_t id = s->connection_ids[i];

		if (id == 0 || id > CATALOG_CONNECTIONS ||
		    !(k->connections & catalog_bit(id)) ||
		    (*members & catalog_bit(id)))
			return err_set(k->e, ERR_INVALID,
				       "sync %s: connection %" PRIu32
				       " does not exist or is there twice",
				       s->name, id);
		*members |= catalog_bit(id);
	}
	if (s->n_connection_ids < 2)
		return err_set(k->e, ERR_INVALID,
			       "sync %s has fewer than two connections",
			       s->name);
	return 0;
}

static int check_sync_id(const struct check *k,
			 const Synod__Definition__Sync *s)
{
	if (!name_fits(s->name))
		return err_set(k->e, ERR_INVALID,
			       "sync %" PRIu32 " has no proper name", s->id);
	if (!catalog_sync(k->before, s->id) &&
	    (s->id == 0 || s->id < k->sync_from ||
	     s->id >= k->d->next_sync_id || s->id > SYNC_ID_MAX))
		return err_set(k->e, ERR_INVALID,
			       "sync %s: id %" PRIu32 " is not a new one",
			       s->name, s->id);
	for (size_t i = 0; k->d->syncs[i] != s; i++) {
		if (k->d->syncs[i]->id == s->id ||
		    strcmp(k->d->syncs[i]->name, s->name) == 0)
			return err_set(k->e, ERR_INVALID,
				       "two syncs have the id or name of %s",
				       s->name);
	}
	return 0;
}

static int check_sync(struct check *k, const Synod__Definition__Sync *s)
{
	uint64_t members;
	int rc = check_sync_id(k, s);

	if (!rc)
		rc = check_members(k, s, &members);
	if (!rc)
		rc = check_policy(k, s, members);
	for (size_t i = 0; i < s->n_tables && !rc; i++) {
		const Synod__Definition__Table *t = s->tables[i];

		if (!t->name[0])
			return bad_table(k, t, "it has no name");
		rc = check_table_id(k, s, t);
		if (!rc)
			rc = check_fields(k, t);
		if (!rc)
			rc = check_sides(k, t, members);
	}
	k->n_tables += s->n_tables;
	k->n_tasks += s->n_connection_ids;
	return rc;
}

static int compare_ids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int check_twice(const struct check *k)
{
	uint32_t *ids = mem_zero(k->n_tables + 1, sizeof(*ids));
	size_t n = 0;
	int rc = 0;

	for (size_t i = 0; i < k->d->n_syncs; i++) {
		for (size_t j = 0; j < k->d->syncs[i]->n_tables; j++)
			ids[n++] = k->d->syncs[i]->tables[j]->id;
	}
	qsort(ids, n, sizeof(*ids), compare_ids);
	for (size_t i = 1; i < n && !rc; i++) {
		if (ids[i] == ids[i - 1])
			rc = err_set(k->e, ERR_INVALID,
				     "two tables have the id %" PRIu32, ids[i]);
	}
	free(ids);
	return rc;
}

int definition_check(const struct catalog *before,
		     const Synod__Definition__Definition *d, struct err *e)
{
	const Synod__Definition__Definition *old = catalog_definition(before);
	struct check k = {.before = before,
			  .d = d,
			  .sync_from = old ? old->next_sync_id : 1,
			  .table_from = old ? old->next_table_id : 1,
			  .e = e};
	int rc = check_connections(&k);

	if (!rc && d->n_syncs > LIMIT_SYNCS)
		rc = err_set(e, ERR_LIMIT, "more than %d syncs", LIMIT_SYNCS);
	if (!rc && old &&
	    (d->next_sync_id < k.sync_from || d->next_table_id < k.table_from))
		rc = err_set(e, ERR_INVALID, "ids would be used again");
	for (size_t i = 0; i < d->n_syncs && !rc; i++)
		rc = check_sync(&k, d->syncs[i]);
	if (!rc && k.n_tables > LIMIT_TABLES)
		rc = err_set(e, ERR_LIMIT, "more than %d tables", LIMIT_TABLES);
	if (!rc && k.n_tasks + d->n_connections > LIMIT_TASKS)
		rc = err_set(e, ERR_LIMIT, "more than %d tasks", LIMIT_TASKS);
	return rc ? rc : check_twice(&k);
}

/* -- what changed ---------------------------------------------------------- */
struct summary {
	char *buf;
	size_t cap, len;
	bool is_cut;
};

static void say(struct summary *s, char mark, const char *name)
{
	static const size_t room = sizeof(" ...");
	size_t need = strlen(name) + 2;

	if (s->is_cut || s->len + need + room > s->cap) {
		s->is_cut = true;
		return;
	}
	s->len += (size_t)snprintf(s->buf + s->len, s->cap - s->len, "%s%c%s",
				   s->len ? " " : "", mark, name);
}

static void say_connections(struct summary *s, const struct catalog *before,
			    const struct catalog *after)
{
	for (uint32_t id = 1; id <= CATALOG_CONNECTIONS; id++) {
		const Synod__Definition__Connection *c =
			catalog_connection(after, id);
		const Synod__Definition__Connection *old =
			c ? catalog_connection_named(before, c->name) : NULL;

		if (c && !old)
			say(s, '+', c->name);
		else if (c && !definition_same(&c->base, &old->base))
			say(s, '~', c->name);
	}
	for (uint32_t id = 1; id <= CATALOG_CONNECTIONS; id++) {
		const Synod__Definition__Connection *old =
			catalog_connection(before, id);

		if (old && !catalog_connection_named(after, old->name))
			say(s, '-', old->name);
	}
}

static void say_syncs(struct summary *s, const struct catalog *before,
		      const struct catalog *after)
{
	const Synod__Definition__Definition *d = catalog_definition(after);
	const Synod__Definition__Definition *was = catalog_definition(before);

	for (size_t i = 0; i < d->n_syncs; i++) {
		const Synod__Definition__Sync *now = d->syncs[i];
		const Synod__Definition__Sync *old =
			catalog_sync_named(before, now->name);

		if (!old)
			say(s, '+', now->name);
		else if (!definition_same(&now->base, &old->base))
			say(s, '~', now->name);
	}
	for (size_t i = 0; was && i < was->n_syncs; i++) {
		if (!catalog_sync_named(after, was->syncs[i]->name))
			say(s, '-', was->syncs[i]->name);
	}
}

char *definition_summary(const struct catalog *before,
			 const Synod__Definition__Definition *d, char *buf,
			 size_t cap)
{
	struct summary s = {.buf = buf, .cap = cap};
	struct catalog *after = catalog_of(d);

	CHECK(cap >= 8);
	buf[0] = '\0';
	say_syncs(&s, before, after);
	say_connections(&s, before, after);
	if (s.is_cut)
		snprintf(buf + s.len, cap - s.len, "%s...", s.len ? " " : "");
	catalog_free(after);
	return buf;
}
