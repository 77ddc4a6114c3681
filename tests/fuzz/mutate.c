#include "mutate.h"

#include <string.h>

#include "base/endian.h"

enum { CHANGES_MAX = 8, CHUNK_MAX = 64 };

struct work {
	uint8_t *data;
	size_t len;
};

static size_t position(struct rng *r, const struct work *w)
{
	return (size_t)rng_below(r, w->len);
}

static size_t chunk(struct rng *r, size_t len_max)
{
	uint64_t len = rng_below(r, CHUNK_MAX) + 1;

	return len < len_max ? (size_t)len : len_max;
}

static void flip_bit(struct rng *r, struct work *w)
{
	w->data[position(r, w)] ^= (uint8_t)(1 << rng_below(r, 8));
}

/* The values at which lengths and counts go wrong. */
static void set_number(struct rng *r, struct work *w)
{
	static const uint64_t edges[] = {
		0,          1,         0x7f,       0x80,       0xff,
		0x7fff,     0x8000,    0xffff,     0x7fffffff, 0x80000000,
		0xffffffff, INT64_MAX, UINT64_MAX,
	};
	uint64_t edge = edges[rng_below(r, sizeof edges / sizeof edges[0])];
	size_t size = (size_t)1 << rng_below(r, 4);
	size_t at = position(r, w);
	uint8_t bytes[8];

	if (rng_chance(r, 0.5))
		put_u64(bytes, edge);
	else
		put_u64_be(bytes, edge);
	if (size > w->len - at)
		size = w->len - at;
	memcpy(w->data + at, bytes, size);
}

static void cut_out(struct rng *r, struct work *w)
{
	size_t at = position(r, w), len = chunk(r, w->len - at);

	memmove(w->data + at, w->data + at + len, w->len - at - len);
	w->len -= len;
}

static void cut_end(struct rng *r, struct work *w)
{
	w->len = position(r, w);
}

/* Put len bytes of from into the work, between two bytes. */
static void insert(struct rng *r, struct work *w, struct bytes from)
{
	size_t at = (size_t)rng_below(r, w->len + 1);
	uint8_t part[CHUNK_MAX];

	if (from.len == 0 || w->len + CHUNK_MAX > MUTATE_LEN_MAX)
		return;
	size_t start = (size_t)rng_below(r, from.len);
	size_t len = chunk(r, from.len - start);
	memcpy(part, from.data + start, len);
	memmove(w->data + at + len, w->data + at, w->len - at);
	memcpy(w->data + at, part, len);
	w->len += len;
}

static void insert_noise(struct rng *r, struct work *w)
{
	uint8_t noise[8];

	put_u64(noise, rng_u64(r));
	insert(r, w, (struct bytes){noise, sizeof noise});
}

static void overwrite(struct rng *r, struct work *w)
{
	w->data[position(r, w)] = (uint8_t)rng_u64(r);
}

static void change(struct rng *r, struct work *w, struct bytes other)
{
	if (w->len == 0) {
		insert_noise(r, w);
		return;
	}
	switch (rng_below(r, 8)) {
	case 0:
	case 1:
		flip_bit(r, w);
		break;
	case 2:
		set_number(r, w);
		break;
	case 3:
		cut_out(r, w);
		break;
	case 4:
		if (rng_chance(r, 0.3))
			cut_end(r, w);
		else
			insert(r, w, (struct bytes){w->data, w->len});
		break;
	case 5:
		insert_noise(r, w);
		break;
	case 6:
		insert(r, w, other);
		break;
	default:
		overwrite(r, w);
	}
}

size_t mutate(struct rng *r, struct bytes one, struct bytes other, uint8_t *out)
{
	struct work w = {out, one.len};
	uint64_t n_changes = rng_below(r, CHANGES_MAX) + 1;

	if (w.len > MUTATE_LEN_MAX)
		w.len = MUTATE_LEN_MAX;
	if (w.len)
		memcpy(out, one.data, w.len);
	for (uint64_t i = 0; i < n_changes; i++)
		change(r, &w, other);
	return w.len;
}
