/* The initial load of the PostgreSQL connector: exact under writers, resumable,
 * and the reader's type of every value. */
#include "tests/it/sync/postgres_rig.h"

#include <stdatomic.h>
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
#include "base/rng.h"
#include "base/thread.h"

static struct postgres_rig rig;

enum { LOAD_ROWS = 4000, LOAD_WRITERS = 3 };

struct writer {
	struct thread thread;
	char info[256];
	uint64_t seed;
	atomic_bool *is_over;
	unsigned n_done, n_failed;
};

/* Inserts, updates, deletes and new keys, at random. */
static void *writer_run(void *ctx)
{
	struct writer *w = ctx;
	struct rng rng;
	char sql[256];

	rng_init(&rng, w->seed);
	PGconn *c = PQconnectdb(w->info);
	while (!atomic_load(w->is_over)) {
		unsigned id = (unsigned)(rng_u64(&rng) % (LOAD_ROWS * 2)) + 1;
		unsigned to = (unsigned)(rng_u64(&rng) % (LOAD_ROWS * 2)) + 1;
		switch (rng_u64(&rng) % 4) {
		case 0:
			snprintf(sql, sizeof sql,
				 "insert into t values (%u, %u, 'n') on "
				 "conflict (id) do update set n = t.n + 1",
				 id, to);
			break;
		case 1:
			snprintf(sql, sizeof sql, "delete from t where id = %u",
				 id);
			break;
		case 2:
			snprintf(sql, sizeof sql,
				 "update t set id = %u where id = %u and not "
				 "exists (select from t where id = %u)",
				 to, id, to);
			break;
		default:
			snprintf(sql, sizeof sql,
				 "update t set n = %u where id between %u and "
				 "%u",
				 to, id, id + 5);
		}
		PGresult *r = PQexec(c, sql);
		if (PQresultStatus(r) == PGRES_COMMAND_OK)
			w->n_done++;
		else
			w->n_failed++;
		PQclear(r);
	}
	PQfinish(c);
	return NULL;
}

/* What the changes make of an empty table: id -> n, by a plain array. A READ
 * does not write over a row that is there. */
struct mirror {
	int64_t n[LOAD_ROWS * 2 + 2];
	bool is_there[LOAD_ROWS * 2 + 2];
	unsigned n_odd; /* READs of a row that was there with another value */
};

static void mirror_change(struct mirror *m, const struct change *c)
{
	struct value key[1], values[8];

	assert_int_equal(change_key_values(c->key, key, 1), 1);
	size_t id = (size_t)key[0].i64;
	assert_true(id > 0 && id <= LOAD_ROWS * 2 + 1);
	if (c->op == CHANGE_DELETE) {
		m->is_there[id] = false;
		return;
	}
	assert_int_equal(change_values(c, values), 0);
	if (c->op == CHANGE_READ && m->is_there[id]) {
		m->n_odd += m->n[id] != values[1].i64;
		return;
	}
	m->is_there[id] = true;
	m->n[id] = values[1].i64;
}

static void mirror_poll(struct mirror *m)
{
	struct change_writer w;
	struct change_reader reader;
	struct change_txn txn;
	struct change c;
	struct value_buf position = {0};
	struct err e;

	change_writer_init(&w);
	if (connector_postgres.capture_poll(rig.capture, 1 << 16, 20, &w,
					    &position, &e))
		fail_msg("%s", e.text);
	change_reader_init(&reader, (struct bytes){w.buf.data, w.buf.len});
	while (change_next_txn(&reader, &txn) == 1)
		while (change_next(&reader, &c) == 1)
			mirror_change(m, &c);
	if (position.len) {
		value_buf_free(&rig.position);
		rig.position = position;
	} else {
		value_buf_free(&position);
	}
	change_writer_free(&w);
}

static unsigned mirror_differs(const struct mirror *m)
{
	char info[256];
	unsigned n = 0, n_rows = 0;

	snprintf(info, sizeof info, "host=%s port=%s dbname=%s user=%s",
		 pg_server_dir(rig.server), rig.port, rig.database, rig.user);
	PGconn *c = PQconnectdb(info);
	PGresult *r = PQexec(c, "select id, n from t");
	for (int i = 0; i < PQntuples(r); i++) {
		size_t id = strtoul(PQgetvalue(r, i, 0), NULL, 10);
		int64_t value = strtoll(PQgetvalue(r, i, 1), NULL, 10);
		n += !m->is_there[id] || m->n[id] != value;
	}
	for (size_t i = 0; i <= LOAD_ROWS * 2 + 1; i++)
		n_rows += m->is_there[i];
	n += n_rows != (unsigned)PQntuples(r);
	PQclear(r);
	PQfinish(c);
	return n;
}

static struct capture_figures figures(void)
{
	struct capture_figures f;

	connector_postgres.capture_figures(rig.capture, &f);
	return f;
}

static void write_while_loading(struct mirror *m)
{
	static struct writer writers[LOAD_WRITERS];
	atomic_bool is_over = false;
	uint64_t epoch = 20;

	for (size_t i = 0; i < LOAD_WRITERS; i++) {
		writers[i] =
			(struct writer){.seed = i + 1, .is_over = &is_over};
		snprintf(writers[i].info, sizeof writers[i].info,
			 "host=%s port=%s dbname=%s user=%s",
			 pg_server_dir(rig.server), rig.port, rig.database,
			 rig.user);
		assert_int_equal(thread_start(&writers[i].thread, "writer",
					      writer_run, &writers[i], NULL),
				 0);
	}
	while (figures().n_tables_loading > 0) {
		mirror_poll(m);
		if (figures().n_loaded < 500)
			continue;
		postgres_rig_start(&rig, epoch++); /* another node goes on */
		assert_true(epoch < 100);
	}
	atomic_store(&is_over, true);
	for (size_t i = 0; i < LOAD_WRITERS; i++) {
		thread_join(&writers[i].thread);
		assert_true(writers[i].n_done > 0);
	}
}

static void test_load_is_exact_while_others_write(void **state)
{
	static struct mirror mirror;
	struct clock clock = clock_system();

	postgres_rig_open(&rig, "load");
	postgres_rig_run(&rig, "create table t(id int primary key, n bigint, a "
			       "text)");
	postgres_rig_run(&rig, "insert into t select i, i, 'old' from "
			       "generate_series(1, 4000) i; analyze t");
	struct connector_table *t = postgres_rig_plan(&rig, 7, "t", true);
	t->load_chunk = 100;
	postgres_rig_start(&rig, 10);
	write_while_loading(&mirror);
	int64_t end_us = clock_mono_us(&clock) + 10000000;
	while (mirror_differs(&mirror) && clock_mono_us(&clock) < end_us)
		mirror_poll(&mirror);
	assert_int_equal(mirror_differs(&mirror), 0);
	/* What a READ says is never older than what the stream said. */
	assert_int_equal(mirror.n_odd, 0);
	postgres_rig_close(&rig);
}

static void test_load_resumes_at_the_chunk(void **state)
{
	unsigned n = 0;

	postgres_rig_open(&rig, "again");
	postgres_rig_run(&rig, "create table t(a text, b int, primary key (a, "
			       "b))");
	postgres_rig_run(&rig, "insert into t select 'k' || i % 7, i from "
			       "generate_series(1, 1000) i");
	struct connector_table *t = postgres_rig_plan(&rig, 7, "t", true);
	t->load_chunk = 90;
	for (uint64_t epoch = 10; n < 1000; epoch++) {
		assert_true(epoch < 100);
		postgres_rig_start(&rig, epoch);
		do
			assert_true(postgres_rig_poll(&rig, 1000, 100, NULL) >=
				    0);
		while (rig.n_lines == 0);
		for (const char *at = rig.lines; (at = strstr(at, " read "));)
			at++, n++;
		postgres_rig_clear(&rig);
	}
	assert_int_equal(n, 1000);
	postgres_rig_start(&rig, 200);
	postgres_rig_run(&rig, "insert into t values ('a', 0)");
	postgres_rig_expect(&rig, "local put 7 \"a\",0\n");
	postgres_rig_close(&rig);
}

/* A transaction that wrote before the table was published, and ends after: its
 * row is neither in the stream nor, too early, in the chunk. */
static void test_load_waits_for_open_transactions(void **state)
{
	char info[256];

	postgres_rig_open(&rig, "gate");
	postgres_rig_run(&rig, "create table t(id int primary key); create "
			       "table u(id int primary key)");
	postgres_rig_plan(&rig, 1, "u", false);
	postgres_rig_start(&rig, 10);
	assert_true(postgres_rig_poll(&rig, 1000, 100, NULL) >= 0);
	snprintf(info, sizeof info, "host=%s port=%s dbname=%s user=%s",
		 pg_server_dir(rig.server), rig.port, rig.database, rig.user);
	PGconn *c = PQconnectdb(info);
	PQclear(PQexec(c, "begin"));
	PQclear(PQexec(c, "insert into t values (1)"));

	postgres_rig_plan(&rig, 2, "t", true);
	postgres_rig_start(&rig, 11);
	for (int i = 0; i < 10; i++)
		assert_int_equal(postgres_rig_poll(&rig, 1000, 20, NULL), 0);
	PQclear(PQexec(c, "commit"));
	PQfinish(c);
	postgres_rig_expect(&rig, "load read 2 1\n");
	postgres_rig_close(&rig);
}

/* Told to stop blocking when a change was read already: the caller has nothing
 * of it, so it comes again. */
static void test_load_interrupted_loses_no_change(void **state)
{
	const char *is_sent = "select bool_and(sent_lsn >= "
			      "pg_current_wal_flush_lsn()) from "
			      "pg_stat_replication, "
			      "pg_sleep(0.06)"; /* a chunk is due again, too */
	char text[PG_SERVER_TEXT_MAX] = "";
	struct err e;
	char info[256];

	postgres_rig_open(&rig, "halt");
	postgres_rig_run(&rig, "create table t(id int primary key); create "
			       "table u(id int primary key)");
	snprintf(info, sizeof info, "host=%s port=%s dbname=%s user=%s",
		 pg_server_dir(rig.server), rig.port, rig.database, rig.user);
	postgres_rig_plan(&rig, 1, "u", false);
	postgres_rig_start(&rig, 10);
	assert_true(postgres_rig_poll(&rig, 1000, 100, NULL) >= 0);
	PGconn *c = PQconnectdb(info); /* so that the load has to wait */
	PQclear(PQexec(c, "begin"));
	PQclear(PQexec(c, "insert into t values (1)"));
	postgres_rig_plan(&rig, 2, "t", true);
	postgres_rig_start(&rig, 11);
	assert_int_equal(postgres_rig_poll(&rig, 1000, 20, NULL), 0);
	postgres_rig_run(&rig, "insert into u values (5)");
	for (int i = 0; i < 100 && text[0] != 't'; i++)
		assert_int_equal(pg_server_text(rig.server, rig.database,
						is_sent, text, &e),
				 0);
	assert_string_equal(text, "t");

	connector_postgres.capture_interrupt(rig.capture);
	assert_int_equal(postgres_rig_poll(&rig, 1000, 20, &e), ERR_CLOSED);
	if (postgres_rig_poll(&rig, 1000, 200, &e) < 0)
		postgres_rig_start(&rig, 12);
	postgres_rig_expect(&rig, "local put 1 5\n");
	PQfinish(c);
	postgres_rig_close(&rig);
}

static void test_load_obeys_where(void **state)
{
	static Synod__Definition__Comparison where;
	static Synod__Definition__Comparison *list[] = {&where};
	struct value_buf value = {0};

	postgres_rig_open(&rig, "filter");
	postgres_rig_run(&rig, "create table t(id int primary key, a text); "
			       "insert into t values (1, 'de'), (2, 'fr'); "
			       "alter table t replica identity full");
	struct connector_table *t = postgres_rig_plan(&rig, 7, "t", true);
	Synod__Definition__Side *side =
		(Synod__Definition__Side *)(uintptr_t)t->side;
	synod__definition__comparison__init(&where);
	where.field = 1;
	value_write(&value,
		    &(struct value){.state = VALUE_SET,
				    .type = VALUE_TEXT,
				    .bytes = {(const uint8_t *)"de", 2}});
	where.value.data = value.data;
	where.value.len = value.len;
	side->where = list;
	side->n_where = 1;
	postgres_rig_start(&rig, 10);
	postgres_rig_expect(&rig, "load read 7 1,\"de\"\n");

	postgres_rig_run(&rig, "insert into t values (3, 'fr')");
	postgres_rig_run(&rig, "update t set a = 'de' where id = 2");
	postgres_rig_run(&rig, "update t set a = 'fr' where id = 1");
	postgres_rig_run(&rig, "delete from t where id = 3");
	postgres_rig_run(&rig, "delete from t where id = 2");
	postgres_rig_expect(&rig, "local put 7 2,\"de\"\n"
				  "local delete 7 1\n"
				  "local delete 7 2\n");
	value_buf_free(&value);
	postgres_rig_close(&rig);
}

/* A commit waits for a standby that never answers: the stream tells of it, and
 * readers do not see it. */
static PGconn *commit_unseen(const char *sql)
{
	struct clock clock = clock_system();
	char info[256];

	snprintf(info, sizeof info, "host=%s port=%s dbname=%s user=%s",
		 pg_server_dir(rig.server), rig.port, rig.database, rig.user);
	PGconn *c = PQconnectdb(info);
	PQclear(PQexec(c, "set statement_timeout = 200"));
	/* The servers' processes learn of the standby one by one. */
	for (int64_t start_us = 0, i = 0;
	     clock_mono_us(&clock) - start_us < 200000; i++) {
		assert_true(i < 10000);
		start_us = clock_mono_us(&clock);
		PQclear(PQexec(c, "insert into d values (1)"));
		if (clock_mono_us(&clock) - start_us >= 200000)
			break;
	}
	PQclear(PQexec(c, "set statement_timeout = 0"));
	assert_int_equal(PQsendQuery(c, sql), 1);
	int64_t end_us = clock_mono_us(&clock) + 5000000;
	while (strcmp(postgres_rig_text(&rig,
					"select count(*) from pg_stat_activity "
					"where wait_event = 'SyncRep'"),
		      "1") != 0)
		assert_true(clock_mono_us(&clock) < end_us);
	return c;
}

static void test_load_leaves_out_what_the_stream_knows_better(void **state)
{
	postgres_rig_open(&rig, "unseen");
	postgres_rig_run(&rig, "create table t(id int primary key, a text); "
			       "create table d(n int); insert into t values "
			       "(1, 'old'), (2, 'old')");
	postgres_rig_plan(&rig, 7, "t", true);
	postgres_rig_start(&rig, 10);
	postgres_rig_super(&rig, "alter system set synchronous_standby_names "
				 "= 'nobody'");
	postgres_rig_super(&rig, "select pg_reload_conf()");
	PGconn *c = commit_unseen("update t set a = 'new' where id = 1");
	assert_string_equal(
		postgres_rig_text(&rig, "select a from t where id = 1"), "old");

	postgres_rig_expect(&rig, "local put 7 1,\"new\"\n"
				  "load read 7 2,\"old\"\n");
	assert_int_equal(figures().n_tables_loading, 0);

	postgres_rig_super(&rig, "alter system reset "
				 "synchronous_standby_names");
	postgres_rig_super(&rig, "select pg_reload_conf()");
	PQclear(PQgetResult(c)); /* let go */
	PQfinish(c);
	postgres_rig_close(&rig);
}

static int tear_down(void **state)
{
	postgres_rig_end();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_load_resumes_at_the_chunk),
		cmocka_unit_test(test_load_obeys_where),
		cmocka_unit_test(test_load_waits_for_open_transactions),
		cmocka_unit_test(test_load_interrupted_loses_no_change),
		cmocka_unit_test(
			test_load_leaves_out_what_the_stream_knows_better),
		cmocka_unit_test(test_load_is_exact_while_others_write),
	};

	return cmocka_run_group_tests(tests, NULL, tear_down);
}
