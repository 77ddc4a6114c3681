/* The node's side of the door: one REP socket, LIMIT_DOOR_REQUESTS contexts.
 *
 *               request came          door_reply           answer went
 *   receiving ───────────────▶ working ─────────▶ sending ─────────────┐
 *       ▲                                                              │
 *       └──────────────────────────────────────────────────────────────┘
 *
 * A slot (context and operation) is always in exactly one of the three, and the
 * one who ends a state starts the next: so a slot needs no lock. A client that
 * vanished is no special case: nng takes the answer and throws it away. */
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/check.h"
#include "cluster/wire/door.h"
#include "cluster/wire/wire_address.h"
#include "cluster/wire/wire_tls.h"
#include "proto/limits.h"

enum { DOOR_MODE = 0660, DOOR_NNG_HEADER_BYTES = 64 };

enum slot_state { SLOT_RECEIVING, SLOT_WORKING, SLOT_SENDING };

struct door_slot {
	struct door *door;
	nng_ctx ctx;
	nng_aio *aio;
	bool has_ctx;
	enum slot_state state;
};

struct door {
	struct mailbox *owner;
	nng_socket socket;
	nng_listener ipc, remote;
	nng_tls_config *tls;
	bool has_socket, has_ipc;
	atomic_uint n_clients;
	/* One for the door, one for each request that the owner holds: who
	 * takes the last one away frees the door. */
	atomic_uint refs;
	atomic_bool is_closed;
	struct door_slot slots[LIMIT_DOOR_REQUESTS];
};

static void release(struct door *d)
{
	if (atomic_fetch_sub(&d->refs, 1) == 1)
		free(d);
}

static void receive(struct door_slot *s)
{
	s->state = SLOT_RECEIVING;
	nng_aio_set_timeout(s->aio, NNG_DURATION_INFINITE);
	nng_ctx_recv(s->ctx, s->aio);
}

/* True when the owner has it now. */
static bool deliver(struct door_slot *s, nng_msg *m)
{
	struct door *d = s->door;
	struct door_request *rq = mem_zero(1, sizeof *rq);

	rq->note.kind = NOTE_DOOR_REQUEST;
	rq->note.size_bytes = sizeof *rq + nng_msg_len(m);
	rq->frame = blob_copy(nng_msg_body(m), nng_msg_len(m));
	rq->slot = s;
	rq->is_local =
		d->has_ipc &&
		nng_listener_id(nng_pipe_listener(nng_msg_get_pipe(m))) ==
			nng_listener_id(d->ipc);
	s->state = SLOT_WORKING;
	atomic_fetch_add(&d->refs, 1);
	if (mailbox_post(d->owner, &rq->note))
		return true;
	atomic_fetch_sub(&d->refs, 1); /* never the last one: the door's own */
	blob_unref(rq->frame);
	free(rq);
	return false;
}

static void received(struct door_slot *s)
{
	nng_msg *m = nng_aio_get_msg(s->aio);

	nng_aio_set_msg(s->aio, NULL);
	bool is_taken = deliver(s, m);
	/* The owner is flooded. Only the owner can write an answer, so the
	 * client is told in the one way that is left. */
	if (!is_taken)
		nng_pipe_close(nng_msg_get_pipe(m));
	nng_msg_free(m);
	if (!is_taken)
		receive(s);
}

static void slot_done(void *arg)
{
	struct door_slot *s = arg;
	int rv = nng_aio_result(s->aio);

	if (s->state == SLOT_SENDING && rv) {
		nng_msg_free(nng_aio_get_msg(s->aio));
		nng_aio_set_msg(s->aio, NULL);
	}
	if (rv == NNG_ECLOSED || rv == NNG_ECANCELED)
		return; /* the door closes */
	if (s->state == SLOT_RECEIVING && rv == 0)
		received(s);
	else
		receive(s);
}

void door_reply(struct door_request *rq, struct blob *response)
{
	struct door_slot *s = rq->slot;
	struct door *d = s->door;
	nng_msg *m;

	CHECK(s->state == SLOT_WORKING);
	if (response && !atomic_load(&d->is_closed)) {
		CHECK(nng_msg_alloc(&m, response->len) == 0);
		memcpy(nng_msg_body(m), response->data, response->len);
		s->state = SLOT_SENDING;
		nng_aio_set_timeout(s->aio, LIMIT_SEND_MS);
		nng_aio_set_msg(s->aio, m);
		nng_ctx_send(s->ctx, s->aio);
	} else if (!atomic_load(&d->is_closed)) {
		receive(s);
	}
	blob_unref(response);
	blob_unref(rq->frame);
	free(rq);
	release(d);
}

static void pipe_event(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
	struct door *d = arg;

	if (event == NNG_PIPE_EV_REM_POST)
		atomic_fetch_sub(&d->n_clients, 1);
	else if (atomic_fetch_add(&d->n_clients, 1) >= LIMIT_DOOR_CLIENTS)
		nng_pipe_close(pipe);
}

/* -- opening --------------------------------------------------------------- */

static int open_slots(struct door *d)
{
	int rv = 0;

	for (size_t i = 0; i < LIMIT_DOOR_REQUESTS && !rv; i++) {
		struct door_slot *s = &d->slots[i];

		s->door = d;
		rv = nng_ctx_open(&s->ctx, d->socket);
		s->has_ctx = rv == 0;
		if (rv == 0)
			rv = nng_aio_alloc(&s->aio, slot_done, s);
	}
	return rv;
}

static int open_socket(struct door *d, struct err *e)
{
	int rv = nng_rep0_open(&d->socket);

	d->has_socket = rv == 0;
	if (rv == 0)
		rv = nng_pipe_notify(d->socket, NNG_PIPE_EV_ADD_PRE, pipe_event,
				     d);
	if (rv == 0)
		rv = nng_pipe_notify(d->socket, NNG_PIPE_EV_REM_POST,
				     pipe_event, d);
	if (rv == 0)
		rv = open_slots(d);
	if (rv)
		return err_set(e, ERR_SYSTEM, "open the door: %s",
			       nng_strerror(rv));
	return 0;
}

/* nng removes what is in the way of a socket when nobody listens there, even
 * a file that is no socket. */
static int check_in_the_way(const char *path, struct err *e)
{
	struct stat st;

	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return err_set(e, ERR_EXISTS,
			       "%s exists and is not a socket: remove it or "
			       "choose another path",
			       path);
	return 0;
}

static int ipc_failed(const char *path, int rv, struct err *e)
{
	if (rv == NNG_EADDRINUSE)
		return err_set(e, ERR_LOCKED, "another process listens at %s",
			       path);
	return err_set(e, rv == NNG_EPERM ? ERR_PERMISSION : ERR_NETWORK,
		       "listen at %s: %s", path, nng_strerror(rv));
}

static int open_ipc(struct door *d, const char *path, struct err *e)
{
	char url[WIRE_URL_MAX];
	int rc = wire_ipc_url(url, path, e);

	if (rc == 0)
		rc = check_in_the_way(path, e);
	if (rc)
		return rc;
	int rv = nng_listener_create(&d->ipc, d->socket, url);
	if (rv == 0)
		rv = nng_listener_set_int(d->ipc, NNG_OPT_IPC_PERMISSIONS,
					  DOOR_MODE);
	if (rv == 0)
		rv = nng_listener_set_size(d->ipc, NNG_OPT_RECVMAXSZ,
					   LIMIT_FRAME_BYTES +
						   DOOR_NNG_HEADER_BYTES);
	if (rv == 0)
		rv = nng_listener_start(d->ipc, 0);
	d->has_ipc = rv == 0;
	return rv ? ipc_failed(path, rv, e) : 0;
}

static int make_tls(struct door *d, const struct wire_tls *tls, struct err *e)
{
	struct wire_pem pem;
	int rc = wire_pem_load(&pem, tls, NULL, e);

	if (rc)
		return rc;
	rc = wire_pem_server(&pem, &d->tls, e);
	wire_pem_clear(&pem);
	return rc;
}

static int start_remote(struct door *d, const char *url)
{
	int rv = nng_listener_create(&d->remote, d->socket, url);

	if (rv == 0)
		rv = nng_listener_set_size(d->remote, NNG_OPT_RECVMAXSZ,
					   LIMIT_FRAME_BYTES +
						   DOOR_NNG_HEADER_BYTES);
	if (rv == 0)
		rv = nng_listener_set_bool(d->remote, NNG_OPT_TCP_NODELAY,
					   true);
	if (rv == 0)
		rv = nng_listener_set_bool(d->remote, NNG_OPT_TCP_KEEPALIVE,
					   true);
	if (rv == 0 && d->tls)
		rv = nng_listener_set_ptr(d->remote, NNG_OPT_TLS_CONFIG,
					  d->tls);
	return rv ? rv : nng_listener_start(d->remote, 0);
}

static int open_remote(struct door *d, const struct door_config *cfg,
		       struct err *e)
{
	char url[WIRE_URL_MAX];
	bool is_tls = cfg->tls.ca_file != NULL;

	if (!is_tls && !cfg->is_insecure && !wire_is_loopback(cfg->remote_host))
		return err_set(e, ERR_INVALID,
			       "the door at %s is open to other machines and "
			       "there is no TLS: give `tls` in the node file, "
			       "or `insecure: true` to let everybody in",
			       cfg->remote_host);
	int rc = wire_url(url, is_tls, cfg->remote_host, cfg->remote_port, e);
	if (rc == 0 && is_tls)
		rc = make_tls(d, &cfg->tls, e);
	if (rc)
		return rc;
	int rv = start_remote(d, url);
	if (rv)
		return err_set(e, ERR_NETWORK, "listen at %s: %s", url,
			       nng_strerror(rv));
	return 0;
}

int door_open(struct door **out, const struct door_config *cfg, struct err *e)
{
	struct door *d = mem_zero(1, sizeof *d);

	d->owner = cfg->owner;
	atomic_init(&d->refs, 1);
	int rc = open_socket(d, e);
	if (rc == 0 && cfg->ipc_path)
		rc = open_ipc(d, cfg->ipc_path, e);
	if (rc == 0 && cfg->remote_host)
		rc = open_remote(d, cfg, e);
	if (rc) {
		door_close(d);
		return rc;
	}
	for (size_t i = 0; i < LIMIT_DOOR_REQUESTS; i++)
		receive(&d->slots[i]);
	*out = d;
	return 0;
}

void door_close(struct door *d)
{
	if (!d)
		return;
	atomic_store(&d->is_closed, true);
	if (d->has_socket)
		nng_close(d->socket); /* its contexts with it */
	for (size_t i = 0; i < LIMIT_DOOR_REQUESTS; i++) {
		if (!d->slots[i].aio)
			continue;
		nng_aio_stop(d->slots[i].aio);
		nng_aio_free(d->slots[i].aio);
	}
	if (d->tls)
		nng_tls_config_free(d->tls);
	release(d);
}
