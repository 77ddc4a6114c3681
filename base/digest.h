/* Checksums: XXH3 (xxHash), 64 bits. Detects torn and rotten bytes; it is no
 * protection against somebody who forges them. Any thread. */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

uint64_t digest64(const void *data, size_t len);
/* Seeded: chains digests and binds a payload to its header. */
uint64_t digest64_seed(const void *data, size_t len, uint64_t seed);

struct digest; /* streaming form of digest64 */
struct digest *digest_new(void);
void digest_add(struct digest *d, const void *data, size_t len);
uint64_t digest_value(const struct digest *d);
void digest_free(struct digest *d); /* NULL is allowed */

#endif
