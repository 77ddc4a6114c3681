/* What is wrong with a cluster, and what to type next. Pure: a function of the
 * view and of the endpoints that did not answer. */
#ifndef NODE_CTL_HEALTH_H
#define NODE_CTL_HEALTH_H

#include <stddef.h>

#include "node/ctl/view.h"

enum health_level { HEALTH_OK, HEALTH_WARN, HEALTH_CRITICAL };

enum {
	HEALTH_PROBLEMS_MAX = 64,
	HEALTH_TEXT_MAX = 320,
	HEALTH_SUBJECT_MAX = 96
};

struct health_problem {
	enum health_level level; /* HEALTH_OK: worth knowing, no more */
	char subject[HEALTH_SUBJECT_MAX]; /* "node n1", "sync stock" */
	char text[HEALTH_TEXT_MAX];
	char next[HEALTH_TEXT_MAX];
};

struct health {
	enum health_level level;                             /* the worst */
	struct health_problem problems[HEALTH_PROBLEMS_MAX]; /* worst first */
	size_t n_problems;
	size_t n_dropped; /* found no place */
	char about[HEALTH_SUBJECT_MAX];
};

void health_judge(struct health *h, const struct view *v);
/* What the next ones are about: "node n1". */
__attribute__((format(printf, 2, 3))) void health_about(struct health *h,
							const char *fmt, ...);
/* One more, with what to type next. */
__attribute__((format(printf, 4, 5))) void health_add(struct health *h,
						      enum health_level level,
						      const char *next,
						      const char *fmt, ...);
size_t health_count(const struct health *h); /* without what is no problem */
/* An endpoint that gave no answer; reason names it. After health_judge. */
void health_silent_endpoint(struct health *h, const char *reason,
			    const char *next);
const char *health_name(enum health_level level); /* "OK", "WARN", "CRIT" */

/* -- health_work.c: syncs, tasks, connections. After health_judge. -------- */
struct overview;
void health_judge_work(struct health *h, const struct overview *o);

#endif
