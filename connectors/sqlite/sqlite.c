/* The connector's table, and what needs no handle. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "connectors/sqlite/apply.h"
#include "connectors/sqlite/capture.h"
#include "connectors/sqlite/check.h"

static int test(const struct connector_target *t, char *text, size_t cap,
		struct err *e)
{
	struct db db;
	int64_t n = 0;
	int rc = sqlite_db_open(&db, t, DB_LOOK, e);

	if (rc)
		return rc;
	rc = sqlite_db_number(&db,
			      "SELECT count(*) FROM sqlite_schema"
			      " WHERE type = 'table'"
			      " AND name NOT GLOB 'sqlite_*'"
			      " AND name NOT GLOB '_synod_*'",
			      0, &n, e);
	if (rc == 0 && access(db.options.path, W_OK))
		rc = err_set(e, ERR_PERMISSION, "%s: not writable",
			     db.options.path);
	if (rc == 0)
		(void)snprintf(text, cap, "SQLite %s, %s, %lld tables",
			       sqlite3_libversion(), db.options.path,
			       (long long)n);
	sqlite_db_close(&db);
	return rc;
}

static void describe_column(const struct table_column *c,
			    struct connector_column *out)
{
	const char *native = NULL;
	enum value_type type = sqlite_types_of_column(c, &native);

	*out = (struct connector_column){.name = c->name,
					 .type = type,
					 .native = native,
					 .is_key = c->key_place > 0,
					 .is_nullable = c->is_nullable &&
							c->key_place == 0,
					 .is_generated = c->is_generated};
}

static int describe(const struct connector_target *t, const char *name,
		    struct arena *arena, struct connector_schema *out,
		    struct err *e)
{
	struct table table;
	struct db db;
	int rc = sqlite_db_open(&db, t, DB_LOOK, e);

	if (rc)
		return rc;
	rc = sqlite_table_read(&db, name, arena, &table, e);
	sqlite_db_close(&db);
	if (rc)
		return rc;
	struct connector_schema schema = {.table = table.name, .n = table.n};
	schema.columns =
		arena_alloc(arena, table.n * sizeof(*schema.columns) + 1);
	for (size_t i = 0; i < table.n; i++)
		describe_column(&table.columns[i], &schema.columns[i]);
	*out = schema;
	return 0;
}

static int tables(const struct connector_target *t, struct arena *arena,
		  const char **names, size_t max, struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	struct db db;
	size_t n = 0;
	int rc = sqlite_db_open(&db, t, DB_LOOK, e);

	if (rc)
		return rc;
	rc = sqlite_db_prepare(&db,
			       "SELECT name FROM pragma_table_list"
			       " WHERE schema = 'main' AND type = 'table'"
			       " AND name NOT GLOB 'sqlite_*'"
			       " AND name NOT GLOB '_synod_*' ORDER BY name",
			       &stmt, e);
	while (rc == 0 && n < max && (rc = sqlite_db_step(&db, stmt, e)) == 1) {
		const char *name = (const char *)sqlite3_column_text(stmt, 0);

		names[n++] = arena_strdup(arena, name ? name : "");
		rc = 0;
	}
	sqlite3_finalize(stmt);
	sqlite_db_close(&db);
	return rc ? rc : (int)n;
}

static const char *refuses(const struct connector_column *column,
			   enum value_type type, const char *native)
{
	return sqlite_types_refuse(column->native, type, native);
}

/* -- forget ----------------------------------------------------------------
 */
static int forget_checkpoint(struct db *db, const struct connector_target *t,
			     uint32_t task_id, struct err *e)
{
	struct sql s = {0};

	sqlite_sql_add(&s,
		       "DELETE FROM \"_synod_checkpoint\" WHERE task = %u"
		       " AND cluster = ",
		       task_id);
	sqlite_sql_literal(&s, t->cluster);
	int rc = sqlite_db_exec(db, s.text, e);
	sqlite_sql_free(&s);
	return rc;
}

static int forget_capture(struct db *db, const struct connector_target *t,
			  struct err *e)
{
	struct marks_capture mark;
	int rc = sqlite_marks_find(db, t, &mark, e);

	if (rc == ERR_NOTFOUND)
		return 0;
	if (rc)
		return rc;
	struct triggers g = {.db = db, .target = t, .id = mark.id};
	return sqlite_triggers_drop(&g, e);
}

/* The last one out takes our three tables along. */
static int forget_all(struct db *db, struct err *e)
{
	int64_t n = 0;
	int rc = sqlite_db_number(
		db,
		"SELECT (SELECT count(*) FROM \"_synod_capture\")"
		" + (SELECT count(*) FROM \"_synod_checkpoint\")",
		0, &n, e);

	if (rc || n)
		return rc;
	return sqlite_db_exec(db,
			      "DROP TABLE \"_synod_capture\";"
			      "DROP TABLE \"_synod_checkpoint\";"
			      "DROP TABLE \"_synod_state\"",
			      e);
}

static int forget(const struct connector_target *t, uint32_t task_id,
		  struct err *e)
{
	struct db db;
	bool exist = false;
	int rc = sqlite_db_open(&db, t, DB_LOOK, e);

	if (rc)
		return rc;
	rc = sqlite_db_begin(&db, e);
	if (rc == 0)
		rc = sqlite_marks_exist(&db, &exist, e);
	if (rc == 0 && exist) {
		rc = task_id == t->connection->id
			     ? forget_capture(&db, t, e)
			     : forget_checkpoint(&db, t, task_id, e);
		if (rc == 0)
			rc = forget_all(&db, e);
	}
	if (rc == 0)
		rc = sqlite_db_commit(&db, e);
	sqlite_db_rollback(&db);
	sqlite_db_close(&db);
	return rc;
}

const struct connector connector_sqlite = {
	.type = "sqlite",
	.options = sqlite_options_list,
	.test = test,
	.describe = describe,
	.tables = tables,
	.refuses = refuses,
	.check = sqlite_check,
	.forget = forget,
	.capture_open = sqlite_capture_open,
	.capture_start = sqlite_capture_start,
	.capture_poll = sqlite_capture_poll,
	.capture_confirm = sqlite_capture_confirm,
	.capture_figures = sqlite_capture_figures,
	.capture_interrupt = sqlite_capture_interrupt,
	.capture_close = sqlite_capture_close,
	.apply_open = sqlite_apply_open,
	.apply_write = sqlite_apply_write,
	.apply_interrupt = sqlite_apply_interrupt,
	.apply_close = sqlite_apply_close,
};
