#include "base/histogram.h"

#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/thread.h"

static struct histogram histogram;

static void test_histogram_buckets_cover_every_value_once(void **state)
{
	uint64_t next = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t low, high;
		histogram_bounds(i, &low, &high);
		assert_true(low == next);
		assert_true(high >= low);
		assert_int_equal(histogram_bucket(low), i);
		assert_int_equal(histogram_bucket(high), i);
		/* The promise: relative error below 1/16. */
		assert_true((high - low) < low / 16 + 1);
		next = high + 1;
	}
	assert_true(next == 0); /* past UINT64_MAX */
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void check_against_sorted(uint64_t *samples, size_t n)
{
	static const double quantiles[] = {0,   0.01, 0.25,  0.5,
					   0.9, 0.99, 0.999, 1};

	histogram_clear(&histogram);
	for (size_t i = 0; i < n; i++)
		histogram_add(&histogram, samples[i]);
	qsort(samples, n, sizeof *samples, compare);
	for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++) {
		double position = quantiles[i] * (double)n;
		size_t rank = (size_t)position;
		if ((double)rank < position || rank == 0)
			rank++;
		uint64_t exact = samples[rank - 1];
		uint64_t got = histogram_quantile(&histogram, quantiles[i]);
		assert_true(got >= exact);
		assert_true(got - exact <= exact / 16);
		assert_true(got <= samples[n - 1]);
	}
	assert_true(histogram_quantile(&histogram, 1) == samples[n - 1]);
}

/* Against the truth: sorted samples of several shapes and sizes. */
static void test_histogram_quantiles_against_sorted_samples(void **state)
{
	static uint64_t samples[20000];
	struct rng r;

	rng_init(&r, 5);
	for (int round = 0; round < 60; round++) {
		size_t n = (size_t)rng_range(&r, 1, round < 50 ? 500 : 20000);
		uint64_t bits = rng_below(&r, 64);
		for (size_t i = 0; i < n; i++)
			samples[i] =
				rng_u64(&r) >> (bits + rng_below(&r, 8)) % 64;
		check_against_sorted(samples, n);
	}
}

static void test_histogram_empty_is_zero(void **state)
{
	histogram_clear(&histogram);

	assert_true(histogram_quantile(&histogram, 0.99) == 0);
}

static void test_histogram_merge_is_adding_both(void **state)
{
	static struct histogram one, two, both;
	struct rng r;

	rng_init(&r, 6);
	for (int i = 0; i < 5000; i++) {
		uint64_t value = rng_u64(&r) >> rng_below(&r, 64);
		histogram_add(i % 3 ? &one : &two, value);
		histogram_add(&both, value);
	}
	histogram_merge(&one, &two);

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		assert_true(one.count[i] == both.count[i]);
	assert_true(one.n == both.n);
	assert_true(one.sum == both.sum);
	assert_true(one.max == both.max);
}

static void *add_thousands(void *ctx)
{
	struct rng r;

	rng_init(&r, (uint64_t)(uintptr_t)ctx);
	for (int i = 0; i < 5000; i++)
		histogram_add(&histogram, rng_below(&r, 1000));
	return NULL;
}

static void test_histogram_loses_nothing_between_threads(void **state)
{
	struct thread threads[4];
	uint64_t total = 0;

	histogram_clear(&histogram);
	for (uintptr_t i = 0; i < 4; i++)
		assert_int_equal(thread_start(&threads[i], "add", add_thousands,
					      (void *)i, NULL),
				 0);
	/* A reader in between sees a state that is possible. */
	for (int i = 0; i < 100; i++)
		assert_true(histogram_quantile(&histogram, 0.9) < 1000);
	for (int i = 0; i < 4; i++)
		thread_join(&threads[i]);

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		total += histogram.count[i];
	assert_true(total == 20000);
	assert_true(histogram.n == 20000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_histogram_buckets_cover_every_value_once),
		cmocka_unit_test(
			test_histogram_quantiles_against_sorted_samples),
		cmocka_unit_test(test_histogram_empty_is_zero),
		cmocka_unit_test(test_histogram_merge_is_adding_both),
		cmocka_unit_test(test_histogram_loses_nothing_between_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
