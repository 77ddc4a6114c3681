#include "cluster/core/admission.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { HASH = 42, SELF_INCARNATION = 100, NO_TIME = 0, LONG_TIME = 5000 };

/* Five members, the own one blank and the others unheard of. */
struct scene {
	struct admission_member m[5];
};

static struct scene scene(void)
{
	struct scene s = {0};

	for (unsigned i = 0; i < 5; i++) {
		s.m[i].id = i + 1;
		s.m[i].cluster_hash = HASH;
		s.m[i].incarnation = SELF_INCARNATION + i;
	}
	s.m[0].is_heard = s.m[0].is_blank = true;
	return s;
}

static void hear(struct scene *s, unsigned i, bool is_blank)
{
	s->m[i].is_heard = true;
	s->m[i].is_blank = is_blank;
}

static enum admission_start start(const struct scene *s, size_t n,
				  int64_t quiet)
{
	return admission_start(s->m, n, 0, quiet);
}

/* -- founding -------------------------------------------------------------- */
static void test_single_node_founds_at_once(void **state)
{
	struct scene s = scene();

	assert_int_equal(start(&s, 1, NO_TIME), ADMISSION_FOUND);
}

static void test_alone_among_three_waits_for_ever(void **state)
{
	struct scene s = scene();

	assert_int_equal(start(&s, 3, LONG_TIME), ADMISSION_WAIT);
}

static void test_all_blank_found_at_once(void **state)
{
	struct scene s = scene();

	hear(&s, 1, true);
	hear(&s, 2, true);
	assert_int_equal(start(&s, 3, NO_TIME), ADMISSION_FOUND);
}

static void test_majority_blank_founds_after_the_grace(void **state)
{
	struct scene s = scene();

	hear(&s, 1, true);
	assert_int_equal(start(&s, 3, ADMISSION_GRACE_MS - 1), ADMISSION_WAIT);
	assert_int_equal(start(&s, 3, ADMISSION_GRACE_MS), ADMISSION_FOUND);
}

static void test_half_is_no_majority(void **state)
{
	struct scene s = scene();

	hear(&s, 1, true);
	assert_int_equal(start(&s, 4, LONG_TIME), ADMISSION_WAIT);
	hear(&s, 2, true);
	assert_int_equal(start(&s, 4, LONG_TIME), ADMISSION_FOUND);
}

static void test_two_of_five_wait(void **state)
{
	struct scene s = scene();

	hear(&s, 1, true);
	assert_int_equal(start(&s, 5, LONG_TIME), ADMISSION_WAIT);
}

static void test_another_member_list_does_not_count(void **state)
{
	struct scene s = scene();

	hear(&s, 1, true);
	hear(&s, 2, true);
	s.m[1].cluster_hash = s.m[2].cluster_hash = HASH + 1;
	assert_int_equal(start(&s, 3, LONG_TIME), ADMISSION_WAIT);
	s.m[1].is_blank = false;
	s.m[1].recorded_us = SELF_INCARNATION;
	assert_int_equal(start(&s, 3, LONG_TIME), ADMISSION_WAIT);
}

/* -- joining --------------------------------------------------------------- */
static void test_one_in_use_means_join(void **state)
{
	struct scene s = scene();

	hear(&s, 1, false);
	hear(&s, 2, true);
	assert_int_equal(start(&s, 3, NO_TIME), ADMISSION_JOIN);
}

static void test_join_waits_for_who_could_vouch(void **state)
{
	struct scene s = scene();

	hear(&s, 1, false);
	assert_int_equal(start(&s, 3, NO_TIME), ADMISSION_WAIT);
	assert_int_equal(start(&s, 3, LONG_TIME), ADMISSION_JOIN);
}

static void test_lost_disk_never_founds_beside_one_in_use(void **state)
{
	struct scene s = scene();

	hear(&s, 1, true);
	hear(&s, 2, true);
	hear(&s, 3, true);
	hear(&s, 4, false);
	s.m[4].recorded_us = SELF_INCARNATION + 50; /* what we were */
	assert_int_equal(start(&s, 5, LONG_TIME), ADMISSION_JOIN);
}

static void test_vouched_for_founds(void **state)
{
	struct scene s = scene();

	hear(&s, 1, false);
	s.m[1].recorded_us = SELF_INCARNATION;
	assert_int_equal(start(&s, 3, NO_TIME), ADMISSION_FOUND);
	hear(&s, 2, false);
	assert_int_equal(start(&s, 3, NO_TIME), ADMISSION_FOUND);
}

static void test_unheard_member_vouches_for_nobody(void **state)
{
	struct scene s = scene();

	s.m[1].recorded_us = SELF_INCARNATION;
	assert_false(admission_vouches(&s.m[1], &s.m[0]));
	hear(&s, 1, false);
	assert_true(admission_vouches(&s.m[1], &s.m[0]));
	s.m[1].recorded_us = 0;
	assert_false(admission_vouches(&s.m[1], &s.m[0]));
}

static void test_founders_pin_the_blank_members_they_heard(void **state)
{
	struct scene s = scene();

	hear(&s, 1, true);
	hear(&s, 3, true);
	s.m[3].cluster_hash = HASH + 1;
	assert_true(admission_pins(s.m, 5, 0, 0));
	assert_true(admission_pins(s.m, 5, 0, 1));
	assert_false(admission_pins(s.m, 5, 0, 2));
	assert_false(admission_pins(s.m, 5, 0, 3));
}

/* Beside one in use a blank member may be one that has lost its disk. */
static void test_vouched_for_pins_only_itself(void **state)
{
	struct scene s = scene();

	hear(&s, 1, true);
	hear(&s, 2, false);
	s.m[2].recorded_us = SELF_INCARNATION;
	assert_true(admission_pins(s.m, 3, 0, 0));
	assert_false(admission_pins(s.m, 3, 0, 1));
	assert_false(admission_pins(s.m, 3, 0, 2));
}

/* -- quarantine ------------------------------------------------------------ */
static void test_state_is_the_record_and_pins_come_second(void **state)
{
	struct admission_member m = {0};

	assert_int_equal(admission_recorded(&m), 0);
	m.pinned = 5;
	assert_int_equal(admission_recorded(&m), 5);
	m.in_state = 6;
	assert_int_equal(admission_recorded(&m), 6);
}

static void test_nobody_vouches_for_what_only_the_state_says(void **state)
{
	struct admission_member m = {.pinned = 5, .in_state = 6};

	/* The member came back with another disk and was recorded anew. */
	assert_int_equal(admission_vouched(&m), 5);
	m.pinned = 0;
	assert_int_equal(admission_vouched(&m), 0);
}

static void test_self_votes_only_as_recorded(void **state)
{
	struct admission_member self = {.incarnation = 7};

	assert_true(admission_quarantine_self(&self));
	self.pinned = 7;
	assert_false(admission_quarantine_self(&self));
	self.in_state = 8; /* another directory was admitted since */
	assert_true(admission_quarantine_self(&self));
	self.in_state = 7;
	assert_false(admission_quarantine_self(&self));
}

static void test_peer_of_another_incarnation_does_not_count(void **state)
{
	struct admission_member peer = {.is_heard = true, .incarnation = 7};

	peer.pinned = 7;
	assert_false(admission_quarantine_peer(&peer, false));
	peer.pinned = 6;
	assert_true(admission_quarantine_peer(&peer, false));
	peer.is_admitted = true; /* it may say so, the record is against it */
	assert_true(admission_quarantine_peer(&peer, false));
	peer.in_state = 7;
	assert_false(admission_quarantine_peer(&peer, false));
}

static void test_peer_without_record_speaks_for_itself(void **state)
{
	struct admission_member peer = {.is_heard = true, .incarnation = 7};

	assert_true(admission_quarantine_peer(&peer, false));
	peer.is_admitted = true;
	assert_false(admission_quarantine_peer(&peer, false));
}

static void test_who_is_in_quarantine_listens_to_all(void **state)
{
	struct admission_member peer = {
		.is_heard = true, .incarnation = 7, .pinned = 6};

	assert_true(admission_quarantine_peer(&peer, false));
	assert_false(admission_quarantine_peer(&peer, true));
}

static void test_unheard_peer_is_not_in_quarantine(void **state)
{
	struct admission_member peer = {.pinned = 6};

	assert_false(admission_quarantine_peer(&peer, false));
}

static void test_replaced_incarnations_are_not_admitted(void **state)
{
	const uint64_t retired[] = {4, 5};

	assert_true(admission_admits(retired, 2, 6));
	assert_false(admission_admits(retired, 2, 4));
	assert_false(admission_admits(retired, 2, 5));
	assert_true(admission_admits(NULL, 0, 4));
}

/* -- the leader ------------------------------------------------------------ */
static const struct admission_leader content = {
	.is_settled = true, .has_cluster = true, .is_election_told = true};

/* Three members, all connected and on record. */
static struct scene steady(void)
{
	struct scene s = scene();

	for (unsigned i = 0; i < 3; i++) {
		hear(&s, i, false);
		s.m[i].in_state = s.m[i].incarnation;
	}
	return s;
}

static size_t propose(const struct admission_leader *l, const struct scene *s,
		      struct admission_proposal *out)
{
	return admission_proposals(l, s->m, 3, out);
}

static void test_steady_leader_proposes_nothing(void **state)
{
	struct admission_proposal p[LIMIT_NODES + 2];
	struct scene s = steady();

	assert_int_equal(propose(&content, &s, p), 0);
}

static void test_unsettled_leader_proposes_nothing(void **state)
{
	struct admission_proposal p[LIMIT_NODES + 2];
	struct admission_leader fresh = {0};
	struct scene s = scene();

	hear(&s, 1, true);
	assert_int_equal(propose(&fresh, &s, p), 0);
}

static void test_first_leader_names_the_cluster_first(void **state)
{
	struct admission_proposal p[LIMIT_NODES + 2];
	struct admission_leader first = {.is_settled = true};
	struct scene s = steady();

	s.m[0].in_state = s.m[2].in_state = 0;
	assert_int_equal(propose(&first, &s, p), 4);
	assert_int_equal(p[0].kind, ADMISSION_CLUSTER);
	assert_int_equal(p[1].kind, ADMISSION_ELECTED);
	assert_int_equal(p[2].kind, ADMISSION_MEMBER);
	assert_int_equal(p[2].member, 0);
	assert_int_equal(p[3].kind, ADMISSION_MEMBER);
	assert_int_equal(p[3].member, 2);
	first.is_cluster_proposed = first.is_election_told = true;
	assert_int_equal(propose(&first, &s, p), 2);
}

static void test_leader_records_a_new_incarnation(void **state)
{
	struct admission_proposal p[LIMIT_NODES + 2];
	struct scene s = steady();

	s.m[1].incarnation = 999;
	assert_int_equal(propose(&content, &s, p), 1);
	assert_int_equal(p[0].kind, ADMISSION_MEMBER);
	assert_int_equal(p[0].member, 1);
	s.m[1].is_proposed = true;
	assert_int_equal(propose(&content, &s, p), 0);
}

static void test_leader_never_records_a_replaced_one(void **state)
{
	struct admission_proposal p[LIMIT_NODES + 2];
	struct scene s = steady();

	s.m[1].incarnation = 999;
	s.m[1].is_retired = true;
	assert_int_equal(propose(&content, &s, p), 0);
}

static void test_leader_waits_for_an_unheard_member(void **state)
{
	struct admission_proposal p[LIMIT_NODES + 2];
	struct scene s = steady();

	s.m[2].is_heard = false;
	s.m[2].in_state = 0;
	assert_int_equal(propose(&content, &s, p), 0);
}

/* A pin counts for votes, yet only the state outlives this node. */
static void test_leader_records_what_is_only_pinned(void **state)
{
	struct admission_proposal p[LIMIT_NODES + 2];
	struct scene s = steady();

	s.m[2].in_state = 0;
	s.m[2].pinned = s.m[2].incarnation;
	assert_int_equal(propose(&content, &s, p), 1);
	assert_int_equal(p[0].member, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_single_node_founds_at_once),
		cmocka_unit_test(test_alone_among_three_waits_for_ever),
		cmocka_unit_test(test_all_blank_found_at_once),
		cmocka_unit_test(test_majority_blank_founds_after_the_grace),
		cmocka_unit_test(test_half_is_no_majority),
		cmocka_unit_test(test_two_of_five_wait),
		cmocka_unit_test(test_another_member_list_does_not_count),
		cmocka_unit_test(test_one_in_use_means_join),
		cmocka_unit_test(test_join_waits_for_who_could_vouch),
		cmocka_unit_test(test_lost_disk_never_founds_beside_one_in_use),
		cmocka_unit_test(test_vouched_for_founds),
		cmocka_unit_test(test_unheard_member_vouches_for_nobody),
		cmocka_unit_test(
			test_founders_pin_the_blank_members_they_heard),
		cmocka_unit_test(test_vouched_for_pins_only_itself),
		cmocka_unit_test(test_state_is_the_record_and_pins_come_second),
		cmocka_unit_test(
			test_nobody_vouches_for_what_only_the_state_says),
		cmocka_unit_test(test_self_votes_only_as_recorded),
		cmocka_unit_test(
			test_peer_of_another_incarnation_does_not_count),
		cmocka_unit_test(test_peer_without_record_speaks_for_itself),
		cmocka_unit_test(test_who_is_in_quarantine_listens_to_all),
		cmocka_unit_test(test_unheard_peer_is_not_in_quarantine),
		cmocka_unit_test(test_replaced_incarnations_are_not_admitted),
		cmocka_unit_test(test_steady_leader_proposes_nothing),
		cmocka_unit_test(test_unsettled_leader_proposes_nothing),
		cmocka_unit_test(test_first_leader_names_the_cluster_first),
		cmocka_unit_test(test_leader_records_a_new_incarnation),
		cmocka_unit_test(test_leader_never_records_a_replaced_one),
		cmocka_unit_test(test_leader_waits_for_an_unheard_member),
		cmocka_unit_test(test_leader_records_what_is_only_pinned),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
