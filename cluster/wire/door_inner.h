/* Inside the client of the door: shared by door_client.c (calls) and
 * door_dial.c (the connection's life). */
#ifndef CLUSTER_WIRE_DOOR_INNER_H
#define CLUSTER_WIRE_DOOR_INNER_H

#include <pthread.h>

#include "base/check.h"
#include "base/clock.h"
#include "cluster/wire/door.h"
#include "cluster/wire/wire_reaper.h"
#include "cluster/wire/wire_stream.h"
#include "cluster/wire/wire_tls.h"

/* The number of a request on the connection: its place, and how often the place
 * was used, so that a late answer to an earlier call is known as such. The
 * highest bit is set in every number (REQ protocol). */
enum { DOOR_PLACE_BITS = 12, DOOR_PARALLEL_MAX = 1 << DOOR_PLACE_BITS };
enum { DOOR_ID_BYTES = 4, DOOR_ID_MARK = 0x80 /* in the first byte */ };

enum call_state { CALL_FREE, CALL_QUEUED, CALL_SENDING, CALL_WAITING };

struct door_call {
	enum call_state state;
	uint32_t id;
	struct blob *request; /* while queued */
	int64_t deadline_us;
	void (*done)(void *ctx, int code, struct blob *response);
	void *done_ctx;
	struct door_call *next; /* free or queued */
};

struct door_client {
	nng_stream_dialer *dialer;
	nng_aio *dial_aio;
	nng_tls_config *tls;
	struct clock clock;
	bool is_ipc;
	struct wire_reaper reaper;
	struct thread thread;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	bool is_closing, is_dialing, was_connected;
	struct wire_stream *stream;
	bool is_ready, is_busy;
	int64_t redial_us, wake_us; /* when the thread wakes next */
	int backoff_ms;
	struct door_call *calls;
	unsigned n_calls, n_running; /* done of it has not returned yet */
	struct door_call *free;
	struct door_call *head, **tail;
	uint32_t sending_id;
};

static inline void door_lock(struct door_client *c)
{
	CHECK(pthread_mutex_lock(&c->lock) == 0);
}

static inline void door_unlock(struct door_client *c)
{
	CHECK(pthread_mutex_unlock(&c->lock) == 0);
}

static inline void door_wake(struct door_client *c)
{
	CHECK(pthread_cond_broadcast(&c->changed) == 0);
}

/* door_client.c: events of the stream, and the deadlines. */
extern const struct wire_stream_events door_client_events;
/* End the calls whose deadline has passed. No lock held. */
void door_end_late(struct door_client *c);
/* The earliest deadline, INT64_MAX: none. Under lock. */
int64_t door_first_deadline_us(const struct door_client *c);
/* When to dial after a failure; the wait grows. Under lock. */
int64_t door_next_dial_us(struct door_client *c);

#endif
