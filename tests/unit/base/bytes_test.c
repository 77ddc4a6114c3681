#include "base/bytes.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/thread.h"
#include "death.h"

static struct bytes bytes_of(const char *s)
{
	return (struct bytes){(const uint8_t *)s, strlen(s)};
}

static void test_bytes_compare_is_memcmp_order(void **state)
{
	static const char *const sorted[] = {
		"", "\x01", "a", "a\x01", "aa", "ab", "b", "\x7f", "\xff"};
	size_t n = sizeof sorted / sizeof sorted[0];

	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < n; j++) {
			int order = bytes_compare(bytes_of(sorted[i]),
						  bytes_of(sorted[j]));
			assert_int_equal((order > 0) - (order < 0),
					 (i > j) - (i < j));
		}
	}
}

static void test_bytes_compare_takes_null_as_empty(void **state)
{
	struct bytes nothing = {NULL, 0};

	assert_int_equal(bytes_compare(nothing, nothing), 0);
	assert_true(bytes_compare(nothing, bytes_of("a")) < 0);
}

static void test_blob_copy_holds_its_own_bytes(void **state)
{
	char text[] = "abc";
	struct blob *b = blob_copy(text, 3);

	text[0] = 'x';

	assert_int_equal(blob_bytes(b).len, 3);
	assert_memory_equal(blob_bytes(b).data, "abc", 3);
	blob_unref(b);
}

static void test_blob_may_be_empty(void **state)
{
	struct blob *b = blob_copy(NULL, 0);

	assert_int_equal(b->len, 0);
	blob_unref(b);
	blob_unref(NULL);
}

static void test_blob_lives_until_the_last_reference(void **state)
{
	struct blob *b = blob_copy("abc", 3);

	assert_ptr_equal(blob_ref(b), b);
	blob_unref(b);

	assert_memory_equal(b->data, "abc", 3); /* ASan would say otherwise */
	blob_unref(b);
}

static void *use_and_drop(void *ctx)
{
	struct blob *b = ctx;

	for (int i = 0; i < 10000; i++) {
		struct blob *mine = blob_ref(b);
		CHECK(mine->data[5] == 'f');
		blob_unref(mine);
	}
	blob_unref(b);
	return NULL;
}

static void test_blob_is_counted_between_threads(void **state)
{
	struct thread threads[4];
	struct blob *b = blob_copy("abcdef", 6);

	for (int i = 0; i < 4; i++)
		assert_int_equal(thread_start(&threads[i], "blob", use_and_drop,
					      blob_ref(b), NULL),
				 0);
	blob_unref(b);
	for (int i = 0; i < 4; i++)
		thread_join(&threads[i]);
	/* The last of them freed it: LeakSanitizer and TSan are the judges. */
}

static void ask_for_everything(void *ctx)
{
	(void)ctx;
	free(blob_new(SIZE_MAX - 4));
}

static void test_memory_that_is_out_stops_the_process(void **state)
{
	death_expect(ask_for_everything, NULL, "does not hold");
}

static void test_mem_zero_is_zero_and_grow_keeps(void **state)
{
	uint8_t *p = mem_zero(3, 100);

	for (int i = 0; i < 300; i++)
		assert_int_equal(p[i], 0);
	p[299] = 7;
	p = mem_grow(p, 5000);

	assert_int_equal(p[299], 7);
	free(p);
	char *s = mem_strdup("text");
	assert_string_equal(s, "text");
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_compare_is_memcmp_order),
		cmocka_unit_test(test_bytes_compare_takes_null_as_empty),
		cmocka_unit_test(test_blob_copy_holds_its_own_bytes),
		cmocka_unit_test(test_blob_may_be_empty),
		cmocka_unit_test(test_blob_lives_until_the_last_reference),
		cmocka_unit_test(test_blob_is_counted_between_threads),
		cmocka_unit_test(test_memory_that_is_out_stops_the_process),
		cmocka_unit_test(test_mem_zero_is_zero_and_grow_keeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
