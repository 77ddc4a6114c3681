/* One row of a group, as SQL. */
#include <stdio.h>
#include <string.h>

#include "connectors/sqlite/applied_sql.h"

enum { STATEMENT_KEY_MAX = 8 + CHANGE_VALUES_MAX / 8 };

/* A row that is being written. */
struct writing {
	struct apply_handle *h;
	const struct applied *t;
	const struct apply_row *row;
	struct apply_reject *why;
	enum applied_fate fate;
};

static int schema_error(const struct writing *x, struct err *e)
{
	struct err why = {0};

	if (!e || e->code != ERR_SCHEMA)
		return e ? e->code : ERR_SCHEMA;
	why = *e;
	return err_set(e, ERR_SCHEMA, "table \"%.128s\": %.300s",
		       x->t->ct->side->table, why.text);
}

/* One statement for a table, a kind and a set of columns. */
static int statement(const struct writing *x, enum statement_kind kind,
		     sqlite3_stmt **out, struct err *e)
{
	uint8_t key[STATEMENT_KEY_MAX] = {0};
	uint32_t id = x->t->ct->table->id;
	size_t len = 5 + (x->t->n + 7) / 8;
	bool has_set = kind == STATEMENT_PUT || kind == STATEMENT_PATCH ||
		       kind == STATEMENT_MOVE;

	memcpy(key, &id, sizeof(id));
	key[4] = (uint8_t)kind;
	for (uint32_t i = 0; has_set && i < x->t->n; i++) {
		if (sqlite_applied_has(x->row, i))
			key[5 + i / 8] |= (uint8_t)(1u << i % 8);
	}
	*out = sqlite_statement_find(x->h, (struct bytes){key, len});
	if (*out)
		return 0;
	struct sql s = {0};
	struct err why = {0};
	sqlite_applied_sql(&s, x->t, x->row, kind);
	int rc = sqlite_statement_get(x->h, (struct bytes){key, len}, s.text,
				      out, &why);
	sqlite_sql_free(&s);
	if (rc == 0)
		return 0;
	(void)err_set(e, rc, "%s", why.text);
	return rc == ERR_SCHEMA ? schema_error(x, e) : rc;
}

/* -- running it ------------------------------------------------------------
 */
static void refuse(struct writing *x, enum applied_fate fate, const char *text)
{
	x->fate = fate;
	x->why->code = ERR_DATA;
	x->why->verdict = APPLY_REFUSED;
	(void)snprintf(x->why->text, sizeof(x->why->text), "%s", text);
}

static int bind_values(struct writing *x, sqlite3_stmt *stmt)
{
	for (uint32_t i = 0; i < x->t->n; i++) {
		struct err why = {0};

		if (!sqlite_applied_has(x->row, i))
			continue;
		if (sqlite_types_bind(stmt, (int)i + 1, &x->t->fields[i],
				      &x->row->values[i], &why)) {
			char text[CONNECTOR_TEXT_MAX];

			(void)snprintf(text, sizeof(text), "%.64s: %.400s",
				       x->t->ct->side->columns[i], why.text);
			refuse(x, APPLIED_BAD, text);
			return ERR_DATA;
		}
	}
	return 0;
}

/* A key at the places from first. */
static int bind_key(struct writing *x, sqlite3_stmt *stmt, struct bytes key,
		    uint32_t first)
{
	struct err why = {0};
	const struct applied *t = x->t;
	int n = change_key_values(key, x->h->keys, CHANGE_VALUES_MAX);
	int rc = n == (int)t->n_key ? 0
				    : err_set(&why, ERR_DATA,
					      "its key has %d "
					      "values",
					      n);

	for (uint32_t i = 0; rc == 0 && i < t->n_key; i++)
		rc = sqlite_types_bind(stmt, (int)(first + i), &t->fields[i],
				       &x->h->keys[i], &why);
	if (rc)
		refuse(x, APPLIED_BAD, why.text);
	return rc;
}

/* What SQLite itself says of a row, and not of the file or of the table. */
static bool is_of_row(int rc, const char *text)
{
	switch (rc & 0xff) {
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH:
	case SQLITE_TOOBIG:
		return true;
	case SQLITE_ERROR: /* a function in a CHECK or trigger, say */
		return strncmp(text, "no such", 7) != 0 &&
		       strncmp(text, "table ", 6) != 0;
	default:
		return false;
	}
}

static int run(struct writing *x, sqlite3_stmt *stmt, struct err *e)
{
	int rc = sqlite3_step(stmt);
	const char *text = sqlite3_errmsg(x->h->db.conn);

	if (rc == SQLITE_DONE || rc == SQLITE_ROW) {
		(void)sqlite3_reset(stmt);
		return 0;
	}
	if (is_of_row(rc, text)) {
		refuse(x,
		       (rc & 0xff) == SQLITE_CONSTRAINT ? APPLIED_REFUSED
							: APPLIED_BAD,
		       text);
		(void)sqlite3_reset(stmt);
		return 0;
	}
	struct err why = {0};
	rc = sqlite_db_error(&x->h->db, rc, &why);
	(void)sqlite3_reset(stmt);
	(void)err_set(e, rc, "%s", why.text);
	return rc == ERR_SCHEMA ? schema_error(x, e) : rc;
}

static int write_values(struct writing *x, enum statement_kind kind,
			struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	const struct change *c = &x->row->change;
	int rc = statement(x, kind, &stmt, e);

	if (rc || bind_values(x, stmt))
		return rc;
	if (kind == STATEMENT_MOVE && bind_key(x, stmt, c->key, 1))
		return 0;
	if (kind != STATEMENT_PUT &&
	    bind_key(x, stmt, kind == STATEMENT_MOVE ? c->old_key : c->key,
		     x->t->n + 1))
		return 0;
	rc = run(x, stmt, e);
	if (rc == 0 && x->fate == APPLIED_DONE && kind != STATEMENT_PUT &&
	    sqlite3_changes(x->h->db.conn) == 0)
		refuse(x, APPLIED_BAD, "the row is not there");
	return rc;
}

static int write_delete(struct writing *x, enum statement_kind kind,
			struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	int rc = statement(x, kind, &stmt, e);

	if (rc)
		return rc;
	if (kind == STATEMENT_DELETE &&
	    bind_key(x, stmt, x->row->change.key, x->t->n + 1))
		return 0;
	return run(x, stmt, e);
}

/* -- the initial load ------------------------------------------------------
 */
enum existing { EXISTING_NONE, EXISTING_SAME, EXISTING_OTHER, EXISTING_ODD };

/* The row there against the one that came; its encoding if it is another. */
static enum existing compare(struct writing *x, sqlite3_stmt *stmt,
			     struct value *there)
{
	bool is_same = true;

	for (uint32_t i = 0; i < x->t->n; i++) {
		struct err why = {0};

		struct types_cell cell = {stmt, (int)i, &x->t->fields[i]};
		if (sqlite_types_read(&cell, &x->h->row, &there[i], &why)) {
			refuse(x, APPLIED_BAD, why.text);
			return EXISTING_ODD;
		}
		if (i < x->row->change.n_values &&
		    !value_equal(&there[i], &x->row->values[i]))
			is_same = false;
	}
	if (is_same)
		return EXISTING_SAME;
	struct change_row row = {.op = CHANGE_READ,
				 .table_id = x->t->ct->table->id,
				 .key = x->row->change.key,
				 .values = there,
				 .n_values = x->t->n};
	change_encode(&x->why->existing, &row);
	return EXISTING_OTHER;
}

static int look_up(struct writing *x, enum existing *out, struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	int rc = statement(x, STATEMENT_READ, &stmt, e);

	*out = EXISTING_ODD;
	if (rc || bind_key(x, stmt, x->row->change.key, x->t->n + 1))
		return rc;
	rc = sqlite_db_step(&x->h->db, stmt, e);
	if (rc < 0)
		return rc;
	arena_clear(&x->h->row);
	struct value *there = arena_alloc(&x->h->row, x->t->n * sizeof(*there));
	*out = rc ? compare(x, stmt, there) : EXISTING_NONE;
	(void)sqlite3_reset(stmt);
	return 0;
}

static int write_read(struct writing *x, struct err *e)
{
	enum existing existing = EXISTING_NONE;
	int rc = look_up(x, &existing, e);

	if (rc || existing == EXISTING_SAME)
		return rc;
	if (existing == EXISTING_NONE || x->row->is_authority) {
		value_buf_free(&x->why->existing);
		x->fate = APPLIED_DONE;
		return write_values(x, STATEMENT_PUT, e);
	}
	if (existing == EXISTING_OTHER) {
		refuse(x, APPLIED_DIFFERS, "another row is there");
		x->why->verdict = APPLY_DIFFERS;
	}
	return 0;
}

/* -- all of it -------------------------------------------------------------
 */
static int write_row(struct writing *x, struct err *e)
{
	switch (x->row->change.op) {
	case CHANGE_PUT:
		return write_values(x, STATEMENT_PUT, e);
	case CHANGE_PATCH:
		return write_values(x, STATEMENT_PATCH, e);
	case CHANGE_MOVE:
		return write_values(x, STATEMENT_MOVE, e);
	case CHANGE_READ:
		return write_read(x, e);
	case CHANGE_DELETE:
		return write_delete(x, STATEMENT_DELETE, e);
	case CHANGE_TRUNCATE:
		return write_delete(x, STATEMENT_TRUNCATE, e);
	case CHANGE__N:
		break;
	}
	refuse(x, APPLIED_BAD, "an unknown kind of change");
	return 0;
}

static int begin_row(struct writing *x, struct apply_handle *h,
		     const struct apply_row *row, struct err *e)
{
	const struct applied *t = sqlite_applied_table(h, row->change.table_id);

	if (!t)
		return err_set(e, ERR_INVALID,
			       "a row of table %u, which is "
			       "not applied here",
			       row->change.table_id);
	*x = (struct writing){.h = h, .t = t, .row = row};
	return 0;
}

int sqlite_applied_row(struct apply_handle *h, const struct apply_row *row,
		       enum applied_fate *fate, struct apply_reject *why,
		       struct err *e)
{
	struct writing x = {0};
	int rc = begin_row(&x, h, row, e);

	if (rc)
		return rc;
	x.why = why;
	rc = write_row(&x, e);
	*fate = x.fate;
	return rc;
}

int sqlite_applied_yield(struct apply_handle *h, const struct apply_row *row,
			 struct err *e)
{
	struct apply_reject why = {0};
	struct writing x = {0};
	sqlite3_stmt *stmt = NULL;
	bool has_unique = false;
	int rc = begin_row(&x, h, row, e);

	for (uint32_t i = 0; rc == 0 && i < x.t->n; i++)
		has_unique = has_unique || x.t->is_unique[i];
	if (rc || !has_unique || row->change.op == CHANGE_TRUNCATE)
		return rc;
	x.why = &why;
	rc = statement(&x, STATEMENT_YIELD, &stmt, e);
	if (rc || bind_key(&x, stmt,
			   row->change.op == CHANGE_MOVE ? row->change.old_key
							 : row->change.key,
			   x.t->n + 1))
		return rc;
	return run(&x, stmt, e);
}
