/* Window: the batches of one capture that are under way, oldest first, with
 * what is known of each. Pure; owned by the task. */
#ifndef NODE_TASK_WINDOW_H
#define NODE_TASK_WINDOW_H

#include "node/task/task.h"

struct flight {
	uint64_t ticket;
	bool is_known; /* its fate is; or its deadline has passed */
	int code;      /* then: 0, committed at index */
	uint64_t index;
	size_t bytes;
	uint64_t n_changes;
	int64_t stamp_us; /* of its newest transaction; 0: none */
	int64_t deadline_us;
	struct value_buf to; /* where the source stands behind it */
};

struct window {
	struct flight list[LIMIT_CAPTURE_WINDOW_COUNT];
	size_t first, n, bytes;
};

void window_free(struct window *w);
/* Forget all of them. */
void window_clear(struct window *w);
bool window_has_room(const struct window *w);
/* The new youngest one; its `to` is empty and keeps its memory. */
struct flight *window_push(struct window *w);
/* By age, 0 is the oldest. */
struct flight *window_at(struct window *w, size_t i);
/* The oldest n are done with. */
void window_pop(struct window *w, size_t n);
/* False: none of ours. */
bool window_fate(struct window *w, const struct task_fate *fate);
/* Those whose deadline has passed count as unknown. */
void window_expire(struct window *w, int64_t now_us);
/* Is every fate known? */
bool window_is_known(struct window *w);
/* Is there one that did not get into the log, or may not have? */
bool window_is_torn(struct window *w);
/* The highest index of a committed one; 0: none. */
uint64_t window_last_index(struct window *w);
/* How many, from the oldest on, the ledger has taken when it stands at
 * position; 0: not one of them stands there. */
size_t window_taken(struct window *w, struct bytes position);

#endif
