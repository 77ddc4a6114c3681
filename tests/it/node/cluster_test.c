/* Three nodes as operators run them: they agree, they survive their deaths, and
 * what they acknowledged is there afterwards. */
#include "tests/it/node/support.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "proto/limits.h"

static void test_values_through_any_node_are_in_all(void **state)
{
	struct fleet *f = fleet_of(3, NULL);

	fleet_up(f);
	for (unsigned i = 0; i < 3; i++)
		append_values(f, i, (struct values){100 * i, 100, 64});
	fleet_equal(f);
	for (unsigned i = 0; i < 3; i++)
		expect_values(f, i, (struct values){0, 300, 64});
	fleet_close(f);
}

static void test_acknowledged_survives_the_death_of_all(void **state)
{
	struct fleet *f = fleet_of(3, NULL);

	unsigned leader = fleet_up(f);
	append_values(f, leader, (struct values){0, 200, 300});
	for (unsigned i = 0; i < 3; i++)
		fleet_kill(f, i);
	fleet_up(f);
	fleet_equal(f);
	for (unsigned i = 0; i < 3; i++)
		expect_values(f, i, (struct values){0, 200, 300});
	fleet_close(f);
}

static void test_killed_leader_is_replaced_and_comes_back(void **state)
{
	struct fleet *f = fleet_of(3, NULL);
	struct err e = {0};
	unsigned next;

	unsigned leader = fleet_up(f);
	append_values(f, leader, (struct values){0, 50, 64});
	fleet_kill(f, leader);
	must(fleet_wait_leader(f, WAIT_MS, &next, &e), &e);
	assert_int_not_equal(next, leader);
	append_values(f, next, (struct values){50, 50, 64});
	must(fleet_start(f, leader, &e), &e);
	must(fleet_wait_ready(f, WAIT_MS, &next, &e), &e);
	fleet_equal(f);
	expect_values(f, leader, (struct values){0, 100, 64});
	assert_true(has_event(f, leader, "leader_elected", NULL));
	fleet_close(f);
}

static void test_two_of_three_found_and_the_third_joins(void **state)
{
	struct fleet *f = fleet_of(3, NULL);
	struct err e = {0};
	unsigned leader;

	must(fleet_start(f, 0, &e), &e);
	must(fleet_start(f, 2, &e), &e);
	must(fleet_wait_leader(f, WAIT_MS, &leader, &e), &e);
	append_values(f, leader, (struct values){0, 20, 64});
	must(fleet_start(f, 1, &e), &e);
	must(fleet_wait_ready(f, WAIT_MS, &leader, &e), &e);
	wait_event(f, 1, "member_joined", "n2");
	wait_state(f, 1, "follower");
	/* It counts: with it alone the leader still has a quorum. */
	fleet_kill(f, leader == 0 ? 2 : 0);
	append_values(f, leader, (struct values){20, 20, 64});
	fleet_close(f);
}

/* Killed at any moment of its founding, a cluster comes to life once all its
 * nodes run. */
static void test_founding_survives_kills(void **state)
{
	struct timespec pause = {0};
	struct err e = {0};
	unsigned leader;

	for (unsigned round = 0; round < 10; round++) {
		struct fleet *f = fleet_of(3, NULL);
		must(fleet_start_all(f, &e), &e);
		pause.tv_nsec = 15000000 + (long)round * 8000000;
		nanosleep(&pause, NULL);
		for (unsigned i = 0; i < 3; i++) {
			if (i != round % 3)
				fleet_kill(f, i);
		}
		for (unsigned i = 0; i < 3; i++) {
			if (i != round % 3)
				must(fleet_start(f, i, &e), &e);
		}
		must(fleet_wait_ready(f, WAIT_MS, &leader, &e), &e);
		append_values(f, leader, (struct values){0, 3, 64});
		fleet_close(f);
	}
}

static void test_term_hands_over_and_ends_well(void **state)
{
	struct fleet *f = fleet_of(3, NULL);
	struct err e = {0};
	unsigned next;
	int status;

	unsigned leader = fleet_up(f);
	fleet_term(f, leader);
	must(fleet_wait_end(f, leader, WAIT_MS, &status), &e);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	must(fleet_wait_leader(f, WAIT_MS, &next, &e), &e);
	assert_int_not_equal(next, leader);
	assert_true(file_says(fleet_log(f, leader), "event=handed_over"));
	assert_true(file_says(fleet_log(f, leader), "code=ok"));
	fleet_close(f);
}

/* Alone there is nobody to hand over to; the second signal does not wait. */
static void test_second_signal_stops_at_once(void **state)
{
	struct fleet *f = fleet_of(3, NULL);
	struct err e = {0};
	int status;

	unsigned leader = fleet_up(f);
	for (unsigned i = 0; i < 3; i++) {
		if (i != leader)
			fleet_freeze(f, i);
	}
	fleet_term(f, leader);
	kill(fleet_pid(f, leader), SIGINT);
	must(fleet_wait_end(f, leader, WAIT_MS, &status), &e);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 128 + SIGINT ||
		    WEXITSTATUS(status) == 128 + SIGTERM);
	fleet_close(f);
}

static void test_transfer_names_the_new_leader(void **state)
{
	struct fleet *f = fleet_of(3, NULL);
	Synod__Admin__TransferRequest body;
	Synod__Admin__Request question;

	unsigned leader = fleet_up(f);
	unsigned to = (leader + 1) % 3;
	synod__admin__transfer_request__init(&body);
	synod__admin__request__init(&question);
	body.to = (char *)(uintptr_t)fleet_name(f, to);
	question.body_case = SYNOD__ADMIN__REQUEST__BODY_TRANSFER;
	question.transfer = &body;
	Synod__Admin__Response *answer = ask_node(f, leader, &question);
	assert_string_equal(answer->transfer->to, fleet_name(f, to));
	answer_free(answer);
	wait_state(f, to, "leader");
	fleet_close(f);
}

static int transfer_code(struct fleet *f, unsigned i, const char *to)
{
	Synod__Admin__TransferRequest body;
	Synod__Admin__Request question;
	Synod__Admin__Response *answer;
	struct door_client *client;
	struct err e = {0};

	synod__admin__transfer_request__init(&body);
	synod__admin__request__init(&question);
	body.to = (char *)(uintptr_t)to;
	question.body_case = SYNOD__ADMIN__REQUEST__BODY_TRANSFER;
	question.transfer = &body;
	must(fleet_dial(f, i, 1, &client, &e), &e);
	int rc = ask(client, &question, WAIT_MS, &answer, &e);
	if (!rc)
		answer_free(answer);
	door_hang_up(client);
	return rc;
}

static void test_transfer_refuses_what_cannot_be(void **state)
{
	struct fleet *f = fleet_of(3, NULL);

	unsigned leader = fleet_up(f);
	unsigned other = (leader + 1) % 3;
	assert_int_equal(transfer_code(f, leader, "nobody"), ERR_NOTFOUND);
	assert_int_equal(transfer_code(f, other, ""), ERR_NOT_LEADER);
	assert_int_equal(transfer_code(f, leader, fleet_name(f, leader)), 0);
	fleet_close(f);
}

/* -- requests that cannot be ----------------------------------------------- */
static int append_code(struct fleet *f, unsigned i, size_t n, size_t size,
		       int timeout_ms)
{
	Synod__Admin__AppendRequest body;
	Synod__Admin__Request question;
	Synod__Admin__Response *answer;
	struct door_client *client;
	struct err e = {0};
	ProtobufCBinaryData *list = mem_zero(n + 1, sizeof(*list));
	uint8_t *value = mem_zero(1, size + 1);

	synod__admin__append_request__init(&body);
	synod__admin__request__init(&question);
	for (size_t k = 0; k < n; k++)
		list[k] = (ProtobufCBinaryData){size, value};
	body.n_values = n;
	body.values = list;
	body.timeout_ms = (uint32_t)timeout_ms;
	question.body_case = SYNOD__ADMIN__REQUEST__BODY_APPEND;
	question.append = &body;
	must(fleet_dial(f, i, 1, &client, &e), &e);
	int rc = ask(client, &question, WAIT_MS, &answer, &e);
	if (!rc) {
		rc = answer->append->fates[n - 1]->code;
		answer_free(answer);
	}
	door_hang_up(client);
	free(value);
	free(list);
	return rc;
}

static void test_appends_over_the_limits_are_refused(void **state)
{
	struct fleet *f = fleet_of(3, NULL);

	unsigned leader = fleet_up(f);
	assert_int_equal(append_code(f, leader, 0, 1, 1000), ERR_LIMIT);
	assert_int_equal(
		append_code(f, leader, LIMIT_APPEND_VALUES + 1, 1, 1000),
		ERR_LIMIT);
	assert_int_equal(append_code(f, leader, 1, LIMIT_ENTRY_BYTES + 1, 1000),
			 ERR_LIMIT);
	assert_int_equal(
		append_code(f, leader, 1, LIMIT_ENTRY_BYTES - 1024, 8000), 0);
	assert_int_equal(append_code(f, leader, LIMIT_APPEND_VALUES, 0, 8000),
			 0);
	fleet_close(f);
}

/* Without a quorum nothing is acknowledged, and nobody waits for ever. */
static void test_minority_acknowledges_nothing(void **state)
{
	struct fleet *f = fleet_of(3, NULL);

	unsigned leader = fleet_up(f);
	for (unsigned i = 0; i < 3; i++) {
		if (i != leader)
			fleet_kill(f, i);
	}
	assert_int_not_equal(append_code(f, leader, 1, 64, 500), 0);
	fleet_close(f);
}

static void test_status_shows_all_nodes(void **state)
{
	struct fleet *f = fleet_of(3, NULL);

	unsigned leader = fleet_up(f);
	fleet_kill(f, (leader + 1) % 3);
	append_values(f, leader, (struct values){0, 1, 64});
	wait_event(f, leader, "cluster_founded", NULL);
	Synod__Admin__Response *answer = status_of(f, leader);
	const Synod__Admin__StatusResponse *s = answer->status;
	assert_int_equal(s->n_nodes, 3);
	assert_int_equal(strlen(s->cluster_id), 32);
	assert_string_equal(s->self->name, fleet_name(f, leader));
	assert_string_equal(s->self->state, "leader");
	assert_string_equal(s->self->durability, "fsync on a quorum");
	assert_true(s->self->rss_bytes > 0);
	assert_true(s->self->log_bytes > 0);
	for (size_t k = 0; k < 3; k++) {
		if (k > 0)
			assert_true(s->nodes[k - 1]->id < s->nodes[k]->id);
		assert_string_equal(s->nodes[k]->role, "voter");
	}
	answer_free(answer);
	fleet_close(f);
}

static void test_one_node_is_a_cluster(void **state)
{
	struct fleet *f = fleet_of(1, NULL);

	fleet_up(f);
	append_values(f, 0, (struct values){0, 100, 64});
	fleet_kill(f, 0);
	fleet_up(f);
	expect_values(f, 0, (struct values){0, 100, 64});
	fleet_close(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_through_any_node_are_in_all),
		cmocka_unit_test(test_acknowledged_survives_the_death_of_all),
		cmocka_unit_test(test_killed_leader_is_replaced_and_comes_back),
		cmocka_unit_test(test_two_of_three_found_and_the_third_joins),
		cmocka_unit_test(test_founding_survives_kills),
		cmocka_unit_test(test_term_hands_over_and_ends_well),
		cmocka_unit_test(test_second_signal_stops_at_once),
		cmocka_unit_test(test_transfer_names_the_new_leader),
		cmocka_unit_test(test_transfer_refuses_what_cannot_be),
		cmocka_unit_test(test_appends_over_the_limits_are_refused),
		cmocka_unit_test(test_minority_acknowledges_nothing),
		cmocka_unit_test(test_status_shows_all_nodes),
		cmocka_unit_test(test_one_node_is_a_cluster),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
