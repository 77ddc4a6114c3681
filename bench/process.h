/* A child process: started, watched and ended by its pid, never by its name.
 * It dies with the thread that started it (PR_SET_PDEATHSIG), so a crashed
 * test leaves nothing behind; start children from the main thread.
 * Not thread-safe; the owner of the struct calls. */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct process {
	pid_t pid; /* 0: not running */
	int pidfd; /* becomes readable when it ends */
	bool is_frozen;
};

struct process_plan {
	const char *const *argv; /* argv[0] is a path or found in PATH */
	const char *log_path;    /* gets stdout and stderr, appended */
};

/* ERR_SYSTEM: nothing runs. A program that cannot be executed ends at once
 * with status 127 and says so in its log. */
int process_start(struct process *p, const struct process_plan *plan,
		  struct err *e);
bool process_is_running(struct process *p); /* reaps one that has ended */
/* The process must run. SIGSTOP and SIGCONT are remembered. */
void process_signal(struct process *p, int sig);
/* Wait for its end and reap it: 0 and the status as of waitpid(2), or
 * ERR_TIMEOUT, and it still runs. Nothing running: 0 with status 0. */
int process_wait(struct process *p, int timeout_ms, int *status);
/* SIGKILL, also when frozen, and reap. Nothing running: nothing to do. */
void process_kill(struct process *p);

/* SIGKILL to every child of this program, and wait until they are gone (they
 * are not reaped: their owner may be about to). Only for the way out: nobody
 * can start or reap a child any more. Any thread. */
void process_kill_all(void);

/* What a process has used. Memory as the kernel counts it in
 * /proc/PID/status; `own` is RssAnon + RssShmem: what the program itself holds.
 * Mapped files (LMDB's page cache) are not in it, but are in `peak_rss`
 * (VmHWM), the largest sum of all three there ever was. */
struct process_use {
	uint64_t cpu_us; /* user + system, all threads */
	uint64_t own_bytes, file_bytes, peak_rss_bytes;
};

/* ERR_NOTFOUND when there is no such process. */
int process_use(pid_t pid, struct process_use *out, struct err *e);

/* The full path of a program: itself if it has a slash, else from PATH.
 * False when there is none that can be executed. */
bool process_find(const char *name, char *path, size_t size);

#endif
