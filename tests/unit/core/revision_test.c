/* Revisions and the catalog that is read from them. */
#include "cluster/core/revision.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/core/command.h"
#include "declare.h"

struct world {
	struct map *map;
	struct kv kv;
	struct declare a;
	uint64_t index;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->map = map_new();
	w->kv = kv_mem(w->map);
	declare_init(&w->a);
	declare_connection(&w->a, 1, "berlin");
	declare_connection(&w->a, 2, "paris");
	declare_table(&w->a, declare_sync(&w->a, 1, "stock", 6, true), 1,
		      "items");
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	declare_free(&w->a);
	map_free(w->map);
	free(w);
	return 0;
}

/* Put w->a in force. */
static int give(struct world *w, uint32_t base, const char *text)
{
	struct blob *packed = declare_pack(&w->a);
	struct catalog *before = catalog_load(&w->kv);
	Synod__Command__Revision c;

	synod__command__revision__init(&c);
	c.base_revision = base;
	c.author = command_text("ann");
	c.message = command_text("because");
	c.time_us = 77;
	c.text.data = (uint8_t *)(uintptr_t)text;
	c.text.len = strlen(text);
	c.definition.data = packed->data;
	c.definition.len = packed->len;
	int rc = revision_take(&w->kv, before, ++w->index, &c, NULL);
	catalog_free(before);
	blob_unref(packed);
	return rc;
}

static void test_nothing_is_declared_at_first(void **state)
{
	struct world *w = *state;
	struct revision r;
	struct catalog *c = catalog_load(&w->kv);

	assert_int_equal(catalog_revision(c), 0);
	assert_null(catalog_definition(c));
	assert_null(catalog_table(c, 1));
	assert_null(catalog_at(c, 0));
	assert_null(catalog_sync(c, 1));
	assert_null(catalog_sync_named(c, "stock"));
	assert_null(catalog_connection(c, 1));
	assert_null(catalog_connection(c, 0));
	assert_null(catalog_connection(c, 64));
	assert_int_equal(revision_list(&w->kv, &r, 1), 0);
	catalog_free(c);
}

static void test_a_revision_is_in_force_and_in_the_history(void **state)
{
	struct world *w = *state;
	struct revision r;
	struct bytes text;

	w->index = 41;
	assert_int_equal(give(w, 0, "# mine\n"), 0);
	assert_true(revision_read(&w->kv, 1, &r));
	assert_int_equal(r.number, 1);
	assert_int_equal(r.index, 42);
	assert_int_equal(r.time_us, 77);
	assert_int_equal(r.n_syncs, 1);
	assert_int_equal(r.n_connections, 2);
	assert_int_equal(r.n_tables, 1);
	assert_string_equal(r.author, "ann");
	assert_string_equal(r.message, "because");
	assert_string_equal(r.change, "+stock +berlin +paris");
	assert_true(revision_text(&w->kv, 1, &text));
	assert_int_equal(text.len, 7);
	assert_memory_equal(text.data, "# mine\n", 7);
	assert_false(revision_read(&w->kv, 2, &r));

	struct catalog *c = catalog_load(&w->kv);
	assert_int_equal(catalog_revision(c), 1);
	assert_string_equal(catalog_connection(c, 2)->name, "paris");
	assert_int_equal(catalog_connection_named(c, "paris")->id, 2);
	assert_null(catalog_connection_named(c, "rome"));
	assert_int_equal(catalog_sync_named(c, "stock")->id, 1);
	assert_int_equal(catalog_table(c, 1)->order_at, 42);
	catalog_free(c);
}

static void test_a_stale_base_is_refused(void **state)
{
	struct world *w = *state;

	assert_int_equal(give(w, 1, ""), ERR_CHANGED);
	assert_int_equal(map_count(w->map), 0);
	assert_int_equal(give(w, 0, ""), 0);
	assert_int_equal(give(w, 0, ""), ERR_CHANGED);
	assert_int_equal(give(w, 1, ""), 0);
}

static void test_a_bad_definition_changes_nothing(void **state)
{
	struct world *w = *state;
	struct catalog *before = catalog_load(&w->kv);
	Synod__Command__Revision c;
	uint8_t noise[] = {0xff, 0xff, 0xff};

	w->a.d.syncs[0]->tables[0]->id = 0;
	assert_int_equal(give(w, 0, ""), ERR_INVALID);
	synod__command__revision__init(&c);
	c.definition.data = noise;
	c.definition.len = sizeof(noise);
	assert_int_equal(revision_take(&w->kv, before, 1, &c, NULL),
			 ERR_CORRUPT);
	catalog_free(before);
	assert_int_equal(map_count(w->map), 0);
}

static void test_too_long_texts_are_refused(void **state)
{
	struct world *w = *state;
	struct catalog *before = catalog_load(&w->kv);
	Synod__Command__Revision c;
	char text[LIMIT_MESSAGE_BYTES + 2];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	synod__command__revision__init(&c);
	c.message = text;
	assert_int_equal(revision_take(&w->kv, before, 1, &c, NULL), ERR_LIMIT);
	c.message[LIMIT_MESSAGE_BYTES] = '\0';
	c.author = command_text("ann");
	assert_int_equal(revision_take(&w->kv, before, 1, &c, NULL), 0);
	catalog_free(before);
}

static void test_the_oldest_revisions_go(void **state)
{
	struct world *w = *state;
	struct revision list[3];
	struct bytes text;
	char now[16];

	for (uint32_t i = 0; i < LIMIT_REVISIONS + 7; i++) {
		snprintf(now, sizeof(now), "text %u", i + 1);
		assert_int_equal(give(w, i, now), 0);
	}
	assert_int_equal(revision_list(&w->kv, list, 3), 3);
	assert_int_equal(list[0].number, LIMIT_REVISIONS + 7);
	assert_int_equal(list[2].number, LIMIT_REVISIONS + 5);
	assert_false(revision_text(&w->kv, 7, &text));
	assert_true(revision_text(&w->kv, 8, &text));
	assert_memory_equal(text.data, "text 8", 6);
	/* "d", and "r" and "w" of each. */
	assert_int_equal(map_count(w->map), 1 + 2 * LIMIT_REVISIONS);
}

static void test_a_dropped_table_is_known_until_it_is_purged(void **state)
{
	struct world *w = *state;
	const struct catalog_table *t;

	assert_int_equal(give(w, 0, ""), 0);
	w->index = 9;
	w->a.d.syncs[0]->n_tables = 0;
	declare_table(&w->a, w->a.d.syncs[0], 2, "items");
	assert_int_equal(give(w, 1, ""), 0);
	struct catalog *c = catalog_load(&w->kv);
	t = catalog_table(c, 1);
	assert_non_null(t);
	assert_false(t->is_current);
	assert_int_equal(t->order_at, 1);
	assert_int_equal(t->dropped_at, 10);
	assert_string_equal(t->table->name, "items");
	assert_string_equal(t->sync->name, "stock");
	assert_true(t->is_two_way);
	assert_int_equal(catalog_old_tables(c), 1);
	t = catalog_table(c, 2);
	assert_true(t->is_current);
	assert_int_equal(t->order_at, 10);
	assert_ptr_equal(catalog_at(c, 1), t);
	assert_null(catalog_at(c, 2));

	assert_false(revision_purge(&w->kv, c, 9));
	assert_true(revision_purge(&w->kv, c, 10));
	catalog_free(c);
	c = catalog_load(&w->kv);
	assert_null(catalog_table(c, 1));
	assert_non_null(catalog_table(c, 2));
	assert_int_equal(catalog_old_tables(c), 0);
	catalog_free(c);
	/* And its id is gone for good. */
	w->a.d.syncs[0]->tables[0]->id = 1;
	assert_int_equal(give(w, 2, ""), ERR_INVALID);
}

static void test_a_table_that_stays_keeps_its_place_in_the_log(void **state)
{
	struct world *w = *state;

	assert_int_equal(give(w, 0, ""), 0);
	declare_table(&w->a, w->a.d.syncs[0], 2, "orders");
	w->index = 20;
	assert_int_equal(give(w, 1, ""), 0);
	struct catalog *c = catalog_load(&w->kv);
	assert_int_equal(catalog_table(c, 1)->order_at, 1);
	assert_int_equal(catalog_table(c, 2)->order_at, 21);
	catalog_free(c);
}

/* Everything goes and comes back: sync and table are new ones. */
static void test_a_sync_may_go_altogether(void **state)
{
	struct world *w = *state;

	assert_int_equal(give(w, 0, ""), 0);
	w->a.d.n_syncs = 0;
	assert_int_equal(give(w, 1, ""), 0);
	struct catalog *c = catalog_load(&w->kv);
	assert_null(catalog_sync(c, 1));
	assert_int_equal(catalog_table(c, 1)->sync->id, 1);
	catalog_free(c);
	declare_table(&w->a, declare_sync(&w->a, 1, "stock", 6, true), 1,
		      "items");
	assert_int_equal(give(w, 2, ""), ERR_INVALID);
	w->a.d.n_syncs = 0;
	declare_table(&w->a, declare_sync(&w->a, 2, "stock", 6, true), 2,
		      "items");
	assert_int_equal(give(w, 2, ""), 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_is_declared_at_first),
		TEST(test_a_revision_is_in_force_and_in_the_history),
		TEST(test_a_stale_base_is_refused),
		TEST(test_a_bad_definition_changes_nothing),
		TEST(test_too_long_texts_are_refused),
		TEST(test_the_oldest_revisions_go),
		TEST(test_a_dropped_table_is_known_until_it_is_purged),
		TEST(test_a_table_that_stays_keeps_its_place_in_the_log),
		TEST(test_a_sync_may_go_altogether),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
