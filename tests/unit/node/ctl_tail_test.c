/* synodctl log tail, and events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl_log_node.h"

static void test_the_last_entries_are_shown(void **state)
{
	struct fake f;
	struct node *n = node_start(&f);

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
	node_stop(&f, n);
}

static void test_a_long_tail_comes_in_several_answers(void **state)
{
	struct fake f;
	struct node *n = node_start(&f);

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
	node_stop(&f, n);
}

static void test_what_is_no_longer_kept_is_mentioned(void **state)
{
	struct fake f;
	struct node *n = node_start(&f);

	n->first = 10;
	n->last = 12;
	assert_int_equal(fake_run(&f, "log tail --from 3 -o name"), EXIT_DONE);
	assert_out(&f, "10\n11\n12\n");
	assert_err(&f, "synodctl: entries 3 to 9 are no longer kept\n");
	assert_int_equal(fake_run(&f, "-q log tail --from 3 -o name"),
			 EXIT_DONE);
	assert_err(&f, "");
	node_stop(&f, n);
}

static void test_an_empty_log_has_no_rows(void **state)
{
	struct fake f;
	struct node *n = node_start(&f);

	assert_int_equal(fake_run(&f, "log tail"), EXIT_DONE);
	assert_out(&f, "");
	node_stop(&f, n);
}

static void test_bytes_that_are_no_text_are_hex(void **state)
{
	struct fake f;
	struct node *n = node_start(&f);

	n->last = 2;
	n->is_binary = true;
	assert_int_equal(fake_run(&f, "log tail --from 2 -o jsonl"), EXIT_DONE);
	assert_non_null(strstr(f.out, "\"text\":\"00ff\",\"value\":null,"
				      "\"value_hex\":\"00ff\"}"));
	assert_int_equal(fake_run(&f, "log tail --from 1 -n 1 -o jsonl"),
			 EXIT_DONE);
	assert_non_null(strstr(f.out, "\"text\":\"3 voters\",\"value\":null,"
				      "\"value_hex\":null}"));
	node_stop(&f, n);
}

static void test_following_goes_on_until_ctrl_c(void **state)
{
	struct fake f;
	struct node *n = node_start(&f);

	n->last = 3;
	n->stop_after_waits = 4;
	assert_int_equal(fake_run(&f, "log tail --follow -n 1 -o name"),
			 EXIT_DONE);
	assert_out(&f, "3\n4\n5\n6\n");
	assert_int_equal(n->n_waits, 4);
	assert_err(&f, "");
	node_stop(&f, n);
}

/* -- events ---------------------------------------------------------------- */

static void test_events_show_the_last_ones(void **state)
{
	struct fake f;
	struct node *n = node_start(&f);

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
	node_stop(&f, n);
}

static void test_events_are_followed_until_ctrl_c(void **state)
{
	struct fake f;
	struct node *n = node_start(&f);

	n->n_events = 1;
	n->stop_after_waits = 3;
	assert_int_equal(fake_run(&f, "events --follow -o name"), EXIT_DONE);
	assert_out(&f, "1\n2\n3\n");
	node_stop(&f, n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
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
