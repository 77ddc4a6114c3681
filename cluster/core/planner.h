/* Planner: which node shall own which task. A pure function of the tasks, of
 * what the leader knows of the nodes, and of the time; asked by the leader at
 * each change and once in a while. Its answers are proposals (Assign).
 *
 * - Sticky: a task stays where it is while that node is well. A change of
 *   leader moves nothing.
 * - Tasks of a lost node, of a drained one, of one that cannot reach the
 *   connection, and those of nobody are given away at once, each to the node
 *   that is well, not drained, reaches the connection, and has the fewest.
 * - Balance: one task at a time, only when a node has two more than another,
 *   and not within PLANNER_CALM_US of the last assignment.
 * - Tasks of one connection may share a node; a tie is broken towards the node
 *   that has another task of the connection (its pages are warm), then by the
 *   lowest id.
 * - When no node reaches a connection the task stays with its owner, who
 *   retries. */
#ifndef CLUSTER_CORE_PLANNER_H
#define CLUSTER_CORE_PLANNER_H

#include "cluster/core/tasks.h"

enum {
	PLANNER_CALM_US = 10 * 1000 * 1000,
	/* An unreachable connection is tried again by the planner after. */
	PLANNER_REACH_US = 60 * 1000 * 1000
};

struct planner_node {
	uint64_t id;
	bool is_well; /* the leader hears it (itself: always) */
	bool has_log; /* voter or standby: spares run nothing */
};

struct planner_input {
	const struct tasks *tasks;
	const struct planner_node *nodes; /* by id */
	size_t n_nodes;
	int64_t now_wall_us;
	int64_t last_assigned_us; /* wall clock; 0: never */
};

struct planner_move {
	uint32_t task_id;
	uint64_t node_id, expected_epoch;
	const char *reason; /* literal: new, node_lost, drain, ... */
};

/* Returns how many; at most one a task. */
size_t planner_plan(const struct planner_input *in, struct planner_move *out);
/* May this task be moved to that node on request? NULL, or why not. */
const char *planner_refuse_move(const struct planner_input *in,
				uint32_t task_id, uint64_t node_id);

#endif
