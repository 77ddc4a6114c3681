/* synod-bench log: how fast, against what, at which price. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "bench/etcd.h"
#include "bench/figures.h"
#include "bench/load.h"
#include "bench/run.h"
#include "bench/target.h"

struct log_case {
	const struct args *args;
	uint64_t size;
	unsigned concurrency;
	char durability[64];
	struct figures ours[FIGURES_RUNS_MAX], theirs[FIGURES_RUNS_MAX];
};

static struct load_plan plan_of(const struct log_case *c)
{
	double warm_s = c->args->seconds / 4;

	return (struct load_plan){.size = c->size,
				  .concurrency = c->concurrency,
				  .warm_s = warm_s < 1 ? warm_s : 1,
				  .measure_s = c->args->seconds};
}

static int run_ours(struct log_case *c, struct target *t, struct figures *out,
		    struct err *e)
{
	static struct load_result result;
	struct target_watch watch;
	struct load_plan plan = plan_of(c);

	int rc = target_find_leader(t, e);
	if (rc == 0)
		rc = target_watch_start(&watch, t, e);
	if (rc)
		return rc;
	plan.mark = target_watch_mark;
	plan.ctx = &watch;
	rc = load_synod(&plan, target_url(t), &result, e);
	target_watch_stop(&watch);
	*out = figures_of(&result, c->size, watch.use, t->n_nodes);
	return rc;
}

static int run_theirs(struct log_case *c, struct etcd *etcd,
		      struct figures *out, struct err *e)
{
	static struct load_result result;
	struct watch watch;
	struct load_plan plan = plan_of(c);
	pid_t pids[ETCD_NODES];

	for (unsigned i = 0; i < ETCD_NODES; i++)
		pids[i] = etcd_pid(etcd, i);
	int rc = watch_start(&watch, pids, ETCD_NODES, e);
	if (rc)
		return rc;
	plan.mark = watch_mark;
	plan.ctx = &watch;
	rc = load_etcd(&plan, etcd_leader_port(etcd), &result, e);
	watch_stop(&watch);
	*out = figures_of(&result, c->size, watch.use, ETCD_NODES);
	return rc;
}

/* Fresh clusters for each case, so that no case inherits memory, files or a
 * grown store; the runs of both alternate, so that both meet the same weather.
 */
static int case_run(struct log_case *c, unsigned runs, struct err *e)
{
	struct target target;
	struct etcd *etcd = NULL;

	int rc = target_open(&target, c->args, e);
	if (rc)
		return rc;
	snprintf(c->durability, sizeof c->durability, "%s", target.durability);
	if (c->args->vs_etcd)
		rc = etcd_open(&etcd, e);
	for (unsigned i = 0; rc == 0 && i < runs; i++) {
		rc = run_ours(c, &target, &c->ours[i], e);
		if (rc == 0 && etcd)
			rc = run_theirs(c, etcd, &c->theirs[i], e);
	}
	etcd_close(etcd);
	target_close(&target);
	return rc;
}

static void print_head(const struct args *a, unsigned runs)
{
	printf("%s\n", load_synod_note);
	if (a->vs_etcd)
		printf("%s\n", load_etcd_note);
	printf("latency: from submit to fate, closed loop; %u run%s of %g s "
	       "each%s; %ld cores\n",
	       runs, runs > 1 ? "s" : "", a->seconds,
	       runs > 1 ? ", medians" : "", sysconf(_SC_NPROCESSORS_ONLN));
	printf("cpu: core seconds per node while measured; memory: peak MiB "
	       "per node, RssAnon + RssShmem\n\n");
	printf("%-9s %7s %-6s %10s %8s %8s %8s %8s %8s  %-17s %-14s %s\n",
	       "SIZE", "CLIENTS", "SYSTEM", "ENTRIES/S", "MB/S", "P50 ms",
	       "P95", "P99", "MAX", "CPU s", "MEMORY", "RATIO");
}

static void print_row(const struct log_case *c, const char *system,
		      const struct figures *f, double ratio)
{
	char size[SIZE_TEXT_MAX], cpu[128] = "", memory[128] = "";
	size_t cpu_len = 0, memory_len = 0;

	size_text(c->size, size);
	for (unsigned i = 0; i < f->n_nodes && cpu_len < 100; i++) {
		cpu_len += (size_t)snprintf(cpu + cpu_len, sizeof cpu - cpu_len,
					    "%.2f ", f->nodes[i].cpu_s);
		memory_len += (size_t)snprintf(
			memory + memory_len, sizeof memory - memory_len,
			"%.0f ", (double)f->nodes[i].own_bytes / 1048576);
	}
	printf("%-9s %7u %-6s %10.0f %8.2f %8.3f %8.3f %8.3f %8.3f  %-17s "
	       "%-14s",
	       size, c->concurrency, system, f->entries_s, f->mb_s, f->p50_ms,
	       f->p95_ms, f->p99_ms, f->max_ms, cpu, memory);
	if (ratio > 0)
		printf(" %.2f", ratio);
	putchar('\n');
	fflush(stdout);
}

/* One case measured: print it, and add it to the object of the last line. */
static void case_report(const struct log_case *c, unsigned runs, json_t *cases)
{
	struct figures ours = figures_median(c->ours, runs), theirs = {0};
	json_t *row = json_object();
	double ratio = 0;

	json_object_set_new(row, "size", json_integer((json_int_t)c->size));
	json_object_set_new(row, "concurrency",
			    json_integer((json_int_t)c->concurrency));
	figures_json(row, &ours);
	if (c->args->vs_etcd) {
		json_t *peer = json_object();
		theirs = figures_median(c->theirs, runs);
		if (theirs.entries_s > 0)
			ratio = ours.entries_s / theirs.entries_s;
		figures_json(peer, &theirs);
		json_object_set_new(row, "peer", peer);
		json_object_set_new(row, "ratio", json_number(ratio));
	}
	json_array_append_new(cases, row);
	if (c->args->is_json) {
		fprintf(stderr,
			"size %" PRIu64 " concurrency %u: %.0f entries/s",
			c->size, c->concurrency, ours.entries_s);
		if (c->args->vs_etcd)
			fprintf(stderr, ", etcd %.0f", theirs.entries_s);
		fputc('\n', stderr);
		return;
	}
	print_row(c, "synod", &ours, ratio);
	if (c->args->vs_etcd)
		print_row(c, "etcd", &theirs, 0);
}

static void print_json(const struct args *a, const char *durability,
		       unsigned runs, json_t *cases)
{
	json_t *line = json_object();

	json_object_set_new(line, "scenario", json_string("log"));
	json_object_set_new(line, "durability", json_string(durability));
	json_object_set_new(line, "seconds", json_number(a->seconds));
	json_object_set_new(line, "runs", json_integer((json_int_t)runs));
	json_object_set_new(line, "clients", json_string(load_synod_note));
	if (a->vs_etcd) {
		json_object_set_new(line, "vs", json_string("etcd"));
		json_object_set_new(line, "peer_clients",
				    json_string(load_etcd_note));
	}
	json_object_set(line, "cases", cases);
	json_print_line(line);
}

int run_log(const struct args *a)
{
	static struct log_case c;
	unsigned runs = a->runs ? a->runs : a->vs_etcd ? 3 : 1;
	struct err e = {0};

	if (a->vs_etcd && !etcd_is_installed()) {
		err_set(&e, ERR_NOTFOUND,
			"no etcd in PATH; install the package etcd-server, or "
			"leave --vs out");
		return run_error(&e);
	}
	json_t *cases = json_array();
	if (!a->is_json)
		print_head(a, runs);
	for (unsigned s = 0; s < a->n_sizes && !e.code; s++)
		for (unsigned k = 0; k < a->n_concurrency && !e.code; k++) {
			c = (struct log_case){
				.args = a,
				.size = a->sizes[s],
				.concurrency = (unsigned)a->concurrency[k]};
			if (case_run(&c, runs, &e) == 0)
				case_report(&c, runs, cases);
		}
	if (!e.code && a->is_json)
		print_json(a, c.durability, runs, cases);
	else if (!e.code)
		printf("\ndurability: %s\n", c.durability);
	json_decref(cases);
	return e.code ? run_error(&e) : RUN_OK;
}
