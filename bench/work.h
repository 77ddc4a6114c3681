/* Work: definitions and tasks of a running fleet, asked and told at the doors.
 * Every call tries the nodes in turn until one answers, with a deadline.
 * One thread, the fleet's. */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

#include "bench/fleet.h"

enum { WORK_WAIT_MS = 30000 };

/* One request to some node; the answer is freed with answer_free. */
int work_ask(struct fleet *f, const Synod__Admin__Request *question,
	     Synod__Admin__Response **answer, struct err *e);
/* Declare a text. ERR_INVALID with the first problem. */
int work_define(struct fleet *f, const char *text, struct err *e);
/* Every task runs and has loaded what there was. */
int work_wait_running(struct fleet *f, struct err *e);
/* The place of the node that owns a task ("a/capture"). */
int work_owner(struct fleet *f, const char *task, unsigned *out, struct err *e);
/* Give a task to a node, and wait until that one runs it. */
int work_move(struct fleet *f, const char *task, unsigned to, struct err *e);
int work_drain(struct fleet *f, unsigned i, bool is_drained, struct err *e);

#endif
