#include "node/retention.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cluster/core/command.h"
#include "proto/limits.h"

static struct log_bounds bounds(uint64_t first, uint64_t last, size_t used)
{
	return (struct log_bounds){.first_index = first,
				   .last_index = last,
				   .bytes_used = used,
				   .bytes_max = 1000};
}

static void test_half_full_keeps_everything(void **state)
{
	struct log_bounds b = bounds(1, 1000, 500);

	assert_int_equal(retention_target(&b, 1000), 0);
}

static void test_excess_goes_by_average_size(void **state)
{
	struct log_bounds b = bounds(1001, 2000, 1000);

	/* Half of what is there is too much. */
	assert_int_equal(retention_target(&b, 2000), 1501);
	b.bytes_used = 501;
	assert_int_equal(retention_target(&b, 2000), 1002);
}

static void test_what_is_not_applied_stays(void **state)
{
	struct log_bounds b = bounds(1001, 2000, 1000);

	assert_int_equal(retention_target(&b, 1200),
			 1200 - LIMIT_RAFT_TRAILING_MIN);
	assert_int_equal(retention_target(&b, 1001), 0);
	assert_int_equal(retention_target(&b, 0), 0);
}

static struct bytes sealed(Synod__Command__Command *c, struct blob **out)
{
	*out = command_seal(c);
	return blob_bytes(*out);
}

static void test_way_down_gets_through_and_changes_do_not(void **state)
{
	Synod__Command__Checkpoint checkpoint;
	Synod__Command__Letters letters;
	Synod__Command__Batch batch;
	Synod__Command__Append append;
	Synod__Command__Command c;
	struct blob *blob;

	synod__command__command__init(&c);
	synod__command__checkpoint__init(&checkpoint);
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_CHECKPOINT;
	c.checkpoint = &checkpoint;
	assert_true(retention_is_vital(sealed(&c, &blob)));
	blob_unref(blob);
	synod__command__letters__init(&letters);
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_LETTERS;
	c.letters = &letters;
	assert_true(retention_is_vital(sealed(&c, &blob)));
	blob_unref(blob);
	synod__command__batch__init(&batch);
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_BATCH;
	c.batch = &batch;
	assert_false(retention_is_vital(sealed(&c, &blob)));
	blob_unref(blob);
	synod__command__append__init(&append);
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_APPEND;
	c.append = &append;
	assert_false(retention_is_vital(sealed(&c, &blob)));
	blob_unref(blob);
	assert_false(retention_is_vital((struct bytes){0}));
}

/* Nothing that an apply task has still to read: its index is the safe one. */
static void test_slowest_reader_keeps_the_log(void **state)
{
	struct log_bounds b = bounds(1001, 9000, 1000);

	assert_int_equal(retention_target(&b, 1000 + LIMIT_RAFT_TRAILING_MIN),
			 0);
	assert_int_equal(retention_target(&b, 1500),
			 1500 - LIMIT_RAFT_TRAILING_MIN);
}

/* A small quota and large entries: what stays for others must not fill it. */
static void test_large_entries_leave_room(void **state)
{
	struct log_bounds b = bounds(1, 60, 900);

	/* 15 bytes each; an eighth of 1000 bytes holds 8. */
	assert_int_equal(retention_target(&b, 60), 1 + 26);
	assert_int_equal(retention_target(&b, 20), 20 - 8);
	b = bounds(1, 3, 960);
	assert_int_equal(retention_target(&b, 3), 2);
}

static void test_empty_log_has_nothing_to_forget(void **state)
{
	struct log_bounds b = bounds(2001, 2000, 900);

	assert_int_equal(retention_target(&b, 5000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_half_full_keeps_everything),
		cmocka_unit_test(test_excess_goes_by_average_size),
		cmocka_unit_test(test_what_is_not_applied_stays),
		cmocka_unit_test(test_way_down_gets_through_and_changes_do_not),
		cmocka_unit_test(test_slowest_reader_keeps_the_log),
		cmocka_unit_test(test_large_entries_leave_room),
		cmocka_unit_test(test_empty_log_has_nothing_to_forget),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
