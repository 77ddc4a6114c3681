#include "connectors/text.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "connectors/text_scan.h"

/* -- truth and whole numbers ------------------------------------------------
 */
int text_read_bool(struct bytes text, bool *out)
{
	static const char *const words[2][3] = {{"f", "false", "0"},
						{"t", "true", "1"}};

	for (int truth = 0; truth < 2; truth++)
		for (int i = 0; i < 3; i++)
			if (text_is_word(text, words[truth][i])) {
				*out = truth;
				return 0;
			}
	return ERR_DATA;
}

static int scan_u64(struct text_scan *s, uint64_t *out)
{
	struct bytes digits = text_scan_digits(s);
	uint64_t n = 0;

	if (digits.len == 0 || !text_scan_is_end(s))
		return ERR_DATA;
	for (size_t i = 0; i < digits.len; i++) {
		uint64_t digit = (uint64_t)(digits.data[i] - '0');
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, digit, &n))
			return ERR_LIMIT;
	}
	*out = n;
	return 0;
}

int text_read_i64(struct bytes text, int64_t *out)
{
	struct text_scan s = text_scan(text);
	uint64_t n;

	bool is_negative = text_scan_is(&s, '-');
	if (!is_negative)
		text_scan_is(&s, '+');
	int rc = scan_u64(&s, &n);
	if (rc)
		return rc;
	if (n > (uint64_t)INT64_MAX + is_negative)
		return ERR_LIMIT;
	*out = (int64_t)(is_negative ? 0 - n : n);
	return 0;
}

int text_read_u64(struct bytes text, uint64_t *out)
{
	struct text_scan s = text_scan(text);

	text_scan_is(&s, '+');
	return scan_u64(&s, out);
}

/* -- floating point ----------------------------------------------------------
 */
/* A double has at most 1075 digits that say something. */
enum { FLOAT_TEXT_MAX = 1200 };

static bool is_float_word(struct bytes text, double *out)
{
	bool is_negative = text.len && text.data[0] == '-';

	if (text.len && (is_negative || text.data[0] == '+')) {
		text.data++;
		text.len--;
	} else if (text_is_word(text, "nan")) {
		*out = (double)NAN;
		return true;
	}
	if (!text_is_word(text, "inf") && !text_is_word(text, "infinity"))
		return false;
	*out = is_negative ? -(double)INFINITY : (double)INFINITY;
	return true;
}

/* strtod takes more than we do: hexadecimal, blanks. */
static bool is_float(struct bytes text, bool *is_zero)
{
	struct text_scan s = text_scan(text);

	if (!text_scan_is(&s, '-'))
		text_scan_is(&s, '+');
	const uint8_t *from = s.at;
	size_t n = text_scan_digits(&s).len;
	if (text_scan_is(&s, '.'))
		n += text_scan_digits(&s).len;
	if (n == 0)
		return false;
	*is_zero = true;
	for (const uint8_t *p = from; p < s.at; p++)
		if (*p != '0' && *p != '.')
			*is_zero = false;
	if (text_scan_is(&s, 'e') || text_scan_is(&s, 'E')) {
		if (!text_scan_is(&s, '-'))
			text_scan_is(&s, '+');
		if (text_scan_digits(&s).len == 0)
			return false;
	}
	return text_scan_is_end(&s);
}

/* A number that is too large or too small for its type is not rounded away. */
static int read_float(struct bytes text, bool is_f32, double *out)
{
	char copy[FLOAT_TEXT_MAX + 1];
	bool is_zero;

	if (is_float_word(text, out))
		return 0;
	if (!is_float(text, &is_zero))
		return ERR_DATA;
	if (text.len > FLOAT_TEXT_MAX)
		return ERR_LIMIT;
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	double d = is_f32 ? (double)strtof(copy, NULL) : strtod(copy, NULL);
	if (isinf(d) || (d == 0 && !is_zero))
		return ERR_LIMIT;
	*out = d;
	return 0;
}

int text_read_f32(struct bytes text, float *out)
{
	double d;
	int rc = read_float(text, true, &d);

	if (rc == 0)
		*out = (float)d;
	return rc;
}

int text_read_f64(struct bytes text, double *out)
{
	return read_float(text, false, out);
}

static void write_float(struct value_buf *buf, double d, bool is_f32)
{
	char text[40];

	if (isnan(d) || isinf(d)) {
		const char *word = isnan(d) ? "NaN"
				   : d < 0  ? "-Infinity"
					    : "Infinity";
		value_buf_put(buf, word, strlen(word));
		return;
	}
	/* So many digits are always kept; a denormal number keeps fewer. */
	int digits = is_f32 ? FLT_DIG : DBL_DIG;
	if (fabs(d) < (is_f32 ? (double)FLT_MIN : DBL_MIN))
		digits = 1;
	for (; digits <= (is_f32 ? 9 : 17); digits++) {
		snprintf(text, sizeof text, "%.*g", digits, d);
		if (is_f32 ? (double)strtof(text, NULL) == d
			   : strtod(text, NULL) == d)
			break;
	}
	value_buf_put(buf, text, strlen(text));
}

void text_write_f32(struct value_buf *buf, float f)
{
	write_float(buf, (double)f, true);
}

void text_write_f64(struct value_buf *buf, double d)
{
	write_float(buf, d, false);
}

/* -- hexadecimal --------------------------------------------------------------
 */
static int nibble(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool read_hex(const uint8_t *text, size_t n, uint8_t *out)
{
	for (size_t i = 0; i < n; i++) {
		int high = nibble(text[2 * i]), low = nibble(text[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static void write_hex(struct value_buf *buf, const uint8_t *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	char line[64];

	while (len) {
		size_t n = len < sizeof line / 2 ? len : sizeof line / 2;
		for (size_t i = 0; i < n; i++) {
			line[2 * i] = digits[data[i] >> 4];
			line[2 * i + 1] = digits[data[i] & 15];
		}
		value_buf_put(buf, line, 2 * n);
		data += n;
		len -= n;
	}
}

int text_read_bytes(struct bytes text, struct arena *arena, struct bytes *out)
{
	if (text.len < 2 || text.len % 2 || text.data[0] != '\\' ||
	    text.data[1] != 'x')
		return ERR_DATA;
	size_t len = text.len / 2 - 1;
	uint8_t *data = arena_alloc(arena, len + 1);
	if (!read_hex(text.data + 2, len, data))
		return ERR_DATA;
	*out = (struct bytes){data, len};
	return 0;
}

void text_write_bytes(struct value_buf *buf, struct bytes b)
{
	value_buf_put(buf, "\\x", 2);
	write_hex(buf, b.data, b.len);
}

/* Bytes before each part of a UUID, and behind the last. */
static const uint8_t uuid_parts[] = {0, 4, 6, 8, 10, 16};
enum { UUID_PARTS = sizeof uuid_parts - 1 };

int text_read_uuid(struct bytes text, uint8_t out[16])
{
	uint8_t uuid[16];
	bool has_dashes = text.len == 36;
	const uint8_t *at = text.data;

	if (text.len != 32 && text.len != 36)
		return ERR_DATA;
	for (int i = 0; i < UUID_PARTS; i++) {
		uint8_t n = (uint8_t)(uuid_parts[i + 1] - uuid_parts[i]);
		if (has_dashes && i > 0 && *at++ != '-')
			return ERR_DATA;
		if (!read_hex(at, n, uuid + uuid_parts[i]))
			return ERR_DATA;
		at += 2 * n;
	}
	memcpy(out, uuid, sizeof uuid);
	return 0;
}

void text_write_uuid(struct value_buf *buf, const uint8_t uuid[16])
{
	for (int i = 0; i < UUID_PARTS; i++) {
		if (i > 0)
			value_buf_put(buf, "-", 1);
		write_hex(buf, uuid + uuid_parts[i],
			  (size_t)(uuid_parts[i + 1] - uuid_parts[i]));
	}
}

/* -- any type -----------------------------------------------------------------
 */
static int read_bit(struct bytes text, struct bytes *out)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] != '0' && text.data[i] != '1')
			return ERR_DATA;
	*out = text;
	return 0;
}

static int read_any(struct bytes text, struct arena *arena, struct value *v)
{
	switch (v->type) {
	case VALUE_BOOL:
		return text_read_bool(text, &v->boolean);
	case VALUE_INT64:
		return text_read_i64(text, &v->i64);
	case VALUE_UINT64:
		return text_read_u64(text, &v->u64);
	case VALUE_DECIMAL:
		return text_read_decimal(text, arena, &v->bytes);
	case VALUE_F32:
		return text_read_f32(text, &v->f32);
	case VALUE_F64:
		return text_read_f64(text, &v->f64);
	case VALUE_BYTES:
		return text_read_bytes(text, arena, &v->bytes);
	case VALUE_DATE:
		return text_read_date(text, &v->i64);
	case VALUE_TIME:
		return text_read_time(text, &v->i64);
	case VALUE_DATETIME:
		return text_read_datetime(text, &v->i64);
	case VALUE_TIMESTAMP:
		return text_read_timestamp(text, &v->i64);
	case VALUE_INTERVAL:
		return text_read_interval(text, v);
	case VALUE_UUID:
		return text_read_uuid(text, v->uuid);
	case VALUE_BIT:
		return read_bit(text, &v->bytes);
	default:
		v->bytes = text;
		return 0;
	}
}

int text_to_value(enum value_type type, struct bytes text, struct arena *arena,
		  struct value *out, struct err *e)
{
	enum { SHOWN_MAX = 40 };
	struct value v = {.state = VALUE_SET, .type = type};

	CHECK(value_type_name(type) != NULL);
	int rc = read_any(text, arena, &v);
	if (rc == 0) {
		*out = v;
		return 0;
	}
	int shown = text.len < SHOWN_MAX ? (int)text.len : SHOWN_MAX;
	return err_set(e, rc, "\"%.*s%s\" is %s %s", shown,
		       text.len ? (const char *)text.data : "",
		       text.len > SHOWN_MAX ? "..." : "",
		       rc == ERR_LIMIT ? "beyond the limits of" : "no",
		       value_type_name(type));
}

static int write_any(const struct value *v, struct value_buf *buf)
{
	char line[24];

	switch (v->type) {
	case VALUE_BOOL:
		value_buf_put(buf, v->boolean ? "t" : "f", 1);
		return 0;
	case VALUE_INT64:
		value_buf_put(buf, line,
			      (size_t)snprintf(line, sizeof line, "%" PRId64,
					       v->i64));
		return 0;
	case VALUE_UINT64:
		value_buf_put(buf, line,
			      (size_t)snprintf(line, sizeof line, "%" PRIu64,
					       v->u64));
		return 0;
	case VALUE_F32:
		text_write_f32(buf, v->f32);
		return 0;
	case VALUE_F64:
		text_write_f64(buf, v->f64);
		return 0;
	case VALUE_BYTES:
		text_write_bytes(buf, v->bytes);
		return 0;
	case VALUE_DATE:
		return text_write_date(buf, v->i64);
	case VALUE_TIME:
		text_write_time(buf, v->i64);
		return 0;
	case VALUE_DATETIME:
		return text_write_datetime(buf, v->i64);
	case VALUE_TIMESTAMP:
		return text_write_timestamp(buf, v->i64);
	case VALUE_INTERVAL:
		text_write_interval(buf, v);
		return 0;
	case VALUE_UUID:
		text_write_uuid(buf, v->uuid);
		return 0;
	default:
		value_buf_put(buf, v->bytes.data, v->bytes.len);
		return 0;
	}
}

int value_to_text(const struct value *v, struct value_buf *buf, struct err *e)
{
	CHECK(v->state == VALUE_SET && value_type_name(v->type) != NULL);
	int rc = write_any(v, buf);
	if (rc)
		return err_set(e, rc, "the %s %" PRId64 " has no text",
			       value_type_name(v->type), v->i64);
	return 0;
}
