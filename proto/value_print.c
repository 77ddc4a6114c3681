#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "proto/calendar.h"
#include "proto/value.h"

/* What is written so far; once it is full, nothing more goes in. */
struct out {
	char *buf;
	size_t cap, len;
	bool is_cut;
};

__attribute__((format(printf, 2, 3))) static void put(struct out *o,
						      const char *fmt, ...)
{
	va_list args;

	if (o->is_cut)
		return;
	va_start(args, fmt);
	int n = vsnprintf(o->buf + o->len, o->cap - o->len, fmt, args);
	va_end(args);
	CHECK(n >= 0);
	if ((size_t)n >= o->cap - o->len) {
		o->buf[o->len] = '\0'; /* a piece goes in whole or not */
		o->is_cut = true;
		return;
	}
	o->len += (size_t)n;
}

/* Make room for the dots, and do not leave half a UTF-8 sequence before. */
static void cut(struct out *o)
{
	static const char dots[] = "...";

	if (o->cap < sizeof dots)
		return;
	size_t at = o->len;
	if (at > o->cap - sizeof dots)
		at = o->cap - sizeof dots;
	while (at > 0 && at < o->len && ((uint8_t)o->buf[at] & 0xc0) == 0x80)
		at--;
	memcpy(o->buf + at, dots, sizeof dots);
	o->len = at + sizeof dots - 1;
}

static void print_text(struct out *o, struct bytes b)
{
	put(o, "\"");
	for (size_t i = 0; i < b.len && !o->is_cut; i++) {
		uint8_t c = b.data[i];
		if (c == '"' || c == '\\')
			put(o, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			put(o, "\\x%02x", c);
		else
			put(o, "%c", c);
	}
	put(o, "\"");
}

static void print_bare(struct out *o, struct bytes b)
{
	for (size_t i = 0; i < b.len && !o->is_cut; i++)
		put(o, "%c", b.data[i]);
}

static void print_hex(struct out *o, struct bytes b)
{
	put(o, "\\x");
	for (size_t i = 0; i < b.len && !o->is_cut; i++)
		put(o, "%02x", b.data[i]);
}

static void print_uuid(struct out *o, const uint8_t *uuid)
{
	for (int i = 0; i < 16; i++) {
		bool has_dash = i == 4 || i == 6 || i == 8 || i == 10;
		put(o, "%s%02x", has_dash ? "-" : "", uuid[i]);
	}
}

/* The fewest digits that read back as the same number. */
static void print_float(struct out *o, double d, bool is_f32)
{
	char text[40];

	for (int digits = is_f32 ? 6 : 15; digits <= (is_f32 ? 9 : 17);
	     digits++) {
		snprintf(text, sizeof text, "%.*g", digits, d);
		if (is_f32 ? strtof(text, NULL) == (float)d
			   : strtod(text, NULL) == d)
			break;
	}
	put(o, "%s", d != d ? "NaN" : text);
}

static void print_date(struct out *o, int64_t days)
{
	struct calendar_date d = calendar_date_of(days);

	put(o, "%04" PRId64 "-%02d-%02d", d.year, d.month, d.day);
}

/* Of a day or more; the fraction only when there is one. */
static void print_clock(struct out *o, int64_t us)
{
	uint64_t n = us < 0 ? 0 - (uint64_t)us : (uint64_t)us;
	uint64_t s = n / (uint64_t)CALENDAR_SECOND_US;
	uint64_t rest = n % (uint64_t)CALENDAR_SECOND_US;

	put(o, "%s%02" PRIu64 ":%02" PRIu64 ":%02" PRIu64, us < 0 ? "-" : "",
	    s / 3600, s / 60 % 60, s % 60);
	if (rest)
		put(o, ".%06" PRIu64, rest);
}

static void print_moment(struct out *o, const struct value *v)
{
	if (v->i64 == INT64_MIN || v->i64 == INT64_MAX) {
		put(o, "%sinfinity", v->i64 < 0 ? "-" : "");
		return;
	}
	if (v->type == VALUE_DATE) {
		/* Beyond it is no date that any system knows. */
		if (v->i64 < -(INT64_C(1) << 40) || v->i64 > INT64_C(1) << 40)
			put(o, "day %" PRId64, v->i64);
		else
			print_date(o, v->i64);
		return;
	}
	int64_t days = v->i64 / CALENDAR_DAY_US;
	int64_t rest = v->i64 % CALENDAR_DAY_US;
	if (rest < 0) {
		rest += CALENDAR_DAY_US;
		days--;
	}
	print_date(o, days);
	put(o, " ");
	print_clock(o, rest);
	put(o, "%s", v->type == VALUE_TIMESTAMP ? "Z" : "");
}

static void print_interval(struct out *o, const struct value *v)
{
	if (v->interval.months)
		put(o, "%d months ", v->interval.months);
	if (v->interval.days)
		put(o, "%d days ", v->interval.days);
	print_clock(o, v->interval.us);
}

static void print_set(struct out *o, const struct value *v)
{
	switch (v->type) {
	case VALUE_BOOL:
		put(o, "%s", v->boolean ? "true" : "false");
		return;
	case VALUE_INT64:
		put(o, "%" PRId64, v->i64);
		return;
	case VALUE_UINT64:
		put(o, "%" PRIu64, v->u64);
		return;
	case VALUE_F32:
		print_float(o, (double)v->f32, true);
		return;
	case VALUE_F64:
		print_float(o, v->f64, false);
		return;
	case VALUE_DATE:
	case VALUE_DATETIME:
	case VALUE_TIMESTAMP:
		print_moment(o, v);
		return;
	case VALUE_TIME:
		print_clock(o, v->i64);
		return;
	case VALUE_INTERVAL:
		print_interval(o, v);
		return;
	case VALUE_UUID:
		print_uuid(o, v->uuid);
		return;
	case VALUE_DECIMAL:
	case VALUE_BIT:
		print_bare(o, v->bytes);
		return;
	case VALUE_BYTES:
		print_hex(o, v->bytes);
		return;
	default:
		print_text(o, v->bytes);
	}
}

char *value_print(const struct value *v, char *buf, size_t cap)
{
	static const char *const words[] = {[VALUE_ABSENT] = "(absent)",
					    [VALUE_UNCHANGED] = "(unchanged)",
					    [VALUE_NULL] = "NULL"};
	struct out o = {.buf = buf, .cap = cap};

	CHECK(cap > 0);
	buf[0] = '\0';
	if (v->state == VALUE_SET)
		print_set(&o, v);
	else
		put(&o, "%s", words[v->state]);
	if (o.is_cut)
		cut(&o);
	return buf;
}
