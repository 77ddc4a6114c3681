/* Commands that change something: one request, and "done" as one row. */
#ifndef NODE_CTL_ACT_H
#define NODE_CTL_ACT_H

#include "node/ctl/ctl.h"

/* Ask any node. 0: answer holds a DoneResponse; else the exit code. Clear it in
 * any case. */
int act_ask(struct ctl *c, const Synod__Admin__Request *request,
	    struct link_answer *answer);
/* The same, shown as a row: what it was done to, what was done. */
int act_run(struct ctl *c, const Synod__Admin__Request *request,
	    const char *name, const char *action);

/* Numbers of an argument list, "41" or with that letter in front, "c-41". Into
 * ids (c->n_args of them). 0, or the exit code. */
int act_ids(struct ctl *c, char letter, uint64_t *ids);

#endif
