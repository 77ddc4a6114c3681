/* Latencies of a run: a log-linear histogram of nanoseconds with 512 steps per
 * power of two, so that a percentile is off by less than 0.2 %. (The histogram
 * of base/ is made for always-on metrics and is ten times coarser: too coarse
 * to compare two systems.) Fixed memory; one thread at a time. */
#ifndef BENCH_LATENCY_H
#define BENCH_LATENCY_H

#include <stdint.h>

enum { LATENCY_SUB_BITS = 9, LATENCY_SUB = 1 << LATENCY_SUB_BITS };
/* Up to 2^41 ns, 36 minutes; longer ones count as that. */
enum { LATENCY_BITS_MAX = 41 };
enum {
	LATENCY_BUCKETS =
		(LATENCY_BITS_MAX - LATENCY_SUB_BITS + 1) * LATENCY_SUB
};

struct latency {
	uint64_t n, max_ns;
	uint64_t count[LATENCY_BUCKETS];
};

void latency_clear(struct latency *l);
void latency_add(struct latency *l, uint64_t ns);
/* The smallest recorded value (rounded up within its bucket) that at least the
 * share q (0..1) of all values does not exceed, in milliseconds; 0 when empty;
 * never above the maximum. */
double latency_ms(const struct latency *l, double q);
double latency_max_ms(const struct latency *l);

/* The middle one of n numbers (mean of the two in the middle when n is even).
 * Sorts them. 0 when n is 0. */
double median(double *values, unsigned n);

#endif
