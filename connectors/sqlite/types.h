/* Types: which logical type a column has, what it may hold without loss, and
 * values to and from SQLite's storage classes.
 *
 * SQLite converts on the way in by the column's affinity ('1.10' becomes the
 * number 1.1 in a DECIMAL column), and keeps anything that it cannot convert
 * (text in an INTEGER column). So a column takes a type only where its affinity
 * leaves the stored form alone:
 *
 *   BOOL       0 or 1           INTEGER, NUMERIC, none
 *   INT64      integer          INTEGER, NUMERIC, none
 *   F64, F32   real             REAL (no NaN, no -0.0: SQLite changes them)
 *   BYTES      blob             none
 *   DATE, TIME, DATETIME, TIMESTAMP, UUID   text   TEXT, NUMERIC, none
 *   TEXT, DECIMAL, UINT64, INTERVAL, JSON, ENUM, BIT, NATIVE of others
 *              text             TEXT, none
 *   NATIVE "sqlite:numeric", "sqlite:none"   whatever is there: the same
 *
 * TIMESTAMP is written with "+00:00", which SQLite's functions read. Readers
 * take every form of connectors/text.h, but for a key only the one that we
 * write: a row must be found again by it.
 *
 * A value that its column cannot give back as it was is refused, one by one:
 * ERR_DATA. Any thread. */
#ifndef CONNECTORS_SQLITE_TYPES_H
#define CONNECTORS_SQLITE_TYPES_H

#include "connectors/sqlite/table.h"

struct types_field {
	enum value_type type;
	enum affinity affinity;
	bool is_key;
	bool is_dynamic; /* NATIVE of ours */
};

/* What a column is when nobody says otherwise. native lives in arena. */
enum value_type sqlite_types_of_column(const struct table_column *c,
				       const char **native);
const char *sqlite_types_refuse(const char *column_native, enum value_type type,
				const char *native);
struct types_field sqlite_types_field(const struct table_column *c,
				      enum value_type type, const char *native,
				      bool is_key);
/* A place in a row that was read. */
struct types_cell {
	sqlite3_stmt *row;
	int place; /* from 0 */
	const struct types_field *field;
};
/* Its value; lends from the row or from arena. The error says what is there
 * instead. */
int sqlite_types_read(const struct types_cell *cell, struct arena *arena,
		      struct value *out, struct err *e);
/* Places count from 1. Lends the value until the statement is reset. */
int sqlite_types_bind(sqlite3_stmt *stmt, int place,
		      const struct types_field *f, const struct value *v,
		      struct err *e);

#endif
