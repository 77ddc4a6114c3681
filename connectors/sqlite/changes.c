#include <stdlib.h>

#include "base/log.h"
#include "connectors/sqlite/capture.h"
#include "connectors/where.h"

enum {
	COLUMN_SEQ,
	COLUMN_OP,
	COLUMN_TAB,
	COLUMN_AT,
	COLUMN_TOTAL,
	COLUMN_FIELDS,
};

/* No clock of a source may run ahead of ours by more. */
enum { STAMP_AHEAD_US = 500000 };

/* One record of the change table. */
struct record {
	int64_t seq, at, total;
	enum triggers_op op;
	int64_t tab;
};

/* An image before a change, until we know what follows it. */
struct held {
	bool is_there, holds;
	struct captured *table;
	struct value_buf key;
};

struct reading {
	struct capture_handle *h;
	struct change_writer *w;
	struct position *p; /* behind the last record that is done with */
	size_t bytes_max;
	struct record last; /* the one before */
	struct held held;
	struct value_buf key;
	int64_t stamp_max_us;
	/* Where the open transaction began, to go back to. */
	int64_t txn_seq, txn_at;
	uint64_t txn_part_bytes;
	bool is_full;
};

/* -- transactions ----------------------------------------------------------
 */
/* Another connection has written r than the one before, for sure:
 * total_changes() of one connection never falls, and each record adds to it. */
static bool is_boundary(const struct record *last, const struct record *r)
{
	if (r->op == TRIGGERS_ECHO || last->op == TRIGGERS_ECHO)
		return true;
	if (r->total < 0) /* 32 bits of an older SQLite, wrapped around */
		return false;
	return r->total < last->total ||
	       (r->total == last->total && r->at != last->at);
}

static void end_txn(struct reading *x)
{
	if (x->w->is_open)
		change_end(x->w);
	x->p->part_bytes = 0;
}

/* No room for one more change: close the open transaction so that it can go on
 * behind it. */
static void cut(struct reading *x, const struct record *next)
{
	/* A statement has one time. */
	bool is_one_statement = next->at == x->last.at;

	x->is_full = true;
	if (!x->w->is_open || x->w->n_txn_changes == 0)
		return;
	if (x->w->buf.len > 0) { /* not split for the sake of its neighbours */
		change_abort(x->w);
		x->p->seq = x->txn_seq;
		x->p->at = x->txn_at;
		x->p->part_bytes = x->txn_part_bytes;
		return;
	}
	x->p->part_bytes += change_writer_bytes(x->w);
	if (x->p->part_bytes < CAPTURE_GROUP_BYTES || is_one_statement) {
		change_part(x->w);
		return;
	}
	log_event(LOG_WARN, "sqlite_group_cut", "seq=%lld bytes=%llu",
		  (long long)x->p->seq, (unsigned long long)x->p->part_bytes);
	end_txn(x);
}

/* Room for a change of this record? */
static bool has_room(struct reading *x, const struct record *r)
{
	if (change_writer_bytes(x->w) < x->bytes_max)
		return true;
	cut(x, r);
	return false;
}

static void open_txn(struct reading *x, const struct record *r)
{
	int64_t stamp_us = r->at * 1000;

	if (stamp_us > x->stamp_max_us)
		stamp_us = x->stamp_max_us;
	if (!x->w->is_open) {
		change_begin(x->w, TXN_LOCAL, stamp_us);
		x->txn_seq = x->p->seq;
		x->txn_at = x->p->at;
		x->txn_part_bytes = x->p->part_bytes;
	}
	if (x->w->stamp_us < stamp_us)
		x->w->stamp_us = stamp_us; /* that of the last: the commit */
}

/* -- records ---------------------------------------------------------------
 */
static int read_row(struct reading *x, struct captured *t, bool is_whole,
		    struct value_buf *key, struct err *e)
{
	struct capture_handle *h = x->h;
	struct capture_image image = {COLUMN_FIELDS, is_whole};
	int rc = sqlite_capture_values(h, t, h->changes, image, e);

	if (rc)
		return rc;
	key->len = 0;
	change_key(key, h->values, t->n_key);
	return sqlite_capture_holds(h, t, e);
}

static struct bytes slice(const struct value_buf *buf)
{
	return (struct bytes){buf->data, buf->len};
}

static void add_delete(struct reading *x, const struct captured *t,
		       const struct value_buf *key, const struct record *r)
{
	struct change_row row = {.op = CHANGE_DELETE,
				 .table_id = t->ct.table->id,
				 .key = slice(key)};

	open_txn(x, r);
	change_add(x->w, &row);
}

/* What was held is no more than a deleted row. */
static bool flush_held(struct reading *x, const struct record *r)
{
	if (x->held.is_there && x->held.holds) {
		if (!has_room(x, r))
			return false;
		add_delete(x, x->held.table, &x->held.key, r);
	}
	if (x->held.is_there) {
		x->p->seq = x->last.seq;
		x->p->at = x->last.at;
	}
	x->held.is_there = false;
	return true;
}

static int on_before(struct reading *x, struct captured *t, struct err *e)
{
	int holds = read_row(x, t, false, &x->held.key, e);

	if (holds < 0)
		return holds;
	x->held.is_there = true;
	x->held.holds = holds > 0;
	x->held.table = t;
	return 0;
}

static int on_delete(struct reading *x, struct captured *t,
		     const struct record *r, struct err *e)
{
	int holds = read_row(x, t, false, &x->key, e);

	if (holds <= 0)
		return holds;
	if (has_room(x, r))
		add_delete(x, t, &x->key, r);
	return 0;
}

/* The row as it is now; what it was before decides what becomes of the old key,
 * or of a row that has left `where`. */
static int on_put(struct reading *x, struct captured *t, const struct record *r,
		  struct err *e)
{
	int holds = read_row(x, t, true, &x->key, e);
	bool is_same = x->held.is_there &&
		       bytes_compare(slice(&x->held.key), slice(&x->key)) == 0;
	bool is_gone = x->held.is_there && x->held.holds &&
		       (holds ? !is_same : !t->ct.side->keeps_left);

	if (holds < 0)
		return holds;
	if (!holds && !is_gone) {
		x->held.is_there = false;
		return 0;
	}
	if (!has_room(x, r))
		return 0;
	if (is_gone)
		add_delete(x, t, &x->held.key, r);
	x->held.is_there = false;
	if (!holds)
		return 0;
	struct change_row row = {.op = CHANGE_PUT,
				 .table_id = t->ct.table->id,
				 .key = slice(&x->key),
				 .values = x->h->values,
				 .n_values = t->n};

	open_txn(x, r);
	change_add(x->w, &row);
	return 0;
}

static void on_echo(struct reading *x, const struct record *r)
{
	int64_t index = sqlite3_column_int64(x->h->changes, COLUMN_FIELDS);

	if (has_room(x, r))
		change_echo(x->w, (uint32_t)r->tab, (uint64_t)index);
}

/* Does the record belong to what is held? */
static bool goes_on(const struct reading *x, const struct record *r)
{
	return x->held.is_there && r->op == TRIGGERS_PUT &&
	       r->seq == x->last.seq + 1 &&
	       r->tab == x->held.table->ct.table->id;
}

static int on_record(struct reading *x, const struct record *r, struct err *e)
{
	struct captured *t =
		r->op == TRIGGERS_ECHO
			? NULL
			: sqlite_capture_table(x->h, (uint32_t)r->tab);
	int rc = 0;

	if (!goes_on(x, r) && !flush_held(x, r))
		return 0;
	if (r->seq > x->p->until) {
		end_txn(x);
		x->p->until = x->h->last_seq;
	} else if (is_boundary(&x->last, r)) {
		end_txn(x);
	}
	if (r->op == TRIGGERS_ECHO)
		on_echo(x, r);
	else if (t && r->op == TRIGGERS_PUT)
		rc = on_put(x, t, r, e);
	else if (t && r->op == TRIGGERS_DELETE)
		rc = on_delete(x, t, r, e);
	else if (t && r->op == TRIGGERS_BEFORE)
		rc = on_before(x, t, e);
	if (rc || x->is_full)
		return rc;
	x->last = *r;
	if (!x->held.is_there) {
		x->p->seq = r->seq;
		x->p->at = r->at;
	}
	return 0;
}

static struct record record_of(sqlite3_stmt *row)
{
	return (struct record){
		.seq = sqlite3_column_int64(row, COLUMN_SEQ),
		.at = sqlite3_column_int64(row, COLUMN_AT),
		.total = sqlite3_column_int64(row, COLUMN_TOTAL),
		.op = (enum triggers_op)sqlite3_column_int(row, COLUMN_OP),
		.tab = sqlite3_column_int64(row, COLUMN_TAB)};
}

static int read_all(struct reading *x, struct err *e)
{
	sqlite3_stmt *stmt = x->h->changes;
	int rc = 0;

	(void)sqlite3_bind_int64(stmt, 1, x->p->seq);
	(void)sqlite3_bind_int64(stmt, 2, x->h->last_seq);
	while (!x->is_full && (rc = sqlite_db_step(&x->h->db, stmt, e)) == 1) {
		struct record r = record_of(stmt);

		/* The last one that is done with: what follows may belong to
		 * its transaction, or not. */
		if (r.seq == x->p->seq) {
			x->last = r;
			continue;
		}
		arena_clear(&x->h->row);
		rc = on_record(x, &r, e);
		if (rc)
			break;
	}
	(void)sqlite3_reset(stmt);
	return rc;
}

int sqlite_changes_read(struct capture_handle *h, size_t bytes_max,
			struct change_writer *w, struct err *e)
{
	struct reading x = {.h = h,
			    .w = w,
			    .p = &h->next,
			    .bytes_max = bytes_max,
			    .stamp_max_us =
				    sqlite_db_wall_us() + STAMP_AHEAD_US};

	int rc = read_all(&x, e);
	if (rc == 0 && !x.is_full && flush_held(&x, &x.last)) {
		end_txn(&x);
		x.p->until = x.p->seq;
	}
	if (rc && w->is_open)
		change_abort(w);
	value_buf_free(&x.key);
	value_buf_free(&x.held.key);
	return rc ? rc : x.is_full;
}
