/* The schema with a table of another shape than the node file: names of blocks
 * in blocks, as connections and syncs will be. */
#include "node/config_schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct retry {
	int64_t first_ms, max_ms;
};

struct side {
	const char *name;
	int64_t weight;
};

struct sync {
	const char *name;
	int mode;
	int64_t batch_bytes;
	struct retry retry;
	struct side *sides;
	size_t n_sides;
};

struct definition {
	struct sync *syncs;
	size_t n_syncs;
	const char *note;
	bool is_live;
};

static const char *const modes[] = {"live", "shadow", NULL};

static const struct config_field retry_fields[] = {
	{.name = "first",
	 .kind = FIELD_DURATION,
	 .doc = "First wait.",
	 .preset = "200ms",
	 .offset = offsetof(struct retry, first_ms),
	 .min = 1,
	 .max = 60000},
	{.name = "max",
	 .kind = FIELD_DURATION,
	 .doc = "Longest wait.",
	 .is_required = true,
	 .offset = offsetof(struct retry, max_ms)},
	{0},
};

static const struct config_field side_fields[] = {
	{.name = "",
	 .kind = FIELD_INTEGER,
	 .doc = "Weight.",
	 .offset = offsetof(struct side, weight),
	 .min = 1,
	 .max = 9},
	{0},
};

static const struct config_field sync_fields[] = {
	{.name = "mode",
	 .kind = FIELD_WORD,
	 .doc = "Write or compare.",
	 .preset = "live",
	 .offset = offsetof(struct sync, mode),
	 .words = modes},
	{.name = "batch",
	 .kind = FIELD_SIZE,
	 .doc = "Bytes.",
	 .preset = "8MiB",
	 .offset = offsetof(struct sync, batch_bytes),
	 .min = 1024,
	 .max = 1 << 30},
	{.name = "retry",
	 .kind = FIELD_BLOCK,
	 .doc = "Waits.",
	 .offset = offsetof(struct sync, retry),
	 .fields = retry_fields},
	{.name = "sides",
	 .kind = FIELD_NAMES,
	 .doc = "Sides.",
	 .is_required = true,
	 .offset = offsetof(struct sync, sides),
	 .min = 1,
	 .max = 2,
	 .fields = side_fields,
	 .item_bytes = sizeof(struct side),
	 .n_offset = offsetof(struct sync, n_sides)},
	{0},
};

static const struct config_field fields[] = {
	{.name = "syncs",
	 .kind = FIELD_NAMES,
	 .doc = "Syncs.",
	 .offset = offsetof(struct definition, syncs),
	 .min = 0,
	 .max = 3,
	 .fields = sync_fields,
	 .item_bytes = sizeof(struct sync),
	 .n_offset = offsetof(struct definition, n_syncs)},
	{.name = "note",
	 .kind = FIELD_TEXT,
	 .doc = "A note.",
	 .offset = offsetof(struct definition, note)},
	{.name = "live",
	 .kind = FIELD_BOOL,
	 .doc = "Is it live?",
	 .preset = "true",
	 .offset = offsetof(struct definition, is_live)},
	{0},
};

struct scene {
	struct definition d;
	struct config_settings settings;
	struct config_problems problems;
};

static void read_text(struct scene *s, const char *text)
{
	struct yaml_tree tree;
	struct bytes bytes = {(const uint8_t *)text, strlen(text)};

	*s = (struct scene){0};
	config_settings_init(&s->settings);
	config_problems_init(&s->problems);
	config_problems_about(&s->problems, "s.yaml", bytes);
	yaml_tree_read(&tree, bytes, &s->problems);
	config_schema_read(fields, &tree, &s->d, &s->settings, &s->problems);
	yaml_tree_clear(&tree);
}

static void clear(struct scene *s)
{
	config_settings_clear(&s->settings);
	config_problems_clear(&s->problems);
}

static void assert_problem(const char *text, enum problem_code code,
			   unsigned line, const char *says)
{
	struct scene s;

	read_text(&s, text);
	assert_int_equal(s.problems.n, 1);
	assert_int_equal(s.problems.items[0].code, code);
	assert_int_equal(s.problems.items[0].place.line, line);
	assert_string_equal(s.problems.items[0].text, says);
	clear(&s);
}

static const char *const sample = "syncs:\n"
				  "  customers:\n"
				  "    mode: shadow\n"
				  "    batch: 1MiB\n"
				  "    retry: { max: 1m }\n"
				  "    sides: { crm: 2, shop: 9 }\n"
				  "  stock:\n"
				  "    sides: { a: 1 }\n"
				  "note: \"it's: on #1\"\n";

static void test_names_of_blocks_fill_an_array(void **state)
{
	struct scene s;

	read_text(&s, sample);
	assert_int_equal(s.problems.n, 0);
	assert_int_equal(s.d.n_syncs, 2);
	const struct sync *c = &s.d.syncs[0];
	assert_string_equal(c->name, "customers");
	assert_int_equal(c->mode, 1);
	assert_int_equal(c->batch_bytes, 1 << 20);
	assert_int_equal(c->retry.first_ms, 200);
	assert_int_equal(c->retry.max_ms, 60000);
	assert_int_equal(c->n_sides, 2);
	assert_string_equal(c->sides[1].name, "shop");
	assert_int_equal(c->sides[1].weight, 9);
	/* A second one with its own presets. */
	const struct sync *stock = &s.d.syncs[1];
	assert_int_equal(stock->mode, 0);
	assert_int_equal(stock->batch_bytes, 8 << 20);
	assert_int_equal(stock->retry.max_ms, 0);
	assert_true(s.d.is_live);
	clear(&s);
}

static void test_a_block_that_is_away_misses_nothing(void **state)
{
	struct scene s;

	read_text(&s, "live: false\n");
	assert_int_equal(s.problems.n, 0);
	assert_int_equal(s.d.n_syncs, 0);
	assert_false(s.d.is_live);
	assert_null(s.d.note);
	clear(&s);
}

static void test_problems_name_the_path_of_what_is_missing(void **state)
{
	assert_problem("syncs:\n  a:\n    mode: live\n", PROBLEM_MISSING_KEY, 3,
		       "'syncs.a.sides' is missing");
	assert_problem("syncs:\n  a:\n    retry: { first: 5s }\n"
		       "    sides: { x: 1 }\n",
		       PROBLEM_MISSING_KEY, 3,
		       "'syncs.a.retry.max' is missing");
}

static void test_types_that_do_not_fit_are_problems(void **state)
{
	assert_problem("[1, 2]\n", PROBLEM_BAD_TYPE, 1,
		       "the file must be a mapping of settings, such as "
		       "'name: n1'");
	assert_problem("just text\n", PROBLEM_BAD_TYPE, 1,
		       "the file must be a mapping of settings, such as "
		       "'name: n1'");
	assert_problem("note: {a: 1}\n", PROBLEM_BAD_TYPE, 1,
		       "'note' takes a text, not a mapping");
	assert_problem("note: [1]\n", PROBLEM_BAD_TYPE, 1,
		       "'note' takes a text, not a list");
	assert_problem("syncs: 1\n", PROBLEM_BAD_TYPE, 1,
		       "'syncs' takes a mapping, not a single value");
	assert_problem("syncs: [1]\n", PROBLEM_BAD_TYPE, 1,
		       "'syncs' takes a mapping, not a list");
	assert_problem("syncs:\n  a:\n", PROBLEM_BAD_TYPE, 2,
		       "'a' takes a mapping, not nothing");
}

static void test_values_that_do_not_fit_are_problems(void **state)
{
	assert_problem("note:\n", PROBLEM_BAD_VALUE, 1, "'note' has no value");
	assert_problem("note: ''\n", PROBLEM_BAD_VALUE, 1, "'' is not a text");
	assert_problem("live: on\n", PROBLEM_BAD_VALUE, 1,
		       "'on' is not a boolean");
	assert_problem("syncs: {a: {sides: {x: 10}}}\n", PROBLEM_RANGE, 1,
		       "'10' is out of range");
	assert_problem("syncs: {a: {sides: {x: ten}}}\n", PROBLEM_BAD_VALUE, 1,
		       "'ten' is not a whole number");
	assert_problem("syncs: {a: {batch: 1KB, sides: {x: 1}}}\n",
		       PROBLEM_BAD_VALUE, 1, "'1KB' is not a size");
	assert_problem("syncs: {a: {mode: lvie, sides: {x: 1}}}\n",
		       PROBLEM_BAD_VALUE, 1, "'lvie' is not an allowed value");
	assert_problem("syncs: {'a b': {sides: {x: 1}}}\n", PROBLEM_BAD_VALUE,
		       1, "'a b' is not a name");
}

static void test_the_number_of_names_has_a_range(void **state)
{
	struct scene s;

	assert_problem("syncs: {a: {sides: {}}}\n", PROBLEM_RANGE, 1,
		       "'sides' has 0 entries");
	read_text(&s, "syncs: {a: {sides: {x: 1, y: 2, z: 3}}}\n");
	assert_int_equal(s.problems.n, 1);
	assert_int_equal(s.problems.items[0].code, PROBLEM_RANGE);
	assert_int_equal(s.d.syncs[0].n_sides, 2); /* not more than allowed */
	clear(&s);
}

static void test_unknown_keys_are_found_at_every_depth(void **state)
{
	struct scene s;

	read_text(&s, "nota: x\nsyncs: {a: {mod: live, retry: {max: 1s, "
		      "frist: 1s}, sides: {x: 1}}}\nzzzzzz: 1\n");
	assert_int_equal(s.problems.n, 4);
	assert_string_equal(s.problems.items[0].note, "did you mean 'note'?");
	assert_string_equal(s.problems.items[1].note,
			    "known here: syncs, note, live");
	assert_string_equal(s.problems.items[2].note, "did you mean 'mode'?");
	assert_string_equal(s.problems.items[3].note, "did you mean 'first'?");
	clear(&s);
}

static void test_behind_a_syntax_error_nothing_is_missing(void **state)
{
	assert_problem("syncs:\n  a:\n    mode: live\n    @\n", PROBLEM_SYNTAX,
		       4, "found character that cannot start any token");
}

static void test_a_broken_value_is_reported_once(void **state)
{
	struct scene s;

	read_text(&s, "note: *x\nsyncs: *y\n");
	assert_int_equal(s.problems.n, 2);
	assert_int_equal(s.problems.items[0].code, PROBLEM_DIALECT);
	assert_int_equal(s.problems.items[1].code, PROBLEM_DIALECT);
	clear(&s);
}

static void test_settings_are_printed_with_their_origin(void **state)
{
	struct scene s;
	char *text = NULL;
	size_t len = 0;

	read_text(&s, sample);
	FILE *out = open_memstream(&text, &len);
	assert_non_null(out);
	config_settings_print(&s.settings, "s.yaml", out);
	fclose(out);
	assert_string_equal(
		text, "syncs:\n"
		      "  customers:\n"
		      "    mode: shadow                        # s.yaml:3\n"
		      "    batch: 1MiB                         # s.yaml:4\n"
		      "    retry:\n"
		      "      first: 200ms                      # default\n"
		      "      max: 1m                           # s.yaml:5\n"
		      "    sides:\n"
		      "      crm: 2                            # s.yaml:6\n"
		      "      shop: 9                           # s.yaml:6\n"
		      "  stock:\n"
		      "    mode: live                          # default\n"
		      "    batch: 8MiB                         # default\n"
		      "    retry:\n"
		      "      first: 200ms                      # default\n"
		      "    sides:\n"
		      "      a: 1                              # s.yaml:8\n"
		      "note: \"it's: on #1\"                     # s.yaml:9\n"
		      "live: true                              # default\n");
	free(text);
	clear(&s);
}

static void test_paths_lead_to_fields(void **state)
{
	assert_string_equal(config_schema_find(fields, "note")->doc, "A note.");
	assert_string_equal(
		config_schema_find(fields, "syncs.any.retry.first")->doc,
		"First wait.");
	assert_string_equal(
		config_schema_find(fields, "syncs.any.sides.x")->doc,
		"Weight.");
	assert_ptr_equal(config_schema_find(fields, "syncs.any"),
			 config_schema_find(fields, "syncs"));
	assert_null(config_schema_find(fields, "syncs.any.x"));
	assert_null(config_schema_find(fields, "note.x"));
	assert_null(config_schema_find(fields, "not"));
	assert_null(config_schema_find(fields, ""));
}

static void test_a_field_explains_itself(void **state)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	config_schema_explain(config_schema_find(fields, "syncs.a.batch"),
			      "syncs.*.batch", out);
	config_schema_explain(config_schema_find(fields, "syncs.a.mode"),
			      "syncs.*.mode", out);
	fclose(out);
	assert_string_equal(text, "syncs.*.batch: Bytes.\n"
				  "takes    a size\n"
				  "allowed  1KiB to 1GiB\n"
				  "default  8MiB\n"
				  "syncs.*.mode: Write or compare.\n"
				  "takes    an allowed value\n"
				  "allowed  live|shadow\n"
				  "default  live\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_of_blocks_fill_an_array),
		cmocka_unit_test(test_a_block_that_is_away_misses_nothing),
		cmocka_unit_test(
			test_problems_name_the_path_of_what_is_missing),
		cmocka_unit_test(test_types_that_do_not_fit_are_problems),
		cmocka_unit_test(test_values_that_do_not_fit_are_problems),
		cmocka_unit_test(test_the_number_of_names_has_a_range),
		cmocka_unit_test(test_unknown_keys_are_found_at_every_depth),
		cmocka_unit_test(test_behind_a_syntax_error_nothing_is_missing),
		cmocka_unit_test(test_a_broken_value_is_reported_once),
		cmocka_unit_test(test_settings_are_printed_with_their_origin),
		cmocka_unit_test(test_paths_lead_to_fields),
		cmocka_unit_test(test_a_field_explains_itself),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
