/* Transactions stay whole: transfers between accounts on both sides, and the
 * sum is the same in every state that anybody can read on either side. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/rng.h"
#include "tests/e2e/rig.h"

enum { ACCOUNTS = 100, BALANCE = 1000, TRANSFERS = 500, WAIT_ROUNDS = 6000 };

/* Each side moves money between accounts of its own half only: no conflicts,
 * which would (rightly) undo one half of somebody's transfer. */
struct teller {
	const struct side *side;
	unsigned first; /* of its half */
	struct rng rng;
	pthread_t thread;
	atomic_uint done;
	atomic_bool is_stopping;
};

static int transfer(struct teller *t, struct side_link *link, struct err *e)
{
	unsigned half = ACCOUNTS / 2, n = 1 + (unsigned)rng_below(&t->rng, 4);
	char sql[2048];
	size_t len = (size_t)snprintf(
		sql, sizeof(sql), "%s;",
		t->side->kind == SIDE_SQLITE ? "BEGIN IMMEDIATE" : "BEGIN");

	for (unsigned i = 0; i < n; i++) {
		int amount = 1 + (int)rng_below(&t->rng, 50);
		unsigned from = t->first + (unsigned)rng_below(&t->rng, half);
		unsigned to = t->first + (unsigned)rng_below(&t->rng, half);
		len += (size_t)snprintf(
			sql + len, sizeof(sql) - len,
			"UPDATE account SET balance=balance-%d WHERE id=%u;"
			"UPDATE account SET balance=balance+%d WHERE id=%u;",
			amount, from, amount, to);
	}
	snprintf(sql + len, sizeof(sql) - len, "COMMIT");
	return side_run(link, sql, e);
}

static void *teller_main(void *ctx)
{
	struct teller *t = ctx;
	struct side_link *link = link_dial(t->side);
	const struct timespec nap = {.tv_nsec = 4000000};

	while (!atomic_load(&t->is_stopping)) {
		struct err e = {0};
		int rc = transfer(t, link, &e);
		if (rc == 0)
			atomic_fetch_add(&t->done, 1);
		else if (rc != ERR_BUSY)
			abort();
		nanosleep(&nap, NULL);
	}
	side_hang_up(link);
	return NULL;
}

static void create_accounts(struct rig *r)
{
	rig_run_both(r, "CREATE TABLE account (id INTEGER PRIMARY KEY, "
			"balance INTEGER NOT NULL)");
	for (int i = 1; i <= ACCOUNTS; i++) {
		char sql[96];
		snprintf(sql, sizeof(sql), "INSERT INTO account VALUES (%d,%d)",
			 i, BALANCE);
		rig_run_both(r, sql);
	}
}

static void check_sum(struct rig *r, struct side_link *link,
		      const struct side *s)
{
	int64_t sum = link_number(link, "SELECT sum(balance) FROM account");

	if (sum != (int64_t)ACCOUNTS * BALANCE)
		stage_fail(&r->stage, "%s: the sum is %lld", s->name,
			   (long long)sum);
}

static void bank(enum side_kind a, enum side_kind b)
{
	struct rig r;
	struct teller tellers[2];
	const struct timespec nap = {.tv_nsec = 5000000};

	rig_open(&r, a, b);
	create_accounts(&r);
	stage_define_pair(&r.stage, &r.a, &r.b,
			  "    between: [a, b]\n    tables: [account]\n");
	stage_wait_running(&r.stage);
	struct side_link *at_a = link_dial(&r.a), *at_b = link_dial(&r.b);
	for (unsigned i = 0; i < 2; i++) {
		tellers[i] = (struct teller){.side = i ? &r.b : &r.a,
					     .first = 1 + i * ACCOUNTS / 2};
		rng_init(&tellers[i].rng, rig_seed() + i);
		assert_int_equal(pthread_create(&tellers[i].thread, NULL,
						teller_main, &tellers[i]),
				 0);
	}
	int rounds = 0;
	while (atomic_load(&tellers[0].done) < TRANSFERS ||
	       atomic_load(&tellers[1].done) < TRANSFERS) {
		check_sum(&r, at_a, &r.a);
		check_sum(&r, at_b, &r.b);
		nanosleep(&nap, NULL);
		assert_true(++rounds < WAIT_ROUNDS);
	}
	for (unsigned i = 0; i < 2; i++) {
		atomic_store(&tellers[i].is_stopping, true);
		pthread_join(tellers[i].thread, NULL);
	}
	stage_wait_equal(&r.stage, &r.a, &r.b,
			 "SELECT id,balance FROM account ORDER BY id");
	check_sum(&r, at_a, &r.a);
	rig_check(&r);
	side_hang_up(at_a);
	side_hang_up(at_b);
	rig_close(&r);
}

static void test_sqlite_transfers_stay_whole(void **state)
{
	bank(SIDE_SQLITE, SIDE_SQLITE);
}

static void test_postgres_transfers_stay_whole(void **state)
{
	bank(SIDE_POSTGRES, SIDE_POSTGRES);
}

static void test_mixed_transfers_stay_whole(void **state)
{
	bank(SIDE_POSTGRES, SIDE_SQLITE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sqlite_transfers_stay_whole),
		cmocka_unit_test(test_postgres_transfers_stay_whole),
		cmocka_unit_test(test_mixed_transfers_stay_whole),
	};
	return cmocka_run_group_tests_name("e2e.bank", tests, NULL, NULL);
}
