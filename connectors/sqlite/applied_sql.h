/* The SQL that writes a row of a table. Places of values: 1 to n for the
 * fields, n + 1 and on for the key that the row is found by. Pure. */
#ifndef CONNECTORS_SQLITE_APPLIED_SQL_H
#define CONNECTORS_SQLITE_APPLIED_SQL_H

#include "connectors/sqlite/apply.h"
#include "connectors/sqlite/sql.h"

enum statement_kind {
	STATEMENT_PUT = 1,
	STATEMENT_PATCH,
	STATEMENT_MOVE,
	STATEMENT_DELETE,
	STATEMENT_TRUNCATE,
	STATEMENT_READ,
	STATEMENT_YIELD,
};

/* Does the row tell a value for this field? */
bool sqlite_applied_has(const struct apply_row *row, uint32_t field);
void sqlite_applied_sql(struct sql *s, const struct applied *t,
			const struct apply_row *row, enum statement_kind kind);

#endif
