/* The samples of docs/DEFINITIONS.md are definitions, by the connectors that
 * this is built with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "node/define.h"

#ifndef SYNOD_DOCS
#error "the build says where the documents are"
#endif

static char *read_file(const char *path)
{
	char *text = mem_zero(1, 65536);
	FILE *file = fopen(path, "re");

	if (!file)
		fail_msg("%s is missing", path);
	size_t len = fread(text, 1, 65535, file);
	fclose(file);
	assert_true(len > 0 && len < 65535);
	return text;
}

static void assert_is_definition(const char *text, size_t len, unsigned line)
{
	struct config_problems problems;

	config_problems_init(&problems);
	struct define_text *d =
		define_read((struct bytes){(const uint8_t *)text, len},
			    "sample", connectors_find, &problems);
	if (!d) {
		config_problems_print(&problems, stderr);
		fail_msg("the sample on line %u does not read", line);
	}
	define_text_free(d);
	config_problems_clear(&problems);
}

static void test_samples_of_the_document_are_definitions(void **state)
{
	static const char begin[] = "```yaml\n";
	char *text = read_file(SYNOD_DOCS "/DEFINITIONS.md");
	unsigned n = 0;

	for (char *at = strstr(text, begin); at; at = strstr(at, begin)) {
		at += sizeof begin - 1;
		unsigned line = 1;
		for (const char *c = text; c < at; c++)
			line += *c == '\n';
		char *end = strstr(at, "```");
		assert_non_null(end);
		assert_is_definition(at, (size_t)(end - at), line);
		n++;
		at = end;
	}
	assert_int_equal(n, 2);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples_of_the_document_are_definitions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
