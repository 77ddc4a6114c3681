/* node transfer-leader, metrics and --watch. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl_fixture.h"

/* n2 leads; the others say so. */
static void transfer(struct fake *f, const char *url,
		     const Synod__Admin__Request *request,
		     Synod__Admin__Response *response)
{
	static Synod__Admin__TransferResponse done;
	static char to[64];

	assert_int_equal(request->body_case,
			 SYNOD__ADMIN__REQUEST__BODY_TRANSFER);
	if (!strstr(url, "n2")) {
		fake_problem(response, ERR_NOT_LEADER, "this node follows n2",
			     f->ctx ? f->ctx : "");
		return;
	}
	if (strcmp(request->transfer->to, "n9") == 0) {
		fake_problem(response, ERR_NOTFOUND, "no member is named n9",
			     "synodctl node list");
		return;
	}
	synod__admin__transfer_response__init(&done);
	snprintf(to, sizeof to, "%s",
		 request->transfer->to[0] ? request->transfer->to : "n3");
	done.to = to;
	done.term = 15;
	response->body_case = SYNOD__ADMIN__RESPONSE__BODY_TRANSFER;
	response->transfer = &done;
}

#define MOVE "node transfer-leader "
#define ALL "--endpoint ipc:///n1,ipc:///n2,ipc:///n3 "

static void test_the_leader_is_found_among_the_endpoints(void **state)
{
	struct fake f;

	fake_init(&f, transfer);
	assert_int_equal(fake_run(&f, ALL "-y " MOVE "--to n1"), EXIT_DONE);
	assert_out(&f, "n1\t15\n");
	assert_int_equal(f.n_calls, 2); /* n3 was not asked any more */
	assert_int_equal(fake_run(&f, ALL MOVE "--yes"), EXIT_DONE);
	assert_out(&f, "n3\t15\n");
	/* A dead endpoint is passed over. */
	f.down = "n1";
	assert_int_equal(fake_run(&f, ALL MOVE "--yes"), EXIT_DONE);
	fake_clear(&f);
}

static void test_a_follower_alone_says_who_leads(void **state)
{
	struct fake f;

	fake_init(&f, transfer);
	f.ctx = (void *)(uintptr_t) "ask n2: --endpoint tcp://10.0.0.2:41004";
	assert_int_equal(fake_run(&f, "--endpoint ipc:///n1 -y " MOVE),
			 EXIT_FAILED);
	assert_err(&f, "synodctl: error: this node follows n2  [not_leader]\n"
		       "hint: ask n2: --endpoint tcp://10.0.0.2:41004\n");
	f.ctx = NULL;
	assert_int_equal(fake_run(&f, "--endpoint ipc:///n1 -y " MOVE),
			 EXIT_FAILED);
	assert_non_null(strstr(f.err, "hint: name the endpoints of all"));
	fake_clear(&f);
}

static void test_a_refusal_of_the_leader_ends_the_search(void **state)
{
	struct fake f;

	fake_init(&f, transfer);
	assert_int_equal(fake_run(&f, ALL "-y " MOVE "--to n9"), EXIT_FAILED);
	assert_err(&f, "synodctl: error: no member is named n9  [notfound]\n"
		       "hint: synodctl node list\n");
	assert_int_equal(f.n_calls, 2);
	fake_clear(&f);
}

static void test_nothing_disruptive_happens_unasked(void **state)
{
	struct fake f;

	fake_init(&f, transfer);
	assert_int_equal(fake_run(&f, MOVE "--to n1 --endpoint ipc:///n2"),
			 EXIT_USAGE);
	assert_non_null(strstr(f.err, "\nhint: synodctl node transfer-leader "
				      "--to n1 --endpoint ipc:///n2 --yes\n"));
	assert_int_equal(f.n_dials, 0);
	fake_clear(&f);
}

static int run_with_answer(struct fake *f, const char *answer)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], answer, strlen(answer)), strlen(answer));
	close(fds[1]);
	f->world.in_fd = fds[0];
	f->world.is_in_tty = true;
	int rc = fake_run(f, "--endpoint ipc:///n2 " MOVE);
	close(fds[0]);
	return rc;
}

static void test_only_yes_is_yes(void **state)
{
	struct fake f;

	fake_init(&f, transfer);
	assert_int_equal(run_with_answer(&f, "y\n"), EXIT_DONE);
	assert_non_null(strstr(f.err, "Go on? [y/N] "));
	assert_int_equal(f.n_calls, 1);
	static const char *const others[] = {"n\n", "\n", "", "yep\n", "Y"};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_int_equal(run_with_answer(&f, others[i]), EXIT_FAILED);
		assert_int_equal(f.n_calls, 0);
	}
	fake_clear(&f);
}

/* -- metrics --------------------------------------------------------------- */

static void metrics(struct fake *f, const char *url,
		    const Synod__Admin__Request *request,
		    Synod__Admin__Response *response)
{
	static Synod__Admin__MetricsResponse done;
	static char text[] = "# HELP synod_x What it is.\n"
			     "# TYPE synod_x counter\n"
			     "synod_x 5\n"
			     "synod_y{peer=\"n 2\",le=\"0.1\"} 0.25\n";

	synod__admin__metrics_response__init(&done);
	done.text = text;
	response->body_case = SYNOD__ADMIN__RESPONSE__BODY_METRICS;
	response->metrics = &done;
}

static void test_metrics_are_text_or_rows(void **state)
{
	struct fake f;

	fake_init(&f, metrics);
	assert_int_equal(fake_run(&f, "metrics"), EXIT_DONE);
	assert_memory_equal(f.out, "# HELP synod_x", 14);
	assert_int_equal(fake_run(&f, "metrics -o tsv"), EXIT_DONE);
	assert_out(&f, "name\tlabels\tvalue\n"
		       "synod_x\t\t5\n"
		       "synod_y\tpeer=\"n 2\",le=\"0.1\"\t0.25\n");
	fake_clear(&f);
}

static void test_an_answer_to_another_question_is_refused(void **state)
{
	struct fake f;

	fake_init(&f, metrics);
	assert_int_equal(fake_run(&f, "events"), EXIT_ENVIRONMENT);
	assert_non_null(strstr(f.err, "the answer is not a list of events"));
	assert_int_equal(fake_run(&f, "log tail"), EXIT_ENVIRONMENT);
	assert_int_equal(fake_run(&f, "status"), EXIT_ENVIRONMENT);
	assert_int_equal(fake_run(&f, "-y " MOVE), EXIT_ENVIRONMENT);
	assert_int_equal(fake_run(&f, "log append x"), EXIT_FAILED);
	assert_out(&f, "\tunknown_fate\t1\n");
	fake_clear(&f);
}

static void strange(struct fake *f, const char *url,
		    const Synod__Admin__Request *request,
		    Synod__Admin__Response *response)
{
	fake_problem(response, *(int *)f->ctx, "a\x1b[31mb", "");
}

static void test_a_strange_problem_is_still_an_error(void **state)
{
	struct fake f;
	static int codes[] = {1, -1, 4711, -5000, INT32_MIN, ERR__END};

	fake_init(&f, strange);
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		f.ctx = &codes[i];
		assert_int_equal(fake_run(&f, "metrics"), EXIT_FAILED);
		assert_null(strchr(f.err, '\x1b'));
	}
	fake_clear(&f);
}

/* -- watch ----------------------------------------------------------------- */

/* Away at the second look, and Ctrl-C at the third. */
static void moody(struct fake *f, const char *url,
		  const Synod__Admin__Request *request,
		  Synod__Admin__Response *response)
{
	static Synod__Admin__StatusResponse status;
	static Synod__Admin__NodeStatus self;
	static char name[] = "n1";
	static char role[] = "voter";
	static char leader[] = "leader";
	unsigned *looks = f->ctx;

	if (request->body_case == SYNOD__ADMIN__REQUEST__BODY_OVERVIEW) {
		fake_problem(response, ERR_INVALID,
			     "this node does not know the request", "");
		return;
	}
	synod__admin__status_response__init(&status);
	synod__admin__node_status__init(&self);
	self.id = self.leader_id = 1;
	self.name = name;
	self.role = role;
	self.state = leader;
	status.cluster = name;
	status.self = &self;
	response->body_case = SYNOD__ADMIN__RESPONSE__BODY_STATUS;
	response->status = &status;
	if (++*looks == 2)
		fake_problem(response, ERR_CLOSED, "going down", "");
	if (*looks == 3)
		kill(getpid(), SIGINT);
}

static void test_watching_outlives_a_restart_of_the_node(void **state)
{
	struct fake f;
	unsigned looks = 0;

	fake_init(&f, moody);
	f.ctx = &looks;
	assert_int_equal(fake_run(&f, "node list -o name --watch=10ms"),
			 EXIT_DONE);
	assert_out(&f, "n1\nn1\n");
	assert_non_null(strstr(f.err, "error: going down  [closed]"));
	assert_int_equal(looks, 3);
	fake_clear(&f);
}

static void test_a_screen_is_left_as_it_was(void **state)
{
	struct fake f;
	unsigned looks = 0;

	fake_init(&f, moody);
	f.ctx = &looks;
	f.world.is_out_tty = true;
	f.world.width = 80;
	assert_int_equal(fake_run(&f, "status --watch=10ms"), EXIT_DONE);
	assert_memory_equal(f.out, "\x1b[?1049h\x1b[?25l\x1b[H", 17);
	const char *end = "\x1b[J\x1b[?25h\x1b[?1049l";
	assert_string_equal(f.out + f.out_len - strlen(end), end);
	/* The failed look is part of the picture. */
	assert_non_null(strstr(f.out, "error: going down  [closed]"));
	assert_err(&f, "");
	fake_clear(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_leader_is_found_among_the_endpoints),
		cmocka_unit_test(test_a_follower_alone_says_who_leads),
		cmocka_unit_test(test_a_refusal_of_the_leader_ends_the_search),
		cmocka_unit_test(test_nothing_disruptive_happens_unasked),
		cmocka_unit_test(test_only_yes_is_yes),
		cmocka_unit_test(test_metrics_are_text_or_rows),
		cmocka_unit_test(test_an_answer_to_another_question_is_refused),
		cmocka_unit_test(test_a_strange_problem_is_still_an_error),
		cmocka_unit_test(test_watching_outlives_a_restart_of_the_node),
		cmocka_unit_test(test_a_screen_is_left_as_it_was),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
