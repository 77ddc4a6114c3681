/* The closed loop against etcd. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "bench/etcd_message.h"
#include "bench/grpc.h"
#include "bench/load.h"

enum {
	/* Keys are used in turn, so that etcd's index stays small. */
	ETCD_KEYS = 1024,
	ETCD_DRAIN_MS = 10000,
};

const char load_etcd_note[] =
	"etcd: gRPC KV/Put to the leader over HTTP/2, each client a stream of "
	"its "
	"own, all on one connection (two for values over 1 KiB); 1024 keys in "
	"turn";

struct etcd_load;

struct etcd_client {
	struct etcd_load *load;
	unsigned number;
	int64_t since_us;
	uint8_t head[ETCD_PUT_HEAD_MAX];
};

struct etcd_load {
	const struct load_plan *plan;
	struct load_result *result;
	struct clock clock;
	struct grpc *grpc;
	uint8_t *value;
	int64_t begin_us, end_us; /* of the measured time */
	uint64_t n_put;
	unsigned n_open;
	size_t flying_bytes;
	struct load_line line; /* clients that wait for room */
	int failed_status;
	struct etcd_client *clients;
};

static void client_done(void *ctx, int status, struct bytes reply);

static void client_put(struct etcd_load *l, struct etcd_client *c)
{
	char key[32];

	snprintf(key, sizeof key, "bench/%04u",
		 (unsigned)(l->n_put++ % ETCD_KEYS));
	size_t head_len = etcd_put_head(key, (size_t)l->plan->size, c->head);
	const struct grpc_call call = {
		.path = "/etcdserverpb.KV/Put",
		.message = {.head = {c->head, head_len},
			    .tail = {l->value, (size_t)l->plan->size}},
		.done = client_done,
		.ctx = c};
	l->n_open++;
	l->flying_bytes += (size_t)l->plan->size;
	grpc_start(l->grpc, c->number, &call);
}

/* Put for those who wait, as far as there is room. */
static void line_put(struct etcd_load *l)
{
	while (l->line.n > 0 &&
	       (l->n_open == 0 ||
		l->flying_bytes + l->plan->size <= LOAD_FLYING_BYTES))
		client_put(l, &l->clients[load_line_pop(&l->line)]);
}

static void client_submit(struct etcd_client *c, int64_t now_us)
{
	c->since_us = now_us;
	load_line_push(&c->load->line, c->number);
}

static void client_done(void *ctx, int status, struct bytes reply)
{
	struct etcd_client *c = ctx;
	struct etcd_load *l = c->load;
	int64_t now_us = clock_mono_us(&l->clock);

	l->n_open--;
	l->flying_bytes -= (size_t)l->plan->size;
	if (status != 0) {
		l->failed_status = status;
		return;
	}
	if (now_us >= l->begin_us && now_us < l->end_us) {
		latency_add(&l->result->latency,
			    (uint64_t)(now_us - c->since_us) * 1000);
		l->result->n_entries++;
	}
	if (now_us >= l->end_us)
		return;
	client_submit(c, now_us);
	line_put(l);
}

/* What served etcd best in trials with 1, 2, 4, 8 and 16 connections: one for
 * small values, two when there is more to carry; more only cost it time. */
static unsigned connections_for(const struct load_plan *plan)
{
	return plan->concurrency > 1 && plan->size > 1024 ? 2 : 1;
}

static int load_run(struct etcd_load *l, struct err *e)
{
	const struct load_plan *plan = l->plan;
	bool has_begun = false;

	for (unsigned i = 0; i < plan->concurrency; i++) {
		l->clients[i] = (struct etcd_client){.load = l, .number = i};
		client_submit(&l->clients[i], clock_mono_us(&l->clock));
	}
	line_put(l);
	while (l->n_open > 0) {
		int64_t now_us = clock_mono_us(&l->clock);
		if (!has_begun && now_us >= l->begin_us) {
			has_begun = true;
			if (plan->mark)
				plan->mark(plan->ctx, 0);
		}
		if (now_us > l->end_us + ETCD_DRAIN_MS * 1000LL)
			return err_set(e, ERR_TIMEOUT,
				       "etcd left %u puts without an answer",
				       l->n_open);
		int rc = grpc_turn(l->grpc, 10, e);
		if (rc)
			return rc;
		if (l->failed_status)
			return err_set(e, ERR_REFUSED,
				       "etcd refused a put: grpc status %d",
				       l->failed_status);
	}
	if (plan->mark)
		plan->mark(plan->ctx, 1);
	return 0;
}

int load_etcd(const struct load_plan *plan, uint16_t leader_port,
	      struct load_result *out, struct err *e)
{
	struct etcd_load l = {
		.plan = plan, .result = out, .clock = clock_system()};

	memset(out, 0, sizeof *out);
	int rc = grpc_dial(&l.grpc, leader_port, connections_for(plan), e);
	if (rc)
		return rc;
	l.value = load_value(plan);
	l.clients = mem_zero(plan->concurrency, sizeof *l.clients);
	l.begin_us = clock_mono_us(&l.clock) + (int64_t)(plan->warm_s * 1e6);
	l.end_us = l.begin_us + (int64_t)(plan->measure_s * 1e6);
	out->seconds = plan->measure_s;
	rc = load_run(&l, e);
	grpc_close(l.grpc);
	free(l.value);
	free(l.clients);
	return rc;
}
