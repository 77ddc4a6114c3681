/* Flow: a thread inserts numbered rows into one side, steadily, and remembers
 * when each was confirmed; the owner looks for them on the other side. What it
 * sees is what an application would. */
#ifndef BENCH_FLOW_H
#define BENCH_FLOW_H

#include "bench/side.h"

enum { FLOW_STEP_US = 2000 };

struct flow;

/* Creates the table "flow" on both sides, empty. */
int flow_prepare(const struct side *from, const struct side *to, struct err *e);
/* The sides stay the caller's. */
int flow_start(struct flow **out, const struct side *from,
	       const struct side *to, struct err *e);
/* Wait until a row that was confirmed after since_us stands on the other side;
 * gives the time at which it was seen. ERR_TIMEOUT. Monotonic microseconds. */
int flow_wait(struct flow *f, int64_t since_us, int timeout_ms, int64_t *at_us,
	      struct err *e);
/* The longest time between two moments at which something new had arrived,
 * between from_us and to_us (to_us in the future: looks until then). */
int flow_longest_gap(struct flow *f, int64_t from_us, int64_t to_us,
		     int64_t *gap_us, struct err *e);
/* Stops writing, waits for the rest and counts: rows confirmed, rows arrived,
 * rows that differ. */
struct flow_count {
	uint64_t n_confirmed, n_arrived;
};
int flow_finish(struct flow *f, struct flow_count *out, struct err *e);
void flow_free(struct flow *f); /* NULL is allowed */

#endif
