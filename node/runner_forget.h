/* What a removed task left behind in its database (a slot, triggers, a
 * checkpoint) is taken away: by the node that ran it last, else by the leader.
 * Tried again for a while; then an event says what a person has to look at.
 * Loop thread; the database is asked on the definer's. */
#ifndef NODE_RUNNER_FORGET_H
#define NODE_RUNNER_FORGET_H

#include "node/view.h"

struct node;

/* A revision took effect. */
void runner_forget_removed(struct node *n, struct view *before,
			   const struct view *now);
void runner_forget_turn(struct node *n, int64_t now_us);
void runner_forget_close(struct node *n);

#endif
