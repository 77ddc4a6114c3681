/* Incoming connections. Each has a place in wire.ins from its accept to its
 * end; between the two it is a stranger until its hello was accepted, and a
 * stranger may send no more than a hello is long. */
#include <string.h>

#include "base/check.h"
#include "cluster/wire/wire_address.h"
#include "cluster/wire/wire_inner.h"

void wire_in_lose(struct wire_in *in, bool is_silent)
{
	struct wire *w = in->wire;

	if (in->is_accepted && !is_silent)
		wire_post(w, NOTE_WIRE_DOWN, in->link->peer.id, in->channel,
			  NULL);
	wire_stream_break(in->stream);
	wire_reaper_give(&w->reaper, in->stream);
	in->stream = NULL;
	in->link = NULL;
	in->is_accepted = in->awaits_proof = false;
}

/* -- frames: nng threads --------------------------------------------------- */

static void refuse_frame(struct wire_in *in)
{
	struct wire *w = in->wire;
	struct wire_verdict v;

	wire_count(&w->counters.frames_bad, 1);
	wire_verdict_set(&v, WIRE_REFUSED_FORMAT,
			 "the first frame of a connection is no hello");
	wire_report_refused(w, in->link, 0, in->channel, &v);
	wire_in_lose(in, true);
}

/* Who sent it; NULL when nobody who may. */
static struct wire_link *identify(struct wire_in *in, struct wire_stream *s,
				  enum wire_channel *channel)
{
	struct wire *w = in->wire;
	struct wire_link *link = NULL;

	wire_lock(w);
	if (in->stream == s && in->is_accepted) {
		link = in->link;
		*channel = in->channel;
		in->heard_us = link->heard_us = wire_now_us(w);
	} else if (in->stream == s && in->awaits_proof) {
		/* The peer is right to send: it has shown the token it knows.
		 * The one we gave it is under way. Raft repeats. */
		wire_count(&w->counters.frames_dropped, 1);
	} else if (in->stream == s) {
		refuse_frame(in);
	}
	wire_unlock(w);
	return link;
}

/* Takes frame. */
static void deliver(struct wire *w, uint64_t peer, enum wire_channel channel,
		    struct blob *frame)
{
	struct wire_counters *c = &w->counters;
	struct wire_note *n = mem_zero(1, sizeof *n);

	n->note.kind = NOTE_WIRE_FRAME;
	n->note.size_bytes = sizeof *n + frame->len;
	n->peer = peer;
	n->channel = channel;
	n->frame = frame;
	wire_count(&c->frames_received, 1);
	wire_count(&c->bytes_received, frame->len);
	if (!mailbox_post(w->owner, &n->note)) {
		wire_count(&c->frames_dropped, 1);
		wire_note_free(n);
	}
}

static bool is_hello(const struct blob *frame)
{
	return frame->len >= CODEC_HEADER_BYTES &&
	       frame->data[1] == CODEC_HELLO;
}

static bool on_received(void *ctx, struct wire_stream *s, struct bytes prefix,
			struct blob *frame)
{
	struct wire_in *in = ctx;
	enum wire_channel channel;

	if (is_hello(frame)) {
		wire_accept(in, s, blob_bytes(frame));
		blob_unref(frame);
		return true;
	}
	struct wire_link *link = identify(in, s, &channel);
	if (link)
		deliver(in->wire, link->peer.id, channel, frame);
	else
		blob_unref(frame);
	return true;
}

static void on_broken(void *ctx, struct wire_stream *s, int rv)
{
	struct wire_in *in = ctx;

	wire_lock(in->wire);
	if (in->stream == s)
		wire_in_lose(in, false);
	wire_unlock(in->wire);
}

static const struct wire_stream_events events = {
	.received = on_received,
	.broken = on_broken,
};

/* -- accepting: nng threads ------------------------------------------------ */

static struct wire_in *free_place(struct wire *w)
{
	for (size_t i = 0; i < LIMIT_WIRE_CONNECTIONS; i++)
		if (!w->ins[i].stream)
			return &w->ins[i];
	return NULL;
}

/* All places taken: the stranger that waits longest makes room, so that nobody
 * keeps a peer out by opening connections and saying nothing. */
static void make_room(struct wire *w, enum wire_channel channel)
{
	struct wire_in *oldest = NULL;
	struct wire_verdict v;

	for (size_t i = 0; i < LIMIT_WIRE_CONNECTIONS; i++) {
		struct wire_in *in = &w->ins[i];

		if (in->stream && !in->is_accepted &&
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
	wire_in_lose(oldest, true);
}

static void seat(struct wire_port *p, struct wire_in *in, nng_stream *raw)
{
	struct wire_stream_config cfg = {
		.events = &events,
		.ctx = in,
		.role = WIRE_ROLE_PULL,
		.peer_role = WIRE_ROLE_PUSH,
		.len_max = WIRE_HELLO_BYTES_MAX,
	};

	in->channel = p->channel;
	in->added_us = in->heard_us = wire_now_us(p->wire);
	in->stream = wire_stream_new(raw, &cfg);
	wire_stream_start(in->stream);
}

static void on_accepted(void *ctx, nng_stream *raw)
{
	struct wire_port *p = ctx;
	struct wire *w = p->wire;

	wire_lock(w);
	struct wire_in *in = free_place(w);
	if (!in) {
		make_room(w, p->channel);
		in = free_place(w);
	}
	if (in)
		seat(p, in, raw);
	wire_unlock(w);
	if (!in) {
		nng_stream_close(raw);
		nng_stream_free(raw);
	}
}

/* -- opening and closing --------------------------------------------------- */

int wire_port_open(struct wire_port *p, nng_tls_config *tls, struct err *e)
{
	const struct wire_peer *self = &p->wire->self;
	char url[WIRE_URL_MAX];
	struct wire_listener_config cfg = {
		.url = url,
		.tls = tls,
		.accepted = on_accepted,
		.ctx = p,
	};

	if (wire_url(url, tls != NULL, self->host, self->port + p->channel, e))
		return e->code;
	int rv = wire_listener_open(&p->listener, &cfg);
	if (rv)
		return err_set(e, ERR_NETWORK, "listen at %s: %s%s", url,
			       nng_strerror(rv),
			       rv == NNG_EADDRINUSE
				       ? ": another process has the port"
				       : "");
	return 0;
}

void wire_port_close(struct wire_port *p)
{
	wire_listener_close(&p->listener);
}

void wire_ins_close(struct wire *w)
{
	wire_lock(w);
	for (size_t i = 0; i < LIMIT_WIRE_CONNECTIONS; i++)
		if (w->ins[i].stream)
			wire_in_lose(&w->ins[i], true);
	wire_unlock(w);
}
