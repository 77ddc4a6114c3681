/* What the files of the overview share: one answer, built in the arena of its
 * request. Loop thread. */
#ifndef NODE_ADMIN_OVERVIEW_H
#define NODE_ADMIN_OVERVIEW_H

#include "cluster/core/revision.h"
#include "node/node.h"

struct overview {
	struct node *n;
	struct arena *arena;
	struct view *view;
	const Synod__Definition__Definition *all; /* NULL: nothing declared */
	/* By the ledger, one number a sync (place in all->syncs). */
	uint64_t *conflicts, *conflicts_open, *letters;
	struct revision revision;
};

/* In the arena. */
__attribute__((format(printf, 2, 3))) char *overview_text(struct overview *o,
							  const char *fmt, ...);
/* n and one more, all zeros. */
void *overview_list(struct overview *o, size_t n, size_t size);

/* -- admin_overview_task.c --------------------------------------------------
 */
Synod__Admin__TaskInfo *overview_task(struct overview *o, const struct task *t);

/* -- admin_overview_sync.c --------------------------------------------------
 */
/* at: place in all->syncs. */
Synod__Admin__SyncInfo *overview_sync(struct overview *o, size_t at);

/* -- admin_overview_connection.c --------------------------------------------
 */
Synod__Admin__ConnectionInfo *
overview_connection(struct overview *o, const Synod__Definition__Connection *c);

#endif
