/* What is wrong with a cluster, and what to type next. Pure: a function of the
 * view and of the endpoints that did not answer. */
#ifndef NODE_CTL_HEALTH_H
#define NODE_CTL_HEALTH_H

#include <stddef.h>

#include "node/ctl/view.h"

enum health_level { HEALTH_OK, HEALTH_WARN, HEALTH_CRITICAL };

enum { HEALTH_PROBLEMS_MAX = 24, HEALTH_TEXT_MAX = 320 };

struct health_problem {
	enum health_level level;
	char text[HEALTH_TEXT_MAX];
	char next[HEALTH_TEXT_MAX];
};

struct health {
	enum health_level level;                             /* the worst */
	struct health_problem problems[HEALTH_PROBLEMS_MAX]; /* worst first */
	size_t n_problems;
};

void health_judge(struct health *h, const struct view *v);
/* An endpoint that gave no answer; reason names it. After health_judge. */
void health_silent_endpoint(struct health *h, const char *reason,
			    const char *next);
const char *health_name(enum health_level level); /* "OK", "WARN", "CRIT" */

#endif
