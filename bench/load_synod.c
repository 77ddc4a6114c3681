/* The closed loop against synodd's door.
 *
 *   clients that wait ──▶ dispatcher ──one AppendRequest──▶ door
 *          ▲                                                 │
 *          └───── fates, one a value ◀── nng thread ◀────────┘
 *
 * The lock guards everything in struct synod_load below it. The nng thread only
 * notes latencies and puts clients back into the line; requests are packed and
 * sent by the dispatcher alone. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/thread.h"
#include "bench/ask.h"
#include "bench/load.h"
#include "proto/codec.h"
#include "proto/limits.h"

enum {
	/* Requests under way at the most. */
	SYNOD_REQUESTS = 4,
	/* A second request goes out only when it would carry as much: small
	 * values do best in one group at a time, which shares one fsync; large
	 * ones keep disk and network busy at once. In trials 1, 2, 4 and 8
	 * requests were each worse somewhere. */
	SYNOD_SHIP_BYTES = 256 << 10,
	SYNOD_DIAL_MS = 5000,
	SYNOD_APPEND_MS = 10000,
	SYNOD_DRAIN_MS = 12000,
};

const char load_synod_note[] =
	"synod: door of the leader; values that wait are packed into one "
	"AppendRequest, more are under way (up to 4) when they carry 256 KiB "
	"each; each value has its own fate and its own latency";

struct synod_load {
	const struct load_plan *plan;
	struct load_result *result;
	struct clock clock;
	struct door_client *door;
	uint8_t *value;
	int64_t begin_us, end_us;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct load_line line; /* clients that wait */
	int64_t since_us[LOAD_CLIENTS_MAX];
	unsigned n_requests; /* under way */
	size_t flying_bytes;
	struct err failed; /* the first failure ends the run */
};

struct shipment {
	struct synod_load *load;
	size_t bytes;
	unsigned n;
	uint32_t clients[];
};

/* One value's fate. Lock held. */
static void fate_note(struct synod_load *l, uint32_t client, int code,
		      int64_t now_us)
{
	if (code == ERR_BUSY) {
		l->result->n_refused++;
		load_line_push(&l->line, client); /* its time runs on */
		return;
	}
	if (code != 0) {
		if (!l->failed.code)
			err_set(&l->failed, code, "an append failed: %s",
				err_sentence(code));
		return;
	}
	if (now_us >= l->begin_us && now_us < l->end_us) {
		latency_add(&l->result->latency,
			    (uint64_t)(now_us - l->since_us[client]) * 1000);
		l->result->n_entries++;
		if (l->result->n_entries == l->plan->n_entries_max)
			l->end_us = now_us;
	}
	l->since_us[client] = now_us;
	if (now_us < l->end_us)
		load_line_push(&l->line, client);
}

static void shipment_done(void *ctx, int code, struct blob *response)
{
	struct shipment *s = ctx;
	struct synod_load *l = s->load;
	Synod__Admin__Response *answer = NULL;
	struct err why = {0};
	int64_t now_us = clock_mono_us(&l->clock);

	if (!response)
		err_set(&why, code, "an append request failed: %s",
			err_sentence(code));
	else
		answer = answer_open(blob_bytes(response), &why);
	if (answer &&
	    (answer->body_case != SYNOD__ADMIN__RESPONSE__BODY_APPEND ||
	     answer->append->n_fates != s->n))
		err_set(&why, ERR_CORRUPT, "not one fate a value");
	pthread_mutex_lock(&l->lock);
	for (unsigned i = 0; i < s->n; i++)
		/* A busy node refuses the whole request with a Problem. */
		if (why.code == 0 || why.code == ERR_BUSY)
			fate_note(l, s->clients[i],
				  why.code ? why.code
					   : answer->append->fates[i]->code,
				  now_us);
	if (why.code && why.code != ERR_BUSY && !l->failed.code)
		l->failed = why;
	l->n_requests--;
	l->flying_bytes -= s->bytes;
	pthread_cond_signal(&l->changed);
	pthread_mutex_unlock(&l->lock);
	answer_free(answer);
	blob_unref(response);
	free(s);
}

/* Pack n equal values into a sealed request. */
static struct blob *request_pack(struct synod_load *l, unsigned n)
{
	ProtobufCBinaryData values[LIMIT_APPEND_VALUES];
	Synod__Admin__AppendRequest append = SYNOD__ADMIN__APPEND_REQUEST__INIT;
	Synod__Admin__Request request = SYNOD__ADMIN__REQUEST__INIT;

	for (unsigned i = 0; i < n; i++)
		values[i] = (ProtobufCBinaryData){.len = (size_t)l->plan->size,
						  .data = l->value};
	append.n_values = n;
	append.values = values;
	append.timeout_ms = SYNOD_APPEND_MS;
	request.body_case = SYNOD__ADMIN__REQUEST__BODY_APPEND;
	request.append = &append;
	return codec_seal(CODEC_REQUEST, &request.base);
}

/* How many values the next request may carry. */
static unsigned shipment_limit(const struct synod_load *l)
{
	size_t size = (size_t)l->plan->size;
	size_t fit = (LIMIT_FRAME_BYTES - (64 << 10)) / (size + 16);
	/* A share each, so that all requests can be under way. */
	size_t n = (l->plan->concurrency + SYNOD_REQUESTS - 1) / SYNOD_REQUESTS;

	if (n < SYNOD_SHIP_BYTES / size)
		n = SYNOD_SHIP_BYTES / size;
	if (n > LIMIT_APPEND_VALUES)
		n = LIMIT_APPEND_VALUES;
	if (n > fit)
		n = fit;
	return n > 0 ? (unsigned)n : 1;
}

/* Send what waits. Lock held; let go while packing. */
static void ship(struct synod_load *l)
{
	const unsigned limit = shipment_limit(l);
	size_t size = (size_t)l->plan->size;

	while (l->line.n > 0 && l->n_requests < SYNOD_REQUESTS &&
	       !l->failed.code) {
		unsigned n = l->line.n < limit ? l->line.n : limit;
		if (l->n_requests > 0 && n * size < SYNOD_SHIP_BYTES)
			return;
		if (l->flying_bytes > 0 &&
		    l->flying_bytes + n * size > LOAD_FLYING_BYTES)
			return;
		struct shipment *s =
			mem_alloc(sizeof *s + n * sizeof *s->clients);
		*s = (struct shipment){.load = l, .n = n, .bytes = n * size};
		for (unsigned i = 0; i < n; i++)
			s->clients[i] = load_line_pop(&l->line);
		l->n_requests++;
		l->flying_bytes += s->bytes;
		pthread_mutex_unlock(&l->lock);
		struct blob *request = request_pack(l, n);
		int rc = door_start(l->door, blob_bytes(request),
				    SYNOD_APPEND_MS, shipment_done, s);
		blob_unref(request);
		if (rc) /* done was not and will not be called */
			shipment_done(s, rc, NULL);
		pthread_mutex_lock(&l->lock);
	}
}

/* Wait for an answer, at most 10 ms. Lock held. */
static void wait_change(struct synod_load *l)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += 10000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&l->changed, &l->lock, &until);
}

static void load_run(struct synod_load *l)
{
	const struct load_plan *plan = l->plan;
	bool has_begun = false;
	int64_t now_us = clock_mono_us(&l->clock);

	pthread_mutex_lock(&l->lock);
	for (uint32_t i = 0; i < plan->concurrency; i++) {
		l->since_us[i] = now_us;
		load_line_push(&l->line, i);
	}
	while (now_us < l->end_us || l->n_requests > 0) {
		if (!has_begun && now_us >= l->begin_us) {
			has_begun = true;
			pthread_mutex_unlock(&l->lock);
			if (plan->mark)
				plan->mark(plan->ctx, 0);
			pthread_mutex_lock(&l->lock);
		}
		if (now_us < l->end_us)
			ship(l);
		if (l->failed.code && l->n_requests == 0)
			break;
		/* The door gives up before; this is for a door that does not.
		 */
		CHECK(now_us < l->end_us + SYNOD_DRAIN_MS * 1000LL);
		if (l->n_requests > 0)
			wait_change(l);
		now_us = clock_mono_us(&l->clock);
	}
	pthread_mutex_unlock(&l->lock);
	if (plan->mark)
		plan->mark(plan->ctx, 1);
}

static void load_init(struct synod_load *l)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&l->changed, &attr);
	pthread_condattr_destroy(&attr);
	l->value = load_value(l->plan);
	l->begin_us =
		clock_mono_us(&l->clock) + (int64_t)(l->plan->warm_s * 1e6);
	l->end_us = l->begin_us + (int64_t)(l->plan->measure_s * 1e6);
}

int load_synod(const struct load_plan *plan, const char *url,
	       struct load_result *out, struct err *e)
{
	CHECK(plan->concurrency <= LOAD_CLIENTS_MAX);
	const struct door_client_config cfg = {.url = url,
					       .n_parallel = SYNOD_REQUESTS,
					       .timeout_ms = SYNOD_DIAL_MS};
	struct synod_load *l = mem_zero(1, sizeof *l);

	memset(out, 0, sizeof *out);
	l->plan = plan;
	l->result = out;
	l->clock = clock_system();
	int rc = door_dial(&l->door, &cfg, e);
	if (rc)
		goto done;
	load_init(l);
	load_run(l);
	door_hang_up(l->door);
	pthread_cond_destroy(&l->changed);
	pthread_mutex_destroy(&l->lock);
	free(l->value);
	out->seconds = (double)(l->end_us - l->begin_us) / 1e6;
	rc = l->failed.code;
	if (rc)
		err_set(e, rc, "%s", l->failed.text);
done:
	free(l);
	return rc;
}
