/* A table as it is in the file now: columns, key, unique indexes. Lives in the
 * arena that it was read into. */
#ifndef CONNECTORS_SQLITE_TABLE_H
#define CONNECTORS_SQLITE_TABLE_H

#include "base/arena.h"
#include "connectors/sqlite/db.h"

/* Which values SQLite changes when they are stored. */
enum affinity {
	AFFINITY_NONE, /* BLOB, or no type: keeps what it gets */
	AFFINITY_TEXT,
	AFFINITY_NUMERIC,
	AFFINITY_INTEGER,
	AFFINITY_REAL
};

struct table_column {
	const char *name;
	const char *declared; /* "" when there is no type */
	enum affinity affinity;
	bool is_nullable, is_generated;
	int key_place;         /* from 1; 0: not of the primary key */
	const char *collation; /* of the primary key's index; or NULL */
};

struct table_index_column {
	const char *name; /* NULL: the rowid or an expression */
	const char *collation;
};

/* A unique index, that of the primary key among them. */
struct table_index {
	const char *name;
	struct table_index_column *columns;
	size_t n;
	bool is_primary, is_partial, has_expression;
};

struct table {
	const char *name;
	struct table_column *columns;
	size_t n;
	struct table_index *indexes; /* unique ones */
	size_t n_indexes;
	size_t n_key; /* columns of the primary key */
	bool has_rowid, is_strict;
	bool is_rowid_key; /* INTEGER PRIMARY KEY: the rowid itself */
};

/* By the rules of "Datatypes In SQLite", 3.1; declared may be NULL. */
enum affinity sqlite_affinity_of(const char *declared, bool is_strict);

/* ERR_NOTFOUND: there is no such table (a view is none). */
int sqlite_table_read(struct db *db, const char *name, struct arena *arena,
		      struct table *out, struct err *e);
/* Names compare as SQLite does, case of ASCII folded. NULL: none. */
const struct table_column *sqlite_table_column(const struct table *t,
					       const char *name);

#endif
