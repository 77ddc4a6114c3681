#include "bench/scratch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void make_file(const char *dir, const char *name)
{
	char path[256];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static void test_scratch_goes_with_everything_inside(void **state)
{
	struct scratch inner = {0}, outer = {0};
	struct err e;
	char path[256];

	assert_int_equal(scratch_make(&outer, &e), 0);
	assert_int_equal(scratch_make(&inner, &e), 0);
	make_file(outer.path, "a");
	snprintf(path, sizeof path, "%s/d", outer.path);
	assert_int_equal(mkdir(path, 0700), 0);
	make_file(path, "b");
	/* A link is removed, not followed. */
	make_file(inner.path, "kept");
	snprintf(path, sizeof path, "%s/link", outer.path);
	assert_int_equal(symlink(inner.path, path), 0);
	snprintf(path, sizeof path, "%s", outer.path);

	scratch_remove(&outer);
	assert_int_equal(access(path, F_OK), -1);
	snprintf(path, sizeof path, "%s/kept", inner.path);
	assert_int_equal(access(path, F_OK), 0);

	scratch_remove_all();
	assert_int_equal(access(path, F_OK), -1);
	scratch_remove(&inner);
	scratch_remove(&inner); /* nothing made: nothing to do */
}

static void test_scratch_says_what_is_wrong_with_tmpdir(void **state)
{
	struct scratch s = {0};
	struct err e = {0};
	char *old = getenv("TMPDIR") ? strdup(getenv("TMPDIR")) : NULL;
	char lengthy[100];

	setenv("TMPDIR", "/nonexistent", 1);
	assert_int_equal(scratch_make(&s, &e), ERR_IO);
	assert_non_null(strstr(e.text, "/nonexistent"));
	memset(lengthy, 'x', sizeof lengthy - 1);
	lengthy[sizeof lengthy - 1] = 0;
	setenv("TMPDIR", lengthy, 1);
	assert_int_equal(scratch_make(&s, &e), ERR_LIMIT);
	assert_int_equal(s.path[0], 0);
	if (old)
		setenv("TMPDIR", old, 1);
	else
		unsetenv("TMPDIR");
	free(old);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scratch_goes_with_everything_inside),
		cmocka_unit_test(test_scratch_says_what_is_wrong_with_tmpdir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
