#include "node/yaml_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/limits.h"

struct read {
	struct yaml_tree tree;
	struct config_problems problems;
};

static void read_bytes(struct read *r, const void *text, size_t len)
{
	struct bytes bytes = {text, len};

	config_problems_init(&r->problems);
	config_problems_about(&r->problems, "t.yaml", bytes);
	yaml_tree_read(&r->tree, bytes, &r->problems);
}

static void read_text(struct read *r, const char *text)
{
	read_bytes(r, text, strlen(text));
}

static void clear(struct read *r)
{
	yaml_tree_clear(&r->tree);
	config_problems_clear(&r->problems);
}

/* Reading text gives exactly one problem: code at line:column. */
static void assert_problem(const char *text, enum problem_code code,
			   unsigned line, unsigned column)
{
	struct read r;

	read_text(&r, text);
	assert_int_equal(r.problems.n, 1);
	assert_int_equal(r.problems.items[0].code, code);
	assert_int_equal(r.problems.items[0].place.line, line);
	assert_int_equal(r.problems.items[0].place.column, column);
	clear(&r);
}

static void test_the_tree_remembers_places(void **state)
{
	struct read r;

	/* Given a mapping, a list and quotes. */
	read_text(&r, "name: n1\n"
		      "list:\n"
		      "  - a\n"
		      "  - 'b'\n"
		      "empty:\n");
	/* Then each node stands where it was written. */
	assert_int_equal(r.problems.n, 0);
	assert_true(r.tree.is_whole);
	assert_int_equal(r.tree.root->kind, TREE_MAPPING);
	assert_int_equal(r.tree.root->n, 3);
	const struct yaml_node *name = r.tree.root->first;
	assert_string_equal(name->text, "name");
	assert_string_equal(name->value->text, "n1");
	assert_int_equal(name->value->place.line, 1);
	assert_int_equal(name->value->place.column, 7);
	const struct yaml_node *list = name->next->value;
	assert_int_equal(list->kind, TREE_LIST);
	assert_int_equal(list->n, 2);
	assert_true(list->first->is_plain);
	assert_false(list->first->next->is_plain);
	assert_int_equal(list->first->next->place.line, 4);
	assert_int_equal(list->first->next->place.column, 5);
	const struct yaml_node *empty = name->next->next;
	assert_int_equal(empty->value->kind, TREE_TEXT);
	assert_int_equal(empty->value->len, 0);
	clear(&r);
}

static void test_what_is_no_part_of_the_dialect_is_a_problem(void **state)
{
	assert_problem("a: &x 1\n", PROBLEM_DIALECT, 1, 4);
	assert_problem("a: !!str 1\n", PROBLEM_DIALECT, 1, 4);
	assert_problem("a: ! 1\n", PROBLEM_DIALECT, 1, 4);
	assert_problem("a: &x {b: 1}\n", PROBLEM_DIALECT, 1, 4);
	assert_problem("a: !t [1]\n", PROBLEM_DIALECT, 1, 4);
	assert_problem("a: *x\n", PROBLEM_DIALECT, 1, 4);
	assert_problem("a: 1\n---\nb: 1\n", PROBLEM_DIALECT, 2, 1);
	assert_problem("%TAG ! tag:x,2000:\n---\na: 1\n", PROBLEM_DIALECT, 1,
		       1);
}

static void test_keys_are_names_and_stand_once(void **state)
{
	assert_problem("a: 1\nb: 2\na: 3\n", PROBLEM_DUPLICATE_KEY, 3, 1);
	assert_problem("o: {a: 1, a: 2}\n", PROBLEM_DUPLICATE_KEY, 1, 11);
	assert_problem("? [x]\n: 1\n", PROBLEM_BAD_TYPE, 1, 3);
	assert_problem("{? {x: 1} : 1}\n", PROBLEM_BAD_TYPE, 1, 4);
}

static void test_the_second_of_two_keys_does_not_count(void **state)
{
	struct read r;

	read_text(&r, "a: 1\na: 2\n");
	assert_string_equal(r.problems.items[0].note, "first set on line 1");
	assert_int_equal(r.tree.root->first->kind, TREE_TEXT);
	assert_int_equal(r.tree.root->first->next->kind, TREE_BROKEN);
	clear(&r);
}

static void test_syntax_errors_say_where(void **state)
{
	assert_problem("a: [1, 2\n", PROBLEM_SYNTAX, 2, 1);
	assert_problem("a: b: c\n", PROBLEM_SYNTAX, 1, 5);
	assert_problem("a: 'x\n", PROBLEM_SYNTAX, 2, 1);
	assert_problem("a: @x\n", PROBLEM_SYNTAX, 1, 4);
	assert_problem("a: 1\n\xff\n", PROBLEM_SYNTAX, 2, 1);
	assert_problem("a: \x01\n", PROBLEM_SYNTAX, 1, 4);
	/* UTF-16 is not guessed. */
	assert_problem("\xff\xfe"
		       "a\n",
		       PROBLEM_SYNTAX, 1, 1);
}

static void test_a_tab_is_explained(void **state)
{
	struct read r;

	read_text(&r, "a:\n\tb: 1\n");
	assert_int_equal(r.problems.n, 1);
	assert_string_equal(r.problems.items[0].note,
			    "indent with spaces; YAML knows no tabs");
	clear(&r);
}

static void test_what_stands_before_a_syntax_error_is_kept(void **state)
{
	struct read r;

	read_text(&r, "a: 1\nb: [2\n");
	assert_false(r.tree.is_whole);
	assert_non_null(r.tree.root);
	assert_string_equal(r.tree.root->first->text, "a");
	assert_string_equal(r.tree.root->first->value->text, "1");
	clear(&r);
}

static void test_an_empty_file_is_a_problem(void **state)
{
	assert_problem("", PROBLEM_EMPTY, 0, 0);
	assert_problem("# only a remark\n\n", PROBLEM_EMPTY, 0, 0);
}

static void test_a_nul_byte_is_a_problem(void **state)
{
	assert_problem("a: \"x\\0y\"\n", PROBLEM_BAD_VALUE, 1, 4);
}

static void test_a_byte_order_mark_is_skipped(void **state)
{
	struct read r;

	read_text(&r, "\xef\xbb\xbf"
		      "a: 1\n");
	assert_int_equal(r.problems.n, 0);
	assert_string_equal(r.tree.root->first->text, "a");
	clear(&r);
}

static void test_nesting_has_a_limit(void **state)
{
	char text[LIMIT_CONFIG_DEPTH + 2];

	memset(text, '[', sizeof text);
	text[LIMIT_CONFIG_DEPTH + 1] = '\0';
	assert_problem(text, PROBLEM_LIMIT, 1, LIMIT_CONFIG_DEPTH + 1);
}

static void test_the_deepest_allowed_nesting_is_read(void **state)
{
	struct read r;
	char text[2 * LIMIT_CONFIG_DEPTH + 1];

	memset(text, '[', LIMIT_CONFIG_DEPTH);
	memset(text + LIMIT_CONFIG_DEPTH, ']', LIMIT_CONFIG_DEPTH);
	text[2 * LIMIT_CONFIG_DEPTH] = '\0';
	read_text(&r, text);
	assert_int_equal(r.problems.n, 0);
	clear(&r);
}

static void test_a_file_over_the_limit_is_not_read(void **state)
{
	struct read r;
	size_t len = LIMIT_CONFIG_BYTES + 1;
	char *text = malloc(len);

	assert_non_null(text);
	memset(text, ' ', len);
	read_bytes(&r, text, len);
	assert_int_equal(r.problems.n, 1);
	assert_int_equal(r.problems.items[0].code, PROBLEM_LIMIT);
	assert_null(r.tree.root);
	clear(&r);
	free(text);
}

/* Comparing each key with each would take minutes. */
static void test_very_many_keys_take_no_time(void **state)
{
	enum { KEYS = 80000 };
	struct read r;
	char *text = malloc((size_t)KEYS * 12 + 1);
	size_t used = 0;

	assert_non_null(text);
	for (int i = 0; i < KEYS; i++)
		used += (size_t)snprintf(text + used, 12, "k%d: 1\n", i);
	read_bytes(&r, text, used);
	assert_int_equal(r.problems.n, 0);
	assert_int_equal(r.tree.root->n, KEYS);
	clear(&r);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_tree_remembers_places),
		cmocka_unit_test(
			test_what_is_no_part_of_the_dialect_is_a_problem),
		cmocka_unit_test(test_keys_are_names_and_stand_once),
		cmocka_unit_test(test_the_second_of_two_keys_does_not_count),
		cmocka_unit_test(test_syntax_errors_say_where),
		cmocka_unit_test(test_a_tab_is_explained),
		cmocka_unit_test(
			test_what_stands_before_a_syntax_error_is_kept),
		cmocka_unit_test(test_an_empty_file_is_a_problem),
		cmocka_unit_test(test_a_nul_byte_is_a_problem),
		cmocka_unit_test(test_a_byte_order_mark_is_skipped),
		cmocka_unit_test(test_nesting_has_a_limit),
		cmocka_unit_test(test_the_deepest_allowed_nesting_is_read),
		cmocka_unit_test(test_a_file_over_the_limit_is_not_read),
		cmocka_unit_test(test_very_many_keys_take_no_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
