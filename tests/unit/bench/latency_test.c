#include "bench/latency.h"

#include <math.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct latency l;

static void test_latency_quantiles_are_off_by_less_than_a_200th(void **state)
{
	latency_clear(&l);
	/* 1 us, 2 us, ... 100 ms: the q-quantile is q * 100 ms. */
	for (uint64_t i = 1; i <= 100000; i++)
		latency_add(&l, i * 1000);

	static const double qs[] = {0.01, 0.5, 0.95, 0.99, 0.999};
	for (unsigned i = 0; i < sizeof qs / sizeof qs[0]; i++) {
		double want = qs[i] * 100, got = latency_ms(&l, qs[i]);
		assert_true(got >= want * (1 - 1e-9));
		assert_true(got <= want * 1.002);
	}
	assert_true(fabs(latency_max_ms(&l) - 100) < 1e-9);
	assert_true(fabs(latency_ms(&l, 1) - 100) < 1e-9);
}

static void test_latency_of_few_values_is_exact_enough(void **state)
{
	latency_clear(&l);
	assert_true(latency_ms(&l, 0.5) == 0);
	latency_add(&l, 3);
	assert_true(fabs(latency_ms(&l, 0.5) - 3e-6) < 1e-12);
	/* Two values: half of them do not exceed the first. */
	latency_add(&l, 1000000);
	assert_true(fabs(latency_ms(&l, 0.5) - 3e-6) < 1e-12);
	assert_true(fabs(latency_ms(&l, 0.51) - 1) < 1e-9);
}

static void test_latency_takes_the_longest_wait_there_is(void **state)
{
	latency_clear(&l);
	latency_add(&l, UINT64_MAX);
	latency_add(&l, 0);
	assert_int_equal(l.n, 2);
	assert_true(latency_ms(&l, 0.5) == 0);
	/* Its bucket ends at 2^41 ns, its maximum is kept. */
	assert_true(latency_ms(&l, 1) > 2e6);
	assert_true(latency_max_ms(&l) > 1e12);
}

static void test_latency_buckets_do_not_overlap(void **state)
{
	/* Around each power of two a larger value never has a smaller
	 * quantile. */
	for (unsigned bit = 1; bit < 41; bit++) {
		double before = -1;
		for (int64_t d = -2; d <= 2; d++) {
			int64_t ns = ((int64_t)1 << bit) + d;
			if (ns < 0)
				continue;
			latency_clear(&l);
			latency_add(&l, (uint64_t)ns);
			double now = latency_ms(&l, 0.5);
			assert_true(now >= before);
			assert_true(fabs(now - (double)ns / 1e6) < 1e-12);
			before = now;
		}
	}
}

static void test_median_of_odd_even_and_none(void **state)
{
	double odd[] = {5, 1, 3}, even[] = {4, 1, 3, 2};

	assert_true(fabs(median(odd, 3) - 3) < 1e-12);
	assert_true(fabs(median(even, 4) - 2.5) < 1e-12);
	assert_true(median(odd, 0) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_latency_quantiles_are_off_by_less_than_a_200th),
		cmocka_unit_test(test_latency_of_few_values_is_exact_enough),
		cmocka_unit_test(test_latency_takes_the_longest_wait_there_is),
		cmocka_unit_test(test_latency_buckets_do_not_overlap),
		cmocka_unit_test(test_median_of_odd_even_and_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
