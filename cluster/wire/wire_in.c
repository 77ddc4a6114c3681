/* Incoming connections: one PULL socket per channel, one receive in flight.
 * A connection gets a place in wire.ins with ADD_PRE and loses it with
 * REM_POST; between the two it is a stranger until its hello was accepted. */
#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <string.h>

#include "base/check.h"
#include "cluster/wire/wire_address.h"
#include "cluster/wire/wire_inner.h"
#include "proto/codec.h"

struct wire_in *wire_in_find(struct wire *w, uint32_t id)
{
	CHECK(id != 0);
	for (size_t i = 0; i < LIMIT_WIRE_CONNECTIONS; i++)
		if (w->ins[i].id == id)
			return &w->ins[i];
	return NULL;
}

void wire_in_close(struct wire_in *in)
{
	nng_pipe_close((nng_pipe){in->id});
}

/* -- connections come and go: nng threads ---------------------------------- */

/* All places taken: the stranger that waits longest makes room, so that nobody
 * keeps a peer out by opening connections and saying nothing. */
static void make_room(struct wire *w, enum wire_channel channel)
{
	struct wire_in *oldest = NULL;
	struct wire_verdict v;

	for (size_t i = 0; i < LIMIT_WIRE_CONNECTIONS; i++) {
		struct wire_in *in = &w->ins[i];

		if (!in->is_accepted &&
		    (!oldest || in->added_us < oldest->added_us))
			oldest = in;
	}
	if (!oldest)
		return;
	wire_verdict_set(&v, WIRE_REFUSED_CROWDED,
			 "more than %d connections: the oldest without a hello "
			 "was closed",
			 LIMIT_WIRE_CONNECTIONS);
	wire_report_refused(w, NULL, 0, channel, &v);
	wire_in_close(oldest);
	*oldest = (struct wire_in){0};
}

static struct wire_in *free_place(struct wire *w)
{
	for (size_t i = 0; i < LIMIT_WIRE_CONNECTIONS; i++)
		if (w->ins[i].id == 0)
			return &w->ins[i];
	return NULL;
}

static void pipe_seen(struct wire_port *p, nng_pipe pipe)
{
	struct wire *w = p->wire;

	wire_lock(w);
	struct wire_in *in = free_place(w);
	if (!in) {
		make_room(w, p->channel);
		in = free_place(w);
	}
	if (in)
		*in = (struct wire_in){
			.id = pipe.id,
			.channel = p->channel,
			.added_us = wire_now_us(w),
		};
	else
		nng_pipe_close(pipe);
	wire_unlock(w);
}

static void pipe_removed(struct wire_port *p, nng_pipe pipe)
{
	struct wire *w = p->wire;

	wire_lock(w);
	struct wire_in *in = wire_in_find(w, pipe.id);
	if (in && in->is_accepted)
		wire_post(w, NOTE_WIRE_DOWN, in->link->peer.id, in->channel,
			  NULL);
	if (in)
		*in = (struct wire_in){0};
	wire_unlock(w);
}

static void pipe_event(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
	if (event == NNG_PIPE_EV_ADD_PRE)
		pipe_seen(arg, pipe);
	else if (event == NNG_PIPE_EV_REM_POST)
		pipe_removed(arg, pipe);
}

/* -- frames ---------------------------------------------------------------- */

static bool is_hello(struct bytes frame)
{
	return frame.len >= CODEC_HEADER_BYTES && frame.data[1] == CODEC_HELLO;
}

/* Who sent it; false when nobody who may. */
static bool identify(struct wire_port *p, uint32_t pipe, uint64_t *peer)
{
	struct wire *w = p->wire;

	wire_lock(w);
	struct wire_in *in = wire_in_find(w, pipe);
	bool is_known = in && in->is_accepted;
	if (is_known) {
		in->heard_us = in->link->heard_us = wire_now_us(w);
		*peer = in->link->peer.id;
	} else if (in && in->awaits_proof) {
		/* The peer is right to send: it has shown the token it knows.
		 * The one we gave it is under way. Raft repeats. */
		wire_count(&w->counters.frames_dropped, 1);
	} else {
		struct wire_verdict v;

		wire_count(&w->counters.frames_bad, 1);
		wire_verdict_set(&v, WIRE_REFUSED_FORMAT,
				 "the first frame of a connection is no hello");
		if (in) {
			wire_report_refused(w, NULL, 0, p->channel, &v);
			wire_in_close(in);
		}
	}
	wire_unlock(w);
	return is_known;
}

static void deliver(struct wire_port *p, uint64_t peer, struct bytes frame)
{
	struct wire_counters *c = &p->wire->counters;
	struct wire_note *n = mem_zero(1, sizeof *n);

	n->note.kind = NOTE_WIRE_FRAME;
	n->note.size_bytes = sizeof *n + frame.len;
	n->peer = peer;
	n->channel = p->channel;
	n->frame = blob_copy(frame.data, frame.len);
	wire_count(&c->frames_received, 1);
	wire_count(&c->bytes_received, frame.len);
	if (!mailbox_post(p->wire->owner, &n->note)) {
		wire_count(&c->frames_dropped, 1);
		wire_note_free(n);
	}
}

static void receive_done(void *arg)
{
	struct wire_port *p = arg;
	int rv = nng_aio_result(p->aio);
	uint64_t peer;

	/* Only the end of the socket fails a receive; after it nothing may be
	 * started. */
	if (rv)
		return;
	nng_msg *m = nng_aio_get_msg(p->aio);
	nng_aio_set_msg(p->aio, NULL);
	uint32_t pipe = nng_msg_get_pipe(m).id;
	struct bytes frame = {nng_msg_body(m), nng_msg_len(m)};

	if (is_hello(frame))
		wire_accept(p, pipe, frame);
	else if (identify(p, pipe, &peer))
		deliver(p, peer, frame);
	nng_msg_free(m);
	nng_recv_aio(p->socket, p->aio);
}

/* -- opening and closing --------------------------------------------------- */

static int set_options(struct wire_port *p, nng_tls_config *tls)
{
	int rv = nng_listener_set_size(p->listener, NNG_OPT_RECVMAXSZ,
				       LIMIT_FRAME_BYTES);

	if (rv == 0)
		rv = nng_listener_set_bool(p->listener, NNG_OPT_TCP_NODELAY,
					   true);
	if (rv == 0)
		rv = nng_listener_set_bool(p->listener, NNG_OPT_TCP_KEEPALIVE,
					   true);
	if (rv == 0 && tls)
		rv = nng_listener_set_ptr(p->listener, NNG_OPT_TLS_CONFIG, tls);
	return rv;
}

static int open_socket(struct wire_port *p)
{
	int rv = nng_pull0_open(&p->socket);

	if (rv)
		return rv;
	p->has_socket = true;
	rv = nng_pipe_notify(p->socket, NNG_PIPE_EV_ADD_PRE, pipe_event, p);
	if (rv == 0)
		rv = nng_pipe_notify(p->socket, NNG_PIPE_EV_REM_POST,
				     pipe_event, p);
	if (rv == 0)
		rv = nng_aio_alloc(&p->aio, receive_done, p);
	return rv;
}

int wire_port_open(struct wire_port *p, nng_tls_config *tls, struct err *e)
{
	const struct wire_peer *self = &p->wire->self;
	char url[WIRE_URL_MAX];

	if (wire_url(url, tls != NULL, self->host, self->port + p->channel, e))
		return e->code;
	int rv = open_socket(p);
	if (rv == 0)
		rv = nng_listener_create(&p->listener, p->socket, url);
	if (rv == 0)
		rv = set_options(p, tls);
	if (rv == 0)
		rv = nng_listener_start(p->listener, 0);
	if (rv)
		return err_set(e, ERR_NETWORK, "listen at %s: %s%s", url,
			       nng_strerror(rv),
			       rv == NNG_EADDRINUSE
				       ? ": another process has the port"
				       : "");
	nng_recv_aio(p->socket, p->aio);
	return 0;
}

void wire_port_close(struct wire_port *p)
{
	if (p->has_socket)
		nng_close(p->socket);
	if (p->aio) {
		nng_aio_stop(p->aio);
		nng_aio_free(p->aio);
	}
}
