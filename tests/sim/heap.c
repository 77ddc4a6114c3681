#include "tests/sim/heap.h"

#include <stdlib.h>

#include "base/bytes.h"

static bool earlier(const struct event *a, const struct event *b)
{
	if (a->at != b->at)
		return a->at < b->at;
	return a->seq < b->seq;
}

void heap_push(struct heap *h, struct event e)
{
	if (h->n == h->cap) {
		h->cap = h->cap ? 2 * h->cap : 256;
		h->items = mem_grow(h->items, h->cap * sizeof *h->items);
	}
	e.seq = h->seq++;
	size_t i = h->n++;
	while (i > 0) {
		size_t up = (i - 1) / 2;
		if (!earlier(&e, &h->items[up]))
			break;
		h->items[i] = h->items[up];
		i = up;
	}
	h->items[i] = e;
}

bool heap_pop(struct heap *h, struct event *out)
{
	if (h->n == 0)
		return false;
	*out = h->items[0];
	struct event last = h->items[--h->n];
	size_t i = 0;
	for (;;) {
		size_t down = 2 * i + 1;
		if (down >= h->n)
			break;
		if (down + 1 < h->n &&
		    earlier(&h->items[down + 1], &h->items[down]))
			down++;
		if (!earlier(&h->items[down], &last))
			break;
		h->items[i] = h->items[down];
		i = down;
	}
	if (h->n > 0)
		h->items[i] = last;
	return true;
}

void heap_free(struct heap *h)
{
	free(h->items);
	*h = (struct heap){0};
}
