/* What the replica needs of the world: a disk and a network. On a node they are
 * the store and the wire (ports_node.h); in the simulator, models with virtual
 * time. Nothing here calls back inside the call: the world answers later, by
 * replica_disk_done, replica_fetched, replica_image_* and replica_recv.
 *
 * All on the loop thread. */
#ifndef CLUSTER_REPLICA_PORTS_H
#define CLUSTER_REPLICA_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "cluster/store/log.h"

/* What the disk holds when a replica starts, or starts again. */
struct replica_loaded {
	uint64_t term, vote;
	uint64_t first_index,
		last_index; /* of the log; last = first - 1: empty */
	uint64_t base_index, base_term;       /* see struct log_bounds */
	uint64_t applied_index, applied_term; /* durable in the state */
	uint64_t conf_index; /* configuration committed by applied_index: */
	struct blob *conf;   /* payload of its LOG_CHANGE, NULL when none;
				a reference for the replica */
};

/* A state image: what a follower gets when the log does not reach back. */
struct replica_image {
	uint64_t id; /* random; names it on the node that made it */
	uint64_t index, term;
	uint64_t conf_index;
	struct blob *conf;
	uint64_t size, digest;
};

struct replica_disk {
	void *ctx;
	/* Blocking, at start and after an install only. All queued work is done
	 * by then. */
	void (*load)(void *ctx, struct replica_loaded *out);
	/* Blocking read of one entry, at start only; false: corrupt or missing,
	 * which stops the node. data stays until the next call. */
	bool (*read)(void *ctx, uint64_t index, struct log_entry *out);
	/* Durable on return. */
	void (*set_hard_state)(void *ctx, uint64_t term, uint64_t vote);

	/* One ordered queue; each ends with replica_disk_done(ticket), in
	 * order. Payloads are borrowed until then. An error stops the process.
	 */
	void (*append)(void *ctx, const struct log_entry *entries, size_t n,
		       uint64_t ticket);
	void (*truncate)(void *ctx, uint64_t index, uint64_t ticket);

	/* Entries up to index are committed (and durable here): give them to
	 * the state machine. Later: replica_applied(). */
	void (*commit)(void *ctx, uint64_t index);

	/* Entries from index on, at least one, about bytes_max at the most;
	 * ends with replica_fetched(). */
	void (*fetch)(void *ctx, uint64_t index, size_t bytes_max,
		      uint64_t ticket);

	/* Leader: make an image of the durable state; ends with
	 * replica_image_made(). The newest one is kept for a while. */
	void (*image_make)(void *ctx);
	/* Leader: bytes of an image at offset; ends with replica_image_read().
	 */
	void (*image_read)(void *ctx, uint64_t image_id, uint64_t offset,
			   uint64_t peer);
	/* Follower: store a chunk; ends with replica_image_written(). Offset 0
	 * begins a new file. */
	void (*image_write)(void *ctx, uint64_t offset, struct blob *data);
	/* Follower: check size and digest of what was written and replace state
	 * and log by it: the log is empty behind index, the state stands at
	 * index. Atomic across a crash. Ends with replica_installed(ok). */
	void (*image_install)(void *ctx, const struct replica_image *image);
};

struct replica_net {
	void *ctx;
	/* Takes the frame (CODEC_ENVELOPE, sealed). May lose it. bulk: on the
	 * channel for images and log feeds, which must not delay the rest. */
	void (*send)(void *ctx, uint64_t peer, struct blob *frame, bool bulk);
};

#endif
