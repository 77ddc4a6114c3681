/* Borrowed slices and counted immutable blobs: the only payload that travels
 * between threads.
 *
 * A blob is filled by the thread that made it; after the first blob_ref, or
 * after it was handed to another thread, it is never written again. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* A borrowed slice: the lender says how long it stays. */
struct bytes {
	const uint8_t *data;
	size_t len;
};

struct blob {
	atomic_uint refs;
	size_t len;
	uint8_t data[];
};

/* A blob of len bytes, not initialised, one reference. Stops the process when
 * memory is out: every queue has a byte limit, so this is a bug or a machine
 * that cannot go on. */
struct blob *blob_new(size_t len);
struct blob *blob_copy(const void *data, size_t len);
struct blob *blob_ref(struct blob *b);
void blob_unref(struct blob *b); /* NULL is allowed */
struct bytes blob_bytes(const struct blob *b);

/* malloc, calloc and realloc that stop the process instead of returning NULL.
 */
void *mem_alloc(size_t len);
void *mem_zero(size_t n, size_t len);
void *mem_grow(void *p, size_t len);
char *mem_strdup(const char *s);

int bytes_compare(struct bytes a, struct bytes b); /* memcmp order */

#endif
