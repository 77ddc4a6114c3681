/* The key-value interface that the pure machines write through: LMDB on a node
 * (cluster/store), memory in tests and simulations (kv_mem). One transaction at
 * a time per kv; the implementation says which thread. */
#ifndef BASE_KV_H
#define BASE_KV_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/map.h"

struct kv {
	void *ctx;
	/* True and the value, which stays until the next write or the end of
	 * the transaction; false when the key is not there. */
	bool (*get)(void *ctx, struct bytes key, struct bytes *value);
	void (*put)(void *ctx, struct bytes key, struct bytes value);
	void (*del)(void *ctx, struct bytes key);
	/* Smallest key >= from (> from when after). False at the end. */
	bool (*seek)(void *ctx, struct bytes from, bool after,
		     struct bytes *key, struct bytes *value);
};

/* A kv over an ordered map, which the caller keeps. */
struct kv kv_mem(struct map *m);

#endif
