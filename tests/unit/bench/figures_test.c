#include "bench/figures.h"

#include <math.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_figures_are_rates_of_the_measured_time(void **state)
{
	static struct load_result r;
	const struct watch_use use[] = {{.cpu_s = 1.5, .own_bytes = 10},
					{.cpu_s = 0.5, .own_bytes = 20}};

	memset(&r, 0, sizeof r);
	r.n_entries = 1000;
	r.seconds = 4;
	for (unsigned i = 0; i < 100; i++)
		latency_add(&r.latency, (i + 1) * 1000000ULL);
	struct figures f = figures_of(&r, 4000, use, 2);

	assert_true(fabs(f.entries_s - 250) < 1e-9);
	assert_true(fabs(f.mb_s - 1) < 1e-9);
	assert_true(fabs(f.p50_ms - 50) < 0.2);
	assert_true(fabs(f.p99_ms - 99) < 0.3);
	assert_true(fabs(f.max_ms - 100) < 1e-9);
	assert_int_equal(f.n_nodes, 2);
	assert_int_equal(f.nodes[1].own_bytes, 20);
}

static void test_figures_of_runs_are_medians_and_largest_memory(void **state)
{
	struct figures runs[3] = {
		{.entries_s = 10, .p50_ms = 3, .n_nodes = 1},
		{.entries_s = 30, .p50_ms = 1, .n_nodes = 1},
		{.entries_s = 20, .p50_ms = 9, .n_nodes = 1},
	};
	runs[0].nodes[0] = (struct watch_use){1, 100, 7};
	runs[1].nodes[0] = (struct watch_use){5, 300, 8};
	runs[2].nodes[0] = (struct watch_use){2, 200, 9};

	struct figures f = figures_median(runs, 3);

	assert_true(fabs(f.entries_s - 20) < 1e-9);
	assert_true(fabs(f.p50_ms - 3) < 1e-9);
	assert_true(fabs(f.nodes[0].cpu_s - 2) < 1e-9);
	assert_int_equal(f.nodes[0].own_bytes, 300);
	assert_int_equal(f.nodes[0].peak_rss_bytes, 9);
}

static void test_json_of_a_case_has_every_promised_key(void **state)
{
	static const char *const keys[] = {"entries_s", "mb_s",   "p50_ms",
					   "p95_ms",    "p99_ms", "max_ms",
					   "refused"};
	struct figures f = {.entries_s = 1.23456789, .n_nodes = 2};
	json_t *object = json_object();

	f.nodes[1] = (struct watch_use){0.25, 4096, 8192};
	figures_json(object, &f);

	for (unsigned i = 0; i < sizeof keys / sizeof keys[0]; i++)
		assert_true(json_is_real(json_object_get(object, keys[i])));
	/* Rounded, and not to nothing. */
	assert_true(fabs(json_real_value(json_object_get(object, "entries_s")) -
			 1.234568) < 1e-12);
	json_t *cpu = json_object_get(object, "cpu_s");
	json_t *rss = json_object_get(object, "rss_bytes");
	json_t *peak = json_object_get(object, "vm_hwm_bytes");
	assert_int_equal(json_array_size(cpu), 2);
	assert_true(fabs(json_real_value(json_array_get(cpu, 1)) - 0.25) <
		    1e-12);
	assert_int_equal(json_integer_value(json_array_get(rss, 1)), 4096);
	assert_int_equal(json_integer_value(json_array_get(peak, 1)), 8192);
	json_decref(object);
}

static void test_sizes_are_shown_as_they_are_typed(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {{128, "128 B"},     {1000, "1000 B"},
		     {4096, "4 KiB"},    {65536, "64 KiB"},
		     {1 << 20, "1 MiB"}, {(uint64_t)2 << 30, "2 GiB"}};
	char text[SIZE_TEXT_MAX];

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		size_text(cases[i].bytes, text);
		assert_string_equal(text, cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_figures_are_rates_of_the_measured_time),
		cmocka_unit_test(
			test_figures_of_runs_are_medians_and_largest_memory),
		cmocka_unit_test(test_json_of_a_case_has_every_promised_key),
		cmocka_unit_test(test_sizes_are_shown_as_they_are_typed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
