#include "bench/figures.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>

#include "base/check.h"

struct figures figures_of(const struct load_result *r, uint64_t size,
			  const struct watch_use *nodes, unsigned n_nodes)
{
	struct figures f = {
		.entries_s = (double)r->n_entries / r->seconds,
		.mb_s = (double)r->n_entries * (double)size / r->seconds / 1e6,
		.p50_ms = latency_ms(&r->latency, 0.50),
		.p95_ms = latency_ms(&r->latency, 0.95),
		.p99_ms = latency_ms(&r->latency, 0.99),
		.max_ms = latency_max_ms(&r->latency),
		.n_refused = (double)r->n_refused,
		.n_nodes = n_nodes,
	};

	CHECK(n_nodes <= LIMIT_NODES);
	for (unsigned i = 0; i < n_nodes; i++)
		f.nodes[i] = nodes[i];
	return f;
}

/* The median of one double at an offset in each run. */
static double median_at(const struct figures *runs, unsigned n, size_t offset)
{
	double values[FIGURES_RUNS_MAX];

	for (unsigned i = 0; i < n; i++)
		values[i] = *(const double *)((const char *)&runs[i] + offset);
	return median(values, n);
}

struct figures figures_median(const struct figures *runs, unsigned n)
{
	static const size_t offsets[] = {
		offsetof(struct figures, entries_s),
		offsetof(struct figures, mb_s),
		offsetof(struct figures, p50_ms),
		offsetof(struct figures, p95_ms),
		offsetof(struct figures, p99_ms),
		offsetof(struct figures, max_ms),
		offsetof(struct figures, n_refused),
	};
	struct figures f = runs[0];

	CHECK(n > 0 && n <= FIGURES_RUNS_MAX);
	for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++)
		*(double *)((char *)&f + offsets[i]) =
			median_at(runs, n, offsets[i]);
	for (unsigned k = 0; k < f.n_nodes; k++) {
		f.nodes[k].cpu_s =
			median_at(runs, n,
				  offsetof(struct figures, nodes) +
					  k * sizeof f.nodes[0] +
					  offsetof(struct watch_use, cpu_s));
		for (unsigned i = 0; i < n; i++) {
			const struct watch_use *use = &runs[i].nodes[k];
			if (use->own_bytes > f.nodes[k].own_bytes)
				f.nodes[k].own_bytes = use->own_bytes;
			if (use->peak_rss_bytes > f.nodes[k].peak_rss_bytes)
				f.nodes[k].peak_rss_bytes = use->peak_rss_bytes;
		}
	}
	return f;
}

json_t *json_number(double v)
{
	return json_real(round(v * 1e6) / 1e6);
}

void figures_json(json_t *object, const struct figures *f)
{
	json_t *cpu = json_array(), *own = json_array(), *peak = json_array();

	json_object_set_new(object, "entries_s", json_number(f->entries_s));
	json_object_set_new(object, "mb_s", json_number(f->mb_s));
	json_object_set_new(object, "p50_ms", json_number(f->p50_ms));
	json_object_set_new(object, "p95_ms", json_number(f->p95_ms));
	json_object_set_new(object, "p99_ms", json_number(f->p99_ms));
	json_object_set_new(object, "max_ms", json_number(f->max_ms));
	json_object_set_new(object, "refused", json_number(f->n_refused));
	for (unsigned i = 0; i < f->n_nodes; i++) {
		const struct watch_use *use = &f->nodes[i];
		json_array_append_new(cpu, json_number(use->cpu_s));
		json_array_append_new(own,
				      json_integer((json_int_t)use->own_bytes));
		json_array_append_new(
			peak, json_integer((json_int_t)use->peak_rss_bytes));
	}
	json_object_set_new(object, "cpu_s", cpu);
	json_object_set_new(object, "rss_bytes", own);
	json_object_set_new(object, "vm_hwm_bytes", peak);
}

void latency_json(json_t *object, const struct latency *l)
{
	json_object_set_new(object, "p50_ms", json_number(latency_ms(l, 0.50)));
	json_object_set_new(object, "p95_ms", json_number(latency_ms(l, 0.95)));
	json_object_set_new(object, "p99_ms", json_number(latency_ms(l, 0.99)));
	json_object_set_new(object, "max_ms", json_number(latency_max_ms(l)));
}

void json_print_line(json_t *object)
{
	json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(12));
	putchar('\n');
	fflush(stdout);
	json_decref(object);
}

void size_text(uint64_t bytes, char text[SIZE_TEXT_MAX])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB"};
	unsigned unit = 0;

	while (unit < 3 && bytes >= 1024 && bytes % 1024 == 0) {
		bytes /= 1024;
		unit++;
	}
	snprintf(text, SIZE_TEXT_MAX, "%" PRIu64 " %s", bytes, units[unit]);
}
