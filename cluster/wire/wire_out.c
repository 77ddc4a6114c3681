/* One outgoing connection.
 *
 *                 dialed           greetings            hello sent
 *   waiting ────▶ dialing ────▶ greeting ────▶ introducing ────▶ up
 *      ▲             │              │               │            │
 *      └─────────────┴──────────────┴───────────────┴────────────┘
 *                        broken: wait, longer each time
 *
 * The hello goes before anything that is queued; a connection that breaks takes
 * its queue with it. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/rng.h"
#include "cluster/wire/wire_address.h"
#include "cluster/wire/wire_inner.h"

/* A connection that lived shorter than this was no good (refused, wrong
 * certificate): the wait grows as if it had never been. */
enum { SHORT_LIFE_US = 1000 * WIRE_US_PER_MS };

static void lock(struct wire_out *o)
{
	CHECK(pthread_mutex_lock(&o->lock) == 0);
}

static void unlock(struct wire_out *o)
{
	CHECK(pthread_mutex_unlock(&o->lock) == 0);
}

static struct wire_link *link_of(const struct wire_out *o)
{
	return &o->wire->links[o->peer];
}

static struct blob *pop(struct wire_out *o)
{
	struct wire_queued *q = o->head;
	struct blob *frame = q->frame;

	o->head = q->next;
	if (!o->head)
		o->tail = &o->head;
	CHECK(o->queued_bytes >= frame->len);
	o->queued_bytes -= frame->len;
	free(q);
	return frame;
}

static void drop_queue(struct wire_out *o)
{
	while (o->head) {
		blob_unref(pop(o));
		wire_count(&o->wire->counters.frames_dropped, 1);
	}
	CHECK(o->queued_bytes == 0);
}

/* The hello first; the queue only once the hello has gone. */
static struct blob *take_next(struct wire_out *o)
{
	struct blob *frame = o->hello;

	if (frame) {
		o->hello = NULL;
		o->is_hello_sent = true;
		o->is_proven = o->hello_is_proven;
		return frame;
	}
	if (!o->is_up || !o->head)
		return NULL;
	o->is_hello_sent = false;
	return pop(o);
}

/* Send the next frame when the connection can take one. Under lock. */
static void pump(struct wire_out *o)
{
	if (!o->is_ready || o->is_busy)
		return;
	struct blob *frame = take_next(o);
	if (!frame)
		return;
	o->is_busy = true;
	o->sending_bytes = frame->len;
	wire_stream_send(o->stream, (struct bytes){0}, frame);
}

/* -- events of the stream: nng threads ------------------------------------- */

static void wake_watch(struct wire *w)
{
	wire_lock(w);
	CHECK(pthread_cond_signal(&w->changed) == 0);
	wire_unlock(w);
}

static void on_ready(void *ctx, struct wire_stream *s)
{
	struct wire_out *o = ctx;

	wire_lock(o->wire);
	lock(o);
	bool is_mine = o->stream == s;
	o->is_ready = is_mine;
	unlock(o);
	if (is_mine)
		wire_out_say_hello(o);
	wire_unlock(o->wire);
}

static void note_sent(struct wire_out *o, const struct wire_hello *peer_hello)
{
	struct wire *w = o->wire;

	o->sent_us = wire_now_us(w);
	wire_count(&w->counters.frames_sent, 1);
	wire_count(&w->counters.bytes_sent, o->sending_bytes);
	if (!o->is_hello_sent || o->is_up || (w->is_tls && !o->is_proven))
		return;
	o->is_up = true;
	wire_post(w, NOTE_WIRE_UP, link_of(o)->peer.id, o->channel, peer_hello);
}

static void on_sent(void *ctx, struct wire_stream *s)
{
	struct wire_out *o = ctx;

	/* wire.lock comes before ours. */
	wire_lock(o->wire);
	struct wire_hello peer_hello = link_of(o)->hello;
	wire_unlock(o->wire);

	lock(o);
	if (o->stream == s) {
		CHECK(o->is_busy);
		note_sent(o, &peer_hello);
		o->is_busy = false;
		o->sending_bytes = 0;
		pump(o);
	}
	unlock(o);
}

/* Nothing comes this way from a peer; who sends all the same is none. */
static bool on_received(void *ctx, struct wire_stream *s, struct bytes prefix,
			struct blob *frame)
{
	blob_unref(frame);
	wire_stream_break(s);
	return true;
}

/* The next attempt is due after a random part of the wait, so that two nodes
 * that lost each other, or many that lost one, do not all dial at once. */
static int64_t wait_us(struct wire_out *o)
{
	uint64_t us = (uint64_t)o->backoff_ms * WIRE_US_PER_MS, part;

	rng_entropy(&part, sizeof part);
	o->backoff_ms *= 2;
	if (o->backoff_ms > LIMIT_RECONNECT_MS_MAX)
		o->backoff_ms = LIMIT_RECONNECT_MS_MAX;
	return (int64_t)(us / 2 + part % (us / 2));
}

static void lose(struct wire_out *o)
{
	struct wire *w = o->wire;
	int64_t now_us = wire_now_us(w);

	if (o->is_up)
		wire_post(w, NOTE_WIRE_DOWN, link_of(o)->peer.id, o->channel,
			  NULL);
	if (o->sending_bytes)
		wire_count(&w->counters.frames_dropped, 1);
	wire_reaper_give(&w->reaper, o->stream);
	o->stream = NULL;
	o->is_ready = o->is_busy = o->is_up = false;
	o->sending_bytes = 0;
	blob_unref(o->hello);
	o->hello = NULL;
	drop_queue(o);
	if (now_us - o->added_us >= SHORT_LIFE_US)
		o->backoff_ms = LIMIT_RECONNECT_MS_MIN;
	o->redial_us = now_us + wait_us(o);
}

static void on_broken(void *ctx, struct wire_stream *s, int rv)
{
	struct wire_out *o = ctx;

	lock(o);
	if (o->stream == s)
		lose(o);
	unlock(o);
	wake_watch(o->wire);
}

static const struct wire_stream_events events = {
	.ready = on_ready,
	.received = on_received,
	.sent = on_sent,
	.broken = on_broken,
};

/* -- dialing --------------------------------------------------------------- */

static void dial_failed(struct wire_out *o)
{
	lock(o);
	o->is_dialing = false;
	o->redial_us = wire_now_us(o->wire) + wait_us(o);
	unlock(o);
	wake_watch(o->wire);
}

static void dial_done(void *arg)
{
	struct wire_out *o = arg;
	struct wire_stream_config cfg = {
		.events = &events,
		.ctx = o,
		.role = WIRE_ROLE_PUSH,
		.peer_role = WIRE_ROLE_PULL,
		.len_max = WIRE_HELLO_BYTES_MAX,
	};

	if (nng_aio_result(o->dial_aio)) {
		dial_failed(o);
		return;
	}
	struct wire_stream *s =
		wire_stream_new(nng_aio_get_output(o->dial_aio, 0), &cfg);
	lock(o);
	CHECK(!o->stream);
	o->is_dialing = false;
	o->stream = s;
	o->added_us = o->sent_us = wire_now_us(o->wire);
	wire_stream_start(s);
	unlock(o);
}

int64_t wire_out_dial_us(struct wire_out *o)
{
	lock(o);
	int64_t at_us = o->stream || o->is_dialing ? INT64_MAX : o->redial_us;
	unlock(o);
	return at_us;
}

void wire_out_dial(struct wire_out *o)
{
	lock(o);
	if (!o->stream && !o->is_dialing) {
		o->is_dialing = true;
		nng_stream_dialer_dial(o->dialer, o->dial_aio);
	}
	unlock(o);
}

/* -- the rest of the wire -------------------------------------------------- */

void wire_out_say_hello(struct wire_out *o)
{
	struct wire *w = o->wire;
	const struct wire_link *link = link_of(o);
	struct wire_greeting g = {.protocol = PROTO_VERSION, .hello = w->hello};

	g.hello.recorded = link->recorded;
	memcpy(g.name, w->self.name, sizeof g.name);
	if (w->is_tls) {
		memcpy(g.token, link->token, sizeof g.token);
		memcpy(g.echo, link->echo, sizeof g.echo);
		g.has_token = true;
		g.has_echo = link->has_echo;
	}
	lock(o);
	if (o->is_ready) {
		blob_unref(o->hello);
		o->hello = wire_greeting_pack(&g);
		o->hello_is_proven = g.has_echo;
		pump(o);
	}
	unlock(o);
}

void wire_out_probe(struct wire_out *o, int64_t now_us)
{
	lock(o);
	bool is_idle =
		o->is_ready && !o->is_busy && !o->head &&
		now_us - o->sent_us >= (int64_t)LIMIT_PROBE_MS * WIRE_US_PER_MS;
	unlock(o);
	if (is_idle)
		wire_out_say_hello(o);
}

void wire_out_break(struct wire_out *o, int64_t before_us)
{
	lock(o);
	if (o->stream && o->added_us < before_us)
		wire_stream_break(o->stream);
	unlock(o);
}

bool wire_out_send(struct wire_out *o, struct blob *frame)
{
	lock(o);
	size_t waiting = o->queued_bytes + o->sending_bytes;
	bool fits = waiting <= LIMIT_PEER_QUEUE_BYTES &&
		    frame->len <= LIMIT_PEER_QUEUE_BYTES - waiting;
	if (!o->is_up || !fits) {
		unlock(o);
		wire_count(&o->wire->counters.frames_dropped, 1);
		blob_unref(frame);
		return false;
	}
	struct wire_queued *q = mem_alloc(sizeof *q);
	*q = (struct wire_queued){.frame = frame};
	*o->tail = q;
	o->tail = &q->next;
	o->queued_bytes += frame->len;
	pump(o);
	unlock(o);
	return true;
}

size_t wire_out_queued(struct wire_out *o)
{
	lock(o);
	size_t bytes = o->queued_bytes + o->sending_bytes;
	unlock(o);
	return bytes;
}

bool wire_out_is_up(struct wire_out *o)
{
	lock(o);
	bool is_up = o->is_up;
	unlock(o);
	return is_up;
}

/* -- opening and closing --------------------------------------------------- */

static int open_dialer(struct wire_out *o, const char *url, nng_tls_config *tls)
{
	int rv = nng_stream_dialer_alloc(&o->dialer, url);

	if (rv == 0)
		rv = nng_stream_dialer_set_bool(o->dialer, NNG_OPT_TCP_NODELAY,
						true);
	if (rv == 0)
		rv = nng_stream_dialer_set_bool(o->dialer,
						NNG_OPT_TCP_KEEPALIVE, true);
	if (rv == 0 && tls)
		rv = wire_out_set_tls(o, tls);
	if (rv == 0)
		rv = nng_aio_alloc(&o->dial_aio, dial_done, o);
	/* The kernel would try for two minutes with growing pauses, long after
	 * the network has healed. */
	if (rv == 0)
		nng_aio_set_timeout(o->dial_aio, LIMIT_DIAL_MS);
	return rv;
}

int wire_out_open(struct wire_out *o, nng_tls_config *tls, struct err *e)
{
	const struct wire_peer *peer = &link_of(o)->peer;
	char url[WIRE_URL_MAX];

	o->tail = &o->head;
	o->backoff_ms = LIMIT_RECONNECT_MS_MIN;
	CHECK(pthread_mutex_init(&o->lock, NULL) == 0);
	o->has_lock = true;
	if (wire_url(url, tls != NULL, peer->host, peer->port + o->channel, e))
		return e->code;
	int rv = open_dialer(o, url, tls);
	if (rv)
		return err_set(e, ERR_NETWORK, "dial %s at %s: %s", peer->name,
			       url, nng_strerror(rv));
	return 0;
}

int wire_out_set_tls(struct wire_out *o, nng_tls_config *tls)
{
	return nng_stream_dialer_set_ptr(o->dialer, NNG_OPT_TLS_CONFIG, tls);
}

void wire_out_stop(struct wire_out *o)
{
	if (o->dialer)
		nng_stream_dialer_close(o->dialer);
	if (o->dial_aio)
		nng_aio_stop(o->dial_aio);
	if (!o->has_lock)
		return;
	lock(o);
	if (o->stream)
		lose(o);
	unlock(o);
}

void wire_out_close(struct wire_out *o)
{
	nng_aio_free(o->dial_aio);
	if (o->dialer)
		nng_stream_dialer_free(o->dialer);
	if (o->has_lock)
		CHECK(pthread_mutex_destroy(&o->lock) == 0);
}
