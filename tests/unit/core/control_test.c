#include "cluster/core/control.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "cluster/core/command.h"
#include "machine.h"
#include "proto/codec.h"

static void give_append(struct machine *m, size_t len)
{
	uint8_t value[256], buf[512] = {0};

	memset(value, 1, sizeof(value));
	command_append_write((struct bytes){value, len},
			     buf + COMMAND_ID_BYTES);
	machine_give(m, CONTROL_COMMAND,
		     (struct bytes){buf, COMMAND_ID_BYTES +
						 command_append_bytes(len)});
}

static void give_member(struct machine *m, uint64_t id, const char *name,
			uint64_t incarnation)
{
	Synod__Command__Member member;
	Synod__Command__Command c;

	synod__command__member__init(&member);
	synod__command__command__init(&c);
	member.node_id = id;
	member.name = command_text(name);
	member.incarnation = incarnation;
	member.time_us = 77;
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_MEMBER;
	c.member = &member;
	machine_command(m, &c);
}

static void give_cluster(struct machine *m, uint8_t fill, size_t len,
			 const char *name)
{
	uint8_t id[64];
	Synod__Command__Cluster cluster;
	Synod__Command__Command c;

	synod__command__cluster__init(&cluster);
	synod__command__command__init(&c);
	memset(id, fill, sizeof(id));
	cluster.cluster_id = (ProtobufCBinaryData){len, id};
	cluster.name = command_text(name);
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_CLUSTER;
	c.cluster = &cluster;
	machine_command(m, &c);
}

static void give_event(struct machine *m, const char *type, const char *text)
{
	Synod__Command__Event event;
	Synod__Command__Command c;

	synod__command__event__init(&event);
	synod__command__command__init(&c);
	event.type = command_text(type);
	event.text = command_text(text);
	event.node = command_text("n1");
	event.time_us = 5;
	event.detect_us = 6;
	event.elect_us = 7;
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_EVENT;
	c.event = &event;
	machine_command(m, &c);
}

static struct control_summary summary(struct machine *m)
{
	struct control_summary s;

	control_flush(&m->control, &m->kv);
	control_summary(&m->kv, &s);
	return s;
}

static void test_empty_state_reads_as_zeros(void **state)
{
	struct machine *m = *state;
	struct control_summary s, zero = {0};
	struct control_cluster c;
	struct control_member member;
	struct control_event event;

	control_summary(&m->kv, &s);
	assert_memory_equal(&s, &zero, sizeof(s));
	assert_false(control_cluster(&m->kv, &c));
	assert_false(control_member(&m->kv, 1, &member));
	assert_int_equal(control_members(&m->kv, &member, 1), 0);
	assert_int_equal(control_events(&m->kv, 0, &event, 1), 0);
}

static void test_appends_are_counted(void **state)
{
	struct machine *m = *state;

	give_append(m, 0);
	give_append(m, 100);
	give_append(m, 256);
	assert_int_equal(m->changed, 0);
	struct control_summary s = summary(m);
	assert_int_equal(s.applied_index, 3);
	assert_int_equal(s.n_appends, 3);
	assert_int_equal(s.append_bytes, 356);
	assert_int_equal(s.n_bad, 0);
}

static void test_nothing_is_written_before_the_flush(void **state)
{
	struct machine *m = *state;

	give_append(m, 10);
	assert_int_equal(map_count(m->map), 0);
	control_flush(&m->control, &m->kv);
	assert_int_equal(map_count(m->map), 1);
}

/* A crash between two transactions: a new machine goes on behind the flush. */
static void test_restart_goes_on_behind_the_flush(void **state)
{
	struct machine *m = *state;

	for (int i = 0; i < 10; i++)
		give_append(m, 10);
	struct control_summary before = summary(m);
	give_append(m, 10); /* lost: never flushed */
	control_free(&m->control);
	control_init(&m->control);
	m->next_index = 11;
	give_append(m, 10);
	struct control_summary after = summary(m);
	assert_int_equal(before.applied_index, 10);
	assert_int_equal(after.applied_index, 11);
	assert_int_equal(after.n_appends, 11);
}

static void test_barriers_and_configurations_are_in_the_chain(void **state)
{
	struct machine *m = *state;

	machine_give(m, CONTROL_CONFIGURATION,
		     (struct bytes){(const uint8_t *)"x", 1});
	uint64_t first = summary(m).digest;
	machine_give(m, CONTROL_BARRIER, (struct bytes){NULL, 0});
	struct control_summary s = summary(m);
	assert_int_equal(s.n_others, 2);
	assert_int_not_equal(s.digest, first);
	assert_int_not_equal(first, 0);
}

/* The digest tells apart logs that differ in one term, type, byte or order. */
static uint64_t digest_of(uint64_t term, enum control_type type, const char *a,
			  const char *b)
{
	struct map *map = map_new();
	struct kv kv = kv_mem(map);
	struct control c;

	control_init(&c);
	control_apply(&c, &kv,
		      &(struct control_entry){
			      1, term, type, {(const uint8_t *)a, strlen(a)}});
	control_apply(&c, &kv,
		      &(struct control_entry){2,
					      1,
					      CONTROL_BARRIER,
					      {(const uint8_t *)b, strlen(b)}});
	uint64_t digest = c.summary.digest;
	control_free(&c);
	map_free(map);
	return digest;
}

static void test_digest_tells_logs_apart(void **state)
{
	uint64_t d = digest_of(1, CONTROL_BARRIER, "a", "b");

	assert_int_equal(d, digest_of(1, CONTROL_BARRIER, "a", "b"));
	assert_int_not_equal(d, digest_of(2, CONTROL_BARRIER, "a", "b"));
	assert_int_not_equal(d, digest_of(1, CONTROL_CONFIGURATION, "a", "b"));
	assert_int_not_equal(d, digest_of(1, CONTROL_BARRIER, "b", "a"));
	assert_int_not_equal(d, digest_of(1, CONTROL_BARRIER, "ab", ""));
}

static void test_noise_is_counted_and_changes_nothing_else(void **state)
{
	struct machine *m = *state;
	struct rng rng;
	uint8_t noise[80];

	rng_init(&rng, 1);
	for (int i = 0; i < 500; i++) {
		for (size_t j = 0; j < sizeof(noise); j++)
			noise[j] = (uint8_t)rng_u64(&rng);
		machine_give(
			m, CONTROL_COMMAND,
			(struct bytes){noise, rng_below(&rng, sizeof(noise))});
		assert_int_equal(m->changed, 0);
	}
	struct control_summary s = summary(m);
	assert_int_equal(s.n_bad, 500);
	assert_int_equal(s.applied_index, 500);
	assert_int_equal(map_count(m->map), 1);
}

static void test_member_is_recorded(void **state)
{
	struct machine *m = *state;
	struct control_member got;

	give_member(m, 9, "n9", 1234);
	assert_int_equal(m->changed,
			 CONTROL_CHANGED_MEMBERS | CONTROL_CHANGED_EVENTS);
	assert_true(control_member(&m->kv, 9, &got));
	assert_int_equal(got.incarnation, 1234);
	assert_int_equal(got.index, 1);
	assert_string_equal(got.name, "n9");
	assert_int_equal(got.n_retired, 0);
}

static void test_member_twice_is_one(void **state)
{
	struct machine *m = *state;
	struct control_member got;

	give_member(m, 9, "n9", 1234);
	give_member(m, 9, "n9", 1234);
	assert_int_equal(m->changed, 0);
	assert_true(control_member(&m->kv, 9, &got));
	assert_int_equal(got.index, 1);
	assert_int_equal(summary(m).n_events_kept, 1);
}

static void test_replaced_incarnation_never_comes_back(void **state)
{
	struct machine *m = *state;
	struct control_member got;

	give_member(m, 9, "n9", 1);
	give_member(m, 9, "n9", 2);
	give_member(m, 9, "n9", 3);
	give_member(m, 9, "n9", 1);
	assert_int_equal(m->changed, 0);
	assert_int_equal(summary(m).n_bad, 1);
	assert_true(control_member(&m->kv, 9, &got));
	assert_int_equal(got.incarnation, 3);
	assert_int_equal(got.n_retired, 2);
	assert_int_equal(got.retired[0], 2);
	assert_int_equal(got.retired[1], 1);
}

static void test_retired_incarnations_are_bounded(void **state)
{
	struct machine *m = *state;
	struct control_member got;

	for (uint64_t i = 1; i <= 40; i++)
		give_member(m, 9, "n9", i);
	assert_true(control_member(&m->kv, 9, &got));
	assert_int_equal(got.n_retired, CONTROL_RETIRED);
	for (unsigned i = 0; i < CONTROL_RETIRED; i++)
		assert_int_equal(got.retired[i], 39 - i);
}

static void test_bad_members_are_refused(void **state)
{
	struct machine *m = *state;
	char name[LIMIT_NAME_BYTES + 2];

	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = 0;
	give_member(m, 0, "n0", 1);
	give_member(m, 1, "", 1);
	give_member(m, 1, "n1", 0);
	give_member(m, 1, name, 1);
	assert_int_equal(summary(m).n_bad, 4);
	name[LIMIT_NAME_BYTES] = 0; /* the longest name */
	give_member(m, 1, name, 1);
	assert_int_equal(summary(m).n_bad, 4);
}

static void test_members_are_listed_by_id_and_bounded(void **state)
{
	struct machine *m = *state;
	struct control_member got[CONTROL_MEMBERS + 1];
	char name[16];

	for (uint64_t i = CONTROL_MEMBERS + 5; i > 0; i--) {
		snprintf(name, sizeof(name), "n%llu", (unsigned long long)i);
		give_member(m, i, name, i + 100);
	}
	assert_int_equal(control_members(&m->kv, got, CONTROL_MEMBERS + 1),
			 CONTROL_MEMBERS);
	assert_int_equal(summary(m).n_bad, 5);
	for (unsigned i = 0; i < CONTROL_MEMBERS; i++)
		assert_int_equal(got[i].id, i + 6);
	assert_int_equal(control_members(&m->kv, got, 3), 3);
}

static void test_first_cluster_name_stays(void **state)
{
	struct machine *m = *state;
	struct control_cluster c;

	give_cluster(m, 1, 15, "short");
	assert_false(control_cluster(&m->kv, &c));
	give_cluster(m, 2, 16, "demo");
	assert_int_equal(m->changed,
			 CONTROL_CHANGED_CLUSTER | CONTROL_CHANGED_EVENTS);
	give_cluster(m, 3, 16, "other");
	assert_int_equal(m->changed, 0);
	assert_true(control_cluster(&m->kv, &c));
	assert_string_equal(c.name, "demo");
	assert_int_equal(c.id[0], 2);
	assert_int_equal(c.index, 2);
	assert_int_equal(summary(m).n_bad, 1);
	assert_int_equal(summary(m).n_clusters, 2);
}

static void test_events_are_kept_in_order(void **state)
{
	struct machine *m = *state;
	struct control_event got[8];

	give_event(m, "first", "one");
	give_append(m, 10);
	give_event(m, "second", "two");
	assert_int_equal(control_events(&m->kv, 0, got, 8), 2);
	assert_int_equal(got[0].index, 1);
	assert_string_equal(got[0].type, "first");
	assert_string_equal(got[0].text, "one");
	assert_string_equal(got[0].node, "n1");
	assert_int_equal(got[0].time_us, 5);
	assert_int_equal(got[0].detect_us, 6);
	assert_int_equal(got[0].elect_us, 7);
	assert_int_equal(got[1].index, 3);
	assert_int_equal(control_events(&m->kv, 1, got, 8), 1);
	assert_string_equal(got[0].type, "second");
	assert_int_equal(control_events(&m->kv, 3, got, 8), 0);
	assert_int_equal(control_events(&m->kv, 0, got, 1), 1);
}

static void test_oldest_events_go_first(void **state)
{
	struct machine *m = *state;
	struct control_event got;

	for (int i = 0; i < LIMIT_EVENTS + 25; i++)
		give_event(m, "tick", "");
	assert_int_equal(summary(m).n_events_kept, LIMIT_EVENTS);
	assert_int_equal(summary(m).n_events, LIMIT_EVENTS + 25);
	assert_int_equal(control_events(&m->kv, 0, &got, 1), 1);
	assert_int_equal(got.index, 26);
	assert_int_equal(map_count(m->map), LIMIT_EVENTS + 1);
}

static void test_oversized_events_are_refused(void **state)
{
	struct machine *m = *state;
	char text[2000];

	memset(text, 't', sizeof(text));
	text[sizeof(text) - 1] = 0;
	give_event(m, "type", text);
	give_event(m, text, "text");
	give_event(m, "", "no type");
	assert_int_equal(summary(m).n_bad, 3);
	text[CONTROL_EVENT_TEXT_MAX] = 0;
	give_event(m, "type", text);
	assert_int_equal(summary(m).n_bad, 3);
}

/* The same entries, cut into transactions at other places: the same state. */
static void test_grouping_does_not_matter(void **state)
{
	struct machine *a = *state, *b;

	machine_setup((void **)&b);
	for (int i = 0; i < 50; i++) {
		give_append(a, (size_t)i);
		give_append(b, (size_t)i);
		if (i % 7 == 0)
			control_flush(&a->control, &a->kv);
		if (i % 11 == 0)
			control_flush(&b->control, &b->kv);
	}
	give_member(a, 3, "n3", 33);
	give_member(b, 3, "n3", 33);
	machine_check_equal(a, b);
	machine_teardown((void **)&b);
}

#define TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, machine_setup, machine_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_empty_state_reads_as_zeros),
		TEST(test_appends_are_counted),
		TEST(test_nothing_is_written_before_the_flush),
		TEST(test_restart_goes_on_behind_the_flush),
		TEST(test_barriers_and_configurations_are_in_the_chain),
		TEST(test_digest_tells_logs_apart),
		TEST(test_noise_is_counted_and_changes_nothing_else),
		TEST(test_member_is_recorded),
		TEST(test_member_twice_is_one),
		TEST(test_replaced_incarnation_never_comes_back),
		TEST(test_retired_incarnations_are_bounded),
		TEST(test_bad_members_are_refused),
		TEST(test_members_are_listed_by_id_and_bounded),
		TEST(test_first_cluster_name_stays),
		TEST(test_events_are_kept_in_order),
		TEST(test_oldest_events_go_first),
		TEST(test_oversized_events_are_refused),
		TEST(test_grouping_does_not_matter),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
