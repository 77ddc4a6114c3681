/* The scenarios. Each gives the exit code of the program and has printed its
 * result to stdout, its progress and its errors to stderr. */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include "base/err.h"
#include "bench/args.h"

enum run_exit {
	RUN_OK = 0,
	RUN_FAILED = 1,
	RUN_USAGE = 2,
	RUN_ENVIRONMENT = 3
};

int run_log(const struct args *a);
int run_failover(const struct args *a);
int run_memory(const struct args *a);
int run_fleet(const struct args *a);
int run_takeover(const struct args *a);

/* Print "synod-bench: error: …" and give the exit code that fits: environment
 * for what is missing or cannot be reached, else failed. */
int run_error(const struct err *e);

#endif
