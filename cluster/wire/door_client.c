/* The client's side of the door: one connection, many calls on it.
 *
 *          door_start          connected            request went
 *   free ─────────────▶ queued ─────────▶ sending ──────────────▶ waiting
 *     ▲                   │                  │                       │
 *     └───────────────────┴──────────────────┴───────────────────────┘
 *       deadline: not sent     answer, deadline or broken connection
 *
 * Nothing is ever sent twice: a broken connection ends the calls whose request
 * may have gone, the queued ones wait for the next connection. */
#include <stdlib.h>
#include <string.h>

#include "cluster/wire/door_inner.h"
#include "proto/limits.h"

enum { US_PER_MS = 1000 };

/* -- calls: under lock ----------------------------------------------------- */

static void pump(struct door_client *c)
{
	struct door_call *call = c->head;
	uint8_t id[DOOR_ID_BYTES];

	if (!c->is_ready || c->is_busy || !call)
		return;
	c->head = call->next;
	if (!c->head)
		c->tail = &c->head;
	call->state = CALL_SENDING;
	c->is_busy = true;
	c->sending_id = call->id;
	for (int i = 0; i < DOOR_ID_BYTES; i++)
		id[i] = (uint8_t)(call->id >> (24 - 8 * i));
	struct blob *request = call->request;
	call->request = NULL;
	wire_stream_send(c->stream, (struct bytes){id, DOOR_ID_BYTES}, request);
}

static void unqueue(struct door_client *c, struct door_call *call)
{
	struct door_call **at = &c->head;

	while (*at != call)
		at = &(*at)->next;
	*at = call->next;
	if (!*at)
		c->tail = at;
	blob_unref(call->request);
	call->request = NULL;
}

/* A call that ended, on its way to done. */
struct door_end {
	void (*done)(void *ctx, int code, struct blob *response);
	void *done_ctx;
	int code;
	struct blob *response;
};

/* The place is free before done runs: done may start the next call. */
static struct door_end end_call(struct door_client *c, struct door_call *call,
				int code, struct blob *response)
{
	struct door_end end = {call->done, call->done_ctx, code, response};

	if (call->state == CALL_QUEUED)
		unqueue(c, call);
	call->state = CALL_FREE;
	call->next = c->free;
	c->free = call;
	return end;
}

/* No lock held. */
static void run_done(struct door_client *c, const struct door_end *end)
{
	end->done(end->done_ctx, end->code, end->response);
	door_lock(c);
	CHECK(c->n_running > 0);
	c->n_running--;
	if (c->n_running == 0)
		door_wake(c);
	door_unlock(c);
}

/* End one call that pick chooses; false when there is none (left). */
static bool end_next(struct door_client *c,
		     int (*pick)(struct door_client *c,
				 const struct door_call *call))
{
	door_lock(c);
	for (unsigned i = 0; i < c->n_calls; i++) {
		struct door_call *call = &c->calls[i];
		int code = call->state == CALL_FREE ? 0 : pick(c, call);

		if (code == 0)
			continue;
		struct door_end end = end_call(c, call, code, NULL);
		door_unlock(c);
		run_done(c, &end);
		return true;
	}
	door_unlock(c);
	return false;
}

/* -- events of the stream: nng threads ------------------------------------- */

static void on_ready(void *ctx, struct wire_stream *s)
{
	struct door_client *c = ctx;

	door_lock(c);
	if (c->stream == s) {
		c->is_ready = c->was_connected = true;
		c->backoff_ms = LIMIT_RECONNECT_MS_MIN;
		pump(c);
		door_wake(c);
	}
	door_unlock(c);
}

static void on_sent(void *ctx, struct wire_stream *s)
{
	struct door_client *c = ctx;

	door_lock(c);
	if (c->stream == s) {
		struct door_call *call =
			&c->calls[c->sending_id % DOOR_PARALLEL_MAX];

		/* The answer may have been quicker than this event. */
		if (call->state == CALL_SENDING && call->id == c->sending_id)
			call->state = CALL_WAITING;
		c->is_busy = false;
		pump(c);
	}
	door_unlock(c);
}

static struct door_call *find_call(struct door_client *c, struct bytes id_bytes)
{
	uint32_t id = 0;

	for (int i = 0; i < DOOR_ID_BYTES; i++)
		id = id << 8 | id_bytes.data[i];
	uint32_t place = id % DOOR_PARALLEL_MAX;
	if (place >= c->n_calls || c->calls[place].id != id)
		return NULL;
	struct door_call *call = &c->calls[place];
	return call->state == CALL_SENDING || call->state == CALL_WAITING
		       ? call
		       : NULL;
}

static bool on_received(void *ctx, struct wire_stream *s, struct bytes id,
			struct blob *frame)
{
	struct door_client *c = ctx;

	door_lock(c);
	struct door_call *call = c->stream == s ? find_call(c, id) : NULL;
	if (!call) { /* too late */
		door_unlock(c);
		blob_unref(frame);
		return true;
	}
	struct door_end end = end_call(c, call, 0, frame);
	door_unlock(c);
	run_done(c, &end);
	return true;
}

int64_t door_next_dial_us(struct door_client *c)
{
	int64_t at_us =
		clock_mono_us(&c->clock) + (int64_t)c->backoff_ms * US_PER_MS;

	c->backoff_ms *= 2;
	if (c->backoff_ms > LIMIT_RECONNECT_MS_MAX)
		c->backoff_ms = LIMIT_RECONNECT_MS_MAX;
	return at_us;
}

static int pick_gone(struct door_client *c, const struct door_call *call)
{
	return call->state == CALL_QUEUED ? 0 : ERR_UNKNOWN_FATE;
}

static void on_broken(void *ctx, struct wire_stream *s, int rv)
{
	struct door_client *c = ctx;

	door_lock(c);
	bool is_mine = c->stream == s;
	/* Nothing is sent before all calls of this connection have ended. */
	if (is_mine)
		c->is_ready = false;
	door_unlock(c);
	if (!is_mine)
		return;
	while (end_next(c, pick_gone))
		;
	door_lock(c);
	wire_reaper_give(&c->reaper, c->stream);
	c->stream = NULL;
	c->is_busy = false;
	c->redial_us = door_next_dial_us(c);
	door_wake(c);
	door_unlock(c);
}

const struct wire_stream_events door_client_events = {
	.ready = on_ready,
	.received = on_received,
	.sent = on_sent,
	.broken = on_broken,
};

/* -- deadlines ------------------------------------------------------------- */

static int pick_late(struct door_client *c, const struct door_call *call)
{
	if (clock_mono_us(&c->clock) < call->deadline_us)
		return 0;
	return call->state == CALL_QUEUED ? ERR_NETWORK : ERR_TIMEOUT;
}

void door_end_late(struct door_client *c)
{
	while (end_next(c, pick_late))
		;
}

int64_t door_first_deadline_us(const struct door_client *c)
{
	int64_t first_us = INT64_MAX;

	for (unsigned i = 0; i < c->n_calls; i++)
		if (c->calls[i].state != CALL_FREE &&
		    c->calls[i].deadline_us < first_us)
			first_us = c->calls[i].deadline_us;
	return first_us;
}

/* -- calling --------------------------------------------------------------- */

static void enqueue(struct door_client *c, struct door_call *call)
{
	c->free = call->next;
	call->next = NULL;
	uint32_t place = (uint32_t)(call - c->calls);
	uint32_t count = (call->id >> DOOR_PLACE_BITS) + 1;
	call->id = (count << DOOR_PLACE_BITS | place) | (uint32_t)DOOR_ID_MARK
								<< 24;
	call->state = CALL_QUEUED;
	*c->tail = call;
	c->tail = &call->next;
	c->n_running++;
	if (call->deadline_us < c->wake_us)
		door_wake(c);
	pump(c);
}

int door_start(struct door_client *c, struct bytes request, int timeout_ms,
	       void (*done)(void *ctx, int code, struct blob *response),
	       void *ctx)
{
	CHECK(timeout_ms > 0 && request.len > 0);
	if (request.len > LIMIT_FRAME_BYTES)
		return ERR_LIMIT;
	struct blob *copy = blob_copy(request.data, request.len);

	door_lock(c);
	struct door_call *call = c->free;
	if (call) {
		call->request = copy;
		call->done = done;
		call->done_ctx = ctx;
		call->deadline_us = clock_mono_us(&c->clock) +
				    (int64_t)timeout_ms * US_PER_MS;
		enqueue(c, call);
	}
	door_unlock(c);
	if (!call)
		blob_unref(copy);
	return call ? 0 : ERR_BUSY;
}

/* -- blocking calls -------------------------------------------------------- */

struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_done;
	int code;
	struct blob *response;
};

static void wake_waiter(void *ctx, int code, struct blob *response)
{
	struct waiter *wt = ctx;

	CHECK(pthread_mutex_lock(&wt->lock) == 0);
	wt->is_done = true;
	wt->code = code;
	wt->response = response;
	CHECK(pthread_cond_signal(&wt->changed) == 0);
	CHECK(pthread_mutex_unlock(&wt->lock) == 0);
}

static int say_why(int code, int timeout_ms, struct err *e)
{
	switch (code) {
	case ERR_LIMIT:
		return err_set(e, code, "the request is over %zu bytes",
			       LIMIT_FRAME_BYTES);
	case ERR_BUSY:
		return err_set(e, code, "too many calls are under way");
	case ERR_NETWORK:
		return err_set(e, code,
			       "the request could not be sent within %d ms: "
			       "the node does not answer",
			       timeout_ms);
	case ERR_TIMEOUT:
		return err_set(e, code,
			       "no answer within %d ms; the request may have "
			       "been carried out",
			       timeout_ms);
	default:
		return err_set(e, code,
			       "the connection broke before the answer; the "
			       "request may have been carried out");
	}
}

int door_call(struct door_client *c, struct bytes request, int timeout_ms,
	      struct blob **response, struct err *e)
{
	struct waiter wt = {
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER,
	};
	int code = door_start(c, request, timeout_ms, wake_waiter, &wt);

	if (code == 0) {
		/* The call itself has the deadline: done always runs. */
		CHECK(pthread_mutex_lock(&wt.lock) == 0);
		while (!wt.is_done)
			CHECK(pthread_cond_wait(&wt.changed, &wt.lock) == 0);
		CHECK(pthread_mutex_unlock(&wt.lock) == 0);
		code = wt.code;
	}
	CHECK(pthread_cond_destroy(&wt.changed) == 0);
	CHECK(pthread_mutex_destroy(&wt.lock) == 0);
	if (code)
		return say_why(code, timeout_ms, e);
	*response = wt.response;
	return 0;
}
