#include "connectors/postgres/position.h"

#include <stdlib.h>
#include <string.h>

#include "proto/limits.h"

enum { POSITION_VERSION = 1 };

static int read_table(struct value_reader *r, struct position *p)
{
	uint64_t id = value_read_varint(r);
	uint64_t state = value_read_varint(r);
	struct bytes key = value_read_bytes(r);

	if (r->is_bad || id > UINT32_MAX || state >= POSITION__N)
		return ERR_CORRUPT;
	struct position_table *t =
		pg_position_put(p, (uint32_t)id, (enum position_state)state);
	if (key.len)
		pg_position_reach(t, key);
	return 0;
}

static int read_body(struct value_reader *r, struct position *p)
{
	p->system_id = value_read_varint(r);
	p->timeline = (uint32_t)value_read_varint(r);
	p->lsn = value_read_varint(r);
	p->cut_lsn = value_read_varint(r);
	p->n_cut = value_read_varint(r);
	uint64_t n = value_read_varint(r);
	if (r->is_bad || n > LIMIT_TABLES)
		return ERR_CORRUPT;
	for (uint64_t i = 0; i < n; i++)
		if (read_table(r, p))
			return ERR_CORRUPT;
	return r->at == r->end ? 0 : ERR_CORRUPT;
}

int pg_position_read(struct position *out, struct bytes b, struct err *e)
{
	struct value_reader r = value_reader(b);
	struct position p = {0};

	if (value_read_varint(&r) != POSITION_VERSION)
		return err_set(e, ERR_FORMAT,
			       "the position has a version that is not known");
	if (read_body(&r, &p)) {
		pg_position_free(&p);
		return err_set(e, ERR_CORRUPT, "the position is damaged");
	}
	*out = p;
	return 0;
}

void pg_position_write(const struct position *p, struct value_buf *buf)
{
	value_buf_varint(buf, POSITION_VERSION);
	value_buf_varint(buf, p->system_id);
	value_buf_varint(buf, p->timeline);
	value_buf_varint(buf, p->lsn);
	value_buf_varint(buf, p->cut_lsn);
	value_buf_varint(buf, p->n_cut);
	value_buf_varint(buf, p->n);
	for (size_t i = 0; i < p->n; i++) {
		const struct position_table *t = &p->tables[i];
		value_buf_varint(buf, t->id);
		value_buf_varint(buf, t->state);
		value_buf_bytes(buf, (struct bytes){t->key, t->key_len});
	}
}

void pg_position_free(struct position *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->tables[i].key);
	free(p->tables);
	*p = (struct position){0};
}

struct position_table *pg_position_find(struct position *p, uint32_t id)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->tables[i].id == id)
			return &p->tables[i];
	return NULL;
}

struct position_table *pg_position_put(struct position *p, uint32_t id,
				       enum position_state state)
{
	struct position_table *t = pg_position_find(p, id);

	if (!t) {
		p->tables = mem_grow(p->tables, (p->n + 1) * sizeof *t);
		t = &p->tables[p->n++];
		*t = (struct position_table){.id = id};
	}
	t->state = state;
	return t;
}

void pg_position_reach(struct position_table *t, struct bytes key)
{
	free(t->key);
	t->key = NULL;
	t->key_len = key.len;
	if (key.len) {
		t->key = mem_alloc(key.len);
		memcpy(t->key, key.data, key.len);
	}
}

void pg_position_drop(struct position *p, size_t i)
{
	free(p->tables[i].key);
	memmove(&p->tables[i], &p->tables[i + 1],
		(p->n - i - 1) * sizeof *p->tables);
	p->n--;
}
