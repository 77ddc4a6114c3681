/* Plan: the leader gives tasks to nodes: asks the planner (cluster/core) at
 * each change of tasks or of the nodes' health and once a second, and proposes
 * what it says. A node that leaves does the same for its own tasks, so that
 * they run elsewhere before it is gone. Loop thread. */
#ifndef NODE_PLAN_H
#define NODE_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "cluster/core/planner.h"
#include "proto/limits.h"

struct node;
struct metric;

/* An Assign without a fate. */
struct plan_move {
	uint32_t task_id;
	uint64_t expected_epoch;
	uint64_t lost_id; /* the node that had it and is lost; 0: another reason
			   */
	int64_t proposed_us;
	const char *reason;
	bool is_used;
};

/* A node that was lost, until its tasks are elsewhere. */
struct plan_loss {
	uint64_t node_id;
	int64_t decided_us;
	uint64_t detect_us, elect_us;
	size_t n_open, n_moved; /* its tasks */
	bool is_used;
};

struct plan {
	struct plan_move moves[LIMIT_TASKS];
	size_t n_used;
	struct plan_loss losses[LIMIT_NODES];
	int64_t last_assigned_us; /* wall clock */
	int64_t look_us;          /* not before, unless something changed */
	int64_t turn_us;          /* the last turn */
	int64_t since_us;         /* see pulse.h */
};

void plan_open(struct node *n);
/* changed: bits of enum control_change. Returns the microseconds until it wants
 * to look again. */
int64_t plan_turn(struct node *n, unsigned changed);
/* The nodes' health may have changed, or who leads. */
void plan_hurry(struct node *n);
/* The fate of a proposal with NODE_TAG_PLAN. */
void plan_fate(struct node *n, uint64_t tag, int code);
/* What the planner is asked with; nodes: room for LIMIT_NODES. */
struct planner_input plan_input(struct node *n, struct planner_node *nodes);
/* Leaving: are tasks of this node on their way to others, or is it worth
 * waiting for them? */
bool plan_is_leaving(struct node *n);

#endif
