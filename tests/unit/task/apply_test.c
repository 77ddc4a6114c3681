/* Apply: what becomes one target transaction, and what its end means. */
#include "apply_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static int setup(void **state)
{
	*state = mem_zero(1, sizeof(struct rig));
	rig_open(*state, RIG_ONE_WAY);
	return 0;
}

static int teardown(void **state)
{
	rig_close(*state);
	free(*state);
	return 0;
}

static void test_apply_gathers_what_is_there(void **state)
{
	struct rig *r = *state;

	RIG_TXN(r, 3, 1, 2);
	RIG_TXN(r, 5, 1);
	RIG_TXN(r, 9, 3);
	rig_steps(r, 3);
	assert_int_equal(r->n_writes, 1);
	assert_int_equal(r->writes[0].from, 0);
	assert_int_equal(r->writes[0].to, 9);
	assert_int_equal(r->n_keys, 4);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(r->keys[i], ((int64_t[]){1, 2, 1, 3})[i]);
	RIG_TXN(r, 11, 4);
	rig_step(r);
	assert_int_equal(r->writes[1].from, 9);
	assert_int_equal(r->writes[1].to, 11);
}

static void part(struct rig *r, uint64_t index, int64_t key)
{
	rig_txn(r, &(struct rig_txn){.index = index,
				     .keys = &key,
				     .n = 1,
				     .op = CHANGE_PUT,
				     .is_part = true});
}

static void test_apply_a_cut_transaction_waits_for_its_end(void **state)
{
	struct rig *r = *state;
	uint64_t applied, upto;

	part(r, 3, 1);
	rig_steps(r, 3);
	part(r, 4, 2);
	rig_steps(r, 3);
	assert_int_equal(r->n_asked, 0);
	apply_progress(r->apply, &applied, &upto);
	assert_in_range(upto, 0, 2); /* a restart must find its first part */
	RIG_TXN(r, 6, 3);
	rig_step(r);
	assert_int_equal(r->n_writes, 1);
	assert_int_equal(r->writes[0].to, 6);
	assert_int_equal(r->n_keys, 3);
}

static void test_apply_what_is_whole_does_not_wait_for_a_cut_one(void **state)
{
	struct rig *r = *state;

	RIG_TXN(r, 3, 1);
	part(r, 4, 2);
	rig_steps(r, 3);
	assert_int_equal(r->n_writes, 1);
	assert_int_equal(r->writes[0].to, 3);
	RIG_TXN(r, 5, 3);
	rig_steps(r, 2);
	assert_int_equal(r->n_writes, 2);
	assert_int_equal(r->writes[1].from, 3);
	assert_int_equal(r->writes[1].to, 5);
	assert_int_equal(r->writes[1].n, 2);
}

/* An entry without changes may be the end of a cut transaction. */
static void test_apply_an_empty_batch_ends_a_cut_transaction(void **state)
{
	struct rig *r = *state;

	part(r, 3, 1);
	rig_txn(r, &(struct rig_txn){.index = 4, .op = CHANGE_PUT});
	rig_steps(r, 3);
	assert_int_equal(r->n_writes, 1);
	assert_int_equal(r->writes[0].to, 4);
}

static void many(struct rig *r, uint64_t index, size_t n)
{
	int64_t *keys = mem_zero(n, sizeof *keys);

	for (size_t i = 0; i < n; i++)
		keys[i] = (int64_t)i + 1;
	rig_txn(r, &(struct rig_txn){.index = index,
				     .keys = keys,
				     .n = n,
				     .op = CHANGE_PUT});
	free(keys);
}

static void test_apply_a_group_is_limited_a_transaction_is_not(void **state)
{
	struct rig *r = *state;
	const size_t half = LIMIT_APPLY_GROUP_ROWS / 2;

	for (uint64_t i = 1; i <= 3; i++)
		many(r, i, half);
	many(r, 4, half * 4);
	rig_steps(r, 5);
	assert_int_equal(r->n_writes, 2);
	assert_int_equal(r->writes[0].to, 2);
	assert_int_equal(r->writes[0].n, half * 2);
	assert_int_equal(r->writes[1].to, 4);
	assert_int_equal(r->writes[1].n, half * 5);
}

static void test_apply_a_commit_that_broke_is_asked_for(void **state)
{
	struct rig *r = *state;

	RIG_TXN(r, 3, 1);
	r->breaks = RIG_BREAK_BEHIND;
	rig_steps(r, 2);
	assert_int_equal(apply_state(r->apply), TASK_RETRYING);
	assert_int_equal(r->n_writes, 1);
	rig_steps(r, 200);
	assert_int_equal(apply_state(r->apply), TASK_RUNNING);
	assert_int_equal(r->n_asked, 1); /* it was there */
	RIG_TXN(r, 4, 2);
	r->breaks = RIG_BREAK_BEFORE;
	rig_step(r);
	assert_int_equal(r->n_writes, 1);
	rig_steps(r, 200);
	assert_int_equal(r->n_writes, 2); /* it was not */
	assert_int_equal(r->writes[1].from, 3);
	assert_int_equal(r->n_keys, 2);
}

static void test_apply_ends_when_it_is_fenced(void **state)
{
	struct rig *r = *state;

	rig_step(r);
	RIG_TXN(r, 3, 1);
	r->applied = 2; /* somebody else moved it */
	rig_step(r);
	assert_int_equal(apply_state(r->apply), TASK_ENDED);
	r->now_us += 60 * 1000 * 1000;
	rig_steps(r, 5);
	assert_int_equal(r->n_opened, 1);
	assert_int_equal(r->n_asked, 1);
	assert_int_equal(r->n_writes, 0);
}

static void test_apply_trusts_the_hint_at_its_checkpoint_only(void **state)
{
	struct rig *r = *state;

	RIG_TXN(r, 3, 1);
	RIG_TXN(r, 7, 2);
	r->applied = 2;
	r->spec.hint_applied = 1;
	r->spec.hint_upto = 6;
	rig_restart(r);
	rig_steps(r, 2);
	assert_int_equal(r->writes[0].from, 2);
	assert_int_equal(r->writes[0].n, 2); /* the hint was another's */
	r->applied = 2;
	r->spec.hint_applied = 2;
	rig_restart(r);
	rig_steps(r, 2);
	assert_int_equal(r->writes[1].from, 2);
	assert_int_equal(r->writes[1].n, 1);
	r->applied = 0;
	r->spec.start_index = 3;
	rig_restart(r);
	rig_steps(r, 2);
	assert_int_equal(r->writes[2].n, 1); /* born behind entry 3 */
}

static void test_apply_waits_for_the_capture_of_what_it_writes(void **state)
{
	struct rig *r = *state;

	rig_close(r);
	rig_open(r, RIG_TWO_WAY);
	r->is_unwatched = true;
	RIG_TXN(r, 3, 1);
	rig_steps(r, 50);
	assert_int_equal(r->n_asked, 0);
	r->is_unwatched = false;
	rig_step(r);
	assert_int_equal(r->n_writes, 1);
}

static void test_apply_a_forgotten_log_stops_it(void **state)
{
	struct rig *r = *state;

	RIG_TXN(r, 9, 1);
	r->floor = 4;
	rig_steps(r, 3);
	assert_int_equal(apply_state(r->apply), TASK_BLOCKED);
	assert_int_equal(r->problem.code, ERR_NOTFOUND);
	assert_true(r->hint[0] != 0);
	assert_int_equal(r->n_asked, 0);
}

static void test_apply_a_changed_table_blocks_unless_it_is_paused(void **state)
{
	struct rig *r = *state;

	RIG_TXN(r, 3, 1);
	r->write_code = ERR_SCHEMA;
	rig_steps(r, 2);
	assert_int_equal(apply_state(r->apply), TASK_BLOCKED);
	assert_int_equal(r->problem.code, ERR_SCHEMA);
	r->is_paused = true; /* the table: it will be loaded again */
	r->write_code = ERR_SCHEMA;
	r->now_us += (int64_t)TASK_BLOCKED_MS * 1000;
	rig_steps(r, 4);
	assert_int_equal(apply_state(r->apply), TASK_RUNNING);
	assert_int_equal(r->n_writes, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_apply_gathers_what_is_there),
		TEST(test_apply_a_cut_transaction_waits_for_its_end),
		TEST(test_apply_what_is_whole_does_not_wait_for_a_cut_one),
		TEST(test_apply_an_empty_batch_ends_a_cut_transaction),
		TEST(test_apply_a_group_is_limited_a_transaction_is_not),
		TEST(test_apply_a_commit_that_broke_is_asked_for),
		TEST(test_apply_ends_when_it_is_fenced),
		TEST(test_apply_trusts_the_hint_at_its_checkpoint_only),
		TEST(test_apply_waits_for_the_capture_of_what_it_writes),
		TEST(test_apply_a_forgotten_log_stops_it),
		TEST(test_apply_a_changed_table_blocks_unless_it_is_paused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
