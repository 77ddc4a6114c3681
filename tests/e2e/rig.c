#include "tests/e2e/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/rng.h"
#include "tests/it/sync/pg_server.h"

uint64_t rig_seed(void)
{
	static uint64_t seed;
	const char *text = getenv("SYNOD_SEED");

	if (seed == 0 && text)
		seed = strtoull(text, NULL, 10);
	if (seed == 0) {
		rng_entropy(&seed, sizeof(seed));
		seed = seed % 1000000 + 1;
		print_message("SYNOD_SEED=%llu\n", (unsigned long long)seed);
	}
	return seed;
}

/* The role that Synod and the application use is a plain one: it may log in,
 * replicate, and owns its database. */
static void open_postgres(struct rig *r, int which, const char *name)
{
	struct side *s = which ? &r->b : &r->a;
	struct err e = {0};

	if (pg_server_open(&r->servers[which], NULL, &e) ||
	    pg_server_run(r->servers[which], "postgres",
			  "CREATE ROLE synod LOGIN REPLICATION", &e) ||
	    pg_server_run(r->servers[which], "postgres",
			  "CREATE DATABASE app OWNER synod", &e) ||
	    pg_server_run(r->servers[which], "app",
			  "ALTER SCHEMA public OWNER TO synod", &e))
		fail_msg("%s", e.text);
	struct side_server server = {
		.host = pg_server_host(r->servers[which]),
		.port = pg_server_port(r->servers[which]),
		.user = "synod",
	};
	side_postgres(s, name, "app", &server);
}

void rig_open(struct rig *r, enum side_kind a, enum side_kind b)
{
	rig_open_with(r, a, b, NULL);
}

void rig_open_with(struct rig *r, enum side_kind a, enum side_kind b,
		   const char *node_lines)
{
	*r = (struct rig){0};
	rig_seed();
	stage_open_with(&r->stage, node_lines);
	snprintf(r->dir, sizeof(r->dir), "%s", fleet_dir(r->stage.fleet));
	if (a == SIDE_POSTGRES)
		open_postgres(r, 0, "a");
	else
		side_sqlite(&r->a, "a", r->dir);
	if (b == SIDE_POSTGRES)
		open_postgres(r, 1, "b");
	else
		side_sqlite(&r->b, "b", r->dir);
}

void rig_close(struct rig *r)
{
	stage_close(&r->stage);
	pg_server_close(r->servers[0]);
	pg_server_close(r->servers[1]);
	*r = (struct rig){0};
}

void rig_run_both(struct rig *r, const char *sql)
{
	struct side_link *a = link_dial(&r->a), *b = link_dial(&r->b);

	link_must(a, sql);
	link_must(b, sql);
	side_hang_up(a);
	side_hang_up(b);
}

enum { SETTLE_KEY = 2000000000, SETTLE_ROUNDS = 2 };

static void wait_row(struct rig *r, struct side_link *link, const char *uid)
{
	struct clock clock = clock_system();
	int64_t until = clock_mono_us(&clock) + STAGE_WAIT_MS * 1000LL;
	const struct timespec nap = {.tv_nsec = 10000000};
	char sql[128];

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM item WHERE uid = '%s'",
		 uid);
	while (link_number(link, sql) == 0) {
		if (clock_mono_us(&clock) > until)
			stage_fail(&r->stage, "row %s does not arrive", uid);
		nanosleep(&nap, NULL);
	}
}

void rig_settle(struct rig *r)
{
	struct side_link *links[] = {link_dial(&r->a), link_dial(&r->b)};
	char sql[256], uid[32];

	for (int round = 0; round < SETTLE_ROUNDS; round++) {
		for (int i = 0; i < 2; i++) {
			snprintf(sql, sizeof(sql),
				 "INSERT INTO item VALUES (%d, 'settle%d%d', "
				 "NULL, 0, NULL)",
				 SETTLE_KEY + 2 * round + i, round, i);
			link_must(links[i], sql);
		}
		for (int i = 0; i < 2; i++) {
			snprintf(uid, sizeof(uid), "settle%d%d", round, i);
			wait_row(r, links[1 - i], uid);
		}
	}
	side_hang_up(links[0]);
	side_hang_up(links[1]);
}

static void check_letters(struct rig *r)
{
	Synod__Admin__LettersRequest body;
	Synod__Admin__Request question;

	synod__admin__letters_request__init(&body);
	synod__admin__request__init(&question);
	body.count = 1;
	question.body_case = SYNOD__ADMIN__REQUEST__BODY_LETTERS;
	question.letters = &body;
	Synod__Admin__Response *answer = stage_ask(&r->stage, &question);
	if (answer->letters->n_letters)
		stage_fail(&r->stage, "dead letter: %s of %s: %s",
			   answer->letters->letters[0]->key,
			   answer->letters->letters[0]->connection,
			   answer->letters->letters[0]->text);
	answer_free(answer);
}

void rig_check(struct rig *r)
{
	uint64_t index, digest;
	struct err e = {0};

	if (fleet_check_alive(r->stage.fleet, &e) ||
	    fleet_wait_equal(r->stage.fleet, STAGE_WAIT_MS, &index, &digest,
			     &e))
		stage_fail(&r->stage, "%s", e.text);
	check_letters(r);
}
