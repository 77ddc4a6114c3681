/* The rules of the ledger, one example each: west is connection 1, east 2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledger_rig.h"

enum { WEST = 1, EAST = 2 };

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	rig_init(r, 2);
	r->pair->policy =
		arena_alloc(&r->declare.arena, sizeof(*r->pair->policy));
	synod__definition__policy__init(r->pair->policy);
	rig_start(r);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	rig_free(r);
	free(r);
	return 0;
}

static struct rig_row row(int64_t uid)
{
	return (struct rig_row){
		.is_there = true, .key = 1, .uid = uid, .note = uid};
}

/* One write of row 1; gives its entry. */
static uint64_t put(struct rig *r, uint32_t id, int64_t uid, int64_t stamp_us)
{
	struct rig_row w = row(uid);

	assert_true(rig_write(r, id, CHANGE_PUT, &w, stamp_us));
	return r->index;
}

static uint64_t erase(struct rig *r, uint32_t id, int64_t stamp_us)
{
	struct rig_row w = row(0);

	assert_true(rig_write(r, id, CHANGE_DELETE, &w, stamp_us));
	return r->index;
}

static void echo(struct rig *r, uint32_t id, uint64_t index)
{
	assert_true(rig_echo(r, RIG_PAIR, id, index));
}

/* What the connection gets by the entry: the row's uid; 0: a delete; -1:
 * nothing. */
static int64_t sent(struct rig *r, uint64_t index, uint32_t id)
{
	struct change c;
	struct rig_row got;
	bool has_note;

	if (rig_delivered(r, index, id, 1, &c) == 0)
		return -1;
	rig_decode(&c, &got, &has_note);
	return got.is_there ? got.uid : 0;
}

static struct ledger_figures figures(struct rig *r)
{
	struct ledger_figures f;

	ledger_figures(&r->kv, &f);
	return f;
}

static void test_ledger_change_goes_to_the_others_only(void **state)
{
	struct rig *r = *state;
	uint64_t i = put(r, WEST, 7, 100);

	assert_int_equal(sent(r, i, EAST), 7);
	assert_int_equal(sent(r, i, WEST), -1);
	assert_int_equal(ledger_read_outcome(&r->kv, i).len, 0);
}

static void test_ledger_row_goes_when_the_other_has_it(void **state)
{
	struct rig *r = *state;
	uint64_t i = put(r, WEST, 7, 100);

	assert_int_equal(figures(r).n_rows, 1);
	echo(r, EAST, i - 1);
	assert_int_equal(figures(r).n_rows, 1);
	echo(r, EAST, i);
	assert_int_equal(figures(r).n_rows, 0);
}

static void test_ledger_change_of_what_was_seen_descends(void **state)
{
	struct rig *r = *state;
	uint64_t i = put(r, WEST, 7, 100);

	echo(r, EAST, i);
	put(r, EAST, 8, 50); /* its clock is behind: it does not matter */
	assert_int_equal(figures(r).n_conflicts, 0);
	assert_int_equal(sent(r, r->index, WEST), 8);
}

static void test_ledger_unseen_change_is_a_conflict_later_wins(void **state)
{
	struct rig *r = *state;
	struct ledger_conflict c;
	uint64_t i = put(r, WEST, 7, 100), k = put(r, EAST, 8, 200);

	assert_int_equal(figures(r).n_conflicts, 1);
	assert_true(ledger_next_conflict(&r->kv, 0, &c));
	assert_false(c.is_a_winner);
	assert_string_equal(c.kind, "update_update");
	assert_string_equal(c.rule, "last-write-wins");
	assert_int_equal(c.a.index, i);
	assert_int_equal(c.b.index, k);
	assert_int_equal(c.b.connection_id, EAST);
	assert_int_equal(c.a.vector[0].index, i);
	assert_int_equal(c.b.vector[0].connection_id, EAST);
	assert_false(ledger_next_conflict(&r->kv, c.id + 1, &c));
	/* East is about to write 7 over it: it gets its own row back. */
	assert_int_equal(sent(r, k, WEST), 8);
	assert_int_equal(sent(r, k, EAST), 8);
}

static void test_ledger_loser_goes_to_nobody(void **state)
{
	struct rig *r = *state;

	put(r, WEST, 7, 200);
	uint64_t k = put(r, EAST, 8, 100);
	assert_int_equal(figures(r).n_conflicts, 1);
	assert_int_equal(sent(r, k, WEST), -1);
	assert_int_equal(sent(r, k, EAST), -1); /* 7 is under way to it */
}

static void test_ledger_own_older_version_written_back_is_noticed(void **state)
{
	struct rig *r = *state;
	uint64_t i = put(r, WEST, 7, 100);

	put(r, EAST, 8, 200); /* wins, but 7 is written over it there */
	echo(r, EAST, i);
	put(r, EAST, 9, 300); /* made from 7: it never knew 8 */
	assert_int_equal(figures(r).n_conflicts, 2);
}

static void test_ledger_own_version_written_back_is_no_conflict(void **state)
{
	struct rig *r = *state;

	put(r, WEST, 7, 100);
	uint64_t k = put(r, EAST, 8, 200);
	echo(r, EAST, k); /* 7 and then 8 again */
	put(r, EAST, 9, 300);
	assert_int_equal(figures(r).n_conflicts, 1);
}

static void test_ledger_winner_keeps_its_identity(void **state)
{
	struct rig *r = *state;
	uint64_t i = put(r, WEST, 7, 200);

	put(r, EAST, 8, 100); /* loses */
	put(r, WEST, 9, 300); /* made from 7, in ignorance of 8 */
	assert_int_equal(figures(r).n_conflicts, 1);
	echo(r, EAST, i);
	assert_int_equal(figures(r).n_conflicts, 1);
}

static void test_ledger_two_deletes_are_no_conflict(void **state)
{
	struct rig *r = *state;

	erase(r, WEST, 100);
	erase(r, EAST, 200);
	assert_int_equal(figures(r).n_conflicts, 0);
}

static void test_ledger_key_reuse_meets_the_tombstone(void **state)
{
	struct rig *r = *state;
	struct ledger_conflict c;

	r->pair->policy->delete_vs_update =
		SYNOD__DEFINITION__POLICY__DELETE_RULE__DELETE_WINS;
	erase(r, WEST, 100);
	put(r, EAST, 8, 200);
	assert_true(ledger_next_conflict(&r->kv, 0, &c));
	assert_string_equal(c.kind, "delete_update");
	assert_string_equal(c.rule, "delete-wins");
	assert_true(c.is_a_winner);
}

static void test_ledger_repeated_batch_counts_once(void **state)
{
	struct rig *r = *state;

	put(r, WEST, 7, 100);
	struct rig_entry *e = rig_entry(r, r->index);
	Synod__Command__Command *c = synod__command__command__unpack(
		NULL, e->command->len, e->command->data);
	const ProtobufCBinaryData from = c->batch->from, to = c->batch->to;
	assert_false(rig_take(r, c)); /* it stands elsewhere by now */
	assert_int_equal(sent(r, r->index, EAST), -1);
	c->batch->from = c->batch->to;
	c->batch->epoch--;
	assert_false(rig_take(r, c)); /* an earlier owner */
	c->batch->epoch++;
	assert_true(rig_take(r, c));
	c->batch->from = c->batch->to;
	c->batch->changes.len--;
	assert_false(rig_take(r, c)); /* not whole: nothing of it counts */
	c->batch->changes.len++;
	c->batch->to.len = 0;
	assert_true(rig_take(r, c)); /* a gap: it begins anew */
	assert_int_equal(ledger_position(&r->kv, WEST).len, 0);
	c->batch->from = from;
	c->batch->to = to;
	synod__command__command__free_unpacked(c, NULL);
	assert_int_equal(figures(r).n_refused, 3);
}

static void test_ledger_echo_of_another_connection_is_passed_over(void **state)
{
	struct rig *r = *state;
	struct change_writer w;
	uint64_t i = put(r, WEST, 7, 100);

	change_writer_init(&w);
	change_echo(&w, task_apply_id(RIG_PAIR, EAST), i);
	assert_true(rig_batch(r, WEST, &w));
	change_writer_free(&w);
	assert_int_equal(ledger_seen(&r->kv, task_apply_id(RIG_PAIR, EAST)), 0);
	echo(r, EAST, r->index + 5); /* of an entry that is not there */
	assert_int_equal(figures(r).n_rows, 1);
}

static Synod__Command__Command resolve_of(Synod__Command__Resolve *c,
					  uint64_t id, uint32_t connection_id)
{
	Synod__Command__Command out;

	synod__command__command__init(&out);
	synod__command__resolve__init(c);
	c->conflict_id = id;
	c->connection_id = connection_id;
	c->author = (char *)(uintptr_t) "ann";
	c->time_us = 900;
	out.body_case = SYNOD__COMMAND__COMMAND__BODY_RESOLVE;
	out.resolve = c;
	return out;
}

static void test_ledger_queue_waits_for_a_person(void **state)
{
	struct rig *r = *state;
	Synod__Command__Resolve resolve;
	struct ledger_conflict c;

	r->pair->policy->rule = SYNOD__DEFINITION__POLICY__RULE__QUEUE;
	put(r, WEST, 7, 100);
	uint64_t k = put(r, EAST, 8, 200);
	echo(r, EAST, k);
	assert_true(ledger_next_conflict(&r->kv, 0, &c));
	assert_int_equal(c.state, CONFLICT_OPEN);
	assert_true(c.is_a_winner);
	assert_int_equal(figures(r).n_conflicts_open, 1);
	assert_int_equal(figures(r).n_rows, 1); /* kept as long as it is open */

	Synod__Command__Command command = resolve_of(&resolve, c.id, EAST);
	assert_true(rig_take(r, &command));
	assert_int_equal(sent(r, r->index, WEST), 8);
	assert_int_equal(sent(r, r->index, EAST), 8);
	assert_true(ledger_next_conflict(&r->kv, 0, &c));
	assert_int_equal(c.state, CONFLICT_RESOLVED);
	assert_string_equal(c.resolved_by, "ann");
	assert_int_equal(figures(r).n_conflicts_open, 0);
	assert_false(rig_take(r, &command));
}

static void test_ledger_resolve_is_refused_when_the_row_moved_on(void **state)
{
	struct rig *r = *state;
	Synod__Command__Resolve resolve;

	r->pair->policy->rule = SYNOD__DEFINITION__POLICY__RULE__QUEUE;
	put(r, WEST, 7, 100);
	put(r, EAST, 8, 200);
	put(r, WEST, 9, 300);
	Synod__Command__Command command = resolve_of(&resolve, 1, EAST);
	assert_false(rig_take(r, &command));
	resolve.is_forced = true;
	assert_true(rig_take(r, &command));
	assert_int_equal(sent(r, r->index, WEST), 8);
}

static bool letter(struct rig *r, uint64_t index, uint32_t sync_id,
		   const struct rig_row *w, int32_t code)
{
	uint32_t table_id = sync_id == RIG_PAIR ? 1 : 2;
	Synod__Command__DeadLetter c;
	Synod__Command__Command command;
	struct value_buf change = {0};

	rig_encode(&change, CHANGE_PUT, table_id, w);
	synod__command__command__init(&command);
	synod__command__dead_letter__init(&c);
	c.task_id = task_apply_id(sync_id, EAST);
	c.epoch = rig_epoch(r, c.task_id);
	c.index = index;
	c.change.data = change.data;
	c.change.len = change.len;
	c.code = code;
	command.body_case = SYNOD__COMMAND__COMMAND__BODY_DEAD_LETTER;
	command.dead_letter = &c;
	bool is_taken = rig_take(r, &command);
	value_buf_free(&change);
	return is_taken;
}

static bool release(struct rig *r, uint64_t id, bool is_replay)
{
	Synod__Command__Letters c;
	Synod__Command__Command command;

	synod__command__command__init(&command);
	synod__command__letters__init(&c);
	c.ids = &id;
	c.n_ids = 1;
	c.is_replay = is_replay;
	command.body_case = SYNOD__COMMAND__COMMAND__BODY_LETTERS;
	command.letters = &c;
	return rig_take(r, &command);
}

static void test_ledger_parked_row_counts_as_not_seen(void **state)
{
	struct rig *r = *state;
	struct rig_row w = row(7);
	struct ledger_letter l;
	uint64_t i = put(r, WEST, 7, 100);

	assert_true(letter(r, i, RIG_PAIR, &w, ERR_DATA));
	assert_false(letter(r, i, RIG_PAIR, &w, ERR_DATA)); /* once */
	echo(r, EAST, i);
	assert_int_equal(figures(r).n_rows, 1);
	assert_true(ledger_next_letter(&r->kv, 0, &l));
	assert_int_equal(l.code, ERR_DATA);
	assert_int_equal(ledger_parked(&r->kv, EAST, 1, l.key), l.id);
	put(r, EAST, 8, 200); /* it never had 7 */
	assert_int_equal(figures(r).n_conflicts, 1);

	assert_true(release(r, l.id, true));
	assert_int_equal(sent(r, r->index, EAST), 8);
	assert_int_equal(figures(r).n_letters, 0);
	assert_int_equal(figures(r).n_parked_keys, 0);
	assert_false(release(r, l.id, true));
	echo(r, EAST, r->index - 1);
}

static void test_ledger_follower_of_a_released_row_is_refused(void **state)
{
	struct rig *r = *state;
	struct rig_row w = row(7);
	uint64_t i = put(r, WEST, 7, 100);

	assert_false(letter(r, i, RIG_PAIR, &w, 0));
	assert_int_equal(figures(r).n_letters, 0);
}

static void test_ledger_one_way_chain_replays_from_its_last_row(void **state)
{
	struct rig *r = *state;
	struct rig_row a = row(7), b = row(8);
	struct change_writer w;
	uint64_t first = r->index + 1;

	for (int i = 0; i < 2; i++) {
		change_writer_init(&w);
		change_begin(&w, TXN_LOCAL, 100);
		rig_change(&w, CHANGE_PUT, 2, i ? &b : &a);
		change_end(&w);
		assert_true(rig_batch(r, WEST, &w));
		change_writer_free(&w);
	}
	assert_int_equal(figures(r).n_rows, 0); /* one way: nothing is kept */
	assert_true(letter(r, first, RIG_COPY, &a, ERR_DATA));
	assert_true(letter(r, first + 1, RIG_COPY, &b, 0));
	assert_true(release(r, 1, true));
	struct change c;
	assert_int_equal(rig_delivered(r, r->index, EAST, 1, &c), 1);
	assert_int_equal(sent(r, r->index, EAST), 8);
}

static void test_ledger_read_gives_way_to_a_change(void **state)
{
	struct rig *r = *state;
	struct rig_row old = row(3);

	assert_true(rig_write(r, WEST, CHANGE_READ, &old, 0));
	put(r, EAST, 8, 100); /* not seen the READ: no conflict */
	assert_int_equal(figures(r).n_conflicts, 0);
	assert_int_equal(sent(r, r->index, EAST), 8);
	assert_true(rig_write(r, WEST, CHANGE_READ, &old, 0));
	assert_int_equal(sent(r, r->index, EAST), -1);
	assert_int_equal(figures(r).n_reads_dropped, 1);
}

static void test_ledger_read_of_who_has_the_head_is_a_change(void **state)
{
	struct rig *r = *state;
	struct rig_row same = row(7), other = row(9);
	struct change got;

	put(r, WEST, 7, 100);
	assert_true(rig_write(r, WEST, CHANGE_READ, &same, 0));
	assert_int_equal(sent(r, r->index, EAST), -1);
	assert_true(rig_write(r, WEST, CHANGE_READ, &other, 0));
	assert_int_equal(sent(r, r->index, EAST), 9);
	assert_int_equal(rig_delivered(r, r->index, EAST, 1, &got), 1);
	assert_int_equal(got.op, CHANGE_PUT); /* it writes over */
	assert_int_equal(figures(r).n_conflicts, 0);
}

static void test_ledger_different_initial_rows_are_journaled(void **state)
{
	struct rig *r = *state;
	struct rig_row a = row(3), b = row(4);
	struct ledger_conflict c;

	assert_true(rig_write(r, EAST, CHANGE_READ, &b, 0));
	assert_true(rig_write(r, WEST, CHANGE_READ, &a, 0));
	assert_true(ledger_next_conflict(&r->kv, 0, &c));
	assert_string_equal(c.kind, "initial");
	assert_false(c.is_a_winner); /* west stands first in the sync */
	struct change got;
	assert_int_equal(rig_delivered(r, r->index, EAST, 1, &got), 1);
	assert_int_equal(got.op, CHANGE_PUT); /* it writes over */
}

static void test_ledger_truncate_meets_a_row_in_flight(void **state)
{
	struct rig *r = *state;
	struct rig_row none = {0};

	r->pair->policy->delete_vs_update =
		SYNOD__DEFINITION__POLICY__DELETE_RULE__UPDATE_WINS;
	put(r, WEST, 7, 100);
	assert_true(rig_write(r, EAST, CHANGE_TRUNCATE, &none, 200));
	assert_int_equal(figures(r).n_conflicts, 1);
	assert_int_equal(sent(r, r->index, WEST), 7); /* behind the TRUNCATE */
	assert_int_equal(sent(r, r->index, EAST), 7);
}

static void test_ledger_forgets_outcomes(void **state)
{
	struct rig *r = *state;

	put(r, WEST, 7, 200);
	uint64_t k = put(r, EAST, 8, 100);
	assert_true(ledger_read_outcome(&r->kv, k).len > 0);
	ledger_forget(&r->ledger, &r->kv, k - 1);
	assert_true(ledger_read_outcome(&r->kv, k).len > 0);
	ledger_forget(&r->ledger, &r->kv, k);
	assert_int_equal(ledger_read_outcome(&r->kv, k).len, 0);
}

static void test_ledger_follow_drops_what_is_gone(void **state)
{
	struct rig *r = *state;
	struct rig_row w = row(7);
	uint64_t i = put(r, WEST, 7, 100);

	assert_true(letter(r, i, RIG_PAIR, &w, ERR_DATA));
	r->declare.d.syncs[0] = r->declare.d.syncs[1]; /* only the copy */
	r->declare.d.n_syncs = 1;
	catalog_free(r->catalog);
	r->catalog = catalog_of(&r->declare.d);
	tasks_follow(&r->tasks, &r->kv, r->catalog, ++r->index);
	struct ledger_world world = rig_world(r);
	ledger_follow(&r->ledger, &world);
	ledger_flush(&r->ledger, &r->kv);
	assert_int_equal(figures(r).n_rows, 0);
	assert_int_equal(figures(r).n_letters, 0);
	assert_int_equal(figures(r).n_parked_keys, 0);
}

/* More under way than a row remembers: a conflict too much, never one less. */
static void test_ledger_long_lists_lose_no_conflict(void **state)
{
	struct rig *r = *state;
	uint64_t i = 0;

	for (int64_t n = 1; n <= 2 * LIMIT_ROW_DELIVERIES; n++)
		i = put(r, WEST, n, n);
	put(r, EAST, 500, 500); /* wins */
	assert_int_equal(figures(r).n_conflicts, 1);
	echo(r, EAST, i - 3); /* in the gap: written over */
	put(r, EAST, 600, 600);
	assert_int_equal(figures(r).n_conflicts, 2);
	echo(r, EAST, r->index); /* the last of it: 600 again */
	assert_int_equal(figures(r).n_rows, 1);
	put(r, EAST, 700, 700);
	assert_int_equal(figures(r).n_conflicts, 2);
	echo(r, WEST, r->index);
	assert_int_equal(figures(r).n_rows, 0);
}

#define LEDGER_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		LEDGER_TEST(test_ledger_change_goes_to_the_others_only),
		LEDGER_TEST(test_ledger_row_goes_when_the_other_has_it),
		LEDGER_TEST(test_ledger_change_of_what_was_seen_descends),
		LEDGER_TEST(test_ledger_unseen_change_is_a_conflict_later_wins),
		LEDGER_TEST(test_ledger_loser_goes_to_nobody),
		LEDGER_TEST(
			test_ledger_own_older_version_written_back_is_noticed),
		LEDGER_TEST(
			test_ledger_own_version_written_back_is_no_conflict),
		LEDGER_TEST(test_ledger_winner_keeps_its_identity),
		LEDGER_TEST(test_ledger_two_deletes_are_no_conflict),
		LEDGER_TEST(test_ledger_key_reuse_meets_the_tombstone),
		LEDGER_TEST(test_ledger_repeated_batch_counts_once),
		LEDGER_TEST(
			test_ledger_echo_of_another_connection_is_passed_over),
		LEDGER_TEST(test_ledger_queue_waits_for_a_person),
		LEDGER_TEST(
			test_ledger_resolve_is_refused_when_the_row_moved_on),
		LEDGER_TEST(test_ledger_parked_row_counts_as_not_seen),
		LEDGER_TEST(test_ledger_follower_of_a_released_row_is_refused),
		LEDGER_TEST(
			test_ledger_one_way_chain_replays_from_its_last_row),
		LEDGER_TEST(test_ledger_read_gives_way_to_a_change),
		LEDGER_TEST(test_ledger_read_of_who_has_the_head_is_a_change),
		LEDGER_TEST(test_ledger_different_initial_rows_are_journaled),
		LEDGER_TEST(test_ledger_truncate_meets_a_row_in_flight),
		LEDGER_TEST(test_ledger_forgets_outcomes),
		LEDGER_TEST(test_ledger_follow_drops_what_is_gone),
		LEDGER_TEST(test_ledger_long_lists_lose_no_conflict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
