/* A simulated database: tables, the stream of its commits, checkpoints. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/endian.h"
#include "tests/sim/product/world.h"

void database_init(struct world *w, uint32_t id)
{
	struct database *d = &w->dbs[id];

	d->id = id;
	for (size_t i = 1; i <= WORLD_TABLES; i++)
		d->tables[i] = map_new();
	d->written = map_new();
}

void database_free(struct database *d)
{
	for (size_t i = 1; i <= WORLD_TABLES; i++)
		map_free(d->tables[i]);
	map_free(d->written);
	free(d->stream);
}

static struct bytes keep(struct world *w, struct value_buf *buf)
{
	struct bytes b = {arena_copy(&w->arena, buf->data, buf->len), buf->len};

	value_buf_free(buf);
	return b;
}

struct bytes database_key(struct world *w, int64_t key)
{
	struct value_buf buf = {0};
	struct value v = {.state = VALUE_SET, .type = VALUE_INT64, .i64 = key};

	change_key(&buf, &v, 1);
	return keep(w, &buf);
}

struct bytes database_values(struct world *w, int64_t key,
			     const struct image *i)
{
	struct value_buf buf = {0};
	uint8_t raw[24];
	struct value v[2] = {
		{.state = VALUE_SET, .type = VALUE_INT64, .i64 = key},
		{.state = VALUE_SET,
		 .type = VALUE_BYTES,
		 .bytes = {raw, sizeof raw}},
	};

	put_u64(raw, i->uid);
	put_u64(raw + 8, i->saw);
	put_u64(raw + 16, (uint64_t)i->amount);
	value_write(&buf, &v[0]);
	value_write(&buf, &v[1]);
	return keep(w, &buf);
}

bool database_image(struct bytes values, struct image *out)
{
	struct value_reader r = value_reader(values);
	struct value v;

	if (!value_read(&r, &v) || !value_read(&r, &v) || v.bytes.len != 24)
		return false;
	*out = (struct image){
		.uid = get_u64(v.bytes.data),
		.saw = get_u64(v.bytes.data + 8),
		.amount = (int64_t)get_u64(v.bytes.data + 16),
	};
	return true;
}

bool database_get(const struct database *d, uint32_t table_id, struct bytes key,
		  struct image *out)
{
	struct bytes values;

	*out = (struct image){0};
	return map_get(d->tables[table_id], key, &values) &&
	       database_image(values, out);
}

struct op *database_ops(struct world *w, size_t n)
{
	return arena_alloc(&w->arena, (n + 1) * sizeof(struct op));
}

static void empty(struct database *d, uint32_t table_id)
{
	map_free(d->tables[table_id]);
	d->tables[table_id] = map_new();
}

void database_commit(struct world *w, struct database *d,
		     const struct commit *c)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct op *op = &c->ops[i];

		if (op->op == CHANGE_TRUNCATE)
			empty(d, op->table_id);
		else if (op->op == CHANGE_DELETE)
			map_delete(d->tables[op->table_id], op->key);
		else
			map_put(d->tables[op->table_id], op->key, op->values);
	}
	if (d->n == d->cap) {
		d->cap = d->cap ? d->cap * 2 : 64;
		d->stream = mem_grow(d->stream, d->cap * sizeof *d->stream);
	}
	d->stream[d->n++] = *c;
	w->counts.commits++;
	judge_bank(w, d);
}

/* -- users ----------------------------------------------------------------- */
static void put(struct world *w, struct commit *c, uint32_t table_id,
		int64_t key, struct image image)
{
	c->ops[c->n++] = (struct op){
		.op = CHANGE_PUT,
		.table_id = table_id,
		.key = database_key(w, key),
		.values = database_values(w, key, &image),
	};
}

static void remember(struct world *w, uint64_t uid, uint64_t saw)
{
	uint8_t key[8], value[8];

	put_u64(key, uid);
	put_u64(value, saw);
	map_put(w->saw, (struct bytes){key, 8}, (struct bytes){value, 8});
}

static void write_one(struct world *w, struct database *d, struct commit *c)
{
	uint32_t table = world_chance(w, 0.6) ? TABLE_REGISTER : TABLE_CHURN;
	int64_t key = (int64_t)rng_below(&w->rng, 6);
	struct image now, next;

	for (size_t i = 0; i < c->n; i++)
		if (c->ops[i].table_id == table &&
		    bytes_compare(c->ops[i].key, database_key(w, key)) == 0)
			return; /* one change of a row in a transaction */
	bool is_there = database_get(d, table, database_key(w, key), &now);
	if (table == TABLE_CHURN && is_there && !w->is_lossy &&
	    world_chance(w, 0.4)) {
		c->ops[c->n++] = (struct op){.op = CHANGE_DELETE,
					     .table_id = table,
					     .key = database_key(w, key)};
		return;
	}
	next = (struct image){.uid = ++w->next_uid, .saw = now.uid};
	remember(w, next.uid, next.saw);
	put(w, c, table, key, next);
	world_trace(w, "user of %u: table %u key %lld uid %llu saw %llu", d->id,
		    table, (long long)key, (unsigned long long)next.uid,
		    (unsigned long long)next.saw);
}

static void transfer(struct world *w, struct database *d, struct commit *c)
{
	int64_t from = (int64_t)rng_below(&w->rng, BANK_ACCOUNTS);
	size_t n = 2 + rng_below(&w->rng, 3);
	struct image image;

	for (size_t i = 0; i < n; i++) {
		int64_t key = (from + (int64_t)i) % BANK_ACCOUNTS;

		CHECK(database_get(d, TABLE_BANK, database_key(w, key),
				   &image));
		image.amount += i == 0 ? -(int64_t)(n - 1) : 1;
		image.uid = ++w->next_uid;
		put(w, c, TABLE_BANK, key, image);
	}
}

void database_users(struct world *w)
{
	for (uint32_t id = 1; id <= WORLD_DBS; id++) {
		struct database *d = &w->dbs[id];
		struct commit c = {.stamp_us = world_wall(w) +
					       rng_range(&w->rng, -200, 200),
				   .ops = NULL};

		if (d->down_until_us > w->now_us || !world_chance(w, 0.03))
			continue;
		c.ops = database_ops(w, 4);
		if (!w->is_lossy && world_chance(w, 0.01)) {
			c.ops[c.n++] = (struct op){.op = CHANGE_TRUNCATE,
						   .table_id = TABLE_CHURN};
			w->counts.truncates++;
		} else if (id == 1 && world_chance(w, 0.4)) {
			transfer(w, d, &c);
		} else {
			size_t n = 1 + rng_below(&w->rng, 3);
			for (size_t i = 0; i < n; i++)
				write_one(w, d, &c);
		}
		if (c.n)
			database_commit(w, d, &c);
	}
}

/* What is there before Synod is. */
void database_first_rows(struct world *w)
{
	struct commit bank = {.stamp_us = world_wall(w),
			      .ops = database_ops(w, BANK_ACCOUNTS)};
	struct commit rows = {.stamp_us = world_wall(w),
			      .ops = database_ops(w, 8)};

	for (int64_t i = 0; i < BANK_ACCOUNTS; i++)
		put(w, &bank, TABLE_BANK, i,
		    (struct image){.uid = ++w->next_uid, .amount = BANK_EACH});
	database_commit(w, &w->dbs[1], &bank);
	for (int64_t i = 3; i < 9; i++) {
		uint64_t uid = ++w->next_uid;

		remember(w, uid, 0);
		put(w, &rows, i < 6 ? TABLE_REGISTER : TABLE_CHURN, i % 6,
		    (struct image){.uid = uid});
	}
	database_commit(w, &w->dbs[2], &rows);
}
