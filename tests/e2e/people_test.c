/* What waits for a person: rows that a target refuses, conflicts that are kept
 * open; and what becomes of them when the person has decided. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/e2e/acts.h"
#include "tests/e2e/load.h"
#include "tests/e2e/rig.h"

static const char ALL[] = "SELECT id,uid,saw,n,note FROM item ORDER BY id";

static void insert(const struct side *s, int64_t id, const char *uid, int64_t n)
{
	struct side_link *link = link_dial(s);
	char sql[256];

	snprintf(sql, sizeof(sql),
		 "INSERT INTO item VALUES (%lld, '%s', NULL, %lld, NULL)",
		 (long long)id, uid, (long long)n);
	link_must(link, sql);
	side_hang_up(link);
}

static void run(const struct side *s, const char *sql)
{
	struct side_link *link = link_dial(s);

	link_must(link, sql);
	side_hang_up(link);
}

static void open_pair(struct rig *r, const char *more)
{
	char lines[512];

	rig_open(r, SIDE_SQLITE, SIDE_POSTGRES);
	load_create_table(&r->a, "item");
	load_create_table(&r->b, "item");
	snprintf(lines, sizeof(lines),
		 "    between: [a, b]\n    tables: [item]\n%s", more);
	stage_define_pair(&r->stage, &r->a, &r->b, lines);
	stage_wait_running(&r->stage);
}

/* A row is refused; what comes later for its key waits behind it. */
static void refuse_two(struct rig *r)
{
	run(&r->b, "ALTER TABLE item ADD CONSTRAINT small CHECK (n < 100)");
	insert(&r->a, 1, "bad", 1000);
	acts_wait_letters(&r->stage, 1);
	run(&r->a, "UPDATE item SET uid = 'later', n = 5 WHERE id = 1");
	insert(&r->a, 2, "good", 1);
	acts_wait_number(&r->stage, &r->b,
			 "SELECT count(*) FROM item WHERE id = 2", 1);
	acts_wait_letters(&r->stage, 2);
	acts_wait_view(&r->stage,
		       &(struct acts_view){"pair", "", "refused",
					   "synodctl dlq list pair"});
	Synod__Admin__Response *answer = acts_letters(&r->stage);
	const Synod__Admin__LetterInfo *first = answer->letters->letters[0];
	assert_string_equal(first->connection, "b");
	assert_string_equal(first->key, "id=1");
	assert_non_null(strstr(first->text, "small"));
	assert_int_equal(answer->letters->letters[1]->behind_id, first->id);
	answer_free(answer);
	acts_wait_number(&r->stage, &r->b,
			 "SELECT count(*) FROM item WHERE id = 1", 0);
}

static void test_refused_rows_are_replayed(void **state)
{
	struct rig r;

	open_pair(&r, "");
	refuse_two(&r);
	run(&r.b, "ALTER TABLE item DROP CONSTRAINT small");
	acts_on_letters(&r.stage, "pair", true);
	stage_wait_equal(&r.stage, &r.a, &r.b, ALL);
	acts_wait_letters(&r.stage, 0);
	/* The key is free again. */
	run(&r.a, "UPDATE item SET uid = 'free', n = 5000 WHERE id = 1");
	stage_wait_equal(&r.stage, &r.a, &r.b, ALL);
	run(&r.b, "UPDATE item SET uid = 'back' WHERE id = 1");
	stage_wait_equal(&r.stage, &r.a, &r.b, ALL);
	rig_check(&r);
	rig_close(&r);
}

static void test_refused_rows_are_discarded(void **state)
{
	struct rig r;

	open_pair(&r, "");
	refuse_two(&r);
	acts_on_letters(&r.stage, "pair", false);
	acts_wait_letters(&r.stage, 0);
	/* What the target did not get it does not have; what follows it gets.
	 */
	run(&r.a, "UPDATE item SET uid = 'newer', n = 7 WHERE id = 1");
	stage_wait_equal(&r.stage, &r.a, &r.b, ALL);
	rig_check(&r);
	rig_close(&r);
}

/* Both sides write a row while neither hears of the other. */
static uint64_t make_conflict(struct rig *r)
{
	insert(&r->a, 1, "begin", 0);
	stage_wait_equal(&r->stage, &r->a, &r->b, ALL);
	acts_pause(&r->stage, "pair", "", true);
	run(&r->a, "UPDATE item SET uid = 'of-a' WHERE id = 1");
	run(&r->b, "UPDATE item SET uid = 'of-b' WHERE id = 1");
	/* Captures go on while the sync is paused: both are in the log. */
	Synod__Admin__Response *answer;
	for (int i = 0;; i++) {
		answer = acts_open_conflicts(&r->stage);
		if (answer->conflicts->n_conflicts)
			break;
		answer_free(answer);
		if (i > 2000)
			stage_fail(&r->stage, "no conflict");
	}
	uint64_t id = answer->conflicts->conflicts[0]->id;
	assert_int_equal(answer->conflicts->n_conflicts, 1);
	answer_free(answer);
	acts_pause(&r->stage, "pair", "", false);
	return id;
}

static int64_t rows_of(struct rig *r, const char *uid)
{
	char sql[128];
	struct side_link *link = link_dial(&r->a);

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM item WHERE uid = '%s'",
		 uid);
	int64_t n = link_number(link, sql);
	side_hang_up(link);
	return n;
}

/* Until a person has spoken the sides keep the provisional winner; the person
 * takes the other one. */
static void test_a_person_decides_a_conflict(void **state)
{
	struct rig r;

	open_pair(&r, "    conflicts: { default: queue }\n");
	uint64_t id = make_conflict(&r);
	stage_wait_equal(&r.stage, &r.a, &r.b, ALL);
	acts_wait_view(&r.stage,
		       &(struct acts_view){"pair", "", "for a person to decide",
					   "synodctl conflict list pair "
					   "--open"});
	bool is_a = rows_of(&r, "of-a") == 1;
	acts_resolve(&r.stage, id, is_a ? "b" : "a");
	acts_wait_number(&r.stage, &r.a,
			 is_a ? "SELECT count(*) FROM item WHERE uid = 'of-b'"
			      : "SELECT count(*) FROM item WHERE uid = 'of-a'",
			 1);
	stage_wait_equal(&r.stage, &r.a, &r.b, ALL);
	Synod__Admin__Response *answer = acts_open_conflicts(&r.stage);
	assert_int_equal(answer->conflicts->n_conflicts, 0);
	answer_free(answer);
	/* Later changes are nobody's conflict. */
	run(&r.b, "UPDATE item SET uid = 'after' WHERE id = 1");
	stage_wait_equal(&r.stage, &r.a, &r.b, ALL);
	rig_check(&r);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused_rows_are_replayed),
		cmocka_unit_test(test_refused_rows_are_discarded),
		cmocka_unit_test(test_a_person_decides_a_conflict),
	};
	cmocka_set_test_filter(getenv("SYNOD_TEST"));
	return cmocka_run_group_tests_name("e2e.people", tests, NULL, NULL);
}
