#include <string.h>

#include "connectors/sqlite/apply.h"

/* Beyond it all are forgotten: a table has a handful of column sets. */
enum { STATEMENTS_MAX = 512 };

sqlite3_stmt *sqlite_statement_find(struct apply_handle *h, struct bytes key)
{
	struct bytes value;
	sqlite3_stmt *stmt = NULL;

	if (map_get(h->statements, key, &value))
		memcpy(&stmt, value.data, sizeof(stmt));
	return stmt;
}

int sqlite_statement_get(struct apply_handle *h, struct bytes key,
			 const char *sql, sqlite3_stmt **out, struct err *e)
{
	sqlite3_stmt *stmt = NULL;

	if (map_count(h->statements) >= STATEMENTS_MAX)
		sqlite_statement_clear(h);
	int rc = sqlite_db_prepare(&h->db, sql, &stmt, e);
	if (rc)
		return rc;
	map_put(h->statements, key,
		(struct bytes){(const uint8_t *)&stmt, sizeof(stmt)});
	*out = stmt;
	return 0;
}

void sqlite_statement_clear(struct apply_handle *h)
{
	struct bytes key, value;

	while (map_seek(h->statements, (struct bytes){0}, false, &key,
			&value)) {
		sqlite3_stmt *stmt = NULL;

		memcpy(&stmt, value.data, sizeof(stmt));
		sqlite3_finalize(stmt);
		map_delete(h->statements, key);
	}
}
