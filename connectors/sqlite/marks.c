#include "connectors/sqlite/marks.h"

#include <stdio.h>

#include "base/rng.h"

static const char schema[] =
	"CREATE TABLE IF NOT EXISTS \"_synod_state\"("
	"id INTEGER PRIMARY KEY CHECK (id = 1), applying TEXT NOT NULL);"
	"INSERT OR IGNORE INTO \"_synod_state\" VALUES (1, '');"
	"CREATE TABLE IF NOT EXISTS \"_synod_checkpoint\"("
	"cluster TEXT NOT NULL, task INTEGER NOT NULL, epoch INTEGER NOT NULL,"
	" applied_index INTEGER NOT NULL, PRIMARY KEY (cluster, task))"
	" WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS \"_synod_capture\"("
	"id INTEGER PRIMARY KEY, side TEXT NOT NULL UNIQUE,"
	" incarnation INTEGER NOT NULL, epoch INTEGER NOT NULL,"
	" purged INTEGER NOT NULL DEFAULT 0,"
	" generation INTEGER NOT NULL DEFAULT 0)";

int sqlite_marks_create(struct db *db, struct err *e)
{
	return sqlite_db_exec(db, schema, e);
}

int sqlite_marks_exist(struct db *db, bool *exist, struct err *e)
{
	int64_t n = 0;
	int rc = sqlite_db_number(
		db,
		"SELECT count(*) FROM sqlite_schema WHERE name IN"
		" ('_synod_state', '_synod_checkpoint',"
		" '_synod_capture')",
		0, &n, e);

	if (rc == 0)
		*exist = n == 3;
	return rc;
}

void sqlite_marks_name(const struct connector_target *t,
		       char name[MARKS_NAME_MAX])
{
	(void)snprintf(name, MARKS_NAME_MAX, "%.64s/%u", t->cluster,
		       t->connection->id);
}

int sqlite_marks_find(struct db *db, const struct connector_target *t,
		      struct marks_capture *out, struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	char name[MARKS_NAME_MAX];

	sqlite_marks_name(t, name);
	int rc = sqlite_db_prepare(db,
				   "SELECT id, incarnation, epoch FROM"
				   " \"_synod_capture\" WHERE side = ?1",
				   &stmt, e);
	if (rc)
		return rc;
	(void)sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
	rc = sqlite_db_step(db, stmt, e);
	if (rc == 0)
		rc = err_set(e, ERR_NOTFOUND, "nothing is set up for %s", name);
	if (rc == 1) {
		*out = (struct marks_capture){
			.id = sqlite3_column_int64(stmt, 0),
			.incarnation = sqlite3_column_int64(stmt, 1),
			.epoch = (uint64_t)sqlite3_column_int64(stmt, 2)};
		rc = 0;
	}
	sqlite3_finalize(stmt);
	return rc;
}

int sqlite_marks_take(struct db *db, const struct connector_target *t,
		      uint64_t epoch, struct marks_capture *out, struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	char name[MARKS_NAME_MAX];
	uint64_t incarnation = 0;

	sqlite_marks_name(t, name);
	rng_entropy(&incarnation, sizeof(incarnation));
	int rc = sqlite_db_prepare(
		db,
		"INSERT INTO \"_synod_capture\"(side, incarnation, epoch)"
		" VALUES (?1, ?2, ?3) ON CONFLICT(side)"
		" DO UPDATE SET epoch = ?3 WHERE epoch <= ?3",
		&stmt, e);
	if (rc)
		return rc;
	(void)sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(stmt, 2, (int64_t)(incarnation >> 1));
	(void)sqlite3_bind_int64(stmt, 3, (int64_t)epoch);
	rc = sqlite_db_step(db, stmt, e);
	sqlite3_finalize(stmt);
	if (rc)
		return rc;
	if (sqlite3_changes(db->conn) == 0)
		return err_set(e, ERR_FENCED,
			       "%s: a newer owner captures it (epoch above "
			       "%llu)",
			       name, (unsigned long long)epoch);
	return sqlite_marks_find(db, t, out, e);
}
