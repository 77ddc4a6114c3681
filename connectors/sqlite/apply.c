#include "connectors/sqlite/apply.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* -- tables ----------------------------------------------------------------
 */
static bool is_key_name(const struct applied *t, const char *name)
{
	for (uint32_t i = 0; i < t->n_key; i++) {
		if (strcasecmp(t->ct->side->columns[i], name) == 0)
			return true;
	}
	return false;
}

/* Is the column part of a unique index that is not the key's? */
static bool is_unique(const struct applied *t, const struct table *table,
		      const char *name)
{
	if (is_key_name(t, name))
		return false;
	for (size_t i = 0; i < table->n_indexes; i++) {
		const struct table_index *index = &table->indexes[i];

		for (size_t c = 0; c < index->n; c++) {
			const char *column = index->columns[c].name;

			if (column && strcasecmp(column, name) == 0)
				return true;
		}
	}
	return false;
}

static int open_field(struct applied *t, const struct table *table, uint32_t i,
		      struct err *e)
{
	const Synod__Definition__Field *field = t->ct->table->fields[i];
	const char *name = t->ct->side->columns[i];
	const struct table_column *c = sqlite_table_column(table, name);
	const char *native = NULL;

	if (!c || c->is_generated)
		return err_set(e, ERR_SCHEMA,
			       "table \"%.128s\": there is no column \"%.64s\" "
			       "to write to",
			       t->ct->side->table, name);
	(void)sqlite_types_of_column(c, &native);
	const char *why =
		sqlite_types_refuse(native, field->type, field->native);
	if (why)
		return err_set(e, ERR_SCHEMA,
			       "table \"%.128s\": column \"%.64s\": %s",
			       t->ct->side->table, name, why);
	t->fields[i] = sqlite_types_field(c, field->type, field->native,
					  field->is_key);
	t->is_nullable[i] = c->is_nullable;
	t->is_unique[i] = is_unique(t, table, name);
	return 0;
}

static int open_table(struct apply_handle *h, struct applied *t, struct err *e)
{
	struct table table;
	const Synod__Definition__Table *def = t->ct->table;
	int rc = sqlite_table_read(&h->db, t->ct->side->table, &h->arena,
				   &table, e);

	if (rc == ERR_NOTFOUND)
		return err_set(e, ERR_SCHEMA, "table \"%.128s\": it is gone",
			       t->ct->side->table);
	t->n = (uint32_t)def->n_fields;
	t->fields = arena_alloc(&h->arena, t->n * sizeof(*t->fields));
	t->is_unique = arena_alloc(&h->arena, t->n * sizeof(bool));
	t->is_nullable = arena_alloc(&h->arena, t->n * sizeof(bool));
	while (t->n_key < t->n && def->fields[t->n_key]->is_key)
		t->n_key++;
	for (uint32_t i = 0; rc == 0 && i < t->n; i++)
		rc = open_field(t, &table, i, e);
	return rc;
}

struct applied *sqlite_applied_table(struct apply_handle *h, uint32_t table_id)
{
	for (size_t i = 0; i < h->n_tables; i++) {
		if (h->tables[i].ct->table->id == table_id)
			return &h->tables[i];
	}
	return NULL;
}

/* -- checkpoint ------------------------------------------------------------
 */
static int bind_task(struct apply_handle *h, sqlite3_stmt *stmt)
{
	(void)sqlite3_bind_text(stmt, 1, h->target.cluster, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(stmt, 2, h->task_id);
	(void)sqlite3_bind_int64(stmt, 3, (int64_t)h->epoch);
	return 0;
}

static int fenced(const struct apply_handle *h, struct err *e)
{
	return err_set(e, ERR_FENCED,
		       "%s: the checkpoint of task %u is another one than that "
		       "of epoch %llu",
		       h->db.options.path, h->task_id,
		       (unsigned long long)h->epoch);
}

/* Waits for the transaction that an older owner has open. */
static int take_checkpoint(struct apply_handle *h, uint64_t *applied_index,
			   struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite_db_prepare(
		&h->db,
		"INSERT INTO \"_synod_checkpoint\" VALUES (?1, ?2,"
		" ?3, 0) ON CONFLICT(cluster, task) DO UPDATE"
		" SET epoch = ?3 WHERE epoch <= ?3"
		" RETURNING applied_index",
		&stmt, e);

	if (rc)
		return rc;
	(void)bind_task(h, stmt);
	rc = sqlite_db_step(&h->db, stmt, e);
	if (rc == 1)
		*applied_index = (uint64_t)sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	if (rc == 0)
		return fenced(h, e);
	return rc < 0 ? rc : 0;
}

/* The condition is the fence. A task that never wrote stands at 0 and may begin
 * anywhere: where it is born is the log's business. */
static int move_checkpoint(struct apply_handle *h, const struct apply_group *g,
			   struct err *e)
{
	(void)bind_task(h, h->checkpoint);
	(void)sqlite3_bind_int64(h->checkpoint, 4, (int64_t)g->from_index);
	(void)sqlite3_bind_int64(h->checkpoint, 5, (int64_t)g->to_index);
	int rc = sqlite_db_step(&h->db, h->checkpoint, e);
	if (rc)
		return rc;
	return sqlite3_changes(h->db.conn) == 1 ? 0 : fenced(h, e);
}

static int set_mark(struct apply_handle *h, const char *mark, struct err *e)
{
	(void)sqlite3_bind_text(h->set_mark, 1, mark, -1, SQLITE_STATIC);
	return sqlite_db_step(&h->db, h->set_mark, e);
}

/* -- opening ---------------------------------------------------------------
 */
static int set_up(struct apply_handle *h, uint64_t *applied_index,
		  struct err *e)
{
	int rc = sqlite_db_begin(&h->db, e);

	if (rc == 0)
		rc = sqlite_marks_create(&h->db, e);
	if (rc == 0)
		rc = take_checkpoint(h, applied_index, e);
	for (size_t i = 0; rc == 0 && i < h->n_tables; i++)
		rc = open_table(h, &h->tables[i], e);
	if (rc == 0)
		rc = sqlite_db_commit(&h->db, e);
	if (rc)
		sqlite_db_rollback(&h->db);
	return rc;
}

static int prepare_all(struct apply_handle *h, struct err *e)
{
	int rc = sqlite_db_prepare(
		&h->db,
		"UPDATE \"_synod_checkpoint\" SET applied_index ="
		" ?5 WHERE cluster = ?1 AND task = ?2 AND"
		" epoch = ?3 AND applied_index IN (0, ?4)",
		&h->checkpoint, e);

	if (rc == 0)
		rc = sqlite_db_prepare(
			&h->db, "UPDATE \"_synod_state\" SET applying = ?1",
			&h->set_mark, e);
	return rc;
}

int sqlite_apply_open(const struct apply_setup *setup,
		      struct apply_handle **out, uint64_t *applied_index,
		      struct err *e)
{
	struct apply_handle *h = mem_zero(1, sizeof(*h));
	uint64_t index = 0;

	arena_init(&h->arena, 4096);
	arena_init(&h->row, 4096);
	h->target = setup->target;
	h->task_id = setup->task_id;
	h->epoch = setup->epoch;
	h->n_tables = setup->n_tables;
	h->tables = mem_zero(setup->n_tables + 1, sizeof(*h->tables));
	for (size_t i = 0; i < setup->n_tables; i++)
		h->tables[i].ct = &setup->tables[i];
	h->keys = mem_zero(CHANGE_VALUES_MAX, sizeof(*h->keys));
	h->statements = map_new();
	sqlite_marks_name(&h->target, h->mark);
	int rc = sqlite_db_open(&h->db, &setup->target, DB_WRITE, e);
	if (rc == 0)
		rc = sqlite_db_exec(&h->db,
				    h->db.options.has_foreign_keys
					    ? "PRAGMA synchronous=FULL;"
					      "PRAGMA foreign_keys=ON"
					    : "PRAGMA synchronous=FULL;"
					      "PRAGMA foreign_keys=OFF",
				    e);
	if (rc == 0)
		rc = set_up(h, &index, e);
	if (rc == 0)
		rc = prepare_all(h, e);
	if (rc) {
		sqlite_apply_close(h);
		return rc;
	}
	*applied_index = index;
	*out = h;
	return 0;
}

void sqlite_apply_close(struct apply_handle *h)
{
	if (!h)
		return;
	if (h->statements)
		sqlite_statement_clear(h);
	map_free(h->statements);
	sqlite3_finalize(h->checkpoint);
	sqlite3_finalize(h->set_mark);
	sqlite_db_close(&h->db);
	arena_free(&h->arena);
	arena_free(&h->row);
	free(h->tables);
	free(h->keys);
	free(h);
}

void sqlite_apply_interrupt(struct apply_handle *h)
{
	sqlite_db_interrupt(&h->db);
}

/* -- writing ---------------------------------------------------------------
 */
int sqlite_apply_write(struct apply_handle *h, const struct apply_group *g,
		       struct apply_rejects *rejects, struct err *e)
{
	*rejects = (struct apply_rejects){0};
	sqlite_db_call(&h->db, 0);
	int rc = sqlite_db_begin(&h->db, e);
	if (rc == 0)
		rc = move_checkpoint(h, g, e);
	if (rc == 0)
		rc = set_mark(h, h->mark, e);
	if (rc == 0 && h->db.options.has_foreign_keys)
		rc = sqlite_db_exec(&h->db, "PRAGMA defer_foreign_keys=ON", e);
	if (rc == 0)
		rc = sqlite_group_write(h, g, rejects, e);
	if (rc == 0)
		rc = set_mark(h, "", e);
	if (rc == 0)
		rc = sqlite_db_commit(&h->db, e);
	if (rc)
		sqlite_db_rollback(&h->db);
	return rc;
}
