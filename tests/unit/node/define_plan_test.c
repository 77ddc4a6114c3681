/* Definitions compiled against fake databases. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "define_fake.h"

static const struct fake_column columns[] = {
	{"a", "items", "sku", "TEXT", VALUE_TEXT, .is_key = true},
	{"a", "items", "name", "TEXT", VALUE_TEXT, .is_nullable = true},
	{"a", "items", "qty", "INTEGER", VALUE_INT64, .is_nullable = true},
	{"b", "items", "sku", "TEXT", VALUE_TEXT, .is_key = true},
	{"b", "items", "qty", "INTEGER", VALUE_INT64, .is_nullable = true},
	{"b", "items", "name", "TEXT", VALUE_TEXT, .is_nullable = true},
	{"b", "items", "only_b", "TEXT", VALUE_TEXT, .is_nullable = true},
	{"b", "items", "total", "INTEGER", VALUE_INT64, .is_generated = true},
	{"a", "items", "total", "INTEGER", VALUE_INT64, .is_nullable = true},
	{"a", "orders", "id", "INTEGER", VALUE_INT64, .is_key = true},
	{"a", "orders", "sum", "INTEGER", VALUE_INT64, .is_key = false},
	{"b", "orders", "id", "INTEGER", VALUE_INT64, .is_key = true},
	{"b", "orders", "sum", "INTEGER", VALUE_INT64, .is_key = false},
	{"a", "no_key", "x", "TEXT", VALUE_TEXT, .is_key = false},
	{"b", "no_key", "x", "TEXT", VALUE_TEXT, .is_key = false},
	{"p", "public.customer", "id", "integer", VALUE_INT64, .is_key = true},
	{"p", "public.customer", "email", "text", VALUE_TEXT, .is_key = false},
	{"p", "public.customer", "country", "text", VALUE_TEXT,
	 .is_key = false},
	{"p", "public.customer", "since", "date", VALUE_DATE, .is_key = false},
	{"p", "public.customer", "shape", "circle", VALUE_NATIVE,
	 .is_key = false},
	{"a", "people", "person", "INTEGER", VALUE_INT64, .is_key = true},
	{"a", "people", "mail", "TEXT", VALUE_TEXT, .is_key = false},
	{"a", "people", "country", "TEXT", VALUE_TEXT, .is_key = false},
	{"a", "people", "since", "TEXT", VALUE_TEXT, .is_key = false},
	{"a", "people", "shape", "TEXT", VALUE_TEXT, .is_key = false},
	{.table = NULL},
};

#define TWO                                    \
	"synod: 1\n"                           \
	"connections:\n"                       \
	"  a: { type: sqlite, path: /a.db }\n" \
	"  b: { type: sqlite, path: /b.db }\n"
#define STOCK                   \
	"syncs:\n"              \
	"  stock:\n"            \
	"    between: [a, b]\n" \
	"    tables: [items]\n"
#define MIXED                                        \
	"synod: 1\n"                                 \
	"connections:\n"                             \
	"  p: { type: postgresql, database: crm }\n" \
	"  a: { type: sqlite, path: /a.db }\n"       \
	"syncs:\n"                                   \
	"  s:\n"                                     \
	"    between: [p, a]\n"                      \
	"    tables:\n"

static int setup(void **state)
{
	fake_world = (struct fake_world){.columns = columns};
	return 0;
}

static void assert_lines(const struct fake_plan *p, const char *expected)
{
	char *lines = fake_lines(p);

	assert_string_equal(lines, expected);
	free(lines);
}

static void assert_problem(const char *text, const char *expected)
{
	struct fake_plan p;

	fake_plan(&p, text, NULL, false);
	assert_string_equal(p.shown, expected);
	assert_null(p.plan.definition);
	fake_plan_clear(&p);
}

static void test_first_definition_is_new(void **state)
{
	struct fake_plan p;

	fake_plan(&p, TWO STOCK, NULL, false);

	assert_string_equal(p.shown, "");
	assert_int_equal(p.code, 0);
	assert_lines(&p, "+ connection a | new | sqlite path=/a.db\n"
			 "+ connection b | new | sqlite path=/b.db\n"
			 "+ sync stock | new | a <-> b, 1 table\n");
	const Synod__Definition__Definition *d = p.plan.definition;
	assert_int_equal(d->n_connections, 2);
	assert_int_equal(d->connections[0]->id, 1);
	assert_int_equal(d->connections[1]->id, 2);
	assert_int_equal(d->next_sync_id, 2);
	assert_int_equal(d->next_table_id, 2);
	const Synod__Definition__Sync *s = d->syncs[0];
	assert_int_equal(s->id, 1);
	assert_true(s->is_two_way);
	assert_int_equal(s->initial->chunk, 5000);
	assert_int_equal(strlen(p.plan.hash), 16);
	fake_plan_clear(&p);
}

/* Columns of the same name on both sides, the key first; a column of one side
 * and one that is generated somewhere are none. */
static void test_fields_default_to_common_columns(void **state)
{
	struct fake_plan p;

	fake_plan(&p, TWO STOCK, NULL, false);

	const Synod__Definition__Table *t =
		p.plan.definition->syncs[0]->tables[0];
	assert_int_equal(t->id, 1);
	assert_string_equal(t->name, "items");
	assert_int_equal(t->n_fields, 3);
	assert_string_equal(t->fields[0]->name, "sku");
	assert_true(t->fields[0]->is_key);
	assert_string_equal(t->fields[1]->name, "name");
	assert_false(t->fields[1]->is_key);
	assert_true(t->fields[1]->is_nullable);
	assert_string_equal(t->fields[2]->name, "qty");
	assert_int_equal(t->fields[2]->type, VALUE_INT64);
	assert_int_equal(t->n_sides, 2);
	assert_true(t->sides[1]->is_source && t->sides[1]->is_target);
	assert_string_equal(t->sides[1]->columns[2], "qty");
	fake_plan_clear(&p);
}

static void test_fields_are_renamed_and_key_is_paired(void **state)
{
	struct fake_plan p;

	fake_plan(&p,
		  MIXED "      - p: public.customer\n"
			"        a: people\n"
			"        key: { p: id, a: person }\n"
			"        fields:\n"
			"          - { p: email, a: mail }\n"
			"          - country\n"
			"          - { p: since }\n",
		  NULL, false);

	assert_string_equal(p.shown, "");
	const Synod__Definition__Table *t =
		p.plan.definition->syncs[0]->tables[0];
	assert_string_equal(t->name, "public.customer");
	assert_int_equal(t->n_fields, 3);
	assert_string_equal(t->sides[0]->columns[0], "id");
	assert_string_equal(t->sides[1]->columns[0], "person");
	assert_string_equal(t->sides[0]->columns[1], "email");
	assert_string_equal(t->sides[1]->columns[1], "mail");
	fake_plan_clear(&p);
}

static void test_one_way_has_a_source_and_targets(void **state)
{
	struct fake_plan p;

	fake_plan(&p,
		  TWO "syncs:\n  s:\n    from: b\n    to: a\n"
		      "    tables: [orders]\n",
		  NULL, false);

	const Synod__Definition__Sync *s = p.plan.definition->syncs[0];
	assert_false(s->is_two_way);
	assert_int_equal(s->connection_ids[0], 2);
	assert_true(s->tables[0]->sides[0]->is_source);
	assert_false(s->tables[0]->sides[0]->is_target);
	assert_false(s->tables[0]->sides[1]->is_source);
	assert_true(s->tables[0]->sides[1]->is_target);
	fake_plan_clear(&p);
}

/* -- what does not fit ----------------------------------------------------- */

static void test_unknown_table_and_column_are_named(void **state)
{
	assert_problem(
		TWO "syncs:\n  s:\n    between: [a, b]\n"
		    "    tables: [itmes, { table: orders, fields: [id, "
		    "smu] }]\n",
		"t.yaml:8:14: error: there is no table 'itmes' on 'a' "
		"[config.reference]\n"
		"    8 |     tables: [itmes, { table: orders, fields: [id, "
		"smu] }]\n"
		"      |              ^\n"
		"      = did you mean 'items'?\n"
		"t.yaml:8:14: error: there is no table 'itmes' on 'b' "
		"[config.reference]\n"
		"    8 |     tables: [itmes, { table: orders, fields: [id, "
		"smu] }]\n"
		"      |              ^\n"
		"      = did you mean 'items'?\n"
		"t.yaml:8:51: error: there is no column 'smu' in 'orders' of "
		"'a' [config.reference]\n"
		"    8 |     tables: [itmes, { table: orders, fields: [id, "
		"smu] }]\n"
		"      |                                                   "
		"^\n"
		"      = did you mean 'sum'?\n"
		"t.yaml:8:51: error: there is no column 'smu' in 'orders' of "
		"'b' [config.reference]\n"
		"    8 |     tables: [itmes, { table: orders, fields: [id, "
		"smu] }]\n"
		"      |                                                   "
		"^\n"
		"      = did you mean 'sum'?\n"
		"t.yaml: 4 problems\n");
}

static void test_table_without_primary_key_is_refused(void **state)
{
	struct fake_plan p;

	fake_plan(&p,
		  TWO "syncs:\n  s:\n    between: [a, b]\n"
		      "    tables: [no_key]\n",
		  NULL, false);

	assert_non_null(strstr(p.shown, "table 'no_key' of 'a' has no primary "
					"key [config.key]"));
	assert_int_equal(p.problems.n, 2);
	fake_plan_clear(&p);
}

static void test_keys_of_other_names_need_a_pair(void **state)
{
	assert_problem(
		MIXED "      - { p: public.customer, a: people }\n",
		"t.yaml:9:14: error: the primary keys do not match: (id) of "
		"'p' is not that of the other sides [config.key]\n"
		"    9 |       - { p: public.customer, a: people }\n"
		"      |              ^\n"
		"      = pair columns of other names, such as key: { p: id, a: "
		"other_id }\n"
		"t.yaml: 1 problem\n");
}

static void test_key_that_is_no_primary_key_is_refused(void **state)
{
	struct fake_plan p;

	fake_plan(&p,
		  TWO "syncs:\n  s:\n    between: [a, b]\n"
		      "    tables: [{ table: items, key: qty }]\n",
		  NULL, false);

	assert_non_null(strstr(p.shown, "t.yaml:8:35: error: this is not the "
					"primary key on all sides"));
	fake_plan_clear(&p);
}

/* circle is known to one system only, date and TEXT do not hold each other. */
static void test_types_that_would_lose_are_refused(void **state)
{
	struct fake_plan p;

	fake_plan(&p,
		  MIXED "      - p: customer\n"
			"        a: people\n"
			"        key: { p: id, a: person }\n"
			"        fields:\n"
			"          - since\n"
			"          - shape\n",
		  NULL, false);

	assert_int_equal(p.problems.n, 2);
	assert_non_null(strstr(
		p.shown,
		"t.yaml:13:13: error: column 'since' cannot be synced without "
		"loss [config.types]\n"
		"   13 |           - since\n"
		"      |             ^\n"
		"      = TEXT on 'a' cannot hold date of 'p': another type\n"));
	assert_non_null(strstr(p.shown, "column 'shape' cannot be synced"));
	fake_plan_clear(&p);
}

/* The type is that of a side which the others can hold, not just the first's.
 */
static void test_type_is_the_first_that_all_sides_hold(void **state)
{
	static const struct fake_column mixed[] = {
		{"a", "t", "id", "INTEGER", VALUE_INT64, .is_key = true},
		{"a", "t", "v", "sqlite:numeric", VALUE_NATIVE,
		 .is_key = false},
		{"b", "t", "id", "INTEGER", VALUE_INT64, .is_key = true},
		{"b", "t", "v", "sqlite:numeric", VALUE_NATIVE,
		 .is_key = false},
		{.table = NULL},
	};
	struct fake_plan p;

	fake_world.columns = mixed;
	fake_plan(&p,
		  TWO "syncs:\n  s:\n    between: [a, b]\n"
		      "    tables: [t]\n",
		  NULL, false);

	const Synod__Definition__Table *t =
		p.plan.definition->syncs[0]->tables[0];
	assert_int_equal(t->fields[1]->type, VALUE_NATIVE);
	assert_string_equal(t->fields[1]->native, "sqlite:numeric");
	assert_string_equal(t->fields[0]->native, "");
	fake_plan_clear(&p);
}

static void test_table_under_two_names_is_one_table(void **state)
{
	struct fake_plan p;

	fake_plan(&p,
		  MIXED "      - p: public.customer\n"
			"        a: people\n"
			"        key: { p: id, a: person }\n"
			"        fields: [country]\n"
			"      - p: customer\n"
			"        a: items\n"
			"        fields: [country]\n",
		  NULL, false);

	assert_non_null(strstr(p.shown, "table 'public.customer' of 'p' is "
					"synced twice [config.conflict]"));
	fake_plan_clear(&p);
}

/* -- where ----------------------------------------------------------------- */

static void test_where_becomes_comparisons_of_fields(void **state)
{
	struct fake_plan p;

	fake_plan(&p,
		  TWO "syncs:\n  s:\n    between: [a, b]\n    tables:\n"
		      "      - table: items\n"
		      "        where:\n"
		      "          a: qty >= 7 and name is not null\n"
		      "          on_leave: keep\n",
		  NULL, false);

	assert_string_equal(p.shown, "");
	const Synod__Definition__Table *t =
		p.plan.definition->syncs[0]->tables[0];
	const Synod__Definition__Side *side = t->sides[0];
	assert_int_equal(side->n_where, 2);
	assert_true(side->keeps_left);
	assert_string_equal(t->fields[side->where[0]->field]->name, "qty");
	assert_int_equal(side->where[0]->op,
			 SYNOD__DEFINITION__COMPARISON__OP__GE);
	assert_int_equal(side->where[1]->op,
			 SYNOD__DEFINITION__COMPARISON__OP__NOT_NULL);
	struct value_reader r = value_reader((struct bytes){
		side->where[0]->value.data, side->where[0]->value.len});
	struct value v;
	assert_true(value_read(&r, &v));
	assert_int_equal(v.type, VALUE_INT64);
	assert_int_equal(v.i64, 7);
	assert_int_equal(t->sides[1]->n_where, 0);
	fake_plan_clear(&p);
}

static void test_where_of_wrong_type_points_at_the_literal(void **state)
{
	struct fake_plan p;

	fake_plan(&p,
		  TWO "syncs:\n  s:\n    between: [a, b]\n    tables:\n"
		      "      - table: items\n"
		      "        where: { a: qty = 'x', b: nmae = 'y' }\n",
		  NULL, false);

	assert_non_null(strstr(p.shown,
			       "t.yaml:10:27: error: column 'qty' is int64, "
			       "not a text [config.bad_value]"));
	assert_non_null(strstr(p.shown,
			       "t.yaml:10:35: error: 'nmae' is not a field of "
			       "this table on 'b' [config.reference]"));
	assert_non_null(strstr(p.shown, "did you mean 'name'?"));
	fake_plan_clear(&p);
}

/* -- what the databases say ------------------------------------------------ */

static void test_connection_that_is_down_fails_the_plan(void **state)
{
	struct fake_plan p;

	fake_world.down = "b";
	fake_plan(&p, TWO STOCK, NULL, false);

	assert_int_equal(p.code, 0);
	assert_string_equal(p.shown, "");
	assert_int_equal(p.plan.n_failed, 1);
	assert_null(p.plan.definition);
	assert_lines(&p, "! connection b | check failed | connection "
			 "refused\n");
	fake_plan_clear(&p);
}

static void test_findings_are_lines_with_their_repair(void **state)
{
	struct fake_plan p;

	fake_world.finding = "a";
	fake_world.finding_text = "no full images";
	fake_world.finding_repair = "ALTER TABLE items REPLICA IDENTITY FULL";
	fake_world.is_finding_fatal = true;
	fake_plan(&p, TWO STOCK, NULL, false);

	assert_int_equal(p.plan.n_failed, 1);
	assert_lines(&p,
		     "+ connection a | new | sqlite path=/a.db\n"
		     "+ connection b | new | sqlite path=/b.db\n"
		     "+ sync stock | new | a <-> b, 1 table\n"
		     "! connection a | check failed | items: no full images | "
		     "ALTER TABLE items REPLICA IDENTITY FULL\n");
	fake_plan_clear(&p);

	fake_world.is_finding_fatal = false;
	fake_plan(&p, TWO STOCK, NULL, false);
	assert_int_equal(p.plan.n_failed, 0);
	assert_string_equal(p.plan.changes[3].class_name, "warning");
	fake_plan_clear(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_first_definition_is_new, setup),
		cmocka_unit_test_setup(test_fields_default_to_common_columns,
				       setup),
		cmocka_unit_test_setup(
			test_fields_are_renamed_and_key_is_paired, setup),
		cmocka_unit_test_setup(test_one_way_has_a_source_and_targets,
				       setup),
		cmocka_unit_test_setup(test_unknown_table_and_column_are_named,
				       setup),
		cmocka_unit_test_setup(
			test_table_without_primary_key_is_refused, setup),
		cmocka_unit_test_setup(test_keys_of_other_names_need_a_pair,
				       setup),
		cmocka_unit_test_setup(
			test_key_that_is_no_primary_key_is_refused, setup),
		cmocka_unit_test_setup(test_types_that_would_lose_are_refused,
				       setup),
		cmocka_unit_test_setup(
			test_type_is_the_first_that_all_sides_hold, setup),
		cmocka_unit_test_setup(test_table_under_two_names_is_one_table,
				       setup),
		cmocka_unit_test_setup(test_where_becomes_comparisons_of_fields,
				       setup),
		cmocka_unit_test_setup(
			test_where_of_wrong_type_points_at_the_literal, setup),
		cmocka_unit_test_setup(
			test_connection_that_is_down_fails_the_plan, setup),
		cmocka_unit_test_setup(
			test_findings_are_lines_with_their_repair, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
