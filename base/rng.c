#include "base/rng.h"

#include <errno.h>
#include <sys/random.h>

#include "base/check.h"

static uint64_t rotate(uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

/* splitmix64: spreads a seed of few bits over the whole state. */
static uint64_t split_mix(uint64_t *x)
{
	uint64_t z = *x += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

void rng_init(struct rng *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++)
		r->s[i] = split_mix(&seed);
}

uint64_t rng_u64(struct rng *r)
{
	uint64_t *s = r->s;
	uint64_t result = rotate(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return result;
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
	CHECK(n > 0);
	/* 2^64 mod n: the numbers below it would make small results likelier.
	 * Fewer than half are thrown away, so the loop ends. */
	uint64_t unfair = (0 - n) % n;
	uint64_t x;

	do
		x = rng_u64(r);
	while (x < unfair);
	return x % n;
}

int64_t rng_range(struct rng *r, int64_t min, int64_t max)
{
	CHECK(min <= max);
	uint64_t span = (uint64_t)max - (uint64_t)min + 1;
	uint64_t offset = span ? rng_below(r, span) : rng_u64(r);

	return (int64_t)((uint64_t)min + offset);
}

bool rng_chance(struct rng *r, double p)
{
	/* Always draws: p may change and the numbers behind it do not. */
	return (double)(rng_u64(r) >> 11) * 0x1p-53 < p;
}

void rng_entropy(void *buf, size_t len)
{
	uint8_t *p = buf;

	while (len) {
		ssize_t n = getrandom(p, len, 0);
		CHECK(n > 0 || errno == EINTR);
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
}
