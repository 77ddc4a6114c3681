#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "connectors/text.h"
#include "connectors/text_scan.h"
#include "proto/calendar.h"

/* -- reading --------------------------------------------------------------- */
/* What one unit adds; singular and plural are the same. */
static const struct unit {
	const char *name;
	int32_t months, days;
} units[] = {
	{"year", 12, 0}, {"mon", 1, 0}, {"month", 1, 0},
	{"week", 0, 7},  {"day", 0, 1},
};

static const struct unit *scan_unit(struct text_scan *s)
{
	struct bytes word = {s->at, 0};

	while (s->left && *s->at >= 'a' && *s->at <= 'z') {
		s->at++;
		s->left--;
		word.len++;
	}
	if (word.len > 1 && word.data[word.len - 1] == 's')
		word.len--;
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
		if (text_is_word(word, units[i].name))
			return &units[i];
	return NULL;
}

static int add_i32(int32_t *sum, int64_t n, int32_t factor)
{
	int64_t product = n * factor;

	return __builtin_add_overflow(*sum, product, sum) ? ERR_LIMIT : 0;
}

/* " 3 days", the number without its sign. */
static int scan_part(struct text_scan *s, bool is_negative, struct value *v)
{
	int64_t n;

	if (!text_scan_number(s, 1, 10, &n) || !text_scan_is(s, ' '))
		return ERR_DATA;
	const struct unit *unit = scan_unit(s);
	if (!unit)
		return ERR_DATA;
	if (is_negative)
		n = -n;
	int rc = add_i32(&v->interval.months, n, unit->months);
	return rc ? rc : add_i32(&v->interval.days, n, unit->days);
}

/* Is it a time that stands there (digits and a colon), not a number? */
static bool is_clock(const struct text_scan *s)
{
	struct text_scan look = *s;

	text_scan_digits(&look);
	return text_scan_is(&look, ':');
}

/* The whole hours of a time may be more than those of text_read_time. */
static int scan_clock(struct text_scan *s, bool is_negative, int64_t *out)
{
	struct text_scan rest = *s;
	int64_t hours, us;

	if (!text_scan_number(&rest, 1, 10, &hours))
		return ERR_DATA;
	/* Minutes and seconds, as the time of hour 0. */
	char line[32] = "00";
	if (rest.left > sizeof line - 3)
		return ERR_DATA;
	memcpy(line + 2, rest.at, rest.left);
	struct bytes clock = {(const uint8_t *)line, 2 + rest.left};
	if (text_read_time(clock, &us))
		return ERR_DATA;
	/* Negative all the way: the smallest number has no positive twin. */
	const int64_t hour_us = 3600 * CALENDAR_SECOND_US;
	if (__builtin_mul_overflow(-hours, hour_us, &hours) ||
	    __builtin_sub_overflow(hours, us, &us))
		return ERR_LIMIT;
	if (!is_negative && us == INT64_MIN)
		return ERR_LIMIT;
	*out = is_negative ? us : -us;
	s->at += s->left;
	s->left = 0;
	return 0;
}

static int scan_interval(struct text_scan *s, struct value *v)
{
	do {
		bool is_negative = text_scan_is(s, '-');
		if (!is_negative)
			text_scan_is(s, '+');
		int rc = is_clock(s)
				 ? scan_clock(s, is_negative, &v->interval.us)
				 : scan_part(s, is_negative, v);
		if (rc)
			return rc;
	} while (text_scan_is(s, ' '));
	return text_scan_is_end(s) ? 0 : ERR_DATA;
}

int text_read_interval(struct bytes text, struct value *out)
{
	struct text_scan s = text_scan(text);
	struct value v = {.state = VALUE_SET, .type = VALUE_INTERVAL};

	int rc = scan_interval(&s, &v);
	if (rc == 0)
		*out = v;
	return rc;
}

/* -- writing: as PostgreSQL's EncodeInterval --------------------------------
 */
struct out {
	struct value_buf *buf;
	bool is_empty;
	bool is_behind_negative; /* a positive number shows its sign then */
};

static void write_part(struct out *o, int32_t n, const char *unit)
{
	char line[48];

	if (n == 0)
		return;
	int len = snprintf(line, sizeof line, "%s%s%" PRId32 " %s%s",
			   o->is_empty ? "" : " ",
			   o->is_behind_negative && n > 0 ? "+" : "", n, unit,
			   n == 1 ? "" : "s");
	CHECK(len > 0 && len < (int)sizeof line);
	value_buf_put(o->buf, line, (size_t)len);
	o->is_empty = false;
	o->is_behind_negative = n < 0;
}

void text_write_interval(struct value_buf *buf, const struct value *v)
{
	struct out o = {.buf = buf, .is_empty = true};

	write_part(&o, v->interval.months / 12, "year");
	write_part(&o, v->interval.months % 12, "mon");
	write_part(&o, v->interval.days, "day");
	if (v->interval.us == 0 && !o.is_empty)
		return;
	if (!o.is_empty)
		value_buf_put(buf, " ", 1);
	if (v->interval.us >= 0 && o.is_behind_negative)
		value_buf_put(buf, "+", 1);
	text_write_time(buf, v->interval.us);
}
