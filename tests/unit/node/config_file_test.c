/* The node file as a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/config.h"
#include "proto/limits.h"

#define GOOD                                            \
	"synod: 1\nname: n1\ncluster: demo\ndata: /d\n" \
	"members: { n1: '127.0.0.1:41001' }\n"

struct scene {
	struct node_config cfg;
	struct config_problems problems;
};

struct folder {
	char path[64];
	char file[96];
};

static void folder_make(struct folder *f)
{
	snprintf(f->path, sizeof f->path, "/tmp/synod-config-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	snprintf(f->file, sizeof f->file, "%s/node.yaml", f->path);
}

static void folder_remove(struct folder *f)
{
	unlink(f->file);
	assert_int_equal(rmdir(f->path), 0);
}

static void folder_write(struct folder *f, const char *text)
{
	FILE *out = fopen(f->file, "w");

	assert_non_null(out);
	fputs(text, out);
	assert_int_equal(fclose(out), 0);
}

static void assert_unreadable(const char *path, int rc, const char *says)
{
	struct scene s;

	config_problems_init(&s.problems);
	assert_int_equal(node_config_load(path, &s.cfg, &s.problems), rc);
	assert_int_equal(s.problems.n, 1);
	assert_int_equal(s.problems.items[0].code, PROBLEM_UNREADABLE);
	assert_string_equal(s.problems.items[0].text, says);
	assert_non_null(s.problems.items[0].note);
	node_config_clear(&s.cfg);
	config_problems_clear(&s.problems);
}

static void test_a_file_is_loaded(void **state)
{
	struct folder f;
	struct scene s;

	folder_make(&f);
	folder_write(&f, GOOD "tls: {ca: a, cert: b, key: c}\n");
	config_problems_init(&s.problems);
	assert_int_equal(node_config_load(f.file, &s.cfg, &s.problems), 0);
	assert_memory_equal(s.cfg.tls.ca, f.path, strlen(f.path));
	node_config_clear(&s.cfg);
	config_problems_clear(&s.problems);
	folder_remove(&f);
}

static void test_files_that_cannot_be_read_say_why(void **state)
{
	struct folder f;

	folder_make(&f);
	assert_unreadable(f.file, ERR_NOTFOUND,
			  "cannot be read: No such file or directory");
	assert_unreadable(f.path, ERR_INVALID,
			  "cannot be read: Is a directory");
	folder_write(&f, GOOD);
	assert_int_equal(chmod(f.file, 0), 0);
	if (geteuid() != 0) /* root reads everything */
		assert_unreadable(f.file, ERR_PERMISSION,
				  "cannot be read: Permission denied");
	folder_remove(&f);
}

static void test_an_empty_and_a_huge_file_are_problems(void **state)
{
	struct folder f;
	struct scene s;

	folder_make(&f);
	folder_write(&f, "");
	config_problems_init(&s.problems);
	assert_int_equal(node_config_load(f.file, &s.cfg, &s.problems),
			 ERR_INVALID);
	assert_int_equal(s.problems.items[0].code, PROBLEM_EMPTY);
	node_config_clear(&s.cfg);
	config_problems_clear(&s.problems);
	assert_int_equal(truncate(f.file, (off_t)LIMIT_CONFIG_BYTES * 4), 0);
	config_problems_init(&s.problems);
	assert_int_equal(node_config_load(f.file, &s.cfg, &s.problems),
			 ERR_INVALID);
	assert_int_equal(s.problems.n, 1);
	assert_int_equal(s.problems.items[0].code, PROBLEM_LIMIT);
	node_config_clear(&s.cfg);
	config_problems_clear(&s.problems);
	folder_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_file_is_loaded),
		cmocka_unit_test(test_files_that_cannot_be_read_say_why),
		cmocka_unit_test(test_an_empty_and_a_huge_file_are_problems),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
