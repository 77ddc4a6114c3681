#include "bench/process.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { LONG_MS = 20000 };

static struct process start(const char *const *argv)
{
	const struct process_plan plan = {.argv = argv,
					  .log_path = "/dev/null"};
	struct process p = {0};
	struct err e = {0};

	assert_int_equal(process_start(&p, &plan, &e), 0);
	assert_true(p.pid > 0);
	return p;
}

static void test_process_tells_how_it_ended(void **state)
{
	static const char *const argv[] = {"sh", "-c", "exit 7", NULL};
	struct process p = start(argv);
	int status;

	assert_int_equal(process_wait(&p, LONG_MS, &status), 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	assert_false(process_is_running(&p));
	/* Nothing runs: nothing to wait for, nothing to kill. */
	assert_int_equal(process_wait(&p, LONG_MS, &status), 0);
	process_kill(&p);
}

static void test_process_that_runs_is_not_waited_for_for_ever(void **state)
{
	static const char *const argv[] = {"sleep", "1000", NULL};
	struct process p = start(argv);
	int status;

	assert_true(process_is_running(&p));
	assert_int_equal(process_wait(&p, 10, &status), ERR_TIMEOUT);
	process_signal(&p, SIGSTOP);
	assert_true(p.is_frozen);
	/* SIGKILL ends also a frozen one. */
	process_kill(&p);
	assert_int_equal(p.pid, 0);
}

static void test_process_that_is_no_program_ends_with_127(void **state)
{
	static const char *const argv[] = {"/nonexistent/program", NULL};
	struct process p = start(argv);
	int status;

	assert_int_equal(process_wait(&p, LONG_MS, &status), 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 127);
}

/* The child of a dead starter must not stay: fork a starter, let it start a
 * sleeper and die by SIGKILL, see the sleeper go (its end of a pipe closes). */
static void test_process_dies_with_its_starter(void **state)
{
	static const char *const argv[] = {"sleep", "1000", NULL};
	int fds[2];
	char byte;

	assert_int_equal(pipe(fds), 0);
	pid_t starter = fork();
	if (starter == 0) {
		const struct process_plan plan = {.argv = argv,
						  .log_path = "/dev/null"};
		struct process p = {0};
		close(fds[0]);
		if (process_start(&p, &plan, NULL))
			_exit(1);
		raise(SIGKILL);
	}
	close(fds[1]);
	assert_int_equal(waitpid(starter, NULL, 0), starter);
	alarm(LONG_MS / 1000); /* the deadline: read would block for ever */
	assert_int_equal(read(fds[0], &byte, 1), 0);
	alarm(0);
	close(fds[0]);
}

static void test_use_counts_what_a_process_holds(void **state)
{
	struct process_use before, after;
	struct err e;
	const size_t len = 32 << 20;

	assert_int_equal(process_use(getpid(), &before, &e), 0);
	char *held = malloc(len);
	assert_non_null(held);
	memset(held, 1, len);
	assert_int_equal(process_use(getpid(), &after, &e), 0);
	assert_int_equal(held[len / 2], 1);
	free(held);

	assert_true(after.own_bytes >= before.own_bytes + len);
	assert_true(after.peak_rss_bytes >= after.own_bytes);
	assert_true(after.cpu_us > before.cpu_us);
	assert_int_equal(process_use(0x3fffffff, &after, &e), ERR_NOTFOUND);
}

static void test_find_looks_where_the_shell_does(void **state)
{
	char path[4096];

	assert_true(process_find("sh", path, sizeof path));
	assert_int_equal(access(path, X_OK), 0);
	assert_true(process_find("/bin/sh", path, sizeof path));
	assert_string_equal(path, "/bin/sh");
	assert_false(process_find("no-such-program-here", path, sizeof path));
	assert_false(process_find("/etc/passwd", path, sizeof path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_process_tells_how_it_ended),
		cmocka_unit_test(
			test_process_that_runs_is_not_waited_for_for_ever),
		cmocka_unit_test(test_process_that_is_no_program_ends_with_127),
		cmocka_unit_test(test_process_dies_with_its_starter),
		cmocka_unit_test(test_use_counts_what_a_process_holds),
		cmocka_unit_test(test_find_looks_where_the_shell_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
