/* A stage: three real nodes and the definition that they were given, for tests
 * of the whole. Everything is asked at the nodes' doors; every wait has a
 * deadline and fails the test with what was seen last.
 *
 * One thread: the one that opened it. */
#ifndef TESTS_E2E_STAGE_H
#define TESTS_E2E_STAGE_H

#include "bench/work.h"
#include "tests/e2e/links.h"

enum { STAGE_NODES = 3, STAGE_WAIT_MS = 30000 };

struct stage {
	struct fleet *fleet;
};

void stage_open(struct stage *s);
/* With more lines in each node file. */
void stage_open_with(struct stage *s, const char *node_lines);
void stage_close(struct stage *s);
/* Fail the test; says where the nodes' logs are, and keeps them. */
__attribute__((noreturn, format(printf, 2, 3))) void
stage_fail(struct stage *s, const char *fmt, ...);

/* One request to some node that answers; free with answer_free. Fails the test
 * when none does within the wait, or when the answer is a problem. */
Synod__Admin__Response *stage_ask(struct stage *s,
				  const Synod__Admin__Request *question);

/* Declare `text` (connections and syncs). */
void stage_define(struct stage *s, const char *text);
/* "synod: 1", the sides' connections and one sync "pair" over `lines`. */
void stage_define_pair(struct stage *s, const struct side *a,
		       const struct side *b, const char *lines);
/* Every task has an owner that says it runs, and nothing is being loaded. */
void stage_wait_running(struct stage *s);
/* The place of the node that owns a task ("a/capture"), in the fleet. Fails
 * when nobody does within the wait. */
unsigned stage_owner(struct stage *s, const char *task);
/* The leader's place. */
unsigned stage_leader(struct stage *s);

/* Both queries give the same rows within the deadline; else the test fails and
 * shows the first rows that differ. */
void stage_wait_equal(struct stage *s, const struct side *a,
		      const struct side *b, const char *sql);

#endif
