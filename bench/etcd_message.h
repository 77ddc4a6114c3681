/* The few messages of etcd's own protocol that the comparison needs, written
 * and read by hand: etcdserverpb.PutRequest and StatusResponse
 * (etcd's api/etcdserverpb/rpc.proto). Pure. */
#ifndef BENCH_ETCD_MESSAGE_H
#define BENCH_ETCD_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum { ETCD_PUT_HEAD_MAX = 64 };

/* The head of a PutRequest{key, value}: everything in front of the bytes of the
 * value. Gives its length. The key has at most 32 bytes. */
size_t etcd_put_head(const char *key, size_t value_len,
		     uint8_t head[ETCD_PUT_HEAD_MAX]);

struct etcd_status {
	uint64_t member_id; /* who answers */
	uint64_t leader_id; /* 0: there is none */
};

/* False when it is no StatusResponse. */
bool etcd_status_read(struct bytes message, struct etcd_status *out);

#endif
