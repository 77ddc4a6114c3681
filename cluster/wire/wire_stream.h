/* One connection that carries frames: nng's byte stream (TCP, TLS or a unix
 * socket) and on it the scalability protocols' framing, as any nng socket
 * speaks it: a greeting of 8 bytes in each direction, then frames of a length
 * and a body. A stream plays one role: PUSH or PULL between nodes, REP or REQ
 * at the door.
 *
 * Why not nng's sockets: docs/why/nng-streams.md. In short, 1.5.2's PUSH socket
 * writes to freed memory when a connection breaks, and anybody who connects and
 * hangs up at the right moment switches a listening socket off for good.
 *
 * Events come on nng threads, no lock held. After `broken` neither `ready` nor
 * `received` comes, but a `sent` that was under way may. Functions: any thread,
 * except wire_stream_free. */
#ifndef CLUSTER_WIRE_WIRE_STREAM_H
#define CLUSTER_WIRE_WIRE_STREAM_H

#include <nng/nng.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* Protocol numbers of the greeting (SP protocol registry). */
enum wire_role {
	WIRE_ROLE_REQ = 0x30,
	WIRE_ROLE_REP = 0x31,
	WIRE_ROLE_PUSH = 0x50,
	WIRE_ROLE_PULL = 0x51,
};

struct wire_stream;

struct wire_stream_events {
	/* Both greetings are through: frames may be sent. */
	void (*ready)(void *ctx, struct wire_stream *s);
	/* The handler owns frame; prefix is borrowed. False: read no further
	 * until wire_stream_resume, which may run before this returns. */
	bool (*received)(void *ctx, struct wire_stream *s, struct bytes prefix,
			 struct blob *frame);
	/* The frame has gone to the kernel; the next may be sent. */
	void (*sent)(void *ctx, struct wire_stream *s);
	/* Once; rv is nng's reason. The stream is still to be freed. */
	void (*broken)(void *ctx, struct wire_stream *s, int rv);
};

struct wire_stream_config {
	const struct wire_stream_events *events; /* stays */
	void *ctx;
	enum wire_role role, peer_role;
	bool is_ipc;
	size_t prefix_bytes; /* that each received frame begins with */
	size_t len_max;      /* of a received frame, without them */
};

/* Bytes that go before a frame and are copied: the number of a request. */
enum { WIRE_PREFIX_MAX = 4 };

/* Takes raw. Nothing happens before wire_stream_start. */
struct wire_stream *wire_stream_new(nng_stream *raw,
				    const struct wire_stream_config *cfg);
void wire_stream_start(struct wire_stream *s);
/* Frames of up to len_max from now on. From inside received, or before start.
 */
void wire_stream_set_limit(struct wire_stream *s, size_t len_max);
/* Takes frame. One at a time: after ready, and after sent of the one before. */
void wire_stream_send(struct wire_stream *s, struct bytes prefix,
		      struct blob *frame);
/* After received has said false; once. */
void wire_stream_resume(struct wire_stream *s);
/* Close it; broken follows unless it came already. */
void wire_stream_break(struct wire_stream *s);
/* Waits for its events to return: never from inside one, and with no lock that
 * an event takes. NULL is allowed. */
void wire_stream_free(struct wire_stream *s);

#endif
