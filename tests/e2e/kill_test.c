/* kill -9 of nodes and frozen owners that wake up, while both databases are
 * written to: every row arrives exactly once, which a trigger of the
 * application counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/rng.h"
#include "tests/e2e/audit.h"
#include "tests/e2e/load.h"
#include "tests/e2e/rig.h"

enum {
	/* Of each pair of databases; two pairs are tested. */
	KILLS = 52,
	FREEZES = 16,
	PROGRESS_ROWS = 20,
	PROGRESS_MS = 20000,
	FIRST_B = 100000000,
};

struct round {
	struct rig rig;
	struct load *writers[2];
	struct side_link *at_a, *at_b; /* what has arrived */
	struct rng rng;
};

static int64_t now_ms(void)
{
	struct clock clock = clock_system();

	return clock_mono_us(&clock) / 1000;
}

static void pause_ms(long ms)
{
	struct timespec t = {.tv_nsec = ms * 1000000};

	nanosleep(&t, NULL);
}

/* Rows of the other side that are here. */
static int64_t arrived(struct round *r, bool at_b)
{
	char sql[128];

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM item WHERE id %s %d",
		 at_b ? "<" : ">=", FIRST_B);
	return link_number(at_b ? r->at_b : r->at_a, sql);
}

/* Both directions go on. */
static void must_progress(struct round *r, const char *after)
{
	int64_t until = now_ms() + PROGRESS_MS;
	int64_t a = arrived(r, false) + PROGRESS_ROWS;
	int64_t b = arrived(r, true) + PROGRESS_ROWS;

	while (arrived(r, false) < a || arrived(r, true) < b) {
		if (now_ms() > until)
			stage_fail(&r->rig.stage, "nothing arrives after %s",
				   after);
		pause_ms(10);
	}
}

static void must_be_ready(struct round *r)
{
	struct err e = {0};
	unsigned leader;

	if (fleet_wait_ready(r->rig.stage.fleet, STAGE_WAIT_MS, &leader, &e))
		stage_fail(&r->rig.stage, "%s", e.text);
}

static void kill_one(struct round *r)
{
	unsigned i = (unsigned)rng_below(&r->rng, STAGE_NODES);
	struct err e = {0};

	fleet_kill(r->rig.stage.fleet, i);
	must_progress(r, "a kill");
	if (fleet_start(r->rig.stage.fleet, i, &e))
		stage_fail(&r->rig.stage, "%s", e.text);
	must_be_ready(r);
}

static void wait_taken_over(struct round *r, const char *task, unsigned from)
{
	int64_t until = now_ms() + PROGRESS_MS;

	while (stage_owner(&r->rig.stage, task) == from) {
		if (now_ms() > until)
			stage_fail(&r->rig.stage, "%s stays with a frozen node",
				   task);
		pause_ms(10);
	}
}

/* The owner of a task sleeps until another one has taken it over and goes on;
 * then it wakes up, in the middle of what it did. A process that sleeps with
 * the lock of a SQLite file holds up whoever writes to it, the application,
 * too: there the new owner goes on when the old one lets go. */
static void freeze_owner(struct round *r)
{
	static const char *const tasks[] = {"a/capture", "b/capture",
					    "pair/a/apply", "pair/b/apply"};
	const char *task = tasks[rng_below(&r->rng, 4)];
	unsigned i = stage_owner(&r->rig.stage, task);

	fleet_freeze(r->rig.stage.fleet, i);
	*fleet_asked(r->rig.stage.fleet) = (i + 1) % STAGE_NODES;
	wait_taken_over(r, task, i);
	if (r->rig.a.kind == SIDE_POSTGRES)
		must_progress(r, "a freeze");
	fleet_thaw(r->rig.stage.fleet, i);
	must_progress(r, "a thaw");
	must_be_ready(r);
}

static void start_writers(struct round *r)
{
	const struct load_plan plans[] = {
		{.side = &r->rig.a,
		 .table = "item",
		 .kind = LOAD_APPEND,
		 .prefix = "a-",
		 .first_key = 0,
		 .per_second = 100,
		 .seed = rig_seed()},
		{.side = &r->rig.b,
		 .table = "item",
		 .kind = LOAD_APPEND,
		 .prefix = "b-",
		 .first_key = FIRST_B,
		 .per_second = 100,
		 .seed = rig_seed() + 1},
	};

	for (int i = 0; i < 2; i++)
		r->writers[i] = load_start(&plans[i]);
}

static void setup(struct round *r, enum side_kind a, enum side_kind b)
{
	rig_open(&r->rig, a, b);
	rng_init(&r->rng, rig_seed());
	load_create_table(&r->rig.a, "item");
	load_create_table(&r->rig.b, "item");
	audit_create(&r->rig.a, "item");
	audit_create(&r->rig.b, "item");
	stage_define_pair(&r->rig.stage, &r->rig.a, &r->rig.b,
			  "    between: [a, b]\n    tables: [item]\n");
	stage_wait_running(&r->rig.stage);
	r->at_a = link_dial(&r->rig.a);
	r->at_b = link_dial(&r->rig.b);
	start_writers(r);
}

static void finish(struct round *r)
{
	load_stop(r->writers, 2);
	stage_wait_equal(&r->rig.stage, &r->rig.a, &r->rig.b,
			 "SELECT id,uid FROM item ORDER BY id");
	size_t n = audit_check(&r->rig.stage, &r->rig.a, r->writers, 2);
	assert_int_equal(audit_check(&r->rig.stage, &r->rig.b, r->writers, 2),
			 n);
	print_message("%zu rows, each written once on each side\n", n);
	rig_check(&r->rig);
	side_hang_up(r->at_a);
	side_hang_up(r->at_b);
	load_free(r->writers[0]);
	load_free(r->writers[1]);
	rig_close(&r->rig);
}

static void exactly_once(enum side_kind a, enum side_kind b)
{
	struct round r = {0};

	setup(&r, a, b);
	for (int i = 0; i < KILLS; i++)
		kill_one(&r);
	for (int i = 0; i < FREEZES; i++)
		freeze_owner(&r);
	finish(&r);
}

static void test_sqlite_rows_arrive_once(void **state)
{
	exactly_once(SIDE_SQLITE, SIDE_SQLITE);
}

static void test_postgres_rows_arrive_once(void **state)
{
	exactly_once(SIDE_POSTGRES, SIDE_POSTGRES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sqlite_rows_arrive_once),
		cmocka_unit_test(test_postgres_rows_arrive_once),
	};
	return cmocka_run_group_tests_name("e2e.kill", tests, NULL, NULL);
}
