/* The door: request and response between synodctl or synod-bench and a node.
 * Bytes in, bytes out: sealed frames of proto/admin.proto, which the caller
 * packs and reads. The REQ and REP protocols of nng, many requests at once on
 * one connection. No request is ever sent twice: an append must not happen
 * twice.
 *
 * Server side: requests are notes for the owner; answer each one exactly once.
 * Client side: any threads. */
#ifndef CLUSTER_WIRE_DOOR_H
#define CLUSTER_WIRE_DOOR_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/mailbox.h"
#include "cluster/wire/wire.h"

enum { NOTE_DOOR_REQUEST = 300 };

struct door;
struct door_slot;

struct door_request {
	struct note note;       /* kind NOTE_DOOR_REQUEST */
	struct blob *frame;     /* sealed; the note owns it */
	struct door_slot *slot; /* where the answer goes */
	bool is_local;          /* came through the ipc socket */
};

struct door_config {
	const char *ipc_path;    /* unix socket, mode 0660; NULL: none */
	const char *remote_host; /* tls+tcp; NULL: none. Plain tcp only on
				    loopback or when insecure */
	uint16_t remote_port;
	struct wire_tls tls;
	const char *server_name; /* unused by the server */
	bool is_insecure;
	struct mailbox *owner;
};

int door_open(struct door **out, const struct door_config *cfg, struct err *e);
/* Takes request and response; NULL: no answer, for a request that is found when
 * the node stops. Owner's thread. After door_close the answer is dropped; each
 * request must come here all the same, it holds memory of the door. */
void door_reply(struct door_request *rq, struct blob *response);
void door_close(struct door *d); /* NULL is allowed */

/* -- client ---------------------------------------------------------------- */
struct door_client;

/* url: ipc:///path, tcp://host:port or tls+tcp://host:port. server_name is what
 * the certificate must carry. n_parallel calls may be under way at once. Waits
 * until connected or timeout_ms: ERR_NETWORK names the url and what to check.
 */
struct door_client_config {
	const char *url;
	struct wire_tls tls;
	const char *server_name;
	unsigned n_parallel;
	int timeout_ms;
};
int door_dial(struct door_client **out, const struct door_client_config *cfg,
	      struct err *e);
/* One call, blocking. Gives the response frame. ERR_NETWORK: not sent, so it
 * did not happen. ERR_TIMEOUT (no answer in time) and ERR_UNKNOWN_FATE (the
 * connection broke before the answer): it may have happened. */
int door_call(struct door_client *c, struct bytes request, int timeout_ms,
	      struct blob **response, struct err *e);
/* Start a call; done runs on an nng thread, once, with a frame to own or NULL
 * and an ERR_ code as of door_call. It may start the next call, and must not
 * block or hang up. ERR_BUSY when n_parallel calls are under way. */
int door_start(struct door_client *c, struct bytes request, int timeout_ms,
	       void (*done)(void *ctx, int code, struct blob *response),
	       void *ctx);
/* Waits for the calls under way. NULL is allowed. */
void door_hang_up(struct door_client *c);

#endif
