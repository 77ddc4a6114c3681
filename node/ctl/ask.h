/* The status of the cluster, asked from all endpoints at once. */
#ifndef NODE_CTL_ASK_H
#define NODE_CTL_ASK_H

#include "node/ctl/ctl.h"
#include "node/ctl/view.h"

struct ask {
	struct link_answer answers[LIMIT_NODES]; /* one an endpoint */
	size_t n_answers, n_good;
	struct view view; /* borrows from answers */
};

/* 0, or the exit code when no endpoint answered. Clear it in any case. */
int ask_status(struct ctl *c, struct ask *a);
void ask_clear(struct ask *a);

#endif
