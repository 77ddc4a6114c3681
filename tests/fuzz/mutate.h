/* Mutations of an input: what a bad disk, a bad network or a bad peer makes of
 * it. Pure: the same random numbers give the same mutation. */
#ifndef FUZZ_MUTATE_H
#define FUZZ_MUTATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/rng.h"

enum { MUTATE_LEN_MAX = 1 << 16 };

/* Copy one to out (MUTATE_LEN_MAX bytes) and change it 1 to 8 times; other is
 * where spliced parts come from. Gives the new length. */
size_t mutate(struct rng *r, struct bytes one, struct bytes other,
	      uint8_t *out);

#endif
