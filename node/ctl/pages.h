/* Lists that nodes give in pages, oldest first: conflicts and dead letters. */
#ifndef NODE_CTL_PAGES_H
#define NODE_CTL_PAGES_H

#include "node/ctl/ctl.h"

/* Makes the question for what is not before from; sends nothing. */
typedef void (*pages_question)(struct ctl *c, uint64_t from,
			       Synod__Admin__Request *request);

struct pages {
	struct link_answer *list;
	size_t n;
	size_t n_items; /* on all these pages */
	size_t n_skip;  /* so many of the first ones were not asked for */
};

/* Read the newest `count` of all there are, 0: all. 0, or the exit code. Clear
 * it in any case. */
int pages_read(struct ctl *c, pages_question question, uint64_t count,
	       struct pages *p);
void pages_clear(struct pages *p);

/* Ask for one. 0, or the exit code. Clear the answer in any case. */
int pages_one(struct ctl *c, const Synod__Admin__Request *request,
	      struct link_answer *answer);

#endif
