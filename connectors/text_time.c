#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "connectors/text.h"
#include "connectors/text_scan.h"
#include "proto/calendar.h"

/* A date as it stands, before BC is known. */
struct date_text {
	bool is_negative; /* -0043: astronomical, no BC then */
	struct calendar_date date;
};

static bool is_infinite(struct bytes text, int64_t *out)
{
	if (text_is_word(text, "infinity") || text_is_word(text, "+infinity"))
		*out = INT64_MAX;
	else if (text_is_word(text, "-infinity"))
		*out = INT64_MIN;
	else
		return false;
	return true;
}

/* -- reading --------------------------------------------------------------- */
/* Two digits; more may follow, as in +0530. */
static bool scan_two(struct text_scan *s, int *out)
{
	if (s->left < 2)
		return false;
	int tens = s->at[0] - '0', ones = s->at[1] - '0';
	if (tens < 0 || tens > 9 || ones < 0 || ones > 9)
		return false;
	s->at += 2;
	s->left -= 2;
	*out = tens * 10 + ones;
	return true;
}

static bool scan_date(struct text_scan *s, struct date_text *out)
{
	struct date_text d = {0};

	d.is_negative = text_scan_is(s, '-');
	if (!text_scan_number(s, 4, 7, &d.date.year) || !text_scan_is(s, '-') ||
	    !scan_two(s, &d.date.month) || !text_scan_is(s, '-') ||
	    !scan_two(s, &d.date.day))
		return false;
	if (d.is_negative)
		d.date.year = -d.date.year;
	*out = d;
	return true;
}

/* What may stand at the end; the year is astronomical afterwards. */
static bool scan_era(struct text_scan *s, struct date_text *d)
{
	if (text_scan_is_end(s))
		return true;
	if (!text_scan_is(s, ' ') || !text_scan_is(s, 'B') ||
	    !text_scan_is(s, 'C') || !text_scan_is_end(s))
		return false;
	if (d->is_negative || d->date.year == 0)
		return false;
	d->date.year = 1 - d->date.year;
	return true;
}

/* Six digits of a second; more only if they are zeros. */
static bool scan_fraction(struct text_scan *s, int64_t *us)
{
	struct bytes digits = text_scan_digits(s);
	int64_t n = 0;

	if (digits.len == 0)
		return false;
	for (size_t i = 0; i < digits.len || i < 6; i++) {
		int digit = i < digits.len ? digits.data[i] - '0' : 0;
		if (i < 6)
			n = n * 10 + digit;
		else if (digit)
			return false;
	}
	*us = n;
	return true;
}

/* Hours of at most max digits, minutes, perhaps seconds. */
static bool scan_clock(struct text_scan *s, size_t max, int64_t *us)
{
	int64_t hours, fraction = 0;
	int minutes, seconds = 0;

	if (!text_scan_number(s, 2, max, &hours) || !text_scan_is(s, ':') ||
	    !scan_two(s, &minutes))
		return false;
	if (text_scan_is(s, ':')) {
		if (!scan_two(s, &seconds))
			return false;
		if (text_scan_is(s, '.') && !scan_fraction(s, &fraction))
			return false;
	}
	if (minutes > 59 || seconds > 59)
		return false;
	*us = ((hours * 60 + minutes) * 60 + seconds) * CALENDAR_SECOND_US +
	      fraction;
	return true;
}

/* Z, +05, +0530, -05:30, +05:30:15: seconds to the east; 0 without one. */
static bool scan_offset(struct text_scan *s, int64_t *east_s)
{
	int hours, minutes = 0, seconds = 0;

	*east_s = 0;
	if (text_scan_is(s, 'Z'))
		return true;
	bool is_west = text_scan_is(s, '-');
	if (!is_west && !text_scan_is(s, '+'))
		return true;
	if (!scan_two(s, &hours))
		return false;
	bool has_colon = text_scan_is(s, ':');
	bool has_digit = s->left && *s->at >= '0' && *s->at <= '9';
	if ((has_colon || has_digit) && !scan_two(s, &minutes))
		return false;
	if (has_colon && text_scan_is(s, ':') && !scan_two(s, &seconds))
		return false;
	if (hours > 15 || minutes > 59 || seconds > 59)
		return false;
	*east_s = (hours * 60 + minutes) * 60 + seconds;
	if (is_west)
		*east_s = -*east_s;
	return true;
}

int text_read_date(struct bytes text, int64_t *days)
{
	struct text_scan s = text_scan(text);
	struct date_text d;

	if (is_infinite(text, days))
		return 0;
	if (!scan_date(&s, &d) || !scan_era(&s, &d) ||
	    !calendar_is_valid(&d.date))
		return ERR_DATA;
	*days = calendar_days(&d.date);
	return 0;
}

int text_read_time(struct bytes text, int64_t *us)
{
	/* A thousand million hours fit into 64 bits of microseconds. */
	enum { HOUR_DIGITS = 9 };
	struct text_scan s = text_scan(text);
	int64_t n;

	bool is_negative = text_scan_is(&s, '-');
	if (!scan_clock(&s, HOUR_DIGITS, &n) || !text_scan_is_end(&s))
		return ERR_DATA;
	*us = is_negative ? -n : n;
	return 0;
}

/* days and us of a day as one number; the two that mean infinite are taken. */
static int join_moment(int64_t days, int64_t us, int64_t *out)
{
	int64_t n;

	if (__builtin_mul_overflow(days, CALENDAR_DAY_US, &n) ||
	    __builtin_add_overflow(n, us, &n))
		return ERR_LIMIT;
	if (n == INT64_MIN || n == INT64_MAX)
		return ERR_LIMIT;
	*out = n;
	return 0;
}

static int read_moment(struct bytes text, bool has_zone, int64_t *out)
{
	struct text_scan s = text_scan(text);
	struct date_text d;
	int64_t us = 0, east_s = 0;

	if (is_infinite(text, out))
		return 0;
	if (!scan_date(&s, &d))
		return ERR_DATA;
	/* A blank and no digit is the era, without a time. */
	bool has_time = s.left > 1 && (*s.at == ' ' || *s.at == 'T') &&
			s.at[1] >= '0' && s.at[1] <= '9';
	if (has_time) {
		s.at++;
		s.left--;
		if (!scan_clock(&s, 2, &us) || us > CALENDAR_DAY_US)
			return ERR_DATA;
		if (has_zone && !scan_offset(&s, &east_s))
			return ERR_DATA;
	}
	if (!scan_era(&s, &d) || !calendar_is_valid(&d.date))
		return ERR_DATA;
	return join_moment(calendar_days(&d.date),
			   us - east_s * CALENDAR_SECOND_US, out);
}

int text_read_datetime(struct bytes text, int64_t *us)
{
	return read_moment(text, false, us);
}

int text_read_timestamp(struct bytes text, int64_t *us)
{
	return read_moment(text, true, us);
}

/* -- writing --------------------------------------------------------------- */
enum { LINE_MAX_BYTES = 64 };

static void put_line(struct value_buf *buf, const char *line, int len)
{
	CHECK(len > 0 && len < LINE_MAX_BYTES);
	value_buf_put(buf, line, (size_t)len);
}

static bool write_infinite(struct value_buf *buf, int64_t n)
{
	if (n != INT64_MIN && n != INT64_MAX)
		return false;
	if (n < 0)
		value_buf_put(buf, "-", 1);
	value_buf_put(buf, "infinity", 8);
	return true;
}

/* Year 0 is 1 BC: years before it are counted backwards from 1. */
static void write_day(struct value_buf *buf, const struct calendar_date *d)
{
	int64_t year = d->year > 0 ? d->year : 1 - d->year;
	char line[LINE_MAX_BYTES];

	put_line(buf, line,
		 snprintf(line, sizeof line, "%04" PRId64 "-%02d-%02d", year,
			  d->month, d->day));
}

static void write_era(struct value_buf *buf, const struct calendar_date *d)
{
	if (d->year <= 0)
		value_buf_put(buf, " BC", 3);
}

int text_write_date(struct value_buf *buf, int64_t days)
{
	/* A day of a year beyond the last is beyond this, too. */
	const int64_t days_max = (int64_t)CALENDAR_YEAR_MAX * 367;

	if (write_infinite(buf, days))
		return 0;
	if (days < -days_max || days > days_max)
		return ERR_LIMIT;
	struct calendar_date d = calendar_date_of(days);
	if (!calendar_is_valid(&d))
		return ERR_LIMIT;
	write_day(buf, &d);
	write_era(buf, &d);
	return 0;
}

void text_write_time(struct value_buf *buf, int64_t us)
{
	const uint64_t second = (uint64_t)CALENDAR_SECOND_US;
	uint64_t n = us < 0 ? 0 - (uint64_t)us : (uint64_t)us;
	uint64_t s = n / second, fraction = n % second;
	char line[LINE_MAX_BYTES];

	int len = snprintf(line, sizeof line,
			   "%s%02" PRIu64 ":%02" PRIu64 ":%02" PRIu64,
			   us < 0 ? "-" : "", s / 3600, s / 60 % 60, s % 60);
	put_line(buf, line, len);
	if (fraction == 0)
		return;
	len = snprintf(line, sizeof line, ".%06" PRIu64, fraction);
	while (line[len - 1] == '0')
		len--;
	put_line(buf, line, len);
}

static int write_moment(struct value_buf *buf, int64_t us, const char *zone,
			int zone_len)
{
	if (write_infinite(buf, us))
		return 0;
	int64_t days = us / CALENDAR_DAY_US, rest = us % CALENDAR_DAY_US;
	if (rest < 0) {
		rest += CALENDAR_DAY_US;
		days--;
	}
	struct calendar_date d = calendar_date_of(days);
	write_day(buf, &d);
	value_buf_put(buf, " ", 1);
	text_write_time(buf, rest);
	value_buf_put(buf, zone, (size_t)zone_len);
	write_era(buf, &d);
	return 0;
}

int text_write_datetime(struct value_buf *buf, int64_t us)
{
	return write_moment(buf, us, "", 0);
}

int text_write_timestamp(struct value_buf *buf, int64_t us)
{
	return write_moment(buf, us, "+00", 3);
}
