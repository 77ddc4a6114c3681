#include "cluster/core/outcome.h"

#include "base/check.h"

/* -- writing --------------------------------------------------------------- */
/* Flags and a varint u32 stand in front of the items, in room that is left
 * there before the first one: their number is known last. */
enum { HEAD_ROOM = 1 + 5, FLAG_VOID = 1 };

static void reserve_head(struct outcome_writer *w)
{
	static const uint8_t room[HEAD_ROOM];

	if (w->items.len == 0)
		value_buf_put(&w->items, room, sizeof room);
}

void outcome_void(struct outcome_writer *w)
{
	w->is_void = true;
}

void outcome_add(struct outcome_writer *w, uint32_t ordinal, uint64_t mask,
		 struct bytes change)
{
	reserve_head(w);
	value_buf_varint(&w->items, ordinal);
	value_buf_varint(&w->items, mask);
	value_buf_bytes(&w->items, change);
	w->n++;
}

/* A void outcome has no items: what was added before does not count. */
struct bytes outcome_bytes(struct outcome_writer *w)
{
	uint8_t head[HEAD_ROOM];
	uint32_t n = w->is_void ? 0 : w->n;
	size_t len = 0;

	if (!w->is_void && w->n == 0)
		return (struct bytes){0};
	reserve_head(w);
	head[len++] = w->is_void ? FLAG_VOID : 0;
	for (; n >= 0x80; n >>= 7)
		head[len++] = (uint8_t)(n | 0x80);
	head[len++] = (uint8_t)n;
	uint8_t *at = w->items.data + HEAD_ROOM - len;
	for (size_t i = 0; i < len; i++)
		at[i] = head[i];
	if (w->is_void)
		return (struct bytes){at, len};
	return (struct bytes){at, w->items.len - (HEAD_ROOM - len)};
}

void outcome_writer_clear(struct outcome_writer *w)
{
	w->items.len = 0;
	w->n = 0;
	w->is_void = false;
}

void outcome_writer_free(struct outcome_writer *w)
{
	value_buf_free(&w->items);
	outcome_writer_clear(w);
}

/* -- deliveries ------------------------------------------------------------ */
static uint32_t read_u32(struct value_reader *r)
{
	uint64_t n = value_read_varint(r);

	if (n > UINT32_MAX)
		r->is_bad = true;
	return (uint32_t)n;
}

/* The next exception comes to the front. */
static int load_exception(struct delivery_reader *r)
{
	uint32_t before = r->has_next ? r->next_ordinal : 0;

	r->has_next = false;
	if (r->n_exceptions == 0)
		return r->exceptions.at == r->exceptions.end ? 0 : ERR_CORRUPT;
	r->n_exceptions--;
	r->next_ordinal = read_u32(&r->exceptions);
	r->next_mask = value_read_varint(&r->exceptions);
	r->next_change = value_read_bytes(&r->exceptions);
	if (r->exceptions.is_bad || r->next_ordinal < before)
		return ERR_CORRUPT;
	r->has_next = true;
	return 0;
}

static int read_head(struct delivery_reader *r)
{
	if (r->exceptions.at == r->exceptions.end)
		return 0;
	uint8_t flags = *r->exceptions.at++;
	r->n_exceptions = read_u32(&r->exceptions);
	if (r->exceptions.is_bad || (flags & ~FLAG_VOID))
		return ERR_CORRUPT;
	r->is_void = flags & FLAG_VOID;
	if (r->is_void && r->n_exceptions)
		return ERR_CORRUPT;
	return load_exception(r);
}

int delivery_begin(struct delivery_reader *r, const struct catalog *catalog,
		   const struct delivery_source *source)
{
	CHECK(source->connection_id <= CATALOG_CONNECTIONS);
	*r = (struct delivery_reader){
		.catalog = catalog,
		.connection_id = source->connection_id,
		.source_id = source->source_id,
		.exceptions = value_reader(source->outcome),
	};
	change_reader_init(&r->changes, source->changes);
	return read_head(r);
}

/* The next change of the entry itself. Echoes are no transactions of the
 * source: they have no number. */
static int next_own(struct delivery_reader *r)
{
	int rc;

	r->has_own = false;
	while ((rc = change_next(&r->changes, &r->own)) == 0) {
		rc = change_next_txn(&r->changes, &r->at);
		if (rc <= 0)
			return rc;
		r->txn += r->at.kind != TXN_ECHO;
	}
	r->has_own = rc > 0;
	return rc;
}

/* 1 when the change goes out, 0 when its table is not known. */
static int deliver(const struct delivery_reader *r, uint32_t ordinal,
		   const struct change *c, struct delivery *out)
{
	const struct catalog_table *table =
		catalog_table(r->catalog, c->table_id);

	if (!table)
		return 0;
	*out = (struct delivery){
		.ordinal = ordinal,
		.txn = r->txn ? r->txn - 1 : 0,
		.stamp_us = r->at.stamp_us,
		.change = *c,
		.table = table,
	};
	return 1;
}

/* The exception in front; 0 when it does not go to this connection. */
static int deliver_exception(struct delivery_reader *r, struct delivery *out)
{
	struct change c = r->own;
	uint32_t ordinal = r->next_ordinal;
	bool is_ours = r->next_mask & catalog_bit(r->connection_id);
	bool is_own = r->next_change.len == 0;

	if (is_own && !r->has_own)
		return ERR_CORRUPT; /* there is no change of the entry */
	if (!is_own && is_ours && change_decode(r->next_change, &c))
		return ERR_CORRUPT;
	int rc = load_exception(r);
	if (rc)
		return rc;
	return is_ours ? deliver(r, ordinal, &c, out) : 0;
}

/* A change without an exception. */
static int deliver_own(struct delivery_reader *r, struct delivery *out)
{
	if (r->connection_id == r->source_id ||
	    deliver(r, r->changes.ordinal - 1, &r->own, out) == 0)
		return 0;
	uint64_t bit = catalog_bit(r->connection_id);
	return (out->table->targets & bit) != 0;
}

static bool has_exception(const struct delivery_reader *r)
{
	return r->has_next && r->has_own &&
	       r->next_ordinal == r->changes.ordinal - 1;
}

/* 1: one in out; 0: nothing for this connection at this place. */
static int step(struct delivery_reader *r, struct delivery *out, bool *is_end)
{
	if (has_exception(r))
		return deliver_exception(r, out);
	int rc = next_own(r);
	if (rc < 0)
		return rc;
	if (rc > 0 && has_exception(r))
		return 0;
	if (rc > 0)
		return deliver_own(r, out);
	if (r->has_next)
		return deliver_exception(r, out);
	*is_end = true;
	return 0;
}

int delivery_next(struct delivery_reader *r, struct delivery *out)
{
	bool is_end = r->is_void;
	struct delivery d;
	int rc = 0;

	while (!is_end && rc == 0)
		rc = step(r, &d, &is_end);
	if (rc > 0)
		*out = d;
	return rc;
}
