/* Inside base: XXH3 with wide vector instructions, where the processor has them
 * (digest.c asks). The value is the same. */
#ifndef BASE_DIGEST_WIDE_H
#define BASE_DIGEST_WIDE_H

#include <stddef.h>
#include <stdint.h>

uint64_t digest64_wide(const void *data, size_t len, uint64_t seed);

#endif
