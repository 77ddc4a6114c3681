#include "base/metrics.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

void metrics_init(struct metrics *m)
{
	m->head = NULL;
	m->tail = &m->head;
}

void metrics_clear(struct metrics *m)
{
	struct metric *metric = m->head;

	while (metric) {
		struct metric *next = metric->next;
		free(metric->histogram);
		free(metric);
		metric = next;
	}
	metrics_init(m);
}

static bool is_name(const char *name)
{
	return strncmp(name, "synod_", 6) == 0 &&
	       name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")] ==
		       '\0';
}

/* A series that stands twice, or one name of two kinds, would make the whole
 * exposition unreadable for its scraper. */
static void check_is_new(const struct metrics *m, const struct metric *fresh)
{
	for (const struct metric *old = m->head; old; old = old->next) {
		if (strcmp(old->name, fresh->name) != 0)
			continue;
		CHECK(old->kind == fresh->kind);
		CHECK(strcmp(old->label, fresh->label) != 0);
	}
}

/* Behind the others of its name: the exposition shows them as one group. */
static struct metric **place_for(struct metrics *m, const char *name)
{
	struct metric **place = m->tail;

	for (struct metric *old = m->head; old; old = old->next) {
		if (strcmp(old->name, name) == 0)
			place = &old->next;
	}
	return place;
}

static struct metric *add(struct metrics *m, enum metric_kind kind,
			  const char *name, const char *help, const char *label)
{
	struct metric *fresh = mem_zero(1, sizeof *fresh);

	CHECK(is_name(name));
	fresh->name = name;
	fresh->help = help;
	fresh->kind = kind;
	if (label) {
		CHECK(strlen(label) < sizeof fresh->label);
		memcpy(fresh->label, label, strlen(label) + 1);
	}
	check_is_new(m, fresh);
	struct metric **at = place_for(m, name);
	fresh->next = *at;
	*at = fresh;
	if (!fresh->next)
		m->tail = &fresh->next;
	return fresh;
}

struct metric *metrics_counter(struct metrics *m, const char *name,
			       const char *help, const char *label)
{
	return add(m, METRIC_COUNTER, name, help, label);
}

struct metric *metrics_gauge(struct metrics *m, const char *name,
			     const char *help, const char *label)
{
	return add(m, METRIC_GAUGE, name, help, label);
}

struct metric *metrics_histogram(struct metrics *m, const char *name,
				 const char *help, const char *label)
{
	struct metric *metric = add(m, METRIC_HISTOGRAM, name, help, label);

	metric->histogram = mem_zero(1, sizeof *metric->histogram);
	return metric;
}

void metric_add(struct metric *m, int64_t n)
{
	CHECK(m->kind == METRIC_GAUGE || (m->kind == METRIC_COUNTER && n >= 0));
	atomic_fetch_add_explicit(&m->value, n, memory_order_relaxed);
}

void metric_set(struct metric *m, int64_t value)
{
	CHECK(m->kind != METRIC_HISTOGRAM);
	atomic_store_explicit(&m->value, value, memory_order_relaxed);
}

void metric_observe_us(struct metric *m, uint64_t us)
{
	CHECK(m->kind == METRIC_HISTOGRAM);
	histogram_add(m->histogram, us);
}

int64_t metric_get(const struct metric *m)
{
	return atomic_load_explicit(&m->value, memory_order_relaxed);
}
