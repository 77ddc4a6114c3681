#include "base/rng.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "death.h"

/* The numbers are part of every stored seed: they must never change. The first
 * outputs of xoshiro256** for the state {1, 2, 3, 4} are those of the authors'
 * reference program. */
static void test_rng_is_xoshiro(void **state)
{
	struct rng r = {{1, 2, 3, 4}};

	assert_true(rng_u64(&r) == 11520);
	assert_true(rng_u64(&r) == 0);
	assert_true(rng_u64(&r) == 1509978240);
	assert_true(rng_u64(&r) == 1215971899390074240);
}

static void test_rng_same_seed_same_numbers(void **state)
{
	struct rng a, b, other;
	int n_equal = 0;

	rng_init(&a, 42);
	rng_init(&b, 42);
	rng_init(&other, 43);
	for (int i = 0; i < 1000; i++) {
		uint64_t x = rng_u64(&a);
		assert_true(x == rng_u64(&b));
		n_equal += x == rng_u64(&other);
	}

	assert_int_equal(n_equal, 0);
}

static void test_rng_below_is_fair(void **state)
{
	unsigned count[7] = {0};
	struct rng r;

	rng_init(&r, 7);
	for (int i = 0; i < 70000; i++)
		count[rng_below(&r, 7)]++;

	for (int i = 0; i < 7; i++)
		assert_in_range(count[i], 9500, 10500);
	for (int i = 0; i < 100; i++)
		assert_true(rng_below(&r, 1) == 0);
}

/* Without the rejection, a third of all numbers would come twice as often. */
static void test_rng_below_is_fair_for_huge_ranges(void **state)
{
	uint64_t n = 3 * ((uint64_t)1 << 62);
	int n_low = 0;
	struct rng r;

	rng_init(&r, 8);
	for (int i = 0; i < 30000; i++) {
		uint64_t x = rng_below(&r, n);
		assert_true(x < n);
		n_low += x < (uint64_t)1 << 62;
	}

	assert_in_range(n_low, 9500, 10500);
}

static void test_rng_range_holds_its_bounds(void **state)
{
	bool has_min = false, has_max = false;
	struct rng r;

	rng_init(&r, 9);
	for (int i = 0; i < 1000; i++) {
		int64_t x = rng_range(&r, -3, 3);
		assert_true(x >= -3 && x <= 3);
		has_min |= x == -3;
		has_max |= x == 3;
		rng_range(&r, INT64_MIN, INT64_MAX);
	}

	assert_true(has_min && has_max);
	assert_true(rng_range(&r, INT64_MIN, INT64_MIN) == INT64_MIN);
}

static void test_rng_chance_is_a_probability(void **state)
{
	int n_hits = 0;
	struct rng r;

	rng_init(&r, 10);
	for (int i = 0; i < 10000; i++) {
		n_hits += rng_chance(&r, 0.25);
		assert_false(rng_chance(&r, 0));
		assert_true(rng_chance(&r, 1));
	}

	assert_in_range(n_hits, 2300, 2700);
}

static void test_rng_entropy_fills_everything(void **state)
{
	static uint8_t a[1000], b[1000];

	rng_entropy(a, sizeof a);
	rng_entropy(b, sizeof b);
	rng_entropy(NULL, 0);

	assert_memory_not_equal(a, b, sizeof a);
	/* The last bytes too: all zero has the chance 2^-128. */
	static const uint8_t zero[16];
	assert_memory_not_equal(a + sizeof a - 16, zero, 16);
}

static void draw_below_nothing(void *ctx)
{
	rng_below(ctx, 0);
}

static void test_rng_below_nothing_is_a_bug(void **state)
{
	struct rng r;

	rng_init(&r, 11);
	death_expect(draw_below_nothing, &r, "n > 0 does not hold");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rng_is_xoshiro),
		cmocka_unit_test(test_rng_same_seed_same_numbers),
		cmocka_unit_test(test_rng_below_is_fair),
		cmocka_unit_test(test_rng_below_is_fair_for_huge_ranges),
		cmocka_unit_test(test_rng_range_holds_its_bounds),
		cmocka_unit_test(test_rng_chance_is_a_probability),
		cmocka_unit_test(test_rng_entropy_fills_everything),
		cmocka_unit_test(test_rng_below_nothing_is_a_bug),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
