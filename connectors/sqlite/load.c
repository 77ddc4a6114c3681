#include <stdlib.h>

#include "connectors/sqlite/capture.h"

/* Names of the key columns, each behind a comma but the first; values: question
 * marks instead. */
static void key_list(struct sql *s, const struct captured *t, bool is_values)
{
	for (uint32_t i = 0; i < t->n_key; i++) {
		sqlite_sql_add(s, "%s", i ? ", " : "");
		if (is_values)
			sqlite_sql_add(s, "?%u", i + 2);
		else
			sqlite_sql_name(s, t->ct.side->columns[i]);
	}
}

static void build(struct sql *s, const struct captured *t, bool is_first)
{
	sqlite_sql_add(s, "SELECT ");
	for (uint32_t i = 0; i < t->n; i++) {
		sqlite_sql_add(s, "%s", i ? ", " : "");
		sqlite_sql_name(s, t->ct.side->columns[i]);
	}
	sqlite_sql_add(s, " FROM ");
	sqlite_sql_name(s, t->ct.side->table);
	if (!is_first) {
		sqlite_sql_add(s, " WHERE (");
		key_list(s, t, false);
		sqlite_sql_add(s, ") > (");
		key_list(s, t, true);
		sqlite_sql_add(s, ")");
	}
	sqlite_sql_add(s, " ORDER BY ");
	key_list(s, t, false);
	sqlite_sql_add(s, " LIMIT ?1");
}

/* Behind the last key that was loaded. */
static int bind_key(const struct captured *t, const struct position_table *p,
		    sqlite3_stmt *stmt, struct err *e)
{
	struct value *values = mem_zero(t->n_key, sizeof(*values));
	int n = change_key_values((struct bytes){p->key.data, p->key.len},
				  values, t->n_key);
	int rc = n == (int)t->n_key
			 ? 0
			 : err_set(e, ERR_CORRUPT, "the key of a load");

	for (uint32_t i = 0; rc == 0 && i < t->n_key; i++)
		rc = sqlite_types_bind(stmt, (int)i + 2, &t->fields[i],
				       &values[i], e);
	free(values);
	return rc;
}

static int prepare(struct capture_handle *h, const struct captured *t,
		   const struct position_table *p, sqlite3_stmt **stmt,
		   struct err *e)
{
	struct sql s = {0};
	uint32_t chunk = t->ct.load_chunk ? t->ct.load_chunk : CAPTURE_CHUNK;

	build(&s, t, p->key.len == 0);
	int rc = sqlite_db_prepare(&h->db, s.text, stmt, e);
	sqlite_sql_free(&s);
	if (rc)
		return rc;
	(void)sqlite3_bind_int64(*stmt, 1, chunk);
	/* The texts that it lends stay as long as the position does. */
	return p->key.len ? bind_key(t, p, *stmt, e) : 0;
}

static int add_row(struct capture_handle *h, const struct captured *t,
		   struct position_table *p, struct value_buf *key,
		   struct change_writer *w)
{
	struct change_row row = {.op = CHANGE_READ,
				 .table_id = t->ct.table->id,
				 .values = h->values,
				 .n_values = t->n};
	int holds = sqlite_capture_holds(h, t, NULL);

	if (holds < 0)
		return holds;
	key->len = 0;
	change_key(key, h->values, t->n_key);
	row.key = (struct bytes){key->data, key->len};
	if (holds)
		change_add(w, &row);
	p->n_loaded++;
	return 0;
}

static int read_rows(struct capture_handle *h, struct captured *t,
		     sqlite3_stmt *stmt, size_t bytes_max,
		     struct change_writer *w, struct err *e)
{
	struct position_table *p =
		sqlite_position_find(&h->next, t->ct.table->id);
	uint32_t left = t->ct.load_chunk ? t->ct.load_chunk : CAPTURE_CHUNK;
	struct value_buf key = {0};
	int rc = 0;

	while (left && change_writer_bytes(w) < bytes_max &&
	       (rc = sqlite_db_step(&h->db, stmt, e)) == 1) {
		arena_clear(&h->row);
		rc = sqlite_capture_values(h, t, stmt,
					   (struct capture_image){0, true}, e);
		if (rc == 0)
			rc = add_row(h, t, p, &key, w);
		if (rc)
			break;
		left--;
		rc = 1;
	}
	if (rc == 0 && left && change_writer_bytes(w) < bytes_max)
		p->is_loaded = true; /* the query came to its end */
	if (rc >= 0 && key.len) {
		p->key.len = 0;
		value_buf_put(&p->key, key.data, key.len);
	}
	if (p->is_loaded)
		p->key.len = 0;
	value_buf_free(&key);
	return rc < 0 ? rc : 0;
}

int sqlite_load_read(struct capture_handle *h, size_t bytes_max,
		     struct change_writer *w, struct err *e)
{
	struct position_table *p = NULL;
	struct captured *t = NULL;
	sqlite3_stmt *stmt = NULL;

	for (size_t i = 0; i < h->n_tables && !t; i++) {
		p = sqlite_position_find(&h->next, h->tables[i].ct.table->id);
		if (p && !p->is_loaded)
			t = &h->tables[i];
	}
	if (!t)
		return 0;
	int rc = prepare(h, t, p, &stmt, e);
	if (rc == 0) {
		change_begin(w, TXN_LOAD, sqlite_db_wall_us());
		rc = read_rows(h, t, stmt, bytes_max, w, e);
		if (rc)
			change_abort(w);
		else
			change_end(w);
	}
	sqlite3_finalize(stmt);
	return rc ? rc : 1;
}

void sqlite_load_estimate(struct capture_handle *h, struct captured *t)
{
	struct sql s = {0};

	sqlite_sql_add(&s, "SELECT max(rowid) FROM ");
	sqlite_sql_name(&s, t->ct.side->table);
	/* Without a rowid, nothing cheap tells. */
	if (sqlite_db_number(&h->db, s.text, 0, &t->n_estimated, NULL) ||
	    t->n_estimated < 0)
		t->n_estimated = 0;
	sqlite_sql_free(&s);
}
