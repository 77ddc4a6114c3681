/* The throw-away server itself: what other tests lean on. */
#include "tests/it/sync/pg_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct pg_server *server;
static struct err why;

static void must(int error)
{
	if (error)
		fail_msg("%s: %s", err_name(error), why.text);
}

static void expect(const char *sql, const char *text)
{
	char buf[PG_SERVER_TEXT_MAX];

	must(pg_server_text(server, "postgres", sql, buf, &why));
	assert_string_equal(buf, text);
}

static void test_pg_server_keeps_what_was_committed(void **state)
{
	must(pg_server_run(server, "postgres",
			   "create table t(a int); insert into t values (7)",
			   &why));

	must(pg_server_crash(server, &why));
	must(pg_server_start(server, &why));
	expect("select a from t", "7");
	must(pg_server_stop(server, &why));
	must(pg_server_start(server, &why));
	expect("select a from t", "7");
}

static void test_pg_server_is_set_up_for_capture(void **state)
{
	expect("show wal_level", "logical");
	expect("show fsync", "on");
	expect("show work_mem", "3MB");
}

static void test_pg_server_tells_what_is_wrong(void **state)
{
	char buf[PG_SERVER_TEXT_MAX];

	assert_int_equal(pg_server_run(server, "postgres", "nonsense", &why),
			 ERR_DATA);
	assert_non_null(strstr(why.text, "nonsense"));
	assert_int_equal(pg_server_text(server, "postgres",
					"select 1 where false", buf, &why),
			 ERR_NOTFOUND);
}

static int set_up(void **state)
{
	return pg_server_open(&server, "work_mem = 3MB", &why);
}

static int tear_down(void **state)
{
	char dir[256];

	snprintf(dir, sizeof dir, "%s", pg_server_dir(server));
	pg_server_close(server);
	return access(dir, F_OK) == 0; /* nothing may stay behind */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pg_server_is_set_up_for_capture),
		cmocka_unit_test(test_pg_server_keeps_what_was_committed),
		cmocka_unit_test(test_pg_server_tells_what_is_wrong),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
