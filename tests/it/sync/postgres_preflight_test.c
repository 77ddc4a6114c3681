/* The PostgreSQL connector looks before it leaps: what stands in the way, that
 * the SQL it names repairs it, and that a plain role can then do everything. */
#include "tests/it/sync/postgres_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct postgres_rig rig;
static struct arena arena;
static struct connector_findings findings;
static struct err why;

static size_t check(void)
{
	size_t n = 0;

	findings = (struct connector_findings){.arena = &arena};
	if (connector_postgres.check(&rig.target, rig.tables, rig.n_tables,
				     &findings, &why))
		fail_msg("%s", why.text);
	for (size_t i = 0; i < findings.n; i++)
		n += findings.list[i].is_fatal;
	return n;
}

static const struct connector_finding *find(const char *part)
{
	for (size_t i = 0; i < findings.n; i++)
		if (strstr(findings.list[i].text, part))
			return &findings.list[i];
	fail_msg("nobody says: %s", part);
	return findings.list;
}

static void repair_all(void)
{
	for (size_t i = 0; i < findings.n; i++) {
		assert_non_null(findings.list[i].repair);
		postgres_rig_super(&rig, findings.list[i].repair);
	}
}

/* Everything belongs to somebody else. */
static void open_plain(const char *name)
{
	char sql[256];

	postgres_rig_open(&rig, name);
	snprintf(sql, sizeof sql,
		 "alter database %s owner to postgres; alter role %s "
		 "noreplication; revoke all on schema public from %s, public",
		 name, rig.user, rig.user);
	postgres_rig_super(&rig, sql);
}

static void test_preflight_repairs_make_a_plain_role_work(void **state)
{
	open_plain("plain");
	postgres_rig_super(&rig, "create table t(id int primary key, a int); "
				 "insert into t values (1, 1)");
	struct connector_table *t = postgres_rig_plan(&rig, 7, "t", true);
	t->is_two_way = true;

	assert_true(check() >= 5);
	find("may not replicate");
	find("may not make it");
	find("may not read it");
	find("may not write it");
	find("a superuser has to publish");
	repair_all();
	assert_int_equal(check(), 0);

	postgres_rig_start(&rig, 10);
	postgres_rig_expect(&rig, "load read 7 1,1\n");
	postgres_rig_super(&rig, "update t set a = 2; delete from t");
	postgres_rig_expect(&rig, "local put 7 1,2 delete 7 1\n");
	const struct apply_setup setup = {.target = rig.target,
					  .tables = rig.tables,
					  .n_tables = 1,
					  .task_id = 65,
					  .epoch = 3};
	struct apply_handle *apply;
	uint64_t index;
	assert_int_equal(
		connector_postgres.apply_open(&setup, &apply, &index, &why), 0);
	connector_postgres.apply_close(apply);
	postgres_rig_close(&rig);
}

/* Never break the customer's own writes: a table without an identity must not
 * get into a publication, whatever we are told. */
static void test_preflight_protects_tables_without_a_key(void **state)
{
	postgres_rig_open(&rig, "nokey");
	postgres_rig_run(&rig,
			 "create table t(id int primary key, a int); create "
			 "table n(id int primary key, a int)");
	postgres_rig_plan(&rig, 1, "t", false);
	postgres_rig_plan(&rig, 2, "n", false);
	postgres_rig_run(&rig, "alter table t drop constraint t_pkey; alter "
			       "table n replica identity nothing");
	assert_true(check() >= 2);
	assert_non_null(strstr(find("no primary key")->repair,
			       "ADD PRIMARY KEY (\"id\")"));
	assert_non_null(strstr(find("does not tell the key")->repair,
			       "REPLICA IDENTITY FULL"));
	struct err e;
	assert_int_equal(postgres_rig_try_start(&rig, 10, &e), ERR_SCHEMA);
	assert_string_equal(
		postgres_rig_text(&rig, "select count(*) from pg_publication"),
		"0");
	postgres_rig_run(&rig, "insert into t values (1); update t set a = 1; "
			       "update n set a = 1");
	repair_all();
	assert_int_equal(check(), 0);
	postgres_rig_start(&rig, 11);
	postgres_rig_run(&rig, "update t set a = 2");
	postgres_rig_expect(&rig, "local put 1 1,2\n");
	postgres_rig_close(&rig);
}

static void test_preflight_wants_whole_rows_for_two_ways(void **state)
{
	postgres_rig_open(&rig, "whole");
	postgres_rig_run(&rig, "create table t(id int primary key, n int, big "
			       "text); alter table t alter big set storage "
			       "external; create table s(id int primary key, a "
			       "varchar(20))");
	struct connector_table *t = postgres_rig_plan(&rig, 1, "t", false);
	/* Never kept outside of the row: there is no need. */
	postgres_rig_plan(&rig, 2, "s", false)->is_two_way = true;
	assert_int_equal(check(), 0);
	t->is_two_way = true;
	assert_int_equal(check(), 1);
	assert_string_equal(
		findings.list[0].repair,
		"ALTER TABLE \"public\".\"t\" REPLICA IDENTITY FULL;");

	/* Not repaired: an update that leaves the value out stops the table,
	 * it is never guessed. */
	struct err e;
	int n = 0;
	postgres_rig_start(&rig, 10);
	postgres_rig_run(&rig,
			 "insert into t values (1, 1, repeat('q', 9000))");
	postgres_rig_run(&rig, "update t set n = 2");
	while (n >= 0)
		n = postgres_rig_poll(&rig, 1000, 100, &e);
	assert_int_equal(n, ERR_SCHEMA);
	assert_non_null(strstr(e.text, "REPLICA IDENTITY FULL"));
	repair_all();
	assert_int_equal(check(), 0);
	postgres_rig_close(&rig);
}

static void test_preflight_names_what_is_missing(void **state)
{
	postgres_rig_open(&rig, "missing");
	postgres_rig_run(&rig, "create table t(id int primary key, a int, b "
			       "int)");
	postgres_rig_plan(&rig, 1, "t", false);
	postgres_rig_run(&rig, "alter table t drop column b; alter table t "
			       "alter a type text; alter table t add column b "
			       "int generated always as (id) stored");
	assert_int_equal(check(), 2);
	find("column a is text now, planned as int64");
	find("column b is generated");
	postgres_rig_run(&rig, "drop table t");
	assert_int_equal(check(), 1);
	find("there is no table public.t");
	postgres_rig_close(&rig);
}

static void test_preflight_says_who_is_not_let_in(void **state)
{
	struct connector_findings none = {.arena = &arena};
	char text[128];

	postgres_rig_open(&rig, "login");
	assert_int_equal(
		connector_postgres.test(&rig.target, text, sizeof text, &why),
		0);
	assert_non_null(strstr(text, "PostgreSQL 15"));
	assert_non_null(strstr(text, "role role_login"));
	rig.options[3].value = arena_strdup(&rig.arena, "nobody_here");
	assert_int_equal(
		connector_postgres.check(&rig.target, NULL, 0, &none, &why),
		ERR_PERMISSION);
	rig.options[3].value = rig.user;
	rig.options[2].value = arena_strdup(&rig.arena, "no_such_database");
	assert_int_equal(
		connector_postgres.test(&rig.target, text, sizeof text, &why),
		ERR_INVALID);
	rig.options[2].value = rig.database;
	rig.options[1].value = arena_strdup(&rig.arena, "1");
	assert_int_equal(
		connector_postgres.test(&rig.target, text, sizeof text, &why),
		ERR_NETWORK);
	rig.options[1].value = rig.port;
	postgres_rig_close(&rig);
}

static void test_tables_and_names_as_people_write_them(void **state)
{
	struct connector_schema schema;
	const char *names[8];

	postgres_rig_open(&rig, "names");
	postgres_rig_run(&rig, "create schema \"Sales\"; create table "
			       "\"Sales\".\"Order \"\"x\"\".y\"(\"Id\" int "
			       "primary key); create table plain(id int)");
	assert_int_equal(
		connector_postgres.tables(&rig.target, &arena, names, 8, &why),
		2);
	assert_string_equal(names[0], "\"Sales\".\"Order \"\"x\"\".y\"");
	assert_string_equal(names[1], "public.plain");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(connector_postgres.describe(&rig.target,
							     names[i], &arena,
							     &schema, &why),
				 0);
		assert_string_equal(schema.table, names[i]);
	}
	assert_int_equal(connector_postgres.describe(&rig.target, "PLAIN",
						     &arena, &schema, &why),
			 0);
	assert_string_equal(schema.table, "public.plain");
	assert_int_equal(connector_postgres.describe(&rig.target,
						     "public.plain; drop",
						     &arena, &schema, &why),
			 ERR_NOTFOUND);
	postgres_rig_plan(&rig, 1, names[0], false);
	postgres_rig_start(&rig, 10);
	postgres_rig_run(&rig, "insert into \"Sales\".\"Order \"\"x\"\".y\" "
			       "values (4)");
	postgres_rig_expect(&rig, "local put 1 4\n");
	postgres_rig_close(&rig);
}

static int set_up(void **state)
{
	arena_init(&arena, 4096);
	return 0;
}

static int tear_down(void **state)
{
	arena_free(&arena);
	postgres_rig_end();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_preflight_repairs_make_a_plain_role_work),
		cmocka_unit_test(test_preflight_protects_tables_without_a_key),
		cmocka_unit_test(test_preflight_wants_whole_rows_for_two_ways),
		cmocka_unit_test(test_preflight_names_what_is_missing),
		cmocka_unit_test(test_preflight_says_who_is_not_let_in),
		cmocka_unit_test(test_tables_and_names_as_people_write_them),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
