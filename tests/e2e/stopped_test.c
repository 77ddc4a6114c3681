/* The source never waits for a target: while a target database is down, what
 * the source does goes into the log, and the source keeps little for us; so
 * does a captured database in which nothing happens. Afterwards the target gets
 * everything.
 *
 * SYNOD_STOPPED_S=120 makes the outage as long as that; it is short otherwise.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "tests/e2e/load.h"
#include "tests/e2e/rig.h"
#include "tests/it/sync/pg_server.h"

enum { OUTAGE_S = 12, RETAINED_MAX = 32 << 20, CATCH_UP_S = 60 };

static int64_t now_ms(void)
{
	struct clock clock = clock_system();

	return clock_mono_us(&clock) / 1000;
}

static int64_t server_number(struct pg_server *s, const char *sql)
{
	char text[PG_SERVER_TEXT_MAX];
	struct err e = {0};

	if (pg_server_text(s, "app", sql, text, &e))
		fail_msg("%s: %s", sql, e.text);
	return strtoll(text, NULL, 10);
}

/* WAL that the server must keep because of replication slots. */
static int64_t retained(struct pg_server *s)
{
	return server_number(s, "SELECT coalesce(max(pg_current_wal_lsn() - "
				"confirmed_flush_lsn), 0)::bigint FROM "
				"pg_replication_slots");
}

static int64_t confirmed_lsn(struct pg_server *s)
{
	return server_number(s, "SELECT (confirmed_flush_lsn - "
				"'0/0'::pg_lsn)::bigint FROM "
				"pg_replication_slots LIMIT 1");
}

/* The position moves on, and little is kept, all the time. */
static void watch_outage(struct rig *r, int seconds)
{
	const struct timespec second = {.tv_sec = 1};
	int64_t begin = confirmed_lsn(r->servers[0]);
	int64_t most = 0;

	for (int i = 0; i < seconds; i++) {
		nanosleep(&second, NULL);
		int64_t now = retained(r->servers[0]);
		if (now > most)
			most = now;
	}
	print_message("kept by the source: at most %lld KiB\n",
		      (long long)most >> 10);
	if (confirmed_lsn(r->servers[0]) <= begin)
		stage_fail(&r->stage, "the captured position stands");
	if (most > RETAINED_MAX)
		stage_fail(&r->stage, "the source keeps %lld bytes",
			   (long long)most);
}

static void wait_rows(struct rig *r, int64_t wanted)
{
	struct side_link *b = link_dial(&r->b);
	int64_t until = now_ms() + CATCH_UP_S * 1000;
	const struct timespec nap = {.tv_nsec = 50000000};

	while (link_number(b, "SELECT count(*) FROM item") < wanted) {
		if (now_ms() > until)
			stage_fail(&r->stage, "the target does not catch up");
		nanosleep(&nap, NULL);
	}
	side_hang_up(b);
}

static void test_the_source_never_waits(void **state)
{
	const char *text = getenv("SYNOD_STOPPED_S");
	int seconds = text ? (int)strtol(text, NULL, 10) : OUTAGE_S;
	struct err e = {0};
	struct rig r;

	rig_open(&r, SIDE_POSTGRES, SIDE_POSTGRES);
	load_create_table(&r.a, "item");
	load_create_table(&r.b, "item");
	stage_define_pair(&r.stage, &r.a, &r.b,
			  "    from: a\n    to: b\n    tables: [item]\n");
	stage_wait_running(&r.stage);
	struct load_plan plan = {.side = &r.a,
				 .table = "item",
				 .kind = LOAD_APPEND,
				 .prefix = "a-",
				 .seed = rig_seed()};
	struct load *writer = load_start(&plan);
	wait_rows(&r, 10);
	if (pg_server_stop(r.servers[1], &e))
		fail_msg("%s", e.text);
	watch_outage(&r, seconds);
	if (pg_server_start(r.servers[1], &e))
		fail_msg("%s", e.text);
	load_stop(&writer, 1);
	wait_rows(&r, (int64_t)load_confirmed(writer));
	stage_wait_equal(&r.stage, &r.a, &r.b,
			 "SELECT id,uid FROM item ORDER BY id");
	rig_check(&r);
	load_free(writer);
	rig_close(&r);
}

/* WAL of a server belongs to all its databases: a busy one beside ours that has
 * nothing to do must not make the server keep it for us. */
static void test_an_idle_database_keeps_nothing(void **state)
{
	static const char busy[] =
		"INSERT INTO noise SELECT repeat('x', 1000) FROM "
		"generate_series(1, 8000)";
	struct err e = {0};
	struct rig r;
	int64_t until = 0;

	rig_open(&r, SIDE_POSTGRES, SIDE_SQLITE);
	load_create_table(&r.a, "item");
	load_create_table(&r.b, "item");
	stage_define_pair(&r.stage, &r.a, &r.b,
			  "    from: a\n    to: b\n    tables: [item]\n");
	stage_wait_running(&r.stage);
	if (pg_server_run(r.servers[0], "postgres",
			  "CREATE TABLE noise (t text)", &e))
		fail_msg("%s", e.text);
	for (int i = 0; i < 8; i++)
		if (pg_server_run(r.servers[0], "postgres", busy, &e))
			fail_msg("%s", e.text);
	until = now_ms() + STAGE_WAIT_MS;
	const struct timespec nap = {.tv_nsec = 100000000};
	while (retained(r.servers[0]) > (16 << 20)) {
		if (now_ms() > until)
			stage_fail(&r.stage, "the server keeps %lld bytes",
				   (long long)retained(r.servers[0]));
		nanosleep(&nap, NULL);
	}
	rig_check(&r);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_source_never_waits),
		cmocka_unit_test(test_an_idle_database_keeps_nothing),
	};
	return cmocka_run_group_tests_name("e2e.stopped", tests, NULL, NULL);
}
