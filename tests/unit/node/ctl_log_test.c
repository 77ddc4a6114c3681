/* log append, log tail and events. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl_fixture.h"

enum { VALUES_MAX = 4096, ENTRIES_MAX = 2500 };

/* A node with a log in memory. */
struct node {
	char *values[VALUES_MAX];
	size_t lens[VALUES_MAX];
	size_t n_values;
	size_t batches[64];
	size_t n_batches;
	int fate_of_last; /* of the last value of a batch */

	uint64_t first, last; /* of the log */
	Synod__Admin__LogEntry entries[ENTRIES_MAX];
	Synod__Admin__LogEntry *list[ENTRIES_MAX];
	Synod__Admin__Fate fates[LIMIT_APPEND_VALUES];
	Synod__Admin__Fate *fate_list[LIMIT_APPEND_VALUES];
	Synod__Admin__AppendResponse append;
	Synod__Admin__TailResponse tail;
	Synod__Admin__Event events[ENTRIES_MAX];
	Synod__Admin__Event *event_list[ENTRIES_MAX];
	Synod__Admin__EventsResponse events_answer;
	uint64_t n_events;
	unsigned n_waits; /* requests of a follower */
	unsigned stop_after_waits;
	bool is_binary;
};

static void text(char **field, const char *value)
{
	*field = (char *)(uintptr_t)value;
}

static void take_values(struct node *n, const Synod__Admin__AppendRequest *rq)
{
	n->batches[n->n_batches++] = rq->n_values;
	for (size_t i = 0; i < rq->n_values; i++) {
		n->lens[n->n_values] = rq->values[i].len;
		n->values[n->n_values++] = strndup(
			(const char *)rq->values[i].data, rq->values[i].len);
		synod__admin__fate__init(&n->fates[i]);
		n->fates[i].index = ++n->last;
		n->fate_list[i] = &n->fates[i];
	}
	if (n->fate_of_last) {
		n->fates[rq->n_values - 1].code = n->fate_of_last;
		n->fates[rq->n_values - 1].index = 0;
	}
	synod__admin__append_response__init(&n->append);
	n->append.n_fates = rq->n_values;
	n->append.fates = n->fate_list;
}

static void put_entry(struct node *n, size_t i, uint64_t index)
{
	static uint8_t binary[] = {0, 255};
	static uint8_t plain[] = "value";
	Synod__Admin__LogEntry *e = &n->entries[i];

	synod__admin__log_entry__init(e);
	e->index = index;
	e->term = 2;
	e->time_us = 1795162742120033;
	text(&e->type, index == 1 ? "configuration" : "append");
	text(&e->text, index == 1 ? "3 voters" : "");
	e->size = 5;
	if (index > 1)
		e->value = n->is_binary ? (ProtobufCBinaryData){2, binary}
					: (ProtobufCBinaryData){5, plain};
	n->list[i] = e;
}

static void on_tail(struct node *n, const Synod__Admin__TailRequest *rq)
{
	uint64_t from = rq->from_index;

	synod__admin__tail_response__init(&n->tail);
	n->tail.first_index = n->first;
	n->tail.commit_index = n->last;
	if (from == 0)
		from = n->last + 1 - rq->count;
	if (from < n->first)
		from = n->first;
	size_t i = 0;
	for (; i < rq->count && from + i <= n->last; i++)
		put_entry(n, i, from + i);
	n->tail.n_entries = i;
	n->tail.entries = n->list;
	if (rq->wait_ms == 0)
		return;
	/* A follower: one more entry each time, until it is told to stop. */
	assert_in_range(rq->wait_ms, 1, 1000);
	if (++n->n_waits == n->stop_after_waits)
		kill(getpid(), SIGINT);
	n->last++;
}

static void on_events(struct node *n, const Synod__Admin__EventsRequest *rq)
{
	size_t i = 0;

	synod__admin__events_response__init(&n->events_answer);
	for (uint64_t index = rq->after_index + 1;
	     index <= n->n_events && i < rq->count; index++, i++) {
		Synod__Admin__Event *e = &n->events[i];

		synod__admin__event__init(e);
		e->index = index;
		e->time_us = 1795162742120033;
		text(&e->type, "leader_elected");
		text(&e->node, "n2");
		e->detect_us = 900000;
		e->elect_us = 200000;
		n->event_list[i] = e;
	}
	n->events_answer.n_events = i;
	n->events_answer.events = n->event_list;
	if (rq->wait_ms > 0) {
		if (++n->n_waits == n->stop_after_waits)
			kill(getpid(), SIGINT);
		n->n_events++;
	}
}

static void answer(struct fake *f, const char *url,
		   const Synod__Admin__Request *request,
		   Synod__Admin__Response *response)
{
	struct node *n = f->ctx;

	switch (request->body_case) {
	case SYNOD__ADMIN__REQUEST__BODY_APPEND:
		take_values(n, request->append);
		response->body_case = SYNOD__ADMIN__RESPONSE__BODY_APPEND;
		response->append = &n->append;
		break;
	case SYNOD__ADMIN__REQUEST__BODY_TAIL:
		on_tail(n, request->tail);
		response->body_case = SYNOD__ADMIN__RESPONSE__BODY_TAIL;
		response->tail = &n->tail;
		break;
	case SYNOD__ADMIN__REQUEST__BODY_EVENTS:
		on_events(n, request->events);
		response->body_case = SYNOD__ADMIN__RESPONSE__BODY_EVENTS;
		response->events = &n->events_answer;
		break;
	default:
		fail_msg("an unexpected request");
	}
}

static struct node *start(struct fake *f)
{
	struct node *n = calloc(1, sizeof *n);

	assert_non_null(n);
	n->first = 1;
	fake_init(f, answer);
	f->ctx = n;
	return n;
}

static void stop(struct fake *f, struct node *n)
{
	for (size_t i = 0; i < n->n_values; i++)
		free(n->values[i]);
	free(n);
	fake_clear(f);
}

static void stdin_of(struct fake *f, const char *text)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], text, strlen(text)), strlen(text));
	close(fds[1]);
	f->world.in_fd = fds[0];
}

/* -- append ---------------------------------------------------------------- */

static void test_each_value_gets_its_index(void **state)
{
	struct fake f;
	struct node *n = start(&f);

	n->last = 41;
	assert_int_equal(fake_run(&f, "log append hello world"), EXIT_DONE);
	assert_out(&f, "42\tcommitted\t1\n43\tcommitted\t2\n");
	assert_string_equal(n->values[0], "hello");
	assert_string_equal(n->values[1], "world");
	assert_int_equal(n->n_batches, 1);
	assert_int_equal(fake_run(&f, "log append -o name x"), EXIT_DONE);
	assert_out(&f, "44\n");
	stop(&f, n);
}

static void test_values_come_from_stdin_line_by_line(void **state)
{
	struct fake f;
	struct node *n = start(&f);

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
	stop(&f, n);
}

static void test_many_values_go_in_requests_of_bounded_size(void **state)
{
	struct fake f;
	struct node *n = start(&f);
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
	stop(&f, n);
}

static void test_a_refused_value_is_named_and_exits_with_1(void **state)
{
	struct fake f;
	struct node *n = start(&f);

	n->fate_of_last = ERR_BUSY;
	assert_int_equal(fake_run(&f, "log append a b"), EXIT_FAILED);
	assert_out(&f, "1\tcommitted\t1\n\tbusy\t2\n");
	assert_err(&f, "synodctl: error: 1 of 2 values were not committed (1 "
		       "refused, 0 unknown): It cannot be done now; try "
		       "again.  [busy]\n"
		       "hint: synodctl status\n");
	stop(&f, n);
}

static void test_a_fate_that_nobody_knows_is_not_good(void **state)
{
	struct fake f;
	struct node *n = start(&f);

	n->fate_of_last = 4711;
	assert_int_equal(fake_run(&f, "log append a b"), EXIT_FAILED);
	assert_out(&f, "1\tcommitted\t1\n\tsystem\t2\n");
	stop(&f, n);
}

static void test_an_unknown_fate_says_look_first(void **state)
{
	struct fake f;
	struct node *n = start(&f);

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
	stop(&f, n);
}

static void test_silence_after_sending_is_unknown_and_not_repeated(void **state)
{
	struct fake f;
	struct node *n = start(&f);

	/* Given two endpoints, and the first falls silent. */
	f.call_code = ERR_TIMEOUT;
	assert_int_equal(fake_run(&f, "log append a b --endpoint "
				      "tcp://a:1,tcp://b:1"),
			 EXIT_FAILED);
	/* Then the second is not asked: the values may be in the log. */
	assert_int_equal(f.n_calls, 1);
	assert_out(&f, "\tunknown_fate\t1\n\tunknown_fate\t2\n");
	stop(&f, n);
}

static void test_what_was_never_sent_goes_to_the_next_endpoint(void **state)
{
	struct fake f;
	struct node *n = start(&f);

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
	stop(&f, n);
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
	struct node *n = start(&f);

	assert_int_equal(fake_run(&f, "log append"), EXIT_USAGE);
	assert_int_equal(fake_run(&f, "log append a --file b"), EXIT_USAGE);
	assert_int_equal(fake_run(&f, "log append --file /nonexistent"),
			 EXIT_USAGE);
	assert_non_null(strstr(f.err, "/nonexistent: No such file"));
	assert_int_equal(f.n_calls, 0);
	stop(&f, n);
}

/* -- tail ------------------------------------------------------------------ */

static void test_the_last_entries_are_shown(void **state)
{
	struct fake f;
	struct node *n = start(&f);

	n->last = 12;
	assert_int_equal(fake_run(&f, "log tail -n 2"), EXIT_DONE);
	assert_out(&f, "11\t2\tappend\t2026-11-20T08:19:02.120033Z\t5\tvalue\n"
		       "12\t2\tappend\t2026-11-20T08:19:02.120033Z\t5\t"
		       "value\n");
	assert_int_equal(fake_run(&f, "log tail -o name"), EXIT_DONE);
	assert_out(&f, "3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n");
	/* Fewer are there than were asked for. */
	assert_int_equal(fake_run(&f, "log tail -n 100 -o name"), EXIT_DONE);
	assert_memory_equal(f.out, "1\n2\n", 4);
	stop(&f, n);
}

static void test_a_long_tail_comes_in_several_answers(void **state)
{
	struct fake f;
	struct node *n = start(&f);

	n->last = 2400;
	assert_int_equal(fake_run(&f, "log tail --from 1 -o json"), EXIT_DONE);
	json_t *all = fake_json(&f);
	json_t *rows = json_object_get(all, "result");
	assert_int_equal(json_array_size(rows), 2400);
	json_t *last = json_array_get(rows, 2399);
	assert_int_equal(json_integer_value(json_object_get(last, "index")),
			 2400);
	json_decref(all);
	assert_int_equal(f.n_calls, 3);
	stop(&f, n);
}

static void test_what_is_no_longer_kept_is_mentioned(void **state)
{
	struct fake f;
	struct node *n = start(&f);

	n->first = 10;
	n->last = 12;
	assert_int_equal(fake_run(&f, "log tail --from 3 -o name"), EXIT_DONE);
	assert_out(&f, "10\n11\n12\n");
	assert_err(&f, "synodctl: entries 3 to 9 are no longer kept\n");
	assert_int_equal(fake_run(&f, "-q log tail --from 3 -o name"),
			 EXIT_DONE);
	assert_err(&f, "");
	stop(&f, n);
}

static void test_an_empty_log_has_no_rows(void **state)
{
	struct fake f;
	struct node *n = start(&f);

	assert_int_equal(fake_run(&f, "log tail"), EXIT_DONE);
	assert_out(&f, "");
	stop(&f, n);
}

static void test_bytes_that_are_no_text_are_hex(void **state)
{
	struct fake f;
	struct node *n = start(&f);

	n->last = 2;
	n->is_binary = true;
	assert_int_equal(fake_run(&f, "log tail --from 2 -o jsonl"), EXIT_DONE);
	assert_non_null(strstr(f.out, "\"text\":\"00ff\",\"value\":null,"
				      "\"value_hex\":\"00ff\"}"));
	assert_int_equal(fake_run(&f, "log tail --from 1 -n 1 -o jsonl"),
			 EXIT_DONE);
	assert_non_null(strstr(f.out, "\"text\":\"3 voters\",\"value\":null,"
				      "\"value_hex\":null}"));
	stop(&f, n);
}

static void test_following_goes_on_until_ctrl_c(void **state)
{
	struct fake f;
	struct node *n = start(&f);

	n->last = 3;
	n->stop_after_waits = 4;
	assert_int_equal(fake_run(&f, "log tail --follow -n 1 -o name"),
			 EXIT_DONE);
	assert_out(&f, "3\n4\n5\n6\n");
	assert_int_equal(n->n_waits, 4);
	assert_err(&f, "");
	stop(&f, n);
}

/* -- events ---------------------------------------------------------------- */

static void test_events_show_the_last_ones(void **state)
{
	struct fake f;
	struct node *n = start(&f);

	n->n_events = 1005;
	assert_int_equal(fake_run(&f, "events -n 2 -o table"), EXIT_DONE);
	assert_out(&f,
		   "INDEX  TIME                 TYPE            NODE    DETECT "
		   "    ELECT  TEXT\n"
		   " 1004  2026-11-20 08:19:02  leader_elected  n2    900.0 ms "
		   " 200.0 ms  -\n"
		   " 1005  2026-11-20 08:19:02  leader_elected  n2    900.0 ms "
		   " 200.0 ms  -\n");
	assert_int_equal(f.n_calls, 2);
	stop(&f, n);
}

static void test_events_are_followed_until_ctrl_c(void **state)
{
	struct fake f;
	struct node *n = start(&f);

	n->n_events = 1;
	n->stop_after_waits = 3;
	assert_int_equal(fake_run(&f, "events --follow -o name"), EXIT_DONE);
	assert_out(&f, "1\n2\n3\n");
	stop(&f, n);
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
		cmocka_unit_test(test_the_last_entries_are_shown),
		cmocka_unit_test(test_a_long_tail_comes_in_several_answers),
		cmocka_unit_test(test_what_is_no_longer_kept_is_mentioned),
		cmocka_unit_test(test_an_empty_log_has_no_rows),
		cmocka_unit_test(test_bytes_that_are_no_text_are_hex),
		cmocka_unit_test(test_following_goes_on_until_ctrl_c),
		cmocka_unit_test(test_events_show_the_last_ones),
		cmocka_unit_test(test_events_are_followed_until_ctrl_c),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
