/* Audit: evidence that cannot be repeated without showing. A trigger of the
 * application counts, for each uid, how often a row with it was written. */
#ifndef TESTS_E2E_AUDIT_H
#define TESTS_E2E_AUDIT_H

#include "tests/e2e/load.h"
#include "tests/e2e/stage.h"

/* Table "audit" and the trigger on `table` of this side. */
void audit_create(const struct side *s, const char *table);
/* Every write that the writers confirmed was written exactly once here; one
 * whose commit has an open fate at most once, and the same on both sides.
 * Nothing else was written. Fails the test when not; returns how many uids. */
size_t audit_check(struct stage *stage, const struct side *s,
		   struct load *const *writers, size_t n);

#endif
