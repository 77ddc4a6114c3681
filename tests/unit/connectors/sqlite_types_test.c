/* Every type in every column that takes it: written through a real file and
 * read back, bit for bit; and what a column of the wrong kind would have made
 * of it, which is why it is refused. */
#include "sqlite_fixture.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connectors/text.h"

struct sample {
	enum value_type type;
	const char *native;
	const char *texts[12]; /* as connectors/text reads them */
};

static const struct sample samples[] = {
	{VALUE_BOOL, "boolean", {"true", "false"}},
	{VALUE_INT64,
	 "bigint",
	 {"0", "-1", "9223372036854775807", "-9223372036854775808",
	  "9007199254740993"}},
	{VALUE_UINT64,
	 "bigint unsigned",
	 {"0", "18446744073709551615", "9223372036854775808"}},
	{VALUE_DECIMAL,
	 "numeric",
	 {"0", "1.10", "0.00", "-0.5", "12345678901234567890.1234567890",
	  "9007199254740993.5", "NaN", "Infinity", "-Infinity", "100"}},
	{VALUE_F64,
	 "double precision",
	 {"0", "1.5", "-2.2250738585072014e-308", "1.7976931348623157e308",
	  "5e-324", "inf", "-inf", "4503599627370497", "9007199254740993",
	  "3"}},
	{VALUE_F32, "real", {"0", "3.4028235e38", "1e-45", "0.1", "inf"}},
	{VALUE_TEXT,
	 "text",
	 {"", "123", "1.10", "0x1F", "1e5", " 7 ", "it's \"so\"", "NULL",
	  "\xf0\x9f\x8c\x8d", "\xc3\xa4\xcc\x88", "infinity"}},
	{VALUE_BYTES, "bytea", {"\\x", "\\x00ff00", "\\x31"}},
	{VALUE_DATE,
	 "date",
	 {"1970-01-01", "2024-02-29", "0001-01-01", "0044-03-15 BC", "infinity",
	  "-infinity", "9999-12-31", "12024-01-01"}},
	{VALUE_TIME,
	 "time",
	 {"00:00:00", "12:34:56", "23:59:59.999999", "24:00:00"}},
	{VALUE_DATETIME,
	 "timestamp",
	 {"1970-01-01 00:00:00", "2024-02-29 23:59:59.999999",
	  "1999-12-31 00:00:00.1", "0044-03-15 12:00:00 BC", "infinity"}},
	{VALUE_TIMESTAMP,
	 "timestamptz",
	 {"1970-01-01 00:00:00+00", "2024-02-29 23:59:59.999999+00",
	  "0044-03-15 12:00:00+00 BC", "infinity", "-infinity"}},
	{VALUE_INTERVAL,
	 "interval",
	 {"00:00:00", "1 year 2 mons -3 days 04:05:06.7", "-5 days"}},
	{VALUE_UUID,
	 "uuid",
	 {"00000000-0000-0000-0000-000000000000",
	  "12345678-1234-1234-1234-123456789012",
	  "ffffffff-ffff-4fff-bfff-ffffffffffff"}},
	{VALUE_JSON, "json", {"{\"a\": 1.10}", "1.10", "\"x\"", "123"}},
	{VALUE_ENUM, "mood", {"happy", "123", ""}},
	{VALUE_BIT, "bit(12)", {"0", "000000000001", "101"}},
	{VALUE_NATIVE, "inet", {"10.0.0.1", "::1", "5"}},
};

static const char *const declared[] = {
	"INTEGER",        "TEXT",     "BLOB",    "REAL",        "NUMERIC",
	"DECIMAL(30,10)", "DATETIME", "BOOLEAN", "VARCHAR(20)", ""};

enum {
	N_SAMPLES = sizeof(samples) / sizeof(samples[0]),
	N_DECLARED = sizeof(declared) / sizeof(declared[0])
};

/* The table with the one column that is tried. */
static struct connector_table *one_column(struct fixture *f, const char *type)
{
	char sql[128];

	(void)snprintf(sql, sizeof(sql),
		       "CREATE TABLE v(id INTEGER PRIMARY KEY, c %s)", type);
	fixture_open(f, sql);
	return fixture_table(f, 1, "v");
}

static const char *refusal(struct fixture *f, const struct sample *s)
{
	struct connector_schema schema;
	struct err e = {0};

	assert_int_equal(connector_sqlite.describe(&f->target, "v", &f->arena,
						   &schema, &e),
			 0);
	return connector_sqlite.refuses(&schema.columns[1], s->type, s->native);
}

/* Write by apply, read by the load of a capture. */
static void round_trip(struct fixture *f, struct connector_table *t,
		       const struct sample *s)
{
	struct apply_row rows[12];
	struct apply_group g = {.rows = rows, .to_index = 1};
	struct apply_rejects rejects = {0};
	struct value v[12][2];
	struct err e = {0};

	for (; g.n < 12 && s->texts[g.n]; g.n++) {
		struct bytes text = {(const uint8_t *)s->texts[g.n],
				     strlen(s->texts[g.n])};

		v[g.n][0] = fixture_int((int64_t)g.n);
		if (text_to_value(s->type, text, &f->arena, &v[g.n][1], &e))
			fail_msg("%s: %s", s->texts[g.n], e.text);
		rows[g.n] = fixture_row(f, t, CHANGE_PUT, v[g.n]);
	}
	struct apply_handle *a = fixture_apply(f, 1, NULL);
	if (connector_sqlite.apply_write(a, &g, &rejects, &e))
		fail_msg("%s into %s: %s", s->native,
			 fixture_def(t)->fields[1]->native, e.text);
	connector_sqlite.apply_close(a);
	t->wants_load = true;
	struct capture_handle *h = fixture_capture(f, 1, NULL);
	(void)fixture_poll(f, h, 0);
	connector_sqlite.capture_close(h);

	struct change_reader r;
	struct change_txn txn;
	struct change c;
	struct value got[2];
	size_t n = 0;
	change_reader_init(
		&r, (struct bytes){f->writer.buf.data, f->writer.buf.len});
	assert_int_equal(change_next_txn(&r, &txn), 1);
	for (; change_next(&r, &c) == 1; n++) {
		assert_int_equal(change_values(&c, got), 0);
		if (!value_equal(&got[1], &v[n][1]))
			fail_msg("%s '%s' came back as another one", s->native,
				 s->texts[n]);
	}
	assert_int_equal(n, g.n);
}

static void test_types_what_is_taken_comes_back(void **state)
{
	int n_taken = 0;

	for (size_t d = 0; d < N_DECLARED; d++) {
		for (size_t i = 0; i < N_SAMPLES; i++) {
			struct fixture f;
			struct connector_table *t = one_column(&f, declared[d]);

			if (!refusal(&f, &samples[i])) {
				fixture_def(t)->fields[1]->type =
					samples[i].type;
				fixture_def(t)->fields[1]->native =
					arena_strdup(&f.arena,
						     samples[i].native);
				round_trip(&f, t, &samples[i]);
				n_taken++;
			}
			fixture_close(&f);
		}
	}
	/* Each type has a column that takes it, and most take few. */
	assert_in_range(n_taken, N_SAMPLES, N_SAMPLES * N_DECLARED / 2);
}

static const char *refused(enum value_type type, const char *column)
{
	struct fixture f;
	struct sample s = {.type = type, .native = "x"};

	(void)one_column(&f, column);
	const char *why = refusal(&f, &s);
	fixture_close(&f);
	return why;
}

static void test_types_lossy_columns_are_refused(void **state)
{
	assert_non_null(refused(VALUE_DECIMAL, "DECIMAL(30,10)"));
	assert_non_null(refused(VALUE_DECIMAL, "REAL"));
	assert_non_null(refused(VALUE_TEXT, "NUMERIC"));
	assert_non_null(refused(VALUE_TEXT, "INTEGER"));
	assert_non_null(refused(VALUE_JSON, "JSON")); /* NUMERIC affinity */
	assert_non_null(refused(VALUE_INT64, "REAL"));
	assert_non_null(refused(VALUE_INT64, "TEXT"));
	assert_non_null(refused(VALUE_UINT64, "INTEGER"));
	assert_non_null(refused(VALUE_F64, "INTEGER"));
	assert_non_null(refused(VALUE_BYTES, "TEXT"));
	assert_non_null(refused(VALUE_BOOL, "TEXT"));
	assert_null(refused(VALUE_DECIMAL, "TEXT"));
	assert_null(refused(VALUE_DECIMAL, "VARCHAR(40)"));
	assert_null(refused(VALUE_TIMESTAMP, "DATETIME"));
}

/* A column of no certain type keeps whatever it holds, between two of a kind.
 */
static void test_types_dynamic_columns_keep_everything(void **state)
{
	static const char *const columns[] = {"NUMERIC", ""};

	for (size_t i = 0; i < 2; i++) {
		struct fixture f, g;
		struct apply_rejects rejects = {0};
		struct err e = {0};

		struct connector_table *t = one_column(&f, columns[i]);
		t->wants_load = true;
		fixture_exec(&f, "INSERT INTO v(c) VALUES (1), (1.5), ('1.10'),"
				 " ('abc'), (x'00ff'), (NULL), (''), (x''),"
				 " ('2024-01-01T10:00:00Z'), (9e999), (-7),"
				 " ('NULL')");
		struct capture_handle *h = fixture_capture(&f, 1, NULL);
		(void)fixture_poll(&f, h, 0);
		connector_sqlite.capture_close(h);
		t = one_column(&g, columns[i]);
		struct apply_handle *a = fixture_apply(&g, 1, NULL);
		struct change_reader r;
		struct change_txn txn;
		struct apply_row row = {.table = t};
		struct value v[2];
		uint64_t at = 0;
		change_reader_init(&r, (struct bytes){f.writer.buf.data,
						      f.writer.buf.len});
		assert_int_equal(change_next_txn(&r, &txn), 1);
		while (change_next(&r, &row.change) == 1) {
			assert_int_equal(change_values(&row.change, v), 0);
			row.values = v;
			struct apply_group group = {.rows = &row,
						    .n = 1,
						    .from_index = at,
						    .to_index = at + 1};
			if (connector_sqlite.apply_write(a, &group, &rejects,
							 &e))
				fail_msg("%s", e.text);
			at++;
		}
		connector_sqlite.apply_close(a);
		static const char all[] =
			"SELECT group_concat(typeof(c) || quote(c), ' ')"
			" FROM (SELECT c FROM v ORDER BY id)";
		char *want = strdup(fixture_query(&f, all));
		assert_string_equal(fixture_query(&g, all), want);
		assert_int_equal(at, 12);
		free(want);
		fixture_close(&f);
		fixture_close(&g);
	}
}

/* SQL of a value that its column keeps and its type does not have. */
static void expect_misfit(const char *column, enum value_type type,
			  const char *value)
{
	struct fixture f;
	struct connector_table *t = one_column(&f, column);
	struct value_buf position = {0};
	struct err e = {0};
	char sql[128];

	fixture_def(t)->fields[1]->type = type;
	fixture_def(t)->fields[1]->native = arena_strdup(&f.arena, "x");
	(void)snprintf(sql, sizeof(sql), "INSERT INTO v VALUES (42, %s)",
		       value);
	struct capture_handle *h = fixture_capture(&f, 1, NULL);
	(void)fixture_poll(&f, h, 0);
	fixture_exec(&f, sql);
	int rc = connector_sqlite.capture_poll(h, 1000, 1000, &f.writer,
					       &position, &e);
	if (rc != ERR_SCHEMA)
		fail_msg("%s in a %s column was taken as %s", value, column,
			 value_type_name(type));
	assert_non_null(strstr(e.text, "row 42"));
	connector_sqlite.capture_close(h);
	fixture_close(&f);
}

static void test_types_misfits_are_not_changed(void **state)
{
	expect_misfit("INTEGER", VALUE_INT64, "1.5");
	expect_misfit("INTEGER", VALUE_INT64, "'x'");
	expect_misfit("INTEGER", VALUE_INT64, "9223372036854775808");
	expect_misfit("BOOLEAN", VALUE_BOOL, "2");
	expect_misfit("BOOLEAN", VALUE_BOOL, "'yes'");
	expect_misfit("REAL", VALUE_F64, "'x'");
	expect_misfit("REAL", VALUE_F32, "0.1");
	expect_misfit("TEXT", VALUE_TEXT, "x'31'");
	expect_misfit("TEXT", VALUE_TEXT, "CAST(x'ff' AS TEXT)");
	expect_misfit("TEXT", VALUE_TEXT, "CAST(x'eda080' AS TEXT)");
	expect_misfit("TEXT", VALUE_TEXT, "CAST(x'c080' AS TEXT)");
	expect_misfit("TEXT", VALUE_DECIMAL, "'1,5'");
	expect_misfit("TEXT", VALUE_DATE, "'2024-02-30'");
	expect_misfit("DATETIME", VALUE_TIMESTAMP, "1700000000");
	expect_misfit("BLOB", VALUE_BYTES, "'text'");
	expect_misfit("TEXT", VALUE_UUID, "'no'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types_what_is_taken_comes_back),
		cmocka_unit_test(test_types_lossy_columns_are_refused),
		cmocka_unit_test(test_types_dynamic_columns_keep_everything),
		cmocka_unit_test(test_types_misfits_are_not_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
