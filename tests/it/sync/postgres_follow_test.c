/* From one PostgreSQL into another, through capture and apply: every type, and
 * every kind of change. */
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

enum { TASK = 65 };

static struct postgres_rig source, target;
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

/* What the source did, into the target, until it did no more. */
static void carry(bool is_authority)
{
	struct apply_rejects rejects;

	for (int n_quiet = 0; n_quiet < 5;) {
		struct change_writer w;
		struct value_buf position = {0};
		change_writer_init(&w);
		must(connector_postgres.capture_poll(source.capture, 1 << 18,
						     20, &w, &position, &why));
		value_buf_free(&position);
		struct capture_figures f;
		connector_postgres.capture_figures(source.capture, &f);
		n_quiet = w.buf.len || f.n_tables_loading ? 0 : n_quiet + 1;
		if (w.buf.len)
			must(write_bytes(apply,
					 (struct bytes){w.buf.data, w.buf.len},
					 is_authority, &rejects));
		change_writer_free(&w);
	}
}

static void both(const char *sql)
{
	postgres_rig_run(&source, sql);
	postgres_rig_run(&target, sql);
}

static void assert_same(const char *sql)
{
	char there[4096];

	snprintf(there, sizeof there, "%s", postgres_rig_text(&target, sql));
	assert_string_equal(postgres_rig_text(&source, sql), there);
}

static void open_pair(const char *name)
{
	char a[32], b[32];

	snprintf(a, sizeof a, "%s_a", name);
	snprintf(b, sizeof b, "%s_b", name);
	postgres_rig_open(&source, a);
	postgres_rig_open(&target, b);
}

static void plan_both(uint32_t id, const char *table, bool wants_load)
{
	postgres_rig_plan(&source, id, table, wants_load);
	postgres_rig_plan(&target, id, table, false);
}

static void close_pair(void)
{
	connector_postgres.apply_close(apply);
	apply = NULL;
	postgres_rig_close(&source);
	postgres_rig_close(&target);
}

static const char all_types[] =
	"create type mood as enum ('sad', 'ok''ay'); "
	"create type pair as (x int, y text); "
	"create domain small as smallint check (value < 100); "
	"create table t(id uuid primary key, b bool, i2 int2, i4 int4, i8 int8,"
	" n numeric, np numeric(12,3), f4 float4, f8 float8, tx text, vc "
	"varchar(9), ch char(5), by bytea, d date, tm time(3), ts timestamp, "
	"tz timestamptz, iv interval, js json, jb jsonb, en mood, bt bit(5), "
	"vb varbit, ar int[], co pair, ip inet, rg int4range, mo money, pt "
	"point, tv tsvector, xm xml, dm small, tt timetz, mac macaddr, "
	"\"Odd \"\" Name\" text)";

static const char edge_rows[] =
	"insert into t values "
	"('00000000-0000-0000-0000-000000000000', null, null, null, null, null,"
	" null, null, null, null, null, null, null, null, null, null, null, "
	"null, null, null, null, null, null, null, null, null, null, null, "
	"null, null, null, null, null, null, null), "
	"('ffffffff-ffff-4fff-bfff-ffffffffffff', true, -32768, -2147483648, "
	"-9223372036854775808, 'NaN', -999999999.999, '-Infinity', 'NaN', '', "
	"'', '', '', '4713-01-01 BC', '00:00', '4713-01-01 00:00 BC', "
	"'-infinity', '-178000000 years', '{\"a\": 1,  \"a\":1.10}', "
	"'{\"b\":1.10,\"a\":null}', 'sad', '10101', '', '{}', '(1,)', "
	"'::1/128', 'empty', '-92233720368547758.08', '(1e-300,-0)', '', "
	"'<a/>', -5, '00:00+15:59', '08:00:2b:01:02:03', 'q'), "
	"('11111111-1111-4111-8111-111111111111', false, 32767, 2147483647, "
	"9223372036854775807, '12345678901234567890123456789.0123456789000', "
	"999999999.999, 3.4028235e38, 2.2250738585072014e-308, "
	"E'a\\n\\t\\\\''\"\\u00e9\\U0001F600', E'\\u20ac\\u20ac', 'ab', "
	"'\\x00ff5c27', '5874897-12-31', '24:00', '294246-12-31 "
	"23:59:59.999999', '2024-02-29 23:59:59.999999+14', '1 year -2 mons 3 "
	"days -04:05:06.789', '[]', '[1e400]', 'ok''ay', '00000', '1', "
	"'{1,NULL,-3}', '(,\"a,b\")', '10.0.0.0/8', '[1,5)', '$1.00', "
	"'(0.1,0.2)', '''a'':1 b', 'x', 99, '23:59:59.5-03', "
	"'ff:ff:ff:ff:ff:ff', ''), "
	"('22222222-2222-4222-8222-222222222222', true, 0, 0, 0, 'Infinity', "
	"0, '-0', '-0', repeat('long ', 3000), 'x', 'x', "
	"decode(repeat('00ff', 5000), 'hex'), 'infinity', '12:34:56.789', "
	"'infinity', '1901-01-01 00:00:00.000001+00', '0', 'null', '{}', null,"
	" '11111', '', '{{1,2},{3,4}}', null, 'fe80::1', '(,)', '$0.01', null,"
	" null, null, 0, null, null, null)";

static const char digest[] =
	"select md5(string_agg(t::text, '|' order by id)) || count(*) from t";

static void test_apply_carries_every_type_there_and_back(void **state)
{
	open_pair("types");
	/* The customer's settings must not reach our texts. */
	postgres_rig_super(&source,
			   "alter database types_a set datestyle = 'German'; "
			   "alter database types_a set bytea_output = escape; "
			   "alter database types_a set intervalstyle = "
			   "sql_standard; alter database types_a set timezone "
			   "= 'Asia/Tokyo'; alter database types_a set "
			   "extra_float_digits = -3; alter role role_types_b "
			   "set datestyle = 'SQL, DMY'; alter role "
			   "role_types_b set standard_conforming_strings = "
			   "off");
	both(all_types);
	postgres_rig_run(&source, edge_rows);
	plan_both(1, "t", true);
	postgres_rig_start(&source, 10);
	must(open_apply(10, &apply));
	carry(true);
	const char *fixed = "set datestyle = ISO; set timezone = 'UTC'; set "
			    "bytea_output = hex; set extra_float_digits = 3; "
			    "set intervalstyle = postgres; "
			    "select md5(string_agg(t::text, '|' order by id)) "
			    "|| count(*) from t";
	assert_same(fixed); /* by the load */

	postgres_rig_run(&target, "truncate t");
	postgres_rig_run(&source, "update t set b = not b");
	carry(true);
	assert_same(fixed); /* by the stream */
	close_pair();
}

static void test_apply_does_what_the_source_did(void **state)
{
	open_pair("follow");
	both("create table t(id int primary key, a text, n int generated always"
	     " as identity, g int generated always as (id * 2) stored); "
	     "create table k(a int, b text, primary key (a, b)); create table "
	     "w(id int primary key, n int, big text); alter table w alter big "
	     "set storage external");
	plan_both(1, "t", false);
	plan_both(2, "k", false);
	plan_both(3, "w", false);
	both("create table i(id int generated always as identity primary key, "
	     "a text)");
	plan_both(4, "i", false);
	postgres_rig_start(&source, 10);
	must(open_apply(10, &apply));
	postgres_rig_run(&source,
			 "insert into t(id, a) select i, 'a' || i from "
			 "generate_series(1, 500) i");
	postgres_rig_run(&source, "update t set a = null where id % 3 = 0");
	postgres_rig_run(&source, "update t set id = id + 1000 where id < 9");
	postgres_rig_run(&source, "delete from t where id % 5 = 0");
	postgres_rig_run(&source, "insert into k values (1, 'x'), (2, 'y')");
	postgres_rig_run(&source, "update k set b = 'z' where a = 1");
	postgres_rig_run(&source,
			 "insert into w values (1, 1, repeat('w', 9000))");
	postgres_rig_run(&source, "update w set n = 2");
	postgres_rig_run(&source, "update w set id = 5");
	postgres_rig_run(&source, "insert into i(a) values ('x'), ('y')");
	postgres_rig_run(&source, "update i set a = 'z' where id = 2");
	carry(true);
	assert_same(digest);
	assert_same("select string_agg(k::text, ',' order by k) from k");
	assert_same("select w::text from w");
	assert_same("select string_agg(i::text, ',' order by id) from i");
	postgres_rig_run(&source, "truncate k");
	carry(true);
	assert_same("select count(*) from k");
	close_pair();
}

static int tear_down(void **state)
{
	postgres_rig_end();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_apply_does_what_the_source_did),
		cmocka_unit_test(test_apply_carries_every_type_there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, tear_down);
}
