/* The figures of one case, and what is printed of them. Pure. */
#ifndef BENCH_FIGURES_H
#define BENCH_FIGURES_H

#include <jansson.h>
#include <stdint.h>

#include "bench/latency.h"
#include "bench/load.h"
#include "bench/watch.h"

enum { FIGURES_RUNS_MAX = 101 };

struct figures {
	double entries_s, mb_s; /* MB: 10^6 bytes of values */
	double p50_ms, p95_ms, p99_ms, max_ms;
	double n_refused; /* "busy" answers, repeated */
	unsigned n_nodes;
	struct watch_use nodes[LIMIT_NODES];
};

struct figures figures_of(const struct load_result *r, uint64_t size,
			  const struct watch_use *nodes, unsigned n_nodes);
/* Each figure the median of the runs (memory: the largest). n > 0. */
struct figures figures_median(const struct figures *runs, unsigned n);

/* {"entries_s", "mb_s", "p50_ms", …, "cpu_s": [per node], "rss_bytes": [per
 * node, RssAnon + RssShmem], "vm_hwm_bytes": [per node]}: added to object. */
void figures_json(json_t *object, const struct figures *f);

/* Percentiles of one histogram: {"p50_ms", "p95_ms", "p99_ms", "max_ms"}. */
void latency_json(json_t *object, const struct latency *l);

/* Rounded to 6 digits behind the point: readable, and more than was measured.
 */
json_t *json_number(double v);
/* One line to stdout. Takes the reference. */
void json_print_line(json_t *object);

/* "128 B", "4 KiB", "1 MiB". */
enum { SIZE_TEXT_MAX = 32 };
void size_text(uint64_t bytes, char text[SIZE_TEXT_MAX]);

#endif
