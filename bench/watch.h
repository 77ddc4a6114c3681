/* Watches what the processes under test use: CPU between two marks, memory as
 * the largest of samples every 20 ms (VmHWM itself is kept by the kernel). */
#ifndef BENCH_WATCH_H
#define BENCH_WATCH_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/thread.h"
#include "bench/process.h"
#include "proto/limits.h"

struct watch_use {
	double cpu_s;            /* between the marks */
	uint64_t own_bytes;      /* largest seen, RssAnon + RssShmem */
	uint64_t peak_rss_bytes; /* VmHWM at the end */
};

struct watch {
	unsigned n;
	pid_t pids[LIMIT_NODES];
	struct watch_use use[LIMIT_NODES]; /* complete after watch_stop */
	uint64_t begin_us[LIMIT_NODES];
	struct thread thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool should_stop;
};

int watch_start(struct watch *w, const pid_t *pids, unsigned n, struct err *e);
/* is_end 0: CPU counts from now; 1: until now. Any thread. */
void watch_mark(void *w, int is_end);
void watch_stop(struct watch *w);

#endif
