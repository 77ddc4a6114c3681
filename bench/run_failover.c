/* synod-bench failover: what a client sees of a fault. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/check.h"
#include "base/clock.h"
#include "bench/figures.h"
#include "bench/fleet.h"
#include "bench/prober.h"
#include "bench/run.h"

enum {
	FAILOVER_NODES = 3,
	FAILOVER_RUNS = 20,
	/* Probing before the fault, and after it while gaps are looked for:
	 * the same time, so that the first is the control of the second. */
	FAILOVER_AFTER_MS = 1000,
	FAILOVER_BEFORE_MS = FAILOVER_AFTER_MS,
	/* Without a commit by then the run has failed. */
	FAILOVER_COMMIT_MS = 30000,
	FAILOVER_END_MS = 15000,
};

struct fault {
	enum fail_kind kind;
	struct fleet *fleet;
	struct clock clock;
	unsigned leader, victim, door;     /* door: the node that is probed */
	unsigned n_unclean;                /* SIGTERM: exit status was not 0 */
	struct latency first, gap, before; /* before: gap without a fault */
};

static const char *const fault_lines[FAIL__N] = {
	"kill -9 of the leader", "kill -9 of a follower",
	"SIGSTOP of the leader", "leadership transfer",
	"SIGTERM to the leader",
};

/* A follower's death is no outage, and a hand-over is one only in its middle:
 * there the longest pause between two commits is the figure, not the time to
 * the next one. */
static bool fault_counts_gap(enum fail_kind kind)
{
	return kind == FAIL_FOLLOWER_KILL || kind == FAIL_TRANSFER ||
	       kind == FAIL_TERM;
}

static int fault_inject(struct fault *f, struct err *e)
{
	struct door_client *c;
	int rc;

	switch (f->kind) {
	case FAIL_LEADER_KILL:
	case FAIL_FOLLOWER_KILL:
		fleet_kill(f->fleet, f->victim);
		return 0;
	case FAIL_LEADER_STOP:
		fleet_freeze(f->fleet, f->victim);
		return 0;
	case FAIL_TERM:
		fleet_term(f->fleet, f->victim);
		return 0;
	case FAIL_TRANSFER:
		rc = fleet_dial(f->fleet, f->leader, 1, &c, e);
		if (rc)
			return rc;
		rc = ask_transfer(c, "", FLEET_ASK_MS, e);
		door_hang_up(c);
		return rc;
	case FAIL__N:
		break;
	}
	CHECK(f->kind < FAIL__N);
	return ERR_INVALID;
}

/* The cluster as it was. */
static int fault_heal(struct fault *f, struct err *e)
{
	int status = 0, rc = 0;

	if (f->kind == FAIL_LEADER_STOP)
		fleet_thaw(f->fleet, f->victim);
	if (f->kind == FAIL_TERM) {
		if (fleet_wait_end(f->fleet, f->victim, FAILOVER_END_MS,
				   &status))
			return err_set(e, ERR_TIMEOUT,
				       "%s did not end within %d ms of SIGTERM",
				       fleet_name(f->fleet, f->victim),
				       FAILOVER_END_MS);
		f->n_unclean += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
	}
	if (fleet_pid(f->fleet, f->victim) == 0)
		rc = fleet_start(f->fleet, f->victim, e);
	return rc ? rc
		  : fleet_wait_ready(f->fleet, FLEET_START_MS, &f->leader, e);
}

static int fault_measure(struct fault *f, struct prober *p, struct err *e)
{
	int64_t at_us, begin_us = clock_mono_us(&f->clock);

	/* Steady probing first: the fault must not meet a cold start. */
	int rc = prober_wait_commit(p, begin_us + FAILOVER_BEFORE_MS * 1000LL,
				    FAILOVER_COMMIT_MS, &at_us, e);
	if (rc)
		return rc;
	int64_t fault_us = clock_mono_us(&f->clock);
	latency_add(&f->before,
		    (uint64_t)prober_longest_gap(p, begin_us, fault_us) * 1000);
	rc = fault_inject(f, e);
	if (rc == 0)
		rc = prober_wait_commit(p, fault_us, FAILOVER_COMMIT_MS, &at_us,
					e);
	if (rc)
		return rc;
	latency_add(&f->first, (uint64_t)(at_us - fault_us) * 1000);
	int64_t until_us = fault_us + FAILOVER_AFTER_MS * 1000LL;
	if (at_us > until_us)
		until_us = at_us;
	rc = prober_wait_commit(p, until_us, FAILOVER_COMMIT_MS, &at_us, e);
	if (rc == 0)
		latency_add(&f->gap, (uint64_t)prober_longest_gap(p, fault_us,
								  until_us) *
					     1000);
	return rc;
}

static int fault_run(struct fault *f, struct err *e)
{
	struct door_client *c = NULL;
	struct prober *prober = NULL;

	int rc = fleet_wait_ready(f->fleet, FLEET_START_MS, &f->leader, e);
	if (rc)
		return rc;
	unsigned follower = (f->leader + 1) % FAILOVER_NODES;
	bool hits_follower = f->kind == FAIL_FOLLOWER_KILL;
	f->victim = hits_follower ? follower : f->leader;
	f->door = hits_follower ? f->leader : follower;
	rc = fleet_dial(f->fleet, f->door, PROBER_PARALLEL, &c, e);
	if (rc == 0)
		rc = prober_start(&prober, c, e);
	if (rc == 0)
		rc = fault_measure(f, prober, e);
	prober_stop(prober);
	door_hang_up(c);
	return rc ? rc : fault_heal(f, e);
}

static void fault_report(const struct fault *f, bool is_json, json_t *cases)
{
	bool is_gap = fault_counts_gap(f->kind);
	const struct latency *l = is_gap ? &f->gap : &f->first;
	json_t *row = json_object(), *first = json_object(),
	       *gap = json_object(), *before = json_object();

	json_object_set_new(row, "kind", json_string(fail_kind_name(f->kind)));
	json_object_set_new(row, "n", json_integer((json_int_t)l->n));
	json_object_set_new(
		row, "measure",
		json_string(is_gap ? "longest_gap" : "first_commit"));
	latency_json(row, l);
	latency_json(first, &f->first);
	latency_json(gap, &f->gap);
	latency_json(before, &f->before);
	json_object_set_new(row, "first_commit", first);
	json_object_set_new(row, "longest_gap_before", before);
	json_object_set_new(row, "longest_gap", gap);
	json_object_set_new(row, "unclean_exits",
			    json_integer((json_int_t)f->n_unclean));
	json_array_append_new(cases, row);
	FILE *out = is_json ? stderr : stdout;
	fprintf(out, "%-23s %3llu  %-12s %8.1f %8.1f %8.1f %8.1f  %8.1f\n",
		fault_lines[f->kind], (unsigned long long)l->n,
		is_gap ? "longest gap" : "first commit", latency_ms(l, 0.5),
		latency_ms(l, 0.95), latency_ms(l, 0.99), latency_max_ms(l),
		latency_ms(&f->before, 0.5));
	if (f->n_unclean)
		fprintf(out, "%-23s      %u of them did not exit with 0\n", "",
			f->n_unclean);
	fflush(out);
}

static int kinds_run(const struct args *a, struct fleet *fleet, json_t *cases,
		     struct err *e)
{
	static struct fault f;
	unsigned runs = a->runs ? a->runs : FAILOVER_RUNS;

	for (unsigned k = 0; k < FAIL__N; k++) {
		if (!(a->kinds & 1U << k))
			continue;
		f = (struct fault){.kind = (enum fail_kind)k,
				   .fleet = fleet,
				   .clock = clock_system()};
		for (unsigned i = 0; i < runs; i++) {
			int rc = fault_run(&f, e);
			if (rc)
				return err_wrap(e, fail_kind_name(f.kind));
		}
		fault_report(&f, a->is_json, cases);
	}
	return 0;
}

static void print_head(FILE *out)
{
	fprintf(out,
		"One append every %d ms through a surviving node.\n"
		"first commit: from the fault to the answer of the first "
		"append "
		"submitted after it;\nlongest gap: between two commits within "
		"%d ms after the fault; CONTROL: p50 of the longest gap in as "
		"much time before it.\n\n",
		PROBER_STEP_MS, FAILOVER_AFTER_MS);
	fprintf(out, "%-23s %3s  %-12s %8s %8s %8s %8s  %8s\n", "FAULT", "N",
		"MEASURE", "P50 ms", "P95", "P99", "MAX", "CONTROL");
}

int run_failover(const struct args *a)
{
	const struct fleet_config cfg = {.synodd = a->synodd,
					 .n_nodes = FAILOVER_NODES,
					 .keep_files = a->keep_files};
	struct fleet *fleet = NULL;
	struct err e = {0};
	json_t *cases = json_array();

	print_head(a->is_json ? stderr : stdout);
	if (fleet_open(&fleet, &cfg, &e) == 0 &&
	    fleet_start_all(fleet, &e) == 0)
		kinds_run(a, fleet, cases, &e);
	fleet_close(fleet);
	if (!e.code && a->is_json) {
		json_t *line = json_object();
		json_object_set_new(line, "scenario", json_string("failover"));
		json_object_set_new(line, "durability",
				    json_string("fsync on a quorum"));
		json_object_set(line, "cases", cases);
		json_print_line(line);
	}
	json_decref(cases);
	return e.code ? run_error(&e) : RUN_OK;
}
