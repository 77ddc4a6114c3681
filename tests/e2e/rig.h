/* A rig: a stage and two sides "a" and "b", with a throw-away PostgreSQL server
 * for the sides that want one (each side a database and a server of its own).
 *
 * SYNOD_SEED=N repeats the writers' choices (not the machine's moments). */
#ifndef TESTS_E2E_RIG_H
#define TESTS_E2E_RIG_H

#include "tests/e2e/links.h"
#include "tests/e2e/stage.h"

struct pg_server;

struct rig {
	struct stage stage;
	struct side a, b;
	struct pg_server *servers[2];
	char dir[FLEET_PATH_MAX];
};

void rig_open(struct rig *r, enum side_kind a, enum side_kind b);
/* With more lines in each node file. */
void rig_open_with(struct rig *r, enum side_kind a, enum side_kind b,
		   const char *node_lines);
void rig_close(struct rig *r);
/* The same statements on both sides. */
void rig_run_both(struct rig *r, const char *sql);
/* Everything that was written to "item" (load.h) so far has come to rest: sides
 * may be equal for a moment while a change that was written over is still on
 * its way to the ledger. A row from each side, and when both have arrived a
 * second one: what the changes before the first pair brought about is applied
 * before the second arrives. */
void rig_settle(struct rig *r);
/* Nobody died unasked, no dead letters, all nodes have the same state. */
void rig_check(struct rig *r);
uint64_t rig_seed(void);

#endif
