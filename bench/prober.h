/* A prober: appends one small value every few milliseconds through one door, a
 * thread of its own, and remembers when each was submitted and when it was
 * known to be committed. What it sees of a fault is what a client would. */
#ifndef BENCH_PROBER_H
#define BENCH_PROBER_H

#include <stdint.h>

#include "base/err.h"
#include "cluster/wire/door.h"

enum {
	PROBER_STEP_MS = 4,
	/* An append without a fate by then is given up: its slot is needed. */
	PROBER_APPEND_MS = 160,
	PROBER_PARALLEL = 48,
};

struct prober;

/* The client must allow PROBER_PARALLEL calls and stays the caller's. */
int prober_start(struct prober **out, struct door_client *c, struct err *e);
/* Wait until an append that was submitted at since_us or later is committed;
 * gives the time of the answer. ERR_TIMEOUT. Monotonic microseconds. */
int prober_wait_commit(struct prober *p, int64_t since_us, int timeout_ms,
		       int64_t *at_us, struct err *e);
/* The longest time between two answers "committed" that follow each other,
 * from the last one before from_us to the first one after to_us. */
int64_t prober_longest_gap(struct prober *p, int64_t from_us, int64_t to_us);
void prober_stop(struct prober *p); /* NULL is allowed */

#endif
