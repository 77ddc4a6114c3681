#include "connectors/sqlite/position.h"

#include <stdlib.h>

enum { VERSION = 1, TABLES_MAX = 1 << 16 };

void sqlite_position_free(struct position *p)
{
	for (size_t i = 0; i < p->n; i++)
		value_buf_free(&p->tables[i].key);
	free(p->tables);
	*p = (struct position){0};
}

struct position_table *sqlite_position_find(struct position *p,
					    uint32_t table_id)
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->tables[i].table_id == table_id)
			return &p->tables[i];
	}
	return NULL;
}

struct position_table *sqlite_position_add(struct position *p,
					   uint32_t table_id)
{
	if (p->n == p->cap) {
		p->cap = p->cap ? 2 * p->cap : 8;
		p->tables = mem_grow(p->tables, p->cap * sizeof(*p->tables));
	}
	p->tables[p->n] = (struct position_table){.table_id = table_id};
	return &p->tables[p->n++];
}

void sqlite_position_copy(struct position *to, const struct position *from)
{
	sqlite_position_free(to);
	*to = *from;
	to->tables = NULL;
	to->n = to->cap = 0;
	for (size_t i = 0; i < from->n; i++) {
		const struct position_table *f = &from->tables[i];
		struct position_table *t = sqlite_position_add(to, f->table_id);

		*t = *f;
		t->key = (struct value_buf){0};
		value_buf_put(&t->key, f->key.data, f->key.len);
	}
}

void sqlite_position_write(const struct position *p, struct value_buf *buf)
{
	value_buf_varint(buf, VERSION);
	value_buf_varint(buf, p->incarnation);
	value_buf_varint(buf, (uint64_t)p->seq);
	value_buf_zigzag(buf, p->at);
	value_buf_varint(buf, (uint64_t)p->until);
	value_buf_varint(buf, p->part_bytes);
	value_buf_varint(buf, p->n);
	for (size_t i = 0; i < p->n; i++) {
		const struct position_table *t = &p->tables[i];

		value_buf_varint(buf, t->table_id);
		value_buf_varint(buf, t->generation);
		value_buf_varint(buf, t->is_loaded);
		value_buf_varint(buf, t->n_loaded);
		value_buf_bytes(buf, (struct bytes){t->key.data, t->key.len});
	}
}

static void read_table(struct position *p, struct value_reader *r)
{
	uint32_t table_id = (uint32_t)value_read_varint(r);
	struct position_table *t = sqlite_position_add(p, table_id);

	t->generation = value_read_varint(r);
	t->is_loaded = value_read_varint(r) != 0;
	t->n_loaded = value_read_varint(r);
	struct bytes key = value_read_bytes(r);
	value_buf_put(&t->key, key.data, key.len);
}

int sqlite_position_read(struct position *p, struct bytes b, struct err *e)
{
	struct value_reader r = value_reader(b);
	uint64_t version = value_read_varint(&r);

	if (r.is_bad || version != VERSION)
		return err_set(e, ERR_FORMAT,
			       "a position of SQLite in version %llu",
			       (unsigned long long)version);
	p->incarnation = value_read_varint(&r);
	p->seq = (int64_t)value_read_varint(&r);
	p->at = value_read_zigzag(&r);
	p->until = (int64_t)value_read_varint(&r);
	p->part_bytes = value_read_varint(&r);
	uint64_t n = value_read_varint(&r);
	for (uint64_t i = 0; i < n && i < TABLES_MAX && !r.is_bad; i++)
		read_table(p, &r);
	if (r.is_bad || r.at != r.end || n > TABLES_MAX || p->seq < 0 ||
	    p->until < p->seq) {
		sqlite_position_free(p);
		return err_set(e, ERR_CORRUPT, "a position of SQLite");
	}
	return 0;
}
