#include "connectors/postgres/apply.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "connectors/postgres/checkpoint.h"

enum {
	APPLY_NAME_BYTES = 64,
	/* Rows handed to libpq between two looks at the socket. */
	APPLY_FLUSH_ROWS = 128,
};

/* -- opening: the fence ----------------------------------------------------
 */
static void session_name(char *buf, const struct apply_handle *h)
{
	snprintf(buf, APPLY_NAME_BYTES, "synod:%s:%" PRIu32 ":%" PRIu64,
		 h->options.cluster, h->setup.task_id, h->setup.epoch);
}

static int dial(struct apply_handle *h, struct err *e)
{
	char name[APPLY_NAME_BYTES];

	session_name(name, h);
	const struct session_plan plan = {.options = &h->options,
					  .bell = &h->bell,
					  .kind = SESSION_PLAIN,
					  .name = name};
	return pg_session_open(&h->session, &plan, e);
}

/* What an older epoch has open there holds the row that we are about to take:
 * a frozen process would hold it until the server gives up on it. */
static int end_older(struct apply_handle *h, struct err *e)
{
	char name[APPLY_NAME_BYTES], epoch[24];

	snprintf(name, sizeof name, "synod:%s:%" PRIu32 ":", h->options.cluster,
		 h->setup.task_id);
	snprintf(epoch, sizeof epoch, "%" PRIu64, h->setup.epoch);
	struct session_call call = {
		"select pg_terminate_backend(pid) from pg_stat_activity where "
		"datname = current_database() and usename = current_user and "
		"starts_with(application_name, $1) and pid <> pg_backend_pid() "
		"and substr(application_name, length($1) + 1) ~ '^[0-9]+$' and "
		"substr(application_name, length($1) + 1)::numeric <= "
		"$2::numeric",
		2,
		{name, epoch}};
	return pg_session_call(&h->session, &call, NULL, e);
}

static int take_checkpoint(struct apply_handle *h, uint64_t *applied_index,
			   struct err *e)
{
	char task[16], epoch[24];
	struct sql sql;
	PGresult *r;

	snprintf(task, sizeof task, "%" PRIu32, h->setup.task_id);
	snprintf(epoch, sizeof epoch, "%" PRIu64, h->setup.epoch);
	pg_sql_init(&sql);
	pg_sql_add(&sql, "insert into ");
	pg_sql_table(&sql, h->options.schema, CHECKPOINT_TABLE);
	pg_sql_add(&sql,
		   " as c (cluster, task, epoch, applied_index) values ($1, "
		   "$2, $3, 0) on conflict (cluster, task) do update set "
		   "epoch = excluded.epoch where c.epoch <= excluded.epoch "
		   "returning applied_index");
	struct session_call call = {
		sql.text, 3, {h->setup.target.cluster, task, epoch}};
	int error = pg_session_call(&h->session, &call, &r, e);
	pg_sql_free(&sql);
	if (error)
		return error;
	if (PQntuples(r) == 0)
		error = err_set(e, ERR_FENCED,
				"task %" PRIu32 " is applied by a newer epoch "
				"than %" PRIu64,
				h->setup.task_id, h->setup.epoch);
	else
		*applied_index = strtoull(PQgetvalue(r, 0, 0), NULL, 10);
	PQclear(r);
	return error;
}

static int fence(struct apply_handle *h, uint64_t *applied_index, struct err *e)
{
	int error = pg_session_run(&h->session, "set lock_timeout = 100", e);
	if (error)
		return error;
	error = take_checkpoint(h, applied_index, e);
	if (error == ERR_BUSY) { /* somebody holds the row */
		error = end_older(h, e);
		if (!error)
			error = pg_session_run(&h->session,
					       "set lock_timeout = 5000", e);
		if (!error)
			error = take_checkpoint(h, applied_index, e);
	}
	return error ? error
		     : pg_session_run(&h->session, "set lock_timeout = 5000",
				      e);
}

static int read_target(struct apply_handle *h, size_t i, struct err *e)
{
	struct apply_target *t = &h->targets[i];
	size_t n = h->setup.tables[i].table->n_fields;

	t->table = &h->setup.tables[i];
	int error = pg_schema_read(&h->session, t->table->side->table,
				   &h->schema_arena, &t->schema, e);
	if (error == ERR_NOTFOUND)
		return err_set(e, ERR_SCHEMA, "table %s is gone",
			       t->table->side->table);
	if (!error)
		error = pg_schema_match(&t->schema, t->table, e);
	if (error)
		return error;
	t->columns =
		arena_alloc(&h->schema_arena, (n + 1) * sizeof *t->columns);
	for (size_t j = 0; j < n; j++) {
		t->columns[j] =
			pg_schema_find(&t->schema, t->table->side->columns[j]);
		CHECK(t->columns[j]); /* schema_match */
	}
	t->can_truncate = t->schema.can_truncate && !t->schema.is_referenced;
	h->has_deferrable |= t->schema.has_deferrable;
	return 0;
}

static void write_checkpoint_sql(struct apply_handle *h)
{
	struct sql *s = &h->checkpoint_sql;

	pg_sql_init(s);
	pg_sql_add(s, "with u as (update ");
	pg_sql_table(s, h->options.schema, CHECKPOINT_TABLE);
	/* A row at 0 has never been written by this task: then it begins where
	 * the task was born. */
	pg_sql_add(s,
		   " set applied_index = $4 where cluster = $1 and task = $2 "
		   "and epoch = $3 and applied_index in (0, $5) returning 1) "
		   "select 1 / count(*) from u");
}

int pg_apply_open(const struct apply_setup *setup, struct apply_handle **out,
		  uint64_t *applied_index, struct err *e)
{
	struct apply_handle *h = mem_zero(1, sizeof *h);
	uint64_t index = 0;

	h->setup = *setup;
	h->bell.fd = -1;
	arena_init(&h->schema_arena, (size_t)16 << 10);
	arena_init(&h->arena, (size_t)64 << 10);
	h->targets = mem_zero(setup->n_tables + 1, sizeof *h->targets);
	pg_apply_forget_statements(h);
	int error = pg_options_read(&h->options, &setup->target, e);
	if (!error)
		error = pg_session_bell_open(&h->bell, e);
	if (!error)
		error = dial(h, e);
	if (!error)
		error = pg_checkpoint_ensure(&h->session, &h->options, e);
	if (!error)
		error = fence(h, &index, e);
	for (size_t i = 0; i < setup->n_tables && !error; i++)
		error = read_target(h, i, e);
	if (error) {
		pg_apply_close(h);
		return error;
	}
	write_checkpoint_sql(h);
	*applied_index = index;
	*out = h;
	return 0;
}

void pg_apply_close(struct apply_handle *h)
{
	if (!h)
		return;
	pg_session_close(&h->session);
	pg_session_bell_close(&h->bell);
	pg_sql_free(&h->checkpoint_sql);
	if (h->statements)
		map_free(h->statements);
	arena_free(&h->arena);
	arena_free(&h->schema_arena);
	pg_options_clear(&h->options);
	free(h->targets);
	free(h);
}

void pg_apply_interrupt(struct apply_handle *h)
{
	pg_session_bell_ring(&h->bell);
}

/* -- writing ---------------------------------------------------------------
 */
/* What was sent, in order, and so what the results are of. */
enum step { STEP_BEGIN, STEP_CHECKPOINT, STEP_ROW, STEP_END };

struct writing {
	struct apply_handle *h;
	const struct apply_group *g;
	unsigned *n_of_row; /* results of each row */
	bool *is_there;     /* a READ met a row */
	bool has_read;      /* some row has to be compared before the end */
	/* The first result that was an error. */
	int code;
	enum step failed;
	size_t failed_row;
	bool is_missing; /* it found no row to change */
	struct err why;
};

static int send_text(struct apply_handle *h, const char *sql, struct err *e)
{
	if (!PQsendQueryParams(h->session.conn, sql, 0, NULL, NULL, NULL, NULL,
			       0))
		return err_set(e, ERR_NETWORK, "send: %.300s",
			       PQerrorMessage(h->session.conn));
	return 0;
}

static int send_all(struct writing *w, struct err *e)
{
	struct apply_handle *h = w->h;

	int error = send_text(h, "begin", e);
	if (!error && h->has_deferrable)
		error = send_text(h, "set constraints all deferred", e);
	if (!error)
		error = pg_apply_send_checkpoint(h, w->g, e);
	for (size_t i = 0; i < w->g->n && !error; i++) {
		const struct apply_row *row = &w->g->rows[i];
		const struct apply_sending s = {h, row, pg_apply_op_of(row)};
		w->has_read |= s.op == APPLY_READ;
		error = pg_apply_send(&s, &w->n_of_row[i], e);
		if (!error && i % APPLY_FLUSH_ROWS == APPLY_FLUSH_ROWS - 1)
			error = pg_session_flush(&h->session, e);
		w->failed_row = i;
	}
	if (!error && !w->has_read)
		error = send_text(h, "commit", e);
	return error;
}

/* One result and the NULL behind it. Keeps the first error. */
static int take_result(struct writing *w, enum step step, size_t row,
		       struct err *e)
{
	PGresult *r = NULL, *end = NULL;

	int error = pg_session_result(&w->h->session, &r, e);
	if (error)
		return error;
	ExecStatusType status = PQresultStatus(r);
	if (step == STEP_ROW && status == PGRES_COMMAND_OK &&
	    pg_apply_op_of(&w->g->rows[row]) == APPLY_READ)
		w->is_there[row] = strcmp(PQcmdTuples(r), "0") == 0;
	if (status == PGRES_FATAL_ERROR && !w->code) {
		const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
		w->code = pg_session_fail(r, "apply", &w->why);
		w->failed = step;
		w->failed_row = row;
		w->is_missing = state && strcmp(state, "22012") == 0;
	}
	PQclear(r);
	error = pg_session_result(&w->h->session, &end, e);
	if (!error && end) { /* a second result: none of ours has one */
		PQclear(end);
		return err_set(e, ERR_NETWORK, "results are out of step");
	}
	return error;
}

static int take_sync(struct writing *w, struct err *e)
{
	PGresult *r = NULL;

	int error = pg_session_result(&w->h->session, &r, e);
	if (!error && PQresultStatus(r) != PGRES_PIPELINE_SYNC)
		error = err_set(e, ERR_NETWORK, "results are out of step");
	PQclear(r);
	return error;
}

static int take_all(struct writing *w, struct err *e)
{
	int error = take_result(w, STEP_BEGIN, 0, e);

	if (!error && w->h->has_deferrable)
		error = take_result(w, STEP_BEGIN, 0, e);
	if (!error)
		error = take_result(w, STEP_CHECKPOINT, 0, e);
	for (size_t i = 0; i < w->g->n && !error; i++)
		for (unsigned j = 0; j < w->n_of_row[i] && !error; j++)
			error = take_result(w, STEP_ROW, i, e);
	if (!error && !w->has_read)
		error = take_result(w, STEP_END, 0, e);
	return error ? error : take_sync(w, e);
}

static int run_pipeline(struct writing *w, struct err *e)
{
	struct session *s = &w->h->session;

	if (!PQenterPipelineMode(s->conn))
		return err_set(e, ERR_NETWORK, "pipeline: %.300s",
			       PQerrorMessage(s->conn));
	int error = send_all(w, e);
	if (error) /* half a transaction is there: end it with the session */
		return error;
	if (!PQpipelineSync(s->conn))
		return err_set(e, ERR_NETWORK, "pipeline: %.300s",
			       PQerrorMessage(s->conn));
	error = pg_session_flush(s, e);
	if (!error)
		error = take_all(w, e);
	if (!error && !PQexitPipelineMode(s->conn))
		error = err_set(e, ERR_NETWORK, "pipeline: %.300s",
				PQerrorMessage(s->conn));
	return error;
}

/* READs that met a row: equal is well, else the group does not happen. */
static int compare_reads(struct writing *w, struct apply_rejects *rejects,
			 struct err *e)
{
	for (size_t i = 0; i < w->g->n; i++) {
		struct apply_reject reject = {
			.row = i, .verdict = APPLY_DIFFERS, .code = ERR_DATA};
		if (!w->is_there[i])
			continue;
		int n = pg_apply_compare(w->h, &w->g->rows[i], &reject.existing,
					 e);
		if (n < 0)
			return n;
		if (n == 0)
			continue;
		snprintf(reject.text, sizeof reject.text,
			 "the row is there with other values");
		pg_apply_reject_add(rejects, &reject);
	}
	int error = 0;
	if (rejects->n == 0) {
		error = pg_session_run(&w->h->session, "commit", e);
		/* A deferred constraint: nothing was written. */
		return error == ERR_DATA
			       ? pg_apply_find_rejects(w->h, w->g, rejects, e)
			       : error;
	}
	error = pg_session_run(&w->h->session, "rollback", e);
	return error ? error
		     : err_set(e, ERR_DATA, "%zu rows differ", rejects->n);
}

/* Nothing of the group was written; what does that mean? */
static int explain(struct writing *w, struct apply_rejects *rejects,
		   struct err *e)
{
	struct apply_handle *h = w->h;

	/* Statements behind the error were never prepared. */
	pg_apply_forget_statements(h);
	int error = pg_session_run(&h->session, "rollback; deallocate all", e);
	if (error)
		return error;
	if (w->failed == STEP_CHECKPOINT && w->is_missing)
		return err_set(e, ERR_FENCED,
			       "task %" PRIu32 ": its checkpoint is another "
			       "epoch's than %" PRIu64 ", or not at %" PRIu64,
			       h->setup.task_id, h->setup.epoch,
			       w->g->from_index);
	if (w->code == ERR_DATA && w->failed != STEP_CHECKPOINT)
		return pg_apply_find_rejects(h, w->g, rejects, e);
	if (w->code == ERR_SCHEMA && w->failed == STEP_ROW)
		return err_set(e, ERR_SCHEMA, "table %s: %s",
			       w->g->rows[w->failed_row].table->side->table,
			       w->why.text);
	return err_set(e, w->code, "%s", w->why.text);
}

/* A row that cannot even be sent: refused like one that the server refuses,
 * but the pipeline has half of the group. The session starts anew. */
static int restart(struct writing *w, int code, struct err *e)
{
	uint64_t index;

	pg_session_close(&w->h->session);
	pg_apply_forget_statements(w->h);
	if (code != ERR_DATA)
		return code;
	int error = dial(w->h, e);
	if (!error)
		error = fence(w->h, &index, e);
	if (error)
		pg_session_close(&w->h->session);
	return error;
}

static int write_group(struct writing *w, struct apply_rejects *rejects,
		       struct err *e)
{
	int error = run_pipeline(w, e);

	if (error == ERR_DATA) {
		error = restart(w, error, e);
		return error ? error
			     : pg_apply_find_rejects(w->h, w->g, rejects, e);
	}
	if (error)
		return restart(w, error, e);
	if (w->code)
		return explain(w, rejects, e);
	if (w->has_read)
		return compare_reads(w, rejects, e);
	return 0;
}

int pg_apply_write(struct apply_handle *h, const struct apply_group *g,
		   struct apply_rejects *rejects, struct err *e)
{
	struct writing w = {.h = h, .g = g};

	*rejects = (struct apply_rejects){0};
	if (!pg_session_is_open(&h->session))
		return err_set(e, ERR_NETWORK, "the connection is broken");
	int error = pg_apply_limit_statements(h, e);
	if (error) {
		pg_session_close(&h->session);
		return error;
	}
	arena_clear(&h->arena);
	w.n_of_row = arena_alloc(&h->arena, (g->n + 1) * sizeof *w.n_of_row);
	w.is_there = arena_alloc(&h->arena, (g->n + 1) * sizeof *w.is_there);
	memset(w.n_of_row, 0, (g->n + 1) * sizeof *w.n_of_row);
	memset(w.is_there, 0, (g->n + 1) * sizeof *w.is_there);
	error = write_group(&w, rejects, e);
	/* Whatever is half done there ends with the connection. */
	if (error == ERR_NETWORK || error == ERR_TIMEOUT ||
	    error == ERR_CLOSED ||
	    PQtransactionStatus(h->session.conn) > PQTRANS_IDLE)
		pg_session_close(&h->session);
	return error;
}
