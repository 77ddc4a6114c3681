/* Apply: rows that stand in the way become letters first. */
#include "apply_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

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

static void assert_letter(struct rig *r, size_t i, uint64_t index, int code)
{
	Synod__Command__Command *c = rig_command(r, i);

	assert_int_equal(c->body_case,
			 SYNOD__COMMAND__COMMAND__BODY_DEAD_LETTER);
	assert_int_equal(c->dead_letter->task_id, r->spec.id);
	assert_int_equal(c->dead_letter->epoch, 5);
	assert_int_equal(c->dead_letter->index, index);
	assert_int_equal(c->dead_letter->code, code);
	assert_int_equal(strlen(c->dead_letter->text) > 0, code != 0);
	synod__command__command__free_unpacked(c, NULL);
}

static void park(struct rig *r, int64_t key)
{
	assert_true(r->n_parked < RIG_PARKED);
	r->parked[r->n_parked++] = key;
}

static void test_letter_comes_before_the_rest_is_written(void **state)
{
	struct rig *r = *state;

	RIG_TXN(r, 3, 1, 13, 2);
	r->refused_key = 13;
	rig_steps(r, 5);
	assert_int_equal(r->n_proposed, 1);
	assert_letter(r, 0, 3, ERR_DATA);
	assert_int_equal(r->n_writes, 0);
	apply_fate(r->apply,
		   &(struct task_fate){.ticket = r->tickets[0], .index = 6});
	rig_steps(r, 5);
	assert_int_equal(r->n_writes, 0); /* committed, not decided here */
	park(r, 13);
	rig_fate(r, 0, 6);
	rig_steps(r, 2);
	assert_int_equal(r->n_writes, 1);
	assert_int_equal(r->writes[0].to, 3);
	assert_int_equal(r->n_keys, 2);
	assert_int_equal(r->keys[0], 1);
	assert_int_equal(r->keys[1], 2);
	assert_int_equal(r->n_letters, 1);
}

static void test_letter_takes_what_follows_behind_it_in_order(void **state)
{
	struct rig *r = *state;

	RIG_TXN(r, 3, 13, 1);
	RIG_TXN(r, 4, 13);
	RIG_TXN(r, 5, 13);
	r->refused_key = 13;
	rig_steps(r, 5);
	assert_int_equal(r->n_proposed, 1);
	park(r, 13);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(r->n_proposed, i + 1);
		assert_letter(r, i, 3 + i, i == 0 ? ERR_DATA : 0);
		assert_int_equal(r->n_writes, 0);
		rig_fate(r, i, 6 + i);
		rig_steps(r, 2);
	}
	assert_int_equal(r->n_writes, 1);
	assert_int_equal(r->writes[0].to, 5);
	assert_int_equal(r->n_keys, 1);
}

static void test_letter_of_a_parked_key_needs_no_refusal(void **state)
{
	struct rig *r = *state;

	park(r, 7);
	RIG_TXN(r, 3, 7);
	rig_steps(r, 3);
	assert_int_equal(r->n_asked, 0);
	assert_int_equal(r->n_proposed, 1);
	assert_letter(r, 0, 3, 0);
	rig_fate(r, 0, 4);
	rig_steps(r, 2);
	assert_int_equal(r->n_writes, 1); /* the checkpoint alone */
	assert_int_equal(r->writes[0].to, 3);
	assert_int_equal(r->n_keys, 0);
}

/* Replayed meanwhile: the ledger does not take the follower any more. */
static void test_letter_that_is_not_taken_is_written(void **state)
{
	struct rig *r = *state;

	park(r, 7);
	RIG_TXN(r, 3, 7);
	rig_steps(r, 3);
	r->n_parked = 0;
	rig_fate(r, 0, 4);
	rig_steps(r, 2);
	assert_int_equal(r->n_keys, 1);
	assert_int_equal(r->keys[0], 7);
	assert_int_equal(r->n_letters, 0);
}

static void test_letter_that_is_never_taken_blocks(void **state)
{
	struct rig *r = *state;

	RIG_TXN(r, 3, 13);
	r->refused_key = 13;
	for (size_t i = 0; i < 20 && r->problem.code == 0; i++) {
		rig_steps(r, 3);
		if (r->n_proposed > i)
			rig_fate(r, i, 4 + i);
	}
	assert_int_equal(apply_state(r->apply), TASK_BLOCKED);
	assert_int_equal(r->problem.code, ERR_LIMIT);
	assert_non_null(strstr(r->problem.text, "no such thing"));
	assert_int_equal(r->n_writes, 0);
}

static void test_letter_goes_again_when_its_fate_is_lost(void **state)
{
	struct rig *r = *state;

	RIG_TXN(r, 3, 13, 1);
	r->refused_key = 13;
	rig_steps(r, 900);
	assert_int_equal(r->n_proposed, 1);
	rig_steps(r, 200);
	assert_int_equal(r->n_proposed, 2);
	assert_letter(r, 1, 3, ERR_DATA);
	rig_steps(r, 1000);
	assert_int_equal(r->n_proposed, 2); /* more patient now */
	park(r, 13);
	rig_fate(r, 0, 6); /* late, of the first */
	rig_steps(r, 2);
	assert_int_equal(r->n_writes, 0);
	rig_fate(r, 1, 7);
	rig_steps(r, 2);
	assert_int_equal(r->n_writes, 1);
	assert_int_equal(r->n_keys, 1);
	assert_int_equal(r->keys[0], 1);
}

static void test_letter_goes_again_when_its_fate_is_unknown(void **state)
{
	struct rig *r = *state;

	RIG_TXN(r, 3, 13);
	r->refused_key = 13;
	rig_steps(r, 3);
	apply_fate(r->apply, &(struct task_fate){.ticket = r->tickets[0],
						 .code = ERR_UNKNOWN_FATE});
	rig_step(r);
	assert_int_equal(r->n_proposed, 2);
	assert_letter(r, 1, 3, ERR_DATA);
}

/* What a stopped owner had proposed binds nobody: its group is read again. */
static void test_letter_of_a_former_owner_is_seen_as_parked(void **state)
{
	struct rig *r = *state;

	RIG_TXN(r, 3, 13, 1);
	r->refused_key = 13;
	rig_steps(r, 3);
	assert_int_equal(r->n_proposed, 1);
	park(r, 13);
	r->decided = 6;
	rig_restart(r);
	rig_steps(r, 3);
	assert_int_equal(r->n_proposed, 2);
	assert_letter(r, 1, 3, 0); /* it takes one effect, says the ledger */
	rig_fate(r, 1, 7);
	rig_steps(r, 2);
	assert_int_equal(r->n_keys, 1);
	assert_int_equal(r->keys[0], 1);
}

static void test_a_row_that_differs_is_told_with_what_is_there(void **state)
{
	struct rig *r = *state;
	struct change c;

	rig_close(r);
	rig_open(r, RIG_TWO_WAY);
	rig_txn(r, &(struct rig_txn){.index = 3,
				     .keys = (const int64_t[]){5, 6},
				     .n = 2,
				     .op = CHANGE_READ});
	r->differing_key = 5;
	rig_steps(r, 3);
	assert_int_equal(r->n_proposed, 1);
	Synod__Command__Command *x = rig_command(r, 0);
	assert_int_equal(x->body_case,
			 SYNOD__COMMAND__COMMAND__BODY_DIFFERENCE);
	assert_int_equal(x->difference->index, 3);
	assert_int_equal(
		change_decode((struct bytes){x->difference->existing.data,
					     x->difference->existing.len},
			      &c),
		0);
	assert_int_equal(c.op, CHANGE_READ);
	synod__command__command__free_unpacked(x, NULL);
	assert_int_equal(r->n_writes, 0);
	rig_fate(r, 0, 4);
	rig_steps(r, 2);
	assert_int_equal(r->n_keys, 1);
	assert_int_equal(r->keys[0], 6);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_letter_comes_before_the_rest_is_written),
		TEST(test_letter_takes_what_follows_behind_it_in_order),
		TEST(test_letter_of_a_parked_key_needs_no_refusal),
		TEST(test_letter_that_is_not_taken_is_written),
		TEST(test_letter_that_is_never_taken_blocks),
		TEST(test_letter_goes_again_when_its_fate_is_lost),
		TEST(test_letter_goes_again_when_its_fate_is_unknown),
		TEST(test_letter_of_a_former_owner_is_seen_as_parked),
		TEST(test_a_row_that_differs_is_told_with_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
