#include "proto/value.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/endian.h"
#include "proto/decimal.h"

/* The tag byte of a set value is this and its type. */
enum { TAG_SET = 16 };

/* The one NaN of each size that is written: the quiet one of IEEE 754. */
#define NAN_F32 UINT32_C(0x7fc00000)
#define NAN_F64 UINT64_C(0x7ff8000000000000)

const char *value_type_name(enum value_type type)
{
	static const char *const names[VALUE__N] = {
		[VALUE_BOOL] = "bool",         [VALUE_INT64] = "int64",
		[VALUE_UINT64] = "uint64",     [VALUE_DECIMAL] = "decimal",
		[VALUE_F32] = "f32",           [VALUE_F64] = "f64",
		[VALUE_TEXT] = "text",         [VALUE_BYTES] = "bytes",
		[VALUE_DATE] = "date",         [VALUE_TIME] = "time",
		[VALUE_DATETIME] = "datetime", [VALUE_TIMESTAMP] = "timestamp",
		[VALUE_INTERVAL] = "interval", [VALUE_UUID] = "uuid",
		[VALUE_JSON] = "json",         [VALUE_ENUM] = "enum",
		[VALUE_BIT] = "bit",           [VALUE_NATIVE] = "native",
	};

	return (int)type > 0 && type < VALUE__N ? names[type] : NULL;
}

/* -- writing --------------------------------------------------------------- */
void value_buf_put(struct value_buf *buf, const void *data, size_t len)
{
	if (len == 0)
		return;
	CHECK(len <= SIZE_MAX / 4 && buf->len <= SIZE_MAX / 4);
	if (buf->cap - buf->len < len) {
		size_t cap = buf->cap ? buf->cap : 64;
		while (cap - buf->len < len)
			cap *= 2;
		buf->data = mem_grow(buf->data, cap);
		buf->cap = cap;
	}
	memcpy(buf->data + buf->len, data, len);
	buf->len += len;
}

void value_buf_varint(struct value_buf *buf, uint64_t n)
{
	uint8_t out[10];
	size_t len = 0;

	while (n >= 0x80) {
		out[len++] = (uint8_t)(n | 0x80);
		n >>= 7;
	}
	out[len++] = (uint8_t)n;
	value_buf_put(buf, out, len);
}

void value_buf_zigzag(struct value_buf *buf, int64_t n)
{
	uint64_t sign = n < 0 ? UINT64_MAX : 0;

	value_buf_varint(buf, ((uint64_t)n << 1) ^ sign);
}

void value_buf_bytes(struct value_buf *buf, struct bytes b)
{
	value_buf_varint(buf, b.len);
	value_buf_put(buf, b.data, b.len);
}

void value_buf_free(struct value_buf *buf)
{
	free(buf->data);
	*buf = (struct value_buf){0};
}

static uint32_t f32_bits(float f)
{
	uint32_t bits;

	memcpy(&bits, &f, sizeof bits);
	return f == f ? bits : NAN_F32;
}

static uint64_t f64_bits(double f)
{
	uint64_t bits;

	memcpy(&bits, &f, sizeof bits);
	return f == f ? bits : NAN_F64;
}

static bool bit_is_canonical(struct bytes b)
{
	for (size_t i = 0; i < b.len; i++)
		if (b.data[i] != '0' && b.data[i] != '1')
			return false;
	return true;
}

/* Only what can be told without knowing the column. */
static bool body_is_canonical(enum value_type type, struct bytes b)
{
	if (type == VALUE_DECIMAL)
		return decimal_is_canonical(b);
	if (type == VALUE_BIT)
		return bit_is_canonical(b);
	return true;
}

static void write_interval(struct value_buf *buf, const struct value *v)
{
	value_buf_zigzag(buf, v->interval.months);
	value_buf_zigzag(buf, v->interval.days);
	value_buf_zigzag(buf, v->interval.us);
}

static void write_body(struct value_buf *buf, const struct value *v)
{
	uint8_t fixed[8];

	switch (v->type) {
	case VALUE_BOOL:
		fixed[0] = v->boolean;
		value_buf_put(buf, fixed, 1);
		return;
	case VALUE_INT64:
	case VALUE_DATE:
	case VALUE_TIME:
	case VALUE_DATETIME:
	case VALUE_TIMESTAMP:
		value_buf_zigzag(buf, v->i64);
		return;
	case VALUE_UINT64:
		value_buf_varint(buf, v->u64);
		return;
	case VALUE_F32:
		put_u32(fixed, f32_bits(v->f32));
		value_buf_put(buf, fixed, 4);
		return;
	case VALUE_F64:
		put_u64(fixed, f64_bits(v->f64));
		value_buf_put(buf, fixed, 8);
		return;
	case VALUE_INTERVAL:
		write_interval(buf, v);
		return;
	case VALUE_UUID:
		value_buf_put(buf, v->uuid, sizeof v->uuid);
		return;
	default:
		CHECK(body_is_canonical(v->type, v->bytes));
		value_buf_bytes(buf, v->bytes);
	}
}

void value_write(struct value_buf *buf, const struct value *v)
{
	if (v->state != VALUE_SET) {
		uint8_t tag = (uint8_t)v->state;
		CHECK(v->state >= VALUE_ABSENT && v->state <= VALUE_NULL);
		value_buf_put(buf, &tag, 1);
		return;
	}
	CHECK((int)v->type > 0 && v->type < VALUE__N);
	uint8_t tag = (uint8_t)(TAG_SET + v->type);
	value_buf_put(buf, &tag, 1);
	write_body(buf, v);
}

/* -- reading --------------------------------------------------------------- */
struct value_reader value_reader(struct bytes b)
{
	struct value_reader r = {.at = b.data, .end = b.data};

	if (b.len)
		r.end = b.data + b.len;
	return r;
}

static size_t left(const struct value_reader *r)
{
	return r->is_bad ? 0 : (size_t)(r->end - r->at);
}

/* The next len bytes, or NULL and bad. */
static const uint8_t *take(struct value_reader *r, size_t len)
{
	if (left(r) < len || len == 0) {
		r->is_bad = true;
		return NULL;
	}
	const uint8_t *at = r->at;
	r->at += len;
	return at;
}

uint64_t value_read_varint(struct value_reader *r)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < 10; i++) {
		const uint8_t *p = take(r, 1);
		if (!p)
			return 0;
		n |= (uint64_t)(*p & 0x7f) << (7 * i);
		if (*p & 0x80)
			continue;
		/* A last byte of 0 says nothing; the tenth holds one bit. */
		if ((i > 0 && *p == 0) || (i == 9 && *p > 1))
			break;
		return n;
	}
	r->is_bad = true;
	return 0;
}

int64_t value_read_zigzag(struct value_reader *r)
{
	uint64_t n = value_read_varint(r);
	uint64_t sign = n & 1 ? UINT64_MAX : 0;

	return (int64_t)((n >> 1) ^ sign);
}

struct bytes value_read_bytes(struct value_reader *r)
{
	uint64_t len = value_read_varint(r);

	if (r->is_bad || len == 0)
		return (struct bytes){0};
	if (len > left(r)) {
		r->is_bad = true;
		return (struct bytes){0};
	}
	return (struct bytes){take(r, (size_t)len), (size_t)len};
}

static bool read_i32(struct value_reader *r, int32_t *out)
{
	int64_t n = value_read_zigzag(r);

	if (n < INT32_MIN || n > INT32_MAX)
		r->is_bad = true;
	else
		*out = (int32_t)n;
	return !r->is_bad;
}

static bool read_f32(struct value_reader *r, struct value *v)
{
	const uint8_t *p = take(r, 4);

	if (!p)
		return false;
	uint32_t bits = get_u32(p);
	memcpy(&v->f32, &bits, sizeof bits);
	return bits == f32_bits(v->f32);
}

static bool read_f64(struct value_reader *r, struct value *v)
{
	const uint8_t *p = take(r, 8);

	if (!p)
		return false;
	uint64_t bits = get_u64(p);
	memcpy(&v->f64, &bits, sizeof bits);
	return bits == f64_bits(v->f64);
}

static bool read_bool(struct value_reader *r, struct value *v)
{
	const uint8_t *p = take(r, 1);

	if (!p || *p > 1)
		return false;
	v->boolean = *p == 1;
	return true;
}

static bool read_interval(struct value_reader *r, struct value *v)
{
	if (!read_i32(r, &v->interval.months) ||
	    !read_i32(r, &v->interval.days))
		return false;
	v->interval.us = value_read_zigzag(r);
	return true;
}

static bool read_body(struct value_reader *r, struct value *v)
{
	const uint8_t *p;

	switch (v->type) {
	case VALUE_BOOL:
		return read_bool(r, v);
	case VALUE_INT64:
	case VALUE_DATE:
	case VALUE_TIME:
	case VALUE_DATETIME:
	case VALUE_TIMESTAMP:
		v->i64 = value_read_zigzag(r);
		return true;
	case VALUE_UINT64:
		v->u64 = value_read_varint(r);
		return true;
	case VALUE_F32:
		return read_f32(r, v);
	case VALUE_F64:
		return read_f64(r, v);
	case VALUE_INTERVAL:
		return read_interval(r, v);
	case VALUE_UUID:
		p = take(r, sizeof v->uuid);
		if (p)
			memcpy(v->uuid, p, sizeof v->uuid);
		return p != NULL;
	default:
		v->bytes = value_read_bytes(r);
		return body_is_canonical(v->type, v->bytes);
	}
}

bool value_read(struct value_reader *r, struct value *out)
{
	struct value v = {0};
	const uint8_t *tag = take(r, 1);

	if (!tag)
		return false;
	if (*tag <= VALUE_NULL) {
		v.state = (enum value_state) * tag;
	} else if (*tag > TAG_SET && *tag < TAG_SET + VALUE__N) {
		v.state = VALUE_SET;
		v.type = (enum value_type)(*tag - TAG_SET);
		if (!read_body(r, &v))
			r->is_bad = true;
	} else {
		r->is_bad = true;
	}
	if (r->is_bad)
		return false;
	*out = v;
	return true;
}
