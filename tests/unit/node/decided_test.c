/* What the state thread shows and others read at the same time. */
#include "node/decided.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/thread.h"

static struct bytes text(const char *s)
{
	return (struct bytes){(const uint8_t *)s, strlen(s)};
}

static void test_outcomes_are_found_by_index(void **state)
{
	struct decided d;
	struct blob *blob;

	decided_init(&d, 1000);
	decided_reset(&d, 10, NULL);
	decided_add(&d, 12, text("twelve"));
	decided_add(&d, 15, text("fifteen"));
	decided_publish(&d, 16);

	assert_true(decided_outcome(&d, 12, &blob));
	assert_int_equal(blob->len, 6);
	blob_unref(blob);
	assert_true(decided_outcome(&d, 13, &blob));
	assert_null(blob); /* known: there are no exceptions */
	assert_true(decided_outcome(&d, 15, &blob));
	assert_memory_equal(blob->data, "fifteen", 7);
	blob_unref(blob);
	assert_false(decided_outcome(&d, 10, &blob)); /* from before */
	decided_clear(&d);
}

static void test_only_what_is_durable_goes(void **state)
{
	struct decided d;
	struct blob *blob;

	decided_init(&d, 10);
	decided_reset(&d, 0, NULL);
	for (uint64_t i = 1; i <= 5; i++)
		decided_add(&d, i, text("12345"));
	decided_publish(&d, 5);
	/* Over the limit, and kept: the state does not show it yet. */
	assert_true(decided_outcome(&d, 1, &blob));
	blob_unref(blob);
	decided_durable(&d, 2);
	assert_false(decided_outcome(&d, 1, &blob));
	assert_false(decided_outcome(&d, 2, &blob));
	assert_true(decided_outcome(&d, 3, &blob));
	blob_unref(blob);
	decided_durable(&d, 5);
	assert_false(decided_outcome(&d, 3, &blob));
	assert_true(decided_outcome(&d, 4, &blob));
	blob_unref(blob);
	decided_clear(&d);
}

static void test_ring_grows_in_order(void **state)
{
	struct decided d;
	struct blob *blob;

	decided_init(&d, 3000);
	decided_reset(&d, 0, NULL);
	for (uint64_t i = 1; i <= 5000; i++) {
		uint8_t buf[4] = {(uint8_t)i, (uint8_t)(i >> 8)};
		decided_add(&d, i, (struct bytes){buf, sizeof(buf)});
		decided_durable(&d, i > 600 ? i - 600 : 0);
	}
	for (uint64_t i = 4500; i <= 5000; i++) {
		assert_true(decided_outcome(&d, i, &blob));
		assert_int_equal(blob->data[0] | blob->data[1] << 8, i);
		blob_unref(blob);
	}
	decided_clear(&d);
}

static void test_position_is_the_newest(void **state)
{
	struct decided d;
	uint64_t index;

	decided_init(&d, 10);
	decided_reset(&d, 3, NULL);
	assert_null(decided_position(&d, 1, &index));
	assert_int_equal(index, 3);
	decided_set_position(&d, 1, text("p1"));
	decided_set_position(&d, 1, text("p2"));
	struct blob *p = decided_position(&d, 1, &index);
	assert_memory_equal(p->data, "p2", 2);
	blob_unref(p);
	decided_set_position(&d, 1, (struct bytes){0});
	assert_null(decided_position(&d, 1, &index));
	decided_clear(&d);
}

static void test_refusals_are_told_by_index(void **state)
{
	struct decided d;
	struct decided_refusal r;

	decided_init(&d, 10);
	for (uint64_t i = 1; i <= DECIDED_REFUSALS + 3; i++)
		decided_refuse(&d, i, ERR_CHANGED, "no");
	assert_false(decided_refusal(&d, 3, &r)); /* overwritten */
	assert_true(decided_refusal(&d, 4, &r));
	assert_int_equal(r.code, ERR_CHANGED);
	assert_string_equal(r.text, "no");
	assert_false(decided_refusal(&d, 0, &r));
	decided_clear(&d);
}

enum { SHOWN = 20000 };

static void *show(void *ctx)
{
	struct decided *d = ctx;

	for (uint64_t i = 1; i <= SHOWN; i++) {
		uint8_t buf[8];
		memcpy(buf, &i, sizeof(buf));
		if (i % 3 == 0)
			decided_add(d, i, (struct bytes){buf, sizeof(buf)});
		decided_set_position(d, 1, (struct bytes){buf, sizeof(buf)});
		decided_publish(d, i);
		if (i % 100 == 0)
			decided_durable(d, i);
	}
	return NULL;
}

/* A reader that sees an index sees its outcome, and a position that is not
 * older. */
static void test_what_is_published_is_there(void **state)
{
	struct decided d;
	struct thread thread = {0};
	struct err e = {0};
	uint64_t seen = 0, index, at;
	struct blob *blob;

	decided_init(&d, 100000);
	decided_reset(&d, 0, NULL);
	assert_int_equal(thread_start(&thread, "show", show, &d, &e), 0);
	while (seen < SHOWN) {
		seen = atomic_load(&d.index);
		bool is_known = decided_outcome(&d, seen, &blob);
		if (is_known && seen)
			assert_int_equal(blob != NULL, seen % 3 == 0);
		blob_unref(blob);
		blob = decided_position(&d, 1, &index);
		if (blob) {
			memcpy(&at, blob->data, sizeof(at));
			assert_true(at >= index);
		}
		blob_unref(blob);
	}
	assert_true(decided_wait(&d, SHOWN, 5000000));
	assert_false(decided_wait(&d, SHOWN + 1, 1000));
	thread_join(&thread);
	decided_clear(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outcomes_are_found_by_index),
		cmocka_unit_test(test_only_what_is_durable_goes),
		cmocka_unit_test(test_ring_grows_in_order),
		cmocka_unit_test(test_position_is_the_newest),
		cmocka_unit_test(test_refusals_are_told_by_index),
		cmocka_unit_test(test_what_is_published_is_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
