/* The node's side of the door.
 *
 *             request came          door_reply           answer went
 *   free ───────────────▶ working ─────────▶ sending ─────────────▶ free
 *
 * A client that has vanished leaves its slots: at once those that send, with
 * their answer those that work. When all slots are taken a connection is read
 * no further: its next request is parked until one is free, and what comes
 * behind it waits in the kernel. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cluster/wire/door.h"
#include "cluster/wire/wire_address.h"
#include "cluster/wire/wire_listener.h"
#include "cluster/wire/wire_reaper.h"
#include "cluster/wire/wire_stream.h"
#include "cluster/wire/wire_tls.h"
#include "proto/limits.h"

/* The number of a request, chosen by the client, that its answer carries. In
 * the REQ protocol its highest bit is set: without it a frame would be one that
 * passed a device, and there are none here. */
enum { ID_BYTES = 4, ID_MARK = 0x80 };
enum { DOOR_MODE = 0660 };

enum slot_state { SLOT_FREE, SLOT_WORKING, SLOT_SENDING };

struct door_slot {
	struct door *door; /* never changes */
	enum slot_state state;
	struct door_conn *conn; /* NULL: the client has gone */
	uint8_t id[ID_BYTES];
	struct blob *response;  /* until the stream takes it */
	struct door_slot *next; /* free, or the next answer of conn */
};

struct door_conn {
	struct door *door;          /* never changes */
	struct wire_stream *stream; /* NULL: the place is free */
	bool is_local, is_ready;
	struct door_slot *sending; /* whose answer is on its way */
	struct door_slot *head, **tail;
	struct blob *parked;
	uint8_t parked_id[ID_BYTES];
	struct door_conn *next_parked;
};

struct door_port {
	struct door *door;
	struct wire_listener listener;
	bool is_local;
};

struct door {
	struct mailbox *owner;
	nng_tls_config *tls;
	struct door_port ipc, remote;
	struct wire_reaper reaper;
	/* One for the door, one for each request that the owner holds: who
	 * takes the last one away frees the door. */
	atomic_uint refs;

	pthread_mutex_t lock; /* guards what follows */
	bool is_closed;
	struct door_slot slots[LIMIT_DOOR_REQUESTS];
	struct door_slot *free;
	struct door_conn conns[LIMIT_DOOR_CLIENTS];
	struct door_conn *parked, **parked_tail;
};

static void lock(struct door *d)
{
	CHECK(pthread_mutex_lock(&d->lock) == 0);
}

static void unlock(struct door *d)
{
	CHECK(pthread_mutex_unlock(&d->lock) == 0);
}

static void release(struct door *d)
{
	if (atomic_fetch_sub(&d->refs, 1) > 1)
		return;
	CHECK(pthread_mutex_destroy(&d->lock) == 0);
	free(d);
}

/* -- slots: under lock ----------------------------------------------------- */

/* Give the request to the owner. False when its mailbox is full: only the owner
 * can write an answer, so the client is told in the one way that is left. */
static bool hand_over(struct door_slot *s, struct door_conn *c,
		      const uint8_t id[ID_BYTES], struct blob *frame)
{
	struct door *d = s->door;
	struct door_request *rq = mem_zero(1, sizeof *rq);

	rq->note.kind = NOTE_DOOR_REQUEST;
	rq->note.size_bytes = sizeof *rq + frame->len;
	rq->frame = frame;
	rq->slot = s;
	rq->is_local = c->is_local;
	s->state = SLOT_WORKING;
	s->conn = c;
	memcpy(s->id, id, ID_BYTES);
	atomic_fetch_add(&d->refs, 1);
	if (mailbox_post(d->owner, &rq->note))
		return true;
	atomic_fetch_sub(&d->refs, 1); /* never the last: the door has one */
	blob_unref(frame);
	free(rq);
	s->state = SLOT_FREE;
	s->conn = NULL;
	wire_stream_break(c->stream);
	return false;
}

static struct door_conn *unpark(struct door *d)
{
	struct door_conn *c = d->parked;

	d->parked = c->next_parked;
	if (!d->parked)
		d->parked_tail = &d->parked;
	c->next_parked = NULL;
	return c;
}

/* The slot is free: who waits longest gets it. */
static void free_slot(struct door_slot *s)
{
	struct door *d = s->door;

	s->state = SLOT_FREE;
	s->conn = NULL;
	while (d->parked && !d->is_closed) {
		struct door_conn *c = unpark(d);
		struct blob *frame = c->parked;

		c->parked = NULL;
		bool is_taken = hand_over(s, c, c->parked_id, frame);
		wire_stream_resume(c->stream);
		if (is_taken)
			return;
	}
	s->next = d->free;
	d->free = s;
}

static void pump(struct door_conn *c)
{
	struct door_slot *s = c->head;

	if (!c->is_ready || c->sending || !s)
		return;
	c->head = s->next;
	if (!c->head)
		c->tail = &c->head;
	struct blob *response = s->response;
	s->response = NULL;
	c->sending = s;
	wire_stream_send(c->stream, (struct bytes){s->id, ID_BYTES}, response);
}

static void forget_parked(struct door_conn *c)
{
	struct door *d = c->door;
	struct door_conn **at = &d->parked;

	if (!c->parked)
		return;
	while (*at != c)
		at = &(*at)->next_parked;
	*at = c->next_parked;
	if (!*at)
		d->parked_tail = at;
	c->next_parked = NULL;
	blob_unref(c->parked);
	c->parked = NULL;
}

static void lose(struct door_conn *c)
{
	struct door *d = c->door;

	forget_parked(c);
	wire_reaper_give(&d->reaper, c->stream);
	c->stream = NULL;
	c->is_ready = false;
	c->sending = c->head = NULL;
	for (size_t i = 0; i < LIMIT_DOOR_REQUESTS; i++) {
		struct door_slot *s = &d->slots[i];

		if (s->conn != c)
			continue;
		s->conn = NULL;
		if (s->state != SLOT_SENDING)
			continue;
		blob_unref(s->response);
		s->response = NULL;
		free_slot(s);
	}
}

/* -- events of a stream: nng threads --------------------------------------- */

static void on_ready(void *ctx, struct wire_stream *stream)
{
	struct door_conn *c = ctx;

	lock(c->door);
	if (c->stream == stream) {
		c->is_ready = true;
		pump(c);
	}
	unlock(c->door);
}

static void park(struct door_conn *c, const uint8_t *id, struct blob *frame)
{
	struct door *d = c->door;

	CHECK(!c->parked);
	c->parked = frame;
	memcpy(c->parked_id, id, ID_BYTES);
	*d->parked_tail = c;
	d->parked_tail = &c->next_parked;
}

/* Takes frame. False: it is parked. */
static bool take_request(struct door_conn *c, const uint8_t *id,
			 struct blob *frame)
{
	struct door *d = c->door;
	struct door_slot *s = d->free;

	if (!s) {
		park(c, id, frame);
		return false;
	}
	d->free = s->next;
	s->next = NULL;
	if (!hand_over(s, c, id, frame))
		free_slot(s);
	return true;
}

static bool on_received(void *ctx, struct wire_stream *stream, struct bytes id,
			struct blob *frame)
{
	struct door_conn *c = ctx;
	bool goes_on = true;

	if (!(id.data[0] & ID_MARK)) {
		blob_unref(frame);
		wire_stream_break(stream);
		return true;
	}
	lock(c->door);
	if (c->stream == stream && !c->door->is_closed)
		goes_on = take_request(c, id.data, frame);
	else
		blob_unref(frame);
	unlock(c->door);
	return goes_on;
}

static void on_sent(void *ctx, struct wire_stream *stream)
{
	struct door_conn *c = ctx;

	lock(c->door);
	if (c->stream == stream) {
		struct door_slot *s = c->sending;

		c->sending = NULL;
		free_slot(s);
		pump(c);
	}
	unlock(c->door);
}

static void on_broken(void *ctx, struct wire_stream *stream, int rv)
{
	struct door_conn *c = ctx;

	lock(c->door);
	if (c->stream == stream)
		lose(c);
	unlock(c->door);
}

static const struct wire_stream_events events = {
	.ready = on_ready,
	.received = on_received,
	.sent = on_sent,
	.broken = on_broken,
};

static struct door_conn *free_conn(struct door *d)
{
	for (size_t i = 0; i < LIMIT_DOOR_CLIENTS; i++)
		if (!d->conns[i].stream)
			return &d->conns[i];
	return NULL;
}

static void on_accepted(void *ctx, nng_stream *raw)
{
	struct door_port *p = ctx;
	struct door *d = p->door;
	struct wire_stream_config cfg = {
		.events = &events,
		.role = WIRE_ROLE_REP,
		.peer_role = WIRE_ROLE_REQ,
		.is_ipc = p->is_local,
		.prefix_bytes = ID_BYTES,
		.len_max = LIMIT_FRAME_BYTES,
	};

	lock(d);
	struct door_conn *c = free_conn(d);
	if (c) {
		cfg.ctx = c;
		c->is_local = p->is_local;
		c->tail = &c->head;
		c->stream = wire_stream_new(raw, &cfg);
		wire_stream_start(c->stream);
	}
	unlock(d);
	if (!c) {
		nng_stream_close(raw);
		nng_stream_free(raw);
	}
}

/* -- the owner ------------------------------------------------------------- */

void door_reply(struct door_request *rq, struct blob *response)
{
	struct door_slot *s = rq->slot;
	struct door *d = s->door;
	struct door_conn *c;

	lock(d);
	CHECK(s->state == SLOT_WORKING);
	c = s->conn;
	if (c && response && !d->is_closed) {
		s->state = SLOT_SENDING;
		s->response = response;
		s->next = NULL;
		*c->tail = s;
		c->tail = &s->next;
		pump(c);
	} else {
		blob_unref(response);
		free_slot(s);
	}
	unlock(d);
	blob_unref(rq->frame);
	free(rq);
	release(d);
}

/* -- opening and closing --------------------------------------------------- */

static int ipc_failed(const char *path, int rv, struct err *e)
{
	int code = rv == NNG_EADDRINUSE ? ERR_LOCKED
		   : rv == NNG_EPERM    ? ERR_PERMISSION
					: ERR_NETWORK;

	return err_set(e, code, "listen at %s: %s", path, nng_strerror(rv));
}

static int open_ipc(struct door *d, const char *path, struct err *e)
{
	char url[WIRE_URL_MAX];
	struct wire_listener_config cfg = {
		.url = url,
		.ipc_mode = DOOR_MODE,
		.accepted = on_accepted,
		.ctx = &d->ipc,
	};
	int rc = wire_ipc_url(url, path, e);

	if (rc == 0)
		rc = wire_listener_check_path(path, e);
	if (rc)
		return rc;
	d->ipc.is_local = true;
	int rv = wire_listener_open(&d->ipc.listener, &cfg);
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
	int rv = wire_listener_open(&d->remote.listener,
				    &(struct wire_listener_config){
					    .url = url,
					    .tls = d->tls,
					    .accepted = on_accepted,
					    .ctx = &d->remote,
				    });
	if (rv)
		return err_set(e, ERR_NETWORK, "listen at %s: %s", url,
			       nng_strerror(rv));
	return 0;
}

static struct door *make(struct mailbox *owner)
{
	struct door *d = mem_zero(1, sizeof *d);

	d->owner = owner;
	d->ipc.door = d->remote.door = d;
	d->parked_tail = &d->parked;
	atomic_init(&d->refs, 1);
	CHECK(pthread_mutex_init(&d->lock, NULL) == 0);
	for (size_t i = 0; i < LIMIT_DOOR_CLIENTS; i++)
		d->conns[i].door = d;
	for (size_t i = 0; i < LIMIT_DOOR_REQUESTS; i++) {
		d->slots[i].door = d;
		free_slot(&d->slots[i]);
	}
	return d;
}

int door_open(struct door **out, const struct door_config *cfg, struct err *e)
{
	struct door *d = make(cfg->owner);
	int rc = wire_reaper_start(&d->reaper, e);

	if (rc == 0 && cfg->ipc_path)
		rc = open_ipc(d, cfg->ipc_path, e);
	if (rc == 0 && cfg->remote_host)
		rc = open_remote(d, cfg, e);
	if (rc) {
		door_close(d);
		return rc;
	}
	*out = d;
	return 0;
}

void door_close(struct door *d)
{
	if (!d)
		return;
	wire_listener_close(&d->ipc.listener);
	wire_listener_close(&d->remote.listener);
	lock(d);
	d->is_closed = true;
	for (size_t i = 0; i < LIMIT_DOOR_CLIENTS; i++)
		if (d->conns[i].stream)
			lose(&d->conns[i]);
	unlock(d);
	wire_reaper_stop(&d->reaper);
	if (d->tls)
		nng_tls_config_free(d->tls);
	release(d);
}
