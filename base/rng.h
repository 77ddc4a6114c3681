/* Random numbers as a parameter: a seeded generator (xoshiro256**, Blackman and
 * Vigna, public domain algorithm). The same seed gives the same numbers on
 * every machine: simulations replay. Not for secrets; rng_entropy asks the
 * kernel for those. Owned by one thread. */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rng {
	uint64_t s[4];
};

void rng_init(struct rng *r, uint64_t seed);
uint64_t rng_u64(struct rng *r);
/* Uniform in [0, n), n > 0. */
uint64_t rng_below(struct rng *r, uint64_t n);
/* Uniform in [min, max]. */
int64_t rng_range(struct rng *r, int64_t min, int64_t max);
/* True with probability p (0..1). */
bool rng_chance(struct rng *r, double p);

/* Fill from the kernel; stops the process when the kernel gives none. */
void rng_entropy(void *buf, size_t len);

#endif
