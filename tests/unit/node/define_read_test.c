/* Definitions as they are read: what is wrong with them, all in one pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "define_fake.h"
#include "node/define_where.h"

static struct define_text *read_text(const char *text, char **shown)
{
	struct config_problems problems;
	size_t len = 0;

	config_problems_init(&problems);
	struct define_text *d =
		define_read((struct bytes){(const uint8_t *)text, strlen(text)},
			    "t.yaml", fake_connector, &problems);
	FILE *out = open_memstream(shown, &len);
	CHECK(out);
	config_problems_print(&problems, out);
	fclose(out);
	assert_int_equal(d == NULL, problems.n > 0);
	config_problems_clear(&problems);
	return d;
}

static void assert_shown(const char *text, const char *expected)
{
	char *shown = NULL;

	define_text_free(read_text(text, &shown));
	assert_string_equal(shown, expected);
	free(shown);
}

/* Each of the texts stands in what is shown. */
static void assert_says(const char *text, const char *const *expected)
{
	char *shown = NULL;

	define_text_free(read_text(text, &shown));
	for (size_t i = 0; expected[i]; i++)
		if (!strstr(shown, expected[i]))
			fail_msg("'%s' is missing in:\n%s", expected[i], shown);
	free(shown);
}

#define HEAD                                  \
	"synod: 1\n"                          \
	"connections:\n"                      \
	"  a: { type: sqlite, path: a.db }\n" \
	"  b: { type: sqlite, path: b.db }\n" \
	"syncs:\n"                            \
	"  s:\n"

static void test_shortest_definition_is_read(void **state)
{
	char *shown = NULL;
	size_t connections = 0, syncs = 0, tables = 0;

	struct define_text *d = read_text(
		HEAD "    between: [a, b]\n    tables: [items]\n", &shown);

	assert_string_equal(shown, "");
	define_count(d, &connections, &syncs, &tables);
	assert_int_equal(connections, 2);
	assert_int_equal(syncs, 1);
	assert_int_equal(tables, 1);
	define_text_free(d);
	free(shown);
}

/* A screen as an operator sees it. */
static void test_all_problems_are_shown_at_once(void **state)
{
	assert_shown(
		"synod: 1\n"
		"connections:\n"
		"  a: { type: sqlite, pat: a.db }\n"
		"  b: { type: postgresql, database: x, password: hunter2 }\n"
		"syncs:\n"
		"  s:\n"
		"    between: [a, c]\n"
		"    tables: [items]\n"
		"    conflicts: { default: last-write-win }\n"
		"    quality: []\n",
		"t.yaml:3:3: error: 'connections.a.path' is missing "
		"[config.missing_key]\n"
		"    3 |   a: { type: sqlite, pat: a.db }\n"
		"      |   ^\n"
		"      = File of the database.\n"
		"t.yaml:3:22: error: unknown key 'pat' of a sqlite connection "
		"[config.unknown_key]\n"
		"    3 |   a: { type: sqlite, pat: a.db }\n"
		"      |                      ^\n"
		"      = did you mean 'path'?\n"
		"t.yaml:4:49: error: 'password' must not stand here in plain "
		"[config.secret]\n"
		"    4 |   b: { type: postgresql, database: x, password: "
		"hunter2 }\n"
		"      |                                                 ^\n"
		"      = write secret://NAME and put it into the file NAME in "
		"the folder 'secrets' of each node\n"
		"t.yaml:7:18: error: there is no connection 'c' "
		"[config.reference]\n"
		"    7 |     between: [a, c]\n"
		"      |                  ^\n"
		"      = describe it under 'connections' of this file\n"
		"t.yaml:9:27: error: 'last-write-win' is not an allowed value "
		"[config.bad_value]\n"
		"    9 |     conflicts: { default: last-write-win }\n"
		"      |                           ^\n"
		"      = did you mean 'last-write-wins'? allowed: "
		"last-write-wins|queue\n"
		"t.yaml:10:5: error: 'quality' is not built yet "
		"[config.not_built]\n"
		"   10 |     quality: []\n"
		"      |     ^\n"
		"      = Checks of values are planned. Remove it for now.\n"
		"t.yaml: 6 problems\n");
}

/* The long sample of the design: what is not built is named, key by key. */
static void test_what_is_not_built_is_named(void **state)
{
	static const char text[] =
		"synod: 1\n"
		"connections:\n"
		"  crm: { type: postgresql, database: crm }\n"
		"  shop: { type: mariadb, host: db7 }\n"
		"syncs:\n"
		"  customers:\n"
		"    between: [crm, shop]\n"
		"    mode: shadow\n"
		"    tables:\n"
		"      - crm: public.customer\n"
		"        shop: customers\n"
		"        fields:\n"
		"          - { crm: email, shop: mail, to_shop: lower(v) }\n"
		"    conflicts:\n"
		"      fields: {}\n"
		"      otherwise: queue\n"
		"    delivery: { batch: 500 }\n"
		"    retry: {}\n"
		"    breaker: {}\n"
		"    reconcile: {}\n"
		"    flags: {}\n"
		"    alerts: {}\n"
		"scripts: {}\n";
	static const char *const expected[] = {
		"t.yaml:4:17: error: type 'mariadb' is not built yet",
		"t.yaml:8:11: error: mode 'shadow' is not built yet",
		"t.yaml:13:39: error: 'to_shop' is not built yet",
		"t.yaml:15:7: error: 'fields' is not built yet",
		"t.yaml:16:7: error: 'otherwise' is not built yet",
		"t.yaml:17:5: error: 'delivery' is not built yet",
		"t.yaml:18:5: error: 'retry' is not built yet",
		"t.yaml:19:5: error: 'breaker' is not built yet",
		"t.yaml:20:5: error: 'reconcile' is not built yet",
		"t.yaml:21:5: error: 'flags' is not built yet",
		"t.yaml:22:5: error: 'alerts' is not built yet",
		"t.yaml:23:1: error: 'scripts' is not built yet",
		"t.yaml: 12 problems",
		NULL,
	};

	assert_says(text, expected);
}

static void test_who_takes_part_must_be_clear(void **state)
{
	static const char *const both[] = {
		"'between' and 'from' exclude each other", NULL};
	static const char *const none[] = {
		"sync 's' does not say between which connections", NULL};
	static const char *const twice[] = {"'a' takes part twice", NULL};
	static const char *const few[] = {"'between' has 1 entry",
					  "allowed: 2 to 63", NULL};

	assert_says(HEAD "    between: [a, b]\n    from: a\n    tables: [t]\n",
		    both);
	assert_says(HEAD "    tables: [t]\n", none);
	assert_says(HEAD "    from: a\n    to: a\n    tables: [t]\n", twice);
	assert_says(HEAD "    between: [a]\n    tables: [t]\n", few);
}

static void test_one_way_takes_one_or_several_targets(void **state)
{
	assert_shown(HEAD "    from: a\n    to: b\n    tables: t\n", "");
	assert_shown(HEAD "    from: a\n    to: [b]\n    tables: [t]\n", "");
}

static void test_names_below_a_table_are_of_the_sync(void **state)
{
	static const char *const expected[] = {
		"'bb' does not take part in sync 's'",
		"the table has no name on 'b'",
		"'cc' does not take part in sync 's'",
		"of this sync are: a, b",
		NULL,
	};

	assert_says(HEAD "    between: [a, b]\n    tables: [{ a: x, bb: y }]\n"
			 "    initial: { authority: cc }\n",
		    expected);
}

static void test_table_twice_is_refused(void **state)
{
	static const char *const expected[] = {
		"t.yaml:12:19: error: table 'items' of 'a' is synced twice "
		"[config.conflict]",
		"first on line 8, in sync 's'",
		NULL,
	};

	assert_says(HEAD "    between: [a, b]\n    tables: [items]\n"
			 "  other:\n"
			 "    from: a\n"
			 "    to: b\n"
			 "    tables: [{ a: items, b: copy }]\n",
		    expected);
}

static void test_secrets_are_only_references(void **state)
{
	static const char *const elsewhere[] = {"'database' is not a secret",
						NULL};
	static const char *const nameless[] = {"the secret has no name", NULL};

#define PG(options) \
	"synod: 1\nconnections:\n  p: { type: postgresql, " options " }\n"
	assert_shown(PG("database: x, password: 'secret://p'"), "");
	assert_says(PG("database: 'secret://x'"), elsewhere);
	assert_says(PG("database: x, password: 'secret://../x'"), nameless);
#undef PG
}

static void test_options_are_checked(void **state)
{
	static const char *const expected[] = {
		"t.yaml:3:40: error: 'x7' is not a whole number",
		"t.yaml:4:44: error: 'requir' is not an allowed value",
		"did you mean 'require'? allowed: disable|require",
		"a connection cannot be called 'where'",
		NULL,
	};

	assert_says("synod: 1\nconnections:\n"
		    "  a: { type: sqlite, path: x, busy_ms: x7 }\n"
		    "  p: { type: postgresql, database: x, tls: requir }\n"
		    "  where: { type: sqlite, path: z }\n",
		    expected);
}

/* -- paths ----------------------------------------------------------------- */

static void test_relative_paths_become_absolute(void **state)
{
	static const char text[] =
		"# comment \xc3\xa4\n"
		"synod: 1\n"
		"connections:\n"
		"  \"a\": { path: a.db, type: sqlite } # path: x\n"
		"  b:\n"
		"    type: sqlite\n"
		"    path: \"./b \\\" b.db\"   # quoted\n"
		"  c: { type: sqlite, path: '/abs/c.db' }\n"
		"  p: { type: postgresql, database: path }\n";
	char *shown = NULL;
	size_t n = 0;

	struct define_text *d = read_text(text, &shown);
	assert_string_equal(shown, "");
	char *absolute = define_absolute(
		d, (struct bytes){(const uint8_t *)text, strlen(text)},
		"/home/x", &n);

	assert_int_equal(n, 2);
	assert_string_equal(
		absolute,
		"# comment \xc3\xa4\n"
		"synod: 1\n"
		"connections:\n"
		"  \"a\": { path: \"/home/x/a.db\", type: sqlite } # path: x\n"
		"  b:\n"
		"    type: sqlite\n"
		"    path: \"/home/x/b \\\" b.db\"   # quoted\n"
		"  c: { type: sqlite, path: '/abs/c.db' }\n"
		"  p: { type: postgresql, database: path }\n");
	define_text_free(d);
	free(shown);

	/* What came out is a definition, and there is nothing left to do. */
	d = read_text(absolute, &shown);
	char *again = define_absolute(
		d, (struct bytes){(const uint8_t *)absolute, strlen(absolute)},
		"/elsewhere", &n);
	assert_int_equal(n, 0);
	assert_string_equal(again, absolute);
	define_text_free(d);
	free(again);
	free(absolute);
	free(shown);
}

/* -- where ----------------------------------------------------------------- */

static void assert_where_fails(const char *text, size_t at, const char *why)
{
	struct arena arena;
	struct where_text w;
	struct err e = {0};

	arena_init(&arena, 4096);
	assert_int_equal(where_parse(text, &arena, &w, &e), ERR_INVALID);
	assert_string_equal(e.text, why);
	assert_int_equal(w.end, at);
	arena_free(&arena);
}

static void test_where_is_a_list_of_comparisons(void **state)
{
	struct arena arena;
	struct where_text w;
	struct err e = {0};

	arena_init(&arena, 4096);
	assert_int_equal(
		where_parse("country='O''Neil' AND \"odd \"\"name\" <> -1.5e+3"
			    " and ok = TRUE and x IS NOT NULL and y is null",
			    &arena, &w, &e),
		0);
	assert_int_equal(w.n, 5);
	assert_string_equal(w.list[0].column, "country");
	assert_string_equal(w.list[0].literal, "O'Neil");
	assert_int_equal(w.list[0].kind, WHERE_TEXT);
	assert_string_equal(w.list[1].column, "odd \"name");
	assert_int_equal(w.list[1].op, SYNOD__DEFINITION__COMPARISON__OP__NE);
	assert_string_equal(w.list[1].literal, "-1.5e+3");
	assert_int_equal(w.list[2].kind, WHERE_BOOL);
	assert_string_equal(w.list[2].literal, "true");
	assert_int_equal(w.list[3].op,
			 SYNOD__DEFINITION__COMPARISON__OP__NOT_NULL);
	assert_int_equal(w.list[4].op,
			 SYNOD__DEFINITION__COMPARISON__OP__IS_NULL);
	arena_free(&arena);
}

static void test_where_says_what_is_wrong(void **state)
{
	assert_where_fails("", 0,
			   "the name of a column is missing at the "
			   "end");
	assert_where_fails("a == 1", 3,
			   "a number, a 'text', true or false is due at '= "
			   "1'");
	assert_where_fails("a like 'x'", 2,
			   "one of = != < <= > >= is is due at 'like 'x''");
	assert_where_fails("a = 1 or b = 2", 6,
			   "'or' is not built yet: comparisons are joined by "
			   "'and'");
	assert_where_fails("a = 'x", 4, "the quote at ''x' is never closed");
	assert_where_fails("a = null", 8,
			   "nothing equals NULL; write 'a is null' or 'is not "
			   "null'");
	assert_where_fails("a = 1 b = 2", 6,
			   "'and' or the end is due at 'b = 2'");
}

static void test_where_problem_points_into_the_text(void **state)
{
	static const char *const expected[] = {
		"t.yaml:10:28: error: the condition does not read: one of",
		NULL,
	};

	assert_says(HEAD "    between: [a, b]\n    tables:\n"
			 "      - table: t\n"
			 "        where: { a: 'total like 7' }\n",
		    expected);
}

/* -- explain --------------------------------------------------------------- */

static void test_explain_knows_paths_with_and_without_names(void **state)
{
	static const char *const known[] = {
		"syncs",
		"syncs.conflicts",
		"syncs.stock.conflicts.default.prefer",
		"connections.sqlite",
		"syncs.tables.fields",
		"syncs.quality"};
	FILE *null = fopen("/dev/null", "we");

	assert_non_null(null);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!define_explain(known[i], fake_connector, null))
			fail_msg("%s is not known", known[i]);
	assert_false(define_explain("syncs.x.y.z", fake_connector, null));
	assert_false(define_explain("", fake_connector, null));
	fclose(null);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shortest_definition_is_read),
		cmocka_unit_test(test_all_problems_are_shown_at_once),
		cmocka_unit_test(test_what_is_not_built_is_named),
		cmocka_unit_test(test_who_takes_part_must_be_clear),
		cmocka_unit_test(test_one_way_takes_one_or_several_targets),
		cmocka_unit_test(test_names_below_a_table_are_of_the_sync),
		cmocka_unit_test(test_table_twice_is_refused),
		cmocka_unit_test(test_secrets_are_only_references),
		cmocka_unit_test(test_options_are_checked),
		cmocka_unit_test(test_relative_paths_become_absolute),
		cmocka_unit_test(test_where_is_a_list_of_comparisons),
		cmocka_unit_test(test_where_says_what_is_wrong),
		cmocka_unit_test(test_where_problem_points_into_the_text),
		cmocka_unit_test(
			test_explain_knows_paths_with_and_without_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
