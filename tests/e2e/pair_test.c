/* Two databases kept equal both ways while both are written to: they end equal,
 * every conflict is in the journal exactly once, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/rng.h"
#include "tests/e2e/load.h"
#include "tests/e2e/oracle.h"
#include "tests/e2e/rig.h"

enum { WRITERS = 2, CHURN_TXNS = 600, REGISTER_WRITES = 400, HOT = 12 };

static const char ALL[] = "SELECT id,uid,saw,n,note FROM item ORDER BY id";

static void wait_confirmed(struct load **list, size_t n, uint64_t wanted)
{
	const struct timespec nap = {.tv_nsec = 20000000};

	for (int tries = 0; tries < 3000; tries++) {
		uint64_t least = UINT64_MAX;
		for (size_t i = 0; i < n; i++)
			if (load_confirmed(list[i]) < least)
				least = load_confirmed(list[i]);
		if (least >= wanted)
			return;
		nanosleep(&nap, NULL);
	}
	fail_msg("the writers do not get on");
}

/* Writers on both sides until each has confirmed so many transactions. */
static void write_both(struct rig *r, enum load_kind kind, struct load **list,
		       uint64_t wanted)
{
	static const char *const prefixes[] = {"a0-", "a1-", "b0-", "b1-"};

	for (size_t i = 0; i < 2 * WRITERS; i++) {
		struct load_plan plan = {
			.side = i < WRITERS ? &r->a : &r->b,
			.table = "item",
			.kind = kind,
			.prefix = prefixes[i],
			.n_keys = kind == LOAD_CHURN ? 200 : HOT,
			.per_second = 300,
			.seed = rig_seed() + i,
		};
		list[i] = load_start(&plan);
	}
	wait_confirmed(list, 2 * WRITERS, wanted);
	load_stop(list, 2 * WRITERS);
}

static void free_loads(struct load **list)
{
	for (size_t i = 0; i < 2 * WRITERS; i++)
		load_free(list[i]);
}

static void churn(enum side_kind a, enum side_kind b)
{
	struct load *list[2 * WRITERS];
	struct rig r;

	rig_open(&r, a, b);
	load_create_table(&r.a, "item");
	load_create_table(&r.b, "item");
	stage_define_pair(&r.stage, &r.a, &r.b,
			  "    between: [a, b]\n    tables: [item]\n");
	stage_wait_running(&r.stage);
	write_both(&r, LOAD_CHURN, list, CHURN_TXNS);
	rig_settle(&r);
	stage_wait_equal(&r.stage, &r.a, &r.b, ALL);
	rig_check(&r);
	free_loads(list);
	rig_close(&r);
}

/* Rows that are there before, the same on both sides: the load takes them for
 * equal. Then every write says what it saw. */
static void registers(enum side_kind a, enum side_kind b, const char *policy)
{
	struct load *list[2 * WRITERS];
	char lines[256];
	struct rig r;

	rig_open(&r, a, b);
	load_create_table(&r.a, "item");
	load_create_table(&r.b, "item");
	for (int i = 1; i <= HOT; i++) {
		char sql[128];
		snprintf(sql, sizeof(sql),
			 "INSERT INTO item VALUES (%d,'init%d',NULL,0,NULL)", i,
			 i);
		rig_run_both(&r, sql);
	}
	snprintf(lines, sizeof(lines),
		 "    between: [a, b]\n    tables: [item]\n"
		 "    conflicts: { default: %s }\n",
		 policy);
	stage_define_pair(&r.stage, &r.a, &r.b, lines);
	stage_wait_running(&r.stage);
	write_both(&r, LOAD_REGISTER, list, REGISTER_WRITES);
	rig_settle(&r);
	stage_wait_equal(&r.stage, &r.a, &r.b, ALL);
	/* What a node tells is what is durable in its state: let all of them
	 * have everything. */
	rig_check(&r);
	size_t n = oracle_check(&r.stage, &r.a, "item", list, 2 * WRITERS);
	print_message("%zu conflicts\n", n);
	assert_true(n > 0);
	free_loads(list);
	rig_close(&r);
}

static void test_sqlite_sqlite_end_equal(void **state)
{
	churn(SIDE_SQLITE, SIDE_SQLITE);
}

static void test_postgres_postgres_end_equal(void **state)
{
	churn(SIDE_POSTGRES, SIDE_POSTGRES);
}

static void test_postgres_sqlite_end_equal(void **state)
{
	churn(SIDE_POSTGRES, SIDE_SQLITE);
}

static void test_sqlite_conflicts_are_exact(void **state)
{
	registers(SIDE_SQLITE, SIDE_SQLITE, "last-write-wins");
}

static void test_postgres_conflicts_are_exact(void **state)
{
	registers(SIDE_POSTGRES, SIDE_POSTGRES, "last-write-wins");
}

static void test_mixed_conflicts_prefer_a_side(void **state)
{
	registers(SIDE_POSTGRES, SIDE_SQLITE, "{ prefer: b }");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sqlite_sqlite_end_equal),
		cmocka_unit_test(test_sqlite_conflicts_are_exact),
		cmocka_unit_test(test_postgres_postgres_end_equal),
		cmocka_unit_test(test_postgres_conflicts_are_exact),
		cmocka_unit_test(test_postgres_sqlite_end_equal),
		cmocka_unit_test(test_mixed_conflicts_prefer_a_side),
	};
	return cmocka_run_group_tests_name("e2e.pair", tests, NULL, NULL);
}
