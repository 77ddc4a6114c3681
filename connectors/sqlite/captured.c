#include <stdio.h>
#include <string.h>

#include "connectors/sqlite/capture.h"
#include "connectors/where.h"

struct captured *sqlite_capture_table(struct capture_handle *h,
				      uint32_t table_id)
{
	for (size_t i = 0; i < h->n_tables; i++) {
		if (h->tables[i].ct.table->id == table_id)
			return &h->tables[i];
	}
	return NULL;
}

static int changed(const struct captured *t, struct err *e, const char *what,
		   const char *name)
{
	return err_set(e, ERR_SCHEMA, "table \"%.128s\": %s%s%.64s%s",
		       t->ct.side->table, what, name[0] ? " \"" : "", name,
		       name[0] ? "\"" : "");
}

/* A field's column, and how its values are read. */
static int find_field(const struct captured *t, const struct table *table,
		      uint32_t i, struct types_field *out, struct err *e)
{
	const Synod__Definition__Field *field = t->ct.table->fields[i];
	const char *name = t->ct.side->columns[i];
	const struct table_column *c = sqlite_table_column(table, name);
	const char *native = NULL;

	if (!c)
		return changed(t, e, "there is no column", name);
	(void)sqlite_types_of_column(c, &native);
	if (sqlite_types_refuse(native, field->type, field->native))
		return changed(t, e, "another type has column", name);
	*out = sqlite_types_field(c, field->type, field->native, field->is_key);
	return 0;
}

static int read_fields(struct capture_handle *h, struct captured *t,
		       const struct table *table, struct err *e)
{
	t->n = (uint32_t)t->ct.table->n_fields;
	t->fields = arena_alloc(&h->arena, t->n * sizeof(*t->fields));
	for (uint32_t i = 0; i < t->n; i++) {
		int rc = find_field(t, table, i, &t->fields[i], e);

		if (rc)
			return rc;
		t->n_key += t->fields[i].is_key;
	}
	return t->n_key ? 0 : changed(t, e, "it has no key", "");
}

static int read_table(struct capture_handle *h, const struct captured *t,
		      struct arena *arena, struct table *table, struct err *e)
{
	int rc = sqlite_table_read(&h->db, t->ct.side->table, arena, table, e);

	return rc == ERR_NOTFOUND ? changed(t, e, "it is gone", "") : rc;
}

int sqlite_captured_open(struct capture_handle *h, struct captured *t,
			 struct err *e)
{
	enum triggers_state state = TRIGGERS_WHOLE;
	struct table table;
	int rc = read_table(h, t, &h->arena, &table, e);

	if (rc == 0)
		rc = read_fields(h, t, &table, e);
	if (rc == 0)
		rc = sqlite_triggers_look(&h->triggers, &t->ct, &table, &state,
					  e);
	if (rc == 0 && (state == TRIGGERS_ABSENT || state == TRIGGERS_OLDER))
		rc = sqlite_triggers_install(&h->triggers, &t->ct, &table,
					     state == TRIGGERS_ABSENT, e);
	return rc; /* the first poll says what was lost */
}

/* -- looking again ---------------------------------------------------------
 */
static int verify(struct capture_handle *h, struct captured *t,
		  struct arena *arena, bool *is_older, struct err *e)
{
	enum triggers_state state = TRIGGERS_WHOLE;
	struct types_field field;
	struct table table;
	int rc = read_table(h, t, arena, &table, e);

	for (uint32_t i = 0; rc == 0 && i < t->n; i++) {
		rc = find_field(t, &table, i, &field, e);
		if (rc == 0 && field.affinity != t->fields[i].affinity)
			rc = changed(t, e, "another type has column",
				     t->ct.side->columns[i]);
	}
	if (rc == 0)
		rc = sqlite_triggers_look(&h->triggers, &t->ct, &table, &state,
					  e);
	if (rc == 0 && (state == TRIGGERS_LOST || state == TRIGGERS_ABSENT))
		rc = changed(t, e,
			     "our triggers are gone (was it created anew?), so "
			     "changes were missed",
			     "");
	if (rc == 0 && state == TRIGGERS_OLDER)
		*is_older = true;
	return rc;
}

/* Unique indexes came or went: the triggers follow. */
static int renew(struct capture_handle *h, struct captured *t,
		 struct arena *arena, struct err *e)
{
	struct table table;

	sqlite_db_rollback(&h->db);
	int rc = sqlite_db_begin(&h->db, e);
	if (rc == 0)
		rc = read_table(h, t, arena, &table, e);
	if (rc == 0)
		rc = sqlite_triggers_install(&h->triggers, &t->ct, &table,
					     false, e);
	if (rc == 0)
		rc = sqlite_db_commit(&h->db, e);
	sqlite_db_rollback(&h->db);
	if (rc)
		return rc;
	h->is_renewed = true;
	return err_set(e, ERR_BUSY, "the schema has changed");
}

int sqlite_capture_verify(struct capture_handle *h, struct err *e)
{
	struct arena arena;
	int rc = 0;

	arena_init(&arena, 4096);
	for (size_t i = 0; rc == 0 && i < h->n_tables; i++) {
		bool is_older = false;

		rc = verify(h, &h->tables[i], &arena, &is_older, e);
		/* It ends what was being read: the poll begins anew. */
		if (rc == 0 && is_older)
			rc = renew(h, &h->tables[i], &arena, e);
	}
	arena_free(&arena);
	return rc;
}

/* -- rows ------------------------------------------------------------------
 */
static bool is_asked(const struct captured *t, uint32_t field)
{
	for (size_t i = 0; i < t->ct.side->n_where; i++) {
		if (t->ct.side->where[i]->field == field)
			return true;
	}
	return false;
}

/* The key as it stands there, for people. */
static void print_key(const struct captured *t, sqlite3_stmt *row, int first,
		      char *buf, size_t cap)
{
	size_t n = 0;

	for (uint32_t i = 0; i < t->n_key && n < cap; i++) {
		const unsigned char *text =
			sqlite3_column_text(row, first + (int)i);
		int len = snprintf(buf + n, cap - n, "%s%.40s", i ? ", " : "",
				   text ? (const char *)text : "NULL");

		n += len > 0 ? (size_t)len : 0;
	}
}

int sqlite_capture_values(struct capture_handle *h, const struct captured *t,
			  sqlite3_stmt *row, struct capture_image image,
			  struct err *e)
{
	struct err why = {0};
	char key[128];

	for (uint32_t i = 0; i < t->n; i++) {
		const struct types_field *f = &t->fields[i];
		struct value *v = &h->values[i];

		*v = (struct value){.state = VALUE_ABSENT};
		if (!image.is_whole && !f->is_key && !is_asked(t, i))
			continue;
		struct types_cell cell = {row, image.first + (int)i, f};
		int rc = sqlite_types_read(&cell, &h->row, v, &why);
		if (rc == 0 && f->is_key && v->state == VALUE_NULL)
			rc = err_set(&why, ERR_DATA, "NULL is no key");
		if (rc == 0)
			continue;
		print_key(t, row, image.first, key, sizeof(key));
		return err_set(e, ERR_SCHEMA,
			       "table \"%.64s\": row %s: column \"%.64s\": "
			       "%.160s",
			       t->ct.side->table, key, t->ct.side->columns[i],
			       why.text);
	}
	return 0;
}

int sqlite_capture_holds(struct capture_handle *h, const struct captured *t,
			 struct err *e)
{
	int verdict = where_holds(t->ct.side, h->values, t->n);

	if (verdict < 0)
		return err_set(e, ERR_SCHEMA,
			       "table \"%.128s\": `where` cannot be compared",
			       t->ct.side->table);
	return verdict == WHERE_TRUE;
}
