/* Every type that both sides can hold, with values at its edges, arrives as it
 * was, both ways; a pair that would lose is refused when it is planned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/core/command.h"
#include "tests/e2e/rig.h"

static const char POSTGRES_TABLE[] =
	"CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s \"fine\"');"
	"CREATE TABLE t (id bigint PRIMARY KEY, b boolean, i2 smallint, "
	"i4 integer, i8 bigint, n numeric, n2 numeric(20,4), f4 real, "
	"f8 double precision, tx text, vc varchar(30), ch char(5), by bytea, "
	"d date, ti time, dt timestamp, tz timestamptz, iv interval, u uuid, "
	"j json, jb jsonb, m mood, bi bit(5), vb bit varying(9), ia int[], "
	"ta text[], ip inet, r int4range, p point, ms macaddr);"
	"ALTER TABLE t REPLICA IDENTITY FULL";

static const char *const POSTGRES_ROWS[] = {
	"(1, true, 32767, 2147483647, 9223372036854775807, "
	"123456789012345678901234567890.123456789, 9999999999999999.9999, "
	"3.4028235e38, 1.7976931348623157e308, 'ä€😀', 'v', 'c', "
	"'\\x00ff10', '9999-12-31', '24:00:00', '294246-12-31 "
	"23:59:59.999999', "
	"'2024-02-29 12:00:00.000001+14', '178000000 years', "
	"'00000000-0000-0000-0000-000000000000', '{\"b\": 1,  \"a\": [1.10]}', "
	"'{\"b\": 1, \"a\": [1.10]}', 'it''s \"fine\"', B'10101', B'1', "
	"'{{1,2},{3,NULL}}', '{\"a,b\",\"c\\\"d\",NULL,\"\"}', "
	"'192.168.0.1/24', '[1,10)', '(1.5,-2)', '08:00:2b:01:02:03')",
	"(2, false, -32768, -2147483648, -9223372036854775808, 'NaN', -0.0001, "
	"'-Infinity', 'NaN', '', '', '', '\\x', '4713-01-01 BC', '00:00', "
	"'-infinity', 'infinity', '-1 mon 2 days -03:04:05.678901', "
	"'ffffffff-ffff-ffff-ffff-ffffffffffff', 'null', '\"\\u0041\"', 'sad', "
	"B'00000', B'', '{}', '{}', '::1', 'empty', '(0,0)', "
	"'ff:ff:ff:ff:ff:ff')",
	"(3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "
	"NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "
	"NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
	"(4, true, 0, 0, 0, 1.10, 1.10, 1e-45, 5e-324, "
	"E'tab\\tnew\\nline \\\\ ''quote''', 'x', 'abcde', '\\x5c27', "
	"'1970-01-01', '23:59:59.999999', '0001-01-01 00:00:00 BC', "
	"'1969-12-31 23:59:59.999999+00', '0', "
	"'12345678-9abc-def0-1234-56789abcdef0', '[]', '[]', 'ok', B'11111', "
	"B'101010101', '[2:3]={1,2}', '{x}', '10.0.0.0/8', '(,5)', "
	"'(1e300,1e-300)', '00:00:00:00:00:00')",
};

static const char ALL[] = "SELECT * FROM t ORDER BY id";

static void insert(const struct side *s, const char *row)
{
	struct side_link *link = link_dial(s);
	char sql[4096];

	snprintf(sql, sizeof(sql), "INSERT INTO t VALUES %s", row);
	link_must(link, sql);
	side_hang_up(link);
}

/* Two rows by the load, one from each side by the stream, then an update. */
static void test_postgres_types_arrive_as_they_were(void **state)
{
	struct rig r;

	rig_open(&r, SIDE_POSTGRES, SIDE_POSTGRES);
	rig_run_both(&r, POSTGRES_TABLE);
	insert(&r.a, POSTGRES_ROWS[0]);
	insert(&r.b, POSTGRES_ROWS[1]);
	stage_define_pair(&r.stage, &r.a, &r.b,
			  "    between: [a, b]\n    tables: [t]\n");
	stage_wait_running(&r.stage);
	insert(&r.a, POSTGRES_ROWS[2]);
	insert(&r.b, POSTGRES_ROWS[3]);
	stage_wait_equal(&r.stage, &r.a, &r.b, ALL);
	struct side_link *b = link_dial(&r.b);
	assert_int_equal(link_number(b, "SELECT count(*) FROM t"), 4);
	link_must(b, "UPDATE t SET tx = repeat('long ', 100000), i4 = 5 "
		     "WHERE id = 1");
	stage_wait_equal(&r.stage, &r.a, &r.b, ALL);
	/* Only a short column changes: the long one must stay. */
	link_must(b, "UPDATE t SET i4 = 6 WHERE id = 1");
	stage_wait_equal(&r.stage, &r.a, &r.b, ALL);
	struct side_link *a = link_dial(&r.a);
	assert_int_equal(
		link_number(a, "SELECT length(tx) FROM t WHERE id = 1 AND "
			       "i4 = 6"),
		500000);
	side_hang_up(a);
	side_hang_up(b);
	rig_check(&r);
	rig_close(&r);
}

/* SQLite has few types; texts hold the rest, exactly. */
static void test_mixed_types_arrive_as_they_were(void **state)
{
	static const char pg[] =
		"CREATE TABLE t (id bigint PRIMARY KEY, b boolean, i8 bigint, "
		"n numeric, f8 double precision, tx text, by bytea, d date, "
		"tz timestamptz, u uuid, j json);"
		"ALTER TABLE t REPLICA IDENTITY FULL";
	static const char lite[] =
		"CREATE TABLE t (id INTEGER PRIMARY KEY, b BOOLEAN, i8 "
		"INTEGER, "
		"n TEXT, f8 REAL, tx TEXT, by BLOB, d TEXT, tz TEXT, u TEXT, "
		"j TEXT)";
	/* What both clients print alike, so that rows can be compared. */
	static const char same[] =
		"SELECT id, i8, n, tx, u, j FROM t ORDER BY id";
	struct rig r;

	rig_open(&r, SIDE_POSTGRES, SIDE_SQLITE);
	struct side_link *a = link_dial(&r.a), *b = link_dial(&r.b);
	link_must(a, pg);
	link_must(b, "PRAGMA journal_mode=WAL");
	link_must(b, lite);
	link_must(a,
		  "INSERT INTO t VALUES (1, true, 9223372036854775807, "
		  "12345678901234567890.1234567890, 0.1, 'ä€😀', '\\x00ff', "
		  "'2024-02-29', '2024-02-29 12:00:00.000001+00', "
		  "'12345678-9abc-def0-1234-56789abcdef0', '{\"a\":  1.10}')");
	stage_define_pair(&r.stage, &r.a, &r.b,
			  "    between: [a, b]\n    tables: [t]\n");
	stage_wait_running(&r.stage);
	stage_wait_equal(&r.stage, &r.a, &r.b, same);
	link_must(b, "INSERT INTO t SELECT id + 1, b, -i8 - 1, '-' || n, "
		     "f8 * 3, tx || 'x', by, d, tz, u, j FROM t");
	stage_wait_equal(&r.stage, &r.a, &r.b, same);
	assert_int_equal(link_number(a, "SELECT count(*) FROM t"), 2);
	/* The rest, by what each side says of it. */
	assert_int_equal(link_number(b,
				     "SELECT count(*) FROM t WHERE b = 1 AND "
				     "by = x'00ff' AND d = '2024-02-29'"),
			 2);
	assert_int_equal(link_number(a,
				     "SELECT count(*) FROM t WHERE b AND by = "
				     "'\\x00ff' AND d = '2024-02-29' AND "
				     "tz = '2024-02-29 12:00:00.000001+00'"),
			 2);
	assert_int_equal(link_number(a, "SELECT count(*) FROM t WHERE f8 = "
					"0.30000000000000004::float8"),
			 1);
	side_hang_up(a);
	side_hang_up(b);
	rig_check(&r);
	rig_close(&r);
}

/* numeric into a column of NUMERIC affinity would become a float. */
static void test_a_pair_that_loses_is_refused(void **state)
{
	char text[4096];
	Synod__Admin__DefineRequest body;
	Synod__Admin__Request question;
	struct rig r;

	rig_open(&r, SIDE_POSTGRES, SIDE_SQLITE);
	struct side_link *a = link_dial(&r.a), *b = link_dial(&r.b);
	link_must(a, "CREATE TABLE t (id bigint PRIMARY KEY, n numeric);"
		     "ALTER TABLE t REPLICA IDENTITY FULL");
	link_must(b, "PRAGMA journal_mode=WAL");
	link_must(b, "CREATE TABLE t (id INTEGER PRIMARY KEY, n REAL)");
	snprintf(text, sizeof(text),
		 "synod: 1\nconnections:\n%s%ssyncs:\n  pair:\n"
		 "    between: [a, b]\n    tables: [t]\n",
		 r.a.yaml, r.b.yaml);
	synod__admin__define_request__init(&body);
	synod__admin__request__init(&question);
	body.action = SYNOD__ADMIN__DEFINE_REQUEST__ACTION__PLAN;
	body.text = text;
	body.file = command_text("t.yaml");
	question.body_case = SYNOD__ADMIN__REQUEST__BODY_DEFINE;
	question.define = &body;
	Synod__Admin__Response *answer = stage_ask(&r.stage, &question);
	assert_true(answer->define->n_problems + answer->define->n_failed > 0);
	/* It names the column, and where in the definition it stands. */
	assert_non_null(strstr(answer->define->problems, "t.yaml:"));
	assert_non_null(strstr(answer->define->problems, "'n'"));
	answer_free(answer);
	side_hang_up(a);
	side_hang_up(b);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_postgres_types_arrive_as_they_were),
		cmocka_unit_test(test_mixed_types_arrive_as_they_were),
		cmocka_unit_test(test_a_pair_that_loses_is_refused),
	};
	return cmocka_run_group_tests_name("e2e.types", tests, NULL, NULL);
}
