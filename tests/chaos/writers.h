/* Writers under fire: threads that append values which name themselves, through
 * whatever node answers, and remember which were acknowledged at which index.
 * No value is ever sent twice: one whose fate is unknown may be in the log or
 * not, but never two times. */
#ifndef TESTS_CHAOS_WRITERS_H
#define TESTS_CHAOS_WRITERS_H

#include <stdint.h>

#include "bench/fleet.h"

enum {
	WRITERS = 3,
	WRITERS_VALUE_BYTES = 200,
	WRITERS_ACKED_MAX = 4 << 20,
};

struct acked {
	uint64_t index, seq;
	unsigned writer;
};

struct writers;

struct writers *writers_start(struct fleet *f);
/* How many have been acknowledged so far. */
uint64_t writers_count(struct writers *w);
/* Wait until n more are acknowledged than at the call. */
int writers_wait_progress(struct writers *w, uint64_t n, int timeout_ms,
			  struct err *e);
/* No more appends; the calls under way are waited for. */
void writers_stop(struct writers *w);
/* After writers_stop: everything acknowledged, by index. */
const struct acked *writers_acked(struct writers *w, uint64_t *n);
/* How many values writer i has sent: their seq is below. */
uint64_t writers_sent(struct writers *w, unsigned i);
void writers_free(struct writers *w);

/* The value of (writer, seq). */
void writers_value(unsigned writer, uint64_t seq,
		   uint8_t value[WRITERS_VALUE_BYTES]);
/* The other way round; false when no writer made it. */
bool writers_parse(const uint8_t *value, size_t len, unsigned *writer,
		   uint64_t *seq);

#endif
