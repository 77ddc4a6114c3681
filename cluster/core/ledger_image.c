#include "cluster/core/ledger_image.h"

#include <string.h>

#include "base/check.h"

enum change_op image_op(struct bytes image)
{
	CHECK(image.len > 0);
	return (enum change_op)image.data[0];
}

bool image_is_delete(struct bytes image)
{
	enum change_op op = image_op(image);

	return op == CHANGE_DELETE || op == CHANGE_TRUNCATE;
}

bool image_is_whole(struct bytes image)
{
	enum change_op op = image_op(image);

	return op != CHANGE_PATCH && op != CHANGE_MOVE;
}

static bool is_put(enum change_op op)
{
	return op == CHANGE_PUT || op == CHANGE_READ;
}

/* Values have one encoding: equal rows are equal bytes behind the op. */
bool image_is_same(struct bytes a, struct bytes b)
{
	enum change_op a_op = image_op(a), b_op = image_op(b);

	if (image_is_delete(a) || image_is_delete(b))
		return image_is_delete(a) == image_is_delete(b);
	if (!is_put(a_op) || !is_put(b_op))
		return false;
	return a.len == b.len && memcmp(a.data + 1, b.data + 1, a.len - 1) == 0;
}

struct bytes image_of(struct value_buf *buf, const struct change *c)
{
	size_t at = buf->len;

	value_buf_put(buf, c->whole.data, c->whole.len);
	if (c->op == CHANGE_READ)
		buf->data[at] = CHANGE_PUT;
	return (struct bytes){buf->data + at, buf->len - at};
}

static bool is_told(const struct value *v)
{
	return v->state == VALUE_SET || v->state == VALUE_NULL;
}

/* Untold values of `over` become those of `under`. */
static void write_values(struct value_buf *buf, const struct change *under,
			 const struct change *over)
{
	struct value_reader lower = value_reader(under->values);
	struct value_reader upper = value_reader(over->values);

	for (uint32_t i = 0; i < over->n_values; i++) {
		struct value a = {0}, b = {0};
		if (i < under->n_values)
			CHECK(value_read(&lower, &a));
		CHECK(value_read(&upper, &b));
		value_write(buf, !is_told(&b) && is_told(&a) ? &a : &b);
	}
}

struct bytes image_overlay(struct value_buf *buf, struct bytes under,
			   struct bytes over)
{
	struct change a, b;
	uint8_t op;

	if (image_op(over) != CHANGE_PATCH || image_is_delete(under))
		return over;
	if (change_decode(under, &a) || change_decode(over, &b))
		return over;
	bool is_full = is_put(a.op) && a.n_values == b.n_values;
	op = is_full ? CHANGE_PUT : CHANGE_PATCH;
	buf->len = 0;
	value_buf_put(buf, &op, 1);
	value_buf_varint(buf, b.table_id);
	value_buf_bytes(buf, b.key);
	value_buf_varint(buf, b.n_values);
	write_values(buf, &a, &b);
	return (struct bytes){buf->data, buf->len};
}
