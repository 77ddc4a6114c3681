/* What synodd refuses to start with: each with a code of sysexits and a message
 * that says what to do. */
#include "tests/it/node/support.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "bench/ports.h"
#include "bench/scratch.h"

/* A place for one node, and its ports. */
struct place {
	struct scratch dir;
	struct ports ports;
	uint16_t port;
	char file[256], log[256], data[256];
};

static void write_file(const struct place *p, const char *name,
		       const char *cluster, const char *more)
{
	FILE *out = fopen(p->file, "we");

	assert_non_null(out);
	fprintf(out,
		"synod: 1\nname: %s\ncluster: %s\ndata: %s\n"
		"members:\n  %s: 127.0.0.1:%u\n%s\n",
		name, cluster, p->data, name, p->port, more);
	assert_int_equal(fclose(out), 0);
}

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	struct err e = {0};

	must(scratch_make(&p->dir, &e), &e);
	must(ports_take(&p->ports, &e), &e);
	must(ports_give(&p->ports, 2, &p->port, &e), &e);
	join(p->file, sizeof(p->file), p->dir.path, "/node.yaml");
	join(p->log, sizeof(p->log), p->dir.path, "/node.log");
	join(p->data, sizeof(p->data), p->dir.path, "/data");
	write_file(p, "n1", "demo", "");
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	ports_return(&p->ports);
	scratch_remove(&p->dir);
	free(p);
	return 0;
}

static void begin(struct place *p, struct process *process, const char *option,
		  const char *argument)
{
	const char *const argv[] = {SYNODD, option, argument, NULL};
	struct process_plan plan = {.argv = argv, .log_path = p->log};
	struct err e = {0};

	unlink(p->log);
	must(process_start(process, &plan, &e), &e);
}

/* Runs to its end by itself. */
static int exit_code(struct place *p, const char *option, const char *argument)
{
	struct process process = {0};
	int status = -1;

	begin(p, &process, option, argument);
	if (process_wait(&process, WAIT_MS, &status)) {
		process_kill(&process);
		fail_msg("synodd does not end");
	}
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void expect_refused(struct place *p, int code, const char *says)
{
	assert_int_equal(exit_code(p, "--config", p->file), code);
	if (!file_says(p->log, says))
		fail_msg("the log does not say \"%s\"", says);
}

/* Start it and wait until it runs. */
static void run(struct place *p, struct process *process)
{
	begin(p, process, "--config", p->file);
	for (int i = 0; i < 400; i++) {
		struct timespec pause = {.tv_nsec = 20000000};
		nanosleep(&pause, NULL);
		if (file_says(p->log, "state=leader"))
			return;
	}
	process_kill(process);
	fail_msg("the node does not run");
}

static void run_once(struct place *p)
{
	struct process process = {0};
	int status;

	run(p, &process);
	process_signal(&process, SIGTERM);
	assert_int_equal(process_wait(&process, WAIT_MS, &status), 0);
	assert_int_equal(status, 0);
}

/* -- usage and node file --------------------------------------------------- */
static void test_usage(void **state)
{
	struct place *p = *state;

	assert_int_equal(exit_code(p, "--bogus", NULL), EX_USAGE);
	assert_int_equal(exit_code(p, "extra", NULL), EX_USAGE);
	assert_int_equal(exit_code(p, NULL, NULL), EX_USAGE);
	assert_true(file_says(p->log, "synodd --help"));
	assert_int_equal(exit_code(p, "--help", NULL), EX_OK);
	assert_true(file_says(p->log, "--check-config"));
	assert_int_equal(exit_code(p, "--version", NULL), EX_OK);
	assert_true(file_says(p->log, "raft 0.15.0"));
}

static void test_missing_node_file(void **state)
{
	struct place *p = *state;

	unlink(p->file);
	expect_refused(p, EX_CONFIG, "node.yaml");
}

static void test_wrong_node_file(void **state)
{
	struct place *p = *state;

	write_file(p, "n1", "demo", "insecure: maybe\nlog_levl: info");
	expect_refused(p, EX_CONFIG, "node.yaml:7:");
	assert_true(file_says(p->log, "did you mean 'log_level'"));
	assert_true(file_says(p->log, "2 problems"));
}

static void test_plain_tcp_beyond_loopback(void **state)
{
	struct place *p = *state;

	write_file(p, "n1", "demo", "listen: 0.0.0.0:41999");
	expect_refused(p, EX_CONFIG, "insecure: true");
}

/* -- data directory -------------------------------------------------------- */
static void test_foreign_directory(void **state)
{
	struct place *p = *state;

	run_once(p);
	write_file(p, "n2", "demo", "");
	expect_refused(p, EX_CONFIG, "n1");
	write_file(p, "n1", "other", "");
	expect_refused(p, EX_CONFIG, "demo");
	write_file(p, "n1", "demo", "");
	run_once(p);
}

static void test_cloned_directory(void **state)
{
	struct place *p = *state;
	char copy[300];

	run_once(p);
	join(copy, sizeof(copy), p->data, ".copy");
	copy_tree(p->data, copy);
	remove_tree(p->data);
	join(p->data, sizeof(p->data), copy, "");
	write_file(p, "n1", "demo", "");
	expect_refused(p, EX_CONFIG, "cop");
}

static void test_unknown_format(void **state)
{
	struct place *p = *state;
	char path[300];

	run_once(p);
	join(path, sizeof(path), p->data, "/identity");
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "\xff\xff\xff\xff", 4, 0), 4);
	close(fd);
	int code = exit_code(p, "--config", p->file);
	assert_true(code == EX_CONFIG || code == EX_IOERR);
	assert_true(file_says(p->log, "identity"));
}

static void test_directory_in_use(void **state)
{
	struct place *p = *state;
	struct process process = {0};
	char log[256], pid[32];

	run(p, &process);
	join(log, sizeof(log), p->log, "");
	join(p->log, sizeof(p->log), log, ".2");
	expect_refused(p, EX_UNAVAILABLE, "start_failed");
	snprintf(pid, sizeof(pid), "%d", (int)process.pid);
	assert_true(file_says(p->log, pid));
	process_kill(&process);
}

static void test_address_in_use(void **state)
{
	struct place *p = *state;
	struct process process = {0};
	char log[256];

	run(p, &process);
	join(log, sizeof(log), p->log, "");
	join(p->log, sizeof(p->log), log, ".2");
	join(p->data, sizeof(p->data), p->dir.path, "/other");
	write_file(p, "n1", "demo", "");
	expect_refused(p, EX_UNAVAILABLE, "in use");
	process_kill(&process);
}

static void test_directory_cannot_be_made(void **state)
{
	struct place *p = *state;

	join(p->data, sizeof(p->data), p->dir.path, "/node.yaml/data");
	write_file(p, "n1", "demo", "");
	int code = exit_code(p, "--config", p->file);
	assert_true(code == EX_IOERR || code == EX_CONFIG ||
		    code == EX_CANTCREAT);
	assert_true(file_says(p->log, "start_failed"));
}

/* Root may write anywhere, so this says nothing about root. */
static void test_missing_permission(void **state)
{
	struct place *p = *state;

	if (geteuid() == 0)
		skip();
	assert_int_equal(mkdir(p->data, 0500), 0);
	expect_refused(p, EX_NOPERM, p->data);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_usage),
		TEST(test_missing_node_file),
		TEST(test_wrong_node_file),
		TEST(test_plain_tcp_beyond_loopback),
		TEST(test_foreign_directory),
		TEST(test_cloned_directory),
		TEST(test_unknown_format),
		TEST(test_directory_in_use),
		TEST(test_address_in_use),
		TEST(test_directory_cannot_be_made),
		TEST(test_missing_permission),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
