/* Rows that were there before a sync began. */
#include "sqlite_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char numbers[] =
	"CREATE TABLE t(a TEXT, b INTEGER, v INTEGER, PRIMARY KEY (a, b))"
	" WITHOUT ROWID; WITH RECURSIVE c(x) AS (SELECT 0 UNION ALL"
	" SELECT x + 1 FROM c WHERE x < 99) INSERT INTO t"
	" SELECT 'k' || (x / 10), x % 10, x FROM c";

static int count(const char *text, const char *what)
{
	int n = 0;

	for (const char *p = text; (p = strstr(p, what)); p++)
		n++;
	return n;
}

/* Chunk by chunk, each on another node. */
static void test_load_goes_on_elsewhere(void **state)
{
	struct fixture f;
	struct value_buf *at = NULL;
	int n_rows = 0, n_chunks = 0;
	uint64_t epoch = 1;

	fixture_open(&f, numbers);
	struct connector_table *t = fixture_table(&f, 1, "t");
	t->wants_load = true;
	t->load_chunk = 7;
	for (;; epoch++) {
		struct capture_handle *h = fixture_capture(&f, epoch, at);
		const char *text = fixture_poll(&f, h, 0);
		struct capture_figures figures;

		connector_sqlite.capture_figures(h, &figures);
		connector_sqlite.capture_close(h);
		at = &f.position;
		n_rows += count(text, "read");
		n_chunks++;
		if (figures.n_tables_loading == 0) {
			assert_int_equal(figures.n_loaded, 100);
			break;
		}
		assert_in_range(n_chunks, 1, 20);
	}
	assert_int_equal(n_rows, 100);
	assert_int_equal(n_chunks, 15);
	fixture_close(&f);
}

/* A change behind a chunk comes behind it; one before, before. */
static void test_load_is_as_of_its_place(void **state)
{
	struct fixture f;

	fixture_open(&f, numbers);
	struct connector_table *t = fixture_table(&f, 1, "t");
	t->wants_load = true;
	t->load_chunk = 50;
	struct capture_handle *h = fixture_capture(&f, 1, NULL);
	fixture_exec(&f, "UPDATE t SET v = -1 WHERE a = 'k0' AND b = 0");
	const char *text = fixture_poll(&f, h, 0);
	assert_ptr_equal(strstr(text, "[put 1 (\"k0\", 0, -1)] {read 1 "
				      "(\"k0\", 0, -1)"),
			 text);
	fixture_exec(&f, "DELETE FROM t WHERE a = 'k9'");
	fixture_exec(&f, "INSERT INTO t VALUES ('k0', 77, 77)");
	text = fixture_poll(&f, h, 0);
	assert_int_equal(count(text, "delete"), 10);
	assert_int_equal(count(text, "read"), 40); /* of k5 to k8 */
	assert_int_equal(count(text, "k9"), 10);
	assert_int_equal(count(text, "77, 77"), 1);
	connector_sqlite.capture_close(h);
	fixture_close(&f);
}

static void test_load_leaves_out_what_is_not_ours(void **state)
{
	struct fixture f;
	struct value k3 = fixture_str("k3");
	int n = 0;

	fixture_open(&f, numbers);
	struct connector_table *t = fixture_table(&f, 1, "t");
	t->wants_load = true;
	t->load_chunk = 9;
	fixture_where(&f, t, 0, SYNOD__DEFINITION__COMPARISON__OP__EQ, &k3);
	struct capture_handle *h = fixture_capture(&f, 1, NULL);
	for (int i = 0; i < 13; i++)
		n += count(fixture_poll(&f, h, 0), "read");
	assert_int_equal(n, 10);
	struct capture_figures figures;
	connector_sqlite.capture_figures(h, &figures);
	assert_int_equal(figures.n_tables_loading, 0);
	connector_sqlite.capture_close(h);
	fixture_close(&f);
}

/* A table that joins later is loaded then, and only it. */
static void test_load_of_a_table_that_joins(void **state)
{
	struct fixture f;

	fixture_open(&f, numbers);
	fixture_exec(&f, "CREATE TABLE u(id INTEGER PRIMARY KEY);"
			 "INSERT INTO u VALUES (5)");
	fixture_table(&f, 1, "t");
	struct capture_handle *h = fixture_capture(&f, 1, NULL);
	assert_string_equal(fixture_poll(&f, h, 0), "");
	connector_sqlite.capture_close(h);
	fixture_table(&f, 2, "u")->wants_load = true;
	h = fixture_capture(&f, 1, &f.position);
	assert_string_equal(fixture_poll(&f, h, 0), "{read 2 (5)}");
	assert_string_equal(fixture_poll(&f, h, 0), "");
	connector_sqlite.capture_close(h);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_load_goes_on_elsewhere),
		cmocka_unit_test(test_load_is_as_of_its_place),
		cmocka_unit_test(test_load_leaves_out_what_is_not_ours),
		cmocka_unit_test(test_load_of_a_table_that_joins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
