#include "node/config_problem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/config_nearest.h"
#include "proto/limits.h"

/* What an operator would see; free() it. */
static char *print(struct config_problems *p)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	config_problems_print(p, out);
	fclose(out);
	return text;
}

static void about(struct config_problems *p, const char *source)
{
	config_problems_init(p);
	config_problems_about(
		p, "demo.yaml",
		(struct bytes){(const uint8_t *)source, strlen(source)});
}

static void assert_printed(struct config_problems *p, const char *expected)
{
	char *text = print(p);

	assert_string_equal(text, expected);
	free(text);
	config_problems_clear(p);
}

static void test_problems_look_like_a_compilers(void **state)
{
	struct config_problems p;

	about(&p, "synod: 1\n"
		  "syncs:\n"
		  "  customers:\n"
		  "    direction: two-wayy\n"
		  "    batch: 1\n"
		  "    conflicts:\n"
		  "      polcy: last-write-wins\n"
		  "    batch: 10\n");
	/* Found in another order than they stand in. */
	config_problem_add(&p, (struct config_place){8, 5},
			   PROBLEM_DUPLICATE_KEY, "key is set twice");
	config_problem_note(&p, "first set on line 5");
	config_problem_add(&p, (struct config_place){4, 16}, PROBLEM_BAD_VALUE,
			   "value is not allowed here");
	config_problem_note(&p, "allowed: one-way|two-way");
	config_problem_add(&p, (struct config_place){7, 7}, PROBLEM_UNKNOWN_KEY,
			   "unknown key 'polcy'");
	config_problem_note(&p, "did you mean 'policy'?");
	config_problem_add(&p, (struct config_place){0}, PROBLEM_MISSING_KEY,
			   "'name' is missing");
	assert_printed(
		&p, "demo.yaml: error: 'name' is missing [config.missing_key]\n"
		    "demo.yaml:4:16: error: value is not allowed here "
		    "[config.bad_value]\n"
		    "    4 |     direction: two-wayy\n"
		    "      |                ^\n"
		    "      = allowed: one-way|two-way\n"
		    "demo.yaml:7:7: error: unknown key 'polcy' "
		    "[config.unknown_key]\n"
		    "    7 |       polcy: last-write-wins\n"
		    "      |       ^\n"
		    "      = did you mean 'policy'?\n"
		    "demo.yaml:8:5: error: key is set twice "
		    "[config.duplicate_key]\n"
		    "    8 |     batch: 10\n"
		    "      |     ^\n"
		    "      = first set on line 5\n"
		    "demo.yaml: 4 problems\n");
}

static void test_the_caret_counts_characters_and_keeps_tabs(void **state)
{
	struct config_problems p;

	about(&p, "\xc3\xa4\t\xe2\x82\xac: x\r\n");
	config_problem_add(&p, (struct config_place){1, 5}, PROBLEM_BAD_VALUE,
			   "here");
	assert_printed(&p, "demo.yaml:1:5: error: here [config.bad_value]\n"
			   "    1 | \xc3\xa4\t\xe2\x82\xac: x\n"
			   "      |  \t  ^\n"
			   "demo.yaml: 1 problem\n");
}

static void test_a_long_line_is_cut_around_the_caret(void **state)
{
	struct config_problems p;
	char source[301];

	for (size_t i = 0; i < 300; i++)
		source[i] = (char)('0' + i % 10);
	source[300] = '\0';
	about(&p, source);
	config_problem_add(&p, (struct config_place){1, 151}, PROBLEM_BAD_VALUE,
			   "here");
	assert_printed(&p, "demo.yaml:1:151: error: here [config.bad_value]\n"
			   "    1 | ...89012345678901234567890123456789"
			   "01234567890123456789012345678901...\n"
			   "      |                                    "
			   "^\n"
			   "demo.yaml: 1 problem\n");
}

static void test_the_terminal_gets_no_commands(void **state)
{
	struct config_problems p;

	about(&p, "a\x1b[2J\xc2\x9b\xff: x\n");
	config_problem_add(&p, (struct config_place){1, 1}, PROBLEM_BAD_VALUE,
			   "'%s'", "\x1b[31m\n");
	config_problem_note(&p, "%s", "\a");
	assert_printed(&p, "demo.yaml:1:1: error: '?[31m?' "
			   "[config.bad_value]\n"
			   "    1 | a?[2J??: x\n"
			   "      | ^\n"
			   "      = ?\n"
			   "demo.yaml: 1 problem\n");
}

static void test_a_place_behind_the_end_shows_no_line(void **state)
{
	struct config_problems p;

	about(&p, "a: 1\n");
	config_problem_add(&p, (struct config_place){2, 1}, PROBLEM_SYNTAX,
			   "unexpected end");
	assert_printed(&p, "demo.yaml:2:1: error: unexpected end "
			   "[config.syntax]\n"
			   "demo.yaml: 1 problem\n");
}

static void test_problems_beyond_the_limit_are_counted(void **state)
{
	struct config_problems p;
	struct config_place place = {0};

	about(&p, "");
	for (int i = 0; i < LIMIT_CONFIG_PROBLEMS + 5; i++) {
		config_problem_add(&p, place, PROBLEM_LIMIT, "%d", i);
		config_problem_note(&p, "note %d", i);
	}
	assert_int_equal(p.n, LIMIT_CONFIG_PROBLEMS);
	assert_int_equal(p.n_hidden, 5);
	assert_string_equal(p.items[p.n - 1].note, "note 99");
	char *text = print(&p);
	assert_non_null(strstr(text, "demo.yaml: 105 problems, the first 100 "
				     "are shown\n"));
	free(text);
	config_problems_clear(&p);
}

static void test_no_problem_prints_nothing(void **state)
{
	struct config_problems p;

	about(&p, "a: 1\n");
	assert_printed(&p, "");
}

static void test_every_code_has_a_name_and_a_sentence(void **state)
{
	for (int i = 0; i < PROBLEM__N; i++) {
		const char *name = config_problem_name((enum problem_code)i);
		const char *text =
			config_problem_sentence((enum problem_code)i);

		assert_memory_equal(name, "config.", 7);
		assert_true(text[strlen(text) - 1] == '.');
	}
}

static const char *nearest(const char *typed)
{
	static const char *const words[] = {"policy", "members", "data", "log",
					    "listen"};
	struct config_nearest near = config_nearest_init(typed);

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		config_nearest_try(&near, words[i]);
	return near.best;
}

static void test_near_words_are_found_and_far_ones_are_not(void **state)
{
	assert_string_equal(nearest("polcy"), "policy");
	assert_string_equal(nearest("lisetn"), "listen"); /* swapped */
	assert_string_equal(nearest("memmbers"), "members");
	assert_string_equal(nearest("lgo"), "log");
	assert_null(nearest("x"));
	assert_null(nearest("dog-house"));
	assert_null(nearest(""));
	assert_int_equal(config_nearest_distance("kitten", "sitting"), 3);
	assert_int_equal(config_nearest_distance("", "abc"), 3);
	assert_int_equal(config_nearest_distance("ab", "ba"), 1);
}

static void test_very_long_words_are_not_compared(void **state)
{
	char word[200];

	memset(word, 'a', sizeof word);
	word[199] = '\0';
	assert_int_equal(config_nearest_distance(word, "a"), 199);
	assert_null(nearest(word));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_problems_look_like_a_compilers),
		cmocka_unit_test(
			test_the_caret_counts_characters_and_keeps_tabs),
		cmocka_unit_test(test_a_long_line_is_cut_around_the_caret),
		cmocka_unit_test(test_the_terminal_gets_no_commands),
		cmocka_unit_test(test_a_place_behind_the_end_shows_no_line),
		cmocka_unit_test(test_problems_beyond_the_limit_are_counted),
		cmocka_unit_test(test_no_problem_prints_nothing),
		cmocka_unit_test(test_every_code_has_a_name_and_a_sentence),
		cmocka_unit_test(
			test_near_words_are_found_and_far_ones_are_not),
		cmocka_unit_test(test_very_long_words_are_not_compared),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
