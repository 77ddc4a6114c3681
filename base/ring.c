#include "base/ring.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "base/err.h"

/* Pushers that wait are not served in order: a large blob may see smaller ones
 * of other threads go first. */
struct ring {
	pthread_mutex_t lock; /* everything below */
	pthread_cond_t has_items, has_room;
	size_t items_max, bytes_max;
	size_t first_index, n_items, bytes;
	bool is_closed;
	struct blob *items[];
};

enum { NS_PER_SECOND = 1000000000, NS_PER_US = 1000, US_PER_SECOND = 1000000 };

static void lock(struct ring *r)
{
	CHECK(pthread_mutex_lock(&r->lock) == 0);
}

static void unlock(struct ring *r)
{
	CHECK(pthread_mutex_unlock(&r->lock) == 0);
}

/* On the monotonic clock, so that a step of the wall clock neither cuts a wait
 * short nor makes it endless. */
static void cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	CHECK(pthread_condattr_init(&attr) == 0);
	CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
	CHECK(pthread_cond_init(cond, &attr) == 0);
	CHECK(pthread_condattr_destroy(&attr) == 0);
}

static struct timespec deadline_after(int64_t wait_us)
{
	struct timespec ts = {0};

	if (wait_us <= 0)
		return ts; /* long ago: a look, no wait */
	CHECK(clock_gettime(CLOCK_MONOTONIC, &ts) == 0);
	ts.tv_sec += wait_us / US_PER_SECOND;
	ts.tv_nsec += wait_us % US_PER_SECOND * NS_PER_US;
	if (ts.tv_nsec >= NS_PER_SECOND) {
		ts.tv_nsec -= NS_PER_SECOND;
		ts.tv_sec++;
	}
	return ts;
}

/* False when the deadline has passed. */
static bool wait_for(struct ring *r, pthread_cond_t *cond,
		     const struct timespec *deadline)
{
	int rc = pthread_cond_timedwait(cond, &r->lock, deadline);

	CHECK(rc == 0 || rc == ETIMEDOUT);
	return rc == 0;
}

struct ring *ring_new(size_t items_max, size_t bytes_max)
{
	CHECK(items_max > 0 && items_max < SIZE_MAX / 16);
	struct ring *r = mem_zero(1, sizeof *r + items_max * sizeof *r->items);

	r->items_max = items_max;
	r->bytes_max = bytes_max;
	CHECK(pthread_mutex_init(&r->lock, NULL) == 0);
	cond_init(&r->has_items);
	cond_init(&r->has_room);
	return r;
}

static bool has_room_for(const struct ring *r, size_t len)
{
	return r->n_items < r->items_max && len <= r->bytes_max - r->bytes;
}

int ring_push(struct ring *r, struct blob *b, int64_t wait_us)
{
	struct timespec deadline = deadline_after(wait_us);
	bool in_time = wait_us > 0;
	int rc = 0;

	if (b->len > r->bytes_max)
		return ERR_LIMIT;
	lock(r);
	/* Look once more after the deadline: the room may have come with it. */
	while (!r->is_closed && !has_room_for(r, b->len) && in_time)
		in_time = wait_for(r, &r->has_room, &deadline);
	if (r->is_closed) {
		rc = ERR_CLOSED;
	} else if (!has_room_for(r, b->len)) {
		rc = ERR_TIMEOUT;
	} else {
		r->items[(r->first_index + r->n_items) % r->items_max] = b;
		r->n_items++;
		r->bytes += b->len;
		CHECK(pthread_cond_signal(&r->has_items) == 0);
	}
	unlock(r);
	return rc;
}

int ring_pop(struct ring *r, struct blob **out, int64_t wait_us)
{
	struct timespec deadline = deadline_after(wait_us);
	bool in_time = wait_us > 0;
	int rc = 0;

	lock(r);
	while (!r->is_closed && r->n_items == 0 && in_time)
		in_time = wait_for(r, &r->has_items, &deadline);
	if (r->n_items > 0) {
		*out = r->items[r->first_index];
		r->items[r->first_index] = NULL;
		r->first_index = (r->first_index + 1) % r->items_max;
		r->n_items--;
		r->bytes -= (*out)->len;
		/* Everybody: the one that signal would pick may need more room
		 * than there is, while another one's blob fits. */
		CHECK(pthread_cond_broadcast(&r->has_room) == 0);
	} else {
		rc = r->is_closed ? ERR_CLOSED : ERR_TIMEOUT;
	}
	unlock(r);
	return rc;
}

size_t ring_bytes(struct ring *r)
{
	lock(r);
	size_t bytes = r->bytes;
	unlock(r);
	return bytes;
}

size_t ring_items(struct ring *r)
{
	lock(r);
	size_t n_items = r->n_items;
	unlock(r);
	return n_items;
}

void ring_close(struct ring *r)
{
	lock(r);
	r->is_closed = true;
	CHECK(pthread_cond_broadcast(&r->has_items) == 0);
	CHECK(pthread_cond_broadcast(&r->has_room) == 0);
	unlock(r);
}

void ring_free(struct ring *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n_items; i++)
		blob_unref(r->items[(r->first_index + i) % r->items_max]);
	CHECK(pthread_cond_destroy(&r->has_items) == 0);
	CHECK(pthread_cond_destroy(&r->has_room) == 0);
	CHECK(pthread_mutex_destroy(&r->lock) == 0);
	free(r);
}
