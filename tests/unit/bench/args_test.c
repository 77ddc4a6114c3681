#include "bench/args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct args a;
static struct err e;

/* Parse one line of words. */
static int parse(const char *line)
{
	static char buf[512];
	static char program[] = "synod-bench";
	char *argv[32] = {program};
	int argc = 1;

	snprintf(buf, sizeof buf, "%s", line);
	for (char *rest = buf, *word; (word = strsep(&rest, " "));)
		if (*word)
			argv[argc++] = word;
	e = (struct err){0};
	return args_parse(&a, argc, argv, &e);
}

static void test_args_have_the_defaults_of_their_scenario(void **state)
{
	assert_int_equal(parse("log"), 0);
	assert_int_equal(a.scenario, SCENARIO_LOG);
	assert_int_equal(a.n_sizes, 4);
	assert_int_equal(a.sizes[3], 1 << 20);
	assert_int_equal(a.n_concurrency, 3);
	assert_int_equal(a.concurrency[2], 256);
	assert_true(a.seconds > 4.9 && a.seconds < 5.1);
	assert_false(a.vs_etcd);
	assert_false(a.is_json);

	assert_int_equal(parse("failover"), 0);
	assert_int_equal(a.kinds, (1 << FAIL__N) - 1);

	assert_int_equal(parse("memory"), 0);
	assert_int_equal(a.bytes, (uint64_t)2 << 30);
	assert_int_equal(a.n_sizes, 1);
}

static void test_args_read_each_option(void **state)
{
	assert_int_equal(parse("log --sizes 128,4KiB,64KiB,1MiB,7B "
			       "--concurrency=1,256 --seconds 0.5 --runs 3 "
			       "--vs etcd -o json --synodd ./x --keep"),
			 0);
	assert_int_equal(a.n_sizes, 5);
	assert_int_equal(a.sizes[1], 4096);
	assert_int_equal(a.sizes[4], 7);
	assert_int_equal(a.n_concurrency, 2);
	assert_int_equal(a.runs, 3);
	assert_true(a.vs_etcd);
	assert_true(a.is_json);
	assert_true(a.keep_files);
	assert_string_equal(a.synodd, "./x");

	assert_int_equal(parse("log --endpoint ipc:///a,tcp://127.0.0.1:9"), 0);
	assert_int_equal(a.n_endpoints, 2);
	assert_string_equal(a.endpoints[1], "tcp://127.0.0.1:9");

	assert_int_equal(parse("failover --kind term,leader-kill --runs 5"), 0);
	assert_int_equal(a.kinds, 1 << FAIL_TERM | 1 << FAIL_LEADER_KILL);

	assert_int_equal(parse("memory --bytes 512MiB --sizes 4KiB"), 0);
	assert_int_equal(a.bytes, 512 << 20);
	assert_int_equal(parse("fleet --nodes 5"), 0);
	assert_int_equal(a.nodes, 5);
}

static void test_args_refuse_what_they_do_not_know(void **state)
{
	static const char *const lines[] = {
		"",
		"lag",
		"log --size 1",
		"log --sizes",
		"log --sizes ,",
		"log --sizes 0",
		"log --sizes -1",
		"log --sizes 4K",
		"log --sizes 5MiB",
		"log --sizes 99999999999GiB",
		"log --sizes 1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1",
		"log --concurrency 0",
		"log --concurrency 1x",
		"log --concurrency 99999",
		"log --seconds 0",
		"log --seconds nan",
		"log --seconds 1s",
		"log --runs 0",
		"log --runs 102",
		"log --vs zookeeper",
		"log --vs etcd --endpoint ipc:///a",
		"log --endpoint a,,b",
		"log -o yaml",
		"log --keep=yes",
		"log --kind term",
		"log --bytes 1",
		"failover --kind nap",
		"failover --sizes 1",
		"memory --bytes 0",
		"fleet --nodes 10",
	};

	for (unsigned i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		if (parse(lines[i]) != ERR_INVALID || !e.text[0])
			fail_msg("not refused: %s", lines[i]);
	}
}

static void test_args_help_names_every_option_of_a_scenario(void **state)
{
	char *text = NULL;
	size_t len;

	for (unsigned s = 0; s <= SCENARIO__N; s++) {
		FILE *out = open_memstream(&text, &len);
		args_help(out, (enum scenario)s);
		fclose(out);
		assert_non_null(strstr(text, "Usage: synod-bench"));
		assert_non_null(strstr(text, "--help"));
		if (s == SCENARIO_LOG)
			assert_non_null(strstr(text, "--vs etcd"));
		else
			assert_null(strstr(text, "--vs etcd"));
		free(text);
	}
	assert_int_equal(parse("memory -h"), 0);
	assert_true(a.wants_help);
	assert_int_equal(parse("--version"), 0);
	assert_true(a.wants_version);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_args_have_the_defaults_of_their_scenario),
		cmocka_unit_test(test_args_read_each_option),
		cmocka_unit_test(test_args_refuse_what_they_do_not_know),
		cmocka_unit_test(
			test_args_help_names_every_option_of_a_scenario),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
