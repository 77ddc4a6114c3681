/* A definition compared with the one in force: the lines of the plan, ids that
 * stay, the hash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/core/definition.h"
#include "define_fake.h"

static const struct fake_column columns[] = {
	{"a", "items", "sku", "TEXT", VALUE_TEXT, .is_key = true},
	{"a", "items", "name", "TEXT", VALUE_TEXT, .is_nullable = true},
	{"a", "items", "qty", "INTEGER", VALUE_INT64, .is_nullable = true},
	{"b", "items", "sku", "TEXT", VALUE_TEXT, .is_key = true},
	{"b", "items", "qty", "INTEGER", VALUE_INT64, .is_nullable = true},
	{"b", "items", "name", "TEXT", VALUE_TEXT, .is_nullable = true},
	{"a", "orders", "id", "INTEGER", VALUE_INT64, .is_key = true},
	{"a", "orders", "sum", "INTEGER", VALUE_INT64, .is_key = false},
	{"b", "orders", "id", "INTEGER", VALUE_INT64, .is_key = true},
	{"b", "orders", "sum", "INTEGER", VALUE_INT64, .is_key = false},
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

static void plan_next(struct fake_plan *first, struct fake_plan *next,
		      const char *a, const char *b, bool prune)
{
	fake_plan(first, a, NULL, false);
	assert_string_equal(first->shown, "");
	fake_plan(next, b, first->plan.definition, prune);
	assert_string_equal(next->shown, "");
	assert_int_equal(next->code, 0);
}

static void test_same_text_changes_nothing(void **state)
{
	struct fake_plan a, b;

	plan_next(&a, &b, TWO STOCK, TWO STOCK, false);

	assert_lines(&b, "");
	assert_true(definition_same(&a.plan.definition->base,
				    &b.plan.definition->base));
	fake_plan_clear(&b);
	fake_plan_clear(&a);
}

static void test_policy_is_live_and_keeps_ids(void **state)
{
	struct fake_plan a, b;

	plan_next(&a, &b, TWO STOCK,
		  TWO STOCK "    conflicts:\n"
			    "      default: { prefer: b }\n"
			    "      delete_vs_update: update-wins\n",
		  false);

	assert_lines(&b, "~ sync stock | live | conflicts.default  "
			 "last-write-wins  ->  prefer b\n"
			 "~ sync stock | live | conflicts.delete_vs_update  "
			 "as-default  ->  update-wins\n");
	const Synod__Definition__Sync *s = b.plan.definition->syncs[0];
	assert_int_equal(s->tables[0]->id, 1);
	assert_int_equal(s->policy->prefer_id, 2);
	assert_string_not_equal(a.plan.hash, b.plan.hash);
	fake_plan_clear(&b);
	fake_plan_clear(&a);
}

static void test_other_fields_make_another_table(void **state)
{
	struct fake_plan a, b;

	plan_next(&a, &b, TWO STOCK,
		  TWO "syncs:\n  stock:\n    between: [a, b]\n    tables:\n"
		      "      - { table: items, fields: [sku, qty] }\n",
		  false);

	assert_lines(&b, "~ table stock/items | reload | - name; its rows are "
			 "brought over again\n");
	assert_int_equal(b.plan.definition->syncs[0]->tables[0]->id, 2);
	assert_int_equal(b.plan.definition->syncs[0]->id, 1);
	assert_int_equal(b.plan.definition->next_table_id, 3);
	fake_plan_clear(&b);
	fake_plan_clear(&a);
}

static void test_added_and_removed_tables(void **state)
{
	struct fake_plan a, b;

	plan_next(&a, &b, TWO STOCK,
		  TWO "syncs:\n  stock:\n    between: [a, b]\n"
		      "    tables: [orders]\n",
		  false);

	assert_lines(&b, "+ table stock/orders | new | id (key), sum\n"
			 "- table stock/items | destructive | no longer "
			 "synced; its rows stay where they are\n");
	fake_plan_clear(&b);
	fake_plan_clear(&a);
}

static void test_what_is_not_named_stays_or_is_pruned(void **state)
{
	static const char other[] =
		TWO "syncs:\n  orders:\n    between: [a, b]\n"
		    "    tables: [orders]\n";
	struct fake_plan a, b, c;

	plan_next(&a, &b, TWO STOCK, other, false);
	assert_lines(&b, "+ sync orders | new | a <-> b, 1 table\n"
			 "= sync stock | kept | stays: it is not named here "
			 "(--prune removes it)\n");
	assert_int_equal(b.plan.definition->n_syncs, 2);

	fake_plan(&c, other, a.plan.definition, true);
	assert_lines(&c, "+ sync orders | new | a <-> b, 1 table\n"
			 "- sync stock | destructive | its positions, open "
			 "conflicts and dead letters go; rows stay where they "
			 "are\n");
	assert_int_equal(c.plan.definition->n_syncs, 1);
	assert_int_equal(c.plan.definition->syncs[0]->id, 2);
	fake_plan_clear(&c);
	fake_plan_clear(&b);
	fake_plan_clear(&a);
}

static void test_kept_sync_holds_its_tables(void **state)
{
	struct fake_plan a, b;

	fake_plan(&a, TWO STOCK, NULL, false);
	fake_plan(&b,
		  TWO "syncs:\n  twin:\n    between: [a, b]\n"
		      "    tables: [items]\n",
		  a.plan.definition, false);

	assert_non_null(strstr(b.shown, "table 'items' of 'a' is synced "
					"twice"));
	assert_non_null(strstr(b.shown, "sync 'stock' has it"));
	fake_plan_clear(&b);
	fake_plan_clear(&a);
}

static void test_syncs_alone_use_connections_in_force(void **state)
{
	struct fake_plan a, b;

	plan_next(&a, &b, TWO STOCK,
		  "synod: 1\nsyncs:\n  orders:\n    between: [b, a]\n"
		  "    tables: [orders]\n",
		  false);

	assert_int_equal(b.plan.definition->n_connections, 2);
	assert_int_equal(b.plan.definition->syncs[1]->connection_ids[0], 2);
	fake_plan_clear(&b);
	fake_plan_clear(&a);
}

static void test_connection_changes_restart(void **state)
{
	struct fake_plan a, b;

	plan_next(&a, &b, TWO STOCK,
		  "synod: 1\n"
		  "connections:\n"
		  "  a: { type: sqlite, path: /new.db, busy_ms: 7 }\n"
		  "  b: { type: sqlite, path: /b.db }\n" STOCK,
		  false);

	assert_lines(&b, "~ connection a | restart | path /a.db -> /new.db, "
			 "busy_ms (default) -> 7\n");
	assert_int_equal(b.plan.definition->syncs[0]->tables[0]->id, 1);
	fake_plan_clear(&b);
	fake_plan_clear(&a);
}

/* Positions are kept by id: another kind of system cannot have the old one. */
static void test_connection_of_another_kind_is_another_one(void **state)
{
	static const struct fake_column moved[] = {
		{"a", "orders", "id", "INTEGER", VALUE_INT64, .is_key = true},
		{"b", "orders", "id", "INTEGER", VALUE_INT64, .is_key = true},
		{.table = NULL},
	};
	static const char text[] = "syncs:\n  s:\n    between: [a, b]\n"
				   "    tables: [orders]\n";
	char first[512], second[512];
	struct fake_plan a, b;

	fake_world.columns = moved;
	snprintf(first, sizeof first, "%s%s", TWO, text);
	snprintf(second, sizeof second,
		 "synod: 1\nconnections:\n"
		 "  a: { type: postgresql, database: x }\n"
		 "  b: { type: sqlite, path: /b.db }\n%s",
		 text);
	plan_next(&a, &b, first, second, false);

	assert_int_equal(b.plan.definition->connections[0]->id, 2);
	assert_int_equal(b.plan.definition->connections[1]->id, 3);
	assert_string_equal(b.plan.definition->connections[1]->name, "a");
	assert_int_equal(b.plan.definition->syncs[0]->tables[0]->id, 2);
	fake_plan_clear(&b);
	fake_plan_clear(&a);
}

static void test_hash_is_of_both_definitions(void **state)
{
	struct fake_plan a, b, c;

	fake_plan(&a, TWO STOCK, NULL, false);
	fake_plan(&b, TWO STOCK "    mode: live\n", NULL, false);
	fake_plan(&c, TWO STOCK, a.plan.definition, false);

	assert_string_equal(a.plan.hash, b.plan.hash);
	assert_string_not_equal(a.plan.hash, c.plan.hash);
	fake_plan_clear(&c);
	fake_plan_clear(&b);
	fake_plan_clear(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_same_text_changes_nothing, setup),
		cmocka_unit_test_setup(test_policy_is_live_and_keeps_ids,
				       setup),
		cmocka_unit_test_setup(test_other_fields_make_another_table,
				       setup),
		cmocka_unit_test_setup(test_added_and_removed_tables, setup),
		cmocka_unit_test_setup(
			test_what_is_not_named_stays_or_is_pruned, setup),
		cmocka_unit_test_setup(test_kept_sync_holds_its_tables, setup),
		cmocka_unit_test_setup(
			test_syncs_alone_use_connections_in_force, setup),
		cmocka_unit_test_setup(test_connection_changes_restart, setup),
		cmocka_unit_test_setup(
			test_connection_of_another_kind_is_another_one, setup),
		cmocka_unit_test_setup(test_hash_is_of_both_definitions, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
