/* Metrics registry: counters, gauges, histograms, by name and one optional
 * label. Registered at start by the owner (not thread safe), updated from any
 * thread without a lock, walked for exposition and for `status`. Names are
 * snake_case with the unit last and begin with synod_. */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/histogram.h"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric {
	const char *name, *help; /* string literals */
	char label[256];         /* `peer="n2"` or empty */
	enum metric_kind kind;
	atomic_int_fast64_t value;
	struct histogram *histogram; /* METRIC_HISTOGRAM only */
	struct metric *next;
};

struct metrics {
	struct metric *head, **tail;
};

void metrics_init(struct metrics *m);
void metrics_clear(struct metrics *m);
struct metric *metrics_counter(struct metrics *m, const char *name,
			       const char *help, const char *label);
struct metric *metrics_gauge(struct metrics *m, const char *name,
			     const char *help, const char *label);
/* Values in microseconds; exposition prints seconds. */
struct metric *metrics_histogram(struct metrics *m, const char *name,
				 const char *help, const char *label);

void metric_add(struct metric *m, int64_t n);
void metric_set(struct metric *m, int64_t value);
void metric_observe_us(struct metric *m, uint64_t us);
int64_t metric_get(const struct metric *m);

/* Prometheus text exposition 0.0.4 into a malloc'ed string, NUL-terminated. */
char *metrics_expose(const struct metrics *m, size_t *len);

#endif
