/* Arena: many small allocations that die together. Owned by one thread. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *head;
	size_t used_bytes;  /* handed out since the last clear */
	size_t block_bytes; /* size of a fresh block */
};

void arena_init(struct arena *a, size_t block_bytes);
/* 16-byte aligned, not initialised. Never NULL. */
void *arena_alloc(struct arena *a, size_t len);
void *arena_copy(struct arena *a, const void *data, size_t len);
char *arena_strdup(struct arena *a, const char *s);
void arena_clear(struct arena *a); /* everything dies, one block is kept */
void arena_free(struct arena *a);

#endif
