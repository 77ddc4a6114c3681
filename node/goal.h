/* Goal: which tasks shall run on this node, and what to do about those that
 * do. A pure comparison of what the view says with what is there: whoever asks
 * repeats it until both are the same. */
#ifndef NODE_GOAL_H
#define NODE_GOAL_H

#include "node/view.h"

struct goal {
	uint32_t task_id;
	uint64_t epoch;
	/* Of all that the task works by: its connection, the syncs that it has
	 * to do with, their tables, which of them are paused. Another one: it
	 * is started anew. */
	uint64_t concern;
};

/* The tasks of a node that shall run, by id: its own by the view, without the
 * apply tasks of paused syncs and without what the catalog does not know. out
 * holds view->tasks.n. Returns how many. */
size_t goal_list(const struct view *view, uint64_t node_id, struct goal *out);
uint64_t goal_concern(const struct view *view, uint32_t task_id);
/* By id; NULL when it shall not run. */
const struct goal *goal_find(const struct goal *list, size_t n,
			     uint32_t task_id);

/* One that was fenced though nobody else has it: it tries again after. */
enum { GOAL_FENCED_US = 5 * 1000 * 1000 };

enum goal_state {
	GOAL_RUNNING,
	GOAL_STOPPING, /* told to; its thread has not ended */
	GOAL_ENDED     /* its thread has ended */
};

/* One that was started. */
struct goal_running {
	enum goal_state state;
	uint64_t epoch, concern;
	bool was_told; /* to stop: else it ended by itself, fenced */
	int64_t told_us, ended_us;
};

enum goal_step {
	GOAL_KEEP,   /* as it is */
	GOAL_STOP,   /* tell it */
	GOAL_WAIT,   /* it is on its way out */
	GOAL_REMOVE, /* it is gone: nothing of it is needed any more */
	/* It does not end. The one that follows has a newer epoch, so it can do
	 * no harm: it no longer stands in the way. */
	GOAL_ABANDON
};

/* wanted: NULL when it shall not run. */
enum goal_step goal_judge(const struct goal_running *is,
			  const struct goal *wanted, int64_t now_us);

#endif
