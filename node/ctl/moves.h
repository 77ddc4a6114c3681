/* Tasks on their way from one node to another, followed by looking at the
 * overview again and again. */
#ifndef NODE_CTL_MOVES_H
#define NODE_CTL_MOVES_H

#include "node/ctl/overview.h"
#include "node/ctl/stop.h"

struct moves_task {
	char name[3 * LIMIT_NAME_BYTES + 8];
	char from[LIMIT_NAME_BYTES + 1]; /* "": nobody */
	bool is_shown;
};

struct moves {
	struct moves_task *list;
	size_t n;
	const char *to; /* only this node will do; NULL: any other one */
	struct stop stop;
	bool has_stop;
};

/* Before the first connection, when it is going to be waited. */
int moves_begin(struct ctl *c, struct moves *m);
void moves_end(struct moves *m);
/* What is going to move: all tasks of a node, or one task. */
void moves_take_node(struct moves *m, const struct overview *o,
		     const char *node);
void moves_take_task(struct moves *m, const Synod__Admin__TaskInfo *task);

/* Rows: a move each. */
void moves_output(struct ctl *c, const struct moves *m);
/* What is still to come, for those who do not wait. */
void moves_put_planned(struct ctl *c, const struct moves *m);
/* Show each move as it happens, until all are done: 0. EXIT_PENDING when
 * --wait ran out or Ctrl-C came. */
int moves_wait(struct ctl *c, struct moves *m);

#endif
