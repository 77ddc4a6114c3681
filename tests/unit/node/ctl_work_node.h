/* A node in memory that answers every question synodctl has: a cluster of three
 * with one two-way sync, whose parts a test may change. */
#ifndef TESTS_UNIT_NODE_CTL_WORK_NODE_H
#define TESTS_UNIT_NODE_CTL_WORK_NODE_H

#include "ctl_fixture.h"

enum {
	WORK_NODES = 3,
	WORK_TASKS = 4,
	WORK_CONFLICTS = 5,
	WORK_LETTERS = 2,
	WORK_PAGE = 2 /* items a page at most */
};

/* 2026-11-21 05:30:00 UTC. */
#define WORK_NOW_US INT64_C(1795239000000000)

struct work {
	Synod__Admin__NodeStatus nodes[WORK_NODES];
	Synod__Admin__NodeStatus *node_list[WORK_NODES];
	Synod__Admin__StatusResponse status[WORK_NODES]; /* by whom */

	Synod__Admin__TaskInfo tasks[WORK_TASKS];
	Synod__Admin__TaskInfo *task_list[WORK_TASKS];
	Synod__Admin__TableInfo table;
	Synod__Admin__TableInfo *table_list[1];
	char *table_sides[2], *table_fields[3];
	Synod__Admin__SyncInfo sync;
	Synod__Admin__SyncInfo *sync_list[1];
	Synod__Admin__ConnectionInfo connections[2];
	Synod__Admin__ConnectionInfo *connection_list[2];
	char *connection_syncs[1], *unreachable_from[2];
	char *drained[1];
	Synod__Admin__OverviewResponse overview;

	Synod__Admin__Cell cells[2][3];
	Synod__Admin__Cell *cell_lists[2][3];
	Synod__Admin__Version__VectorEntry entries[2];
	Synod__Admin__Version__VectorEntry *entry_lists[2][1];
	Synod__Admin__Version versions[2];
	Synod__Admin__ConflictInfo conflicts[WORK_CONFLICTS];
	Synod__Admin__LetterInfo letters[WORK_LETTERS];
	size_t n_conflicts, n_letters;

	/* Asked to move, the tasks do so at this look at the overview. */
	unsigned moves_at_look, n_looks;
	const char *move_to;
	/* A test of a connection by this endpoint fails. */
	const char *broken_url;
	/* The last request that changed something, packed. */
	ProtobufCBinaryData asked;
	unsigned n_acts;
};

/* -- ctl_work_node.c --------------------------------------------------------
 */
void work_init(struct work *w);
void work_clear(struct work *w);
/* Put a constant into a field of a message. */
void work_text(char **field, const char *value);

/* -- ctl_work_answer.c ------------------------------------------------------
 */
/* Its fake_node; the fake's ctx is the work. Endpoints end with the node's
 * number: ipc:///n1. */
void work_answer(struct fake *f, const char *url,
		 const Synod__Admin__Request *request,
		 Synod__Admin__Response *response);
/* The last request that changed something; free it with protobuf-c. */
Synod__Admin__Request *work_asked(const struct work *w);

#endif
