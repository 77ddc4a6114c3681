/* Secrets: where they are looked for, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "node/define.h"
#include "proto/limits.h"

enum { PATH_BYTES = 512 };

struct scene {
	char folder[64]; /* the node file, and the data directory below it */
	struct secrets secrets;
	struct connector_secrets port;
	struct err e;
	char value[LIMIT_SECRET_BYTES + 1];
};

static void put(const struct scene *s, const char *name, const char *text,
		mode_t mode)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof path, "%s/%s", s->folder, name);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(chmod(path, mode), 0);
}

static void make_folder(const struct scene *s, const char *name)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof path, "%s/%s", s->folder, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

static int setup(void **state)
{
	struct scene *s = mem_zero(1, sizeof *s);
	char config[PATH_BYTES], data[PATH_BYTES];

	snprintf(s->folder, sizeof s->folder, "/tmp/secrets-XXXXXX");
	CHECK(mkdtemp(s->folder));
	make_folder(s, "secrets");
	make_folder(s, "data");
	make_folder(s, "data/secrets");
	make_folder(s, "given");
	snprintf(config, sizeof config, "%s/node.yaml", s->folder);
	snprintf(data, sizeof data, "%s/data", s->folder);
	secrets_init(&s->secrets, NULL, config, data);
	s->port = secrets_port(&s->secrets);
	unsetenv("CREDENTIALS_DIRECTORY");
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = {
		"secrets/p",    "data/secrets/p", "given/p", "secrets",
		"data/secrets", "data",           "given",   ""};
	struct scene *s = *state;
	char path[PATH_BYTES];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof path, "%s/%s", s->folder, names[i]);
		remove(path);
	}
	free(s);
	return 0;
}

static int get(struct scene *s, const char *reference)
{
	s->e = (struct err){0};
	return s->port.get(s->port.ctx, reference, s->value, sizeof s->value,
			   &s->e);
}

static void test_value_without_prefix_is_itself(void **state)
{
	struct scene *s = *state;

	assert_int_equal(get(s, "plain"), 0);
	assert_string_equal(s->value, "plain");
}

static void test_credential_goes_before_the_folders(void **state)
{
	struct scene *s = *state;
	char given[PATH_BYTES];

	put(s, "data/secrets/p", "third\n", 0600);
	assert_int_equal(get(s, "secret://p"), 0);
	assert_string_equal(s->value, "third");
	put(s, "secrets/p", "second", 0640);
	assert_int_equal(get(s, "secret://p"), 0);
	assert_string_equal(s->value, "second");
	put(s, "given/p", "fi\nrst\n", 0400);
	snprintf(given, sizeof given, "%s/given", s->folder);
	setenv("CREDENTIALS_DIRECTORY", given, 1);
	assert_int_equal(get(s, "secret://p"), 0);
	assert_string_equal(s->value, "fi\nrst");
}

static void test_file_that_all_may_read_is_refused(void **state)
{
	struct scene *s = *state;

	put(s, "secrets/p", "x", 0644);

	assert_int_equal(get(s, "secret://p"), ERR_PERMISSION);
	assert_non_null(strstr(s->e.text, "chmod 600"));
}

static void test_missing_one_names_the_places(void **state)
{
	struct scene *s = *state;

	assert_int_equal(get(s, "secret://p"), ERR_NOTFOUND);
	assert_non_null(strstr(s->e.text, s->secrets.dirs[0]));
	assert_non_null(strstr(s->e.text, s->secrets.dirs[1]));
}

static void test_names_do_not_leave_the_folder(void **state)
{
	struct scene *s = *state;

	assert_int_equal(get(s, "secret://../node.yaml"), ERR_INVALID);
	assert_int_equal(get(s, "secret://a/b"), ERR_INVALID);
	assert_int_equal(get(s, "secret://"), ERR_INVALID);
}

static void test_empty_and_long_ones_are_refused(void **state)
{
	struct scene *s = *state;
	char text[LIMIT_SECRET_BYTES + 2];

	put(s, "secrets/p", "\n", 0600);
	assert_int_equal(get(s, "secret://p"), ERR_INVALID);

	memset(text, 'x', sizeof text);
	text[LIMIT_SECRET_BYTES + 1] = '\0';
	put(s, "secrets/p", text, 0600);
	assert_int_equal(get(s, "secret://p"), ERR_LIMIT);
	assert_string_equal(s->value, ""); /* nothing of it stays */

	text[LIMIT_SECRET_BYTES] = '\0';
	put(s, "secrets/p", text, 0600);
	assert_int_equal(get(s, "secret://p"), 0);
	assert_string_equal(s->value, text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_value_without_prefix_is_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_credential_goes_before_the_folders, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_file_that_all_may_read_is_refused, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_missing_one_names_the_places, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_names_do_not_leave_the_folder, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_empty_and_long_ones_are_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
