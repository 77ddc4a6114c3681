/* What the chaos tests have in common: a fleet of the daemon that was built
 * with them, and failures that say what happened and where the logs are. */
#ifndef TESTS_CHAOS_RIG_H
#define TESTS_CHAOS_RIG_H

#include "bench/fleet.h"

enum { RIG_NODES = 3, RIG_EQUAL_MS = 60000 };

/* A fleet of three, with directories and node files, not started. */
struct fleet *rig_plan(const char *node_lines);
/* Start it and wait until it is ready. */
void rig_start(struct fleet *f);
struct fleet *rig_open(const char *node_lines); /* both */
/* Waits until all nodes are equal first, and ends them by SIGTERM: each must
 * exit with 0. */
void rig_close(struct fleet *f);

/* Fail the test, with the text and the last lines of every node's log. */
__attribute__((noreturn)) void rig_fail(struct fleet *f, const struct err *e);

#endif
