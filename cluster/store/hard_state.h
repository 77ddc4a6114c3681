/* Hard state: term and vote, durable before Raft answers anybody.
 *
 * A file of two 4096-byte slots, preallocated. Each write goes to the slot that
 * is not the newest (sequence number + checksum), then fdatasync: a torn write
 * leaves the other slot whole. It is not in LMDB because LMDB has one writer
 * and an election must not wait for a group commit of the log. Loop thread. */
#ifndef CLUSTER_STORE_HARD_STATE_H
#define CLUSTER_STORE_HARD_STATE_H

#include <stdint.h>

#include "base/err.h"

struct hard_state;

int hard_state_open(struct hard_state **out, const char *path, struct err *e);
void hard_state_get(const struct hard_state *h, uint64_t *term, uint64_t *vote);
/* Durable on return. An error means that the disk cannot be trusted: stop. */
int hard_state_set(struct hard_state *h, uint64_t term, uint64_t vote,
		   struct err *e);
void hard_state_close(struct hard_state *h); /* NULL is allowed */

#endif
