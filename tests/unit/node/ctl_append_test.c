/* synodctl log append. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl_log_node.h"

static void stdin_of(struct fake *f, const char *text)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], text, strlen(text)), strlen(text));
	close(fds[1]);
	f->world.in_fd = fds[0];
}

static void test_each_value_gets_its_index(void **state)
{
	struct fake f;
	struct node *n = node_start(&f);

	n->last = 41;
	assert_int_equal(fake_run(&f, "log append hello world"), EXIT_DONE);
	assert_out(&f, "42\tcommitted\t1\n43\tcommitted\t2\n");
	assert_string_equal(n->values[0], "hello");
	assert_string_equal(n->values[1], "world");
	assert_int_equal(n->n_batches, 1);
	assert_int_equal(fake_run(&f, "log append -o name x"), EXIT_DONE);
	assert_out(&f, "44\n");
	node_stop(&f, n);
}

static void test_values_come_from_stdin_line_by_line(void **state)
{
	struct fake f;
	struct node *n = node_start(&f);

	stdin_of(&f, "a\n\nlast line");
	assert_int_equal(fake_run(&f, "log append -"), EXIT_DONE);
	assert_out(&f, "1\tcommitted\t1\n2\tcommitted\t2\n3\tcommitted\t3\n");
	assert_int_equal(n->lens[1], 0);
	assert_string_equal(n->values[2], "last line");
	close(f.world.in_fd);
	/* Nothing at all is fine too. */
	stdin_of(&f, "");
	assert_int_equal(fake_run(&f, "log append -"), EXIT_DONE);
	assert_out(&f, "");
	close(f.world.in_fd);
	node_stop(&f, n);
}

static void test_many_values_go_in_requests_of_bounded_size(void **state)
{
	struct fake f;
	struct node *n = node_start(&f);
	char name[] = "/tmp/synod-append-XXXXXX";
	char line[64];
	int fd = mkstemp(name);

	assert_true(fd >= 0);
	for (int i = 0; i < 2500; i++)
		assert_int_equal(write(fd, "v\n", 2), 2);
	close(fd);
	snprintf(line, sizeof line, "log append -o json --file %s", name);
	assert_int_equal(fake_run(&f, line), EXIT_DONE);
	assert_int_equal(n->n_values, 2500);
	assert_int_equal(n->n_batches, 3);
	assert_int_equal(n->batches[0], LIMIT_APPEND_VALUES);
	json_t *all = fake_json(&f);
	json_t *summary = json_object_get(all, "summary");
	assert_int_equal(
		json_integer_value(json_object_get(summary, "committed")),
		2500);
	assert_int_equal(json_array_size(json_object_get(all, "result")), 2500);
	json_decref(all);
	unlink(name);
	node_stop(&f, n);
}

static void test_a_refused_value_is_named_and_exits_with_1(void **state)
{
	struct fake f;
	struct node *n = node_start(&f);

	n->fate_of_last = ERR_BUSY;
	assert_int_equal(fake_run(&f, "log append a b"), EXIT_FAILED);
	assert_out(&f, "1\tcommitted\t1\n\tbusy\t2\n");
	assert_err(&f, "synodctl: error: 1 of 2 values were not committed (1 "
		       "refused, 0 unknown): It cannot be done now; try "
		       "again.  [busy]\n"
		       "hint: synodctl status\n");
	node_stop(&f, n);
}

static void test_a_fate_that_nobody_knows_is_not_good(void **state)
{
	struct fake f;
	struct node *n = node_start(&f);

	n->fate_of_last = 4711;
	assert_int_equal(fake_run(&f, "log append a b"), EXIT_FAILED);
	assert_out(&f, "1\tcommitted\t1\n\tsystem\t2\n");
	node_stop(&f, n);
}

static void test_an_unknown_fate_says_look_first(void **state)
{
	struct fake f;
	struct node *n = node_start(&f);

	n->fate_of_last = ERR_UNKNOWN_FATE;
	assert_int_equal(fake_run(&f, "log append a b -o json"), EXIT_FAILED);
	json_t *all = fake_json(&f);
	assert_true(json_is_false(json_object_get(all, "ok")));
	json_t *row = json_array_get(json_object_get(all, "result"), 1);
	assert_true(json_is_null(json_object_get(row, "index")));
	assert_string_equal(json_string_value(json_object_get(row, "fate")),
			    "unknown_fate");
	json_decref(all);
	assert_non_null(strstr(f.err, "hint: synodctl log tail"));
	node_stop(&f, n);
}

static void test_silence_after_sending_is_unknown_and_not_repeated(void **state)
{
	struct fake f;
	struct node *n = node_start(&f);

	/* Given two endpoints, and the first falls silent. */
	f.call_code = ERR_TIMEOUT;
	assert_int_equal(fake_run(&f, "log append a b --endpoint "
				      "tcp://a:1,tcp://b:1"),
			 EXIT_FAILED);
	/* Then the second is not asked: the values may be in the log. */
	assert_int_equal(f.n_calls, 1);
	assert_out(&f, "\tunknown_fate\t1\n\tunknown_fate\t2\n");
	node_stop(&f, n);
}

static void test_what_was_never_sent_goes_to_the_next_endpoint(void **state)
{
	struct fake f;
	struct node *n = node_start(&f);

	f.down = "//a";
	assert_int_equal(fake_run(&f, "log append x --endpoint "
				      "tcp://a:1,tcp://b:1"),
			 EXIT_DONE);
	assert_out(&f, "1\tcommitted\t1\n");
	/* Nobody there: nothing is said of fates. */
	f.down = "tcp";
	assert_int_equal(fake_run(&f, "log append x --endpoint "
				      "tcp://a:1,tcp://b:1"),
			 EXIT_ENVIRONMENT);
	assert_out(&f, "");
	assert_non_null(strstr(f.err, "none of 2 endpoints answers"));
	node_stop(&f, n);
}

static void no_leader(struct fake *f, const char *url,
		      const Synod__Admin__Request *request,
		      Synod__Admin__Response *response)
{
	fake_problem(response, ERR_NO_LEADER, "the cluster has no leader",
		     "synodctl status");
}

static void test_a_request_that_failed_as_a_whole_is_refused(void **state)
{
	struct fake f;

	fake_init(&f, no_leader);
	assert_int_equal(fake_run(&f, "log append a"), EXIT_ENVIRONMENT);
	assert_out(&f, "\tno_leader\t1\n");
	assert_non_null(strstr(f.err, "[no_leader]\nhint: synodctl status\n"));
	fake_clear(&f);
}

static void test_bad_input_is_refused_before_it_is_sent(void **state)
{
	struct fake f;
	struct node *n = node_start(&f);

	assert_int_equal(fake_run(&f, "log append"), EXIT_USAGE);
	assert_int_equal(fake_run(&f, "log append a --file b"), EXIT_USAGE);
	assert_int_equal(fake_run(&f, "log append --file /nonexistent"),
			 EXIT_USAGE);
	assert_non_null(strstr(f.err, "/nonexistent: No such file"));
	assert_int_equal(f.n_calls, 0);
	node_stop(&f, n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_value_gets_its_index),
		cmocka_unit_test(test_values_come_from_stdin_line_by_line),
		cmocka_unit_test(
			test_many_values_go_in_requests_of_bounded_size),
		cmocka_unit_test(
			test_a_refused_value_is_named_and_exits_with_1),
		cmocka_unit_test(test_a_fate_that_nobody_knows_is_not_good),
		cmocka_unit_test(test_an_unknown_fate_says_look_first),
		cmocka_unit_test(
			test_silence_after_sending_is_unknown_and_not_repeated),
		cmocka_unit_test(
			test_what_was_never_sent_goes_to_the_next_endpoint),
		cmocka_unit_test(
			test_a_request_that_failed_as_a_whole_is_refused),
		cmocka_unit_test(test_bad_input_is_refused_before_it_is_sent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
