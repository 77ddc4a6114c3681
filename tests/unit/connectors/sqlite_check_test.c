/* What a SQLite file looks like, and what stands in the way. */
#include "sqlite_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/thread.h"

static struct connector_findings check(struct fixture *f)
{
	struct connector_findings out = {.arena = &f->arena};
	struct err e = {0};

	if (connector_sqlite.check(&f->target, f->tables, f->n_tables, &out,
				   &e))
		fail_msg("%s", e.text);
	return out;
}

static bool has(const struct connector_findings *f, bool is_fatal,
		const char *text)
{
	for (size_t i = 0; i < f->n; i++) {
		if (f->list[i].is_fatal == is_fatal &&
		    strstr(f->list[i].text, text))
			return true;
	}
	return false;
}

static void test_check_describes_columns(void **state)
{
	struct fixture f;
	struct connector_schema s;
	struct err e = {0};

	fixture_open(&f, "CREATE TABLE \"odd \"\"name\"(b TEXT, a INTEGER,"
			 " c AS (b || 'x'), d DECIMAL(9,2) NOT NULL, e BLOB,"
			 " f REAL, g BOOLEAN, PRIMARY KEY (a, b))");
	assert_int_equal(connector_sqlite.describe(&f.target, "odd \"name",
						   &f.arena, &s, &e),
			 0);
	assert_int_equal(s.n, 7);
	assert_string_equal(s.columns[0].name, "b");
	assert_true(s.columns[0].is_key && s.columns[1].is_key);
	assert_false(s.columns[2].is_key);
	assert_true(s.columns[2].is_generated);
	assert_int_equal(s.columns[0].type, VALUE_TEXT);
	assert_int_equal(s.columns[1].type, VALUE_INT64);
	assert_int_equal(s.columns[3].type, VALUE_NATIVE);
	assert_false(s.columns[3].is_nullable);
	assert_int_equal(s.columns[4].type, VALUE_BYTES);
	assert_int_equal(s.columns[5].type, VALUE_F64);
	assert_int_equal(s.columns[6].type, VALUE_BOOL);
	assert_int_equal(
		connector_sqlite.describe(&f.target, "none", &f.arena, &s, &e),
		ERR_NOTFOUND);
	fixture_close(&f);
}

/* A name is a name, whatever stands in it. */
static void test_check_odd_names_work_throughout(void **state)
{
	struct fixture f;

	fixture_open(&f, "CREATE TABLE \"o'd \"\"t\"(\"select\" INTEGER PRIMARY"
			 " KEY, \"a\"\"b'c\" TEXT UNIQUE)");
	struct connector_table *t = fixture_table(&f, 1, "o'd \"t");
	struct capture_handle *h = fixture_capture(&f, 1, NULL);
	(void)fixture_poll(&f, h, 0);
	fixture_exec(&f, "INSERT INTO \"o'd \"\"t\" VALUES (1, 'x')");
	assert_string_equal(fixture_poll(&f, h, 1000), "[put 1 (1, \"x\")]");
	struct value v[] = {fixture_int(2), fixture_str("y'; DROP TABLE")};
	struct apply_row row = fixture_row(&f, t, CHANGE_PUT, v);
	struct apply_group g = {.rows = &row, .n = 1, .to_index = 1};
	struct apply_rejects rejects = {0};
	struct err e = {0};
	struct apply_handle *a = fixture_apply(&f, 1, NULL);
	assert_int_equal(connector_sqlite.apply_write(a, &g, &rejects, &e), 0);
	assert_string_equal(fixture_poll(&f, h, 1000), "@69:1");
	connector_sqlite.apply_close(a);
	connector_sqlite.capture_close(h);
	fixture_close(&f);
}

static void test_check_lists_tables_without_ours(void **state)
{
	struct fixture f;
	const char *names[8];
	struct err e = {0};
	char text[256];

	fixture_open(&f, "CREATE TABLE b(id INTEGER PRIMARY KEY AUTOINCREMENT);"
			 "CREATE TABLE a(id); CREATE VIEW v AS SELECT 1");
	fixture_table(&f, 1, "b");
	connector_sqlite.capture_close(fixture_capture(&f, 1, NULL));
	assert_int_equal(
		connector_sqlite.tables(&f.target, &f.arena, names, 8, &e), 2);
	assert_string_equal(names[0], "a");
	assert_string_equal(names[1], "b");
	assert_int_equal(
		connector_sqlite.test(&f.target, text, sizeof(text), &e), 0);
	assert_non_null(strstr(text, "2 tables"));
	fixture_close(&f);
}

static void test_check_finds_what_stands_in_the_way(void **state)
{
	struct fixture f;

	fixture_open(&f, "CREATE TABLE n(id TEXT COLLATE NOCASE PRIMARY KEY);"
			 "CREATE TABLE k(id INTEGER PRIMARY KEY, a TEXT);"
			 "CREATE UNIQUE INDEX x ON k(lower(a));"
			 "CREATE TABLE z(id INTEGER, a TEXT);"
			 "CREATE TABLE g(id INTEGER PRIMARY KEY, a AS (id));"
			 "CREATE TABLE y(id PRIMARY KEY)");
	fixture_table(&f, 1, "n");
	fixture_table(&f, 2, "k");
	fixture_def(fixture_table(&f, 3, "z"))->fields[0]->is_key = true;
	fixture_table(&f, 4, "g");
	fixture_table(&f, 5, "y");
	struct connector_findings out = check(&f);
	assert_true(has(&out, true, "BINARY"));
	assert_true(has(&out, false, "\"x\""));
	assert_true(has(&out, true, "no primary key"));
	assert_true(has(&out, true, "generated"));
	assert_true(has(&out, true, "no certain type"));
	assert_true(has(&out, false, "journal_mode"));
	fixture_exec(&f, "DROP TABLE z");
	out = check(&f);
	assert_true(has(&out, true, "no such table"));
	fixture_close(&f);
}

static void test_check_good_tables_have_no_findings(void **state)
{
	struct fixture f;

	fixture_open(&f, "PRAGMA journal_mode=WAL; CREATE TABLE a(id INTEGER"
			 " PRIMARY KEY, b TEXT UNIQUE); CREATE TABLE b(x TEXT,"
			 " y BLOB, PRIMARY KEY (x, y)) WITHOUT ROWID;"
			 "CREATE TABLE c(id INT PRIMARY KEY, v REAL) STRICT");
	fixture_table(&f, 1, "a");
	fixture_table(&f, 2, "b");
	fixture_table(&f, 3, "c");
	struct connector_findings out = check(&f);
	if (out.n)
		fail_msg("%s: %s", out.list[0].table, out.list[0].text);
	fixture_close(&f);
}

static void test_check_options_are_checked(void **state)
{
	struct fixture f;
	struct err e = {0};
	char text[256];

	fixture_open(&f, "CREATE TABLE a(id)");
	f.busy_option.value = arena_strdup(&f.arena, "soon");
	assert_int_equal(
		connector_sqlite.test(&f.target, text, sizeof(text), &e),
		ERR_INVALID);
	assert_non_null(strstr(e.text, "busy_timeout_ms"));
	f.busy_option.value = arena_strdup(&f.arena, "100");
	f.path_option.value = arena_strdup(&f.arena, "nowhere/at/all.db");
	f.target.base_dir = f.dir;
	assert_int_equal(
		connector_sqlite.test(&f.target, text, sizeof(text), &e),
		ERR_NETWORK);
	assert_non_null(strstr(e.text, f.dir));
	f.path_option.value = arena_strdup(&f.arena, "a.db");
	assert_int_equal(
		connector_sqlite.test(&f.target, text, sizeof(text), &e), 0);
	fixture_close(&f);
}

/* -- threads ---------------------------------------------------------------
 */
struct waiting {
	struct fixture *f;
	struct capture_handle *h;
	int code;
};

static void *wait_long(void *ctx)
{
	struct waiting *w = ctx;
	struct value_buf at = {0};
	struct err e = {0};

	w->code = connector_sqlite.capture_poll(w->h, 1000, 20000,
						&w->f->writer, &at, &e);
	value_buf_free(&at);
	return NULL;
}

static void test_check_interrupt_of_another_thread(void **state)
{
	struct fixture f;
	struct thread t = {0};

	fixture_open(&f, "CREATE TABLE a(id INTEGER PRIMARY KEY)");
	fixture_table(&f, 1, "a");
	struct waiting w = {.f = &f, .h = fixture_capture(&f, 1, NULL)};
	(void)fixture_poll(&f, w.h, 0);
	int64_t start_ms = fixture_now_ms();
	assert_int_equal(thread_start(&t, "poll", wait_long, &w, NULL), 0);
	connector_sqlite.capture_interrupt(w.h);
	thread_join(&t);
	assert_int_equal(w.code, ERR_CLOSED);
	assert_in_range(fixture_now_ms() - start_ms, 0, 5000);
	connector_sqlite.capture_close(w.h);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check_describes_columns),
		cmocka_unit_test(test_check_odd_names_work_throughout),
		cmocka_unit_test(test_check_lists_tables_without_ours),
		cmocka_unit_test(test_check_finds_what_stands_in_the_way),
		cmocka_unit_test(test_check_good_tables_have_no_findings),
		cmocka_unit_test(test_check_options_are_checked),
		cmocka_unit_test(test_check_interrupt_of_another_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
