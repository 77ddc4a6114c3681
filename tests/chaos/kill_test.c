/* kill -9 in a loop, of the leader, of a follower, of all three at once, while
 * writers append through whatever node answers. Nothing acknowledged may be
 * lost, nothing may be there twice, all logs must be equal.
 *
 * SYNOD_SEED=N repeats the moments of the kills (not the machine's own). */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "tests/chaos/history.h"
#include "tests/chaos/rig.h"
#include "tests/chaos/writers.h"

enum {
	KILLS_MIN = 55,
	PROGRESS = 40, /* values that must be acknowledged between two steps */
	PROGRESS_MS = 20000,
};

struct round {
	struct fleet *fleet;
	struct writers *writers;
	struct rng rng;
	unsigned n_kills;
};

static uint64_t seed_of_run(void)
{
	const char *text = getenv("SYNOD_SEED");
	uint64_t seed;

	if (text)
		return strtoull(text, NULL, 10);
	rng_entropy(&seed, sizeof seed);
	return seed;
}

/* A moment that no rhythm of the nodes' own can hide from. */
static void wait_moment(struct round *r)
{
	struct timespec t = {.tv_nsec = (long)rng_below(&r->rng, 60000000)};

	nanosleep(&t, NULL);
}

static void must_progress(struct round *r)
{
	struct err e = {0};

	if (writers_wait_progress(r->writers, PROGRESS, PROGRESS_MS, &e))
		rig_fail(r->fleet, &e);
}

static void kill_one(struct round *r, unsigned i)
{
	struct err e = {0};

	fleet_kill(r->fleet, i);
	r->n_kills++;
	/* The others go on without it. */
	must_progress(r);
	wait_moment(r);
	if (fleet_start(r->fleet, i, &e))
		rig_fail(r->fleet, &e);
}

static void kill_all(struct round *r)
{
	struct err e = {0};

	for (unsigned i = 0; i < RIG_NODES; i++)
		fleet_kill(r->fleet, i);
	r->n_kills += RIG_NODES;
	if (fleet_start_all(r->fleet, &e))
		rig_fail(r->fleet, &e);
}

static void kill_round(struct round *r, unsigned number)
{
	struct err e = {0};
	unsigned leader;

	if (fleet_wait_ready(r->fleet, FLEET_START_MS, &leader, &e))
		rig_fail(r->fleet, &e);
	must_progress(r);
	wait_moment(r);
	if (number % 3 == 0)
		kill_one(r, leader);
	else if (number % 3 == 1)
		kill_one(r, (leader + 1) % RIG_NODES);
	else
		kill_all(r);
	must_progress(r);
}

static void test_kills_lose_nothing_acknowledged(void **state)
{
	struct round r = {0};
	struct err e = {0};
	uint64_t seed = seed_of_run(), index, digest, n;

	printf("seed %llu\n", (unsigned long long)seed);
	rng_init(&r.rng, seed);
	r.fleet = rig_open(NULL);
	r.writers = writers_start(r.fleet);

	for (unsigned i = 0; r.n_kills < KILLS_MIN; i++)
		kill_round(&r, i);
	writers_stop(r.writers);

	if (fleet_wait_equal(r.fleet, RIG_EQUAL_MS, &index, &digest, &e) ||
	    history_check(r.fleet, r.writers, &e))
		rig_fail(r.fleet, &e);
	writers_acked(r.writers, &n);
	printf("%u kills, %llu values acknowledged, %llu entries, all equal\n",
	       r.n_kills, (unsigned long long)n, (unsigned long long)index);
	writers_free(r.writers);
	rig_close(r.fleet);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kills_lose_nothing_acknowledged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
