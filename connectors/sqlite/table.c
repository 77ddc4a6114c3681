#include "connectors/sqlite/table.h"

#include <string.h>
#include <strings.h>

#include "connectors/sqlite/sql.h"

static bool has_word(const char *declared, const char *word)
{
	return strcasestr(declared, word) != NULL;
}

enum affinity sqlite_affinity_of(const char *declared, bool is_strict)
{
	if (!declared || !declared[0])
		return AFFINITY_NONE;
	if (is_strict && strcasecmp(declared, "ANY") == 0)
		return AFFINITY_NONE;
	if (has_word(declared, "INT"))
		return AFFINITY_INTEGER;
	if (has_word(declared, "CHAR") || has_word(declared, "CLOB") ||
	    has_word(declared, "TEXT"))
		return AFFINITY_TEXT;
	if (has_word(declared, "BLOB"))
		return AFFINITY_NONE;
	if (has_word(declared, "REAL") || has_word(declared, "FLOA") ||
	    has_word(declared, "DOUB"))
		return AFFINITY_REAL;
	return AFFINITY_NUMERIC;
}

const struct table_column *sqlite_table_column(const struct table *t,
					       const char *name)
{
	for (size_t i = 0; i < t->n; i++) {
		if (strcasecmp(t->columns[i].name, name) == 0)
			return &t->columns[i];
	}
	return NULL;
}

static const char *text_of(sqlite3_stmt *stmt, int column, struct arena *arena)
{
	const unsigned char *text = sqlite3_column_text(stmt, column);

	return text ? arena_strdup(arena, (const char *)text) : NULL;
}

static sqlite3_stmt *prepare_for(struct db *db, const char *sql,
				 const char *name, int *rc, struct err *e)
{
	sqlite3_stmt *stmt = NULL;

	*rc = sqlite_db_prepare(db, sql, &stmt, e);
	if (*rc == 0)
		(void)sqlite3_bind_text(stmt, 1, name, -1, SQLITE_TRANSIENT);
	return stmt;
}

/* The list itself: 0 when it is a table. */
static int read_head(struct db *db, const char *name, struct arena *arena,
		     struct table *t, struct err *e)
{
	int rc = 0;
	sqlite3_stmt *stmt = prepare_for(
		db,
		"SELECT name, wr, strict, ncol FROM pragma_table_list"
		" WHERE schema = 'main' AND type = 'table'"
		" AND name = ?1 COLLATE NOCASE",
		name, &rc, e);

	if (rc == 0)
		rc = sqlite_db_step(db, stmt, e);
	if (rc == 0 && stmt)
		rc = err_set(e, ERR_NOTFOUND, "there is no table \"%.128s\"",
			     name);
	if (rc == 1) {
		t->name = text_of(stmt, 0, arena);
		t->has_rowid = !sqlite3_column_int(stmt, 1);
		t->is_strict = sqlite3_column_int(stmt, 2);
		size_t n = (size_t)sqlite3_column_int(stmt, 3);

		/* Hidden columns are not counted there. */
		t->columns =
			arena_alloc(arena, (n + 2000) * sizeof(*t->columns));
		rc = 0;
	}
	sqlite3_finalize(stmt);
	return rc;
}

static int read_columns(struct db *db, struct arena *arena, struct table *t,
			struct err *e)
{
	int rc = 0;
	sqlite3_stmt *stmt = prepare_for(
		db,
		"SELECT name, type, \"notnull\", pk, hidden"
		" FROM pragma_table_xinfo(?1) WHERE hidden <> 1 ORDER BY cid",
		t->name, &rc, e);

	while (rc == 0 && (rc = sqlite_db_step(db, stmt, e)) == 1) {
		struct table_column *c = &t->columns[t->n++];
		const char *type = text_of(stmt, 1, arena);
		int key_place = sqlite3_column_int(stmt, 3);

		*c = (struct table_column){
			.name = text_of(stmt, 0, arena),
			.declared = type ? type : "",
			.affinity = sqlite_affinity_of(type, t->is_strict),
			.is_nullable = !sqlite3_column_int(stmt, 2),
			.is_generated = sqlite3_column_int(stmt, 4) != 0,
			.key_place = key_place};
		if (key_place)
			t->n_key++;
		rc = 0;
	}
	sqlite3_finalize(stmt);
	return rc;
}

static int read_index_columns(struct db *db, struct arena *arena,
			      struct table_index *index, struct err *e)
{
	int rc = 0;
	sqlite3_stmt *stmt = prepare_for(
		db,
		"SELECT name, coll, cid, (SELECT count(*) FROM"
		" pragma_index_xinfo(?1) WHERE key) FROM pragma_index_xinfo(?1)"
		" WHERE key ORDER BY seqno",
		index->name, &rc, e);

	while (rc == 0 && (rc = sqlite_db_step(db, stmt, e)) == 1) {
		if (!index->columns)
			index->columns = arena_alloc(
				arena, (size_t)sqlite3_column_int(stmt, 3) *
					       sizeof(*index->columns));
		index->columns[index->n++] = (struct table_index_column){
			.name = text_of(stmt, 0, arena),
			.collation = text_of(stmt, 1, arena)};
		if (sqlite3_column_int(stmt, 2) < 0)
			index->has_expression = true;
		rc = 0;
	}
	sqlite3_finalize(stmt);
	return rc;
}

static int count_indexes(struct db *db, const struct table *t, size_t *n,
			 struct err *e)
{
	int rc = 0;
	sqlite3_stmt *stmt = prepare_for(
		db,
		"SELECT count(*) FROM pragma_index_list(?1) WHERE \"unique\"",
		t->name, &rc, e);

	if (rc == 0)
		rc = sqlite_db_step(db, stmt, e);
	if (rc == 1)
		*n = (size_t)sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	return rc < 0 ? rc : 0;
}

static int read_indexes(struct db *db, struct arena *arena, struct table *t,
			struct err *e)
{
	size_t n = 0;
	int rc = count_indexes(db, t, &n, e);

	if (rc)
		return rc;
	t->indexes = arena_alloc(arena, (n + 1) * sizeof(*t->indexes));
	sqlite3_stmt *stmt = prepare_for(
		db,
		"SELECT name, origin, partial FROM pragma_index_list(?1)"
		" WHERE \"unique\" ORDER BY name",
		t->name, &rc, e);
	while (rc == 0 && (rc = sqlite_db_step(db, stmt, e)) == 1) {
		struct table_index *index = &t->indexes[t->n_indexes++];
		const char *origin = text_of(stmt, 1, arena);

		*index = (struct table_index){
			.name = text_of(stmt, 0, arena),
			.is_primary = origin && strcmp(origin, "pk") == 0,
			.is_partial = sqlite3_column_int(stmt, 2) != 0};
		rc = read_index_columns(db, arena, index, e);
	}
	sqlite3_finalize(stmt);
	return rc;
}

/* What the index of the primary key says of its columns. */
static void mark_key(struct table *t)
{
	bool has_index = false;

	for (size_t i = 0; i < t->n_indexes; i++) {
		const struct table_index *index = &t->indexes[i];

		if (!index->is_primary)
			continue;
		has_index = true;
		for (size_t k = 0; k < t->n; k++) {
			for (size_t c = 0; c < index->n; c++) {
				const char *name = index->columns[c].name;

				if (name &&
				    !strcasecmp(name, t->columns[k].name))
					t->columns[k].collation =
						index->columns[c].collation;
			}
		}
	}
	t->is_rowid_key = t->has_rowid && t->n_key == 1 && !has_index;
}

int sqlite_table_read(struct db *db, const char *name, struct arena *arena,
		      struct table *out, struct err *e)
{
	struct table t = {0};

	/* "main.x" is x: no other schema is ours. */
	if (strncasecmp(name, "main.", 5) == 0)
		name += 5;
	int rc = read_head(db, name, arena, &t, e);
	if (rc == 0)
		rc = read_columns(db, arena, &t, e);
	if (rc == 0)
		rc = read_indexes(db, arena, &t, e);
	if (rc)
		return rc;
	mark_key(&t);
	*out = t;
	return 0;
}
