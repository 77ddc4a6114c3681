/* Each rule of the guard as a function of libraft's structures. That the rules
 * together are enough is the simulator's business (tests/sim). */
#include "cluster/replica/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* A struct raft with a log in memory: terms[i] is the term of offset + 1 + i.
 */
struct world {
	struct raft raft;
	struct raft_io io;
	struct raft_entry entries[16];
	struct raft_server servers[5];
	struct raft_progress progress[5];
};

static raft_time now_ms;

static raft_time fake_time(struct raft_io *io)
{
	return now_ms;
}

static void world_init(struct world *w, const raft_term *terms, size_t n,
		       raft_index offset)
{
	*w = (struct world){0};
	w->io.time = fake_time;
	w->raft.io = &w->io;
	w->raft.id = 1;
	w->raft.log.entries = w->entries;
	w->raft.log.size = 16;
	/* Wrapped on purpose. */
	w->raft.log.front = 12;
	w->raft.log.back = (12 + n) % 16;
	w->raft.log.offset = offset;
	for (size_t i = 0; i < n; i++) {
		struct raft_entry *e = &w->entries[(12 + i) % 16];
		e->term = terms[i];
		e->type = RAFT_COMMAND;
	}
	w->raft.last_stored = offset + n;
}

static void world_lead(struct world *w, unsigned n, const raft_index *match)
{
	w->raft.state = RAFT_LEADER;
	w->raft.configuration.servers = w->servers;
	w->raft.configuration.n = n;
	w->raft.leader_state.progress = w->progress;
	for (unsigned i = 0; i < n; i++) {
		w->servers[i].id = i + 1;
		w->servers[i].role = RAFT_VOTER;
		w->progress[i].match_index = match[i];
	}
}

static void test_terms_and_bounds_of_a_wrapped_log(void **state)
{
	struct world w;

	world_init(&w, (raft_term[]){2, 2, 3, 3, 3, 5}, 6, 10);
	w.raft.log.snapshot.last_index = 9;
	w.raft.log.snapshot.last_term = 1;
	assert_int_equal(guard_last_index(&w.raft), 16);
	assert_int_equal(guard_term_of(&w.raft, 11), 2);
	assert_int_equal(guard_term_of(&w.raft, 16), 5);
	assert_int_equal(guard_term_of(&w.raft, 17), 0);
	assert_int_equal(guard_term_of(&w.raft, 10), 0);
	assert_int_equal(guard_term_of(&w.raft, 9), 1); /* the snapshot's */
	assert_null(guard_entry(&w.raft, 9));
}

static void test_quorum_never_counts_an_older_term(void **state)
{
	struct world w;

	/* Given: two of three have index 3, an entry of term 2; we lead 4. */
	world_init(&w, (raft_term[]){1, 2, 2, 4}, 4, 0);
	world_lead(&w, 3, (raft_index[]){0, 3, 0});
	w.raft.current_term = 4;
	w.raft.commit_index = 1;
	/* Then: it is not committed by counting (Raft, figure 8). */
	assert_int_equal(guard_quorum_index(&w.raft, 2, 3), 1);
	/* With the first entry of our own term everything before it is. */
	assert_int_equal(guard_quorum_index(&w.raft, 2, 4), 4);
}

static void test_quorum_is_found_below_the_newest_entry(void **state)
{
	struct world w;

	world_init(&w, (raft_term[]){4, 4, 4, 4, 4}, 5, 0);
	world_lead(&w, 5, (raft_index[]){0, 2, 3, 1, 0});
	w.raft.current_term = 4;
	assert_int_equal(guard_quorum_index(&w.raft, 3, 3), 2);
	assert_int_equal(guard_quorum_index(&w.raft, 4, 3), 3);
	/* Never what is not on our own disk. */
	w.raft.last_stored = 1;
	assert_int_equal(guard_quorum_index(&w.raft, 4, 5), 1);
	/* Nobody without a vote counts. */
	w.raft.last_stored = 5;
	w.servers[2].role = RAFT_STANDBY;
	w.servers[3].role = RAFT_SPARE;
	assert_int_equal(guard_quorum_index(&w.raft, 4, 5), 2);
}

static void test_a_message_begins_where_the_commit_ends(void **state)
{
	struct world w;
	struct raft_entry in[4] = {
		{.term = 2}, {.term = 2}, {.term = 3}, {.term = 3}};
	struct raft_append_entries a = {.prev_log_index = 8,
					.prev_log_term = 2,
					.entries = in,
					.n_entries = 4};

	world_init(&w, (raft_term[]){3, 3, 3}, 3, 10);
	w.raft.commit_index = 11;
	guard_strip_committed(&w.raft, &a); /* 9..12 arrive, 11 is committed */
	assert_int_equal(a.prev_log_index, 11);
	assert_int_equal(a.prev_log_term, 3);
	assert_int_equal(a.n_entries, 1);
	/* Wholly behind the commit index: nothing is left, still no reject. */
	a = (struct raft_append_entries){
		.prev_log_index = 2, .entries = in, .n_entries = 3};
	guard_strip_committed(&w.raft, &a);
	assert_int_equal(a.prev_log_index, 11);
	assert_int_equal(a.n_entries, 0);
	/* Not behind it: as it was. */
	a.prev_log_index = 12;
	a.prev_log_term = 9;
	guard_strip_committed(&w.raft, &a);
	assert_int_equal(a.prev_log_index, 12);
	assert_int_equal(a.prev_log_term, 9);
}

static void test_commit_is_clamped_to_what_the_message_proves(void **state)
{
	struct raft_append_entries a = {
		.prev_log_index = 7, .n_entries = 2, .leader_commit = 40};

	guard_clamp_commit(&a);
	assert_int_equal(a.leader_commit, 9);
	a.leader_commit = 3;
	guard_clamp_commit(&a);
	assert_int_equal(a.leader_commit, 3);
}

static void test_rollback_of_a_configuration_is_seen(void **state)
{
	struct world w;
	struct raft_entry in[3] = {{.term = 3}, {.term = 6}, {.term = 6}};
	struct raft_append_entries a = {
		.prev_log_index = 11, .entries = in, .n_entries = 3};

	/* We hold 11..14: terms 3 3 4 4; 12 agrees, 13 conflicts. */
	world_init(&w, (raft_term[]){3, 3, 4, 4}, 4, 10);
	w.raft.commit_index = 11;
	assert_int_equal(guard_rollback_index(&w.raft, &a), 0);
	w.entries[(12 + 3) % 16].type = RAFT_CHANGE; /* 14 */
	assert_int_equal(guard_rollback_index(&w.raft, &a), 13);
	w.entries[(12 + 3) % 16].type = RAFT_COMMAND;
	w.raft.configuration_uncommitted_index = 13;
	assert_int_equal(guard_rollback_index(&w.raft, &a), 13);
	w.raft.configuration_uncommitted_index = 12; /* survives the cut */
	assert_int_equal(guard_rollback_index(&w.raft, &a), 0);
}

static void test_reject_skips_the_whole_term(void **state)
{
	struct world w;

	world_init(&w, (raft_term[]){1, 2, 3, 3, 3, 3}, 6, 0);
	w.raft.commit_index = 1;
	assert_int_equal(guard_reject_hint(&w.raft, 6, 6), 2);
	w.raft.commit_index = 4;
	assert_int_equal(guard_reject_hint(&w.raft, 6, 6), 4);
	assert_int_equal(guard_reject_hint(&w.raft, 9, 6), 6);
}

static void test_one_vote_a_term_even_for_the_transferee(void **state)
{
	struct world w;
	struct raft_transfer transfer = {.id = 3};
	struct raft_request_vote v = {.term = 5, .candidate_id = 3};

	world_init(&w, (raft_term[]){1}, 1, 0);
	w.raft.current_term = 5;
	w.raft.voted_for = 2;
	w.raft.transfer = &transfer;
	assert_true(guard_is_second_vote(&w.raft, &v));
	v.term = 6;
	assert_false(guard_is_second_vote(&w.raft, &v));
	v.term = 5;
	w.raft.voted_for = 3;
	assert_false(guard_is_second_vote(&w.raft, &v));
}

static void test_a_silent_leader_is_forgotten_in_time(void **state)
{
	struct world w;

	world_init(&w, (raft_term[]){1}, 1, 0);
	w.raft.state = RAFT_FOLLOWER;
	w.raft.election_timeout = 400;
	w.raft.election_timer_start = 1000;
	w.raft.follower_state.current_leader.id = 2;
	now_ms = 1399;
	guard_forget_silent_leader(&w.raft);
	assert_int_equal(w.raft.follower_state.current_leader.id, 2);
	now_ms = 1400;
	guard_forget_silent_leader(&w.raft);
	assert_int_equal(w.raft.follower_state.current_leader.id, 0);
}

static void test_a_configuration_beyond_applied_is_uncommitted(void **state)
{
	struct world w;

	world_init(&w, (raft_term[]){1, 1, 1}, 3, 0);
	w.raft.configuration_index = 3;
	w.raft.last_applied = 2;
	guard_mark_uncommitted_conf(&w.raft, 1);
	assert_int_equal(w.raft.configuration_uncommitted_index, 3);
	assert_int_equal(w.raft.configuration_index, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_terms_and_bounds_of_a_wrapped_log),
		cmocka_unit_test(test_quorum_never_counts_an_older_term),
		cmocka_unit_test(test_quorum_is_found_below_the_newest_entry),
		cmocka_unit_test(test_a_message_begins_where_the_commit_ends),
		cmocka_unit_test(
			test_commit_is_clamped_to_what_the_message_proves),
		cmocka_unit_test(test_rollback_of_a_configuration_is_seen),
		cmocka_unit_test(test_reject_skips_the_whole_term),
		cmocka_unit_test(test_one_vote_a_term_even_for_the_transferee),
		cmocka_unit_test(test_a_silent_leader_is_forgotten_in_time),
		cmocka_unit_test(
			test_a_configuration_beyond_applied_is_uncommitted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
