#include "connectors/postgres/rows.h"

#include <stdlib.h>
#include <string.h>

#include "connectors/text.h"
#include "connectors/where.h"
#include "proto/limits.h"

/* Room beside the values of one change in an entry. */
#define ROWS_BYTES_MAX (LIMIT_ENTRY_BYTES - ((size_t)64 << 10))

/* The row of a message, taken apart for one planned table. */
struct image {
	struct value *values;
	bool is_there, is_whole, is_key_only;
	struct bytes key;
	int where; /* enum where_verdict */
};

void pg_rows_key(const struct connector_table *t, const struct value *values,
		 struct value_buf *buf)
{
	for (size_t i = 0; i < t->table->n_fields; i++)
		if (t->table->fields[i]->is_key)
			value_write(buf, &values[i]);
}

static bool has_bytes(const struct value *v)
{
	switch (v->type) {
	case VALUE_DECIMAL:
	case VALUE_TEXT:
	case VALUE_BYTES:
	case VALUE_JSON:
	case VALUE_ENUM:
	case VALUE_BIT:
	case VALUE_NATIVE:
		return v->state == VALUE_SET;
	default:
		return false;
	}
}

size_t pg_rows_size(const struct value *values, uint32_t n)
{
	size_t bytes = 64;

	for (uint32_t i = 0; i < n; i++)
		bytes += has_bytes(&values[i]) ? values[i].bytes.len + 12 : 24;
	return bytes;
}

int pg_rows_check_size(const char *path, const struct value *values, uint32_t n,
		       struct err *e)
{
	size_t bytes = pg_rows_size(values, n);

	if (bytes <= ROWS_BYTES_MAX)
		return 0;
	return err_set(e, ERR_SCHEMA,
		       "table %s: a row of %zu bytes is larger than an entry "
		       "of the log may be (%zu)",
		       path, bytes, ROWS_BYTES_MAX);
}

bool pg_rows_has_room(const struct change_writer *w, size_t size,
		      size_t bytes_max)
{
	size_t bytes = change_writer_bytes(w);

	if (w->buf.len == 0 && w->n_txn_changes == 0)
		return true;
	return bytes < bytes_max && bytes + size <= ROWS_BYTES_MAX;
}

static struct pgoutput_value *split(const struct rows_source *s,
				    const struct pgoutput_tuple *tuple)
{
	struct pgoutput_value *list =
		arena_alloc(s->arena, (tuple->n + 1u) * sizeof *list);
	struct bytes at = tuple->data;

	for (uint16_t i = 0; i < tuple->n; i++)
		if (!pgoutput_next_value(&at, &list[i]))
			return NULL;
	return list;
}

static int value_of(const struct rows_source *s, size_t field,
		    const struct pgoutput_value *from, struct value *out,
		    struct err *e)
{
	enum value_type type =
		(enum value_type)s->table->table->fields[field]->type;

	*out = (struct value){.state = from->kind == PGOUTPUT_NULL
					       ? VALUE_NULL
					       : VALUE_UNCHANGED};
	if (from->kind != PGOUTPUT_TEXT)
		return 0;
	struct err why = {0};
	if (text_to_value(type, from->text, s->arena, out, &why))
		return err_set(e, ERR_SCHEMA, "table %s, column %s: %s",
			       s->path, s->table->side->columns[field],
			       why.text);
	return 0;
}

static int finish_image(const struct rows_source *s, struct image *image,
			struct err *e)
{
	const Synod__Definition__Table *t = s->table->table;
	struct value_buf key = {0};

	for (size_t i = 0; i < t->n_fields; i++)
		if (t->fields[i]->is_key && image->values[i].state != VALUE_SET)
			return err_set(e, ERR_SCHEMA,
				       "table %s: column %s of the key is NULL "
				       "or not told",
				       s->path, s->table->side->columns[i]);
	pg_rows_key(s->table, image->values, &key);
	image->key.data = arena_copy(s->arena, key.data, key.len);
	image->key.len = key.len;
	value_buf_free(&key);
	return 0;
}

/* An old key tells only the columns of the identity: the rest comes as NULL
 * and is none. */
static int old_image(const struct rows_source *s,
		     const struct pgoutput_message *m, struct image *out,
		     struct err *e)
{
	size_t n = s->table->table->n_fields;

	*out = (struct image){.where = WHERE_UNKNOWN};
	if (m->old_row.n == 0)
		return 0;
	if (m->old_row.n != s->relation->n_columns)
		return err_set(e, ERR_CORRUPT,
			       "an old row of %s has %u columns", s->path,
			       m->old_row.n);
	struct pgoutput_value *from = split(s, &m->old_row);
	out->values = arena_alloc(s->arena, (n + 1) * sizeof *out->values);
	for (size_t i = 0; i < n; i++) {
		const struct pgoutput_value *v = &from[s->use->places[i]];
		if (m->is_key_only && !s->use->is_in_key[i]) {
			out->values[i] = (struct value){.state = VALUE_ABSENT};
			continue;
		}
		int error = value_of(s, i, v, &out->values[i], e);
		if (error)
			return error;
	}
	out->is_there = true;
	out->is_whole = !m->is_key_only;
	if (out->is_whole)
		out->where =
			where_holds(s->table->side, out->values, (uint32_t)n);
	return finish_image(s, out, e);
}

/* A value that is kept outside of the row and did not change is left out of
 * the new row; the old one may have it. */
static int new_image(const struct rows_source *s,
		     const struct pgoutput_message *m, const struct image *old,
		     struct image *out, struct err *e)
{
	size_t n = s->table->table->n_fields;

	*out = (struct image){.is_whole = true};
	if (m->new_row.n != s->relation->n_columns)
		return err_set(e, ERR_CORRUPT, "a row of %s has %u columns",
			       s->path, m->new_row.n);
	struct pgoutput_value *from = split(s, &m->new_row);
	out->values = arena_alloc(s->arena, (n + 1) * sizeof *out->values);
	for (size_t i = 0; i < n; i++) {
		struct value *v = &out->values[i];
		int error = value_of(s, i, &from[s->use->places[i]], v, e);
		if (error)
			return error;
		if (v->state == VALUE_UNCHANGED && old->is_there &&
		    old->values[i].state >= VALUE_NULL)
			*v = old->values[i];
		out->is_whole &= v->state >= VALUE_NULL;
	}
	out->is_there = true;
	out->where = where_holds(s->table->side, out->values, (uint32_t)n);
	int error = finish_image(s, out, e);
	if (error)
		return error;
	return pg_rows_check_size(s->path, out->values, (uint32_t)n, e);
}

static void add(struct rows_out *out, const struct rows_source *s,
		enum change_op op, const struct image *image)
{
	bool has_values = op != CHANGE_DELETE;

	out->list[out->n++] = (struct change_row){
		.op = op,
		.table_id = s->table->table->id,
		.key = image->key,
		.values = has_values ? image->values : NULL,
		.n_values =
			has_values ? (uint32_t)s->table->table->n_fields : 0,
	};
}

/* The row was told with its key alone (old) or not at all; both of its images
 * belong to the side, or may. */
static int changed(const struct rows_source *s, const struct image *old,
		   const struct image *now, struct rows_out *out, struct err *e)
{
	bool is_moved = old->is_there && bytes_compare(old->key, now->key) != 0;

	if (!now->is_whole && s->table->is_two_way)
		return err_set(
			e, ERR_SCHEMA,
			"table %s: an update left out a large value that "
			"it did not change; run: ALTER TABLE %s REPLICA "
			"IDENTITY FULL",
			s->path, s->path);
	if (is_moved && !now->is_whole) {
		add(out, s, CHANGE_MOVE, now);
		out->list[0].old_key = old->key;
		return 0;
	}
	if (is_moved && old->where != WHERE_FALSE)
		add(out, s, CHANGE_DELETE, old);
	add(out, s, now->is_whole ? CHANGE_PUT : CHANGE_PATCH, now);
	return 0;
}

static int update(const struct rows_source *s, const struct image *old,
		  const struct image *now, struct rows_out *out, struct err *e)
{
	if (now->where != WHERE_FALSE)
		return changed(s, old, now, out, e);
	/* It left `where`, or was never in it. */
	if (old->where == WHERE_FALSE || s->table->side->keeps_left)
		return 0;
	add(out, s, CHANGE_DELETE, old->is_there ? old : now);
	return 0;
}

int pg_rows_decode(const struct rows_source *s,
		   const struct pgoutput_message *m, struct rows_out *out,
		   struct err *e)
{
	struct image old = {.where = WHERE_UNKNOWN}, now = {0};
	int error = 0;

	*out = (struct rows_out){0};
	if (m->kind != PGOUTPUT_INSERT)
		error = old_image(s, m, &old, e);
	if (!error && m->kind != PGOUTPUT_DELETE)
		error = new_image(s, m, &old, &now, e);
	if (error)
		return error;
	if (old.where < 0 || now.where < 0)
		return err_set(e, ERR_INVALID, "table %s: its `where`",
			       s->path);
	out->old_key = old.is_there ? old.key : now.key;
	out->new_key = now.is_there ? now.key : old.key;
	if (m->kind == PGOUTPUT_UPDATE)
		return update(s, &old, &now, out, e);
	if (m->kind == PGOUTPUT_INSERT && now.where != WHERE_FALSE)
		add(out, s, CHANGE_PUT, &now);
	if (m->kind == PGOUTPUT_DELETE && old.where != WHERE_FALSE)
		add(out, s, CHANGE_DELETE, &old);
	return 0;
}
