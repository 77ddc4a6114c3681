/* synod-bench memory: what a node holds while it does nothing, and while much
 * goes through it. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "bench/figures.h"
#include "bench/load.h"
#include "bench/run.h"
#include "bench/target.h"

enum { MEMORY_SETTLE_S = 2, MEMORY_IDLE_S = 10, MEMORY_EQUAL_MS = 60000 };

struct memory {
	const struct args *args;
	struct target target;
	struct process_use idle[LIMIT_NODES], idle_end[LIMIT_NODES];
	struct watch_use busy[LIMIT_NODES];
	struct load_result result;
	double write_s;
};

static void pause_s(unsigned seconds)
{
	struct timespec rest = {.tv_sec = (time_t)seconds};

	while (nanosleep(&rest, &rest) != 0)
		;
}

static int memory_look(struct memory *m, struct process_use *out, struct err *e)
{
	for (unsigned i = 0; i < m->target.n_nodes; i++) {
		int rc = process_use(fleet_pid(m->target.fleet, i), &out[i], e);
		if (rc)
			return rc;
	}
	return 0;
}

/* The measured thing is the passing of time itself: here sleeping is right. */
static int measure_idle(struct memory *m, struct err *e)
{
	pause_s(MEMORY_SETTLE_S);
	int rc = memory_look(m, m->idle, e);
	if (rc)
		return rc;
	pause_s(MEMORY_IDLE_S);
	return memory_look(m, m->idle_end, e);
}

static int measure_busy(struct memory *m, struct err *e)
{
	const struct args *a = m->args;
	struct target_watch watch;
	uint64_t index, digest;
	struct load_plan plan = {.size = a->sizes[0],
				 .concurrency = (unsigned)a->concurrency[0],
				 .measure_s = 86400,
				 .n_entries_max = (a->bytes + a->sizes[0] - 1) /
						  a->sizes[0],
				 .mark = target_watch_mark,
				 .ctx = &watch};

	int rc = target_find_leader(&m->target, e);
	if (rc == 0)
		rc = target_watch_start(&watch, &m->target, e);
	if (rc)
		return rc;
	rc = load_synod(&plan, target_url(&m->target), &m->result, e);
	m->write_s = m->result.seconds;
	/* Followers may still be catching up; their memory counts too. */
	if (rc == 0)
		rc = fleet_wait_equal(m->target.fleet, MEMORY_EQUAL_MS, &index,
				      &digest, e);
	target_watch_stop(&watch);
	for (unsigned i = 0; i < m->target.n_nodes; i++)
		m->busy[i] = watch.use[i];
	return rc;
}

static double idle_percent(const struct memory *m, unsigned i)
{
	return (double)(m->idle_end[i].cpu_us - m->idle[i].cpu_us) /
	       (MEMORY_IDLE_S * 1e4);
}

static void print_table(const struct memory *m)
{
	char written[SIZE_TEXT_MAX], size[SIZE_TEXT_MAX];
	const double mib = 1048576;

	size_text(m->args->bytes, written);
	size_text(m->args->sizes[0], size);
	printf("own: RssAnon + RssShmem, what the node itself holds; LMDB's "
	       "page cache is file-backed\nand not in it, but in VmHWM, the "
	       "kernel's peak of everything mapped. MiB.\n\n");
	printf("%-6s %10s %14s %11s %10s %10s\n", "NODE", "IDLE OWN",
	       "IDLE OWN+FILE", "IDLE CPU %", "PEAK OWN", "VmHWM");
	for (unsigned i = 0; i < m->target.n_nodes; i++)
		printf("%-6s %10.1f %14.1f %11.2f %10.1f %10.1f\n",
		       fleet_name(m->target.fleet, i),
		       (double)m->idle_end[i].own_bytes / mib,
		       (double)(m->idle_end[i].own_bytes +
				m->idle_end[i].file_bytes) /
			       mib,
		       idle_percent(m, i), (double)m->busy[i].own_bytes / mib,
		       (double)m->busy[i].peak_rss_bytes / mib);
	printf("\n%s in values of %s by %u clients: %.1f s, %.0f MB/s; "
	       "durability: %s\n",
	       written, size, (unsigned)m->args->concurrency[0], m->write_s,
	       (double)m->args->bytes / 1e6 / m->write_s, m->target.durability);
}

static void print_json(const struct memory *m)
{
	json_t *line = json_object(), *nodes = json_array();

	for (unsigned i = 0; i < m->target.n_nodes; i++) {
		json_t *n = json_object();
		const struct process_use *idle = &m->idle_end[i];
		json_object_set_new(
			n, "name", json_string(fleet_name(m->target.fleet, i)));
		json_object_set_new(n, "idle_rss_bytes",
				    json_integer((json_int_t)idle->own_bytes));
		json_object_set_new(
			n, "idle_rss_with_files_bytes",
			json_integer((json_int_t)(idle->own_bytes +
						  idle->file_bytes)));
		json_object_set_new(n, "idle_cpu_percent",
				    json_number(idle_percent(m, i)));
		json_object_set_new(
			n, "peak_rss_bytes",
			json_integer((json_int_t)m->busy[i].own_bytes));
		json_object_set_new(
			n, "vm_hwm_bytes",
			json_integer((json_int_t)m->busy[i].peak_rss_bytes));
		json_array_append_new(nodes, n);
	}
	json_object_set_new(line, "scenario", json_string("memory"));
	json_object_set_new(line, "durability",
			    json_string(m->target.durability));
	json_object_set_new(line, "counted", json_string("RssAnon + RssShmem"));
	json_object_set_new(line, "bytes",
			    json_integer((json_int_t)m->args->bytes));
	json_object_set_new(line, "size",
			    json_integer((json_int_t)m->args->sizes[0]));
	json_object_set_new(line, "seconds", json_number(m->write_s));
	json_object_set_new(line, "nodes", nodes);
	json_print_line(line);
}

int run_memory(const struct args *a)
{
	static struct memory m;
	struct err e = {0};

	m.args = a;
	if (target_open(&m.target, a, &e))
		return run_error(&e);
	if (measure_idle(&m, &e) == 0 && measure_busy(&m, &e) == 0) {
		if (a->is_json)
			print_json(&m);
		else
			print_table(&m);
	}
	target_close(&m.target);
	return e.code ? run_error(&e) : RUN_OK;
}
