/* What lasts: schema changes, owners that are replaced, what is purged and
 * forgotten, histories that end. */
#include "sqlite_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char people[] = "CREATE TABLE p(id INTEGER PRIMARY KEY, name TEXT,"
			     " email TEXT UNIQUE)";

/* A capture of one table that is past its first position. */
static struct capture_handle *begin(struct fixture *f, const char *sql,
				    const char *table)
{
	fixture_open(f, sql);
	fixture_table(f, 1, table);
	struct capture_handle *h = fixture_capture(f, 1, NULL);
	assert_string_equal(fixture_poll(f, h, 0), "");
	assert_true(f->position.len > 0);
	return h;
}

static void end(struct fixture *f, struct capture_handle *h)
{
	connector_sqlite.capture_close(h);
	fixture_close(f);
}

static int poll_code(struct fixture *f, struct capture_handle *h, struct err *e)
{
	struct value_buf position = {0};

	change_writer_clear(&f->writer);
	int rc = connector_sqlite.capture_poll(h, 1000, 0, &f->writer,
					       &position, e);
	value_buf_free(&position);
	return rc;
}

static void test_history_extra_column_is_fine(void **state)
{
	struct fixture f;
	struct capture_handle *h = begin(&f, people, "p");

	fixture_exec(&f, "ALTER TABLE p ADD COLUMN age INTEGER;"
			 "INSERT INTO p VALUES (1, 'a', NULL, 50)");
	assert_string_equal(fixture_poll(&f, h, 1000),
			    "[put 1 (1, \"a\", NULL)]");
	end(&f, h);
}

static void test_history_new_unique_index_is_covered(void **state)
{
	struct fixture f;
	struct capture_handle *h = begin(&f, people, "p");
	struct err e = {0};

	fixture_exec(&f, "CREATE UNIQUE INDEX u ON p(name COLLATE NOCASE)"
			 " WHERE name <> ''");
	assert_int_equal(poll_code(&f, h, &e), 0);
	fixture_exec(&f, "INSERT INTO p VALUES (1, 'a', NULL)");
	fixture_exec(&f, "INSERT OR REPLACE INTO p VALUES (2, 'A', NULL)");
	assert_string_equal(fixture_poll(&f, h, 1000),
			    "[put 1 (1, \"a\", NULL) delete 1 {1} "
			    "put 1 (2, \"A\", NULL)]");
	end(&f, h);
}

static void test_history_table_created_anew_is_noticed(void **state)
{
	struct fixture f;
	struct capture_handle *h = begin(&f, people, "p");
	struct err e = {0};

	fixture_exec(&f, "CREATE TABLE q(id INTEGER PRIMARY KEY, name TEXT,"
			 " email TEXT UNIQUE); DROP TABLE p;"
			 "ALTER TABLE q RENAME TO p");
	assert_int_equal(poll_code(&f, h, &e), ERR_SCHEMA);
	assert_non_null(strstr(e.text, "\"p\""));
	/* Another node finds the same. */
	connector_sqlite.capture_close(h);
	h = fixture_capture(&f, 2, &f.position);
	assert_int_equal(poll_code(&f, h, &e), ERR_SCHEMA);
	/* Paused, then resumed: it is loaded again. */
	connector_sqlite.capture_close(h);
	f.n_tables = 0;
	h = fixture_capture(&f, 3, &f.position);
	assert_int_equal(poll_code(&f, h, &e), 0);
	connector_sqlite.capture_close(h);
	f.n_tables = 1;
	f.tables[0].wants_load = true;
	fixture_exec(&f, "INSERT INTO p VALUES (1, 'a', NULL)");
	h = fixture_capture(&f, 4, &f.position);
	assert_string_equal(fixture_poll(&f, h, 0),
			    "{read 1 (1, \"a\", NULL)}");
	end(&f, h);
}

static void test_history_retyped_column_is_noticed(void **state)
{
	struct fixture f;
	struct capture_handle *h = begin(&f, people, "p");
	struct err e = {0};

	fixture_exec(&f, "ALTER TABLE p RENAME COLUMN name TO label");
	assert_int_equal(poll_code(&f, h, &e), ERR_SCHEMA);
	assert_non_null(strstr(e.text, "\"name\""));
	end(&f, h);
}

static void test_history_older_epoch_is_fenced(void **state)
{
	struct fixture f;
	struct capture_handle *old = begin(&f, people, "p");
	struct capture_handle *new = fixture_capture(&f, 2, &f.position);
	struct capture_setup setup = fixture_capture_setup(&f, 1);
	struct capture_handle *none = NULL;
	struct err e = {0};

	assert_int_equal(poll_code(&f, old, &e), ERR_FENCED);
	assert_int_equal(connector_sqlite.capture_open(&setup, &none, &e),
			 ERR_FENCED);
	fixture_exec(&f, "INSERT INTO p VALUES (1, 'a', NULL)");
	fixture_exec(&f, "INSERT INTO p VALUES (2, 'a', NULL)");
	(void)fixture_poll(&f, new, 1000);
	assert_int_equal(
		connector_sqlite.capture_confirm(
			old, (struct bytes){f.position.data, f.position.len},
			&e),
		ERR_FENCED);
	connector_sqlite.capture_close(old);
	end(&f, new);
}

static void test_history_purges_what_is_confirmed(void **state)
{
	struct fixture f;
	struct capture_handle *h = begin(&f, people, "p");
	struct err e = {0};
	struct value_buf old = {0};

	value_buf_put(&old, f.position.data, f.position.len);
	for (int i = 0; i < 3; i++)
		fixture_exec(&f, "INSERT INTO p(name) VALUES ('a')");
	(void)fixture_poll(&f, h, 1000);
	assert_int_equal(
		connector_sqlite.capture_confirm(
			h, (struct bytes){f.position.data, f.position.len}, &e),
		0);
	assert_int_equal(
		fixture_number(&f, "SELECT count(*) FROM _synod_1_change"), 1);
	/* Where we stood before can no more be gone on from. */
	assert_int_equal(connector_sqlite.capture_start(
				 h, (struct bytes){old.data, old.len}, &e),
			 ERR_GAP);
	assert_int_equal(
		connector_sqlite.capture_start(
			h, (struct bytes){f.position.data, f.position.len}, &e),
		0);
	value_buf_free(&old);
	end(&f, h);
}

static void test_history_forget_leaves_nothing(void **state)
{
	struct fixture f;
	struct capture_handle *h = begin(&f, people, "p");
	struct apply_handle *a = fixture_apply(&f, 1, NULL);
	struct err e = {0};

	connector_sqlite.capture_close(h);
	connector_sqlite.apply_close(a);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
			connector_sqlite.forget(&f.target, FIXTURE_TASK, &e),
			0);
		assert_int_equal(
			connector_sqlite.forget(&f.target, FIXTURE_APPLY, &e),
			0);
	}
	assert_int_equal(fixture_number(&f, "SELECT count(*) FROM sqlite_schema"
					    " WHERE name LIKE '%synod%'"),
			 0);
	fixture_exec(&f, "INSERT INTO p VALUES (1, 'a', NULL)");
	fixture_close(&f);
}

/* A copy of the file that was made earlier takes its place. */
static void test_history_older_copy_is_a_gap(void **state)
{
	struct fixture f;
	struct capture_handle *h = begin(&f, people, "p");
	struct err e = {0};
	char sql[160];

	fixture_exec(&f, "INSERT INTO p VALUES (1, 'a', NULL)");
	(void)snprintf(sql, sizeof(sql), "VACUUM INTO '%s/copy'", f.dir);
	fixture_exec(&f, sql);
	fixture_exec(&f, "INSERT INTO p VALUES (2, 'b', NULL)");
	(void)fixture_poll(&f, h, 1000);
	connector_sqlite.capture_close(h);
	assert_int_equal(sqlite3_close(f.db), SQLITE_OK);
	(void)snprintf(sql, sizeof(sql), "%s/copy", f.dir);
	assert_int_equal(rename(sql, f.path), 0);
	assert_int_equal(sqlite3_open(f.path, &f.db), SQLITE_OK);
	/* Other writes get the same numbers. */
	fixture_exec(&f, "INSERT INTO p VALUES (3, 'c', NULL)");
	fixture_exec(&f, "INSERT INTO p VALUES (4, 'd', NULL)");
	struct capture_setup setup = fixture_capture_setup(&f, 2);
	assert_int_equal(connector_sqlite.capture_open(&setup, &h, &e), 0);
	assert_int_equal(
		connector_sqlite.capture_start(
			h, (struct bytes){f.position.data, f.position.len}, &e),
		ERR_GAP);
	end(&f, h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_history_extra_column_is_fine),
		cmocka_unit_test(test_history_new_unique_index_is_covered),
		cmocka_unit_test(test_history_table_created_anew_is_noticed),
		cmocka_unit_test(test_history_retyped_column_is_noticed),
		cmocka_unit_test(test_history_older_epoch_is_fenced),
		cmocka_unit_test(test_history_purges_what_is_confirmed),
		cmocka_unit_test(test_history_forget_leaves_nothing),
		cmocka_unit_test(test_history_older_copy_is_a_gap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
