#include "base/arena.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"

enum { N_ALLOCS = 2000 };

/* Sizes around every border: nothing, one byte, a block, more than a block. */
static void test_arena_allocations_never_overlap(void **state)
{
	static struct {
		uint8_t *p;
		size_t len;
	} allocs[N_ALLOCS];
	struct arena a;
	struct rng r;

	rng_init(&r, 1);
	arena_init(&a, 256);
	for (int i = 0; i < N_ALLOCS; i++) {
		allocs[i].len = (size_t)rng_below(&r, i % 50 ? 64 : 2000);
		allocs[i].p = arena_alloc(&a, allocs[i].len);
		assert_int_equal((uintptr_t)allocs[i].p % 16, 0);
		memset(allocs[i].p, i % 251, allocs[i].len);
	}

	for (int i = 0; i < N_ALLOCS; i++)
		for (size_t j = 0; j < allocs[i].len; j++)
			assert_int_equal(allocs[i].p[j], i % 251);
	arena_free(&a);
}

static void test_arena_copies_data_and_text(void **state)
{
	struct arena a;

	arena_init(&a, 64);

	assert_string_equal(arena_strdup(&a, "text"), "text");
	assert_memory_equal(arena_copy(&a, "a\0b", 3), "a\0b", 3);
	assert_non_null(arena_copy(&a, NULL, 0));
	arena_free(&a);
}

static void test_arena_clear_keeps_one_block(void **state)
{
	struct arena a;

	arena_init(&a, 1024);
	void *first = arena_alloc(&a, 16);
	arena_clear(&a);

	assert_int_equal(a.used_bytes, 0);
	assert_ptr_equal(arena_alloc(&a, 16), first);
	arena_free(&a);
}

static void test_arena_clear_gives_large_allocations_back(void **state)
{
	struct arena a;

	arena_init(&a, 64);
	arena_alloc(&a, 1 << 20);
	assert_true(a.used_bytes >= 1 << 20);
	arena_clear(&a);

	assert_null(a.head);
	arena_alloc(&a, 16);
	arena_alloc(&a, 1 << 20);
	arena_clear(&a);
	assert_non_null(a.head);
	arena_free(&a);
	arena_free(&a); /* a freed arena is an empty one */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arena_allocations_never_overlap),
		cmocka_unit_test(test_arena_copies_data_and_text),
		cmocka_unit_test(test_arena_clear_keeps_one_block),
		cmocka_unit_test(test_arena_clear_gives_large_allocations_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
