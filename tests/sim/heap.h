/* The event queue of a simulated world: a binary heap by time, and by order of
 * arrival within one microsecond, so that a run is the same every time.
 *
 * Owns nothing that an event points to. One thread. */
#ifndef TESTS_SIM_HEAP_H
#define TESTS_SIM_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum event_kind {
	EVENT_TURN,
	EVENT_FRAME, /* p: blob; peer: who sent it */
	EVENT_DISK,  /* the jobs in flight are durable */
	EVENT_APPLY, /* the state has applied up to a */
	EVENT_FETCH, /* a: ticket, b: index, c: bytes */
	EVENT_IMAGE_MADE,
	EVENT_IMAGE_READ,  /* a: image, b: offset, c: peer id */
	EVENT_IMAGE_WRITE, /* p: blob, a: offset */
	EVENT_INSTALL,
	EVENT_PEER_UP,
	EVENT_PEER_DOWN,
	EVENT__OF_LIFE = EVENT_PEER_DOWN, /* those above die with the machine */
	EVENT_START,
	EVENT_FAULT,
	EVENT_PROPOSE,
	EVENT_TRAP, /* node: has just been elected */
	EVENT_ROLE, /* the leader changes a role */
	EVENT_DRAIN,
	EVENT__N
};

struct event {
	int64_t at;
	uint64_t seq;
	enum event_kind kind;
	uint8_t node, peer;
	uint32_t life; /* of the machine it is for */
	uint64_t a, b, c;
	void *p;
};

struct heap {
	struct event *items;
	size_t n, cap;
	uint64_t seq;
};

void heap_push(struct heap *h, struct event e);
/* The earliest; false when empty. */
bool heap_pop(struct heap *h, struct event *out);
void heap_free(struct heap *h);

#endif
