/* The data directory: who it belongs to, and that only one process uses it.
 *
 *   DIR/lock      flock'ed while a process uses the directory
 *   DIR/identity  format version, cluster id, node id and name, incarnation,
 *                 device, inode and birth of this very file; sealed by a
 *                 checksum, replaced atomically (identity.h)
 *   DIR/hard      term and vote (hard_state.h)
 *   DIR/peers     incarnations pinned at the founding: of the peers that
 *                 were heard blank, and of this node
 *   DIR/log/      LMDB: the change log (log.h)
 *   DIR/state/    LMDB: the state machine (state.h)
 *   DIR/incoming/ a state image on its way in; DIR/images/ those made for
 * others; DIR/installing: the marker of an install under way
 *
 * A directory of another node, another cluster or an unknown format is refused;
 * so is a copy: a copied identity file has another inode or birth than it says,
 * and two nodes with one memory of votes would break the cluster. (A clone of
 * the whole disk cannot be seen here: the peers refuse it by its incarnation.)
 * Loop thread. */
#ifndef CLUSTER_STORE_DIR_H
#define CLUSTER_STORE_DIR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum { STORE_FORMAT = 1, CLUSTER_ID_BYTES = 16, STORE_NAME_MAX = 64 };

struct store_identity {
	uint64_t node_id;
	char node_name[STORE_NAME_MAX];
	char cluster_name[STORE_NAME_MAX];
	uint8_t cluster_id[CLUSTER_ID_BYTES]; /* zeros until it is known */
	uint64_t incarnation; /* random, made with the directory */
	bool is_blank; /* no log was ever bootstrapped or installed here */
};

struct store_dir;

/* Create or open, lock, check. want: node id and the two names (the rest is
 * ignored). ERR_LOCKED names the pid that holds it; ERR_IDENTITY says what
 * differs and what to do; ERR_FORMAT; ERR_PERMISSION; ERR_IO. */
int store_dir_open(struct store_dir **out, const char *path,
		   const struct store_identity *want, struct err *e);
const char *store_dir_path(const struct store_dir *d);
const struct store_identity *store_dir_identity(const struct store_dir *d);
/* Durable on return. The id can be set once; another one is ERR_IDENTITY. */
int store_dir_set_cluster(struct store_dir *d,
			  const uint8_t id[CLUSTER_ID_BYTES], struct err *e);
/* The directory holds a log now; durable on return. Hard state and log must
 * have been opened before: from now on a directory without them is refused. */
int store_dir_set_in_use(struct store_dir *d, struct err *e);
/* The incarnation pinned for a peer, 0 when none is. */
uint64_t store_dir_peer(const struct store_dir *d, uint64_t node_id);
/* Pin it, replacing an older one. Durable on return. */
int store_dir_pin_peer(struct store_dir *d, uint64_t node_id,
		       uint64_t incarnation, struct err *e);
void store_dir_close(struct store_dir *d); /* NULL is allowed */

#endif
