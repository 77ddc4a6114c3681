#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_clock_formats_known_moments(void **state)
{
	static const struct {
		int64_t us;
		const char *text;
	} cases[] = {
		{0, "1970-01-01T00:00:00.000000Z"},
		{1795162742120033, "2026-11-20T08:19:02.120033Z"},
		{951782400000001, "2000-02-29T00:00:00.000001Z"},
		{-1, "1969-12-31T23:59:59.999999Z"},
		{-1000000, "1969-12-31T23:59:59.000000Z"},
	};
	char text[CLOCK_TEXT_MAX];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		clock_format(cases[i].us, text);
		assert_string_equal(text, cases[i].text);
	}
}

/* A stamp from a broken peer must not stop the process. */
static void test_clock_formats_every_number(void **state)
{
	char text[CLOCK_TEXT_MAX];

	clock_format(INT64_MAX, text);
	assert_string_equal(text, "294247-01-10T04:00:54.775807Z");
	clock_format(INT64_MIN, text);
	assert_string_equal(text, "-290308-12-21T19:59:05.224192Z");
}

static void test_clock_mono_never_goes_back(void **state)
{
	struct clock c = clock_system();
	int64_t before = clock_mono_us(&c);

	for (int i = 0; i < 1000; i++) {
		int64_t now = clock_mono_us(&c);
		assert_true(now >= before);
		before = now;
	}
}

static void test_clock_wall_is_of_this_age(void **state)
{
	struct clock c = clock_system();

	assert_true(clock_wall_us(&c) > 1600000000000000);
}

static int64_t seven(void *ctx)
{
	return *(int64_t *)ctx + 7;
}

static void test_clock_is_a_parameter(void **state)
{
	int64_t base = 100;
	struct clock c = {&base, seven, seven};

	assert_int_equal(clock_mono_us(&c), 107);
	assert_int_equal(clock_wall_us(&c), 107);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clock_formats_known_moments),
		cmocka_unit_test(test_clock_formats_every_number),
		cmocka_unit_test(test_clock_mono_never_goes_back),
		cmocka_unit_test(test_clock_wall_is_of_this_age),
		cmocka_unit_test(test_clock_is_a_parameter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
