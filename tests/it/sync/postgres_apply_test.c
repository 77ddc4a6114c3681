/* The PostgreSQL connector writes: what one database did, in another; all or
 * nothing; fenced; and which rows stand in the way. */
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
#include "base/thread.h"
#include "connectors/postgres/apply.h"

enum { TASK = 65 };

static struct postgres_rig target;
static struct apply_handle *apply;
static uint64_t applied;
static struct err why;

static void must(int error)
{
	if (error)
		fail_msg("%s: %s", err_name(error), why.text);
}

static int open_apply(uint64_t epoch, struct apply_handle **out)
{
	const struct apply_setup setup = {.target = target.target,
					  .tables = target.tables,
					  .n_tables = target.n_tables,
					  .task_id = TASK,
					  .epoch = epoch};

	return connector_postgres.apply_open(&setup, out, &applied, &why);
}

static int write_bytes(struct apply_handle *h, struct bytes changes,
		       bool is_authority, struct apply_rejects *rejects)
{
	struct postgres_rig_group g;

	postgres_rig_group(&target, changes, is_authority, &g);
	g.group.from_index = applied;
	g.group.to_index = applied + 1;
	int error = connector_postgres.apply_write(h, &g.group, rejects, &why);
	if (!error)
		applied++;
	free(g.rows);
	return error;
}

/* -- one row by hand -------------------------------------------------------
 */
static struct value_buf one;

static void begin_rows(struct change_writer *w)
{
	change_writer_init(w);
	change_begin(w, TXN_LOCAL, 1);
}

static void add_row(struct change_writer *w, enum change_op op, int64_t id,
		    const char *a)
{
	struct value values[2] = {
		{.state = VALUE_SET, .type = VALUE_INT64, .i64 = id},
		{.state = a ? VALUE_SET : VALUE_NULL, .type = VALUE_TEXT}};
	struct change_row row = {.op = op, .table_id = 1};

	if (a)
		values[1].bytes = (struct bytes){(const uint8_t *)a, strlen(a)};
	one.len = 0;
	change_key(&one, values, 1);
	row.key = (struct bytes){one.data, one.len};
	if (op != CHANGE_DELETE) {
		row.values = values;
		row.n_values = 2;
	}
	change_add(w, &row);
}

static int write_rows(struct apply_handle *h, struct change_writer *w,
		      bool is_authority, struct apply_rejects *rejects)
{
	change_end(w);
	int error = write_bytes(h, (struct bytes){w->buf.data, w->buf.len},
				is_authority, rejects);
	change_writer_free(w);
	return error;
}

static void open_simple(const char *name, const char *more)
{
	char sql[512];

	postgres_rig_open(&target, name);
	postgres_rig_run(&target, "create table names(name text primary key); "
				  "insert into names values ('known')");
	snprintf(sql, sizeof sql,
		 "create table t(id bigint primary key, a text%s)", more);
	postgres_rig_run(&target, sql);
	postgres_rig_plan(&target, 1, "t", false);
	must(open_apply(10, &apply));
	assert_int_equal(applied, 0);
}

static void close_simple(void)
{
	connector_postgres.apply_close(apply);
	apply = NULL;
	postgres_rig_close(&target);
}

/* -- tests -----------------------------------------------------------------
 */
static void test_apply_reads_leave_or_win(void **state)
{
	struct apply_rejects rejects;
	struct change_writer w;

	open_simple("reads", "");
	postgres_rig_run(&target,
			 "insert into t values (1, 'same'), (2, 'mine')");
	begin_rows(&w);
	add_row(&w, CHANGE_READ, 1, "same");
	add_row(&w, CHANGE_READ, 2, "theirs");
	add_row(&w, CHANGE_READ, 3, "new");
	assert_int_equal(write_rows(apply, &w, false, &rejects), ERR_DATA);
	assert_int_equal(rejects.n, 1);
	assert_int_equal(rejects.list[0].row, 1);
	assert_int_equal(rejects.list[0].verdict, APPLY_DIFFERS);
	struct change c;
	struct value values[2];
	struct value_buf *there = &rejects.list[0].existing;
	assert_int_equal(
		change_decode((struct bytes){there->data, there->len}, &c), 0);
	assert_int_equal(change_values(&c, values), 0);
	assert_memory_equal(values[1].bytes.data, "mine", 4);
	apply_rejects_clear(&rejects);
	assert_string_equal(
		postgres_rig_text(&target, "select count(*) from t"), "2");

	begin_rows(&w);
	add_row(&w, CHANGE_READ, 1, "same");
	add_row(&w, CHANGE_READ, 3, "new");
	must(write_rows(apply, &w, false, &rejects));
	begin_rows(&w);
	add_row(&w, CHANGE_READ, 2, "theirs");
	must(write_rows(apply, &w, true, &rejects));
	assert_string_equal(
		postgres_rig_text(&target, "select string_agg(a, ',' order by "
					   "id) from t"),
		"same,theirs,new");
	close_simple();
}

static void test_apply_names_all_rows_that_are_refused(void **state)
{
	struct apply_rejects rejects;
	struct change_writer w;

	open_simple("poison", " check (a <> 'bad'), unique (a)");
	begin_rows(&w);
	add_row(&w, CHANGE_PUT, 1, "good");
	add_row(&w, CHANGE_PUT, 2, "bad");
	add_row(&w, CHANGE_PATCH, 9, "not there");
	add_row(&w, CHANGE_PUT, 4, "fine");
	add_row(&w, CHANGE_PUT, 5, "good");
	assert_int_equal(write_rows(apply, &w, true, &rejects), ERR_DATA);
	assert_int_equal(rejects.n, 3);
	assert_int_equal(rejects.list[0].row, 1);
	assert_int_equal(rejects.list[1].row, 2);
	assert_int_equal(rejects.list[2].row, 4);
	assert_non_null(strstr(rejects.list[0].text, "check constraint"));
	assert_non_null(strstr(rejects.list[1].text, "not there"));
	assert_non_null(strstr(rejects.list[2].text, "duplicate key"));
	apply_rejects_clear(&rejects);
	assert_string_equal(
		postgres_rig_text(&target, "select count(*) from t"), "0");
	/* Without them the same session goes on. */
	begin_rows(&w);
	add_row(&w, CHANGE_PUT, 1, "good");
	add_row(&w, CHANGE_DELETE, 77, NULL);
	add_row(&w, CHANGE_PUT, 4, "fine");
	must(write_rows(apply, &w, true, &rejects));
	assert_string_equal(
		postgres_rig_text(&target, "select count(*) from t"), "2");
	close_simple();
}

static void test_apply_names_rows_of_deferred_constraints(void **state)
{
	struct apply_rejects rejects;
	struct change_writer w;

	open_simple("deferred", ", foreign key (a) references names deferrable "
				"initially deferred");
	begin_rows(&w);
	add_row(&w, CHANGE_PUT, 1, "known");
	add_row(&w, CHANGE_PUT, 2, "unknown");
	add_row(&w, CHANGE_PUT, 3, "known");
	assert_int_equal(write_rows(apply, &w, true, &rejects), ERR_DATA);
	assert_int_equal(rejects.n, 1);
	assert_int_equal(rejects.list[0].row, 1);
	assert_non_null(strstr(rejects.list[0].text, "foreign key"));
	apply_rejects_clear(&rejects);
	close_simple();
}

/* What cannot even be sent is refused like what the server refuses. */
static void test_apply_refuses_a_text_with_a_nul(void **state)
{
	struct value values[2] = {
		{.state = VALUE_SET, .type = VALUE_INT64, .i64 = 5},
		{.state = VALUE_SET,
		 .type = VALUE_TEXT,
		 .bytes = {(const uint8_t *)"a\0b", 3}}};
	struct change_row row = {.op = CHANGE_PUT,
				 .table_id = 1,
				 .values = values,
				 .n_values = 2};
	struct apply_rejects rejects;
	struct change_writer w;

	open_simple("nul", "");
	begin_rows(&w);
	add_row(&w, CHANGE_PUT, 1, "good");
	one.len = 0;
	change_key(&one, values, 1);
	row.key = (struct bytes){one.data, one.len};
	change_add(&w, &row);
	assert_int_equal(write_rows(apply, &w, true, &rejects), ERR_DATA);
	assert_int_equal(rejects.n, 1);
	assert_int_equal(rejects.list[0].row, 1);
	assert_non_null(strstr(rejects.list[0].text, "NUL"));
	apply_rejects_clear(&rejects);
	begin_rows(&w);
	add_row(&w, CHANGE_PUT, 1, "good");
	must(write_rows(apply, &w, true, &rejects));
	close_simple();
}

/* Each set of columns is a statement of its own; the server must not keep them
 * all. */
static void test_apply_keeps_few_statements(void **state)
{
	enum { COLUMNS = 10, SETS = 1 << COLUMNS, EACH = 64 };
	struct value values[1 + COLUMNS] = {
		{.state = VALUE_SET, .type = VALUE_INT64, .i64 = 1}};
	struct change_row row = {.op = CHANGE_PATCH,
				 .table_id = 1,
				 .values = values,
				 .n_values = 1 + COLUMNS};
	struct apply_rejects rejects;
	struct change_writer w;

	open_simple("many", ", b text, c text, d text, e text, f text, g text, "
			    "h text, i text, j text");
	postgres_rig_run(&target, "insert into t values (1)");
	one.len = 0;
	change_key(&one, values, 1);
	row.key = (struct bytes){one.data, one.len};
	for (unsigned set = 1; set < SETS;) {
		begin_rows(&w);
		for (unsigned i = 0; i < EACH && set < SETS; i++, set++) {
			for (unsigned j = 0; j < COLUMNS; j++)
				values[1 + j] = (struct value){
					.state = set >> j & 1 ? VALUE_SET
							      : VALUE_UNCHANGED,
					.type = VALUE_TEXT,
					.bytes = {(const uint8_t *)"x", 1}};
			change_add(&w, &row);
		}
		must(write_rows(apply, &w, true, &rejects));
		assert_true(map_count(apply->statements) < 600);
	}
	assert_string_equal(
		postgres_rig_text(&target, "select a || e || j from t"), "xxx");
	close_simple();
}

static void test_apply_fences_an_older_epoch(void **state)
{
	struct apply_handle *newer;
	struct apply_rejects rejects;
	struct change_writer w;

	open_simple("fence", "");
	begin_rows(&w);
	add_row(&w, CHANGE_PUT, 1, "old");
	must(write_rows(apply, &w, true, &rejects));
	must(open_apply(11, &newer));
	assert_int_equal(applied, 1);

	begin_rows(&w);
	add_row(&w, CHANGE_PUT, 2, "zombie");
	assert_int_equal(write_rows(apply, &w, true, &rejects), ERR_FENCED);
	assert_string_equal(
		postgres_rig_text(&target, "select count(*) from t"), "1");
	/* Nor may a place be left out or written twice. */
	applied = 7;
	begin_rows(&w);
	add_row(&w, CHANGE_PUT, 2, "hole");
	assert_int_equal(write_rows(newer, &w, true, &rejects), ERR_FENCED);
	struct apply_handle *again = NULL;
	assert_int_equal(open_apply(10, &again), ERR_FENCED);
	assert_null(again);
	must(open_apply(12, &again));
	assert_int_equal(applied, 1);
	connector_postgres.apply_close(again);
	connector_postgres.apply_close(newer);
	close_simple();
}

/* A frozen owner in the middle of its transaction holds the checkpoint. */
static void test_apply_ends_an_owner_that_stands_still(void **state)
{
	struct clock clock = clock_system();
	char info[300];

	open_simple("frozen", "");
	close_simple();
	postgres_rig_open(&target, "frozen2");
	postgres_rig_run(&target,
			 "create table t(id bigint primary key, a text)");
	postgres_rig_plan(&target, 1, "t", false);
	must(open_apply(10, &apply));
	connector_postgres.apply_close(apply);
	snprintf(info, sizeof info,
		 "host=%s port=%s dbname=%s user=%s "
		 "application_name=synod:01234567:%d:10",
		 pg_server_dir(target.server), target.port, target.database,
		 target.user, TASK);
	PGconn *c = PQconnectdb(info);
	PQclear(PQexec(c, "begin"));
	PQclear(PQexec(c, "update synod.checkpoint set applied_index = 3"));
	PQclear(PQexec(c, "insert into t values (1, 'zombie')"));

	int64_t before_us = clock_mono_us(&clock);
	must(open_apply(11, &apply));
	assert_true(clock_mono_us(&clock) - before_us < 1000000);
	assert_int_equal(applied, 0);
	PGresult *r = PQexec(c, "commit");
	assert_int_equal(PQresultStatus(r), PGRES_FATAL_ERROR);
	PQclear(r);
	PQfinish(c);
	assert_string_equal(
		postgres_rig_text(&target, "select count(*) from t"), "0");
	close_simple();
}

static void test_apply_says_when_the_table_changed(void **state)
{
	struct apply_rejects rejects;
	struct change_writer w;

	open_simple("drift", "");
	postgres_rig_run(&target, "alter table t drop column a");
	begin_rows(&w);
	add_row(&w, CHANGE_PUT, 1, "x");
	assert_int_equal(write_rows(apply, &w, true, &rejects), ERR_SCHEMA);
	assert_non_null(strstr(why.text, "public.t"));
	struct apply_handle *again = NULL;
	assert_int_equal(open_apply(11, &again), ERR_SCHEMA);
	postgres_rig_run(&target, "alter table t add column a text");
	begin_rows(&w);
	add_row(&w, CHANGE_PUT, 1, "x");
	must(open_apply(12, &again));
	must(write_rows(again, &w, true, &rejects));
	connector_postgres.apply_close(again);
	close_simple();
}

static void test_apply_survives_a_restart_of_the_server(void **state)
{
	struct apply_rejects rejects;
	struct change_writer w;

	open_simple("restart", "");
	must(pg_server_crash(target.server, &why));
	begin_rows(&w);
	add_row(&w, CHANGE_PUT, 1, "x");
	assert_int_equal(write_rows(apply, &w, true, &rejects), ERR_NETWORK);
	connector_postgres.apply_close(apply);
	apply = NULL;
	assert_int_equal(open_apply(11, &apply), ERR_NETWORK);
	must(pg_server_start(target.server, &why));
	must(open_apply(11, &apply));
	begin_rows(&w);
	add_row(&w, CHANGE_PUT, 1, "x");
	must(write_rows(apply, &w, true, &rejects));
	close_simple();
}

struct opener {
	struct thread thread;
	uint32_t task_id;
	int error;
	struct err why;
};

static void *opener_run(void *ctx)
{
	struct opener *o = ctx;
	const struct apply_setup setup = {.target = target.target,
					  .tables = target.tables,
					  .n_tables = target.n_tables,
					  .task_id = o->task_id,
					  .epoch = 1};
	struct apply_handle *h = NULL;
	uint64_t index;

	o->error = connector_postgres.apply_open(&setup, &h, &index, &o->why);
	connector_postgres.apply_close(h);
	return NULL;
}

static void test_apply_tasks_may_begin_together(void **state)
{
	static struct opener openers[6];

	postgres_rig_open(&target, "together");
	postgres_rig_run(&target, "create table t(id bigint primary key)");
	postgres_rig_plan(&target, 1, "t", false);
	for (int round = 0; round < 5; round++) {
		for (uint32_t i = 0; i < 6; i++) {
			openers[i] = (struct opener){.task_id = 65 + i * 64};
			must(thread_start(&openers[i].thread, "opener",
					  opener_run, &openers[i], &why));
		}
		for (size_t i = 0; i < 6; i++)
			thread_join(&openers[i].thread);
		for (size_t i = 0; i < 6; i++)
			if (openers[i].error)
				fail_msg("%s", openers[i].why.text);
		postgres_rig_run(&target, "drop schema synod cascade");
	}
	postgres_rig_close(&target);
}

static int tear_down(void **state)
{
	value_buf_free(&one);
	postgres_rig_end();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_apply_reads_leave_or_win),
		cmocka_unit_test(test_apply_names_all_rows_that_are_refused),
		cmocka_unit_test(test_apply_names_rows_of_deferred_constraints),
		cmocka_unit_test(test_apply_refuses_a_text_with_a_nul),
		cmocka_unit_test(test_apply_keeps_few_statements),
		cmocka_unit_test(test_apply_fences_an_older_epoch),
		cmocka_unit_test(test_apply_ends_an_owner_that_stands_still),
		cmocka_unit_test(test_apply_says_when_the_table_changed),
		cmocka_unit_test(test_apply_tasks_may_begin_together),
		cmocka_unit_test(test_apply_survives_a_restart_of_the_server),
	};

	return cmocka_run_group_tests(tests, NULL, tear_down);
}
