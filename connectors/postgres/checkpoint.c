#include "connectors/postgres/checkpoint.h"

#include "connectors/postgres/sql.h"

/* "syno" in letters: of those who create our table. */
enum { CHECKPOINT_LOCK = 0x73796e6f };

int pg_checkpoint_exists(struct session *s, const struct options *o, bool *out,
			 struct err *e)
{
	struct session_call call = {
		"select from pg_class c join pg_namespace n on n.oid = "
		"c.relnamespace where n.nspname = $1 and c.relname = $2",
		2,
		{o->schema, CHECKPOINT_TABLE}};
	PGresult *r;

	int error = pg_session_call(s, &call, &r, e);
	if (error)
		return error;
	*out = PQntuples(r) > 0;
	PQclear(r);
	return 0;
}

int pg_checkpoint_is_ours(struct session *s, const struct options *o, bool *out,
			  struct err *e)
{
	struct session_call call = {
		"select has_schema_privilege(n.oid, 'USAGE') and "
		"has_table_privilege(c.oid, 'SELECT') and "
		"has_table_privilege(c.oid, 'INSERT') and "
		"has_table_privilege(c.oid, 'UPDATE') and "
		"has_table_privilege(c.oid, 'DELETE') from pg_class c join "
		"pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 "
		"and c.relname = $2",
		2,
		{o->schema, CHECKPOINT_TABLE}};
	PGresult *r;

	int error = pg_session_call(s, &call, &r, e);
	if (error)
		return error;
	*out = PQntuples(r) > 0 && PQgetvalue(r, 0, 0)[0] == 't';
	PQclear(r);
	return 0;
}

static void create_table(struct sql *s, const struct options *o)
{
	pg_sql_add(s, "create table if not exists ");
	pg_sql_table(s, o->schema, CHECKPOINT_TABLE);
	pg_sql_add(s, " (cluster text not null, task bigint not null, "
		      "epoch bigint not null, applied_index bigint not null, "
		      "primary key (cluster, task))");
}

const char *pg_checkpoint_repair(const struct options *o, struct arena *arena)
{
	struct sql s;

	pg_sql_init(&s);
	pg_sql_add(&s, "create schema if not exists ");
	pg_sql_name(&s, o->schema);
	pg_sql_add(&s, "; ");
	create_table(&s, o);
	pg_sql_add(&s, "; alter table ");
	pg_sql_table(&s, o->schema, CHECKPOINT_TABLE);
	pg_sql_add(&s, " owner to ");
	pg_sql_name(&s, o->user);
	pg_sql_add(&s, "; grant usage on schema ");
	pg_sql_name(&s, o->schema);
	pg_sql_add(&s, " to ");
	pg_sql_name(&s, o->user);
	pg_sql_add(&s, ";");
	const char *text = arena_strdup(arena, s.text);
	pg_sql_free(&s);
	return text;
}

static int refused(const struct options *o, int error, struct err *e)
{
	struct arena arena;

	if (error != ERR_PERMISSION)
		return error;
	arena_init(&arena, 512);
	error = err_set(e, ERR_PERMISSION,
			"our own table cannot be created; a superuser has to "
			"run once: %s",
			pg_checkpoint_repair(o, &arena));
	arena_free(&arena);
	return error;
}

/* Looks first: `if not exists` asks for the right to create even when there
 * is nothing to create. */
int pg_checkpoint_ensure(struct session *s, const struct options *o,
			 struct err *e)
{
	struct session_call has_schema = {
		"select from pg_namespace where nspname = $1", 1, {o->schema}};
	bool is_there = false;
	struct sql sql;
	PGresult *r;

	int error = pg_checkpoint_exists(s, o, &is_there, e);
	if (error || is_there)
		return error;
	error = pg_session_call(s, &has_schema, &r, e);
	if (error)
		return error;
	pg_sql_init(&sql);
	/* One transaction. Two tasks that begin at once would both find nothing
	 * and both create: `if not exists` does not exclude that. */
	pg_sql_add(&sql, "select pg_advisory_xact_lock(%d); ", CHECKPOINT_LOCK);
	if (PQntuples(r) == 0) {
		pg_sql_add(&sql, "create schema if not exists ");
		pg_sql_name(&sql, o->schema);
		pg_sql_add(&sql, "; ");
	}
	PQclear(r);
	create_table(&sql, o);
	error = refused(o, pg_session_run(s, sql.text, e), e);
	pg_sql_free(&sql);
	return error;
}
