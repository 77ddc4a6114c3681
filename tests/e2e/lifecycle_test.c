/* What happens in a year of running: a target that is down for longer than the
 * log has room, all nodes at once, a node that was away for so long that it
 * needs an image, definitions that change. Applications write all the time; in
 * the end both sides are equal, and every row was written once. */
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
#include "tests/e2e/acts.h"
#include "tests/e2e/audit.h"
#include "tests/e2e/load.h"
#include "tests/e2e/rig.h"
#include "tests/it/sync/pg_server.h"

enum {
	FIRST_B = 100000000,
	PER_SECOND = 50,
	/* Ballast: more than the smallest log has room for. */
	BALLAST_ROWS = 60,
	BALLAST_ROUNDS = 8,
	BALLAST_BYTES = 50000,
};

static const char SMALL_LOG[] = "limits: { log: 16MiB }";
static const char BOTH_TABLES[] = "    between: [a, b]\n"
				  "    tables: [item, ballast]\n";
static const char ITEMS[] = "SELECT id,uid FROM item ORDER BY id";
static const char BALLAST[] = "SELECT id,length(body) FROM ballast "
			      "ORDER BY id";

static int64_t now_ms(void)
{
	struct clock clock = clock_system();

	return clock_mono_us(&clock) / 1000;
}

static void nap(void)
{
	const struct timespec t = {.tv_nsec = 20000000};

	nanosleep(&t, NULL);
}

/* -- a pair that is written to --------------------------------------------- */
struct life {
	struct rig rig;
	struct load *writers[2];
};

static void create_ballast(const struct side *s)
{
	struct side_link *link = link_dial(s);

	link_must(link, "CREATE TABLE ballast (id BIGINT PRIMARY KEY, "
			"body TEXT)");
	if (s->kind == SIDE_POSTGRES)
		link_must(link, "ALTER TABLE ballast REPLICA IDENTITY FULL");
	side_hang_up(link);
}

static void life_begin(struct life *l, enum side_kind a, enum side_kind b,
		       const char *node_lines)
{
	rig_open_with(&l->rig, a, b, node_lines);
	load_create_table(&l->rig.a, "item");
	load_create_table(&l->rig.b, "item");
	audit_create(&l->rig.a, "item");
	audit_create(&l->rig.b, "item");
	create_ballast(&l->rig.a);
	create_ballast(&l->rig.b);
	stage_define_pair(&l->rig.stage, &l->rig.a, &l->rig.b, BOTH_TABLES);
	stage_wait_running(&l->rig.stage);
	const struct load_plan plans[] = {
		{.side = &l->rig.a,
		 .table = "item",
		 .kind = LOAD_APPEND,
		 .prefix = "a-",
		 .per_second = PER_SECOND,
		 .seed = rig_seed()},
		{.side = &l->rig.b,
		 .table = "item",
		 .kind = LOAD_APPEND,
		 .prefix = "b-",
		 .first_key = FIRST_B,
		 .per_second = PER_SECOND,
		 .seed = rig_seed() + 1},
	};
	for (int i = 0; i < 2; i++)
		l->writers[i] = load_start(&plans[i]);
}

static int64_t count(const struct side *s, const char *sql)
{
	struct side_link *link = link_dial(s);
	int64_t n = link_number(link, sql);

	side_hang_up(link);
	return n;
}

/* Rows of the other side go on arriving, on both sides. */
static void must_progress(struct life *l, const char *after)
{
	static const char from_b[] =
		"SELECT count(*) FROM item WHERE id >= 100000000";
	static const char from_a[] =
		"SELECT count(*) FROM item WHERE id < 100000000";
	int64_t until = now_ms() + STAGE_WAIT_MS;
	int64_t at_a = count(&l->rig.a, from_b) + 10;
	int64_t at_b = count(&l->rig.b, from_a) + 10;

	while (count(&l->rig.a, from_b) < at_a ||
	       count(&l->rig.b, from_a) < at_b) {
		if (now_ms() > until)
			stage_fail(&l->rig.stage, "nothing arrives after %s",
				   after);
		nap();
	}
}

/* Equal, and once. */
static void life_end(struct life *l)
{
	struct stage *s = &l->rig.stage;

	load_stop(l->writers, 2);
	stage_wait_equal(s, &l->rig.a, &l->rig.b, ITEMS);
	stage_wait_equal(s, &l->rig.a, &l->rig.b, BALLAST);
	size_t n = audit_check(s, &l->rig.a, l->writers, 2);
	assert_int_equal(audit_check(s, &l->rig.b, l->writers, 2), n);
	assert_true(n > 0);
	rig_check(&l->rig);
	load_free(l->writers[0]);
	load_free(l->writers[1]);
	rig_close(&l->rig);
}

/* One round of ballast, of rows that no other round has. */
static void add_ballast(const struct side *s, int round)
{
	struct side_link *link = link_dial(s);
	char sql[256];

	for (int i = 0; i < BALLAST_ROWS; i++) {
		int id = round * BALLAST_ROWS + i;
		/* Hex of random bytes, or repeated text where there is no such
		 * function: the log does not compress. */
		snprintf(sql, sizeof(sql),
			 s->kind == SIDE_SQLITE
				 ? "INSERT INTO ballast VALUES (%d, "
				   "hex(zeroblob(%d)))"
				 : "INSERT INTO ballast VALUES (%d, "
				   "repeat('00', %d))",
			 id, BALLAST_BYTES / 2);
		link_must(link, sql);
	}
	side_hang_up(link);
}

static Synod__Admin__NodeStatus status_of(struct stage *s, unsigned i)
{
	Synod__Admin__Response *answer;
	struct err e = {0};

	if (fleet_status(s->fleet, i, &answer, &e))
		stage_fail(s, "%s", e.text);
	Synod__Admin__NodeStatus out = *answer->status->self;
	answer_free(answer);
	return out; /* its numbers; the texts are gone */
}

/* -- a target that is down ------------------------------------------------- */
/* The log is kept for it and fills; then the captures wait, and the overview
 * says for whom. When it is back all of it arrives, and captures go on. */
static void test_a_full_log_waits_for_a_target(void **state)
{
	struct err e = {0};
	struct life l;

	life_begin(&l, SIDE_SQLITE, SIDE_POSTGRES, SMALL_LOG);
	must_progress(&l, "the start");
	if (pg_server_stop(l.rig.servers[1], &e))
		fail_msg("%s", e.text);
	for (int i = 0; i < BALLAST_ROUNDS; i++)
		add_ballast(&l.rig.a, i);
	acts_wait_view(&l.rig.stage,
		       &(struct acts_view){.sync = "pair",
					   .state = "degraded",
					   .problem = "the log is full",
					   .hint = "synodctl connection test "
						   "b"});
	/* The source goes on in any case. */
	add_ballast(&l.rig.a, BALLAST_ROUNDS);
	if (pg_server_start(l.rig.servers[1], &e))
		fail_msg("%s", e.text);
	acts_wait_number(&l.rig.stage, &l.rig.b, "SELECT count(*) FROM ballast",
			 (int64_t)(BALLAST_ROUNDS + 1) * BALLAST_ROWS);
	must_progress(&l, "the outage");
	acts_wait_view(&l.rig.stage, &(struct acts_view){.sync = "pair",
							 .state = "running",
							 .problem = "",
							 .hint = ""});
	life_end(&l);
}

/* -- nodes that are away --------------------------------------------------- */
static void wait_ready(struct stage *s)
{
	struct err e = {0};
	unsigned leader;

	if (fleet_wait_ready(s->fleet, STAGE_WAIT_MS, &leader, &e))
		stage_fail(s, "%s", e.text);
}

static void test_all_nodes_die_at_once(void **state)
{
	struct err e = {0};
	struct life l;

	life_begin(&l, SIDE_SQLITE, SIDE_SQLITE, NULL);
	for (int round = 0; round < 3; round++) {
		must_progress(&l, "the start");
		for (unsigned i = 0; i < STAGE_NODES; i++)
			fleet_kill(l.rig.stage.fleet, i);
		if (fleet_start_all(l.rig.stage.fleet, &e))
			stage_fail(&l.rig.stage, "%s", e.text);
		wait_ready(&l.rig.stage);
	}
	must_progress(&l, "the death of all");
	life_end(&l);
}

/* Until the log of the others has forgotten what this node had last. */
static unsigned kill_until_image_needed(struct life *l, uint64_t *had)
{
	struct stage *s = &l->rig.stage;
	unsigned away = (stage_leader(s) + 1) % STAGE_NODES;
	unsigned other = (away + 1) % STAGE_NODES;
	int64_t until = now_ms() + STAGE_WAIT_MS;

	*had = status_of(s, away).last_index;
	fleet_kill(s->fleet, away);
	*fleet_asked(s->fleet) = other;
	for (int i = 0; status_of(s, other).first_index <= *had + 1; i++) {
		if (now_ms() > until)
			stage_fail(s, "the log keeps everything");
		add_ballast(&l->rig.a, i);
	}
	return away;
}

static void start_from_image(struct life *l, unsigned away, uint64_t had)
{
	struct err e = {0};

	if (fleet_start(l->rig.stage.fleet, away, &e))
		stage_fail(&l->rig.stage, "%s", e.text);
	wait_ready(&l->rig.stage);
	assert_true(status_of(&l->rig.stage, away).first_index > had + 1);
}

/* Then all tasks move to it. */
static void test_a_node_that_needs_an_image(void **state)
{
	static const char *const tasks[] = {"a/capture", "b/capture",
					    "pair/a/apply", "pair/b/apply"};
	struct err e = {0};
	struct life l;
	uint64_t had;

	life_begin(&l, SIDE_SQLITE, SIDE_SQLITE, SMALL_LOG);
	must_progress(&l, "the start");
	unsigned away = kill_until_image_needed(&l, &had);
	start_from_image(&l, away, had);
	for (int i = 0; i < 4; i++)
		if (work_move(l.rig.stage.fleet, tasks[i], away, &e))
			stage_fail(&l.rig.stage, "%s", e.text);
	must_progress(&l, "the move to it");
	life_end(&l);
}

/* -- definitions that change ----------------------------------------------- */
static void test_tables_and_fields_are_added(void **state)
{
	struct stage *s;
	struct life l;

	life_begin(&l, SIDE_SQLITE, SIDE_POSTGRES, NULL);
	s = &l.rig.stage;
	struct side_link *a = link_dial(&l.rig.a), *b = link_dial(&l.rig.b);
	link_must(a, "CREATE TABLE extra (id BIGINT PRIMARY KEY, v TEXT, "
		     "w TEXT)");
	/* A role that is called as our schema looks there first. */
	link_must(b, "CREATE TABLE public.extra (id BIGINT PRIMARY KEY, "
		     "v TEXT, w TEXT)");
	link_must(b, "ALTER TABLE extra REPLICA IDENTITY FULL");
	side_hang_up(b);
	link_must(a, "INSERT INTO extra VALUES (1, 'v1', 'w1'), "
		     "(2, 'v2', 'w2')");
	must_progress(&l, "the start");
	stage_define_pair(s, &l.rig.a, &l.rig.b,
			  "    between: [a, b]\n    tables:\n"
			  "      - item\n      - ballast\n"
			  "      - { table: extra, fields: [v] }\n");
	stage_wait_running(s);
	stage_wait_equal(s, &l.rig.a, &l.rig.b,
			 "SELECT id,v FROM extra ORDER BY id");
	must_progress(&l, "a second table");
	stage_define_pair(s, &l.rig.a, &l.rig.b,
			  "    between: [a, b]\n    tables:\n"
			  "      - item\n      - ballast\n"
			  "      - { table: extra, fields: [v, w] }\n"
			  "    initial: { load: merge, authority: a }\n");
	stage_wait_running(s);
	stage_wait_equal(s, &l.rig.a, &l.rig.b,
			 "SELECT id,v,w FROM extra ORDER BY id");
	link_must(a, "UPDATE extra SET w = 'later' WHERE id = 2");
	stage_wait_equal(s, &l.rig.a, &l.rig.b,
			 "SELECT id,v,w FROM extra ORDER BY id");
	side_hang_up(a);
	must_progress(&l, "a new field");
	life_end(&l);
}

static void test_a_pause_under_writes(void **state)
{
	static const char all[] = "SELECT count(*) FROM item";
	struct life l;

	life_begin(&l, SIDE_SQLITE, SIDE_POSTGRES, NULL);
	must_progress(&l, "the start");
	acts_pause(&l.rig.stage, "pair", "", true);
	acts_wait_view(&l.rig.stage,
		       &(struct acts_view){"pair", "paused", "the test says so",
					   "synodctl sync resume pair"});
	int64_t more = count(&l.rig.a, all) + 2 * PER_SECOND;
	int64_t until = now_ms() + STAGE_WAIT_MS;
	while (count(&l.rig.a, all) < more && now_ms() < until)
		nap();
	acts_pause(&l.rig.stage, "pair", "", false);
	must_progress(&l, "the pause");
	life_end(&l);
}

/* What we put into a database is gone from it. */
static void must_be_clean_postgres(struct stage *s, const struct side *side)
{
	acts_wait_number(s, side, "SELECT count(*) FROM pg_replication_slots",
			 0);
	acts_wait_number(s, side, "SELECT count(*) FROM pg_publication", 0);
	acts_wait_number(s, side,
			 "SELECT count(*) FROM pg_trigger WHERE NOT "
			 "tgisinternal AND tgname LIKE 'synod%'",
			 0);
	acts_wait_number(s, side, "SELECT count(*) FROM synod.checkpoint", 0);
}

static void must_be_clean_sqlite(struct stage *s, const struct side *side)
{
	acts_wait_number(s, side,
			 "SELECT count(*) FROM sqlite_master WHERE "
			 "name LIKE '%synod%'",
			 0);
}

static void test_a_removed_sync_leaves_nothing(void **state)
{
	char text[4096];
	struct life l;

	life_begin(&l, SIDE_SQLITE, SIDE_POSTGRES, NULL);
	must_progress(&l, "the start");
	load_stop(l.writers, 2);
	stage_wait_equal(&l.rig.stage, &l.rig.a, &l.rig.b, ITEMS);
	/* The sync goes, under nobody's writes; the connections stay. */
	snprintf(text, sizeof(text), "synod: 1\nconnections:\n%s%s",
		 l.rig.a.yaml, l.rig.b.yaml);
	acts_define_all(&l.rig.stage, text);
	must_be_clean_postgres(&l.rig.stage, &l.rig.b);
	must_be_clean_sqlite(&l.rig.stage, &l.rig.a);
	/* Both connections go, too; and all of it comes back. */
	acts_define_all(&l.rig.stage, "synod: 1\n");
	struct side_link *a = link_dial(&l.rig.a);
	link_must(a, "INSERT INTO item VALUES (-1, 'alone', NULL, 0, 'x')");
	side_hang_up(a);
	stage_define_pair(&l.rig.stage, &l.rig.a, &l.rig.b, BOTH_TABLES);
	stage_wait_running(&l.rig.stage);
	acts_wait_number(&l.rig.stage, &l.rig.b,
			 "SELECT count(*) FROM item WHERE id = -1", 1);
	stage_wait_equal(&l.rig.stage, &l.rig.a, &l.rig.b, ITEMS);
	/* And at last with sync and connections in one go. */
	acts_define_all(&l.rig.stage, "synod: 1\n");
	must_be_clean_postgres(&l.rig.stage, &l.rig.b);
	must_be_clean_sqlite(&l.rig.stage, &l.rig.a);
	load_free(l.writers[0]);
	load_free(l.writers[1]);
	rig_close(&l.rig);
}

/* -- a column that becomes another ----------------------------------------- */
static void test_a_changed_column_pauses_its_table(void **state)
{
	struct life l;

	life_begin(&l, SIDE_POSTGRES, SIDE_POSTGRES, NULL);
	struct side_link *a = link_dial(&l.rig.a), *b = link_dial(&l.rig.b);
	link_must(a, "INSERT INTO ballast VALUES (1, '1')");
	must_progress(&l, "the start");
	link_must(a, "ALTER TABLE ballast ALTER COLUMN body TYPE bigint "
		     "USING body::bigint");
	link_must(a, "INSERT INTO ballast VALUES (2, 22)");
	acts_wait_view(&l.rig.stage,
		       &(struct acts_view){"pair", "degraded",
					   "table public.ballast is paused",
					   "synodctl sync resume pair --table "
					   "public.ballast"});
	must_progress(&l, "a changed column");
	/* The way on: the column is what it was, the table is loaded again. */
	link_must(a, "ALTER TABLE ballast ALTER COLUMN body TYPE text");
	link_must(a, "INSERT INTO ballast VALUES (3, '333')");
	acts_pause(&l.rig.stage, "pair", "public.ballast", false);
	stage_wait_running(&l.rig.stage);
	acts_wait_number(&l.rig.stage, &l.rig.b, "SELECT count(*) FROM ballast",
			 3);
	link_must(a, "DELETE FROM ballast WHERE id = 1");
	acts_wait_number(&l.rig.stage, &l.rig.b, "SELECT count(*) FROM ballast",
			 2);
	side_hang_up(a);
	side_hang_up(b);
	life_end(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_full_log_waits_for_a_target),
		cmocka_unit_test(test_all_nodes_die_at_once),
		cmocka_unit_test(test_a_node_that_needs_an_image),
		cmocka_unit_test(test_tables_and_fields_are_added),
		cmocka_unit_test(test_a_pause_under_writes),
		cmocka_unit_test(test_a_removed_sync_leaves_nothing),
		cmocka_unit_test(test_a_changed_column_pauses_its_table),
	};
	cmocka_set_test_filter(getenv("SYNOD_TEST"));
	return cmocka_run_group_tests_name("e2e.lifecycle", tests, NULL, NULL);
}
