#include "bench/prober.h"

#include <stdlib.h>
#include <time.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/thread.h"
#include "bench/ask.h"
#include "proto/codec.h"

/* A run lasts seconds; the oldest answers are forgotten. */
enum { PROBER_HISTORY = 8192 };

struct probe {
	struct prober *prober;
	int64_t since_us;
};

struct answer {
	int64_t since_us, at_us;
};

struct prober {
	struct clock clock;
	struct door_client *door;
	struct blob *request;
	struct thread thread;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	bool should_stop;
	unsigned n_open;
	uint64_t n_answers;
	struct answer answers[PROBER_HISTORY]; /* committed, by time */
};

static void probe_done(void *ctx, int code, struct blob *response)
{
	struct probe *probe = ctx;
	struct prober *p = probe->prober;
	int64_t now_us = clock_mono_us(&p->clock);
	struct err why = {0};

	Synod__Admin__Response *answer =
		response ? answer_open(blob_bytes(response), &why) : NULL;
	bool is_committed =
		answer &&
		answer->body_case == SYNOD__ADMIN__RESPONSE__BODY_APPEND &&
		answer->append->n_fates == 1 &&
		answer->append->fates[0]->code == 0;
	answer_free(answer);
	blob_unref(response);
	pthread_mutex_lock(&p->lock);
	if (is_committed)
		p->answers[p->n_answers++ % PROBER_HISTORY] =
			(struct answer){probe->since_us, now_us};
	p->n_open--;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
	free(probe);
}

static struct blob *request_pack(void)
{
	static uint8_t text[] = "synod-bench probe";
	ProtobufCBinaryData value = {.len = sizeof text - 1, .data = text};
	Synod__Admin__AppendRequest append = SYNOD__ADMIN__APPEND_REQUEST__INIT;
	Synod__Admin__Request request = SYNOD__ADMIN__REQUEST__INIT;

	append.n_values = 1;
	append.values = &value;
	append.timeout_ms = PROBER_APPEND_MS * 3 / 4;
	request.body_case = SYNOD__ADMIN__REQUEST__BODY_APPEND;
	request.append = &append;
	return codec_seal(CODEC_REQUEST, &request.base);
}

static void *prober_run(void *ctx)
{
	struct prober *p = ctx;
	const struct timespec step = {.tv_nsec = PROBER_STEP_MS * 1000000L};

	pthread_mutex_lock(&p->lock);
	while (!p->should_stop) {
		bool has_room = p->n_open < PROBER_PARALLEL;
		p->n_open += has_room;
		pthread_mutex_unlock(&p->lock);
		if (has_room) {
			struct probe *probe = mem_alloc(sizeof *probe);
			*probe = (struct probe){p, clock_mono_us(&p->clock)};
			int rc =
				door_start(p->door, blob_bytes(p->request),
					   PROBER_APPEND_MS, probe_done, probe);
			if (rc)
				probe_done(probe, rc, NULL);
		}
		nanosleep(&step, NULL);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

int prober_start(struct prober **out, struct door_client *c, struct err *e)
{
	struct prober *p = mem_zero(1, sizeof *p);
	pthread_condattr_t attr;

	p->clock = clock_system();
	p->door = c;
	p->request = request_pack();
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->changed, &attr);
	pthread_condattr_destroy(&attr);
	int rc = thread_start(&p->thread, "prober", prober_run, p, e);
	if (rc)
		prober_stop(p);
	else
		*out = p;
	return rc;
}

void prober_stop(struct prober *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->should_stop = true;
	pthread_mutex_unlock(&p->lock);
	thread_join(&p->thread);
	/* Each call under way ends by its own deadline. */
	pthread_mutex_lock(&p->lock);
	while (p->n_open > 0)
		pthread_cond_wait(&p->changed, &p->lock);
	pthread_mutex_unlock(&p->lock);
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	blob_unref(p->request);
	free(p);
}

/* The first answer to an append of since_us or later. Lock held. */
static bool commit_find(const struct prober *p, int64_t since_us,
			int64_t *at_us)
{
	uint64_t n = p->n_answers;
	uint64_t first = n > PROBER_HISTORY ? n - PROBER_HISTORY : 0;

	for (uint64_t i = first; i < n; i++) {
		const struct answer *a = &p->answers[i % PROBER_HISTORY];
		if (a->since_us >= since_us) {
			*at_us = a->at_us;
			return true;
		}
	}
	return false;
}

int prober_wait_commit(struct prober *p, int64_t since_us, int timeout_ms,
		       int64_t *at_us, struct err *e)
{
	int64_t end_us = clock_mono_us(&p->clock) + (int64_t)timeout_ms * 1000;
	const struct timespec until = {.tv_sec = end_us / 1000000,
				       .tv_nsec = end_us % 1000000 * 1000};
	bool is_found, is_late = false;

	pthread_mutex_lock(&p->lock);
	while (!(is_found = commit_find(p, since_us, at_us)) && !is_late)
		is_late = pthread_cond_timedwait(&p->changed, &p->lock,
						 &until) != 0;
	pthread_mutex_unlock(&p->lock);
	return is_found ? 0
			: err_set(e, ERR_TIMEOUT,
				  "no entry was committed within %d ms",
				  timeout_ms);
}

int64_t prober_longest_gap(struct prober *p, int64_t from_us, int64_t to_us)
{
	int64_t longest = 0, before = -1;

	pthread_mutex_lock(&p->lock);
	uint64_t n = p->n_answers;
	uint64_t first = n > PROBER_HISTORY ? n - PROBER_HISTORY : 0;
	for (uint64_t i = first; i < n; i++) {
		int64_t at_us = p->answers[i % PROBER_HISTORY].at_us;
		bool is_inside = at_us > from_us && before >= 0;
		if (is_inside && at_us - before > longest)
			longest = at_us - before;
		before = at_us;
		if (at_us > to_us)
			break;
	}
	pthread_mutex_unlock(&p->lock);
	return longest;
}
