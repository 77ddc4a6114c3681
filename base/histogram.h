/* Log-linear histogram (the HdrHistogram idea: 2^k ranges of 16 sub-buckets):
 * values 0 .. 2^63, relative error below 1/16, fixed memory, no allocation.
 * Units are the caller's; ours are microseconds unless the name says otherwise.
 * histogram_add may run on any thread; the others see a recent state. */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

enum { HISTOGRAM_SUB = 16, HISTOGRAM_BUCKETS = 61 * HISTOGRAM_SUB };

struct histogram {
	atomic_uint_fast64_t count[HISTOGRAM_BUCKETS];
	atomic_uint_fast64_t n, sum, max;
};

void histogram_clear(struct histogram *h);
void histogram_add(struct histogram *h, uint64_t value);
/* Upper bound of the bucket in which the q-quantile (0..1) lies; never above
 * the largest value added. 0 when empty. */
uint64_t histogram_quantile(const struct histogram *h, double q);
void histogram_merge(struct histogram *into, const struct histogram *from);
/* Bounds of a bucket, for exposition and tests: [low, high]. */
unsigned histogram_bucket(uint64_t value);
void histogram_bounds(unsigned bucket, uint64_t *low, uint64_t *high);

#endif
