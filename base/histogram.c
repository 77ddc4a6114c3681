#include "base/histogram.h"

#include <math.h>

#include "base/check.h"

/* Bucket b < 16 holds the value b. Above, range k = b / 16 holds the values
 * whose highest bit is k + 3, in 16 equal parts: a part is 1/16 of the smallest
 * value of its range, which bounds the error. */
enum { SUB_BITS = 4 };
_Static_assert(1 << SUB_BITS == HISTOGRAM_SUB, "sub-buckets are a power of 2");
_Static_assert(HISTOGRAM_BUCKETS == (64 - SUB_BITS + 1) * HISTOGRAM_SUB,
	       "every 64-bit value has a bucket");

unsigned histogram_bucket(uint64_t value)
{
	if (value < HISTOGRAM_SUB)
		return (unsigned)value;
	unsigned top = 63 - (unsigned)__builtin_clzll(value);
	unsigned sub = (unsigned)(value >> (top - SUB_BITS)) - HISTOGRAM_SUB;
	return (top - SUB_BITS + 1) * HISTOGRAM_SUB + sub;
}

void histogram_bounds(unsigned bucket, uint64_t *low, uint64_t *high)
{
	CHECK(bucket < HISTOGRAM_BUCKETS);
	if (bucket < HISTOGRAM_SUB) {
		*low = *high = bucket;
		return;
	}
	unsigned shift = bucket / HISTOGRAM_SUB - 1;
	uint64_t sub = bucket % HISTOGRAM_SUB + HISTOGRAM_SUB;
	*low = sub << shift;
	*high = *low + (((uint64_t)1 << shift) - 1);
}

void histogram_clear(struct histogram *h)
{
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		atomic_store_explicit(&h->count[i], 0, memory_order_relaxed);
	atomic_store_explicit(&h->n, 0, memory_order_relaxed);
	atomic_store_explicit(&h->sum, 0, memory_order_relaxed);
	atomic_store_explicit(&h->max, 0, memory_order_relaxed);
}

static void raise_max(struct histogram *h, uint64_t value)
{
	uint_fast64_t max = atomic_load_explicit(&h->max, memory_order_relaxed);

	while (max < value &&
	       !atomic_compare_exchange_weak_explicit(&h->max, &max, value,
						      memory_order_relaxed,
						      memory_order_relaxed))
		continue;
}

static void add_to(atomic_uint_fast64_t *to, uint64_t n)
{
	atomic_fetch_add_explicit(to, n, memory_order_relaxed);
}

void histogram_add(struct histogram *h, uint64_t value)
{
	raise_max(h, value);
	add_to(&h->count[histogram_bucket(value)], 1);
	add_to(&h->n, 1);
	add_to(&h->sum, value);
}

static uint64_t count_of(const struct histogram *h, unsigned bucket)
{
	return atomic_load_explicit(&h->count[bucket], memory_order_relaxed);
}

uint64_t histogram_quantile(const struct histogram *h, double q)
{
	uint64_t total = 0, seen = 0;
	uint64_t max = atomic_load_explicit(&h->max, memory_order_relaxed);

	CHECK(q >= 0 && q <= 1);
	/* Not h->n: another thread may be between two of its additions. */
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		total += count_of(h, i);
	if (total == 0)
		return 0;
	uint64_t rank = (uint64_t)ceil(q * (double)total);
	if (rank < 1)
		rank = 1;
	if (rank > total)
		rank = total;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t low, high;
		seen += count_of(h, i);
		if (seen < rank)
			continue;
		histogram_bounds(i, &low, &high);
		return high < max ? high : max;
	}
	return max;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
	raise_max(into, atomic_load_explicit(&from->max, memory_order_relaxed));
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t n = count_of(from, i);
		if (n)
			add_to(&into->count[i], n);
	}
	add_to(&into->n, atomic_load_explicit(&from->n, memory_order_relaxed));
	add_to(&into->sum,
	       atomic_load_explicit(&from->sum, memory_order_relaxed));
}
