#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

void *mem_alloc(size_t len)
{
	/* malloc(0) may be NULL, which would look like failure. */
	void *p = malloc(len ? len : 1);

	CHECK(p != NULL);
	return p;
}

void *mem_zero(size_t n, size_t len)
{
	void *p = calloc(n ? n : 1, len ? len : 1);

	CHECK(p != NULL);
	return p;
}

void *mem_grow(void *p, size_t len)
{
	void *grown = realloc(p, len ? len : 1);

	CHECK(grown != NULL);
	return grown;
}

char *mem_strdup(const char *s)
{
	size_t len = strlen(s) + 1;

	return memcpy(mem_alloc(len), s, len);
}

struct blob *blob_new(size_t len)
{
	CHECK(len <= SIZE_MAX - sizeof(struct blob));
	struct blob *b = mem_alloc(sizeof *b + len);

	atomic_init(&b->refs, 1);
	b->len = len;
	return b;
}

struct blob *blob_copy(const void *data, size_t len)
{
	struct blob *b = blob_new(len);

	if (len)
		memcpy(b->data, data, len);
	return b;
}

struct blob *blob_ref(struct blob *b)
{
	unsigned before =
		atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);

	CHECK(before > 0); /* else it was freed already */
	return b;
}

void blob_unref(struct blob *b)
{
	if (!b)
		return;
	/* Release: what this thread read of the blob happens before the free;
	 * acquire: the thread that frees sees that all others are done. */
	unsigned before =
		atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel);
	CHECK(before > 0);
	if (before == 1)
		free(b);
}

struct bytes blob_bytes(const struct blob *b)
{
	return (struct bytes){b->data, b->len};
}

int bytes_compare(struct bytes a, struct bytes b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len ? memcmp(a.data, b.data, len) : 0;

	if (order)
		return order;
	return (a.len > b.len) - (a.len < b.len);
}
