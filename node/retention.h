/* Retention: how much of the log stays on disk. The log may fill half of its
 * quota; beyond, the oldest entries go, but none that an apply task has still
 * to read: then the log grows, until it is full and captures wait at their
 * source. The other half is what a burst may take before that. Pure. */
#ifndef NODE_RETENTION_H
#define NODE_RETENTION_H

#include "cluster/store/log.h"

/* The last index that may be forgotten now, 0: none. safe_index: everything up
 * to it is committed and durable in the state. A restart replays what is behind
 * it, so that stays whatever its size. */
uint64_t retention_target(const struct log_bounds *bounds, uint64_t safe_index);

/* While the log is full: does the way down need this command (sealed)? All but
 * changes and appends: without checkpoints nothing would ever be forgotten,
 * without assignments nobody would write what makes room. */
bool retention_is_vital(struct bytes command);

#endif
