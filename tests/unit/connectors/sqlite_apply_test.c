/* Rows that the log has for a SQLite file. */
#include "sqlite_fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char people[] = "CREATE TABLE p(id INTEGER PRIMARY KEY, name TEXT,"
			     " code TEXT NOT NULL UNIQUE)";

struct rows {
	struct apply_row list[16];
	size_t n;
};

static void person(struct fixture *f, struct rows *r, enum change_op op,
		   int64_t id, const char *code)
{
	struct value v[] = {fixture_int(id), fixture_str("x"),
			    fixture_str(code)};

	v[2].bytes.data = arena_copy(&f->arena, code, strlen(code));
	r->list[r->n++] = fixture_row(f, &f->tables[0], op, v);
}

static int write_rows(struct apply_handle *h, const struct rows *r,
		      uint64_t from, uint64_t to, struct apply_rejects *out)
{
	struct apply_group g = {
		.rows = r->list, .n = r->n, .from_index = from, .to_index = to};
	struct err e = {0};
	int rc = connector_sqlite.apply_write(h, &g, out, &e);

	if (rc && rc != ERR_DATA && rc != ERR_FENCED && rc != ERR_BUSY)
		fail_msg("%s", e.text);
	return rc;
}

static void expect_written(struct apply_handle *h, const struct rows *r,
			   uint64_t from, uint64_t to)
{
	struct apply_rejects rejects = {0};
	int rc = write_rows(h, r, from, to, &rejects);

	if (rc)
		fail_msg("%d: %s", rc,
			 rejects.n ? rejects.list[0].text : "no reject");
	assert_int_equal(rejects.n, 0);
}

static struct apply_handle *begin(struct fixture *f, const char *sql,
				  const char *table)
{
	uint64_t applied = 99;

	fixture_open(f, sql);
	fixture_table(f, 1, table);
	struct apply_handle *h = fixture_apply(f, 1, &applied);
	assert_int_equal(applied, 0);
	return h;
}

static void end(struct fixture *f, struct apply_handle *h)
{
	connector_sqlite.apply_close(h);
	fixture_close(f);
}

static void test_apply_put_patch_delete(void **state)
{
	struct fixture f;
	struct rows r = {0};
	struct apply_handle *h = begin(&f, people, "p");

	person(&f, &r, CHANGE_PUT, 1, "a");
	person(&f, &r, CHANGE_PUT, 2, "b");
	person(&f, &r, CHANGE_PUT, 1, "c");
	person(&f, &r, CHANGE_DELETE, 2, "");
	person(&f, &r, CHANGE_DELETE, 3, ""); /* not there: nothing */
	expect_written(h, &r, 10, 20);
	assert_string_equal(fixture_query(&f, "SELECT group_concat(id || code)"
					      " FROM p"),
			    "1c");
	struct value v[] = {
		fixture_int(1), {.state = VALUE_UNCHANGED}, fixture_str("d")};
	struct rows patch = {.n = 1};
	patch.list[0] = fixture_row(&f, &f.tables[0], CHANGE_PATCH, v);
	expect_written(h, &patch, 20, 21);
	assert_string_equal(fixture_query(&f, "SELECT name || code FROM p"),
			    "xd");
	end(&f, h);
}

static void test_apply_checkpoint_is_the_fence(void **state)
{
	struct fixture f;
	struct rows r = {0};
	struct apply_rejects rejects = {0};
	uint64_t applied = 0;
	struct apply_handle *old = begin(&f, people, "p"), *new = NULL;
	struct apply_setup stale = {.target = f.target,
				    .tables = f.tables,
				    .n_tables = 1,
				    .task_id = FIXTURE_APPLY,
				    .epoch = 1};

	person(&f, &r, CHANGE_PUT, 1, "a");
	expect_written(old, &r, 10, 20);
	assert_int_equal(write_rows(old, &r, 10, 20, &rejects), ERR_FENCED);
	assert_int_equal(write_rows(old, &r, 19, 30, &rejects), ERR_FENCED);
	new = fixture_apply(&f, 2, &applied);
	assert_int_equal(applied, 20);
	person(&f, &r, CHANGE_PUT, 2, "b");
	assert_int_equal(write_rows(old, &r, 20, 30, &rejects), ERR_FENCED);
	assert_int_equal(fixture_number(&f, "SELECT count(*) FROM p"), 1);
	struct apply_handle *none = NULL;
	assert_int_equal(
		connector_sqlite.apply_open(&stale, &none, &applied, NULL),
		ERR_FENCED);
	expect_written(new, &r, 20, 30);
	connector_sqlite.apply_close(old);
	end(&f, new);
}

/* Our own rows are not captured; the checkpoint is, at its place. */
static void test_apply_is_an_echo(void **state)
{
	struct fixture f;
	struct rows r = {0};
	struct apply_handle *a = begin(&f, people, "p");
	struct capture_handle *h = fixture_capture(&f, 1, NULL);

	(void)fixture_poll(&f, h, 0);
	fixture_exec(&f, "INSERT INTO p VALUES (1, 'x', 'one')");
	person(&f, &r, CHANGE_PUT, 2, "two");
	expect_written(a, &r, 7, 8);
	fixture_exec(&f, "INSERT INTO p VALUES (3, 'x', 'three')");
	assert_string_equal(fixture_poll(&f, h, 1000),
			    "[put 1 (1, \"x\", \"one\")] @69:8 "
			    "[put 1 (3, \"x\", \"three\")]");
	connector_sqlite.capture_close(h);
	end(&f, a);
}

static void test_apply_poison_is_named_and_nothing_written(void **state)
{
	struct fixture f;
	struct rows r = {0};
	struct apply_rejects rejects = {0};
	struct apply_handle *h =
		begin(&f,
		      "CREATE TABLE p(id INTEGER PRIMARY KEY, name TEXT,"
		      " code TEXT UNIQUE CHECK (code <> 'bad'))",
		      "p");

	fixture_exec(&f, "INSERT INTO p VALUES (9, 'x', 'taken')");
	person(&f, &r, CHANGE_PUT, 1, "a");
	person(&f, &r, CHANGE_PUT, 2, "bad");
	person(&f, &r, CHANGE_PUT, 3, "taken");
	person(&f, &r, CHANGE_PATCH, 4, "not there");
	person(&f, &r, CHANGE_PUT, 5, "e");
	assert_int_equal(write_rows(h, &r, 1, 2, &rejects), ERR_DATA);
	assert_int_equal(rejects.n, 3);
	bool is_named[16] = {0};
	for (size_t i = 0; i < rejects.n; i++) {
		is_named[rejects.list[i].row] = true;
		assert_int_equal(rejects.list[i].verdict, APPLY_REFUSED);
		assert_true(rejects.list[i].text[0] != '\0');
	}
	assert_true(is_named[1] && is_named[2] && is_named[3]);
	apply_rejects_clear(&rejects);
	assert_int_equal(fixture_number(&f, "SELECT count(*) FROM p"), 1);
	/* Without them it goes through: the checkpoint stood still. */
	struct rows rest = {0};
	rest.list[rest.n++] = r.list[0];
	rest.list[rest.n++] = r.list[4];
	expect_written(h, &rest, 1, 2);
	end(&f, h);
}

static void test_apply_unique_values_are_exchanged(void **state)
{
	struct fixture f;
	struct rows r = {0}, chain = {0};
	struct apply_handle *h = begin(&f, people, "p");

	fixture_exec(&f, "INSERT INTO p VALUES (1, 'x', 'a'), (2, 'x', 'b'),"
			 " (3, 'x', 'c')");
	person(&f, &r, CHANGE_PUT, 1, "b");
	person(&f, &r, CHANGE_PUT, 2, "c");
	person(&f, &r, CHANGE_PUT, 3, "a");
	expect_written(h, &r, 1, 2);
	assert_string_equal(fixture_query(&f, "SELECT group_concat(id || code)"
					      " FROM (SELECT * FROM p"
					      " ORDER BY id)"),
			    "1b,2c,3a");
	/* What frees the value comes later. */
	person(&f, &chain, CHANGE_PUT, 4, "b");
	person(&f, &chain, CHANGE_PUT, 1, "z");
	person(&f, &chain, CHANGE_PUT, 4, "y");
	expect_written(h, &chain, 2, 3);
	assert_string_equal(
		fixture_query(&f, "SELECT code FROM p WHERE id = 4"), "y");
	end(&f, h);
}

static struct apply_row child(struct fixture *f, int64_t id, int64_t parent)
{
	struct value v[] = {fixture_int(id), fixture_int(parent)};

	return fixture_row(f, &f->tables[0], CHANGE_PUT, v);
}

static void test_apply_foreign_keys_hold_at_the_commit(void **state)
{
	struct fixture f;
	struct apply_rejects rejects = {0};
	struct apply_handle *h = begin(&f,
				       "CREATE TABLE p(id INTEGER PRIMARY KEY,"
				       " parent INTEGER REFERENCES p); "
				       "INSERT INTO p VALUES (1, NULL), (2, 1)",
				       "p");

	struct rows r = {.n = 3};
	r.list[0] = child(&f, 11, 10); /* its parent comes later */
	r.list[1] = child(&f, 10, 1);
	r.list[2] = child(&f, 12, 12);
	expect_written(h, &r, 1, 2);
	assert_int_equal(fixture_number(&f, "SELECT count(*) FROM p"), 5);
	struct value gone[] = {fixture_int(1), fixture_null()};
	struct rows bad = {.n = 5};
	bad.list[0] = child(&f, 20, 21);
	bad.list[1] = child(&f, 30, 999); /* nobody */
	bad.list[2] = child(&f, 21, 1);
	bad.list[3] = fixture_row(&f, &f.tables[0], CHANGE_DELETE, gone);
	bad.list[4] = child(&f, 40, 998);
	assert_int_equal(write_rows(h, &bad, 2, 3, &rejects), ERR_DATA);
	assert_int_equal(rejects.n, 3);
	assert_int_equal(rejects.list[0].row, 1);
	assert_int_equal(rejects.list[1].row, 3);
	assert_int_equal(rejects.list[2].row, 4);
	apply_rejects_clear(&rejects);
	assert_int_equal(fixture_number(&f, "SELECT count(*) FROM p"), 5);
	end(&f, h);
}

static void test_apply_read_inserts_keeps_or_differs(void **state)
{
	struct fixture f;
	struct rows r = {0};
	struct apply_rejects rejects = {0};
	struct apply_handle *h = begin(&f, people, "p");

	fixture_exec(&f, "INSERT INTO p VALUES (1, 'x', 'same'),"
			 " (2, 'x', 'here')");
	person(&f, &r, CHANGE_READ, 1, "same");
	person(&f, &r, CHANGE_READ, 2, "there");
	person(&f, &r, CHANGE_READ, 3, "new");
	assert_int_equal(write_rows(h, &r, 1, 2, &rejects), ERR_DATA);
	assert_int_equal(rejects.n, 1);
	assert_int_equal(rejects.list[0].row, 1);
	assert_int_equal(rejects.list[0].verdict, APPLY_DIFFERS);
	struct change c;
	struct value v[3];
	assert_int_equal(
		change_decode((struct bytes){rejects.list[0].existing.data,
					     rejects.list[0].existing.len},
			      &c),
		0);
	assert_int_equal(c.op, CHANGE_READ);
	assert_int_equal(change_values(&c, v), 0);
	assert_memory_equal(v[2].bytes.data, "here", 4);
	apply_rejects_clear(&rejects);
	assert_int_equal(fixture_number(&f, "SELECT count(*) FROM p"), 2);
	r.list[1].is_authority = true;
	expect_written(h, &r, 1, 2);
	assert_string_equal(fixture_query(&f, "SELECT group_concat(code)"
					      " FROM (SELECT * FROM p"
					      " ORDER BY id)"),
			    "same,there,new");
	end(&f, h);
}

static void test_apply_truncate_and_move(void **state)
{
	struct fixture f;
	struct rows r = {0};
	struct apply_handle *h = begin(&f, people, "p");

	fixture_exec(&f, "INSERT INTO p VALUES (1, 'x', 'a'), (2, 'x', 'b')");
	person(&f, &r, CHANGE_MOVE, 5, "moved");
	struct value old[] = {fixture_int(2)};
	struct value_buf key = {0};
	change_key(&key, old, 1);
	r.list[0].change.old_key = (struct bytes){key.data, key.len};
	expect_written(h, &r, 1, 2);
	assert_string_equal(fixture_query(&f, "SELECT group_concat(id || code)"
					      " FROM p"),
			    "1a,5moved");
	value_buf_free(&key);
	r.list[0].change =
		(struct change){.op = CHANGE_TRUNCATE, .table_id = 1};
	expect_written(h, &r, 2, 3);
	assert_int_equal(fixture_number(&f, "SELECT count(*) FROM p"), 0);
	end(&f, h);
}

static void test_apply_refuses_what_sqlite_would_change(void **state)
{
	struct fixture f;
	struct apply_rejects rejects = {0};
	struct apply_handle *h = begin(
		&f, "CREATE TABLE n(id INTEGER PRIMARY KEY, r REAL)", "n");
	struct value nan_row[] = {fixture_int(1), fixture_real(NAN)};
	struct value zero_row[] = {fixture_int(2), fixture_real(-0.0)};
	struct rows r = {.n = 2};

	r.list[0] = fixture_row(&f, &f.tables[0], CHANGE_PUT, nan_row);
	r.list[1] = fixture_row(&f, &f.tables[0], CHANGE_PUT, zero_row);
	assert_int_equal(write_rows(h, &r, 1, 2, &rejects), ERR_DATA);
	assert_int_equal(rejects.n, 2);
	apply_rejects_clear(&rejects);
	end(&f, h);
}

/* A trigger of the application may end our transaction. */
static void test_apply_survives_a_rollback_of_the_target(void **state)
{
	struct fixture f;
	struct rows r = {0};
	struct apply_rejects rejects = {0};
	struct apply_handle *h = begin(&f, people, "p");

	fixture_exec(&f, "CREATE TRIGGER no BEFORE INSERT ON p"
			 " WHEN NEW.code = 'no' BEGIN"
			 " SELECT RAISE(ROLLBACK, 'not this one'); END");
	person(&f, &r, CHANGE_PUT, 1, "a");
	person(&f, &r, CHANGE_PUT, 2, "no");
	person(&f, &r, CHANGE_PUT, 3, "c");
	assert_int_equal(write_rows(h, &r, 1, 2, &rejects), ERR_DATA);
	assert_int_equal(rejects.n, 1);
	assert_int_equal(rejects.list[0].row, 1);
	apply_rejects_clear(&rejects);
	assert_int_equal(fixture_number(&f, "SELECT count(*) FROM p"), 0);
	r.list[1] = r.list[2];
	r.n = 2;
	expect_written(h, &r, 1, 2);
	end(&f, h);
}

static void test_apply_waits_for_a_writer_only_so_long(void **state)
{
	struct fixture f;
	struct rows r = {0};
	struct apply_rejects rejects = {0};

	struct apply_handle *h = begin(&f, people, "p");
	connector_sqlite.apply_close(h);
	f.busy_option.value = arena_strdup(&f.arena, "50");
	h = fixture_apply(&f, 1, NULL);
	person(&f, &r, CHANGE_PUT, 1, "a");
	fixture_exec(&f, "BEGIN IMMEDIATE");
	int64_t start_ms = fixture_now_ms();
	assert_int_equal(write_rows(h, &r, 1, 2, &rejects), ERR_BUSY);
	assert_in_range(fixture_now_ms() - start_ms, 45, 1500);
	fixture_exec(&f, "COMMIT");
	expect_written(h, &r, 1, 2);
	end(&f, h);
}

static void test_apply_interrupt_ends_the_wait(void **state)
{
	struct fixture f;
	struct rows r = {0};
	struct apply_handle *h = begin(&f, people, "p");
	struct apply_group g = {.rows = r.list, .from_index = 1, .to_index = 2};
	struct apply_rejects rejects = {0};
	struct err e = {0};

	fixture_exec(&f, "BEGIN IMMEDIATE");
	connector_sqlite.apply_interrupt(h);
	assert_int_equal(connector_sqlite.apply_write(h, &g, &rejects, &e),
			 ERR_CLOSED);
	fixture_exec(&f, "COMMIT");
	assert_int_equal(connector_sqlite.apply_write(h, &g, &rejects, &e), 0);
	end(&f, h);
}

static void test_apply_column_that_went_is_schema(void **state)
{
	struct fixture f;
	struct rows r = {0};
	struct apply_handle *h = begin(&f, people, "p");
	struct apply_group g = {.rows = r.list, .from_index = 1, .to_index = 2};
	struct apply_rejects rejects = {0};
	struct err e = {0};

	person(&f, &r, CHANGE_PUT, 1, "a");
	g.n = r.n;
	fixture_exec(&f, "ALTER TABLE p RENAME COLUMN name TO label");
	assert_int_equal(connector_sqlite.apply_write(h, &g, &rejects, &e),
			 ERR_SCHEMA);
	assert_non_null(strstr(e.text, "\"p\""));
	fixture_exec(&f, "DROP TABLE p");
	assert_int_equal(connector_sqlite.apply_write(h, &g, &rejects, &e),
			 ERR_SCHEMA);
	end(&f, h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_apply_put_patch_delete),
		cmocka_unit_test(test_apply_checkpoint_is_the_fence),
		cmocka_unit_test(test_apply_is_an_echo),
		cmocka_unit_test(
			test_apply_poison_is_named_and_nothing_written),
		cmocka_unit_test(test_apply_unique_values_are_exchanged),
		cmocka_unit_test(test_apply_foreign_keys_hold_at_the_commit),
		cmocka_unit_test(test_apply_read_inserts_keeps_or_differs),
		cmocka_unit_test(test_apply_truncate_and_move),
		cmocka_unit_test(test_apply_refuses_what_sqlite_would_change),
		cmocka_unit_test(test_apply_survives_a_rollback_of_the_target),
		cmocka_unit_test(test_apply_waits_for_a_writer_only_so_long),
		cmocka_unit_test(test_apply_interrupt_ends_the_wait),
		cmocka_unit_test(test_apply_column_that_went_is_schema),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
