/* What the logs hold afterwards, read back through every node's door: nothing
 * acknowledged is missing, nothing is there twice, and all logs are the same
 * entry by entry. */
#ifndef TESTS_CHAOS_HISTORY_H
#define TESTS_CHAOS_HISTORY_H

#include "bench/fleet.h"
#include "tests/chaos/writers.h"

/* The writers must have stopped and the nodes be equal. ERR_CORRUPT names the
 * first thing that is wrong. */
int history_check(struct fleet *f, struct writers *w, struct err *e);

#endif
