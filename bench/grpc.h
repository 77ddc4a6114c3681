/* A gRPC client for unary calls over HTTP/2 in clear text with prior knowledge,
 * by nghttp2: as much of gRPC as etcd's own clients use for a Put. One or more
 * connections, any number of calls under way on each.
 *
 * Everything happens inside grpc_turn, on the caller's one thread. */
#ifndef BENCH_GRPC_H
#define BENCH_GRPC_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

enum { GRPC_REPLY_MAX = 1024, GRPC_CONNECTIONS_MAX = 16, GRPC_ASK_MS = 1000 };

struct grpc;

/* A message in two parts, so that many calls can share one large value. Head
 * and tail stay the caller's and must stand until the call is done. */
struct grpc_message {
	struct bytes head, tail;
};

/* reply is lent for the call and empty unless status is 0. status: that of
 * gRPC (0 is good), or -1 when the stream broke before there was one. */
typedef void grpc_done(void *ctx, int status, struct bytes reply);

struct grpc_call {
	const char *path; /* "/package.Service/Method", stays */
	struct grpc_message message;
	grpc_done *done;
	void *ctx;
};

/* Connects and sends the preface. ERR_NETWORK. */
int grpc_dial(struct grpc **out, uint16_t loopback_port, unsigned n_connections,
	      struct err *e);
/* Start a call on connection i % n_connections; done runs in a later turn,
 * once. May be called from done. */
void grpc_start(struct grpc *g, unsigned i, const struct grpc_call *call);
/* Write what is due, wait up to timeout_ms for something to read, and deliver.
 * ERR_NETWORK when a connection broke; nothing more will come then, close it.
 */
int grpc_turn(struct grpc *g, int timeout_ms, struct err *e);
/* Calls under way are dropped without done. NULL is allowed. */
void grpc_close(struct grpc *g);

/* Start a call and wait for its reply, at most GRPC_ASK_MS: for the few
 * questions that are not part of a load. After an error close g. */
struct grpc_reply {
	size_t len;
	uint8_t data[GRPC_REPLY_MAX];
};
int grpc_ask(struct grpc *g, const char *path, struct bytes message,
	     struct grpc_reply *reply, struct err *e);

#endif
