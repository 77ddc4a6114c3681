/* Ctrl-C leaves nothing behind: on SIGINT, SIGTERM or SIGHUP the processes
 * that were started are killed, scratch directories deleted, and the program
 * ends with 128 + signal. */
#ifndef BENCH_INTERRUPT_H
#define BENCH_INTERRUPT_H

#include "base/err.h"

/* Call first in main, before any other thread: it blocks the three signals for
 * all threads to come and waits for them on one of its own. */
int interrupt_watch(struct err *e);

#endif
