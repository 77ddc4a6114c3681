/* The connector's table, and what needs no handle. */
#include "connectors/connector.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connectors/postgres/apply.h"
#include "connectors/postgres/capture.h"
#include "connectors/postgres/checkpoint.h"
#include "connectors/postgres/preflight.h"
#include "connectors/postgres/publication.h"
#include "connectors/postgres/slot.h"
#include "connectors/postgres/sql.h"
#include "connectors/postgres/types.h"

enum {
	/* Task ids up to here are connections: captures. */
	POSTGRES_CAPTURE_IDS = 63,
};

/* A session for one call. */
static int dial(const struct connector_target *t, struct options *o,
		struct session *s, struct err *e)
{
	int error = pg_options_read(o, t, e);
	if (error)
		return error;
	const struct session_plan plan = {
		.options = o, .kind = SESSION_PLAIN, .name = "synod"};
	error = pg_session_open(s, &plan, e);
	if (error)
		pg_options_clear(o);
	return error;
}

static void hang_up(struct options *o, struct session *s)
{
	pg_session_close(s);
	pg_options_clear(o);
}

static int postgres_test(const struct connector_target *t, char *text,
			 size_t cap, struct err *e)
{
	struct session_call call = {
		"select 'PostgreSQL ' || current_setting('server_version') || "
		"', database ' || current_database() || ', role ' || "
		"current_user || case when pg_is_in_recovery() then ', "
		"standby' else '' end",
		0,
		{NULL}};
	struct options o;
	struct session s;
	PGresult *r;

	int error = dial(t, &o, &s, e);
	if (error)
		return error;
	error = pg_session_call(&s, &call, &r, e);
	if (!error) {
		snprintf(text, cap, "%s%s", PQgetvalue(r, 0, 0),
			 PQsslInUse(s.conn) ? ", TLS" : "");
		PQclear(r);
	}
	hang_up(&o, &s);
	return error;
}

static int postgres_describe(const struct connector_target *t, const char *name,
			     struct arena *arena, struct connector_schema *out,
			     struct err *e)
{
	struct schema_table table;
	struct options o;
	struct session s;

	int error = dial(t, &o, &s, e);
	if (error)
		return error;
	error = pg_schema_read(&s, name, arena, &table, e);
	hang_up(&o, &s);
	if (error)
		return error;
	out->table = table.path;
	out->n = table.n;
	out->columns = arena_alloc(arena, (table.n + 1) * sizeof *out->columns);
	for (size_t i = 0; i < table.n; i++) {
		const struct schema_column *c = &table.columns[i];
		out->columns[i] = (struct connector_column){
			.name = c->name,
			.type = c->type,
			.native = c->native,
			.is_key = c->is_key,
			.is_nullable = c->is_nullable,
			.is_generated = c->is_generated,
			.is_large = c->is_large,
		};
	}
	return 0;
}

static int postgres_tables(const struct connector_target *t,
			   struct arena *arena, const char **names, size_t max,
			   struct err *e)
{
	struct schema_names list = {names, max};
	struct options o;
	struct session s;

	int error = dial(t, &o, &s, e);
	if (error)
		return error;
	int n = pg_schema_list(&s, o.schema, arena, &list, e);
	hang_up(&o, &s);
	return n;
}

static int postgres_check(const struct connector_target *t,
			  const struct connector_table *tables, size_t n,
			  struct connector_findings *out, struct err *e)
{
	struct options o;
	struct session s;

	int error = dial(t, &o, &s, e);
	if (error)
		return error;
	const struct preflight p = {.session = &s,
				    .options = &o,
				    .tables = tables,
				    .n = n,
				    .findings = out};
	error = pg_preflight_check(&p, e);
	hang_up(&o, &s);
	return error;
}

static int forget_checkpoint(struct session *s, const struct options *o,
			     const char *cluster, uint32_t task_id,
			     struct err *e)
{
	char task[16];
	bool is_there = false;
	struct sql sql;

	int error = pg_checkpoint_exists(s, o, &is_there, e);
	if (error || !is_there)
		return error;
	snprintf(task, sizeof task, "%u", task_id);
	pg_sql_init(&sql);
	pg_sql_add(&sql, "delete from ");
	pg_sql_table(&sql, o->schema, CHECKPOINT_TABLE);
	pg_sql_add(&sql, " where cluster = $1 and task = $2");
	struct session_call call = {sql.text, 2, {cluster, task}};
	error = pg_session_call(s, &call, NULL, e);
	pg_sql_free(&sql);
	return error;
}

static int postgres_forget(const struct connector_target *t, uint32_t task_id,
			   struct err *e)
{
	struct options o;
	struct session s;

	int error = dial(t, &o, &s, e);
	if (error)
		return error;
	if (task_id > POSTGRES_CAPTURE_IDS) {
		error = forget_checkpoint(&s, &o, t->cluster, task_id, e);
	} else {
		error = pg_slot_free(&s, &o, UINT64_MAX, e);
		if (!error)
			error = pg_slot_drop(&s, &o, e);
		if (!error)
			error = pg_publication_drop(&s, &o, e);
	}
	hang_up(&o, &s);
	return error;
}

const struct connector connector_postgres = {
	.type = "postgresql",
	.options = pg_options_list,
	.test = postgres_test,
	.describe = postgres_describe,
	.tables = postgres_tables,
	.refuses = pg_types_refuses,
	.check = postgres_check,
	.forget = postgres_forget,
	.capture_open = pg_capture_open,
	.capture_start = pg_capture_start,
	.capture_poll = pg_capture_poll,
	.capture_confirm = pg_capture_confirm,
	.capture_figures = pg_capture_figures,
	.capture_interrupt = pg_capture_interrupt,
	.capture_close = pg_capture_close,
	.apply_open = pg_apply_open,
	.apply_write = pg_apply_write,
	.apply_interrupt = pg_apply_interrupt,
	.apply_close = pg_apply_close,
};
