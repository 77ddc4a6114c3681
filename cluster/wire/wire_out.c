/* One outgoing connection: a PUSH socket with one dialer.
 *
 *            ADD_POST                hello sent            REM_POST
 *   dialing ─────────▶ greeting ───────────────▶ up ─────────────▶ spent
 *      ▲                   └────────────────────────────────────▶    │
 *      └─────────────────────────────────────────────────────────────┘
 *                     the watch thread: a new socket, after a pause
 *
 * A socket serves one connection and no second one. In nng 1.5.2 a send that
 * ends while its connection breaks puts the broken connection back into the
 * PUSH socket's list of ready ones, and the next send or connection writes to
 * freed memory (docs/why/one-push-socket-per-connection.md). So after REM_POST
 * nothing is sent on the socket and no connection may join it.
 *
 * nng accepts a frame when it hands it to the connection; a PUSH socket without
 * a connection would keep it. So frames are given to nng only while there is a
 * connection. */
#include <nng/nng.h>
#include <nng/protocol/pipeline0/push.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cluster/wire/wire_address.h"
#include "cluster/wire/wire_inner.h"

/* A connection that lived shorter than this was no good (refused, wrong
 * certificate): the next one is dialed later. nng forgets its own back-off with
 * each connection. */
enum { SHORT_LIFE_US = 1000 * WIRE_US_PER_MS, NEVER_MS = 1 << 30 };

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

static nng_msg *copy_frame(const struct blob *frame)
{
	nng_msg *m;

	CHECK(nng_msg_alloc(&m, frame->len) == 0);
	memcpy(nng_msg_body(m), frame->data, frame->len);
	return m;
}

/* Give nng the next frame when it can take one. The lock is held; it is let go
 * for the copy, so that the owner never waits for a large one. */
static void pump(struct wire_out *o)
{
	while (o->pipe && !o->is_busy) {
		struct blob *frame = take_next(o);

		if (!frame)
			return;
		o->send_life = o->life;
		o->is_busy = true;
		o->sending_bytes = frame->len;
		unlock(o);
		nng_msg *m = copy_frame(frame);
		blob_unref(frame);
		lock(o);
		if (o->send_life == o->life) {
			nng_aio_set_msg(o->aio, m);
			nng_send_aio(o->socket, o->aio);
			return;
		}
		nng_msg_free(m); /* the connection broke meanwhile */
		o->is_busy = false;
		o->sending_bytes = 0;
		wire_count(&o->wire->counters.frames_dropped, 1);
	}
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

/* nng has handed the frame to a connection, or failed to. */
static void send_done(void *arg)
{
	struct wire_out *o = arg;
	int rv = nng_aio_result(o->aio);

	if (rv) {
		nng_msg_free(nng_aio_get_msg(o->aio));
		nng_aio_set_msg(o->aio, NULL);
	}
	/* wire.lock comes before ours. */
	wire_lock(o->wire);
	struct wire_hello peer_hello = link_of(o)->hello;
	wire_unlock(o->wire);

	lock(o);
	CHECK(o->is_busy);
	if (rv == 0 && o->send_life == o->life)
		note_sent(o, &peer_hello);
	else if (rv)
		wire_count(&o->wire->counters.frames_dropped, 1);
	if (rv == NNG_ETIMEDOUT && o->send_life == o->life)
		nng_pipe_close((nng_pipe){o->pipe}); /* it takes nothing */
	o->is_busy = false;
	o->sending_bytes = 0;
	if (rv != NNG_ECLOSED)
		pump(o);
	unlock(o);
}

/* -- connections come and go: nng threads ---------------------------------- */

static void pipe_seen(struct wire_out *o, uint32_t pipe)
{
	lock(o);
	if (o->is_spent)
		nng_pipe_close((nng_pipe){pipe});
	else
		o->candidate = pipe;
	unlock(o);
}

static void pipe_added(struct wire_out *o, uint32_t pipe)
{
	struct wire *w = o->wire;

	wire_lock(w);
	lock(o);
	/* A connection may break before it was announced: then REM_POST has
	 * taken the candidate away and no other callback will come. */
	bool is_alive = o->candidate == pipe;
	if (is_alive) {
		CHECK(o->pipe == 0);
		o->candidate = 0;
		o->pipe = pipe;
		o->life++;
		o->added_us = o->sent_us = wire_now_us(w);
	}
	unlock(o);
	if (is_alive)
		wire_out_say_hello(o);
	wire_unlock(w);
}

static int64_t pause_us(struct wire_out *o, int64_t now_us)
{
	o->backoff_ms *= 2;
	if (now_us - o->added_us >= SHORT_LIFE_US)
		o->backoff_ms = LIMIT_RECONNECT_MS_MIN;
	if (o->backoff_ms > LIMIT_RECONNECT_MS_MAX)
		o->backoff_ms = LIMIT_RECONNECT_MS_MAX;
	return (int64_t)o->backoff_ms * WIRE_US_PER_MS;
}

static void connection_lost(struct wire_out *o)
{
	if (o->is_up)
		wire_post(o->wire, NOTE_WIRE_DOWN, link_of(o)->peer.id,
			  o->channel, NULL);
	o->pipe = 0;
	o->life++;
	o->is_up = false;
	blob_unref(o->hello);
	o->hello = NULL;
	drop_queue(o);
	if (o->is_busy)
		nng_aio_cancel(o->aio);
}

static void pipe_removed(struct wire_out *o, uint32_t pipe)
{
	struct wire *w = o->wire;
	int64_t now_us = wire_now_us(w);

	lock(o);
	if (o->candidate == pipe)
		o->candidate = 0;
	if (o->pipe == pipe)
		connection_lost(o);
	if (!o->is_spent) {
		o->is_spent = true;
		o->redial_us = now_us + pause_us(o, now_us);
	}
	/* The spent dialer would go on, only to be turned away in ADD_PRE. */
	(void)nng_dialer_set_ms(o->dialer, NNG_OPT_RECONNMINT, NEVER_MS);
	unlock(o);
	wire_lock(w);
	CHECK(pthread_cond_signal(&w->changed) == 0);
	wire_unlock(w);
}

static void pipe_event(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
	struct wire_out *o = arg;

	if (event == NNG_PIPE_EV_ADD_PRE)
		pipe_seen(o, pipe.id);
	else if (event == NNG_PIPE_EV_ADD_POST)
		pipe_added(o, pipe.id);
	else
		pipe_removed(o, pipe.id);
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
	if (o->pipe) {
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
		o->pipe && !o->is_busy && !o->head &&
		now_us - o->sent_us >= (int64_t)LIMIT_PROBE_MS * WIRE_US_PER_MS;
	unlock(o);
	if (is_idle)
		wire_out_say_hello(o);
}

void wire_out_break(struct wire_out *o, int64_t before_us)
{
	lock(o);
	if (o->pipe && o->added_us < before_us)
		nng_pipe_close((nng_pipe){o->pipe});
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

/* -- sockets: opened and closed by one thread at a time, first and last the
 * owner's, between them the watch -------------------------------------------
 */

static int set_options(nng_dialer d, nng_tls_config *tls)
{
	/* Nothing is received on a PUSH socket but the end of the connection;
	 * a peer that sends all the same may not make us take megabytes. */
	int rv =
		nng_dialer_set_size(d, NNG_OPT_RECVMAXSZ, WIRE_HELLO_BYTES_MAX);

	if (rv == 0)
		rv = nng_dialer_set_ms(d, NNG_OPT_RECONNMINT,
				       LIMIT_RECONNECT_MS_MIN);
	if (rv == 0)
		rv = nng_dialer_set_ms(d, NNG_OPT_RECONNMAXT,
				       LIMIT_RECONNECT_MS_MAX);
	if (rv == 0)
		rv = nng_dialer_set_bool(d, NNG_OPT_TCP_NODELAY, true);
	if (rv == 0)
		rv = nng_dialer_set_bool(d, NNG_OPT_TCP_KEEPALIVE, true);
	if (rv == 0 && tls)
		rv = nng_dialer_set_ptr(d, NNG_OPT_TLS_CONFIG, tls);
	return rv;
}

static int dial(struct wire_out *o)
{
	int rv = nng_push0_open(&o->socket);

	if (rv)
		return rv;
	o->has_socket = true;
	for (int ev = NNG_PIPE_EV_ADD_PRE; ev < NNG_PIPE_EV_NUM && !rv; ev++)
		rv = nng_pipe_notify(o->socket, (nng_pipe_ev)ev, pipe_event, o);
	nng_dialer d;
	if (rv == 0)
		rv = nng_dialer_create(&d, o->socket, o->url);
	if (rv)
		return rv;
	lock(o);
	/* Under the lock: wire_out_set_tls either sees this dialer or was seen
	 * by it. */
	rv = set_options(d, o->tls);
	o->dialer = d;
	o->is_spent = false;
	o->dialed_us = wire_now_us(o->wire);
	unlock(o);
	return rv ? rv : nng_dialer_start(d, NNG_FLAG_NONBLOCK);
}

static void hang_up(struct wire_out *o)
{
	if (!o->has_socket)
		return;
	nng_close(o->socket); /* waits until REM_POST has run */
	o->has_socket = false;
}

int wire_out_open(struct wire_out *o, nng_tls_config *tls, struct err *e)
{
	const struct wire_peer *peer = &link_of(o)->peer;

	o->tail = &o->head;
	o->tls = tls;
	o->backoff_ms = LIMIT_RECONNECT_MS_MIN;
	CHECK(pthread_mutex_init(&o->lock, NULL) == 0);
	if (wire_url(o->url, tls != NULL, peer->host, peer->port + o->channel,
		     e))
		return e->code;
	int rv = nng_aio_alloc(&o->aio, send_done, o);
	if (rv == 0) {
		nng_aio_set_timeout(o->aio, LIMIT_SEND_MS);
		rv = dial(o);
	}
	if (rv)
		return err_set(e, ERR_NETWORK, "dial %s at %s: %s", peer->name,
			       o->url, nng_strerror(rv));
	return 0;
}

int64_t wire_out_redial_us(struct wire_out *o)
{
	lock(o);
	int64_t at_us = o->redial_us;
	if (!o->is_spent)
		at_us = o->pipe ? INT64_MAX
				: o->dialed_us + (int64_t)LIMIT_DIAL_MS *
							 WIRE_US_PER_MS;
	unlock(o);
	return at_us;
}

void wire_out_redial(struct wire_out *o)
{
	lock(o);
	/* It may have connected since the watch looked. */
	bool is_due = o->is_spent || !o->pipe;
	o->is_spent = o->is_spent || is_due;
	unlock(o);
	if (!is_due)
		return;
	hang_up(o);
	if (dial(o) == 0)
		return;
	/* Out of descriptors or memory: once more, later. */
	hang_up(o);
	lock(o);
	o->is_spent = true;
	o->redial_us = wire_now_us(o->wire) +
		       (int64_t)LIMIT_RECONNECT_MS_MAX * WIRE_US_PER_MS;
	unlock(o);
}

void wire_out_set_tls(struct wire_out *o, nng_tls_config *tls)
{
	lock(o);
	o->tls = tls;
	/* It fails only when the dialer is being replaced, by one that takes
	 * the new configuration. */
	(void)nng_dialer_set_ptr(o->dialer, NNG_OPT_TLS_CONFIG, tls);
	unlock(o);
}

void wire_out_close(struct wire_out *o)
{
	if (!o->tail)
		return; /* never opened */
	hang_up(o);
	if (o->aio) {
		nng_aio_stop(o->aio);
		nng_aio_free(o->aio);
	}
	lock(o);
	drop_queue(o);
	blob_unref(o->hello);
	o->hello = NULL;
	unlock(o);
	CHECK(pthread_mutex_destroy(&o->lock) == 0);
}
