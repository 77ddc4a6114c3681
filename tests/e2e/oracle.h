/* Oracle: which writes knew of which, from the writes themselves (each stores
 * the uid that it found), and whether the conflict journal says the same:
 *
 * - no entry names two versions one of which is an ancestor of the other, and
 *   no two entries name the same pair;
 * - every write that nobody built upon and that is not what the sides ended
 *   with lost in exactly one entry. */
#ifndef TESTS_E2E_ORACLE_H
#define TESTS_E2E_ORACLE_H

#include "tests/e2e/load.h"
#include "tests/e2e/stage.h"

struct oracle_entry {
	uint64_t id;
	char a[24], b[24]; /* uids */
	bool is_a_winner;
	char side_a[32], side_b[32];
	int64_t stamp_a, stamp_b;
};
struct oracle_journal {
	struct oracle_entry *entries;
	size_t n;
};

/* All entries of the journal that are about rows with a uid. */
void oracle_journal(struct stage *s, struct oracle_journal *out);
void oracle_journal_free(struct oracle_journal *j);

/* Check the journal against what all writers of REGISTER confirmed, and what
 * the table holds at the end ("uid" of every row of a side). Returns how many
 * entries there are; fails the test when a rule does not hold. */
size_t oracle_check(struct stage *s, const struct side *end, const char *table,
		    struct load *const *writers, size_t n_writers);

#endif
