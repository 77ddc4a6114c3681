#include "bench/load.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_line_is_first_come_first_served(void **state)
{
	static struct load_line l;
	uint32_t next = 0;

	/* More rounds than places: the ring goes around. */
	for (uint32_t i = 0; i < 3 * LOAD_CLIENTS_MAX; i++) {
		load_line_push(&l, i);
		if (i % 2)
			assert_int_equal(load_line_pop(&l), next++);
		while (l.n == LOAD_CLIENTS_MAX)
			assert_int_equal(load_line_pop(&l), next++);
	}
	while (l.n > 0)
		assert_int_equal(load_line_pop(&l), next++);
	assert_int_equal(next, 3 * LOAD_CLIENTS_MAX);
}

static void test_value_cannot_be_compressed(void **state)
{
	const struct load_plan plan = {.size = 65537};
	unsigned seen[256] = {0};

	uint8_t *value = load_value(&plan);
	for (size_t i = 0; i < plan.size; i++)
		seen[value[i]]++;

	/* All bytes about equally often, and no half like the other. */
	for (unsigned i = 0; i < 256; i++)
		assert_in_range(seen[i], 150, 370);
	assert_memory_not_equal(value, value + 32768, 32768);
	free(value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line_is_first_come_first_served),
		cmocka_unit_test(test_value_cannot_be_compressed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
