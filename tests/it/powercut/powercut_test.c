/* Power cuts: a worker (worker.c) under the shim (shim.c) loses its power at
 * the N-th sync, again and again on the same directory. After each cut the
 * store is opened and must hold what was acknowledged, at most what was begun,
 * and nothing else. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rng.h"
#include "model.h"

#ifndef POWERCUT_SHIM
#error "the build says where shim and worker are"
#endif

struct place {
	char root[400], data[500], donor[500], side[500];
	struct model model;
};

struct cut {
	uint64_t seed;
	unsigned at, kill_at, fail_at, installs;
	bool is_swallowing;
};

/* -- directories ------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *st, int kind,
		      struct FTW *at)
{
	(void)st, (void)kind, (void)at;
	return remove(path);
}

static struct place *place_new(void)
{
	struct place *p = calloc(1, sizeof(*p));
	/* In memory when there is such a place: durability is the shim's here,
	 * real syncs would only take time. */
	const char *tmp = getenv("TMPDIR");
	if (!tmp)
		tmp = access("/dev/shm", W_OK) ? P_tmpdir : "/dev/shm";
	char made[400];
	snprintf(made, sizeof(made), "%s/synod-powercut-XXXXXX", tmp);
	assert_non_null(mkdtemp(made));
	char *real = realpath(made, NULL);
	snprintf(p->root, sizeof(p->root), "%s", real);
	free(real);
	snprintf(p->data, sizeof(p->data), "%s/data", p->root);
	snprintf(p->side, sizeof(p->side), "%s/side", p->root);
	snprintf(p->donor, sizeof(p->donor), "%s/donor", p->root);
	assert_int_equal(mkdir(p->data, 0700), 0);
	assert_int_equal(mkdir(p->side, 0700), 0);
	model_init(&p->model);
	return p;
}

static void place_free(struct place *p)
{
	nftw(p->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	model_clear(&p->model);
	free(p);
}

/* -- one run of the worker --------------------------------------------- */

static void set_number(const char *name, uint64_t value)
{
	char text[32];
	snprintf(text, sizeof(text), "%" PRIu64, value);
	setenv(name, text, 1);
}

static void become_worker(const struct place *p, const struct cut *c, int out)
{
	char seed[32], installs[32];
	/* The pipe may be 3 already, and then dup2 would do nothing. */
	if (out != SCRIPT_FD) {
		dup2(out, SCRIPT_FD);
		close(out);
	}
	int null = open("/dev/null", O_WRONLY);
	if (null >= 0 && !getenv("POWERCUT_VERBOSE"))
		dup2(null, STDERR_FILENO);
	setenv("LD_PRELOAD", POWERCUT_SHIM, 1);
	setenv("POWERCUT_DIR", p->data, 1);
	setenv("POWERCUT_SIDE", p->side, 1);
	set_number("POWERCUT_AT", c->at);
	set_number("POWERCUT_KILL", c->kill_at);
	set_number("POWERCUT_FAIL", c->fail_at);
	set_number("POWERCUT_SEED", c->seed);
	set_number("POWERCUT_SWALLOW", c->is_swallowing);
	snprintf(seed, sizeof(seed), "%" PRIu64, c->seed);
	snprintf(installs, sizeof(installs), "%u", c->installs);
	execl(POWERCUT_WORKER, POWERCUT_WORKER, p->data, p->donor, seed,
	      installs, (char *)NULL);
	_exit(EX_UNAVAILABLE);
}

/* Run it to its end, telling the model what it says; its wait status. */
static int run_worker(struct place *p, const struct cut *c)
{
	int ends[2], status;
	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(ends[0]);
		become_worker(p, c, ends[1]);
	}
	close(ends[1]);
	struct mark m;
	/* Marks are shorter than PIPE_BUF: each arrives whole or not. */
	while (read(ends[0], &m, sizeof(m)) == sizeof(m))
		model_mark(&p->model, &m);
	close(ends[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	/* What the shim kept aside has no meaning behind a cut. */
	if (c->kill_at)
		return status;
	nftw(p->side, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	mkdir(p->side, 0700);
	return status;
}

static bool was_cut(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/* Open what is left and judge it; the model goes on from there. */
static int judge(struct place *p, struct err *e)
{
	struct script s;
	int rc = script_open(&s, p->data, e);
	if (!rc)
		rc = model_judge(&p->model, &s, e);
	script_close(&s);
	return rc;
}

/* -- the tests --------------------------------------------------------- */

static unsigned cuts_wanted(void)
{
	const char *text = getenv("POWERCUT_CUTS");
	return text ? (unsigned)strtoul(text, NULL, 10) : 240;
}

static void test_power_cuts_lose_nothing_acknowledged(void **state)
{
	unsigned n_cuts = 0, n_runs = 0, n_wanted = cuts_wanted();
	struct place *p = NULL;
	struct rng r;
	(void)state;
	rng_init(&r, 1);
	while (n_cuts < n_wanted) {
		/* A new directory now and then: its making is cut too. */
		if (n_runs % 12 == 0) {
			if (p)
				place_free(p);
			p = place_new();
		}
		/* An install is a chain of many syncs: every fourth run is
		 * nearly nothing else, and shorter. */
		bool is_short = n_runs % 4 == 3;
		struct cut c = {
			.seed = rng_u64(&r) >> 1,
			.at = 1 + (unsigned)rng_below(&r, is_short ? 60 : 120),
			.installs = is_short ? 400 : 5};
		int status = run_worker(p, &c);
		struct err e = {0};
		if (!was_cut(status))
			fail_msg("run %u, seed %" PRIu64 " at %u: status %x",
				 n_runs, c.seed, c.at, (unsigned)status);
		if (judge(p, &e))
			fail_msg("run %u, seed %" PRIu64 " at %u: %s", n_runs,
				 c.seed, c.at, e.text);
		n_cuts++;
		n_runs++;
	}
	place_free(p);
	print_message("%u cuts\n", n_cuts);
}

/* What a killed process wrote can be seen by the next one, and a cut may still
 * take it away: whatever open shows must be on the disk. */
static void test_what_a_killed_process_left_is_made_durable(void **state)
{
	struct place *p = NULL;
	struct rng r;
	(void)state;
	rng_init(&r, 4);
	for (unsigned i = 0; i < 150; i++) {
		if (i % 12 == 0) {
			if (p)
				place_free(p);
			p = place_new();
		}
		struct cut kill9 = {.seed = rng_u64(&r) >> 1,
				    .kill_at = 1 + (unsigned)rng_below(&r, 60),
				    .installs = 20};
		struct cut c = {.seed = rng_u64(&r) >> 1,
				.at = 1 + (unsigned)rng_below(&r, 14),
				.installs = 20};
		struct err e = {0};
		assert_true(was_cut(run_worker(p, &kill9)));
		assert_true(was_cut(run_worker(p, &c)));
		if (judge(p, &e))
			fail_msg("round %u: %s", i, e.text);
	}
	place_free(p);
}

/* In a child: what a lying disk leaves may crash whoever maps it. */
static bool is_loss_found(struct place *p)
{
	int status;
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct err e = {0};
		int null = open("/dev/null", O_WRONLY);
		dup2(null, STDERR_FILENO);
		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		signal(SIGABRT, SIG_DFL);
		alarm(60);
		_exit(judge(p, &e) ? 1 : 0);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return status != 0;
}

/* The shim can fail: syncs that do nothing must be found out. */
static void test_a_disk_that_ignores_syncs_is_found_out(void **state)
{
	unsigned n_found = 0;
	enum { RUNS = 20 };
	struct rng r;
	(void)state;
	rng_init(&r, 2);
	for (int i = 0; i < RUNS; i++) {
		struct place *p = place_new();
		struct cut c = {.seed = rng_u64(&r) >> 1,
				.at = 40 + (unsigned)rng_below(&r, 100),
				.installs = 5,
				.is_swallowing = true};
		assert_true(was_cut(run_worker(p, &c)));
		n_found += is_loss_found(p);
		place_free(p);
	}
	print_message("loss found in %u of %d runs\n", n_found, (int)RUNS);
	/* One in seven cuts leaves every sector, so a few show nothing. */
	assert_in_range(n_found, RUNS / 2, RUNS);
}

/* A sync that fails: the process ends and says so; nothing is lost. */
static void test_a_failed_sync_stops_the_store(void **state)
{
	struct rng r;
	struct place *p = place_new();
	(void)state;
	rng_init(&r, 3);
	for (unsigned i = 0; i < 40; i++) {
		struct cut c = {.seed = rng_u64(&r) >> 1,
				.fail_at = 1 + (unsigned)rng_below(&r, 80),
				.installs = 20};
		struct err e = {0};
		int status = run_worker(p, &c);
		assert_true(WIFEXITED(status));
		if (WEXITSTATUS(status) != EX_IOERR)
			fail_msg("seed %" PRIu64 ", sync %u: exit %d", c.seed,
				 c.fail_at, WEXITSTATUS(status));
		if (judge(p, &e))
			fail_msg("seed %" PRIu64 ", sync %u: %s", c.seed,
				 c.fail_at, e.text);
	}
	place_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_power_cuts_lose_nothing_acknowledged),
		cmocka_unit_test(
			test_what_a_killed_process_left_is_made_durable),
		cmocka_unit_test(test_a_disk_that_ignores_syncs_is_found_out),
		cmocka_unit_test(test_a_failed_sync_stops_the_store),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
