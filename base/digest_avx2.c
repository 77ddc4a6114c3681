/* The same XXH3, compiled for processors with AVX2: Debian's library is built
 * for the oldest ones and takes twice the time. Hashing is the largest single
 * cost of a busy node, because nothing is sent, stored or read without it. */
#include "base/digest_wide.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t digest64_wide(const void *data, size_t len, uint64_t seed)
{
	return XXH3_64bits_withSeed(data, len, seed);
}
