/* Acts: what a person does to a running stage, and what the overview says of
 * the sync meanwhile. As stage.h: every wait has a deadline and fails the
 * test. */
#ifndef TESTS_E2E_ACTS_H
#define TESTS_E2E_ACTS_H

#include "tests/e2e/stage.h"

/* Declare a text; what it does not name goes. */
void acts_define_all(struct stage *s, const char *text);
/* Pause or resume; table "": the whole sync. */
void acts_pause(struct stage *s, const char *sync, const char *table,
		bool is_paused);

/* Give a task to a node, and wait for nothing. */
void acts_move(struct stage *s, const char *task, unsigned to);

/* Wait until the overview of a sync has this state ("": any), and these texts
 * within its problem and its hint. */
struct acts_view {
	const char *sync, *state, *problem, *hint;
};
void acts_wait_view(struct stage *s, const struct acts_view *wanted);

/* Free with answer_free. */
Synod__Admin__Response *acts_letters(struct stage *s);
void acts_wait_letters(struct stage *s, size_t n);
/* All of a sync: replay or discard. */
void acts_on_letters(struct stage *s, const char *sync, bool is_replay);

Synod__Admin__Response *acts_open_conflicts(struct stage *s);
void acts_resolve(struct stage *s, uint64_t id, const char *connection);

/* The query gives this number within the wait. */
void acts_wait_number(struct stage *s, const struct side *side, const char *sql,
		      int64_t wanted);

#endif
