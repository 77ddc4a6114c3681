/* Apply: writes to one connection what the log holds for it, in the log's
 * order: reads decided entries behind the target's checkpoint, gathers whole
 * source transactions (LIMIT_APPLY_GROUP_ROWS, LIMIT_APPLY_GROUP_BYTES, as much
 * as is there) into one target transaction, and moves the checkpoint with it.
 * Nothing is kept in memory that the log or the target does not have.
 *
 * A row that the target refuses becomes a dead letter: proposed first, and when
 * the ledger has it, the group is written without it. Later rows of a parked
 * key are added to its chain the same way. A row of the load that differs
 * becomes a Difference likewise. */
#ifndef NODE_TASK_APPLY_H
#define NODE_TASK_APPLY_H

#include "node/task/task.h"

struct apply;

struct apply *apply_new(const struct task_spec *spec,
			const struct task_ports *ports);
void apply_free(struct apply *a);
/* Do what is due; may block in the connector's calls, but never waits for
 * something new: wait_ms is for symmetry. Returns the microseconds until the
 * next call at the latest; 0: at once. */
int64_t apply_step(struct apply *a, int wait_ms);
void apply_fate(struct apply *a, const struct task_fate *fate);
enum task_state apply_state(const struct apply *a);
/* The target's checkpoint, and up to where the log was looked through. */
void apply_progress(const struct apply *a, uint64_t *applied, uint64_t *upto);
/* Any thread: make a step that blocks in the connector return: a stop. */
void apply_wake(struct apply *a);

#endif
