/* Definitions: what is refused, one mistake at a time, and the summary. */
#include "cluster/core/definition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/core/command.h"
#include "declare.h"
#include "proto/limits.h"
#include "proto/value.h"

/* Two connections, a two-way sync of two tables. */
static void good(struct declare *a)
{
	Synod__Definition__Sync *s;

	declare_init(a);
	declare_connection(a, 1, "berlin");
	declare_connection(a, 2, "paris");
	s = declare_sync(a, 1, "stock", 6, true);
	declare_table(a, s, 1, "items");
	declare_table(a, s, 2, "orders");
}

static const struct catalog *nothing(void)
{
	static Synod__Definition__Definition d;
	static struct catalog *c;

	synod__definition__definition__init(&d);
	if (!c)
		c = catalog_of(&d);
	return c;
}

/* -- one mistake each ------------------------------------------------------ */
static Synod__Definition__Sync *sync_of(struct declare *a)
{
	return a->d.syncs[0];
}

static Synod__Definition__Table *table_of(struct declare *a)
{
	return a->d.syncs[0]->tables[0];
}

static void connection_id_0(struct declare *a)
{
	a->d.connections[0]->id = 0;
}
static void connection_id_64(struct declare *a)
{
	a->d.connections[0]->id = 64;
}
static void connection_id_twice(struct declare *a)
{
	a->d.connections[0]->id = 2;
}
static void connection_name_twice(struct declare *a)
{
	a->d.connections[0]->name = command_text("paris");
}
static void connection_without_name(struct declare *a)
{
	a->d.connections[0]->name = command_text("");
}
static void sync_id_0(struct declare *a)
{
	sync_of(a)->id = 0;
}
static void sync_id_beyond_next(struct declare *a)
{
	sync_of(a)->id = a->d.next_sync_id;
}
static void sync_name_twice(struct declare *a)
{
	declare_sync(a, 2, "stock", 6, true);
}
static void sync_of_unknown_connection(struct declare *a)
{
	sync_of(a)->connection_ids[0] = 3;
}
static void sync_of_one_connection_twice(struct declare *a)
{
	sync_of(a)->connection_ids[0] = 2;
}
static void sync_of_one_connection(struct declare *a)
{
	sync_of(a)->n_connection_ids = 1;
}
static void table_id_0(struct declare *a)
{
	table_of(a)->id = 0;
}
static void table_id_beyond_next(struct declare *a)
{
	table_of(a)->id = a->d.next_table_id;
}
static void table_id_twice(struct declare *a)
{
	table_of(a)->id = 2;
}
static void no_fields(struct declare *a)
{
	table_of(a)->n_fields = 0;
}
static void no_key(struct declare *a)
{
	table_of(a)->fields[0]->is_key = false;
}
static void key_behind(struct declare *a)
{
	Synod__Definition__Table *t = table_of(a);
	Synod__Definition__Field *f = t->fields[0];

	t->fields[0] = t->fields[1];
	t->fields[1] = f;
}
static void unknown_type(struct declare *a)
{
	table_of(a)->fields[1]->type = VALUE__N;
}
static void no_type(struct declare *a)
{
	table_of(a)->fields[1]->type = 0;
}
static void side_of_other_connection(struct declare *a)
{
	declare_connection(a, 3, "rome");
	table_of(a)->sides[0]->connection_id = 3;
}
static void side_of_far_connection(struct declare *a)
{
	table_of(a)->sides[0]->connection_id = 1000000;
}
static void side_twice(struct declare *a)
{
	table_of(a)->sides[0]->connection_id = 2;
}
static void side_with_fewer_columns(struct declare *a)
{
	table_of(a)->sides[1]->n_columns = 1;
}
static void side_for_nothing(struct declare *a)
{
	table_of(a)->sides[1]->is_source = false;
	table_of(a)->sides[1]->is_target = false;
}
static void no_target(struct declare *a)
{
	table_of(a)->sides[0]->is_target = false;
	table_of(a)->sides[1]->is_target = false;
}
static void condition_on_no_field(struct declare *a)
{
	static Synod__Definition__Comparison w;
	static Synod__Definition__Comparison *list = &w;

	synod__definition__comparison__init(&w);
	w.field = 2;
	table_of(a)->sides[0]->where = &list;
	table_of(a)->sides[0]->n_where = 1;
}
static void prefers_a_stranger(struct declare *a)
{
	static Synod__Definition__Policy p;

	synod__definition__policy__init(&p);
	p.rule = SYNOD__DEFINITION__POLICY__RULE__PREFER;
	p.prefer_id = 3;
	sync_of(a)->policy = &p;
}
static void unknown_rule(struct declare *a)
{
	static Synod__Definition__Policy p;

	synod__definition__policy__init(&p);
	p.rule = (Synod__Definition__Policy__Rule)99;
	sync_of(a)->policy = &p;
}
static void authority_is_a_stranger(struct declare *a)
{
	static Synod__Definition__Initial i;

	synod__definition__initial__init(&i);
	i.authority_id = 3;
	sync_of(a)->initial = &i;
}

static void test_each_mistake_is_refused(void **state)
{
	static void (*const mistakes[])(struct declare *) = {
		connection_id_0,
		connection_id_64,
		connection_id_twice,
		connection_name_twice,
		connection_without_name,
		sync_id_0,
		sync_id_beyond_next,
		sync_name_twice,
		sync_of_unknown_connection,
		sync_of_one_connection_twice,
		sync_of_one_connection,
		table_id_0,
		table_id_beyond_next,
		table_id_twice,
		no_fields,
		no_key,
		key_behind,
		unknown_type,
		no_type,
		side_of_other_connection,
		side_of_far_connection,
		side_twice,
		side_with_fewer_columns,
		side_for_nothing,
		no_target,
		condition_on_no_field,
		prefers_a_stranger,
		unknown_rule,
		authority_is_a_stranger,
	};

	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		struct declare a;
		struct err e = {0};

		good(&a);
		assert_int_equal(definition_check(nothing(), &a.d, &e), 0);
		mistakes[i](&a);
		if (definition_check(nothing(), &a.d, &e) != ERR_INVALID)
			fail_msg("mistake %zu was not seen", i);
		assert_true(e.text[0] != '\0');
		declare_free(&a);
	}
}

static void test_limits_are_refused(void **state)
{
	struct declare a;
	Synod__Definition__Sync *s;

	good(&a);
	s = a.d.syncs[0];
	for (uint32_t i = 3; i <= LIMIT_TABLES; i++)
		declare_table(&a, s, i, "many");
	assert_int_equal(definition_check(nothing(), &a.d, NULL), 0);
	declare_table(&a, s, LIMIT_TABLES + 1, "one more");
	assert_int_equal(definition_check(nothing(), &a.d, NULL), ERR_LIMIT);
	declare_free(&a);
}

/* -- after another one ----------------------------------------------------- */
static void test_what_follows_keeps_its_ids(void **state)
{
	struct declare a, b;

	good(&a);
	struct catalog *before = catalog_of(&a.d);
	good(&b);
	assert_int_equal(definition_check(before, &b.d, NULL), 0);
	/* A table that changed under its id would change the log's meaning. */
	b.d.syncs[0]->tables[0]->fields[1]->type = VALUE_INT64;
	assert_int_equal(definition_check(before, &b.d, NULL), ERR_INVALID);
	b.d.syncs[0]->tables[0]->id = 3;
	assert_int_equal(definition_check(before, &b.d, NULL), ERR_INVALID);
	b.d.next_table_id = 4;
	assert_int_equal(definition_check(before, &b.d, NULL), 0);
	declare_free(&b);
	catalog_free(before);
	declare_free(&a);
}

static void test_ids_are_never_used_again(void **state)
{
	struct declare a, b;

	good(&a);
	a.d.next_table_id = 10;
	a.d.next_sync_id = 5;
	struct catalog *before = catalog_of(&a.d);
	good(&b);
	assert_int_equal(definition_check(before, &b.d, NULL), ERR_INVALID);
	b.d.next_table_id = 12;
	b.d.next_sync_id = 6;
	assert_int_equal(definition_check(before, &b.d, NULL), 0);
	/* 4 was that of a table once. */
	b.d.syncs[0]->tables[1]->id = 4;
	assert_int_equal(definition_check(before, &b.d, NULL), ERR_INVALID);
	b.d.syncs[0]->tables[1]->id = 11;
	assert_int_equal(definition_check(before, &b.d, NULL), 0);
	declare_sync(&b, 3, "more", 6, true);
	assert_int_equal(definition_check(before, &b.d, NULL), ERR_INVALID);
	b.d.syncs[1]->id = 5;
	assert_int_equal(definition_check(before, &b.d, NULL), 0);
	declare_free(&b);
	catalog_free(before);
	declare_free(&a);
}

static void test_a_connection_is_not_replaced_under_its_id(void **state)
{
	struct declare a, b;

	good(&a);
	struct catalog *before = catalog_of(&a.d);
	good(&b);
	b.d.connections[0]->name = command_text("rome");
	assert_int_equal(definition_check(before, &b.d, NULL), ERR_INVALID);
	declare_free(&b);
	catalog_free(before);
	declare_free(&a);
}

/* -- the summary ----------------------------------------------------------- */
static void test_the_summary_names_what_changed(void **state)
{
	struct declare a, b;
	char buf[64];

	good(&a);
	assert_string_equal(
		definition_summary(nothing(), &a.d, buf, sizeof(buf)),
		"+stock +berlin +paris");
	struct catalog *before = catalog_of(&a.d);
	assert_string_equal(definition_summary(before, &a.d, buf, sizeof(buf)),
			    "");
	declare_init(&b);
	declare_connection(&b, 1, "berlin")->type = command_text("postgresql");
	declare_connection(&b, 2, "paris");
	declare_connection(&b, 3, "rome");
	declare_sync(&b, 2, "orders", 6, true);
	assert_string_equal(definition_summary(before, &b.d, buf, sizeof(buf)),
			    "+orders -stock ~berlin +rome");
	assert_string_equal(definition_summary(before, &b.d, buf, 20),
			    "+orders -stock ...");
	declare_free(&b);
	catalog_free(before);
	declare_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_mistake_is_refused),
		cmocka_unit_test(test_limits_are_refused),
		cmocka_unit_test(test_what_follows_keeps_its_ids),
		cmocka_unit_test(test_ids_are_never_used_again),
		cmocka_unit_test(
			test_a_connection_is_not_replaced_under_its_id),
		cmocka_unit_test(test_the_summary_names_what_changed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
