#include "connectors/postgres/preflight.h"

#include <stdlib.h>
#include <string.h>

#include "connectors/postgres/checkpoint.h"
#include "connectors/postgres/publication.h"
#include "connectors/postgres/slot.h"
#include "connectors/postgres/sql.h"

enum { PREFLIGHT_VERSION_MIN = 130000 };

static const char *finish(struct sql *s, struct arena *arena)
{
	const char *text = arena_strdup(arena, s->text);

	pg_sql_free(s);
	return text;
}

static bool has_source(const struct preflight *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->tables[i].side->is_source)
			return true;
	return false;
}

/* -- the server ------------------------------------------------------------
 */
struct server {
	bool is_standby, is_logical, is_replicator, can_create;
	bool has_free_slot, has_sender;
	long version;
};

static int look_at_server(const struct preflight *p, struct server *out,
			  struct err *e)
{
	struct session_call call = {
		"select pg_is_in_recovery(), current_setting('wal_level') = "
		"'logical', (select rolreplication or rolsuper from pg_roles "
		"where rolname = current_user), "
		"has_database_privilege(current_database(), 'CREATE'), "
		"exists (select from pg_replication_slots where slot_name = "
		"$1) or (select count(*) from pg_replication_slots) < "
		"current_setting('max_replication_slots')::int, "
		"(select count(*) from pg_stat_replication) < "
		"current_setting('max_wal_senders')::int, "
		"current_setting('server_version_num')",
		1,
		{p->options->slot}};
	PGresult *r;

	int error = pg_session_call(p->session, &call, &r, e);
	if (error)
		return error;
	bool flags[6];
	for (int i = 0; i < 6; i++)
		flags[i] = PQgetvalue(r, 0, i)[0] == 't';
	*out = (struct server){
		.is_standby = flags[0],
		.is_logical = flags[1],
		.is_replicator = flags[2],
		.can_create = flags[3],
		.has_free_slot = flags[4],
		.has_sender = flags[5],
		.version = strtol(PQgetvalue(r, 0, 6), NULL, 10),
	};
	PQclear(r);
	return 0;
}

static const char *grant_replication(const struct preflight *p)
{
	struct sql s;

	pg_sql_init(&s);
	pg_sql_add(&s, "ALTER ROLE ");
	pg_sql_name(&s, p->options->user);
	pg_sql_add(&s, " REPLICATION;");
	return finish(&s, p->findings->arena);
}

static void check_source_server(const struct preflight *p,
				const struct server *s)
{
	struct connector_findings *f = p->findings;

	if (s->is_standby)
		connector_find(f, true, NULL, NULL,
			       "the server is a standby; name the primary");
	if (!s->is_logical)
		connector_find(f, true, NULL,
			       "ALTER SYSTEM SET wal_level = 'logical';",
			       "wal_level is not logical; the server has to be "
			       "restarted behind the repair");
	if (!s->is_replicator)
		connector_find(f, true, NULL, grant_replication(p),
			       "role %s may not replicate", p->options->user);
	if (!s->has_free_slot)
		connector_find(f, true, NULL,
			       "ALTER SYSTEM SET max_replication_slots = 20;",
			       "no replication slot is free; the server has to "
			       "be restarted behind the repair");
	if (!s->has_sender)
		connector_find(f, true, NULL,
			       "ALTER SYSTEM SET max_wal_senders = 20;",
			       "no WAL sender is free; the server has to be "
			       "restarted behind the repair");
}

static int check_own_table(const struct preflight *p, const struct server *s,
			   struct err *e)
{
	bool is_there = false, is_ours = false;

	int error = pg_checkpoint_exists(p->session, p->options, &is_there, e);
	if (!error && is_there)
		error = pg_checkpoint_is_ours(p->session, p->options, &is_ours,
					      e);
	if (error || is_ours || (!is_there && s->can_create))
		return error;
	connector_find(p->findings, true, NULL,
		       pg_checkpoint_repair(p->options, p->findings->arena),
		       "role %s has no table %s." CHECKPOINT_TABLE
		       " of its own, and may not make it",
		       p->options->user, p->options->schema);
	return 0;
}

/* -- tables ----------------------------------------------------------------
 */
static const char *alter_identity(const struct preflight *p,
				  const struct schema_table *t)
{
	struct sql s;

	pg_sql_init(&s);
	pg_sql_add(&s, "ALTER TABLE ");
	pg_sql_table(&s, t->schema, t->name);
	pg_sql_add(&s, " REPLICA IDENTITY FULL;");
	return finish(&s, p->findings->arena);
}

static const char *add_key(const struct preflight *p,
			   const struct schema_table *t,
			   const struct connector_table *planned)
{
	struct sql s;
	size_t n = 0;

	pg_sql_init(&s);
	pg_sql_add(&s, "ALTER TABLE ");
	pg_sql_table(&s, t->schema, t->name);
	pg_sql_add(&s, " ADD PRIMARY KEY (");
	for (size_t i = 0; i < planned->table->n_fields; i++)
		if (planned->table->fields[i]->is_key) {
			pg_sql_comma(&s, n++);
			pg_sql_name(&s, planned->side->columns[i]);
		}
	pg_sql_add(&s, ");");
	return finish(&s, p->findings->arena);
}

static const char *grant(const struct preflight *p,
			 const struct schema_table *t, const char *what)
{
	struct sql s;

	pg_sql_init(&s);
	pg_sql_add(&s, "GRANT USAGE ON SCHEMA ");
	pg_sql_name(&s, t->schema);
	pg_sql_add(&s, " TO ");
	pg_sql_name(&s, p->options->user);
	pg_sql_add(&s, "; GRANT %s ON ", what);
	pg_sql_table(&s, t->schema, t->name);
	pg_sql_add(&s, " TO ");
	pg_sql_name(&s, p->options->user);
	pg_sql_add(&s, ";");
	return finish(&s, p->findings->arena);
}

/* Each field's column: is it there, of the type, and what it should not be. */
static void check_columns(const struct preflight *p,
			  const struct schema_table *t,
			  const struct connector_table *planned)
{
	const Synod__Definition__Side *side = planned->side;
	bool has_extended = false;
	struct err why = {0};

	if (pg_schema_match(t, planned, &why))
		connector_find(p->findings, true, t->path, NULL, "%s",
			       why.text);
	for (size_t i = 0; i < side->n_columns; i++) {
		const struct schema_column *c =
			pg_schema_find(t, side->columns[i]);
		if (!c)
			continue;
		has_extended |= c->is_extended;
		if (c->is_generated)
			connector_find(p->findings, true, t->path, NULL,
				       "column %s is generated: the server "
				       "neither tells nor takes its values; "
				       "leave it out",
				       c->name);
	}
	bool needs_full = side->is_source && has_extended &&
			  (planned->is_two_way || side->n_where > 0);
	if (needs_full && t->identity != 'f')
		connector_find(p->findings, true, t->path, alter_identity(p, t),
			       "large values that an update does not change "
			       "are left out of the stream, and %s needs whole "
			       "rows",
			       planned->is_two_way ? "a two-way sync"
						   : "`where`");
}

static void check_source(const struct preflight *p,
			 const struct schema_table *t,
			 const struct connector_table *planned)
{
	struct connector_findings *f = p->findings;

	if (!t->is_logged)
		connector_find(f, true, t->path, NULL,
			       "an unlogged or temporary table is not in the "
			       "stream");
	if (t->identity != 'f' && !t->identity_has_key && !t->has_key)
		connector_find(f, true, t->path, add_key(p, t, planned),
			       "no primary key: once the table is published, "
			       "every UPDATE and DELETE of it would fail");
	else if (t->identity == 'n' || !t->identity_has_key)
		connector_find(f, true, t->path, alter_identity(p, t),
			       "its replica identity does not tell the key: "
			       "once the table is published, its UPDATE and "
			       "DELETE would fail");
	if (!t->can_select)
		connector_find(f, true, t->path, grant(p, t, "SELECT"),
			       "role %s may not read it", p->options->user);
}

/* ON CONFLICT needs an index on exactly our key, checked at once. */
static void check_key(const struct preflight *p, const struct schema_table *t,
		      const struct connector_table *planned)
{
	struct connector_findings *f = p->findings;
	bool has_any = false, was_said;

	for (size_t i = 0; i < t->n; i++)
		has_any |= t->columns[i].is_key;
	was_said = planned->side->is_source && !t->identity_has_key;
	if (!has_any && !was_said)
		connector_find(f, true, t->path, add_key(p, t, planned),
			       "no primary key: rows cannot be told apart");
	else if (has_any && !t->has_key)
		connector_find(f, true, t->path, NULL,
			       "its primary key is DEFERRABLE; rows cannot be "
			       "written over with it");
	for (size_t i = 0; has_any && i < planned->table->n_fields; i++) {
		const struct schema_column *c =
			pg_schema_find(t, planned->side->columns[i]);
		if (c && c->is_key != (planned->table->fields[i]->is_key != 0))
			connector_find(f, true, t->path, NULL,
				       "column %s: the key of the table here "
				       "is another one",
				       c->name);
	}
}

static void check_target(const struct preflight *p,
			 const struct schema_table *t,
			 const struct connector_table *planned)
{
	struct connector_findings *f = p->findings;

	check_key(p, t, planned);
	if (!t->can_select || !t->can_insert || !t->can_update ||
	    !t->can_delete)
		connector_find(f, true, t->path,
			       grant(p, t, "SELECT, INSERT, UPDATE, DELETE"),
			       "role %s may not write it", p->options->user);
}

static int check_table(const struct preflight *p, size_t i,
		       struct schema_table *t, bool *is_there, struct err *e)
{
	const struct connector_table *planned = &p->tables[i];
	struct err why = {0};

	int error = pg_schema_read(p->session, planned->side->table,
				   p->findings->arena, t, &why);
	*is_there = error == 0;
	if (error == ERR_NOTFOUND) {
		connector_find(p->findings, true, planned->side->table, NULL,
			       "%s", why.text);
		return 0;
	}
	if (error)
		return err_set(e, error, "%s", why.text);
	check_columns(p, t, planned);
	if (planned->side->is_source)
		check_source(p, t, planned);
	if (planned->side->is_target)
		check_target(p, t, planned);
	return 0;
}

/* -- the publication -------------------------------------------------------
 */
/* We can bring what is missing if the tables are ours, and the publication. */
static int may_publish(const struct preflight *p, const struct server *s,
		       const struct publication_plan *plan, bool *out,
		       struct err *e)
{
	struct session_call call = {
		"select pg_has_role(pubowner, 'USAGE') from pg_publication "
		"where pubname = $1",
		1,
		{p->options->publication}};
	PGresult *r;

	int error = pg_session_call(p->session, &call, &r, e);
	if (error)
		return error;
	*out = PQntuples(r) > 0 ? PQgetvalue(r, 0, 0)[0] == 't' : s->can_create;
	PQclear(r);
	*out &= p->options->is_own_publication;
	for (size_t i = 0; i < plan->n; i++)
		*out &= plan->tables[i].is_owned;
	return 0;
}

static int check_publication(const struct preflight *p, const struct server *s,
			     const struct publication_plan *plan, struct err *e)
{
	const char *sql = NULL;
	bool may = false;
	struct sql repair;

	int error = pg_publication_missing(p->session, plan, p->findings->arena,
					   &sql, e);
	if (error || !sql)
		return error;
	error = may_publish(p, s, plan, &may, e);
	if (error || may)
		return error;
	/* Our own table has to be there before it can be published. */
	pg_sql_init(&repair);
	bool is_there = true;
	error = pg_checkpoint_exists(p->session, p->options, &is_there, e);
	if (!is_there)
		pg_sql_add(
			&repair, "%s ",
			pg_checkpoint_repair(p->options, p->findings->arena));
	pg_sql_add(&repair, "%s", sql);
	connector_find(p->findings, true, NULL,
		       finish(&repair, p->findings->arena),
		       "publication %s lacks tables that role %s does not own; "
		       "a superuser has to publish them",
		       p->options->publication, p->options->user);
	return error;
}

int pg_preflight_check(const struct preflight *p, struct err *e)
{
	struct schema_table *sources = mem_zero(p->n + 1, sizeof *sources);
	struct publication_plan plan = {.options = p->options,
					.tables = sources};
	struct server server;

	int error = look_at_server(p, &server, e);
	if (!error && server.version < PREFLIGHT_VERSION_MIN)
		connector_find(p->findings, true, NULL, NULL,
			       "PostgreSQL 13 is the oldest that can be used");
	if (!error && has_source(p))
		check_source_server(p, &server);
	if (!error)
		error = check_own_table(p, &server, e);
	for (size_t i = 0; i < p->n && !error; i++) {
		struct schema_table t;
		bool is_there;
		error = check_table(p, i, &t, &is_there, e);
		/* What cannot be published yet must not be named there. */
		if (!error && is_there && p->tables[i].side->is_source &&
		    t.identity_has_key && t.identity != 'n')
			sources[plan.n++] = t;
	}
	if (!error && has_source(p))
		error = check_publication(p, &server, &plan, e);
	free(sources);
	return error;
}
