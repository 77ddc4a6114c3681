/* Definitions in a real cluster: planned against files, applied once, refused
 * when something else was quicker. */
#include "tests/it/node/support.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES = 1024 };

static char *text_of(const char *s)
{
	return (char *)(uintptr_t)s; /* protobuf-c never writes it */
}

static void make_database(struct fleet *f, const char *name)
{
	char path[FLEET_PATH_MAX + 32];
	sqlite3 *db = NULL;

	snprintf(path, sizeof(path), "%s/%s.db", fleet_dir(f), name);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
				      "CREATE TABLE items(sku TEXT PRIMARY "
				      "KEY NOT NULL, qty INTEGER);"
				      "CREATE TABLE other(id INTEGER PRIMARY "
				      "KEY, v TEXT)",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(db);
}

/* A sync of that name over that table. */
static void write_text(struct fleet *f, const char *sync, const char *table,
		       char text[TEXT_BYTES])
{
	snprintf(text, TEXT_BYTES,
		 "synod: 1\n"
		 "connections:\n"
		 "  a: { type: sqlite, path: %s/a.db }\n"
		 "  b: { type: sqlite, path: %s/b.db }\n"
		 "syncs:\n"
		 "  %s:\n"
		 "    between: [a, b]\n"
		 "    tables: [%s]\n",
		 fleet_dir(f), fleet_dir(f), sync, table);
}

/* ERR_ code; *out is the caller's. */
static int define(struct fleet *f, unsigned i,
		  const Synod__Admin__DefineRequest *wanted,
		  Synod__Admin__Response **out)
{
	Synod__Admin__DefineRequest body = *wanted;
	Synod__Admin__Request question;
	struct door_client *client = NULL;
	struct err e = {0};

	synod__admin__request__init(&question);
	body.file = text_of("t.yaml");
	body.author = text_of("tester");
	question.body_case = SYNOD__ADMIN__REQUEST__BODY_DEFINE;
	question.define = &body;
	must(fleet_dial(f, i, 1, &client, &e), &e);
	int rc = ask(client, &question, WAIT_MS, out, &e);
	door_hang_up(client);
	return rc;
}

static uint32_t newest(struct fleet *f, unsigned i)
{
	Synod__Admin__RevisionsRequest body;
	Synod__Admin__Request question;

	synod__admin__revisions_request__init(&body);
	synod__admin__request__init(&question);
	body.count = 1;
	question.body_case = SYNOD__ADMIN__REQUEST__BODY_REVISIONS;
	question.revisions = &body;
	Synod__Admin__Response *r = ask_node(f, i, &question);
	uint32_t number = r->revisions->n_revisions > 0
				  ? r->revisions->revisions[0]->revision
				  : 0;
	answer_free(r);
	return number;
}

static int setup(void **state)
{
	struct fleet *f = fleet_of(3, NULL);

	make_database(f, "a");
	make_database(f, "b");
	fleet_up(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fleet_close(*state);
	return 0;
}

/* Planned, applied by the hash of the plan, in force where it was answered and
 * then everywhere; the hash does not open twice. */
static void test_plan_is_applied_once(void **state)
{
	struct fleet *f = *state;
	Synod__Admin__DefineRequest wanted;
	Synod__Admin__Response *plan = NULL, *done = NULL, *again = NULL;
	char text[TEXT_BYTES], other[TEXT_BYTES], hash[32];

	write_text(f, "stock", "items", text);
	synod__admin__define_request__init(&wanted);
	wanted.text = text;
	assert_int_equal(define(f, 1, &wanted, &plan), 0);
	assert_int_equal(plan->define->n_problems, 0);
	assert_int_equal(plan->define->n_failed, 0);
	assert_int_equal(newest(f, 1), 0); /* a plan changes nothing */
	snprintf(hash, sizeof(hash), "%s", plan->define->plan_hash);

	/* Another node, the same plan. */
	wanted.action = SYNOD__ADMIN__DEFINE_REQUEST__ACTION__APPLY;
	wanted.plan_hash = hash;
	assert_int_equal(define(f, 2, &wanted, &done), 0);
	assert_int_equal(done->define->revision, 1);
	assert_true(done->define->index > 0);
	assert_int_equal(newest(f, 2), 1); /* in force where it answered */

	/* What it was made for is no longer so. */
	write_text(f, "more", "other", other);
	wanted.text = other;
	assert_int_equal(define(f, 2, &wanted, &again), ERR_CHANGED);
	assert_int_equal(newest(f, 2), 1);

	/* The same text once more is nothing new. */
	wanted.text = text;
	wanted.plan_hash = text_of("");
	assert_int_equal(define(f, 2, &wanted, &again), 0);
	assert_int_equal(again->define->revision, 1);
	assert_int_equal(again->define->index, 0);
	answer_free(again);
	answer_free(done);
	answer_free(plan);
}

/* What several apply at the same moment, on all nodes. */
struct racer {
	pthread_t thread;
	struct fleet *fleet;
	struct door_client *client;
	char text[TEXT_BYTES];
	int code;
};

static void *race(void *arg)
{
	struct racer *r = arg;
	Synod__Admin__DefineRequest body;
	Synod__Admin__Request question;
	Synod__Admin__Response *answer = NULL;
	struct err e = {0};

	synod__admin__define_request__init(&body);
	synod__admin__request__init(&question);
	body.action = SYNOD__ADMIN__DEFINE_REQUEST__ACTION__APPLY;
	body.text = r->text;
	body.file = text_of("t.yaml");
	body.author = text_of("racer");
	question.body_case = SYNOD__ADMIN__REQUEST__BODY_DEFINE;
	question.define = &body;
	r->code = ask(r->client, &question, WAIT_MS, &answer, &e);
	answer_free(answer);
	return NULL;
}

/* Each revision is made for the one before: of those that race one wins, and
 * the others are told that something changed, so that no change is lost. */
static void test_race_loses_no_change(void **state)
{
	struct fleet *f = *state;
	struct racer racers[3] = {0};
	static const char *const rules[] = {"queue", "last-write-wins",
					    "{ prefer: a }"};
	uint32_t before = newest(f, 0);
	unsigned n_won = 0;
	struct err e = {0};

	for (unsigned i = 0; i < 3; i++) {
		racers[i].fleet = f;
		write_text(f, "stock", "items", racers[i].text);
		size_t len = strlen(racers[i].text);
		snprintf(racers[i].text + len, TEXT_BYTES - len,
			 "    conflicts: { default: %s } # %u\n", rules[i], i);
		must(fleet_dial(f, i, 1, &racers[i].client, &e), &e);
	}
	for (unsigned i = 0; i < 3; i++)
		pthread_create(&racers[i].thread, NULL, race, &racers[i]);
	for (unsigned i = 0; i < 3; i++)
		pthread_join(racers[i].thread, NULL);

	for (unsigned i = 0; i < 3; i++) {
		door_hang_up(racers[i].client);
		if (racers[i].code)
			assert_int_equal(racers[i].code, ERR_CHANGED);
		else
			n_won++;
	}
	assert_true(n_won >= 1);
	fleet_equal(f);
	assert_int_equal(newest(f, 0), before + n_won);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan_is_applied_once),
		cmocka_unit_test(test_race_loses_no_change),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
