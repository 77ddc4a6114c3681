/* The cluster as several nodes tell it, put together: what a node says of
 * itself counts more than what others say of it, and how far behind it is the
 * leader knows best. Pure. */
#ifndef NODE_CTL_VIEW_H
#define NODE_CTL_VIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "node/ctl/output.h"
#include "proto/admin.pb-c.h"
#include "proto/limits.h"

/* Two lists of members at most: more than that are not one cluster. */
enum { VIEW_NODES_MAX = 2 * LIMIT_NODES };

struct view_node {
	const Synod__Admin__NodeStatus *status; /* borrowed from an answer */
	bool is_own;                            /* it said so itself */
	const char *state;                      /* of status, or better known */
	bool has_behind;
	uint64_t behind;
	/* From the overview, when there is one. */
	bool has_tasks, is_drained;
	uint64_t n_tasks;
};

struct view {
	const char *cluster, *cluster_id; /* NULL until an answer was added */
	bool is_mixed;                    /* answers of more than one cluster */
	struct view_node nodes[VIEW_NODES_MAX]; /* by name */
	size_t n_nodes;
	const struct view_node *leader; /* NULL: none */
	uint64_t term;                  /* highest seen */
};

/* Add one answer; it must stay as long as the view. */
void view_add(struct view *v, const Synod__Admin__StatusResponse *answer);
/* After the last one: order, leader, lag. */
void view_finish(struct view *v);

bool view_is_reachable(const struct view_node *n);
size_t view_count_voters(const struct view *v, bool is_reachable_only);

extern const struct column view_columns[];
extern const size_t view_n_columns;
/* A row a node into an output that was begun with view_columns. */
void view_rows(const struct view *v, struct output *o);

#endif
