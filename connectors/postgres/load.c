#include "connectors/postgres/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "connectors/postgres/slot.h"
#include "connectors/postgres/sql.h"
#include "connectors/text.h"
#include "connectors/where.h"

/* Columns in front of the fields: the snapshot, and whether there is a row. */
enum { LOAD_SNAPSHOT, LOAD_IS_ROW, LOAD_FIELDS, LOAD_KEYS_MAX = 32 };

static int64_t now_ms(void)
{
	struct clock clock = clock_system();

	return clock_mono_us(&clock) / 1000;
}

static void drop_chunk(struct load *l)
{
	PQclear(l->rows);
	l->rows = NULL;
	pg_history_snapshot_free(&l->snapshot);
}

void pg_load_init(struct load *l)
{
	*l = (struct load){0};
	arena_init(&l->arena, (size_t)16 << 10);
	pg_history_init(&l->history);
}

void pg_load_free(struct load *l)
{
	drop_chunk(l);
	pg_history_free(&l->history);
	arena_free(&l->arena);
}

int pg_load_start(struct load *l, struct session *s, struct err *e)
{
	struct session_call call = {
		"select pg_snapshot_xmax(pg_current_snapshot())", 0, {NULL}};
	PGresult *r;

	drop_chunk(l);
	l->table = NULL;
	pg_history_free(&l->history);
	pg_history_init(&l->history);
	int error = pg_session_call(s, &call, &r, e);
	if (error)
		return error;
	l->gate_xid = strtoull(PQgetvalue(r, 0, 0), NULL, 10);
	l->newest_xid = l->gate_xid;
	PQclear(r);
	return 0;
}

void pg_load_choose(struct load *l, const struct connector_table *t,
		    const struct schema_table *schema)
{
	l->table = t;
	l->schema = schema;
	l->limit = LOAD_CHUNK_FIRST;
	l->read_at_ms = 0;
}

/* -- reading ---------------------------------------------------------------
 */
static void add_keys(const struct load *l, struct sql *sql)
{
	const Synod__Definition__Table *t = l->table->table;
	size_t n = 0;

	for (size_t i = 0; i < t->n_fields; i++)
		if (t->fields[i]->is_key) {
			pg_sql_comma(sql, n++);
			pg_sql_name(sql, l->table->side->columns[i]);
		}
}

static void chunk_sql(const struct load *l, int n_keys, struct sql *sql)
{
	const Synod__Definition__Table *t = l->table->table;

	pg_sql_add(sql,
		   "select s.x, t.* from (select pg_current_snapshot()::text "
		   "as x) s left join lateral (select true as is_row");
	for (size_t i = 0; i < t->n_fields; i++) {
		pg_sql_add(sql, ", ");
		pg_sql_name(sql, l->table->side->columns[i]);
		pg_sql_add(sql, " as c%zu", i);
	}
	pg_sql_add(sql, " from ");
	pg_sql_table(sql, l->schema->schema, l->schema->name);
	if (n_keys) {
		pg_sql_add(sql, " where (");
		add_keys(l, sql);
		pg_sql_add(sql, ") > (");
		for (int i = 0; i < n_keys; i++)
			pg_sql_add(sql, "%s$%d", i ? ", " : "", i + 1);
		pg_sql_add(sql, ")");
	}
	pg_sql_add(sql, " order by ");
	add_keys(l, sql);
	pg_sql_add(sql, " limit %u) t on true", l->limit);
}

/* The key where the load stands, as texts for the statement. */
static int key_params(const struct position_table *at, struct arena *arena,
		      struct session_call *call, struct err *e)
{
	struct value values[LOAD_KEYS_MAX];

	if (!at->key_len)
		return 0;
	int n = change_key_values((struct bytes){at->key, at->key_len}, values,
				  LOAD_KEYS_MAX);
	if (n < 0)
		return err_set(e, ERR_CORRUPT, "the key of a load is damaged");
	for (int i = 0; i < n; i++) {
		struct value_buf buf = {0};
		int error = value_to_text(&values[i], &buf, e);
		char *text = arena_alloc(arena, buf.len + 1);
		if (buf.len)
			memcpy(text, buf.data, buf.len);
		text[buf.len] = 0;
		value_buf_free(&buf);
		if (error)
			return error;
		call->params[i] = text;
	}
	call->n = n;
	return 0;
}

static int query_chunk(struct load *l, struct session *s,
		       const struct position_table *at, struct err *e)
{
	struct session_call call = {.sql = ""};
	struct sql sql;

	arena_clear(&l->arena);
	int error = key_params(at, &l->arena, &call, e);
	if (error)
		return error;
	pg_sql_init(&sql);
	chunk_sql(l, call.n, &sql);
	call.sql = sql.text;
	error = pg_session_call(s, &call, &l->rows, e);
	pg_sql_free(&sql);
	if (error == ERR_SCHEMA && e)
		err_set(e, ERR_SCHEMA,
			"table %s: it changed while it was "
			"loaded",
			l->schema->path);
	return error;
}

/* Everything that the chunk may hold was written before this. */
static int query_lsn(struct load *l, struct session *s, struct err *e)
{
	struct session_call call = {
		"select pg_current_wal_insert_lsn()", 0, {NULL}};
	PGresult *r;

	int error = pg_session_call(s, &call, &r, e);
	if (error)
		return error;
	l->ready_lsn = pg_slot_lsn(PQgetvalue(r, 0, 0));
	PQclear(r);
	return 0;
}

static size_t chunk_bytes(const PGresult *r)
{
	size_t bytes = 0;

	for (int i = 0; i < PQntuples(r); i++)
		for (int j = LOAD_FIELDS; j < PQnfields(r); j++)
			bytes += (size_t)PQgetlength(r, i, j);
	return bytes;
}

/* So many rows that the next chunk has about the right size; growing by steps,
 * since rows to come may be larger. */
static void adapt(struct load *l, uint32_t n_rows)
{
	uint32_t most = l->table->load_chunk ? l->table->load_chunk
					     : LOAD_CHUNK_DEFAULT;
	size_t each = n_rows ? chunk_bytes(l->rows) / n_rows + 1 : 1;
	size_t limit = LOAD_CHUNK_BYTES / each;

	if (limit > (size_t)l->limit * 4)
		limit = (size_t)l->limit * 4;
	if (limit > most)
		limit = most;
	l->limit = limit ? (uint32_t)limit : 1;
}

static bool is_row(const PGresult *r, int row)
{
	return !PQgetisnull(r, row, LOAD_IS_ROW);
}

int pg_load_read(struct load *l, struct session *s,
		 const struct position_table *at, struct err *e)
{
	drop_chunk(l);
	l->read_at_ms = now_ms();
	int error = query_chunk(l, s, at, e);
	if (!error)
		error = query_lsn(l, s, e);
	if (error) {
		drop_chunk(l);
		return error;
	}
	if (!pg_history_snapshot_parse(PQgetvalue(l->rows, 0, LOAD_SNAPSHOT),
				       &l->snapshot)) {
		drop_chunk(l);
		return err_set(e, ERR_CORRUPT, "a snapshot that is none");
	}
	if (l->snapshot.xmax > l->newest_xid)
		l->newest_xid = l->snapshot.xmax;
	if (l->snapshot.xmin < l->gate_xid ||
	    !pg_history_reaches(&l->history, &l->snapshot)) {
		drop_chunk(l);
		return 0;
	}
	pg_history_prune(&l->history, l->snapshot.xmin);
	uint32_t n = is_row(l->rows, 0) ? (uint32_t)PQntuples(l->rows) : 0;
	l->is_last = n < l->limit;
	l->next_row = 0;
	adapt(l, n);
	return 1;
}

void pg_load_nudge(struct load *l, struct session *s)
{
	/* Refused (a read-only source): then it moves when others write. */
	if (pg_session_run(s,
			   "select pg_logical_emit_message(true, 'synod', '')",
			   NULL))
		l->read_at_ms = now_ms();
}

/* -- giving ----------------------------------------------------------------
 */
static int row_values(struct load *l, int row, struct value *values,
		      struct err *e)
{
	const Synod__Definition__Table *t = l->table->table;

	for (size_t i = 0; i < t->n_fields; i++) {
		int place = LOAD_FIELDS + (int)i;
		struct bytes text = {
			(const uint8_t *)PQgetvalue(l->rows, row, place),
			(size_t)PQgetlength(l->rows, row, place)};
		struct err why = {0};
		values[i] = (struct value){.state = VALUE_NULL};
		if (PQgetisnull(l->rows, row, place))
			continue;
		if (text_to_value((enum value_type)t->fields[i]->type, text,
				  &l->arena, &values[i], &why))
			return err_set(e, ERR_SCHEMA, "table %s, column %s: %s",
				       l->schema->path,
				       l->table->side->columns[i], why.text);
	}
	return pg_rows_check_size(l->schema->path, values,
				  (uint32_t)t->n_fields, e);
}

static void give_row(struct load *l, struct change_writer *w,
		     const struct value *values, struct bytes key)
{
	uint32_t n = (uint32_t)l->table->table->n_fields;
	struct change_row row = {.op = CHANGE_READ,
				 .table_id = l->table->table->id,
				 .key = key,
				 .values = values,
				 .n_values = n};

	l->n_loaded++;
	if (pg_history_is_stale(&l->history, row.table_id, key, &l->snapshot))
		return;
	if (where_holds(l->table->side, values, n) == WHERE_TRUE)
		change_add(w, &row);
}

/* 1: given or left out; 0: no room. */
static int give_next(struct load *l, const struct load_room *room,
		     struct position_table *at, struct err *e)
{
	uint32_t n = (uint32_t)l->table->table->n_fields;
	struct value_buf key = {0};

	arena_clear(&l->arena);
	struct value *values = arena_alloc(&l->arena, (n + 1) * sizeof *values);
	int error = row_values(l, l->next_row, values, e);
	if (error)
		return error;
	if (!pg_rows_has_room(room->w, pg_rows_size(values, n),
			      room->bytes_max))
		return 0;
	pg_rows_key(l->table, values, &key);
	give_row(l, room->w, values, (struct bytes){key.data, key.len});
	pg_position_reach(at, (struct bytes){key.data, key.len});
	value_buf_free(&key);
	l->next_row++;
	return 1;
}

int pg_load_give(struct load *l, const struct load_room *room,
		 struct position_table *at, struct err *e)
{
	struct clock clock = clock_system();
	int n_rows = is_row(l->rows, 0) ? PQntuples(l->rows) : 0;
	int result = 1;

	change_begin(room->w, TXN_LOAD, clock_wall_us(&clock));
	while (l->next_row < n_rows && result > 0)
		result = give_next(l, room, at, e);
	if (result < 0) {
		change_abort(room->w);
		return result;
	}
	change_end(room->w);
	if (l->next_row < n_rows)
		return 0;
	if (l->is_last) {
		at->state = POSITION_LOADED;
		pg_position_reach(at, (struct bytes){0});
		l->table = NULL;
	}
	drop_chunk(l);
	return 0;
}
