#include "base/metrics.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/thread.h"
#include "death.h"

static void test_metrics_exposes_counters_and_gauges(void **state)
{
	struct metrics m;
	size_t len;

	metrics_init(&m);
	struct metric *a = metrics_counter(&m, "synod_frames_total",
					   "Frames sent.", "peer=\"n2\"");
	struct metric *gauge = metrics_gauge(&m, "synod_log_bytes",
					     "Size of\nthe \\ log.", NULL);
	struct metric *b = metrics_counter(&m, "synod_frames_total",
					   "Frames sent.", "peer=\"n3\"");
	metric_add(a, 3);
	metric_add(b, 4);
	metric_set(gauge, -5);
	metric_add(gauge, 1);
	char *text = metrics_expose(&m, &len);

	/* Series of one name stand together, whatever the order was. */
	assert_string_equal(text,
			    "# HELP synod_frames_total Frames sent.\n"
			    "# TYPE synod_frames_total counter\n"
			    "synod_frames_total{peer=\"n2\"} 3\n"
			    "synod_frames_total{peer=\"n3\"} 4\n"
			    "# HELP synod_log_bytes Size of\\nthe \\\\ log.\n"
			    "# TYPE synod_log_bytes gauge\n"
			    "synod_log_bytes -4\n");
	assert_int_equal(len, strlen(text));
	free(text);
	metrics_clear(&m);
}

static void test_metrics_empty_is_an_empty_text(void **state)
{
	struct metrics m;

	metrics_init(&m);
	char *text = metrics_expose(&m, NULL);

	assert_string_equal(text, "");
	free(text);
	metrics_clear(&m);
}

/* What a scraper relies on: buckets grow, the last one is the count, and each
 * says exactly how many values are not above its bound. */
static void check_buckets(const char *text, const uint64_t *values, size_t n)
{
	uint64_t n_before = 0, seconds, us, count;
	unsigned n_lines = 0;
	const char *p = text;

	while ((p = strstr(p, "_bucket{peer=\"x\",le=\"")) != NULL) {
		p += strlen("_bucket{peer=\"x\",le=\"");
		uint64_t expected = 0;
		if (sscanf(p, "%" SCNu64 ".%6" SCNu64 "\"} %" SCNu64, &seconds,
			   &us, &count) == 3) {
			for (size_t i = 0; i < n; i++)
				expected += values[i] <= seconds * 1000000 + us;
		} else {
			assert_int_equal(sscanf(p, "+Inf\"} %" SCNu64, &count),
					 1);
			expected = n;
		}
		assert_true(count == expected);
		assert_true(count >= n_before);
		n_before = count;
		n_lines++;
	}
	assert_int_equal(n_lines, 24);
}

static void test_metrics_exposes_histograms_in_seconds(void **state)
{
	static const char head[] = "# HELP synod_wait_seconds Waits.\n"
				   "# TYPE synod_wait_seconds histogram\n";
	uint64_t values[500], sum = 0;
	struct metrics m;
	struct rng r;
	char line[128];

	rng_init(&r, 1);
	metrics_init(&m);
	struct metric *h = metrics_histogram(&m, "synod_wait_seconds", "Waits.",
					     "peer=\"x\"");
	for (size_t i = 0; i < 500; i++) {
		values[i] = rng_u64(&r) >> rng_range(&r, 34, 63);
		sum += values[i];
		metric_observe_us(h, values[i]);
	}
	char *text = metrics_expose(&m, NULL);

	assert_memory_equal(text, head, sizeof head - 1);
	check_buckets(text, values, 500);
	snprintf(line, sizeof line,
		 "\nsynod_wait_seconds_sum{peer=\"x\"} %" PRIu64 ".%06" PRIu64
		 "\nsynod_wait_seconds_count{peer=\"x\"} 500\n",
		 sum / 1000000, sum % 1000000);
	assert_non_null(strstr(text, line));
	free(text);
	metrics_clear(&m);
}

/* The grammar of the text format, line by line. */
static bool is_sample(const char *line)
{
	const char *p = line;

	while (islower((unsigned char)*p) || isdigit((unsigned char)*p) ||
	       *p == '_')
		p++;
	if (p == line)
		return false;
	if (*p == '{') {
		p = strchr(p, '}');
		if (!p)
			return false;
		p++;
	}
	if (*p++ != ' ')
		return false;
	p += *p == '-';
	size_t n_digits = strspn(p, "0123456789.");
	return n_digits > 0 && p[n_digits] == '\0';
}

static void test_metrics_every_line_is_in_the_format(void **state)
{
	struct metrics m;

	metrics_init(&m);
	metric_observe_us(metrics_histogram(&m, "synod_a_seconds", "A.", NULL),
			  UINT64_MAX);
	metric_set(metrics_gauge(&m, "synod_b", "B.", ""), INT64_MIN);
	metric_add(metrics_counter(&m, "synod_c_total", "C.", "d=\"e\""),
		   INT64_MAX);
	char *text = metrics_expose(&m, NULL);

	assert_int_equal(text[strlen(text) - 1], '\n');
	char *rest, *line = strtok_r(text, "\n", &rest);
	for (; line; line = strtok_r(NULL, "\n", &rest))
		if (line[0] != '#' && !is_sample(line))
			fail_msg("not a sample: %s", line);
	free(text);
	metrics_clear(&m);
}

static void *count_up(void *ctx)
{
	for (int i = 0; i < 10000; i++)
		metric_add(ctx, 1);
	return NULL;
}

static void test_metrics_count_from_any_thread(void **state)
{
	struct thread threads[3];
	struct metrics m;

	metrics_init(&m);
	struct metric *c = metrics_counter(&m, "synod_n_total", "N.", NULL);
	for (int i = 0; i < 3; i++)
		assert_int_equal(
			thread_start(&threads[i], "count", count_up, c, NULL),
			0);
	free(metrics_expose(&m, NULL));
	for (int i = 0; i < 3; i++)
		thread_join(&threads[i]);

	assert_int_equal(metric_get(c), 30000);
	metrics_clear(&m);
}

static void register_twice(void *ctx)
{
	metrics_gauge(ctx, "synod_a", "A.", NULL);
	metrics_gauge(ctx, "synod_a", "A.", NULL);
}

static void register_two_kinds(void *ctx)
{
	metrics_gauge(ctx, "synod_a", "A.", NULL);
	metrics_counter(ctx, "synod_a", "A.", "x=\"y\"");
}

static void register_foreign_name(void *ctx)
{
	metrics_gauge(ctx, "other_a", "A.", NULL);
}

static void count_down(void *ctx)
{
	metric_add(metrics_counter(ctx, "synod_a_total", "A.", NULL), -1);
}

static void test_metrics_what_no_scraper_could_read_is_a_bug(void **state)
{
	struct metrics m;

	metrics_init(&m);
	death_expect(register_twice, &m, "does not hold");
	death_expect(register_two_kinds, &m, "does not hold");
	death_expect(register_foreign_name, &m, "is_name(name)");
	death_expect(count_down, &m, "does not hold");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_metrics_exposes_counters_and_gauges),
		cmocka_unit_test(test_metrics_empty_is_an_empty_text),
		cmocka_unit_test(test_metrics_exposes_histograms_in_seconds),
		cmocka_unit_test(test_metrics_every_line_is_in_the_format),
		cmocka_unit_test(test_metrics_count_from_any_thread),
		cmocka_unit_test(
			test_metrics_what_no_scraper_could_read_is_a_bug),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
