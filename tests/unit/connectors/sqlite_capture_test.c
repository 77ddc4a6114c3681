/* What other programs write to a SQLite file comes out as changes. */
#include "sqlite_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connectors/sqlite/capture.h"

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

static void test_capture_insert_update_delete(void **state)
{
	struct fixture f;
	struct capture_handle *h = begin(&f, people, "p");

	fixture_exec(&f, "INSERT INTO p VALUES (1, 'a', 'a@x')");
	assert_string_equal(fixture_poll(&f, h, 1000),
			    "[put 1 (1, \"a\", \"a@x\")]");
	fixture_exec(&f, "UPDATE p SET name = 'b'");
	assert_string_equal(fixture_poll(&f, h, 1000),
			    "[put 1 (1, \"b\", \"a@x\")]");
	fixture_exec(&f, "DELETE FROM p");
	assert_string_equal(fixture_poll(&f, h, 1000), "[delete 1 {1}]");
	assert_string_equal(fixture_poll(&f, h, 0), "");
	end(&f, h);
}

static void test_capture_transaction_stays_whole(void **state)
{
	struct fixture f;
	struct capture_handle *h = begin(&f, people, "p");

	fixture_exec(&f, "BEGIN; INSERT INTO p VALUES (1, 'a', NULL);"
			 "INSERT INTO p VALUES (2, 'b', NULL)");
	assert_string_equal(fixture_poll(&f, h, 0), "");
	fixture_exec(&f, "COMMIT");
	assert_string_equal(fixture_poll(&f, h, 1000),
			    "[put 1 (1, \"a\", NULL) put 1 (2, \"b\", NULL)]");
	fixture_exec(&f, "BEGIN; DELETE FROM p; ROLLBACK");
	assert_string_equal(fixture_poll(&f, h, 0), "");
	end(&f, h);
}

static void test_capture_key_change_is_delete_and_put(void **state)
{
	struct fixture f;
	struct capture_handle *h = begin(&f, people, "p");

	fixture_exec(&f, "INSERT INTO p VALUES (1, 'a', NULL)");
	(void)fixture_poll(&f, h, 1000);
	fixture_exec(&f, "UPDATE p SET id = 7");
	assert_string_equal(fixture_poll(&f, h, 1000),
			    "[delete 1 {1} put 1 (7, \"a\", NULL)]");
	fixture_exec(&f, "UPDATE p SET rowid = 8");
	assert_string_equal(fixture_poll(&f, h, 1000),
			    "[delete 1 {7} put 1 (8, \"a\", NULL)]");
	end(&f, h);
}

/* recursive_triggers is off: no DELETE trigger fires for row 1. */
static void test_capture_replace_deletes_the_other_row(void **state)
{
	struct fixture f;
	struct capture_handle *h = begin(&f, people, "p");

	fixture_exec(&f, "INSERT INTO p VALUES (1, 'a', 'same'),"
			 " (2, 'b', 'other')");
	(void)fixture_poll(&f, h, 1000);
	fixture_exec(&f, "INSERT OR REPLACE INTO p VALUES (3, 'c', 'same')");
	assert_string_equal(fixture_poll(&f, h, 1000),
			    "[delete 1 {1} put 1 (3, \"c\", \"same\")]");
	fixture_exec(&f, "UPDATE OR REPLACE p SET email = 'same' WHERE id = 2");
	assert_string_equal(fixture_poll(&f, h, 1000),
			    "[delete 1 {3} put 1 (2, \"b\", \"same\")]");
	fixture_exec(&f, "PRAGMA recursive_triggers=ON;"
			 "INSERT OR REPLACE INTO p VALUES (4, 'd', 'same')");
	assert_string_equal(fixture_poll(&f, h, 1000),
			    "[delete 1 {2} put 1 (4, \"d\", \"same\")]");
	end(&f, h);
}

static void test_capture_ignored_conflict_deletes_nothing(void **state)
{
	struct fixture f;
	struct capture_handle *h = begin(&f, people, "p");

	fixture_exec(&f, "INSERT INTO p VALUES (1, 'a', 'same')");
	(void)fixture_poll(&f, h, 1000);
	fixture_exec(&f, "INSERT OR IGNORE INTO p VALUES (3, 'c', 'same')");
	fixture_exec(&f, "INSERT INTO p VALUES (3, 'c', 'same')"
			 " ON CONFLICT(email) DO UPDATE SET name = 'up'");
	assert_int_not_equal(sqlite3_exec(f.db,
					  "INSERT INTO p VALUES"
					  " (3, 'c', 'same')",
					  NULL, NULL, NULL),
			     SQLITE_OK);
	fixture_exec(&f, "INSERT INTO p VALUES (4, 'd', 'more')");
	assert_string_equal(fixture_poll(&f, h, 1000),
			    "[put 1 (1, \"up\", \"same\") "
			    "put 1 (4, \"d\", \"more\")]");
	end(&f, h);
}

static void test_capture_cascades(void **state)
{
	struct fixture f;
	struct capture_handle *h = NULL;

	fixture_open(&f, "CREATE TABLE a(id INTEGER PRIMARY KEY);"
			 "CREATE TABLE b(id INTEGER PRIMARY KEY, a INTEGER"
			 " REFERENCES a ON DELETE CASCADE ON UPDATE CASCADE);"
			 "INSERT INTO a VALUES (1); INSERT INTO b VALUES"
			 " (10, 1)");
	fixture_table(&f, 1, "a");
	fixture_table(&f, 2, "b");
	h = fixture_capture(&f, 1, NULL);
	(void)fixture_poll(&f, h, 0);
	fixture_exec(&f, "UPDATE a SET id = 2");
	const char *text = fixture_poll(&f, h, 1000);
	assert_non_null(strstr(text, "delete 1 {1}"));
	assert_non_null(strstr(text, "put 2 (10, 2)"));
	fixture_exec(&f, "DELETE FROM a");
	text = fixture_poll(&f, h, 1000);
	assert_non_null(strstr(text, "delete 2 {10}"));
	assert_non_null(strstr(text, "delete 1 {2}"));
	end(&f, h);
}

/* A trigger of the application that runs before ours must not leave an older
 * image behind a newer one. */
static void test_capture_row_that_another_trigger_changes(void **state)
{
	struct fixture f;
	struct capture_handle *h = begin(&f, people, "p");

	fixture_exec(&f, "CREATE TRIGGER z AFTER INSERT ON p BEGIN"
			 " UPDATE p SET name = name || '!' WHERE id = NEW.id;"
			 " END; CREATE TRIGGER y AFTER UPDATE ON p"
			 " WHEN NEW.name LIKE '%gone%' BEGIN"
			 " DELETE FROM p WHERE id = NEW.id; END");
	fixture_exec(&f, "INSERT INTO p VALUES (1, 'a', NULL)");
	const char *text = fixture_poll(&f, h, 1000);
	const char *last = strrchr(text, '(');
	assert_non_null(last);
	assert_string_equal(last, "(1, \"a!\", NULL)]");
	fixture_exec(&f, "UPDATE p SET name = 'gone'");
	text = fixture_poll(&f, h, 1000);
	assert_string_equal(text, "[delete 1 {1}]");
	end(&f, h);
}

static void test_capture_large_transaction_is_cut(void **state)
{
	struct fixture f;
	struct capture_handle *h = begin(&f, people, "p");
	int n_parts = 0, n_puts = 0;

	fixture_exec(&f,
		     "BEGIN; WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT"
		     " x + 1 FROM c WHERE x < 100) INSERT INTO p SELECT x,"
		     " 'a name of some length', 'e' || x FROM c; COMMIT");
	for (;;) {
		const char *text = fixture_poll_bytes(&f, h, 1000, 1000);

		for (const char *p = text; (p = strstr(p, "put")); p++)
			n_puts++;
		/* Whoever goes on elsewhere goes on in the middle. */
		connector_sqlite.capture_close(h);
		h = fixture_capture(&f, 1, &f.position);
		if (text[0] == '[')
			break;
		assert_int_equal(text[0], '<');
		n_parts++;
	}
	assert_int_equal(n_puts, 100);
	assert_in_range(n_parts, 3, 10);
	end(&f, h);
}

/* A value that does not fit stops the table and is never changed. */
static void test_capture_misfit_names_row_and_value(void **state)
{
	struct fixture f;
	struct capture_handle *h = begin(
		&f, "CREATE TABLE n(id INTEGER PRIMARY KEY, v INTEGER)", "n");
	struct value_buf position = {0};
	struct err e = {0};

	fixture_exec(&f, "INSERT INTO n VALUES (7, 'many')");
	assert_int_equal(connector_sqlite.capture_poll(h, 1000, 1000, &f.writer,
						       &position, &e),
			 ERR_SCHEMA);
	assert_non_null(strstr(e.text, "\"n\""));
	assert_non_null(strstr(e.text, "row 7"));
	assert_non_null(strstr(e.text, "'many'"));
	end(&f, h);
}

static void test_capture_where_with_leaving_rows(void **state)
{
	struct fixture f;
	struct value two = fixture_int(2);

	fixture_open(&f, "CREATE TABLE w(id INTEGER PRIMARY KEY, g INTEGER)");
	fixture_where(&f, fixture_table(&f, 1, "w"), 1,
		      SYNOD__DEFINITION__COMPARISON__OP__EQ, &two);
	struct capture_handle *h = fixture_capture(&f, 1, NULL);
	(void)fixture_poll(&f, h, 0);
	fixture_exec(&f, "INSERT INTO w VALUES (1, 1), (2, 2), (3, 2)");
	assert_string_equal(fixture_poll(&f, h, 1000),
			    "[put 1 (2, 2) put 1 (3, 2)]");
	fixture_exec(&f, "UPDATE w SET g = 3 WHERE id = 2");
	assert_string_equal(fixture_poll(&f, h, 1000), "[delete 1 {2}]");
	fixture_exec(&f, "UPDATE w SET g = 2 WHERE id = 1");
	assert_string_equal(fixture_poll(&f, h, 1000), "[put 1 (1, 2)]");
	fixture_exec(&f, "INSERT OR REPLACE INTO w VALUES (3, 9)");
	assert_string_equal(fixture_poll(&f, h, 1000), "[delete 1 {3}]");
	fixture_exec(&f, "DELETE FROM w WHERE id = 2");
	assert_string_equal(fixture_poll(&f, h, 0), "");
	end(&f, h);
}

/* Connections that come and go, and one that stays: total_changes() tells them
 * apart, so that each is a transaction of its own. */
static void test_capture_certain_boundaries_are_kept(void **state)
{
	struct fixture f;
	struct capture_handle *h = begin(&f, people, "p");
	sqlite3 *db = NULL;

	fixture_exec(&f, "INSERT INTO p VALUES (1, 'a', NULL)");
	fixture_exec(&f, "INSERT INTO p VALUES (2, 'b', NULL)");
	assert_int_equal(sqlite3_open(f.path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
				      "BEGIN; INSERT INTO p VALUES"
				      " (3, 'c', NULL); INSERT INTO p"
				      " VALUES (4, 'd', NULL); COMMIT",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	const char *text = fixture_poll(&f, h, 1000);
	const char *two = strstr(text, "] [put 1 (3, ");
	assert_non_null(two);
	assert_string_equal(two, "] [put 1 (3, \"c\", NULL) "
				 "put 1 (4, \"d\", NULL)]");
	end(&f, h);
}

/* A backlog that would never end is cut, between two statements. */
static void test_capture_endless_group_is_cut(void **state)
{
	struct fixture f;
	struct capture_handle *h = begin(&f, people, "p");
	struct position at = {0};
	struct err e = {0};
	struct value_buf full = {0};
	char sql[128];

	for (int i = 0; i < 40; i++) {
		int64_t start_ms = fixture_now_ms();

		while (fixture_now_ms() < start_ms + 2)
			; /* each has another time */
		(void)snprintf(sql, sizeof(sql),
			       "INSERT INTO p VALUES (%d, 'some name', NULL)",
			       i);
		fixture_exec(&f, sql);
	}
	assert_int_equal(fixture_poll_bytes(&f, h, 1000, 150)[0], '<');
	/* As if very much of it had gone out already. */
	assert_int_equal(sqlite_position_read(&at,
					      (struct bytes){f.position.data,
							     f.position.len},
					      &e),
			 0);
	assert_true(at.part_bytes > 0);
	at.part_bytes = CAPTURE_GROUP_BYTES;
	sqlite_position_write(&at, &full);
	sqlite_position_free(&at);
	connector_sqlite.capture_close(h);
	h = fixture_capture(&f, 1, &full);
	assert_int_equal(fixture_poll_bytes(&f, h, 1000, 150)[0], '[');
	assert_int_equal(fixture_poll_bytes(&f, h, 1000, 150)[0], '<');
	value_buf_free(&full);
	end(&f, h);
}

/* Applications that trust no schema, or that look at changes(). */
static void test_capture_writers_notice_little(void **state)
{
	struct fixture f;
	struct capture_handle *h = begin(&f, people, "p");

	fixture_exec(&f, "PRAGMA trusted_schema=OFF;"
			 "INSERT INTO p VALUES (5, 'a', 'm')");
	assert_int_equal(sqlite3_changes(f.db), 1);
	assert_int_equal(sqlite3_last_insert_rowid(f.db), 5);
	fixture_exec(&f, "INSERT OR REPLACE INTO p VALUES (9, 'b', 'm')");
	assert_int_equal(sqlite3_last_insert_rowid(f.db), 9);
	assert_string_equal(fixture_query(&f, "INSERT INTO p VALUES"
					      " (10, 'c', 'n') RETURNING id"),
			    "10");
	assert_string_equal(fixture_poll(&f, h, 1000),
			    "[put 1 (5, \"a\", \"m\") delete 1 {5} put 1 "
			    "(9, \"b\", \"m\") put 1 (10, \"c\", \"n\")]");
	end(&f, h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_capture_insert_update_delete),
		cmocka_unit_test(test_capture_transaction_stays_whole),
		cmocka_unit_test(test_capture_key_change_is_delete_and_put),
		cmocka_unit_test(test_capture_replace_deletes_the_other_row),
		cmocka_unit_test(test_capture_ignored_conflict_deletes_nothing),
		cmocka_unit_test(test_capture_cascades),
		cmocka_unit_test(test_capture_row_that_another_trigger_changes),
		cmocka_unit_test(test_capture_large_transaction_is_cut),
		cmocka_unit_test(test_capture_misfit_names_row_and_value),
		cmocka_unit_test(test_capture_where_with_leaving_rows),
		cmocka_unit_test(test_capture_certain_boundaries_are_kept),
		cmocka_unit_test(test_capture_endless_group_is_cut),
		cmocka_unit_test(test_capture_writers_notice_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
