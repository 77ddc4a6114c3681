/* The text exposition of base/metrics.h: Prometheus 0.0.4. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/metrics.h"

/* Of the histogram's fine buckets, one line for each power of two of
 * microseconds: 15 us, 31 us, ... 67 s. */
enum { EXPOSE_BITS_MIN = 4, EXPOSE_BITS_MAX = 26, US_PER_SECOND = 1000000 };

struct text {
	char *data;
	size_t len, size;
};

__attribute__((format(printf, 2, 3))) static void text_add(struct text *t,
							   const char *fmt, ...)
{
	va_list args;

	for (;;) {
		size_t room = t->size - t->len;
		va_start(args, fmt);
		int n = vsnprintf(t->data + t->len, room, fmt, args);
		va_end(args);
		CHECK(n >= 0);
		if ((size_t)n < room) {
			t->len += (size_t)n;
			return;
		}
		t->size = t->size * 2 + (size_t)n;
		t->data = mem_grow(t->data, t->size);
	}
}

static const char *kind_name(enum metric_kind kind)
{
	switch (kind) {
	case METRIC_COUNTER:
		return "counter";
	case METRIC_GAUGE:
		return "gauge";
	case METRIC_HISTOGRAM:
		return "histogram";
	}
	return "untyped";
}

static void add_head(struct text *t, const struct metric *m)
{
	text_add(t, "# HELP %s ", m->name);
	for (const char *p = m->help; *p; p++) {
		if (*p == '\n')
			text_add(t, "\\n");
		else if (*p == '\\')
			text_add(t, "\\\\");
		else
			text_add(t, "%c", *p);
	}
	text_add(t, "\n# TYPE %s %s\n", m->name, kind_name(m->kind));
}

/* Microseconds as seconds, exactly: a double would round large sums. */
static void add_seconds(struct text *t, uint64_t us)
{
	text_add(t, "%" PRIu64 ".%06" PRIu64, us / US_PER_SECOND,
		 us % US_PER_SECOND);
}

static void add_bucket(struct text *t, const struct metric *m, uint64_t le_us,
		       uint64_t count)
{
	text_add(t, "%s_bucket{%s%sle=\"", m->name, m->label,
		 m->label[0] ? "," : "");
	if (le_us == UINT64_MAX)
		text_add(t, "+Inf");
	else
		add_seconds(t, le_us);
	text_add(t, "\"} %" PRIu64 "\n", count);
}

static void add_suffixed(struct text *t, const struct metric *m,
			 const char *suffix)
{
	text_add(t, "%s%s", m->name, suffix);
	if (m->label[0])
		text_add(t, "{%s}", m->label);
	text_add(t, " ");
}

static void add_histogram(struct text *t, const struct metric *m)
{
	const struct histogram *h = m->histogram;
	uint64_t total = 0;
	unsigned next = 0;

	for (unsigned bits = EXPOSE_BITS_MIN; bits <= EXPOSE_BITS_MAX; bits++) {
		uint64_t le = ((uint64_t)1 << bits) - 1;
		unsigned last = histogram_bucket(le);
		for (; next <= last; next++)
			total += atomic_load(&h->count[next]);
		add_bucket(t, m, le, total);
	}
	for (; next < HISTOGRAM_BUCKETS; next++)
		total += atomic_load(&h->count[next]);
	/* The count is the total of this walk, not h->n: both must agree, and
	 * other threads add meanwhile. */
	add_bucket(t, m, UINT64_MAX, total);
	add_suffixed(t, m, "_sum");
	add_seconds(t, atomic_load(&h->sum));
	text_add(t, "\n");
	add_suffixed(t, m, "_count");
	text_add(t, "%" PRIu64 "\n", total);
}

static void add_series(struct text *t, const struct metric *m)
{
	if (m->kind == METRIC_HISTOGRAM) {
		add_histogram(t, m);
		return;
	}
	add_suffixed(t, m, "");
	text_add(t, "%" PRId64 "\n", metric_get(m));
}

static bool is_first_of_name(const struct metrics *m, const struct metric *one)
{
	for (const struct metric *i = m->head; i != one; i = i->next)
		if (strcmp(i->name, one->name) == 0)
			return false;
	return true;
}

char *metrics_expose(const struct metrics *m, size_t *len)
{
	struct text t = {mem_alloc(4096), 0, 4096};

	t.data[0] = '\0';
	for (const struct metric *i = m->head; i; i = i->next) {
		/* All series of a name stand together, under one head. */
		if (!is_first_of_name(m, i))
			continue;
		add_head(&t, i);
		for (const struct metric *j = i; j; j = j->next)
			if (strcmp(i->name, j->name) == 0)
				add_series(&t, j);
	}
	if (len)
		*len = t.len;
	return t.data;
}
