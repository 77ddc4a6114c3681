#include "cluster/core/ledger_row.h"

#include <string.h>

#include "base/check.h"
#include "base/digest.h"
#include "cluster/core/catalog.h"
#include "cluster/core/key.h"
#include "cluster/core/ledger_image.h"

enum { KEY_TABLE, KEY_DIRECT, KEY_DIGEST };
enum { FLAG_READ = 1 };

/* -- keys ------------------------------------------------------------------ */
/* Two digests of 64 bits: 128 bits do not meet by chance, and row_load looks
 * whether it found the row that was meant. */
static void put_digest(uint8_t *out, struct bytes key)
{
	uint64_t first = digest64(key.data, key.len);

	put_u64_be(out, first);
	put_u64_be(out + 8, digest64_seed(key.data, key.len, ~first));
}

void row_key_of(struct row_key *out, uint32_t table_id, struct bytes key)
{
	struct key head = key_of_u32('l', table_id);

	out->whole = key;
	memcpy(out->data, head.data, head.len);
	if (key.len == 0) {
		out->data[5] = KEY_TABLE;
		out->len = ROW_KEY_HEAD;
	} else if (key.len <= LIMIT_KEY_BYTES - ROW_KEY_HEAD) {
		out->data[5] = KEY_DIRECT;
		memcpy(out->data + ROW_KEY_HEAD, key.data, key.len);
		out->len = ROW_KEY_HEAD + key.len;
	} else {
		out->data[5] = KEY_DIGEST;
		put_digest(out->data + ROW_KEY_HEAD, key);
		out->len = ROW_KEY_HEAD + 16;
	}
}

struct bytes row_key_bytes(const struct row_key *k)
{
	return (struct bytes){k->data, k->len};
}

/* -- records --------------------------------------------------------------- */
void row_init(struct row *r)
{
	r->buf = (struct value_buf){0};
	r->is_known = false;
	r->n_sides = 0;
	r->vector.n = 0;
}

void row_free(struct row *r)
{
	value_buf_free(&r->buf);
}

static void row_clear(struct row *r)
{
	r->is_known = r->is_read = false;
	r->index = r->wait_index = 0;
	r->ordinal = r->maker = r->n_open = r->wait_id = 0;
	r->stamp_us = 0;
	r->has = r->sent = r->judged = 0;
	r->vector.n = 0;
	r->n_sides = 0;
	r->image = (struct bytes){0};
}

static void read_side(struct value_reader *in, struct row_side *s)
{
	uint64_t at = 0;

	s->connection_id = (uint32_t)value_read_varint(in);
	s->gap_from = value_read_varint(in);
	s->gap_to = value_read_varint(in);
	s->read_upto = value_read_varint(in);
	s->part_at = value_read_varint(in);
	s->n = (uint32_t)value_read_varint(in);
	CHECK(s->n <= LIMIT_ROW_DELIVERIES);
	for (uint32_t i = 0; i < s->n; i++) {
		at += value_read_varint(in);
		uint64_t where = value_read_varint(in);
		s->list[i] = (struct row_step){at, (uint32_t)(where >> 1),
					       where & 1};
	}
}

/* What is read here was written by row_save and checked by the store. */
static void read_record(struct row *r, struct bytes value)
{
	struct value_reader in = value_reader(value);

	CHECK(value.len > 0);
	r->is_known = true;
	r->is_read = *in.at++ & FLAG_READ;
	r->index = value_read_varint(&in);
	r->ordinal = (uint32_t)value_read_varint(&in);
	r->maker = (uint32_t)value_read_varint(&in);
	r->stamp_us = value_read_zigzag(&in);
	r->wait_id = (uint32_t)value_read_varint(&in);
	r->wait_index = value_read_varint(&in);
	r->n_open = (uint32_t)value_read_varint(&in);
	r->has = value_read_varint(&in);
	r->sent = value_read_varint(&in);
	r->judged = value_read_varint(&in);
	CHECK(vvec_read(&in, &r->vector));
	r->n_sides = (size_t)value_read_varint(&in);
	CHECK(r->n_sides <= VVEC_MAX);
	for (size_t i = 0; i < r->n_sides; i++)
		read_side(&in, &r->sides[i]);
	CHECK(!in.is_bad);
	r->image = (struct bytes){in.at, (size_t)(in.end - in.at)};
}

/* Two keys of one digest: the record of the other row gives way. */
static bool is_meant(const struct row *r, const struct row_key *key)
{
	struct change c;

	if (key->data[ROW_KEY_HEAD - 1] != KEY_DIGEST || !key->whole.len)
		return true;
	return !change_decode(r->image, &c) &&
	       bytes_compare(c.key, key->whole) == 0;
}

void row_load(struct row *r, const struct kv *kv, const struct row_key *key)
{
	struct bytes value;

	memcpy(r->key.data, key->data, key->len);
	r->key.len = key->len;
	r->key.whole = key->whole;
	row_clear(r);
	r->is_stored = false;
	if (!kv->get(kv->ctx, row_key_bytes(key), &value))
		return;
	r->buf.len = 0;
	value_buf_put(&r->buf, value.data, value.len);
	read_record(r, (struct bytes){r->buf.data, r->buf.len});
	if (!is_meant(r, key))
		row_clear(r);
	r->is_stored = true;
}

static void write_side(struct value_buf *buf, const struct row_side *s)
{
	uint64_t at = 0;

	value_buf_varint(buf, s->connection_id);
	value_buf_varint(buf, s->gap_from);
	value_buf_varint(buf, s->gap_to);
	value_buf_varint(buf, s->read_upto);
	value_buf_varint(buf, s->part_at);
	value_buf_varint(buf, s->n);
	for (uint32_t i = 0; i < s->n; i++) {
		const struct row_step *step = &s->list[i];
		value_buf_varint(buf, step->index - at);
		value_buf_varint(buf, (uint64_t)step->ordinal << 1 |
					      step->is_double);
		at = step->index;
	}
}

void row_save(struct row *r, const struct kv *kv, struct value_buf *buf)
{
	uint8_t flags = r->is_read ? FLAG_READ : 0;

	buf->len = 0;
	value_buf_put(buf, &flags, 1);
	value_buf_varint(buf, r->index);
	value_buf_varint(buf, r->ordinal);
	value_buf_varint(buf, r->maker);
	value_buf_zigzag(buf, r->stamp_us);
	value_buf_varint(buf, r->wait_id);
	value_buf_varint(buf, r->wait_index);
	value_buf_varint(buf, r->n_open);
	value_buf_varint(buf, r->has);
	value_buf_varint(buf, r->sent);
	value_buf_varint(buf, r->judged);
	vvec_write(buf, &r->vector);
	value_buf_varint(buf, r->n_sides);
	for (size_t i = 0; i < r->n_sides; i++)
		write_side(buf, &r->sides[i]);
	value_buf_put(buf, r->image.data, r->image.len);
	kv->put(kv->ctx, row_key_bytes(&r->key),
		(struct bytes){buf->data, buf->len});
	r->is_known = r->is_stored = true;
}

/* -- deliveries ------------------------------------------------------------ */
static struct row_side *side_of(struct row *r, uint32_t connection_id)
{
	for (size_t i = 0; i < r->n_sides; i++)
		if (r->sides[i].connection_id == connection_id)
			return &r->sides[i];
	return NULL;
}

static void drop_side(struct row *r, struct row_side *s)
{
	*s = r->sides[--r->n_sides];
}

/* Where in the gap it stands is not known: some of what is missing may have
 * been applied since, or not. */
static void consume_gap(struct row *r, struct row_side *s, uint64_t seen)
{
	if (seen >= s->gap_to)
		s->gap_from = s->gap_to = 0;
	if (seen <= s->gap_from || s->gap_from == 0)
		return;
	s->gap_from = seen;
	r->has &= ~catalog_bit(s->connection_id);
}

/* The first n were applied: does the connection have the head now? */
static uint64_t has_after(const struct row *r, const struct row_side *s,
			  uint32_t n)
{
	uint64_t bit = catalog_bit(s->connection_id);
	uint64_t last = s->list[n - 1].index;

	if (last == s->part_at)
		return r->has & ~bit;
	if (last >= r->index)
		return r->has | bit;
	/* A row that is there stays as it is under a READ. */
	if (last <= s->read_upto && !image_is_delete(r->image))
		return r->has;
	return r->has & ~bit;
}

bool row_consume(struct row *r, uint32_t connection_id, uint64_t seen)
{
	struct row_side *s = side_of(r, connection_id);
	uint64_t bit = catalog_bit(connection_id);
	uint32_t n = 0;

	while (s && n < s->n && s->list[n].index <= seen)
		n++;
	if (n > 0) {
		r->has = has_after(r, s, n);
		if (s->part_at <= s->list[n - 1].index)
			s->part_at = 0;
		memmove(s->list, s->list + n, (s->n - n) * sizeof(s->list[0]));
		s->n -= n;
	}
	if (s && s->n == 0)
		drop_side(r, s);
	else if (s)
		consume_gap(r, s, seen);
	return (r->has & bit) != 0;
}

uint64_t row_last(const struct row *r, uint32_t connection_id)
{
	for (size_t i = 0; i < r->n_sides; i++) {
		const struct row_side *s = &r->sides[i];
		if (s->connection_id == connection_id)
			return s->list[s->n - 1].index;
	}
	return 0;
}

static struct row_side *open_side(struct row *r, uint32_t connection_id)
{
	struct row_side *s = side_of(r, connection_id);

	if (s)
		return s;
	CHECK(r->n_sides < VVEC_MAX);
	s = &r->sides[r->n_sides++];
	s->connection_id = connection_id;
	s->n = 0;
	s->gap_from = s->gap_to = 0;
	s->read_upto = 0;
	s->part_at = 0;
	return s;
}

static void append(struct row_side *s, const struct row_delivery *d)
{
	struct row_step step = {d->index, d->ordinal, false};

	CHECK(s->n == 0 || s->list[s->n - 1].index < d->index);
	if (s->n < LIMIT_ROW_DELIVERIES) {
		s->list[s->n++] = step;
		return;
	}
	if (s->gap_from == 0)
		s->gap_from = s->list[s->n - 2].index;
	s->gap_to = d->index;
	s->list[s->n - 1] = step;
}

void row_deliver(struct row *r, uint32_t connection_id,
		 const struct row_delivery *d)
{
	struct row_side *s = open_side(r, connection_id);

	if (d->is_read)
		s->read_upto = d->index;
	else if (s->read_upto == d->index)
		s->read_upto = d->index - 1; /* something writes over it */
	if (s->n > 0 && s->list[s->n - 1].index == d->index)
		s->list[s->n - 1].is_double = true;
	else
		append(s, d);
}

void row_deliver_all(struct row *r, uint64_t mask, const struct row_delivery *d)
{
	for (; mask; mask &= mask - 1)
		row_deliver(r, (uint32_t)__builtin_ctzll(mask), d);
}

void row_withdraw(struct row *r, uint32_t connection_id, uint64_t index)
{
	struct row_side *s = side_of(r, connection_id);
	uint32_t i = 0;

	while (s && i < s->n && s->list[i].index < index)
		i++;
	if (!s || i == s->n || s->list[i].index != index || s->part_at == index)
		return;
	memmove(s->list + i, s->list + i + 1,
		(s->n - i - 1) * sizeof(s->list[0]));
	if (--s->n == 0)
		drop_side(r, s);
}

void row_doubt(struct row *r, uint32_t connection_id, uint64_t index,
	       uint32_t ordinal)
{
	struct row_side *s = side_of(r, connection_id);

	for (uint32_t i = 0; s && i < s->n; i++) {
		const struct row_step *step = &s->list[i];
		if (step->index == index && step->is_double &&
		    step->ordinal < ordinal)
			s->part_at = index;
	}
}

void row_consume_part(struct row *r, uint32_t connection_id, uint64_t seen)
{
	struct row_side *s = side_of(r, connection_id);

	if (!s || s->part_at == 0 || seen < s->part_at)
		return;
	s->part_at = 0;
	r->has &= ~catalog_bit(connection_id);
}
