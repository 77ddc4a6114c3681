/* The PostgreSQL connector reads: order, resume, marks of our own, identities,
 * and what becomes of odd tables. */
#include "tests/it/sync/postgres_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/thread.h"

static struct postgres_rig rig;

static void test_capture_gives_transactions_in_order(void **state)
{
	postgres_rig_open(&rig, "orders");
	postgres_rig_run(&rig, "create table t(id int primary key, a text)");
	postgres_rig_plan(&rig, 7, "t", false);
	postgres_rig_start(&rig, 10);

	postgres_rig_run(&rig, "insert into t values (1, 'x'), (2, null)");
	postgres_rig_run(&rig, "update t set a = 'y' where id = 2");
	postgres_rig_run(&rig, "delete from t where id = 1");
	postgres_rig_run(&rig, "update t set id = 3");
	postgres_rig_run(&rig, "truncate t");

	postgres_rig_expect(&rig, "local put 7 1,\"x\" put 7 2,null\n"
				  "local put 7 2,\"y\"\n"
				  "local delete 7 1\n"
				  "local delete 7 2 put 7 3,\"y\"\n"
				  "local truncate 7 \n");
	postgres_rig_close(&rig);
}

static void test_capture_resumes_behind_the_position(void **state)
{
	postgres_rig_open(&rig, "resume");
	postgres_rig_run(&rig, "create table t(id int primary key)");
	postgres_rig_plan(&rig, 7, "t", false);
	postgres_rig_start(&rig, 10);
	postgres_rig_run(&rig, "insert into t values (1)");
	postgres_rig_expect(&rig, "local put 7 1\n");

	/* Not confirmed, and read again: from where the log stands. */
	postgres_rig_run(&rig, "insert into t values (2)");
	struct value_buf before = {0};
	value_buf_put(&before, rig.position.data, rig.position.len);
	while (rig.n_lines < 1)
		assert_true(postgres_rig_poll(&rig, 1 << 18, 100, NULL) >= 0);
	postgres_rig_clear(&rig);
	value_buf_free(&rig.position);
	rig.position = before;
	postgres_rig_run(&rig, "insert into t values (3)");
	postgres_rig_start(&rig, 11);
	postgres_rig_expect(&rig, "local put 7 2\nlocal put 7 3\n");
	postgres_rig_close(&rig);
}

/* A transaction larger than a batch: parts, each resumable by another owner,
 * and not a change lost or twice. */
static void test_capture_cuts_and_resumes_within_a_transaction(void **state)
{
	char expect[64];
	struct err e;

	postgres_rig_open(&rig, "cut");
	postgres_rig_run(&rig, "create table t(id int primary key, a text)");
	postgres_rig_plan(&rig, 7, "t", false);
	postgres_rig_start(&rig, 10);
	postgres_rig_run(&rig, "insert into t select i, repeat('z', 100) from "
			       "generate_series(1, 300) i");

	/* Its last part is a whole transaction again. */
	for (uint64_t epoch = 11; !rig.lines || !strstr(rig.lines, "local");
	     epoch++) {
		assert_true(epoch < 100);
		assert_true(postgres_rig_poll(&rig, 4096, 1000, &e) >= 0);
		postgres_rig_start(&rig, epoch); /* killed, taken over */
	}
	assert_true(rig.n_lines >= 6);
	const char *at = rig.lines;
	for (int i = 1; i <= 300; i++) {
		snprintf(expect, sizeof expect, "put 7 %d,", i);
		at = strstr(at, expect);
		assert_non_null(at);
		assert_null(strstr(at + 1, expect));
	}
	assert_true(strncmp(rig.lines, "part", 4) == 0);
	postgres_rig_clear(&rig);
	postgres_rig_run(&rig, "delete from t where id = 5");
	postgres_rig_expect(&rig, "local delete 7 5\n");
	postgres_rig_close(&rig);
}

static void test_capture_knows_our_own_writes(void **state)
{
	postgres_rig_open(&rig, "echo");
	postgres_rig_run(&rig, "create table t(id int primary key)");
	postgres_rig_plan(&rig, 7, "t", false);
	postgres_rig_start(&rig, 10);

	postgres_rig_run(&rig,
			 "begin; insert into synod.checkpoint values ("
			 "'0123456789abcdef0123456789abcdef', 129, 1, 5); "
			 "insert into t values (1); commit");
	postgres_rig_run(&rig,
			 "begin; update synod.checkpoint set applied_index = "
			 "6; insert into t values (2); commit");
	postgres_rig_run(&rig, "begin; insert into synod.checkpoint values ("
			       "'another cluster', 129, 1, 5); insert into t "
			       "values (3); commit");
	postgres_rig_expect(&rig, "echo 129 5\necho 129 6\nlocal put 7 3\n");
	postgres_rig_close(&rig);
}

static void test_capture_fills_large_values_or_says_unchanged(void **state)
{
	postgres_rig_open(&rig, "toast");
	postgres_rig_run(&rig, "create table t(id int primary key, n int, big "
			       "text); alter table t alter big set storage "
			       "external; create table f(like t including all)"
			       "; alter table f replica identity full");
	postgres_rig_plan(&rig, 1, "t", false);
	postgres_rig_plan(&rig, 2, "f", false);
	postgres_rig_start(&rig, 10);
	postgres_rig_run(&rig, "insert into t values (1, 1, repeat('q', 9000))"
			       "; insert into f select * from t");
	postgres_rig_wait(&rig, 1);
	postgres_rig_clear(&rig);

	postgres_rig_run(&rig, "update t set n = 2");
	postgres_rig_run(&rig, "update t set id = 2");
	postgres_rig_expect(&rig, "local patch 1 1,2,unchanged\n"
				  "local move 1 1 to 2,2,unchanged\n");
	postgres_rig_run(&rig, "update f set n = 2");
	postgres_rig_wait(&rig, 1);
	assert_non_null(strstr(rig.lines, "local put 2 1,2,\"qqq"));
	postgres_rig_clear(&rig);
	postgres_rig_run(&rig, "delete from f");
	postgres_rig_expect(&rig, "local delete 2 1\n");
	postgres_rig_close(&rig);
}

static void test_capture_sees_partitions_by_their_root(void **state)
{
	postgres_rig_open(&rig, "parts");
	postgres_rig_run(&rig, "create table t(id int, d int, primary key (id,"
			       " d), g int generated always as (id * 2) "
			       "stored) partition by list (d); create table "
			       "t1 partition of t for values in (1); create "
			       "table t2 partition of t for values in (2)");
	struct connector_table *t = postgres_rig_plan(&rig, 3, "t", true);
	assert_int_equal(t->table->n_fields, 2); /* g is generated */
	postgres_rig_run(&rig, "insert into t values (9, 1), (8, 2)");
	postgres_rig_start(&rig, 10);
	postgres_rig_expect(&rig, "load read 3 8,2 read 3 9,1\n");

	postgres_rig_run(&rig, "insert into t values (1, 1)");
	postgres_rig_run(&rig, "update t set d = 2 where id = 1");
	postgres_rig_run(&rig, "truncate t1");
	postgres_rig_expect(&rig, "local put 3 1,1\n"
				  "local delete 3 1,1 put 3 1,2\n");
	postgres_rig_close(&rig);
}

static void test_capture_takes_over_and_fences_the_older(void **state)
{
	struct clock clock = clock_system();
	struct postgres_rig old;
	struct err e;

	postgres_rig_open(&rig, "takeover");
	postgres_rig_run(&rig, "create table t(id int primary key)");
	postgres_rig_plan(&rig, 7, "t", false);
	postgres_rig_start(&rig, 10);
	postgres_rig_run(&rig, "insert into t values (1)");
	postgres_rig_expect(&rig, "local put 7 1\n");

	/* The old one stands still, as a frozen process, and keeps its slot
	 * until it is thrown out. */
	old = rig;
	rig.capture = NULL;
	rig.position = (struct value_buf){0};
	value_buf_put(&rig.position, old.position.data, old.position.len);
	int64_t before_us = clock_mono_us(&clock);
	postgres_rig_start(&rig, 11);
	postgres_rig_run(&rig, "insert into t values (2)");
	postgres_rig_expect(&rig, "local put 7 2\n");
	assert_true(clock_mono_us(&clock) - before_us < 1000000);

	/* It wakes, is told, and cannot take the slot back. */
	int n = 0;
	while (n >= 0)
		n = postgres_rig_poll(&old, 1 << 18, 100, &e);
	assert_int_equal(n, ERR_NETWORK);
	assert_int_equal(postgres_rig_try_start(&old, 10, &e), ERR_FENCED);
	postgres_rig_run(&rig, "insert into t values (3)");
	postgres_rig_expect(&rig, "local put 7 3\n");
	value_buf_free(&old.position);
	postgres_rig_clear(&old);
	postgres_rig_close(&rig);
}

static void test_capture_says_when_there_is_a_gap(void **state)
{
	struct err e;

	postgres_rig_open(&rig, "gap");
	postgres_rig_run(&rig, "create table t(id int primary key)");
	postgres_rig_plan(&rig, 7, "t", false);
	postgres_rig_start(&rig, 10);
	postgres_rig_run(&rig, "insert into t values (1)");
	postgres_rig_expect(&rig, "local put 7 1\n");
	postgres_rig_stop(&rig);

	/* Dropped. */
	const char *drop = "do $$ begin while exists (select from "
			   "pg_replication_slots where slot_name = "
			   "'synod_01234567_gap' and active) loop end loop; "
			   "perform pg_drop_replication_slot("
			   "'synod_01234567_gap'); end $$";
	postgres_rig_run(&rig, drop);
	postgres_rig_run(&rig, "insert into t values (2)");
	assert_int_equal(postgres_rig_try_start(&rig, 11, &e), ERR_GAP);
	assert_non_null(strstr(e.text, "is gone"));
	/* Made anew, behind our back. */
	postgres_rig_run(&rig, "select pg_create_logical_replication_slot("
			       "'synod_01234567_gap', 'pgoutput')");
	assert_int_equal(postgres_rig_try_start(&rig, 12, &e), ERR_GAP);
	assert_non_null(strstr(e.text, "made anew"));
	/* From the beginning it goes, and the left-over is no harm. */
	value_buf_free(&rig.position);
	postgres_rig_start(&rig, 13);
	postgres_rig_run(&rig, "insert into t values (3)");
	postgres_rig_expect(&rig, "local put 7 3\n");
	postgres_rig_close(&rig);
}

static void test_capture_stops_at_a_table_that_changed(void **state)
{
	struct err e;
	int n = 0;

	postgres_rig_open(&rig, "alter");
	postgres_rig_run(&rig, "create table t(id int primary key, a int); "
			       "create table u(id int primary key)");
	postgres_rig_plan(&rig, 1, "t", false);
	postgres_rig_plan(&rig, 2, "u", false);
	postgres_rig_start(&rig, 10);
	postgres_rig_run(&rig, "alter table t add column extra text");
	postgres_rig_run(&rig, "insert into t values (1, 1, 'more')");
	postgres_rig_expect(&rig, "local put 1 1,1\n");

	postgres_rig_run(&rig, "alter table t drop column a");
	postgres_rig_run(&rig, "insert into t values (2, 'x')");
	postgres_rig_run(&rig, "insert into u values (5)");
	while (n >= 0)
		n = postgres_rig_poll(&rig, 1 << 18, 100, &e);
	assert_int_equal(n, ERR_SCHEMA);
	assert_non_null(strstr(e.text, "public.t"));
	assert_int_equal(postgres_rig_try_start(&rig, 11, &e), ERR_SCHEMA);
	/* Without it the others go on. */
	rig.tables[0] = rig.tables[1];
	rig.n_tables = 1;
	postgres_rig_start(&rig, 12);
	postgres_rig_expect(&rig, "local put 2 5\n");
	/* And it can come back, as if it were new. */
	postgres_rig_plan(&rig, 3, "t", true);
	postgres_rig_start(&rig, 13);
	postgres_rig_expect(&rig, "load read 3 1,\"more\" read 3 2,\"x\"\n");
	postgres_rig_close(&rig);
}

static void *ring(void *ctx)
{
	connector_postgres.capture_interrupt(rig.capture);
	return NULL;
}

static void test_capture_can_be_interrupted(void **state)
{
	struct clock clock = clock_system();
	struct thread thread;
	struct err e;

	postgres_rig_open(&rig, "bell");
	postgres_rig_run(&rig, "create table t(id int primary key)");
	postgres_rig_plan(&rig, 7, "t", false);
	postgres_rig_start(&rig, 10);
	assert_int_equal(postgres_rig_poll(&rig, 1 << 18, 10, &e), 0);
	assert_int_equal(thread_start(&thread, "ring", ring, NULL, &e), 0);
	int64_t before_us = clock_mono_us(&clock);
	assert_int_equal(postgres_rig_poll(&rig, 1 << 18, 5000, &e),
			 ERR_CLOSED);
	assert_true(clock_mono_us(&clock) - before_us < 2000000);
	thread_join(&thread);
	/* And then it goes on where it was. */
	postgres_rig_run(&rig, "insert into t values (1)");
	postgres_rig_expect(&rig, "local put 7 1\n");
	postgres_rig_close(&rig);
}

/* WAL of others, in another database: it must not hang on our slot. */
static void test_capture_lets_idle_databases_go(void **state)
{
	struct postgres_rig other;
	const char *held = "select pg_current_wal_lsn() - confirmed_flush_lsn "
			   "< 6000000 from pg_replication_slots where "
			   "slot_name = 'synod_01234567_idle'";

	postgres_rig_open(&rig, "idle");
	postgres_rig_run(&rig, "create table t(id int primary key)");
	postgres_rig_plan(&rig, 7, "t", false);
	postgres_rig_start(&rig, 10);
	postgres_rig_open(&other, "busy");
	postgres_rig_run(&other, "create table b as select repeat('x', 1000) "
				 "from generate_series(1, 16000) i");
	for (int i = 0; i < 200 && postgres_rig_text(&rig, held)[0] != 't';
	     i++) {
		assert_true(postgres_rig_poll(&rig, 1 << 18, 20, NULL) == 0);
		connector_postgres.capture_confirm(
			rig.capture,
			(struct bytes){rig.position.data, rig.position.len},
			NULL);
	}
	assert_string_equal(postgres_rig_text(&rig, held), "t");
	assert_int_equal(rig.n_lines, 0);
	postgres_rig_close(&other);
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
		cmocka_unit_test(test_capture_gives_transactions_in_order),
		cmocka_unit_test(test_capture_resumes_behind_the_position),
		cmocka_unit_test(
			test_capture_cuts_and_resumes_within_a_transaction),
		cmocka_unit_test(test_capture_knows_our_own_writes),
		cmocka_unit_test(
			test_capture_fills_large_values_or_says_unchanged),
		cmocka_unit_test(test_capture_sees_partitions_by_their_root),
		cmocka_unit_test(test_capture_takes_over_and_fences_the_older),
		cmocka_unit_test(test_capture_says_when_there_is_a_gap),
		cmocka_unit_test(test_capture_stops_at_a_table_that_changed),
		cmocka_unit_test(test_capture_can_be_interrupted),
		cmocka_unit_test(test_capture_lets_idle_databases_go),
	};

	return cmocka_run_group_tests(tests, NULL, tear_down);
}
