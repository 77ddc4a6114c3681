/* The wire: frames between nodes over nng, PUSH -> PULL, one connection per
 * direction and channel. It knows connections and frames; what is inside a
 * frame is none of its business, except for the hello that opens each one.
 *
 * - RAFT and BULK travel on connections of their own (port and port + 1), so
 *   that a state image never delays a heartbeat.
 * - Per peer and channel one send queue with a byte limit, one send in flight.
 *   A frame that does not fit is dropped and counted: Raft repeats. A broken
 *   connection drops the queue.
 * - The first frame of a connection is a Hello. Wrong cluster, wrong node,
 *   unknown protocol, an incarnation that is not admitted: refused, with one
 *   log line and one note a second, and the connection is closed.
 * - Under TLS the dialer checks the listener's certificate against
 *   "<node name>.<cluster name>.synod"; the listener demands a certificate of
 *   the same CA and a token that it sent over the connection it dialed itself:
 *   so a node cannot pose as another one.
 * - A connection that breaks is reported at once: fail-over waits for it. One
 *   that is idle repeats its hello, so that a silent peer is known as dead.
 *
 * nng's threads call back; they only leave notes in the owner's mailbox.
 * Functions: owner's thread, except where they say otherwise. Below is nng's
 * byte stream, not its sockets: docs/why/nng-streams.md. */
#ifndef CLUSTER_WIRE_WIRE_H
#define CLUSTER_WIRE_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/mailbox.h"

enum wire_channel { WIRE_RAFT, WIRE_BULK, WIRE__CHANNELS };

enum wire_note_kind {
	NOTE_WIRE_FRAME = 200, /* a frame came */
	NOTE_WIRE_UP,          /* we can send to the peer; hello is filled */
	NOTE_WIRE_DOWN,        /* a connection to or from the peer broke */
	NOTE_WIRE_HELLO,       /* the peer said hello to us; hello is filled */
	NOTE_WIRE_REFUSED      /* we refused a hello; text says why */
};

/* What a peer says of itself. */
struct wire_hello {
	uint64_t node_id, incarnation, boot, term, cluster_hash;
	uint8_t cluster_id[16];
	bool has_cluster_id, is_blank, is_admitted;
	uint64_t recorded; /* our incarnation, see wire_set_recorded */
};

/* Free with wire_note_free. */
struct wire_note {
	struct note note;
	uint64_t peer;
	enum wire_channel channel;
	struct blob *frame; /* NOTE_WIRE_FRAME: the whole sealed frame */
	struct wire_hello hello;
	char text[256];
};
void wire_note_free(struct wire_note *n);

struct wire_peer {
	uint64_t id;
	char name[64];
	char host[256];
	uint16_t port; /* RAFT; BULK is port + 1 */
};

struct wire_tls {
	const char *ca_file, *cert_file, *key_file; /* PEM; NULL: no TLS */
};

struct wire_config {
	struct wire_peer self;
	const struct wire_peer *peers; /* without self; copied */
	size_t n_peers;
	const char *cluster_name;
	struct wire_tls tls;
	bool is_insecure;        /* allow plain TCP beyond loopback */
	struct wire_hello hello; /* of this node, at start */
	struct mailbox *owner;
	/* May this incarnation of a peer speak? nng thread; must not block.
	 * Pinning is the owner's business, on NOTE_WIRE_HELLO. */
	bool (*admit)(void *ctx, const struct wire_hello *hello);
	void *admit_ctx;
};

struct wire;

/* ERR_NETWORK (address in use, not local), ERR_TLS (file and reason),
 * ERR_INVALID (no TLS, not loopback, not insecure). */
int wire_open(struct wire **out, const struct wire_config *cfg, struct err *e);
void wire_close(struct wire *w); /* NULL is allowed */

/* Takes the frame. False: no connection or queue full; it was dropped. */
bool wire_send(struct wire *w, uint64_t peer, enum wire_channel channel,
	       struct blob *frame);
/* Bytes queued and in flight to a peer on a channel. */
size_t wire_queued(struct wire *w, uint64_t peer, enum wire_channel channel);
bool wire_is_up(struct wire *w, uint64_t peer);
/* Later hellos say this (term, cluster id, no longer blank). */
void wire_set_hello(struct wire *w, const struct wire_hello *hello);
/* Later hellos to this peer say which incarnation of it is on record here. */
void wire_set_recorded(struct wire *w, uint64_t peer, uint64_t incarnation);
/* Close the connections of a peer whose hello was admitted and no longer is. */
void wire_drop_peer(struct wire *w, uint64_t peer);
/* New certificates for new connections (SIGHUP); the old ones stay open. */
int wire_reload_tls(struct wire *w, const struct wire_tls *tls, struct err *e);

struct wire_stats {
	uint64_t frames_sent, bytes_sent, frames_dropped, hellos_refused;
	uint64_t frames_received, bytes_received, frames_bad;
};
void wire_stats(struct wire *w, struct wire_stats *out);

/* Is host a loopback address (127.0.0.0/8, ::1, localhost)? */
bool wire_is_loopback(const char *host);

#endif
