#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/rng.h"

#define DEADLINE_US ((int64_t)20000000)

int64_t test_now_us(void)
{
	struct clock c = clock_system();
	return clock_mono_us(&c);
}

bool is_overdue(int64_t start_us)
{
	return test_now_us() - start_us > DEADLINE_US;
}

static void wake(void *ctx)
{
	struct fixture *f = ctx;
	pthread_mutex_lock(&f->lock);
	f->is_woken = true;
	pthread_cond_signal(&f->wake);
	pthread_mutex_unlock(&f->lock);
}

int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const char *tmp = getenv("TMPDIR");
	pthread_condattr_t attr;
	snprintf(f->dir, sizeof(f->dir), "%s/synod-store-XXXXXX",
		 tmp ? tmp : P_tmpdir);
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->log_path, sizeof(f->log_path), "%s/log", f->dir);
	snprintf(f->state_path, sizeof(f->state_path), "%s/state", f->dir);
	pthread_mutex_init(&f->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&f->wake, &attr);
	pthread_condattr_destroy(&attr);
	mailbox_init(&f->owner, (size_t)1 << 20, wake, f);
	f->quota_bytes = (size_t)64 << 20;
	f->state_quota_bytes = f->quota_bytes;
	*state = f;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind,
		      struct FTW *at)
{
	(void)st, (void)kind, (void)at;
	return remove(path);
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	fixture_close_state(f);
	fixture_close_log(f);
	mailbox_close(&f->owner);
	fixture_drain(f);
	mailbox_destroy(&f->owner);
	pthread_cond_destroy(&f->wake);
	pthread_mutex_destroy(&f->lock);
	nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

void fixture_open_log(struct fixture *f)
{
	struct err e = {0};
	struct log_config cfg = {.path = f->log_path,
				 .bytes_max = f->quota_bytes,
				 .owner = &f->owner,
				 .clock = clock_system()};
	if (log_open(&f->log, &cfg, &e))
		fail_msg("log_open: %s", e.text);
}

void fixture_close_log(struct fixture *f)
{
	log_close(f->log);
	f->log = NULL;
}

static void apply_nothing(void *ctx, const struct kv *kv,
			  const struct log_entry *entry)
{
	(void)ctx, (void)kv, (void)entry;
}

void fixture_open_state(struct fixture *f)
{
	struct err e = {0};
	fixture_open_log(f);
	if (!f->machine.apply)
		f->machine.apply = apply_nothing;
	struct state_config cfg = {.path = f->state_path,
				   .bytes_max = f->state_quota_bytes,
				   .log = f->log,
				   .owner = &f->owner,
				   .machine = f->machine,
				   .clock = clock_system()};
	if (state_open(&f->state, &cfg, &e))
		fail_msg("state_open: %s", e.text);
}

void fixture_close_state(struct fixture *f)
{
	state_close(f->state);
	f->state = NULL;
	fixture_close_log(f);
}

/* -- entries ----------------------------------------------------------- */

static void fill(uint8_t *p, uint64_t index, uint64_t term, size_t len)
{
	struct rng r;
	rng_init(&r, index * 1000003 + term);
	for (size_t i = 0; i < len; i += 8) {
		uint64_t v = rng_u64(&r);
		memcpy(p + i, &v, len - i < 8 ? len - i : 8);
	}
}

struct log_entry entry_make(uint64_t index, uint64_t term, size_t len)
{
	uint8_t *p = malloc(len + 1);
	fill(p, index, term, len);
	return (struct log_entry){.index = index,
				  .term = term,
				  .type = LOG_COMMAND,
				  .data = p,
				  .len = len};
}

void entry_free(struct log_entry *entry)
{
	free((void *)(uintptr_t)entry->data);
	entry->data = NULL;
}

void entry_check(const struct log_entry *out, uint64_t index, uint64_t term)
{
	struct log_entry want = entry_make(index, term, out->len);
	assert_int_equal(out->index, index);
	assert_int_equal(out->term, term);
	assert_memory_equal(out->data, want.data, out->len);
	entry_free(&want);
}

void fixture_append(struct fixture *f, uint64_t first, uint64_t last,
		    uint64_t term, size_t len)
{
	size_t n = last - first + 1;
	struct log_entry *entries = calloc(n, sizeof(*entries));
	for (size_t i = 0; i < n; i++)
		entries[i] = entry_make(first + i, term, len);
	log_append(f->log, entries, n, ++f->ticket);
	fixture_wait(f, f->ticket);
	for (size_t i = 0; i < n; i++)
		entry_free(&entries[i]);
	free(entries);
}

/* -- waiting ----------------------------------------------------------- */

void fixture_drain(struct fixture *f)
{
	struct note *n = mailbox_take(&f->owner);
	while (n) {
		struct note *next = n->next;
		if (n->kind == NOTE_LOG_DONE) {
			uint64_t ticket = ((struct log_done *)n)->ticket;
			/* Completions come in the order of the requests. */
			assert_true(ticket > f->done_ticket);
			f->done_ticket = ticket;
			f->n_done++;
		} else {
			assert_int_equal(n->kind, NOTE_STATE_APPLIED);
			uint64_t index = ((struct state_applied *)n)->index;
			assert_true(index > f->applied_index);
			f->applied_index = index;
		}
		free(n);
		n = next;
	}
}

static void wait_for(struct fixture *f, const uint64_t *have, uint64_t want)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += DEADLINE_US / 1000000;
	for (;;) {
		fixture_drain(f);
		if (*have >= want)
			return;
		int rc = 0;
		pthread_mutex_lock(&f->lock);
		while (!f->is_woken && rc == 0)
			rc = pthread_cond_timedwait(&f->wake, &f->lock, &t);
		f->is_woken = false;
		pthread_mutex_unlock(&f->lock);
		if (rc == ETIMEDOUT)
			fail_msg("waited too long for %llu, have %llu",
				 (unsigned long long)want,
				 (unsigned long long)*have);
	}
}

void fixture_wait(struct fixture *f, uint64_t ticket)
{
	wait_for(f, &f->done_ticket, ticket);
}

void fixture_wait_applied(struct fixture *f, uint64_t index)
{
	wait_for(f, &f->applied_index, index);
}

void fixture_wait_first(struct fixture *f, uint64_t first)
{
	int64_t start_us = test_now_us();
	struct log_bounds b;
	do {
		log_bounds(f->log, &b);
		if (is_overdue(start_us))
			fail_msg("first index is still %llu",
				 (unsigned long long)b.first_index);
		sched_yield();
	} while (b.first_index != first);
}

/* -- looking ----------------------------------------------------------- */

void fixture_check_log(struct fixture *f, uint64_t first, uint64_t last,
		       uint64_t term)
{
	struct log_reader r;
	struct log_entry out;
	struct err e = {0};
	assert_int_equal(log_read_begin(f->log, &r, &e), 0);
	for (uint64_t i = first; i <= last; i++) {
		if (log_read(&r, i, &out, &e))
			fail_msg("entry %llu: %s", (unsigned long long)i,
				 e.text);
		entry_check(&out, i, term);
	}
	log_read_end(&r);
}

int fixture_read_code(struct fixture *f, uint64_t index)
{
	struct log_reader r;
	struct log_entry out;
	assert_int_equal(log_read_begin(f->log, &r, NULL), 0);
	int rc = log_read(&r, index, &out, NULL);
	log_read_end(&r);
	return rc;
}

size_t fixture_file_offset(const void *p)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[1024];
	size_t found = SIZE_MAX;
	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		unsigned long long from, to, offset;
		if (sscanf(line, "%llx-%llx %*s %llx", &from, &to, &offset) !=
		    3)
			continue;
		if ((uintptr_t)p >= from && (uintptr_t)p < to) {
			assert_non_null(strstr(line, "data.mdb"));
			found = (uintptr_t)p - from + offset;
		}
	}
	fclose(maps);
	assert_true(found != SIZE_MAX);
	return found;
}

void fixture_flip(const char *dir, size_t offset, unsigned bit)
{
	char path[FIXTURE_PATH_MAX + 64];
	uint8_t byte;
	snprintf(path, sizeof(path), "%s/data.mdb", dir);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
	byte ^= (uint8_t)(1U << bit);
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)offset), 1);
	close(fd);
}

/* -- children ---------------------------------------------------------- */

int fixture_child(void (*fn)(void *), void *ctx, char *text, size_t text_max)
{
	int ends[2], status = 0;
	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(ends[0]);
		dup2(ends[1], STDERR_FILENO);
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		/* cmocka's handler would report the signal and go on. */
		signal(SIGABRT, SIG_DFL);
		alarm(60);
		fn(ctx);
		_exit(0);
	}
	close(ends[1]);
	size_t have = 0;
	for (;;) {
		char buf[512];
		ssize_t n = read(ends[0], buf, sizeof(buf));
		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n && have + 1 < text_max; i++)
			text[have++] = buf[i];
	}
	if (text_max)
		text[have] = '\0';
	close(ends[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return status;
}

bool died_of_check(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

bool died_of_ioerr(int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == EX_IOERR;
}
