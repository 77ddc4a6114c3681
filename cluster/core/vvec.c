#include "cluster/core/vvec.h"

#include <string.h>

#include "base/check.h"

/* Where the connection is, or would be. */
static size_t place(const struct vvec *v, uint32_t connection_id)
{
	size_t i = 0;

	while (i < v->n && v->items[i].connection_id < connection_id)
		i++;
	return i;
}

uint64_t vvec_get(const struct vvec *v, uint32_t connection_id)
{
	size_t i = place(v, connection_id);

	if (i == v->n || v->items[i].connection_id != connection_id)
		return 0;
	return v->items[i].index;
}

void vvec_raise(struct vvec *v, uint32_t connection_id, uint64_t index)
{
	size_t i = place(v, connection_id);

	if (index == 0)
		return;
	if (i < v->n && v->items[i].connection_id == connection_id) {
		if (v->items[i].index < index)
			v->items[i].index = index;
		return;
	}
	CHECK(v->n < VVEC_MAX);
	memmove(v->items + i + 1, v->items + i,
		(v->n - i) * sizeof(v->items[0]));
	v->items[i] = (struct vvec_item){connection_id, index};
	v->n++;
}

void vvec_join(struct vvec *v, const struct vvec *other)
{
	for (size_t i = 0; i < other->n; i++)
		vvec_raise(v, other->items[i].connection_id,
			   other->items[i].index);
}

/* Has a something that b has not? */
static bool exceeds(const struct vvec *a, const struct vvec *b)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->items[i].index > vvec_get(b, a->items[i].connection_id))
			return true;
	return false;
}

enum vvec_order vvec_compare(const struct vvec *a, const struct vvec *b)
{
	bool is_more = exceeds(a, b), is_less = exceeds(b, a);

	if (is_more && is_less)
		return VVEC_CONCURRENT;
	if (is_more)
		return VVEC_AFTER;
	return is_less ? VVEC_BEFORE : VVEC_EQUAL;
}

void vvec_copy(struct vvec *out, const struct vvec *v)
{
	if (v->n)
		memcpy(out->items, v->items, v->n * sizeof(v->items[0]));
	out->n = v->n;
}

void vvec_write(struct value_buf *buf, const struct vvec *v)
{
	value_buf_varint(buf, v->n);
	for (size_t i = 0; i < v->n; i++) {
		value_buf_varint(buf, v->items[i].connection_id);
		value_buf_varint(buf, v->items[i].index);
	}
}

bool vvec_read(struct value_reader *r, struct vvec *out)
{
	uint64_t n = value_read_varint(r), before = 0;

	out->n = 0;
	if (r->is_bad || n > VVEC_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		uint64_t id = value_read_varint(r);
		uint64_t index = value_read_varint(r);
		if (r->is_bad || id > UINT32_MAX || index == 0 ||
		    (i > 0 && id <= before))
			return false;
		out->items[i] = (struct vvec_item){(uint32_t)id, index};
		before = id;
	}
	out->n = (size_t)n;
	return true;
}
