#include "draw_value.h"

#include <math.h>
#include <string.h>

static int64_t draw_i64(struct rng *r)
{
	static const int64_t odd[] = {0,         1,         -1,       63,
				      64,        -64,       -65,      INT32_MAX,
				      INT32_MIN, INT64_MAX, INT64_MIN};

	if (rng_chance(r, 0.4))
		return odd[rng_below(r, sizeof odd / sizeof odd[0])];
	return (int64_t)(rng_u64(r) >> rng_below(r, 64));
}

static double draw_f64(struct rng *r)
{
	static const double odd[] = {0.0, -0.0, 1.5, 5e-324, 1.7e308};
	double d;

	if (rng_chance(r, 0.2))
		return (double)NAN;
	if (rng_chance(r, 0.2))
		return rng_chance(r, 0.5) ? (double)INFINITY
					  : -(double)INFINITY;
	if (rng_chance(r, 0.4))
		return odd[rng_below(r, sizeof odd / sizeof odd[0])];
	uint64_t bits = rng_u64(r);
	memcpy(&d, &bits, sizeof d);
	return d;
}

static struct bytes draw_bytes(struct rng *r, struct arena *arena,
			       const char *alphabet)
{
	size_t n = rng_below(r, rng_chance(r, 0.1) ? 300 : 12);
	uint8_t *data = arena_alloc(arena, n + 1);

	for (size_t i = 0; i < n; i++)
		data[i] = alphabet ? (uint8_t)alphabet[rng_below(
					     r, strlen(alphabet))]
				   : (uint8_t)rng_u64(r);
	return (struct bytes){data, n};
}

static struct bytes draw_decimal(struct rng *r)
{
	static const char *const words[] = {
		"0",    "0.00", "-1",       "12345678901234567890.123",
		"10",   "NaN",  "Infinity", "-Infinity",
		"-0.01"};
	const char *word = words[rng_below(r, sizeof words / sizeof words[0])];

	return (struct bytes){(const uint8_t *)word, strlen(word)};
}

static void draw_fixed(struct rng *r, struct value *v)
{
	switch (v->type) {
	case VALUE_BOOL:
		v->boolean = rng_chance(r, 0.5);
		return;
	case VALUE_UINT64:
		v->u64 = (uint64_t)draw_i64(r);
		return;
	case VALUE_F32:
		v->f32 = (float)draw_f64(r);
		return;
	case VALUE_F64:
		v->f64 = draw_f64(r);
		return;
	case VALUE_INTERVAL:
		v->interval.months = (int32_t)draw_i64(r);
		v->interval.days = (int32_t)draw_i64(r);
		v->interval.us = draw_i64(r);
		return;
	case VALUE_UUID:
		for (int i = 0; i < 16; i++)
			v->uuid[i] = (uint8_t)rng_u64(r);
		return;
	default:
		v->i64 = draw_i64(r);
	}
}

struct value draw_set(struct rng *r, struct arena *arena, enum value_type type)
{
	struct value v = {.state = VALUE_SET, .type = type};

	switch (type) {
	case VALUE_DECIMAL:
		v.bytes = draw_decimal(r);
		break;
	case VALUE_BIT:
		v.bytes = draw_bytes(r, arena, "01");
		break;
	case VALUE_BYTES:
		v.bytes = draw_bytes(r, arena, NULL);
		break;
	case VALUE_TEXT:
	case VALUE_JSON:
	case VALUE_ENUM:
	case VALUE_NATIVE:
		v.bytes = draw_bytes(r, arena, "ab \"\\{}:1\n");
		break;
	default:
		draw_fixed(r, &v);
	}
	return v;
}

struct value draw_told(struct rng *r, struct arena *arena)
{
	if (rng_chance(r, 0.1))
		return (struct value){.state = VALUE_NULL};
	return draw_set(r, arena,
			(enum value_type)(1 + rng_below(r, VALUE__N - 1)));
}

struct value draw_any(struct rng *r, struct arena *arena)
{
	if (rng_chance(r, 0.3))
		return (struct value){
			.state = (enum value_state)rng_below(r, VALUE_SET)};
	return draw_told(r, arena);
}

static struct bytes draw_key(struct rng *r, struct arena *arena)
{
	struct value_buf buf = {0};
	uint32_t n = (uint32_t)(1 + rng_below(r, 3));

	for (uint32_t i = 0; i < n; i++) {
		struct value v = draw_told(r, arena);
		change_key(&buf, &v, 1);
	}
	struct bytes key = {arena_copy(arena, buf.data, buf.len), buf.len};
	value_buf_free(&buf);
	return key;
}

static void add_change(struct rng *r, struct arena *arena,
		       struct change_writer *w)
{
	enum { N_MAX = 6 };
	struct value values[N_MAX];
	struct change_row row = {
		.op = (enum change_op)(1 + rng_below(r, CHANGE__N - 1)),
		.table_id = (uint32_t)draw_i64(r),
		.values = values};

	if (row.op != CHANGE_TRUNCATE)
		row.key = draw_key(r, arena);
	if (row.op == CHANGE_MOVE)
		row.old_key = draw_key(r, arena);
	if (row.op != CHANGE_DELETE && row.op != CHANGE_TRUNCATE)
		row.n_values = (uint32_t)rng_below(r, N_MAX + 1);
	bool is_whole = row.op == CHANGE_PUT || row.op == CHANGE_READ;
	for (uint32_t i = 0; i < row.n_values; i++)
		values[i] = is_whole ? draw_told(r, arena) : draw_any(r, arena);
	change_add(w, &row);
}

void draw_changes(struct rng *r, struct arena *arena, struct change_writer *w)
{
	uint64_t n_txns = rng_below(r, 5);

	for (uint64_t i = 0; i < n_txns; i++) {
		if (rng_chance(r, 0.2)) {
			change_echo(w, (uint32_t)draw_i64(r), rng_u64(r));
			continue;
		}
		bool is_load = rng_chance(r, 0.3);
		change_begin(w, is_load ? TXN_LOAD : TXN_LOCAL, draw_i64(r));
		uint64_t n = rng_below(r, 4);
		for (uint64_t k = 0; k < n; k++)
			add_change(r, arena, w);
		if (n && !is_load && i + 1 == n_txns && rng_chance(r, 0.5))
			change_part(w);
		else if (rng_chance(r, 0.1))
			change_abort(w);
		else
			change_end(w);
	}
}
