/* The payload of a configuration entry (LOG_CHANGE), as libraft 0.15.0 writes
 * and reads it: u8 format 1, u64 n, n times { u64 id, name NUL, u8 role },
 * padded with zeros to a multiple of 8. libraft's own reader trusts every byte;
 * this one checks before anything reaches it. Pure. */
#ifndef CLUSTER_REPLICA_CONF_H
#define CLUSTER_REPLICA_CONF_H

#include <raft.h>

#include "cluster/replica/replica.h"

/* Members in the order of the payload. 0, or ERR_CORRUPT: bad format, more than
 * LIMIT_NODES, a zero or repeated id, a name or role that is none. */
int conf_decode(struct bytes payload, struct replica_member *out, size_t *n);
struct blob *conf_encode(const struct replica_member *members, size_t n);

/* Into an initialised, empty configuration. */
int conf_to_raft(struct bytes payload, struct raft_configuration *out);

#endif
