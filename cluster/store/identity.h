/* The sealed files of the data directory: who it belongs to, and the
 * incarnations of the peers. Used by dir.c only. Loop thread.
 *
 * DIR/identity, 216 bytes, little-endian:
 *     0  u64 checksum     XXH3-64 over bytes 8.. to the end
 *     8  8 bytes          "SYNODID" and a zero
 *    16  u32 format       1
 *    20  u32 flags        1: blank
 *    24  u64 node id
 *    32  u64 incarnation
 *    40  u64 device, u64 inode of this very file
 *    56  i64 seconds, u32 nanoseconds of its birth; zeros: not known
 *    68  u32 zero
 *    72  16 bytes         cluster id, zeros: not known yet
 *    88  64 bytes         node name, padded with zeros
 *   152  64 bytes         cluster name, padded with zeros
 *
 * DIR/peers, 24 + 16 n bytes:
 *     0  u64 checksum     as above
 *     8  8 bytes          "SYNODPR" and a zero
 *    16  u32 format       1
 *    20  u32 n
 *    24  n times          u64 node id, u64 incarnation */
#ifndef CLUSTER_STORE_IDENTITY_H
#define CLUSTER_STORE_IDENTITY_H

#include "cluster/store/dir.h"

enum { PEERS_MAX = 64 };

struct peer_pin {
	uint64_t node_id, incarnation;
};

/* ERR_NOTFOUND, ERR_CORRUPT, ERR_FORMAT, ERR_IDENTITY when it is a copy. */
int identity_read(const char *dir, struct store_identity *out, struct err *e);
/* Durable on return. */
int identity_write(const char *dir, const struct store_identity *id,
		   struct err *e);

/* No file: zero peers. */
int peers_read(const char *dir, struct peer_pin pins[PEERS_MAX], size_t *n,
	       struct err *e);
/* Durable on return. */
int peers_write(const char *dir, const struct peer_pin *pins, size_t n,
		struct err *e);

#endif
