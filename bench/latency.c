#include "bench/latency.h"

#include <stdlib.h>
#include <string.h>

void latency_clear(struct latency *l)
{
	memset(l, 0, sizeof *l);
}

/* Values below LATENCY_SUB have a bucket each; above, bucket width doubles
 * with each power of two. */
static unsigned bucket_of(uint64_t ns)
{
	const uint64_t last = ((uint64_t)1 << LATENCY_BITS_MAX) - 1;

	if (ns > last)
		ns = last;
	if (ns < LATENCY_SUB)
		return (unsigned)ns;
	unsigned bits = 63 - (unsigned)__builtin_clzll(ns);
	unsigned shift = bits - LATENCY_SUB_BITS;
	return (shift + 1) * LATENCY_SUB +
	       (unsigned)((ns >> shift) - LATENCY_SUB);
}

static uint64_t bucket_high(unsigned bucket)
{
	if (bucket < LATENCY_SUB)
		return bucket;
	unsigned shift = bucket / LATENCY_SUB - 1;
	uint64_t low = (uint64_t)(bucket % LATENCY_SUB + LATENCY_SUB) << shift;
	return low + ((uint64_t)1 << shift) - 1;
}

void latency_add(struct latency *l, uint64_t ns)
{
	l->count[bucket_of(ns)]++;
	l->n++;
	if (ns > l->max_ns)
		l->max_ns = ns;
}

double latency_ms(const struct latency *l, double q)
{
	uint64_t seen = 0;

	if (l->n == 0)
		return 0;
	double want = q * (double)l->n;
	for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
		seen += l->count[i];
		if (seen > 0 && (double)seen >= want) {
			uint64_t high = bucket_high(i);
			return (double)(high < l->max_ns ? high : l->max_ns) /
			       1e6;
		}
	}
	return latency_max_ms(l);
}

double latency_max_ms(const struct latency *l)
{
	return (double)l->max_ns / 1e6;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double median(double *values, unsigned n)
{
	if (n == 0)
		return 0;
	qsort(values, n, sizeof *values, compare_doubles);
	if (n % 2)
		return values[n / 2];
	return (values[n / 2 - 1] + values[n / 2]) / 2;
}
