/* What runs, as the nodes tell it: syncs, their tasks, the connections. All
 * nodes know the same of it, some later than others; what only the owner of a
 * task knows (progress of a load, what the source retains) is gathered from all
 * that were asked. */
#ifndef NODE_CTL_OVERVIEW_H
#define NODE_CTL_OVERVIEW_H

#include "node/ctl/ctl.h"
#include "node/ctl/view.h"

struct overview {
	struct link_answer answers[LIMIT_NODES]; /* one an endpoint */
	size_t n_answers;
	/* Of the node that is furthest; NULL: nobody told. */
	const Synod__Admin__OverviewResponse *all;
};

/* One node, the first that answers; is_everyone: all endpoints at once. sync:
 * only that one, or NULL. 0, or the exit code. Clear it in any case. */
int overview_ask(struct ctl *c, const char *sync, struct overview *o);
int overview_ask_everyone(struct ctl *c, const char *sync, struct overview *o);
/* The same for those to whom it is one part of several: no failure is set.
 * Returns a code, its text in the first answer. */
int overview_try(struct ctl *c, const char *sync, struct overview *o);
int overview_try_everyone(struct ctl *c, const char *sync, struct overview *o);
void overview_clear(struct overview *o);

/* NULL: there is none. */
const Synod__Admin__SyncInfo *overview_sync(const struct overview *o,
					    const char *name);
const Synod__Admin__TaskInfo *overview_task(const struct overview *o,
					    const char *name);
/* It does not exist: says so, with the nearest name. Returns the exit code. */
int overview_no_sync(struct ctl *c, const struct overview *o, const char *name);
int overview_no_task(struct ctl *c, const struct overview *o, const char *name);

/* Tasks of a node. */
size_t overview_count(const struct overview *o, const char *node);
bool overview_is_drained(const struct overview *o, const char *node);
/* Tasks and drains into the list of nodes. */
void overview_to_view(const struct overview *o, struct view *v);

#endif
