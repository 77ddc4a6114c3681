#include "tests/chaos/writers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/endian.h"
#include "base/rng.h"
#include "base/thread.h"
#include "proto/codec.h"

enum {
	VALUES = 4,        /* in one request */
	STEP_NS = 2000000, /* between two requests of a writer */
	CALL_MS = 1000,
	DIAL_MS = 5000,
	MAGIC = 0x53594e4f,
};

struct writer {
	struct writers *all;
	unsigned number;
	uint64_t seq;
	struct door_client *doors[FLEET_NODES_MAX];
	unsigned door; /* the one that answered last */
	struct thread thread;
};

struct writers {
	unsigned n_doors;
	struct writer writers[WRITERS];
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	bool should_stop;
	uint64_t n_acked;
	struct acked *acked;
};

/* magic, writer, seq, and bytes that follow from them to the end. */
void writers_value(unsigned writer, uint64_t seq,
		   uint8_t value[WRITERS_VALUE_BYTES])
{
	struct rng rng;

	put_u32(value, MAGIC);
	put_u32(value + 4, writer);
	put_u64(value + 8, seq);
	rng_init(&rng, seq * WRITERS + writer);
	for (size_t i = 16; i < WRITERS_VALUE_BYTES; i += 8)
		put_u64(value + i, rng_u64(&rng));
}

bool writers_parse(const uint8_t *value, size_t len, unsigned *writer,
		   uint64_t *seq)
{
	uint8_t want[WRITERS_VALUE_BYTES];

	if (len != WRITERS_VALUE_BYTES || get_u32(value) != MAGIC ||
	    get_u32(value + 4) >= WRITERS)
		return false;
	*writer = get_u32(value + 4);
	*seq = get_u64(value + 8);
	writers_value(*writer, *seq, want);
	return memcmp(value, want, sizeof want) == 0;
}

static void note_fates(struct writer *w, uint64_t first_seq,
		       const Synod__Admin__AppendResponse *fates)
{
	struct writers *all = w->all;

	pthread_mutex_lock(&all->lock);
	for (size_t i = 0; i < fates->n_fates; i++) {
		if (fates->fates[i]->code != 0)
			continue;
		CHECK(all->n_acked < WRITERS_ACKED_MAX);
		all->acked[all->n_acked++] =
			(struct acked){.index = fates->fates[i]->index,
				       .seq = first_seq + i,
				       .writer = w->number};
	}
	pthread_cond_broadcast(&all->changed);
	pthread_mutex_unlock(&all->lock);
}

/* One request with values that were never sent before. */
static int writer_append(struct writer *w)
{
	uint8_t values[VALUES][WRITERS_VALUE_BYTES];
	ProtobufCBinaryData list[VALUES];
	Synod__Admin__AppendRequest append = SYNOD__ADMIN__APPEND_REQUEST__INIT;
	Synod__Admin__Request request = SYNOD__ADMIN__REQUEST__INIT;
	Synod__Admin__Response *answer;
	uint64_t first_seq = w->seq;

	for (unsigned i = 0; i < VALUES; i++) {
		writers_value(w->number, w->seq++, values[i]);
		list[i] = (ProtobufCBinaryData){.data = values[i],
						.len = sizeof values[i]};
	}
	append.n_values = VALUES;
	append.values = list;
	append.timeout_ms = CALL_MS * 3 / 4;
	request.body_case = SYNOD__ADMIN__REQUEST__BODY_APPEND;
	request.append = &append;
	int rc = ask(w->doors[w->door], &request, CALL_MS, &answer, NULL);
	if (rc)
		return rc;
	CHECK(answer->body_case == SYNOD__ADMIN__RESPONSE__BODY_APPEND);
	CHECK(answer->append->n_fates == VALUES);
	note_fates(w, first_seq, answer->append);
	rc = answer->append->fates[0]->code;
	answer_free(answer);
	return rc;
}

static void *writer_run(void *ctx)
{
	struct writer *w = ctx;
	struct writers *all = w->all;
	const struct timespec step = {.tv_nsec = STEP_NS};

	pthread_mutex_lock(&all->lock);
	while (!all->should_stop) {
		pthread_mutex_unlock(&all->lock);
		if (writer_append(w))
			w->door = (w->door + 1) % all->n_doors;
		nanosleep(&step, NULL);
		pthread_mutex_lock(&all->lock);
	}
	pthread_mutex_unlock(&all->lock);
	return NULL;
}

struct writers *writers_start(struct fleet *f)
{
	struct writers *all = mem_zero(1, sizeof *all);
	pthread_condattr_t attr;

	all->n_doors = fleet_size(f);
	all->acked = mem_alloc(WRITERS_ACKED_MAX * sizeof *all->acked);
	pthread_mutex_init(&all->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&all->changed, &attr);
	pthread_condattr_destroy(&attr);
	for (unsigned i = 0; i < WRITERS; i++) {
		struct writer *w = &all->writers[i];
		*w = (struct writer){
			.all = all, .number = i, .door = i % all->n_doors};
		for (unsigned k = 0; k < all->n_doors; k++)
			CHECK(fleet_dial(f, k, 1, &w->doors[k], NULL) == 0);
		CHECK(thread_start(&w->thread, "writer", writer_run, w, NULL) ==
		      0);
	}
	return all;
}

uint64_t writers_count(struct writers *all)
{
	pthread_mutex_lock(&all->lock);
	uint64_t n = all->n_acked;
	pthread_mutex_unlock(&all->lock);
	return n;
}

int writers_wait_progress(struct writers *all, uint64_t n, int timeout_ms,
			  struct err *e)
{
	struct timespec until;
	int late = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	pthread_mutex_lock(&all->lock);
	uint64_t goal = all->n_acked + n;
	while (all->n_acked < goal && !late)
		late = pthread_cond_timedwait(&all->changed, &all->lock,
					      &until);
	uint64_t reached = all->n_acked;
	pthread_mutex_unlock(&all->lock);
	if (reached >= goal)
		return 0;
	return err_set(e, ERR_TIMEOUT,
		       "%llu of %llu values were acknowledged within %d ms",
		       (unsigned long long)(n - (goal - reached)),
		       (unsigned long long)n, timeout_ms);
}

static int compare_acked(const void *a, const void *b)
{
	const struct acked *x = a, *y = b;

	return (x->index > y->index) - (x->index < y->index);
}

void writers_stop(struct writers *all)
{
	pthread_mutex_lock(&all->lock);
	all->should_stop = true;
	pthread_mutex_unlock(&all->lock);
	for (unsigned i = 0; i < WRITERS; i++)
		thread_join(&all->writers[i].thread);
	qsort(all->acked, all->n_acked, sizeof *all->acked, compare_acked);
}

const struct acked *writers_acked(struct writers *all, uint64_t *n)
{
	*n = all->n_acked;
	return all->acked;
}

uint64_t writers_sent(struct writers *all, unsigned i)
{
	return all->writers[i].seq;
}

void writers_free(struct writers *all)
{
	for (unsigned i = 0; i < WRITERS; i++)
		for (unsigned k = 0; k < all->n_doors; k++)
			door_hang_up(all->writers[i].doors[k]);
	pthread_cond_destroy(&all->changed);
	pthread_mutex_destroy(&all->lock);
	free(all->acked);
	free(all);
}
