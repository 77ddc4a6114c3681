/* Batches under way: what is known of them, and how far the ledger took them.
 */
#include "node/task/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void push(struct window *w, uint64_t ticket, const char *to)
{
	struct flight *f = window_push(w);

	f->ticket = ticket;
	f->bytes = 10;
	f->deadline_us = 100;
	w->bytes += f->bytes;
	value_buf_put(&f->to, to, 1);
}

static struct bytes at(const char *position)
{
	return (struct bytes){(const uint8_t *)position, 1};
}

static void test_window_takes_up_to_the_position(void **state)
{
	struct window w = {0};

	push(&w, 1, "a");
	push(&w, 2, "b");
	push(&w, 3, "c");

	assert_int_equal(window_taken(&w, at("b")), 2);
	assert_int_equal(window_taken(&w, at("z")), 0);
	window_pop(&w, 2);
	assert_int_equal(w.n, 1);
	assert_int_equal(w.bytes, 10);
	assert_int_equal(window_at(&w, 0)->ticket, 3);
	window_free(&w);
}

static void test_window_is_known_when_every_fate_is(void **state)
{
	struct window w = {0};

	push(&w, 1, "a");
	push(&w, 2, "b");

	assert_true(
		window_fate(&w, &(struct task_fate){.ticket = 1, .index = 7}));
	assert_false(window_fate(&w, &(struct task_fate){.ticket = 9}));
	assert_false(window_is_known(&w));
	assert_false(window_is_torn(&w));
	assert_int_equal(window_last_index(&w), 7);
	window_expire(&w, 100);
	assert_true(window_is_known(&w));
	assert_true(window_is_torn(&w));
	assert_int_equal(window_at(&w, 1)->code, ERR_UNKNOWN_FATE);
	window_free(&w);
}

static void test_window_is_full_by_count_and_by_bytes(void **state)
{
	struct window w = {0};

	for (uint64_t i = 0; i < LIMIT_CAPTURE_WINDOW_COUNT; i++) {
		assert_true(window_has_room(&w));
		push(&w, i, "a");
	}
	assert_false(window_has_room(&w));
	window_clear(&w);
	assert_true(window_has_room(&w));
	push(&w, 99, "b");
	w.bytes = window_at(&w, 0)->bytes = LIMIT_CAPTURE_WINDOW_BYTES;
	assert_false(window_has_room(&w));
	window_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_window_takes_up_to_the_position),
		cmocka_unit_test(test_window_is_known_when_every_fate_is),
		cmocka_unit_test(test_window_is_full_by_count_and_by_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
