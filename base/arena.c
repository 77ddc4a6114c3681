#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

enum { ARENA_ALIGN = 16, ARENA_BLOCK_BYTES_MIN = 64 };

/* head is the only block with room; the ones behind it are full or hold one
 * allocation larger than a block. */
struct arena_block {
	struct arena_block *next;
	size_t size, used;
	alignas(ARENA_ALIGN) uint8_t data[];
};

static struct arena_block *block_new(size_t size)
{
	CHECK(size <= SIZE_MAX - sizeof(struct arena_block));
	struct arena_block *b = mem_alloc(sizeof *b + size);

	b->next = NULL;
	b->size = size;
	b->used = 0;
	return b;
}

void arena_init(struct arena *a, size_t block_bytes)
{
	if (block_bytes < ARENA_BLOCK_BYTES_MIN)
		block_bytes = ARENA_BLOCK_BYTES_MIN;
	*a = (struct arena){.block_bytes = block_bytes};
}

/* A block of its own, behind the head, so that the head keeps its room. */
static void *alloc_large(struct arena *a, size_t size)
{
	struct arena_block *b = block_new(size);

	b->used = size;
	if (a->head) {
		b->next = a->head->next;
		a->head->next = b;
	} else {
		a->head = b;
	}
	return b->data;
}

void *arena_alloc(struct arena *a, size_t len)
{
	CHECK(len <= SIZE_MAX - ARENA_ALIGN);
	size_t size = (len + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	if (size == 0)
		size = ARENA_ALIGN; /* each allocation has its own address */

	a->used_bytes += size;
	if (size > a->block_bytes)
		return alloc_large(a, size);
	if (!a->head || a->head->size - a->head->used < size) {
		struct arena_block *b = block_new(a->block_bytes);
		b->next = a->head;
		a->head = b;
	}
	void *p = a->head->data + a->head->used;
	a->head->used += size;
	return p;
}

void *arena_copy(struct arena *a, const void *data, size_t len)
{
	void *p = arena_alloc(a, len);

	if (len)
		memcpy(p, data, len);
	return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_copy(a, s, strlen(s) + 1);
}

static void free_blocks(struct arena_block *b)
{
	while (b) {
		struct arena_block *next = b->next;
		free(b);
		b = next;
	}
}

void arena_clear(struct arena *a)
{
	struct arena_block *head = a->head;

	a->used_bytes = 0;
	if (!head)
		return;
	free_blocks(head->next);
	head->next = NULL;
	head->used = 0;
	/* A block that one large allocation left behind is not kept: the arena
	 * would hold its largest batch for ever. */
	if (head->size != a->block_bytes) {
		free(head);
		a->head = NULL;
	}
}

void arena_free(struct arena *a)
{
	free_blocks(a->head);
	a->head = NULL;
	a->used_bytes = 0;
}
