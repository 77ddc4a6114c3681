#include "connectors/sqlite/check.h"

#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "connectors/sqlite/sql.h"
#include "connectors/sqlite/types.h"

struct checking {
	struct db *db;
	struct arena *arena;
	struct connector_findings *out;
};

/* -- the file --------------------------------------------------------------
 */
static int check_file(struct checking *x, struct err *e)
{
	const char *path = x->db->options.path;
	char dir[sizeof(x->db->options.path)];
	sqlite3_stmt *stmt = NULL;

	memcpy(dir, path, sizeof(dir)); /* dirname writes into it */
	if (access(path, W_OK) || access(dirname(dir), W_OK))
		connector_find(x->out, true, NULL, NULL,
			       "%s: the file and its directory have to be "
			       "writable",
			       path);
	int rc = sqlite_db_prepare(x->db, "PRAGMA journal_mode", &stmt, e);
	if (rc)
		return rc;
	rc = sqlite_db_step(x->db, stmt, e);
	if (rc == 1) {
		const char *mode = (const char *)sqlite3_column_text(stmt, 0);

		if (mode && strcmp(mode, "wal") != 0)
			connector_find(x->out, false, NULL,
				       "PRAGMA journal_mode=WAL;",
				       "journal_mode is %s: it will be set to "
				       "WAL, so that readers and writers do "
				       "not block each other",
				       mode);
	}
	sqlite3_finalize(stmt);
	return rc < 0 ? rc : 0;
}

/* -- a table ---------------------------------------------------------------
 */
static bool is_key_field(const struct connector_table *ct, const char *name)
{
	for (size_t i = 0; i < ct->table->n_fields; i++) {
		if (ct->table->fields[i]->is_key &&
		    strcasecmp(ct->side->columns[i], name) == 0)
			return true;
	}
	return false;
}

static size_t count_key(const struct connector_table *ct)
{
	size_t n = 0;

	for (size_t i = 0; i < ct->table->n_fields; i++)
		n += ct->table->fields[i]->is_key ? 1 : 0;
	return n;
}

static bool is_binary(const char *collation)
{
	return !collation || strcasecmp(collation, "BINARY") == 0;
}

/* Is the index one of exactly the key's columns, and binary? */
static bool is_key_index(const struct connector_table *ct,
			 const struct table_index *index, bool *is_folded)
{
	if (index->is_partial || index->has_expression ||
	    index->n != count_key(ct))
		return false;
	for (size_t c = 0; c < index->n; c++) {
		if (!is_key_field(ct, index->columns[c].name))
			return false;
		if (!is_binary(index->columns[c].collation))
			*is_folded = true;
	}
	return true;
}

static void check_key(struct checking *x, const struct connector_table *ct,
		      const struct table *t)
{
	bool has_index = false, is_folded = false;

	for (size_t i = 0; i < t->n_indexes; i++)
		has_index = is_key_index(ct, &t->indexes[i], &is_folded) ||
			    has_index;
	for (size_t i = 0; i < t->n && t->is_rowid_key; i++)
		has_index = has_index || (t->columns[i].key_place == 1 &&
					  count_key(ct) == 1 &&
					  is_key_field(ct, t->columns[i].name));
	if (!has_index)
		connector_find(x->out, true, t->name, NULL,
			       "the key columns are no primary key and have no "
			       "unique index of their own");
	if (is_folded)
		connector_find(x->out, true, t->name, NULL,
			       "the key does not compare as BINARY: two keys "
			       "that differ elsewhere would be one here");
}

static void check_columns(struct checking *x, const struct connector_table *ct,
			  const struct table *t)
{
	for (size_t i = 0; i < ct->table->n_fields; i++) {
		const Synod__Definition__Field *f = ct->table->fields[i];
		const char *name = ct->side->columns[i];
		const struct table_column *c = sqlite_table_column(t, name);
		const char *native = NULL, *why = NULL;

		if (!c) {
			connector_find(x->out, true, t->name, NULL,
				       "there is no column \"%s\"", name);
			continue;
		}
		enum value_type type = sqlite_types_of_column(c, &native);
		why = sqlite_types_refuse(native, f->type, f->native);
		if (why)
			connector_find(x->out, true, t->name, NULL,
				       "column \"%s\": %s", name, why);
		if (f->is_key && type == VALUE_NATIVE &&
		    f->type == VALUE_NATIVE)
			connector_find(x->out, true, t->name, NULL,
				       "the key \"%s\" has no certain type: "
				       "declare it as INTEGER, TEXT or BLOB",
				       name);
		if (c->is_generated && ct->side->is_target)
			connector_find(x->out, true, t->name, NULL,
				       "column \"%s\" is generated: it cannot "
				       "be written",
				       name);
	}
}

/* Columns that nobody fills must be able to stay empty. */
static void check_rest(struct checking *x, const struct connector_table *ct,
		       const struct table *t)
{
	for (size_t i = 0; ct->side->is_source && i < t->n_indexes; i++) {
		if (t->indexes[i].has_expression)
			connector_find(x->out, false, t->name, NULL,
				       "unique index \"%s\" is one on an "
				       "expression: rows that INSERT OR "
				       "REPLACE deletes through it are not "
				       "seen",
				       t->indexes[i].name);
	}
}

/* INSERT ... ON CONFLICT of another program, foreign keys that cascade: they
 * fire triggers and need no warning. A switched off trigger cannot be seen. */
static int check_table(struct checking *x, const struct connector_table *ct,
		       struct err *e)
{
	struct table t;
	int rc = sqlite_table_read(x->db, ct->side->table, x->arena, &t, e);

	if (rc == ERR_NOTFOUND) {
		connector_find(x->out, true, ct->side->table, NULL,
			       "there is no such table");
		return 0;
	}
	if (rc)
		return rc;
	check_key(x, ct, &t);
	check_columns(x, ct, &t);
	check_rest(x, ct, &t);
	return 0;
}

int sqlite_check(const struct connector_target *t,
		 const struct connector_table *tables, size_t n,
		 struct connector_findings *out, struct err *e)
{
	struct arena arena;
	struct db db;
	int rc = sqlite_db_open(&db, t, DB_LOOK, e);

	if (rc)
		return rc;
	arena_init(&arena, 4096);
	struct checking x = {.db = &db, .arena = &arena, .out = out};
	rc = check_file(&x, e);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = check_table(&x, &tables[i], e);
	arena_free(&arena);
	sqlite_db_close(&db);
	return rc;
}
