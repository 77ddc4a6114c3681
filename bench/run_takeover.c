/* synod-bench takeover: what an application sees when the node that reads its
 * database dies, freezes, or is drained. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "bench/figures.h"
#include "bench/flow.h"
#include "bench/run.h"
#include "bench/work.h"

enum {
	TAKEOVER_NODES = 3,
	TAKEOVER_RUNS = 30,
	TAKEOVER_WAIT_MS = 30000,
	/* Steady flow before the fault; and while the gap is looked for. */
	TAKEOVER_BEFORE_MS = 300,
	TAKEOVER_AFTER_MS = 1000,
};

#define TAKEOVER_TASK "a/capture"

struct takeover {
	enum take_kind kind;
	struct fleet *fleet;
	struct flow *flow;
	struct clock clock;
	unsigned victim;
	struct latency time;
};

static const char *const take_lines[TAKE__N] = {
	"kill -9 of the owner", "kill -9 of owner = leader",
	"SIGSTOP of the owner", "drain of the owner"};

/* The owner of the capture is the leader, or is not, as the case wants it. */
static int place_owner(struct takeover *t, struct err *e)
{
	unsigned leader, owner;
	int rc = fleet_wait_ready(t->fleet, FLEET_START_MS, &leader, e);

	if (rc == 0)
		rc = work_wait_running(t->fleet, e);
	if (rc == 0)
		rc = work_owner(t->fleet, TAKEOVER_TASK, &owner, e);
	if (rc)
		return rc;
	bool wants_leader = t->kind == TAKE_LEADER_KILL;
	t->victim = owner;
	if ((owner == leader) == wants_leader)
		return 0;
	t->victim = wants_leader ? leader : (leader + 1) % TAKEOVER_NODES;
	return work_move(t->fleet, TAKEOVER_TASK, t->victim, e);
}

static int inject(struct takeover *t, struct err *e)
{
	switch (t->kind) {
	case TAKE_OWNER_STOP:
		fleet_freeze(t->fleet, t->victim);
		return 0;
	case TAKE_DRAIN:
		return work_drain(t->fleet, t->victim, true, e);
	default:
		fleet_kill(t->fleet, t->victim);
		return 0;
	}
}

static int heal(struct takeover *t, struct err *e)
{
	unsigned leader;
	int rc = 0;

	if (t->kind == TAKE_OWNER_STOP)
		fleet_thaw(t->fleet, t->victim);
	else if (t->kind == TAKE_DRAIN)
		rc = work_drain(t->fleet, t->victim, false, e);
	else
		rc = fleet_start(t->fleet, t->victim, e);
	return rc ? rc : fleet_wait_ready(t->fleet, FLEET_START_MS, &leader, e);
}

static int measure(struct takeover *t, struct err *e)
{
	int64_t at_us, begin_us = clock_mono_us(&t->clock);
	int rc = flow_wait(t->flow, begin_us + TAKEOVER_BEFORE_MS * 1000LL,
			   TAKEOVER_WAIT_MS, &at_us, e);

	if (rc)
		return rc;
	int64_t fault_us = clock_mono_us(&t->clock);
	rc = inject(t, e);
	if (rc)
		return rc;
	/* A drain is no outage: the longest pause is the figure. Else the time
	 * to the first row that was confirmed after the fault. */
	if (t->kind == TAKE_DRAIN)
		rc = flow_longest_gap(t->flow, fault_us,
				      fault_us + TAKEOVER_AFTER_MS * 1000LL,
				      &at_us, e);
	else
		rc = flow_wait(t->flow, fault_us, TAKEOVER_WAIT_MS, &at_us, e);
	if (rc)
		return rc;
	int64_t took_us = t->kind == TAKE_DRAIN ? at_us : at_us - fault_us;
	latency_add(&t->time, (uint64_t)took_us * 1000);
	return 0;
}

static int run_kind(struct takeover *t, unsigned runs, struct err *e)
{
	for (unsigned i = 0; i < runs; i++) {
		int rc = place_owner(t, e);
		if (rc == 0)
			rc = measure(t, e);
		if (rc == 0)
			rc = heal(t, e);
		if (rc)
			return err_wrap(e, take_kind_name(t->kind));
	}
	return 0;
}

static void report(const struct takeover *t, bool is_json, json_t *cases)
{
	const struct latency *l = &t->time;
	json_t *row = json_object();

	json_object_set_new(row, "kind", json_string(take_kind_name(t->kind)));
	json_object_set_new(row, "n", json_integer((json_int_t)l->n));
	latency_json(row, l);
	json_array_append_new(cases, row);
	fprintf(is_json ? stderr : stdout,
		"%-26s %3llu %8.1f %8.1f %8.1f %8.1f\n", take_lines[t->kind],
		(unsigned long long)l->n, latency_ms(l, 0.5),
		latency_ms(l, 0.95), latency_ms(l, 0.99), latency_max_ms(l));
}

static int run_kinds(const struct args *a, struct fleet *fleet,
		     struct flow *flow, json_t *cases, struct err *e)
{
	static struct takeover t;

	fprintf(a->is_json ? stderr : stdout,
		"One row every %d ms into one database; from the fault to the "
		"first row,\nconfirmed after it, that stands in the other one "
		"(drain: the longest pause).\n\n%-26s %3s %8s %8s %8s %8s\n",
		FLOW_STEP_US / 1000, "FAULT", "N", "P50 ms", "P95", "P99",
		"MAX");
	for (unsigned k = 0; k < TAKE__N; k++) {
		if (!(a->takes & 1U << k))
			continue;
		t = (struct takeover){.kind = (enum take_kind)k,
				      .fleet = fleet,
				      .flow = flow,
				      .clock = clock_system()};
		int rc = run_kind(&t, a->runs ? a->runs : TAKEOVER_RUNS, e);
		if (rc)
			return rc;
		report(&t, a->is_json, cases);
	}
	return 0;
}

static int set_stage(const struct args *a, struct fleet *fleet,
		     struct side sides[2], struct err *e)
{
	char text[4096];

	for (int i = 0; i < 2; i++) {
		if (a->n_databases == 2)
			side_postgres_at(&sides[i], i ? "b" : "a",
					 a->databases[i]);
		else
			side_sqlite(&sides[i], i ? "b" : "a", fleet_dir(fleet));
	}
	snprintf(text, sizeof(text),
		 "synod: 1\nconnections:\n%s%ssyncs:\n  pair:\n"
		 "    between: [a, b]\n    tables: [flow]\n",
		 sides[0].yaml, sides[1].yaml);
	int rc = flow_prepare(&sides[0], &sides[1], e);
	if (rc == 0)
		rc = fleet_start_all(fleet, e);
	if (rc == 0)
		rc = work_define(fleet, text, e);
	return rc ? rc : work_wait_running(fleet, e);
}

static void print_json(json_t *cases, const struct flow_count *count)
{
	json_t *line = json_object();

	json_object_set_new(line, "scenario", json_string("takeover"));
	json_object_set_new(line, "durability",
			    json_string("fsync on a quorum"));
	json_object_set(line, "cases", cases);
	json_object_set_new(line, "written",
			    json_integer((json_int_t)count->n_confirmed));
	json_object_set_new(line, "arrived",
			    json_integer((json_int_t)count->n_arrived));
	json_print_line(line);
}

int run_takeover(const struct args *a)
{
	const struct fleet_config cfg = {.synodd = a->synodd,
					 .n_nodes = TAKEOVER_NODES,
					 .keep_files = a->keep_files};
	struct flow_count count = {0};
	struct fleet *fleet = NULL;
	struct flow *flow = NULL;
	struct side sides[2];
	struct err e = {0};
	json_t *cases = json_array();
	bool is_done = fleet_open(&fleet, &cfg, &e) == 0 &&
		       set_stage(a, fleet, sides, &e) == 0 &&
		       flow_start(&flow, &sides[0], &sides[1], &e) == 0 &&
		       run_kinds(a, fleet, flow, cases, &e) == 0 &&
		       flow_finish(flow, &count, &e) == 0;

	if (is_done)
		e = (struct err){0}; /* what was tried again and went well */
	if (is_done && count.n_arrived != count.n_confirmed)
		err_set(&e, ERR_CORRUPT, "%llu rows written, %llu arrived",
			(unsigned long long)count.n_confirmed,
			(unsigned long long)count.n_arrived);
	flow_free(flow);
	fleet_close(fleet);
	if (is_done && a->is_json)
		print_json(cases, &count);
	else if (is_done)
		printf("\n%llu rows written, %llu arrived\n",
		       (unsigned long long)count.n_confirmed,
		       (unsigned long long)count.n_arrived);
	json_decref(cases);
	return e.code ? run_error(&e) : RUN_OK;
}
