#include "tests/it/sync/postgres_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <libpq-fe.h>

#include "base/clock.h"

static struct pg_server *shared;
static const char cluster[] = "0123456789abcdef0123456789abcdef";

static void must(int error, const struct err *e)
{
	if (error)
		fail_msg("%s: %s", err_name(error), e->text);
}

struct pg_server *postgres_rig_server(const char *conf)
{
	struct err e;

	if (!shared)
		must(pg_server_open(&shared, conf, &e), &e);
	return shared;
}

void postgres_rig_end(void)
{
	pg_server_close(shared);
	shared = NULL;
}

static void set_option(struct postgres_rig *r, const char *name,
		       const char *value)
{
	size_t n = r->connection.n_options++;

	synod__definition__option__init(&r->options[n]);
	r->options[n].name = arena_strdup(&r->arena, name);
	r->options[n].value = arena_strdup(&r->arena, value);
	r->option_list[n] = &r->options[n];
}

void postgres_rig_super(struct postgres_rig *r, const char *sql)
{
	struct err e;

	must(pg_server_run(r->server, r->database, sql, &e), &e);
}

static PGresult *ask(struct postgres_rig *r, const char *sql)
{
	char info[256];

	snprintf(info, sizeof info,
		 "host=%s port=%s dbname=%s user=%s connect_timeout=10",
		 pg_server_dir(r->server), r->port, r->database, r->user);
	PGconn *c = PQconnectdb(info);
	PGresult *a = PQexec(c, sql);
	ExecStatusType status = PQresultStatus(a);
	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(c));
	PQfinish(c);
	return a;
}

void postgres_rig_run(struct postgres_rig *r, const char *sql)
{
	PQclear(ask(r, sql));
}

const char *postgres_rig_text(struct postgres_rig *r, const char *sql)
{
	static char text[4096];
	PGresult *a = ask(r, sql);

	assert_true(PQntuples(a) > 0);
	snprintf(text, sizeof text, "%s", PQgetvalue(a, 0, 0));
	PQclear(a);
	return text;
}

void postgres_rig_open(struct postgres_rig *r, const char *database)
{
	char sql[256];
	struct err e;

	*r = (struct postgres_rig){.server = postgres_rig_server(NULL)};
	arena_init(&r->arena, 65536);
	snprintf(r->database, sizeof r->database, "%s", database);
	snprintf(r->user, sizeof r->user, "role_%s", database);
	snprintf(r->port, sizeof r->port, "%u", pg_server_port(r->server));
	snprintf(sql, sizeof sql, "create role %s login replication", r->user);
	must(pg_server_run(r->server, "postgres", sql, &e), &e);
	snprintf(sql, sizeof sql, "create database %s owner %s", database,
		 r->user);
	must(pg_server_run(r->server, "postgres", sql, &e), &e);
	snprintf(sql, sizeof sql, "grant all on schema public to %s", r->user);
	postgres_rig_super(r, sql);
	synod__definition__connection__init(&r->connection);
	r->connection.id = 1;
	r->connection.name = r->database;
	r->connection.type = arena_strdup(&r->arena, "postgresql");
	r->connection.options = r->option_list;
	set_option(r, "host", pg_server_host(r->server));
	set_option(r, "port", r->port);
	set_option(r, "database", r->database);
	set_option(r, "user", r->user);
	r->target = (struct connector_target){.connection = &r->connection,
					      .cluster = cluster};
}

void postgres_rig_close(struct postgres_rig *r)
{
	postgres_rig_stop(r);
	postgres_rig_clear(r);
	value_buf_free(&r->position);
	/* Databases and slots go with the server. */
	connector_postgres.forget(&r->target, 1, NULL);
	arena_free(&r->arena);
}

static Synod__Definition__Field *field_of(struct postgres_rig *r,
					  const struct connector_column *c)
{
	Synod__Definition__Field *f = arena_alloc(&r->arena, sizeof *f);

	synod__definition__field__init(f);
	f->type = (uint32_t)c->type;
	f->native = arena_strdup(&r->arena, c->native);
	f->is_key = c->is_key;
	f->is_nullable = c->is_nullable;
	return f;
}

/* Key fields first, generated columns left out: as a plan does. */
struct connector_table *postgres_rig_plan(struct postgres_rig *r, uint32_t id,
					  const char *name, bool wants_load)
{
	struct connector_schema schema;
	struct err e;

	must(connector_postgres.describe(&r->target, name, &r->arena, &schema,
					 &e),
	     &e);
	Synod__Definition__Table *t = arena_alloc(&r->arena, sizeof *t);
	Synod__Definition__Side *s = arena_alloc(&r->arena, sizeof *s);
	synod__definition__table__init(t);
	synod__definition__side__init(s);
	t->id = id;
	t->name = s->table = arena_strdup(&r->arena, schema.table);
	t->fields = arena_alloc(&r->arena, schema.n * sizeof *t->fields);
	s->columns = arena_alloc(&r->arena, schema.n * sizeof *s->columns);
	s->connection_id = r->connection.id;
	s->is_source = s->is_target = true;
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < schema.n; i++) {
			const struct connector_column *c = &schema.columns[i];
			if (c->is_generated || c->is_key != (round == 0))
				continue;
			t->fields[t->n_fields++] = field_of(r, c);
			s->columns[s->n_columns++] =
				arena_strdup(&r->arena, c->name);
		}
	assert_true(r->n_tables < POSTGRES_RIG_TABLES);
	struct connector_table *out = &r->tables[r->n_tables++];
	*out = (struct connector_table){
		.table = t, .side = s, .wants_load = wants_load};
	return out;
}

/* -- capture ---------------------------------------------------------------
 */
int postgres_rig_try_start(struct postgres_rig *r, uint64_t epoch,
			   struct err *e)
{
	const struct capture_setup setup = {.target = r->target,
					    .tables = r->tables,
					    .n_tables = r->n_tables,
					    .task_id = 1,
					    .epoch = epoch};
	struct bytes position = {r->position.data, r->position.len};

	postgres_rig_stop(r);
	int error = connector_postgres.capture_open(&setup, &r->capture, e);
	if (error)
		return error;
	return connector_postgres.capture_start(r->capture, position, e);
}

void postgres_rig_start(struct postgres_rig *r, uint64_t epoch)
{
	struct err e;

	must(postgres_rig_try_start(r, epoch, &e), &e);
}

void postgres_rig_stop(struct postgres_rig *r)
{
	connector_postgres.capture_close(r->capture);
	r->capture = NULL;
}

static void add_text(char *line, size_t cap, const char *text)
{
	size_t len = strlen(line);

	snprintf(line + len, cap - len, "%s", text);
}

static void add_values(char *line, size_t cap, const struct value *values,
		       int n)
{
	char text[256];

	for (int i = 0; i < n; i++) {
		static const char *const states[] = {"absent", "unchanged",
						     "null"};
		if (values[i].state == VALUE_SET)
			value_print(&values[i], text, sizeof text);
		else
			snprintf(text, sizeof text, "%s",
				 states[values[i].state]);
		add_text(line, cap, i ? "," : "");
		add_text(line, cap, text);
	}
}

static void add_change(char *line, size_t cap, const struct change *c)
{
	struct value values[64];
	char head[64];

	snprintf(head, sizeof head, " %s %u ", change_op_name(c->op),
		 c->table_id);
	add_text(line, cap, head);
	if (c->op == CHANGE_MOVE) {
		int n = change_key_values(c->old_key, values, 64);
		add_values(line, cap, values, n);
		add_text(line, cap, " to ");
	}
	if (c->n_values) {
		assert_int_equal(change_values(c, values), 0);
		add_values(line, cap, values, (int)c->n_values);
	} else {
		add_values(line, cap, values,
			   change_key_values(c->key, values, 64));
	}
}

static void add_line(struct postgres_rig *r, const char *line)
{
	size_t len = r->lines ? strlen(r->lines) : 0;

	r->lines = mem_grow(r->lines, len + strlen(line) + 2);
	snprintf(r->lines + len, strlen(line) + 2, "%s\n", line);
	r->n_lines++;
}

static int render(struct postgres_rig *r, struct bytes changes)
{
	static const char *const kinds[] = {"?", "local", "echo", "load",
					    "part"};
	static char line[1 << 16];
	struct change_reader reader;
	struct change_txn txn;
	struct change c;
	int n = 0;

	change_reader_init(&reader, changes);
	for (; change_next_txn(&reader, &txn) == 1; n++) {
		snprintf(line, sizeof line, "%s", kinds[txn.kind]);
		if (txn.kind == TXN_ECHO)
			snprintf(line, sizeof line, "echo %u %llu", txn.task_id,
				 (unsigned long long)txn.applied_index);
		while (change_next(&reader, &c) == 1)
			add_change(line, sizeof line, &c);
		add_line(r, line);
	}
	assert_int_equal(change_check(changes), 0);
	return n;
}

int postgres_rig_poll(struct postgres_rig *r, size_t bytes_max, int wait_ms,
		      struct err *e)
{
	struct change_writer w;
	struct value_buf position = {0};

	change_writer_init(&w);
	int error = connector_postgres.capture_poll(r->capture, bytes_max,
						    wait_ms, &w, &position, e);
	int n = 0;
	if (!error)
		n = render(r, (struct bytes){w.buf.data, w.buf.len});
	if (!error && w.buf.len)
		assert_true(position.len > 0);
	if (!error && position.len) {
		value_buf_free(&r->position);
		r->position = position;
	} else {
		value_buf_free(&position);
	}
	change_writer_free(&w);
	return error ? error : n;
}

static void poll_once(struct postgres_rig *r)
{
	struct err e;

	int n = postgres_rig_poll(r, POSTGRES_RIG_BATCH, 20, &e);
	if (n < 0)
		must(n, &e);
	must(connector_postgres.capture_confirm(
		     r->capture,
		     (struct bytes){r->position.data, r->position.len}, &e),
	     &e);
}

void postgres_rig_wait(struct postgres_rig *r, size_t n_lines)
{
	struct clock clock = clock_system();
	int64_t end_us =
		clock_mono_us(&clock) + POSTGRES_RIG_WAIT_MS * INT64_C(1000);

	while (r->n_lines < n_lines) {
		if (clock_mono_us(&clock) > end_us)
			fail_msg("%zu of %zu lines came: %s", r->n_lines,
				 n_lines, r->lines ? r->lines : "");
		poll_once(r);
	}
}

void postgres_rig_expect(struct postgres_rig *r, const char *lines)
{
	size_t n = 0;

	for (const char *at = lines; *at; at++)
		n += *at == '\n';
	postgres_rig_wait(r, n);
	assert_string_equal(r->lines ? r->lines : "", lines);
	postgres_rig_clear(r);
}

void postgres_rig_clear(struct postgres_rig *r)
{
	free(r->lines);
	r->lines = NULL;
	r->n_lines = 0;
}

/* -- apply -----------------------------------------------------------------
 */
static const struct connector_table *table_of(struct postgres_rig *r,
					      uint32_t id)
{
	for (size_t i = 0; i < r->n_tables; i++)
		if (r->tables[i].table->id == id)
			return &r->tables[i];
	fail_msg("no table %u", id);
	return NULL;
}

void postgres_rig_group(struct postgres_rig *r, struct bytes changes,
			bool is_authority, struct postgres_rig_group *out)
{
	struct change_reader reader;
	struct change_txn txn;
	struct change c;
	size_t n = 0, cap = 16;

	struct apply_row *rows = mem_alloc(cap * sizeof *rows);
	change_reader_init(&reader, changes);
	while (change_next_txn(&reader, &txn) == 1) {
		while (change_next(&reader, &c) == 1) {
			if (n == cap)
				rows = mem_grow(rows,
						(cap *= 2) * sizeof *rows);
			struct value *values = arena_alloc(
				&r->arena, (c.n_values + 1) * sizeof *values);
			assert_int_equal(change_values(&c, values), 0);
			rows[n] = (struct apply_row){
				.table = table_of(r, c.table_id),
				.ordinal = (uint32_t)n,
				.change = c,
				.values = values,
				.is_authority = is_authority};
			n++;
		}
	}
	*out = (struct postgres_rig_group){.rows = rows};
	out->group.rows = rows;
	out->group.n = n;
}
