/* The catalog of one definition: lookups and masks. */
#include "cluster/core/catalog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "declare.h"

static void test_masks_say_who_takes_part(void **state)
{
	struct declare a;
	const struct catalog_table *t;

	declare_init(&a);
	declare_connection(&a, 1, "berlin");
	declare_connection(&a, 2, "paris");
	declare_connection(&a, 63, "rome");
	uint64_t all = catalog_bit(1) | catalog_bit(2) | catalog_bit(63);
	declare_table(&a, declare_sync(&a, 1, "both", all, true), 1, "items");
	declare_table(&a, declare_sync(&a, 2, "out", all, false), 2, "orders");
	struct catalog *c = catalog_of(&a.d);

	t = catalog_table(c, 1);
	assert_true(t->members == all && t->sources == all &&
		    t->targets == all);
	assert_true(t->is_two_way && t->is_current);
	t = catalog_table(c, 2);
	assert_true(t->members == all);
	assert_true(t->sources == catalog_bit(1));
	assert_true(t->targets == (catalog_bit(2) | catalog_bit(63)));
	assert_false(t->is_two_way);
	assert_string_equal(t->sync->name, "out");
	assert_int_equal(catalog_side(t, 63)->connection_id, 63);
	assert_true(catalog_side(t, 63)->is_target);
	assert_null(catalog_side(t, 3));
	assert_int_equal(catalog_revision(c), 0);
	assert_ptr_equal(catalog_definition(c), &a.d);
	catalog_free(c);
	declare_free(&a);
}

static void test_every_table_is_found_and_no_other(void **state)
{
	struct declare a;
	Synod__Definition__Sync *s;

	declare_init(&a);
	declare_connection(&a, 1, "berlin");
	declare_connection(&a, 2, "paris");
	s = declare_sync(&a, 1, "stock", 6, true);
	/* Not in order: ids are given as tables come. */
	for (uint32_t i = 0; i < 100; i++)
		declare_table(&a, s, 1 + 2 * (i * 37 % 100), "t");
	struct catalog *c = catalog_of(&a.d);
	for (uint32_t i = 0; i < 100; i++) {
		uint32_t id = 1 + 2 * i;

		assert_int_equal(catalog_table(c, id)->table->id, id);
		assert_null(catalog_table(c, id + 1));
		assert_ptr_equal(catalog_at(c, i), catalog_table(c, id));
	}
	assert_null(catalog_table(c, 0));
	assert_null(catalog_at(c, 100));
	catalog_free(c);
	catalog_free(NULL);
	declare_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_masks_say_who_takes_part),
		cmocka_unit_test(test_every_table_is_found_and_no_other),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
