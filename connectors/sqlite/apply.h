/* Apply to a SQLite file: what its parts share.
 *
 * One BEGIN IMMEDIATE transaction: the checkpoint moves by a conditional
 * update, the mark of marks.h is set, the rows are written in their order, the
 * mark is cleared, COMMIT with synchronous=FULL. Foreign keys are enforced, all
 * of them at the commit (defer_foreign_keys), unless the connection says
 * foreign_keys: off.
 *
 * A row that a constraint refuses is tried again behind the others: what frees
 * its unique value, or brings its parent, may come later in the group. When
 * only such rows are left, their unique values are exchanged among them, so
 * each gives up its old ones for a moment (NULL, or a value that nobody has).
 * What then still fails is a reject, and everything is rolled back. */
#ifndef CONNECTORS_SQLITE_APPLY_H
#define CONNECTORS_SQLITE_APPLY_H

#include "base/map.h"
#include "connectors/sqlite/marks.h"
#include "connectors/sqlite/types.h"

/* A table as it is written to. */
struct applied {
	const struct connector_table *ct;
	struct types_field *fields;
	bool *is_unique; /* of another unique index than the key's */
	bool *is_nullable;
	uint32_t n, n_key;
};

struct apply_handle {
	struct db db;
	struct connector_target target;
	char mark[MARKS_NAME_MAX];
	uint32_t task_id;
	uint64_t epoch;
	struct applied *tables;
	size_t n_tables;
	struct arena arena; /* tables */
	struct arena row;   /* one row at a time */
	sqlite3_stmt *checkpoint, *set_mark;
	struct map *statements; /* what it does -> sqlite3_stmt * */
	struct value *keys;     /* CHANGE_VALUES_MAX */
};

/* What became of a row that was tried. */
enum applied_fate {
	APPLIED_DONE,
	APPLIED_REFUSED, /* by a constraint: perhaps not so later */
	APPLIED_BAD,     /* it will never do */
	APPLIED_DIFFERS, /* CHANGE_READ */
};

/* By its place in the definition; NULL: none. */
struct applied *sqlite_applied_table(struct apply_handle *h, uint32_t table_id);
/* Write one row within the transaction. An error is one of the connection, of
 * the schema, or the end of the transaction; else *fate says it, why the text
 * and existing (APPLIED_DIFFERS) the row that is there. */
int sqlite_applied_row(struct apply_handle *h, const struct apply_row *row,
		       enum applied_fate *fate, struct apply_reject *why,
		       struct err *e);
/* Let a row of the target go of its unique values for a moment. */
int sqlite_applied_yield(struct apply_handle *h, const struct apply_row *row,
			 struct err *e);

/* A statement, prepared once; a key of at most STATEMENT_KEY_MAX bytes. */
int sqlite_statement_get(struct apply_handle *h, struct bytes key,
			 const char *sql, sqlite3_stmt **out, struct err *e);
sqlite3_stmt *sqlite_statement_find(struct apply_handle *h, struct bytes key);
void sqlite_statement_clear(struct apply_handle *h);

/* Write all rows of the group. ERR_DATA: rejects says why. */
int sqlite_group_write(struct apply_handle *h, const struct apply_group *g,
		       struct apply_rejects *rejects, struct err *e);

/* The functions of struct connector. */
int sqlite_apply_open(const struct apply_setup *setup,
		      struct apply_handle **out, uint64_t *applied_index,
		      struct err *e);
int sqlite_apply_write(struct apply_handle *h, const struct apply_group *g,
		       struct apply_rejects *rejects, struct err *e);
void sqlite_apply_interrupt(struct apply_handle *h);
void sqlite_apply_close(struct apply_handle *h);

#endif
