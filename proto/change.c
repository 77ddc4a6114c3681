#include "proto/change.h"

#include "base/check.h"

/* -- writing --------------------------------------------------------------- */
void change_writer_init(struct change_writer *w)
{
	*w = (struct change_writer){0};
}

void change_writer_free(struct change_writer *w)
{
	value_buf_free(&w->buf);
	value_buf_free(&w->txn);
	change_writer_init(w);
}

void change_writer_clear(struct change_writer *w)
{
	struct value_buf buf = w->buf, txn = w->txn;

	buf.len = 0;
	txn.len = 0;
	*w = (struct change_writer){.buf = buf, .txn = txn};
}

void change_begin(struct change_writer *w, enum txn_kind kind, int64_t stamp_us)
{
	CHECK(!w->is_open);
	CHECK(kind == TXN_LOCAL || kind == TXN_LOAD);
	CHECK(w->kind != TXN_PART); /* nothing may stand behind a part */
	w->is_open = true;
	w->kind = kind;
	w->stamp_us = stamp_us;
	w->txn_at = w->buf.len;
	w->txn.len = 0;
	w->n_txn_changes = 0;
}

static bool is_whole(enum change_op op)
{
	return op == CHANGE_PUT || op == CHANGE_READ;
}

/* DELETE and TRUNCATE say it all with their key. */
static bool is_bare(enum change_op op)
{
	return op == CHANGE_DELETE || op == CHANGE_TRUNCATE;
}

static bool is_told(const struct value *v)
{
	return v->state == VALUE_SET || v->state == VALUE_NULL;
}

static void put_change(struct value_buf *buf, const struct change_row *c)
{
	uint8_t op = (uint8_t)c->op;

	CHECK(c->op > 0 && c->op < CHANGE__N);
	CHECK(c->n_values <= CHANGE_VALUES_MAX);
	CHECK(!is_bare(c->op) || c->n_values == 0);
	CHECK(c->op != CHANGE_TRUNCATE || c->key.len == 0);
	CHECK(c->op == CHANGE_MOVE || c->old_key.len == 0);
	value_buf_put(buf, &op, 1);
	value_buf_varint(buf, c->table_id);
	value_buf_bytes(buf, c->key);
	if (c->op == CHANGE_MOVE)
		value_buf_bytes(buf, c->old_key);
	value_buf_varint(buf, c->n_values);
	for (uint32_t i = 0; i < c->n_values; i++) {
		CHECK(!is_whole(c->op) || is_told(&c->values[i]));
		value_write(buf, &c->values[i]);
	}
}

void change_add(struct change_writer *w, const struct change_row *row)
{
	CHECK(w->is_open);
	put_change(&w->txn, row);
	w->n_txn_changes++;
	w->n_changes++;
}

void change_encode(struct value_buf *buf, const struct change_row *row)
{
	put_change(buf, row);
}

void change_key(struct value_buf *buf, const struct value *key_values,
		uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		CHECK(is_told(&key_values[i]));
		value_write(buf, &key_values[i]);
	}
}

static void put_txn(struct change_writer *w, enum txn_kind kind)
{
	uint8_t byte = (uint8_t)kind;

	value_buf_put(&w->buf, &byte, 1);
	value_buf_zigzag(&w->buf, w->stamp_us);
	value_buf_varint(&w->buf, w->n_txn_changes);
	value_buf_put(&w->buf, w->txn.data, w->txn.len);
}

static void close_txn(struct change_writer *w)
{
	w->is_open = false;
	w->txn.len = 0;
	w->n_txn_changes = 0;
}

void change_end(struct change_writer *w)
{
	CHECK(w->is_open);
	if (w->n_txn_changes)
		put_txn(w, w->kind);
	close_txn(w);
}

void change_abort(struct change_writer *w)
{
	CHECK(w->is_open);
	w->n_changes -= w->n_txn_changes;
	close_txn(w);
}

void change_part(struct change_writer *w)
{
	CHECK(w->is_open && w->kind == TXN_LOCAL && w->n_txn_changes > 0);
	put_txn(w, TXN_PART);
	close_txn(w);
	w->kind = TXN_PART;
}

void change_echo(struct change_writer *w, uint32_t task_id,
		 uint64_t applied_index)
{
	uint8_t byte = TXN_ECHO;

	CHECK(!w->is_open && w->kind != TXN_PART);
	value_buf_put(&w->buf, &byte, 1);
	value_buf_varint(&w->buf, task_id);
	value_buf_varint(&w->buf, applied_index);
}

size_t change_writer_bytes(const struct change_writer *w)
{
	enum { HEAD_MAX = 1 + 10 + 5 };

	return w->buf.len + (w->is_open ? HEAD_MAX + w->txn.len : 0);
}

/* -- reading --------------------------------------------------------------- */
static struct bytes span(const uint8_t *from, const uint8_t *to)
{
	return (struct bytes){from, (size_t)(to - from)};
}

static uint32_t read_u32(struct value_reader *r)
{
	uint64_t n = value_read_varint(r);

	if (n <= UINT32_MAX)
		return (uint32_t)n;
	r->is_bad = true;
	return 0;
}

static void read_values(struct value_reader *r, const struct change *c)
{
	struct value v;

	for (uint32_t i = 0; i < c->n_values; i++) {
		if (!value_read(r, &v))
			return;
		if (is_whole(c->op) && !is_told(&v))
			r->is_bad = true;
	}
}

static bool is_sound(const struct change *c)
{
	if (c->op == 0 || c->op >= CHANGE__N || c->n_values > CHANGE_VALUES_MAX)
		return false;
	if (is_bare(c->op) && c->n_values > 0)
		return false;
	return c->op != CHANGE_TRUNCATE || c->key.len == 0;
}

/* The next change of a buffer; false and bad when there is none. */
static bool read_change(struct value_reader *r, struct change *out)
{
	struct change c = {0};
	const uint8_t *from = r->at;

	if (r->is_bad || r->at == r->end) {
		r->is_bad = true;
		return false;
	}
	c.op = (enum change_op) * r->at++;
	c.table_id = read_u32(r);
	c.key = value_read_bytes(r);
	if (c.op == CHANGE_MOVE)
		c.old_key = value_read_bytes(r);
	c.n_values = read_u32(r);
	if (r->is_bad || !is_sound(&c)) {
		r->is_bad = true;
		return false;
	}
	const uint8_t *values = r->at;
	read_values(r, &c);
	if (r->is_bad)
		return false;
	c.values = span(values, r->at);
	c.whole = span(from, r->at);
	*out = c;
	return true;
}

void change_reader_init(struct change_reader *r, struct bytes changes)
{
	*r = (struct change_reader){.in = value_reader(changes)};
}

int change_next(struct change_reader *r, struct change *out)
{
	if (r->in.is_bad)
		return ERR_CORRUPT;
	if (r->n_left == 0)
		return 0;
	if (!read_change(&r->in, out))
		return ERR_CORRUPT;
	r->n_left--;
	r->ordinal++;
	return 1;
}

static int skip_rest(struct change_reader *r)
{
	struct change c;
	int rc;

	do
		rc = change_next(r, &c);
	while (rc > 0);
	return rc;
}

int change_next_txn(struct change_reader *r, struct change_txn *out)
{
	struct change_txn t = {0};
	int rc = skip_rest(r);

	if (rc)
		return rc;
	if (r->in.at == r->in.end)
		return 0;
	t.kind = (enum txn_kind) * r->in.at++;
	if (t.kind == TXN_ECHO) {
		t.task_id = read_u32(&r->in);
		t.applied_index = value_read_varint(&r->in);
	} else if (t.kind > 0 && t.kind < TXN__N) {
		t.stamp_us = value_read_zigzag(&r->in);
		t.n_changes = read_u32(&r->in);
		/* Nobody writes a transaction without changes. */
		r->in.is_bad |= t.n_changes == 0;
	} else {
		r->in.is_bad = true;
	}
	if (r->in.is_bad)
		return ERR_CORRUPT;
	r->n_left = t.n_changes;
	*out = t;
	return 1;
}

int change_decode(struct bytes whole, struct change *out)
{
	struct value_reader r = value_reader(whole);
	struct change c;

	if (!read_change(&r, &c) || r.at != r.end)
		return ERR_CORRUPT;
	*out = c;
	return 0;
}

int change_values(const struct change *c, struct value *out)
{
	struct value_reader r = value_reader(c->values);

	for (uint32_t i = 0; i < c->n_values; i++)
		if (!value_read(&r, &out[i]))
			return ERR_CORRUPT;
	return r.at == r.end ? 0 : ERR_CORRUPT;
}

int change_key_values(struct bytes key, struct value *out, uint32_t max)
{
	struct value_reader r = value_reader(key);
	uint32_t n = 0;

	for (; r.at != r.end; n++) {
		struct value v;
		if (!value_read(&r, &v) || !is_told(&v))
			return ERR_CORRUPT;
		if (n == max)
			return ERR_LIMIT;
		out[n] = v;
	}
	return (int)n;
}

static bool is_key(struct bytes key)
{
	struct value_reader r = value_reader(key);
	struct value v;

	while (r.at != r.end)
		if (!value_read(&r, &v) || !is_told(&v))
			return false;
	return true;
}

int change_check(struct bytes changes)
{
	struct change_reader r;
	struct change_txn t = {0};
	struct change c;
	int rc;

	change_reader_init(&r, changes);
	while ((rc = change_next_txn(&r, &t)) > 0) {
		while ((rc = change_next(&r, &c)) > 0)
			if (!is_key(c.key) || !is_key(c.old_key))
				return ERR_CORRUPT;
		if (rc < 0)
			return rc;
		if (t.kind == TXN_PART && r.in.at != r.in.end)
			return ERR_CORRUPT;
	}
	return rc;
}

const char *change_op_name(enum change_op op)
{
	static const char *const names[CHANGE__N] = {
		[CHANGE_PUT] = "put",           [CHANGE_PATCH] = "patch",
		[CHANGE_DELETE] = "delete",     [CHANGE_READ] = "read",
		[CHANGE_TRUNCATE] = "truncate", [CHANGE_MOVE] = "move",
	};

	return (int)op > 0 && op < CHANGE__N ? names[op] : "unknown";
}
