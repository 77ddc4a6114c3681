/* Tasks follow what is decided: they start where they were assigned, leave a
 * node before it stops, stay where they are when the leader changes, and stop
 * when their sync is paused. */
#include "tests/it/node/support.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TEXT_BYTES = 1024, TASKS = 4 };

static char *text_of(const char *s)
{
	return (char *)(uintptr_t)s; /* protobuf-c never writes it */
}

static void database(struct fleet *f, const char *name, const char *sql)
{
	char path[FLEET_PATH_MAX + 32];
	sqlite3 *db = NULL;

	snprintf(path, sizeof(path), "%s/%s.db", fleet_dir(f), name);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, WAIT_MS);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static int count_rows(struct fleet *f, const char *name)
{
	char path[FLEET_PATH_MAX + 32];
	sqlite3 *db = NULL;
	sqlite3_stmt *statement = NULL;

	snprintf(path, sizeof(path), "%s/%s.db", fleet_dir(f), name);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, WAIT_MS);
	assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*) FROM items",
					    -1, &statement, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	int n = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return n;
}

static void wait_rows(struct fleet *f, const char *name, int n)
{
	struct timespec pause = {.tv_nsec = 10000000};

	for (int k = 0; k < WAIT_MS / 10; k++) {
		if (count_rows(f, name) == n)
			return;
		nanosleep(&pause, NULL);
	}
	fail_msg("%s has %d rows, not %d", name, count_rows(f, name), n);
}

static void define(struct fleet *f)
{
	Synod__Admin__DefineRequest body;
	Synod__Admin__Request question;
	char text[TEXT_BYTES];

	snprintf(text, sizeof(text),
		 "synod: 1\n"
		 "connections:\n"
		 "  a: { type: sqlite, path: %s/a.db }\n"
		 "  b: { type: sqlite, path: %s/b.db }\n"
		 "syncs:\n"
		 "  pair:\n"
		 "    between: [a, b]\n"
		 "    tables: [items]\n",
		 fleet_dir(f), fleet_dir(f));
	synod__admin__define_request__init(&body);
	synod__admin__request__init(&question);
	body.action = SYNOD__ADMIN__DEFINE_REQUEST__ACTION__APPLY;
	body.text = text;
	body.file = text_of("t.yaml");
	question.body_case = SYNOD__ADMIN__REQUEST__BODY_DEFINE;
	question.define = &body;
	Synod__Admin__Response *r = ask_node(f, 0, &question);
	assert_int_equal(r->define->revision, 1);
	answer_free(r);
}

static Synod__Admin__Response *overview(struct fleet *f, unsigned i)
{
	Synod__Admin__OverviewRequest body;
	Synod__Admin__Request question;

	synod__admin__overview_request__init(&body);
	synod__admin__request__init(&question);
	question.body_case = SYNOD__ADMIN__REQUEST__BODY_OVERVIEW;
	question.overview = &body;
	return ask_node(f, i, &question);
}

/* Node i says that all tasks are in this state, none of them on that node. */
static void wait_tasks(struct fleet *f, unsigned i, const char *state,
		       const char *not_on)
{
	struct timespec pause = {.tv_nsec = 10000000};
	char seen[128] = "";

	for (int k = 0; k < WAIT_MS / 10; k++) {
		Synod__Admin__Response *r = overview(f, i);
		size_t n_good = 0;
		for (size_t t = 0; t < r->overview->n_tasks; t++) {
			const Synod__Admin__TaskInfo *task =
				r->overview->tasks[t];
			bool is_good = strcmp(task->state, state) == 0 &&
				       strcmp(task->node, not_on) != 0;
			n_good += is_good;
			if (!is_good)
				snprintf(seen, sizeof(seen),
					 "%.40s on %.20s is %.20s", task->name,
					 task->node, task->state);
		}
		size_t n = r->overview->n_tasks;
		answer_free(r);
		if (n == TASKS && n_good == n)
			return;
		nanosleep(&pause, NULL);
	}
	fail_msg("not all are %s: %s", state, seen);
}

/* Epochs of all tasks, in order. */
static void epochs(struct fleet *f, unsigned i, uint64_t out[TASKS])
{
	Synod__Admin__Response *r = overview(f, i);

	assert_int_equal(r->overview->n_tasks, TASKS);
	for (size_t t = 0; t < TASKS; t++)
		out[t] = r->overview->tasks[t]->epoch;
	answer_free(r);
}

static struct fleet *pair_up(unsigned n)
{
	static const char table[] = "CREATE TABLE items(id INTEGER PRIMARY KEY "
				    "NOT NULL, v TEXT)";
	struct fleet *f = fleet_of(n, NULL);

	database(f, "a", table);
	database(f, "b", table);
	fleet_up(f);
	define(f);
	wait_tasks(f, 0, "running", "");
	return f;
}

static void test_rows_flow_and_survive_a_restart(void **state)
{
	struct fleet *f = pair_up(1);
	struct err e = {0};
	int status;

	database(f, "a", "INSERT INTO items VALUES(1,'x')");
	wait_rows(f, "b", 1);
	fleet_term(f, 0);
	assert_int_equal(fleet_wait_end(f, 0, WAIT_MS, &status), 0);
	assert_int_equal(status, 0);
	database(f, "b", "INSERT INTO items VALUES(2,'y')");
	must(fleet_start(f, 0, &e), &e);
	fleet_up(f);
	wait_rows(f, "a", 2);
	wait_tasks(f, 0, "running", "");
	fleet_close(f);
}

static void test_node_that_stops_gives_its_tasks_away_first(void **state)
{
	struct fleet *f = pair_up(3);
	struct err e = {0};
	int status;

	/* Every task has a home on one of the three, so one of them has some;
	 * all are asked to go, one after the other. */
	for (unsigned i = 0; i < 3; i++) {
		unsigned other = (i + 1) % 3;
		fleet_term(f, i);
		assert_int_equal(fleet_wait_end(f, i, WAIT_MS, &status), 0);
		assert_int_equal(status, 0);
		/* Not lost: given away. So it is already so. */
		wait_tasks(f, other, "running", fleet_name(f, i));
		must(fleet_start(f, i, &e), &e);
		fleet_up(f);
	}
	assert_false(has_event(f, 0, "failover", NULL));
	database(f, "a", "INSERT INTO items VALUES(1,'x')");
	wait_rows(f, "b", 1);
	fleet_close(f);
}

static void transfer(struct fleet *f, unsigned leader)
{
	Synod__Admin__TransferRequest body;
	Synod__Admin__Request question;

	synod__admin__transfer_request__init(&body);
	synod__admin__request__init(&question);
	question.body_case = SYNOD__ADMIN__REQUEST__BODY_TRANSFER;
	question.transfer = &body;
	answer_free(ask_node(f, leader, &question));
}

static void test_new_leader_moves_no_task(void **state)
{
	struct fleet *f = pair_up(3);
	uint64_t before[TASKS], after[TASKS];
	struct err e = {0};

	epochs(f, 0, before);
	for (int i = 0; i < 5; i++) {
		unsigned leader;
		must(fleet_wait_ready(f, WAIT_MS, &leader, &e), &e);
		transfer(f, leader);
	}
	unsigned leader;
	must(fleet_wait_ready(f, WAIT_MS, &leader, &e), &e);
	epochs(f, leader, after);
	assert_memory_equal(before, after, sizeof(before));
	fleet_close(f);
}

static void pause_sync(struct fleet *f, bool is_paused)
{
	Synod__Admin__PauseRequest body;
	Synod__Admin__Request question;

	synod__admin__pause_request__init(&body);
	synod__admin__request__init(&question);
	body.sync = text_of("pair");
	body.is_paused = is_paused;
	question.body_case = SYNOD__ADMIN__REQUEST__BODY_PAUSE;
	question.pause = &body;
	answer_free(ask_node(f, 0, &question));
}

/* The source goes on being read; nothing is lost by the pause. */
static void test_paused_sync_catches_up(void **state)
{
	struct fleet *f = pair_up(1);

	pause_sync(f, true);
	database(f, "a", "INSERT INTO items VALUES(1,'x')");
	database(f, "b", "INSERT INTO items VALUES(2,'y')");
	Synod__Admin__Response *r = overview(f, 0);
	assert_string_equal(r->overview->syncs[0]->state, "paused");
	assert_string_equal(r->overview->syncs[0]->hint,
			    "synodctl sync resume pair");
	answer_free(r);
	assert_int_equal(count_rows(f, "a"), 1);
	assert_int_equal(count_rows(f, "b"), 1);
	pause_sync(f, false);
	wait_rows(f, "a", 2);
	wait_rows(f, "b", 2);
	fleet_close(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_flow_and_survive_a_restart),
		cmocka_unit_test(
			test_node_that_stops_gives_its_tasks_away_first),
		cmocka_unit_test(test_new_leader_moves_no_task),
		cmocka_unit_test(test_paused_sync_catches_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
