/* Retention: how much of the log stays on disk. The log may fill half of its
 * quota; beyond, the oldest entries go. The other half is what a burst may take
 * before proposals are refused. Pure. */
#ifndef NODE_RETENTION_H
#define NODE_RETENTION_H

#include "cluster/store/log.h"

/* The last index that may be forgotten now, 0: none. safe_index: everything up
 * to it is committed and durable in the state. A restart replays what is behind
 * it, so that stays whatever its size. */
uint64_t retention_target(const struct log_bounds *bounds, uint64_t safe_index);

#endif
