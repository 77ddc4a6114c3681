/* Values: what a column of a row holds, in one form for every system. A value
 * has one encoding only (canonical): equal values are equal bytes, so that keys
 * can be compared, hashed and stored without knowing their types.
 *
 * Encoding: one tag byte, then the body.
 *   0 absent  1 unchanged  2 NULL          no body
 *   16 + type                              by type:
 *     BOOL                 u8 0 or 1
 *     INT64, DATE, TIME, DATETIME, TIMESTAMP   zigzag varint
 *     UINT64               varint
 *     F32, F64             4 or 8 bytes little-endian, the bits (NaN: one)
 *     INTERVAL             three zigzag varints: months, days, microseconds
 *     UUID                 16 bytes
 *     all others           varint length, then the bytes
 *
 * Pure; any thread; lends from the buffer that it reads. */
#ifndef PROTO_VALUE_H
#define PROTO_VALUE_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"

/* The logical types. They stand in the log: add at the end only. */
enum value_type {
	VALUE_BOOL = 1,
	VALUE_INT64,
	VALUE_UINT64,
	VALUE_DECIMAL, /* canonical text: -?digits(.digits)?, no leading zeros,
			  the scale is kept; or NaN, Infinity, -Infinity */
	VALUE_F32,
	VALUE_F64,
	VALUE_TEXT, /* UTF-8 */
	VALUE_BYTES,
	VALUE_DATE,     /* days since 1970-01-01; INT64_MIN/MAX: infinite */
	VALUE_TIME,     /* microseconds since midnight, may exceed a day */
	VALUE_DATETIME, /* microseconds since 1970-01-01 00:00, no zone; as DATE
			   infinite */
	VALUE_TIMESTAMP, /* microseconds since 1970, UTC; as DATE infinite */
	VALUE_INTERVAL,
	VALUE_UUID,
	VALUE_JSON,   /* the text as the source gave it */
	VALUE_ENUM,   /* the label */
	VALUE_BIT,    /* '0' and '1' */
	VALUE_NATIVE, /* text of a type that only one kind of system knows */
	VALUE__N
};

enum value_state {
	VALUE_ABSENT,    /* not told */
	VALUE_UNCHANGED, /* as it was, and what it was is not told */
	VALUE_NULL,
	VALUE_SET
};

struct value {
	enum value_state state;
	enum value_type type; /* VALUE_SET only */
	union {
		bool boolean;
		int64_t i64;
		uint64_t u64;
		float f32;
		double f64;
		struct {
			int32_t months, days;
			int64_t us;
		} interval;
		uint8_t uuid[16];
		struct bytes bytes; /* borrowed */
	};
};

/* "int64", "decimal", ...; NULL for no type. */
const char *value_type_name(enum value_type type);

/* -- writing --------------------------------------------------------------- */
/* A growing buffer. Zero it, write, free buf->data. */
struct value_buf {
	uint8_t *data;
	size_t len, cap;
};
void value_buf_put(struct value_buf *buf, const void *data, size_t len);
void value_buf_varint(struct value_buf *buf, uint64_t n);
void value_buf_zigzag(struct value_buf *buf, int64_t n);
/* A length and the bytes. */
void value_buf_bytes(struct value_buf *buf, struct bytes b);
void value_buf_free(struct value_buf *buf);
/* A DECIMAL or BIT must be canonical: what is not is a bug of the caller. */
void value_write(struct value_buf *buf, const struct value *v);

/* -- reading --------------------------------------------------------------- */
/* What is left of a buffer; a failed read sets is_bad and stays there. */
struct value_reader {
	const uint8_t *at, *end;
	bool is_bad;
};
struct value_reader value_reader(struct bytes b);
uint64_t value_read_varint(struct value_reader *r); /* 0 when bad */
int64_t value_read_zigzag(struct value_reader *r);
struct bytes value_read_bytes(struct value_reader *r);
/* Refuses what is not canonical (a NaN with other bits, a longer varint than
 * needed, a BOOL of 2). False: bad. */
bool value_read(struct value_reader *r, struct value *out);

bool value_equal(const struct value *a, const struct value *b);
/* Order within one type: numbers by size (DECIMAL too; NaN is the largest),
 * texts and bytes by memcmp. Both set and of one type. */
int value_compare(const struct value *a, const struct value *b);
/* For people: at most cap bytes with the NUL, cut with "..." beyond; texts in
 * double quotes. Returns buf. */
char *value_print(const struct value *v, char *buf, size_t cap);

#endif
