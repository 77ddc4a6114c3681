/* The schema with lists, items that are a value or a block, open tables, and
 * keys that are known and not built: what definitions are made of. */
#include "node/config_schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct point {
	const char *label; /* the plain form, too */
	int64_t x;
	struct config_others others;
	const struct yaml_node *node;
};

struct picture {
	struct point *points;
	size_t n_points;
	const struct yaml_node *points_key;
	struct point middle;
};

static const struct config_field point_fields[] = {
	{.name = "",
	 .kind = FIELD_NAME,
	 .doc = "Its label.",
	 .offset = offsetof(struct point, label)},
	{.name = "x",
	 .kind = FIELD_INTEGER,
	 .doc = "Where.",
	 .preset = "7",
	 .offset = offsetof(struct point, x)},
	{.name = "y", .kind = FIELD_LATER, .doc = "A second axis is planned."},
	{.name = "ANY",
	 .kind = FIELD_OTHERS,
	 .doc = "Whatever else.",
	 .offset = offsetof(struct point, others)},
	{0},
};

static const struct config_field fields[] = {
	{.name = "points",
	 .kind = FIELD_LIST,
	 .doc = "Points.",
	 .offset = offsetof(struct picture, points),
	 .min = 1,
	 .max = 3,
	 .fields = point_fields,
	 .item_bytes = sizeof(struct point),
	 .n_offset = offsetof(struct picture, n_points),
	 .key_offset = offsetof(struct picture, points_key),
	 .item_key_offset = offsetof(struct point, node)},
	{.name = "middle",
	 .kind = FIELD_BLOCK,
	 .doc = "The middle.",
	 .offset = offsetof(struct picture, middle),
	 .fields = point_fields},
	{0},
};

struct scene {
	struct picture p;
	struct yaml_tree tree;
	struct config_settings settings;
	struct config_problems problems;
};

static void read_text(struct scene *s, const char *text)
{
	struct bytes bytes = {(const uint8_t *)text, strlen(text)};

	*s = (struct scene){0};
	config_settings_init(&s->settings);
	s->settings.is_brief = true;
	config_problems_init(&s->problems);
	config_problems_about(&s->problems, "s.yaml", bytes);
	yaml_tree_read(&s->tree, bytes, &s->problems);
	config_schema_read(fields, &s->tree, &s->p, &s->settings, &s->problems);
}

static void clear(struct scene *s)
{
	config_settings_clear(&s->settings);
	config_problems_clear(&s->problems);
	yaml_tree_clear(&s->tree);
}

static void test_items_are_values_or_blocks(void **state)
{
	struct scene s;

	read_text(&s, "points:\n  - a\n  - { x: 3, crm: b, shop: [c] }\n");

	assert_int_equal(s.problems.n, 0);
	assert_int_equal(s.p.n_points, 2);
	assert_string_equal(s.p.points[0].label, "a");
	assert_int_equal(s.p.points[0].x, 7); /* its preset */
	assert_int_equal(s.p.points[0].node->place.line, 2);
	assert_null(s.p.points[1].label);
	assert_int_equal(s.p.points[1].x, 3);
	assert_int_equal(s.p.points[1].others.n, 2);
	assert_string_equal(s.p.points[1].others.keys[1]->text, "shop");
	assert_int_equal(s.p.points[1].others.keys[1]->value->kind, TREE_LIST);
	assert_int_equal(s.p.points_key->place.line, 1);
	assert_null(s.settings.first); /* brief */
	clear(&s);
}

static void test_one_item_needs_no_list(void **state)
{
	struct scene s;

	read_text(&s, "points: a\nmiddle: m\n");

	assert_int_equal(s.problems.n, 0);
	assert_int_equal(s.p.n_points, 1);
	assert_string_equal(s.p.points[0].label, "a");
	assert_string_equal(s.p.middle.label, "m");
	assert_int_equal(s.p.middle.x, 7);
	clear(&s);
}

static void test_number_of_items_has_a_range(void **state)
{
	struct scene s;

	read_text(&s, "points: [a, b, c, d]\n");
	assert_int_equal(s.problems.n, 1);
	assert_int_equal(s.problems.items[0].code, PROBLEM_RANGE);
	assert_string_equal(s.problems.items[0].text, "'points' has 4 entries");
	assert_int_equal(s.p.n_points, 3); /* memory stays bounded */
	clear(&s);

	read_text(&s, "points: []\n");
	assert_int_equal(s.problems.n, 1);
	clear(&s);

	read_text(&s, "points:\n");
	assert_int_equal(s.problems.n, 1);
	assert_string_equal(s.problems.items[0].text, "'points' has no value");
	clear(&s);
}

static void test_bad_item_is_a_problem_of_its_own(void **state)
{
	struct scene s;

	read_text(&s, "points:\n  - a b\n  - [x]\n  - { x: no, y: 1 }\n");

	assert_int_equal(s.problems.n, 4);
	assert_string_equal(s.problems.items[0].text, "'a b' is not a name");
	assert_string_equal(s.problems.items[1].text,
			    "'points' takes a mapping, not a list");
	assert_int_equal(s.problems.items[1].place.line, 3);
	assert_string_equal(s.problems.items[2].text,
			    "'no' is not a whole number");
	assert_int_equal(s.problems.items[3].code, PROBLEM_LATER);
	assert_string_equal(s.problems.items[3].note,
			    "A second axis is planned. Remove it for now.");
	clear(&s);
}

/* A key that is called like the marks of the table is an ordinary key. */
static void test_marks_of_the_table_are_no_keys(void **state)
{
	struct scene s;

	read_text(&s, "middle: { ANY: 1, \"\": 2 }\n");

	assert_int_equal(s.problems.n, 0);
	assert_int_equal(s.p.middle.others.n, 2);
	assert_null(s.p.middle.label);
	clear(&s);
}

static void test_paths_skip_items(void **state)
{
	assert_ptr_equal(config_schema_find(fields, "points.x"),
			 &point_fields[1]);
	assert_ptr_equal(config_schema_find(fields, "points.*.x"),
			 &point_fields[1]);
	assert_ptr_equal(config_schema_find(fields, "middle.y"),
			 &point_fields[2]);
	assert_null(config_schema_find(fields, "middle.ANY"));
	assert_null(config_schema_find(fields, "middle..x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_items_are_values_or_blocks),
		cmocka_unit_test(test_one_item_needs_no_list),
		cmocka_unit_test(test_number_of_items_has_a_range),
		cmocka_unit_test(test_bad_item_is_a_problem_of_its_own),
		cmocka_unit_test(test_marks_of_the_table_are_no_keys),
		cmocka_unit_test(test_paths_skip_items),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
