/* What follows from an error, and when it is tried again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/task/task.h"

static enum task_state after(int code)
{
	struct task_retry r;

	task_retry_init(&r, 1);
	return task_retry_failed(&r, code, 0);
}

static void test_retry_each_class_has_its_state(void **state)
{
	assert_int_equal(after(ERR_FENCED), TASK_ENDED);
	assert_int_equal(after(ERR_NETWORK), TASK_RETRYING);
	assert_int_equal(after(ERR_TIMEOUT), TASK_RETRYING);
	assert_int_equal(after(ERR_BUSY), TASK_RETRYING);
	assert_int_equal(after(ERR_SYSTEM), TASK_RETRYING);
	assert_int_equal(after(ERR_PERMISSION), TASK_BLOCKED);
	assert_int_equal(after(ERR_SCHEMA), TASK_BLOCKED);
	assert_int_equal(after(ERR_GAP), TASK_BLOCKED);
	assert_int_equal(after(ERR_DATA), TASK_BLOCKED);
	assert_int_equal(after(ERR_INVALID), TASK_BLOCKED);
}

static void test_retry_waits_longer_each_time_and_never_too_long(void **state)
{
	struct task_retry r;
	int64_t max_us = TASK_RETRY_MS_MIN * 1000;

	task_retry_init(&r, 7);
	for (int i = 0; i < 40; i++) {
		task_retry_failed(&r, ERR_NETWORK, 0);
		assert_in_range(r.due_us, max_us / 2, max_us);
		max_us *= 2;
		if (max_us > (int64_t)TASK_RETRY_MS_MAX * 1000)
			max_us = (int64_t)TASK_RETRY_MS_MAX * 1000;
	}
	task_retry_succeeded(&r);
	task_retry_failed(&r, ERR_NETWORK, 0);
	assert_in_range(r.due_us, 0, TASK_RETRY_MS_MIN * 1000);
}

static void test_retry_what_a_person_must_do_is_said(void **state)
{
	assert_non_null(task_hint(ERR_PERMISSION));
	assert_non_null(task_hint(ERR_SCHEMA));
	assert_non_null(task_hint(ERR_GAP));
	assert_null(task_hint(ERR_FENCED));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_retry_each_class_has_its_state),
		cmocka_unit_test(
			test_retry_waits_longer_each_time_and_never_too_long),
		cmocka_unit_test(test_retry_what_a_person_must_do_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
