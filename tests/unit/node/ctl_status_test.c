/* status and node list: several nodes tell of one cluster. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl_fixture.h"
#include "node/ctl/health.h"
#include "node/ctl/view.h"

enum { NODES = 3, GIB = 1 << 30 };

/* A cluster as it is; each node tells its part of it. */
struct cluster {
	Synod__Admin__NodeStatus own[NODES];         /* as each knows itself */
	Synod__Admin__NodeStatus seen[NODES][NODES]; /* by whom, of whom */
	Synod__Admin__NodeStatus *lists[NODES][NODES];
	Synod__Admin__StatusResponse status[NODES];
	char names[NODES][4];
	char addresses[NODES][24];
};

static void text(char **field, const char *value)
{
	*field = (char *)(uintptr_t)value;
}

static void node_init(struct cluster *c, int i, Synod__Admin__NodeStatus *s)
{
	synod__admin__node_status__init(s);
	s->id = (uint64_t)i + 1;
	s->name = c->names[i];
	s->address = c->addresses[i];
	text(&s->role, "voter");
	text(&s->state, i == 1 ? "leader" : "follower");
}

/* n2 leads, all is well. */
static void cluster_init(struct cluster *c)
{
	*c = (struct cluster){0};
	for (int i = 0; i < NODES; i++) {
		snprintf(c->names[i], sizeof c->names[i], "n%d", i + 1);
		snprintf(c->addresses[i], sizeof c->addresses[i],
			 "127.0.0.1:410%d1", i);
	}
	for (int i = 0; i < NODES; i++) {
		Synod__Admin__NodeStatus *s = &c->own[i];

		node_init(c, i, s);
		s->term = 14;
		s->leader_id = 2;
		s->commit_index = s->applied_index = s->last_index = 91884;
		s->first_index = 1;
		s->digest = 0xabc;
		s->digest_index = 91884;
		s->log_bytes = (uint64_t)3 * GIB;
		s->log_limit_bytes = (uint64_t)64 * GIB;
		s->uptime_us = 22320000000;
		s->peers_connected = 2;
		text(&s->version, "0.1.0");
		synod__admin__status_response__init(&c->status[i]);
		text(&c->status[i].cluster, "demo");
		text(&c->status[i].cluster_id, "00ff");
		c->status[i].self = s;
		for (int j = 0; j < NODES; j++) {
			node_init(c, j, &c->seen[i][j]);
			c->lists[i][j] = i == j ? s : &c->seen[i][j];
		}
		c->status[i].n_nodes = NODES;
		c->status[i].nodes = c->lists[i];
	}
}

/* Nobody sees node i any more, and it cannot be asked. */
static void cluster_lose(struct cluster *c, int i)
{
	for (int j = 0; j < NODES; j++)
		text(&c->seen[j][i].state, "unreachable");
}

static void answer(struct fake *f, const char *url,
		   const Synod__Admin__Request *request,
		   Synod__Admin__Response *response)
{
	struct cluster *c = f->ctx;
	int i = url[strlen(url) - 1] - '1';

	/* Nodes of the time before there were tasks. */
	if (request->body_case == SYNOD__ADMIN__REQUEST__BODY_OVERVIEW) {
		fake_problem(response, ERR_INVALID,
			     "this node does not know the request", "");
		return;
	}
	assert_int_equal(request->body_case,
			 SYNOD__ADMIN__REQUEST__BODY_STATUS);
	assert_true(request->status->with_nodes);
	assert_in_range(i, 0, NODES - 1);
	response->body_case = SYNOD__ADMIN__RESPONSE__BODY_STATUS;
	response->status = &c->status[i];
}

#define ONE "--endpoint ipc:///n1 "
#define TWO "--endpoint ipc:///n2 "
#define ALL "--endpoint ipc:///n1,ipc:///n2,ipc:///n3 "

static void start(struct fake *f, struct cluster *c)
{
	cluster_init(c);
	fake_init(f, answer);
	f->ctx = c;
}

static void test_a_healthy_cluster_is_one_calm_screen(void **state)
{
	struct cluster c;
	struct fake f;

	start(&f, &c);
	assert_int_equal(fake_run(&f, ALL "-o table status --exit-code"),
			 EXIT_DONE);
	assert_out(
		&f,
		"cluster  demo   3 nodes   leader n2 (term 14)\n"
		"health   OK\n"
		"\n"
		"NODE  ROLE   STATE     TERM  APPLIED  BEHIND      LOG     UP\n"
		"n1    voter  follower    14    91884       0  3.0 GiB  6h12m\n"
		"n2    voter  leader      14    91884       0  3.0 GiB  6h12m\n"
		"n3    voter  follower    14    91884       0  3.0 GiB  "
		"6h12m\n");
	assert_err(&f, "");
	fake_clear(&f);
}

static void test_one_node_alone_knows_little_of_the_others(void **state)
{
	struct cluster c;
	struct fake f;

	start(&f, &c);
	assert_int_equal(fake_run(&f, ONE "node list"), EXIT_DONE);
	assert_out(&f, "n1\tvoter\tfollower\t\t\t14\t91884\t\t3221225472\t"
		       "22320.000000\n"
		       "n2\tvoter\tleader\t\t\t\t\t\t\t\n"
		       "n3\tvoter\tfollower\t\t\t\t\t\t\t\n");
	/* The leader also knows how far behind they are. */
	c.seen[1][2].behind = 4;
	assert_int_equal(fake_run(&f, TWO "node list --no-headers -o tsv"),
			 EXIT_DONE);
	assert_out(&f, "n1\tvoter\tfollower\t\t\t\t\t0\t\t\n"
		       "n2\tvoter\tleader\t\t\t14\t91884\t0\t3221225472\t"
		       "22320.000000\n"
		       "n3\tvoter\tfollower\t\t\t\t\t4\t\t\n");
	fake_clear(&f);
}

static void test_a_lost_node_is_a_warning_with_a_next_step(void **state)
{
	struct cluster c;
	struct fake f;

	start(&f, &c);
	cluster_lose(&c, 2);
	assert_int_equal(fake_run(&f, TWO "-o table status --exit-code"),
			 EXIT_UNHEALTHY);
	assert_non_null(strstr(f.out, "health   WARN   2 problems\n"));
	assert_non_null(strstr(
		f.out,
		"\nproblem  one more lost voter stops the cluster: 2 of 3 are "
		"reached\n"
		"next     systemctl start synodd   (on n3)\n"));
	assert_non_null(strstr(f.out,
			       "\nproblem  n3 is not reached by its peers\n"
			       "next     systemctl status synodd   (on n3, "
			       "127.0.0.1:41021)\n"));
	/* Without the flag it is not an error to be told so. */
	assert_int_equal(fake_run(&f, TWO "status"), EXIT_DONE);
	fake_clear(&f);
}

static void test_a_lost_quorum_is_critical_and_comes_first(void **state)
{
	struct cluster c;
	struct fake f;

	start(&f, &c);
	cluster_lose(&c, 1);
	cluster_lose(&c, 2);
	text(&c.own[0].state, "candidate");
	c.own[0].leader_id = 0;
	assert_int_equal(fake_run(&f, ONE "-o json status"), EXIT_DONE);
	json_t *all = fake_json(&f);
	json_t *summary = json_object_get(all, "summary");
	assert_string_equal(
		json_string_value(json_object_get(summary, "health")), "CRIT");
	assert_true(json_is_null(json_object_get(summary, "leader")));
	json_t *first = json_array_get(json_object_get(summary, "problems"), 0);
	assert_string_equal(json_string_value(json_object_get(first, "text")),
			    "quorum lost: 1 of 3 voters are reached, 2 are "
			    "needed; missing: n2, n3");
	json_decref(all);
	fake_clear(&f);
}

static void test_no_leader_is_critical(void **state)
{
	struct cluster c;
	struct fake f;

	start(&f, &c);
	for (int i = 0; i < NODES; i++) {
		text(&c.own[i].state, "follower");
		text(&c.seen[i][1].state, "follower");
		c.own[i].leader_id = 0;
	}
	assert_int_equal(fake_run(&f, ALL "-o table status --exit-code"),
			 EXIT_UNHEALTHY);
	assert_non_null(strstr(f.out, "no leader (term 14)\nhealth   CRIT"));
	assert_non_null(strstr(f.out, "problem  no leader: "));
	fake_clear(&f);
}

static void test_an_endpoint_that_is_silent_is_a_problem(void **state)
{
	struct cluster c;
	struct fake f;

	start(&f, &c);
	f.down = "n3";
	assert_int_equal(fake_run(&f, ALL "-o table status --exit-code"),
			 EXIT_UNHEALTHY);
	assert_non_null(strstr(f.out, "problem  ipc:///n3: connection refused\n"
				      "next     systemctl status synodd; the "
				      "socket is admin.socket of its node "));
	fake_clear(&f);
}

static void test_nobody_answers_is_an_error(void **state)
{
	struct cluster c;
	struct fake f;

	start(&f, &c);
	f.down = "ipc";
	assert_int_equal(fake_run(&f, ONE "status"), EXIT_ENVIRONMENT);
	assert_out(&f, "");
	assert_err(&f, "synodctl: error: ipc:///n1: connection refused  "
		       "[network]\n"
		       "hint: systemctl status synodd; the socket is "
		       "admin.socket of its node file: --endpoint "
		       "ipc:///PATH\n");
	fake_clear(&f);
}

static void test_what_a_node_says_of_itself_counts_more(void **state)
{
	struct cluster c;
	struct fake f;

	/* Given n1, which does not see n3, while n3 itself is well. */
	start(&f, &c);
	text(&c.seen[0][2].state, "unreachable");
	assert_int_equal(fake_run(&f, ALL "node list -o jsonl"), EXIT_DONE);
	assert_null(strstr(f.out, "unreachable"));
	assert_null(strstr(f.out, "a peer"));
	fake_clear(&f);
}

static void test_an_old_leader_is_not_believed(void **state)
{
	struct cluster c;
	struct fake f;

	/* n1 was cut off and still believes that it leads. */
	start(&f, &c);
	text(&c.own[0].state, "leader");
	c.own[0].term = 13;
	c.own[0].leader_id = 1;
	assert_int_equal(fake_run(&f, ALL "-o table status"), EXIT_DONE);
	assert_non_null(strstr(f.out, "leader n2 (term 14)"));
	fake_clear(&f);
}

static void assert_critical(struct cluster *c, const char *line,
			    const char *says)
{
	struct fake f;

	fake_init(&f, answer);
	f.ctx = c;
	assert_int_equal(fake_run(&f, line), EXIT_UNHEALTHY);
	assert_non_null(strstr(f.out, says));
	fake_clear(&f);
}

static void test_each_sickness_has_its_sentence(void **state)
{
	struct cluster c;
	const char *line = ALL "-o table status --exit-code";

	cluster_init(&c);
	c.own[2].digest = 0xdef;
	assert_critical(&c, line,
			"problem  n1 and n3 differ at index 91884: this must "
			"never happen\n");
	cluster_init(&c);
	c.own[0].log_bytes = (uint64_t)58 * GIB;
	assert_critical(&c, line,
			"problem  the log of n1 is 90 % full: changes are "
			"refused\n");
	c.own[0].log_bytes = (uint64_t)50 * GIB;
	assert_critical(&c, line, "problem  the log of n1 is 78 % full\n");
	cluster_init(&c);
	c.seen[1][0].behind = 100000;
	assert_critical(&c, line,
			"problem  n1 is 100000 entries behind the leader\n");
	cluster_init(&c);
	text(&c.own[0].state, "rebuilding");
	assert_critical(&c, line, "problem  n1 is being rebuilt");
	cluster_init(&c);
	c.own[0].fsync_p99_us = 1200000;
	assert_critical(&c, line,
			"problem  the disk of n1 is slow: fsync p99 1.2 s\n");
	cluster_init(&c);
	c.own[0].loop_lag_p99_us = 200000;
	assert_critical(&c, line, "problem  n1 gets too little processor");
	cluster_init(&c);
	c.own[0].commit_index += 150000;
	assert_critical(&c, line,
			"problem  n1 applies slowly: 150000 entries wait\n");
	cluster_init(&c);
	text(&c.status[2].cluster, "other");
	assert_critical(&c, line,
			"problem  the endpoints belong to more than one "
			"cluster; only 'demo' is shown\n");
}

static void test_different_digests_at_different_places_are_fine(void **state)
{
	struct cluster c;
	struct fake f;

	start(&f, &c);
	c.own[2].digest = 0xdef;
	c.own[2].digest_index = 91880;
	assert_int_equal(fake_run(&f, ALL "-o table status --exit-code"),
			 EXIT_DONE);
	fake_clear(&f);
}

static void test_an_answer_that_is_no_answer_is_refused(void **state)
{
	struct cluster c;
	struct fake f;

	start(&f, &c);
	f.is_garbage = true;
	assert_int_equal(fake_run(&f, ONE "status"), EXIT_ENVIRONMENT);
	assert_non_null(strstr(f.err, "hint: something else than a synodd"));
	fake_clear(&f);
}

static void test_jsonl_carries_the_health(void **state)
{
	struct cluster c;
	struct fake f;

	start(&f, &c);
	assert_int_equal(fake_run(&f, ALL "-o jsonl status"), EXIT_DONE);
	assert_ptr_equal(strchr(f.out, '\n'), f.out + strlen(f.out) - 1);
	assert_non_null(strstr(f.out, "\"health\":\"OK\""));
	fake_clear(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_healthy_cluster_is_one_calm_screen),
		cmocka_unit_test(
			test_one_node_alone_knows_little_of_the_others),
		cmocka_unit_test(
			test_a_lost_node_is_a_warning_with_a_next_step),
		cmocka_unit_test(
			test_a_lost_quorum_is_critical_and_comes_first),
		cmocka_unit_test(test_no_leader_is_critical),
		cmocka_unit_test(test_an_endpoint_that_is_silent_is_a_problem),
		cmocka_unit_test(test_nobody_answers_is_an_error),
		cmocka_unit_test(test_what_a_node_says_of_itself_counts_more),
		cmocka_unit_test(test_an_old_leader_is_not_believed),
		cmocka_unit_test(test_each_sickness_has_its_sentence),
		cmocka_unit_test(
			test_different_digests_at_different_places_are_fine),
		cmocka_unit_test(test_an_answer_that_is_no_answer_is_refused),
		cmocka_unit_test(test_jsonl_carries_the_health),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
