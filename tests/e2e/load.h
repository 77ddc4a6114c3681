/* Load: writers of a test, each a thread with a link of its own to one side,
 * that change rows at random and remember what the database confirmed. Every
 * write stores its uid and the uid it found (`saw`), so that which write knew
 * of which can be read from the writes themselves.
 *
 * The table that they write:
 *   id bigint primary key, uid text, saw text, n bigint, note text */
#ifndef TESTS_E2E_LOAD_H
#define TESTS_E2E_LOAD_H

#include "tests/e2e/links.h"

/* Creates the table, empty. */
void load_create_table(const struct side *s, const char *table);

enum load_kind {
	LOAD_CHURN,    /* insert, update, delete, change of key, 1-100 rows */
	LOAD_REGISTER, /* updates of rows that exist: one a transaction */
	LOAD_APPEND,   /* inserts of new rows: one a transaction */
};

struct load_plan {
	const struct side *side;
	const char *table;
	enum load_kind kind;
	const char *prefix; /* of its uids: one of its own for each writer */
	unsigned n_keys;    /* keys are 1..n_keys (APPEND: from first_key) */
	int64_t first_key;
	unsigned per_second; /* transactions; 0: as fast as it can */
	uint64_t seed;
};

struct load;
struct load *load_start(const struct load_plan *plan);
/* Confirmed transactions so far. Any thread. */
uint64_t load_confirmed(struct load *l);
/* Ask all to stop, then wait. */
void load_stop(struct load **list, size_t n);
void load_free(struct load *l);

/* What a writer confirmed; for REGISTER and APPEND. */
struct load_write {
	int64_t key;
	char uid[24], saw[24];
	bool is_unknown; /* the link broke at the commit */
};
const struct load_write *load_writes(const struct load *l, size_t *n);

#endif
