#include "node/pulse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/limits.h"

enum { MS = 1000 };

static void test_broken_connection_says_lost_soon(void **state)
{
	struct pulse p = {.down_us = 100 * MS, .heard_us = 99 * MS};

	assert_false(pulse_is_lost(&p, 0, (100 + LIMIT_LOST_MS - 1) * MS));
	assert_true(pulse_is_lost(&p, 0, (100 + LIMIT_LOST_MS) * MS));
	assert_int_equal(pulse_detect_us(&p, (100 + LIMIT_LOST_MS) * MS),
			 LIMIT_LOST_MS * MS);
}

static void test_connection_that_is_back_says_nothing(void **state)
{
	struct pulse p = {.is_connected = true,
			  .down_us = 100 * MS,
			  .heard_us = 120 * MS};

	assert_false(pulse_is_lost(&p, 0, 1000 * MS));
}

static void test_silence_says_lost_late(void **state)
{
	struct pulse p = {.is_connected = true, .heard_us = 50 * MS};

	assert_false(pulse_is_lost(&p, 0, (50 + LIMIT_SILENT_MS - 1) * MS));
	assert_true(pulse_is_lost(&p, 0, (50 + LIMIT_SILENT_MS) * MS));
}

static void test_own_standstill_is_nobodys_silence(void **state)
{
	struct pulse p = {.is_connected = true, .heard_us = 50 * MS};

	assert_false(pulse_is_lost(&p, 9000 * MS, 9001 * MS));
	/* And one that broke while nobody looked gets its moment. */
	struct pulse broken = {.down_us = 60 * MS};
	assert_false(pulse_is_lost(&broken, 9000 * MS, 9001 * MS));
	assert_true(
		pulse_is_lost(&broken, 9000 * MS, (9000 + LIMIT_LOST_MS) * MS));
}

static void test_never_connected_gets_time_to_come(void **state)
{
	struct pulse p = {0};

	assert_false(pulse_is_lost(&p, 10 * MS, 500 * MS));
	assert_true(pulse_is_lost(&p, 10 * MS, (10 + LIMIT_SILENT_MS) * MS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_broken_connection_says_lost_soon),
		cmocka_unit_test(test_connection_that_is_back_says_nothing),
		cmocka_unit_test(test_silence_says_lost_late),
		cmocka_unit_test(test_own_standstill_is_nobodys_silence),
		cmocka_unit_test(test_never_connected_gets_time_to_come),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
