#include "node/decided.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"

void decided_init(struct decided *d, size_t bytes_max)
{
	*d = (struct decided){.bytes_max = bytes_max};
	atomic_init(&d->index, 0);
	atomic_init(&d->floor, 0);
	atomic_init(&d->n_letters, 0);
	atomic_init(&d->letters_index, 0);
	pthread_condattr_t attr;
	CHECK(pthread_mutex_init(&d->lock, NULL) == 0);
	CHECK(pthread_condattr_init(&attr) == 0);
	CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
	CHECK(pthread_cond_init(&d->saved, &attr) == 0);
	pthread_condattr_destroy(&attr);
}

static struct decided_outcome *at(struct decided *d, size_t i)
{
	return &d->outcomes[(d->head + i) % d->cap];
}

static void drop_oldest(struct decided *d)
{
	struct decided_outcome *o = at(d, 0);

	d->bytes -= o->blob->len;
	d->low = o->index;
	blob_unref(o->blob);
	d->head = (d->head + 1) % d->cap;
	d->n--;
}

static void drop_all(struct decided *d)
{
	while (d->n)
		drop_oldest(d);
	for (size_t i = 0; i <= CATALOG_CONNECTIONS; i++) {
		blob_unref(d->positions[i]);
		d->positions[i] = NULL;
	}
	view_unref(d->view);
	d->view = NULL;
}

void decided_clear(struct decided *d)
{
	drop_all(d);
	free(d->outcomes);
	pthread_cond_destroy(&d->saved);
	pthread_mutex_destroy(&d->lock);
	*d = (struct decided){0};
}

/* -- writer ---------------------------------------------------------------- */
void decided_reset(struct decided *d, uint64_t index, struct view *view)
{
	pthread_mutex_lock(&d->lock);
	drop_all(d);
	d->view = view;
	d->low = d->durable = index;
	d->n_refusals = 0;
	pthread_mutex_unlock(&d->lock);
	atomic_store(&d->index, index);
}

static void grow(struct decided *d)
{
	size_t cap = d->cap ? 2 * d->cap : 256;
	struct decided_outcome *fresh = mem_alloc(cap * sizeof(*fresh));

	for (size_t i = 0; i < d->n; i++)
		fresh[i] = *at(d, i);
	free(d->outcomes);
	d->outcomes = fresh;
	d->cap = cap;
	d->head = 0;
}

/* What is not on disk yet has nowhere else to be read. */
static void shrink(struct decided *d)
{
	while (d->n && d->bytes > d->bytes_max && at(d, 0)->index <= d->durable)
		drop_oldest(d);
}

void decided_add(struct decided *d, uint64_t index, struct bytes outcome)
{
	struct blob *blob = blob_copy(outcome.data, outcome.len);

	pthread_mutex_lock(&d->lock);
	CHECK(index > d->low && (!d->n || index > at(d, d->n - 1)->index));
	if (d->n == d->cap)
		grow(d);
	*at(d, d->n) = (struct decided_outcome){index, blob};
	d->n++;
	d->bytes += blob->len;
	shrink(d);
	pthread_mutex_unlock(&d->lock);
}

void decided_set_position(struct decided *d, uint32_t task_id,
			  struct bytes position)
{
	struct blob *fresh =
		position.data ? blob_copy(position.data, position.len) : NULL;

	CHECK(task_id <= CATALOG_CONNECTIONS);
	pthread_mutex_lock(&d->lock);
	struct blob *old = d->positions[task_id];
	d->positions[task_id] = fresh;
	pthread_mutex_unlock(&d->lock);
	blob_unref(old);
}

void decided_refuse(struct decided *d, uint64_t index, int code,
		    const char *text)
{
	pthread_mutex_lock(&d->lock);
	struct decided_refusal *r =
		&d->refusals[d->n_refusals++ % DECIDED_REFUSALS];
	r->index = index;
	r->code = code;
	snprintf(r->text, sizeof(r->text), "%s", text);
	pthread_mutex_unlock(&d->lock);
}

void decided_set_view(struct decided *d, struct view *view)
{
	pthread_mutex_lock(&d->lock);
	struct view *old = d->view;
	d->view = view;
	pthread_mutex_unlock(&d->lock);
	view_unref(old);
}

void decided_publish(struct decided *d, uint64_t index)
{
	atomic_store(&d->index, index);
}

void decided_durable(struct decided *d, uint64_t index)
{
	pthread_mutex_lock(&d->lock);
	d->durable = index;
	shrink(d);
	pthread_cond_broadcast(&d->saved);
	pthread_mutex_unlock(&d->lock);
}

/* -- any thread ------------------------------------------------------------ */
struct view *decided_view(struct decided *d)
{
	pthread_mutex_lock(&d->lock);
	struct view *view = d->view ? view_ref(d->view) : NULL;
	pthread_mutex_unlock(&d->lock);
	return view;
}

/* The place of the first one at or behind the index. */
static size_t find(struct decided *d, uint64_t index)
{
	size_t low = 0, high = d->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (at(d, middle)->index < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool decided_outcome(struct decided *d, uint64_t index, struct blob **out)
{
	pthread_mutex_lock(&d->lock);
	bool is_known = index > d->low;
	*out = NULL;
	if (is_known && d->n) {
		size_t i = find(d, index);
		if (i < d->n && at(d, i)->index == index)
			*out = blob_ref(at(d, i)->blob);
	}
	pthread_mutex_unlock(&d->lock);
	return is_known;
}

struct blob *decided_position(struct decided *d, uint32_t task_id,
			      uint64_t *index)
{
	CHECK(task_id <= CATALOG_CONNECTIONS);
	/* First the index: the position may be a later one, never an earlier
	 * one. */
	*index = atomic_load(&d->index);
	pthread_mutex_lock(&d->lock);
	struct blob *position = d->positions[task_id];
	if (position)
		blob_ref(position);
	pthread_mutex_unlock(&d->lock);
	return position;
}

bool decided_wait(struct decided *d, uint64_t index, int64_t wait_us)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	int64_t ns = until.tv_nsec + wait_us % 1000000 * 1000;
	until.tv_sec += (time_t)(wait_us / 1000000 + ns / 1000000000);
	until.tv_nsec = ns % 1000000000;
	pthread_mutex_lock(&d->lock);
	int rc = 0;
	while (d->durable < index && !rc)
		rc = pthread_cond_timedwait(&d->saved, &d->lock, &until);
	bool is_there = d->durable >= index;
	pthread_mutex_unlock(&d->lock);
	return is_there;
}

bool decided_refusal(struct decided *d, uint64_t index,
		     struct decided_refusal *out)
{
	bool is_refused = false;

	pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < DECIDED_REFUSALS && !is_refused; i++) {
		is_refused = d->refusals[i].index == index && index;
		if (is_refused)
			*out = d->refusals[i];
	}
	pthread_mutex_unlock(&d->lock);
	return is_refused;
}
