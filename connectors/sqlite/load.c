#include <stdlib.h>

#include "connectors/sqlite/capture.h"

static uint32_t chunk_rows(const struct captured *t)
{
	return t->ct.load_chunk ? t->ct.load_chunk : CAPTURE_CHUNK;
}

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

	build(&s, t, p->key.len == 0);
	int rc = sqlite_db_prepare(&h->db, s.text, stmt, e);
	sqlite_sql_free(&s);
	if (rc)
		return rc;
	(void)sqlite3_bind_int64(*stmt, 1, chunk_rows(t));
	/* The texts that it lends stay as long as the position does. */
	return p->key.len ? bind_key(t, p, *stmt, e) : 0;
}

/* A chunk on its way into a writer. */
struct chunk {
	struct capture_handle *h;
	struct captured *t;
	struct position_table *p;
	size_t bytes_max;
	struct change_writer *w;
	struct value_buf key; /* of the last row */
};

static int add_row(struct chunk *x, sqlite3_stmt *stmt, struct err *e)
{
	struct capture_handle *h = x->h;
	struct change_row row = {.op = CHANGE_READ,
				 .table_id = x->t->ct.table->id,
				 .values = h->values,
				 .n_values = x->t->n};

	arena_clear(&h->row);
	int rc = sqlite_capture_values(h, x->t, stmt,
				       (struct capture_image){0, true}, e);
	int holds = rc ? rc : sqlite_capture_holds(h, x->t, e);
	if (holds < 0)
		return holds;
	x->key.len = 0;
	change_key(&x->key, h->values, x->t->n_key);
	row.key = (struct bytes){x->key.data, x->key.len};
	if (holds)
		change_add(x->w, &row);
	x->p->n_loaded++;
	return 0;
}

/* 1: there may be more; 0: the query came to its end. */
static int read_rows(struct chunk *x, sqlite3_stmt *stmt, struct err *e)
{
	uint32_t left = chunk_rows(x->t);
	int rc = 1;

	while (left && change_writer_bytes(x->w) < x->bytes_max) {
		rc = sqlite_db_step(&x->h->db, stmt, e);
		if (rc <= 0)
			return rc;
		rc = add_row(x, stmt, e);
		if (rc)
			return rc;
		left--;
	}
	return 1;
}

static int read_chunk(struct chunk *x, sqlite3_stmt *stmt, struct err *e)
{
	change_begin(x->w, TXN_LOAD, sqlite_db_wall_us());
	int rc = read_rows(x, stmt, e);
	if (rc < 0) {
		change_abort(x->w);
		return rc;
	}
	change_end(x->w);
	x->p->is_loaded = rc == 0;
	if (x->key.len || x->p->is_loaded) {
		x->p->key.len = 0;
		if (!x->p->is_loaded)
			value_buf_put(&x->p->key, x->key.data, x->key.len);
	}
	return 0;
}

bool sqlite_load_is_due(const struct captured *t, struct position *at)
{
	const struct position_table *p =
		sqlite_position_find(at, t->ct.table->id);

	return p && !p->is_loaded && !t->ct.is_load_put_off;
}

int sqlite_load_read(struct capture_handle *h, size_t bytes_max,
		     struct change_writer *w, struct err *e)
{
	struct chunk x = {.h = h, .bytes_max = bytes_max, .w = w};
	sqlite3_stmt *stmt = NULL;

	for (size_t i = 0; i < h->n_tables && !x.t; i++) {
		if (sqlite_load_is_due(&h->tables[i], &h->next))
			x.t = &h->tables[i];
	}
	if (!x.t)
		return 0;
	x.p = sqlite_position_find(&h->next, x.t->ct.table->id);
	int rc = prepare(h, x.t, x.p, &stmt, e);
	if (rc == 0)
		rc = read_chunk(&x, stmt, e);
	sqlite3_finalize(stmt);
	value_buf_free(&x.key);
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
