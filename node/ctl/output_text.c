#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "node/ctl/output.h"

enum {
	US_PER_MS = 1000,
	US_PER_S = 1000 * 1000,
	S_PER_MINUTE = 60,
	S_PER_HOUR = 3600,
	S_PER_DAY = 86400,
};

void output_put_bytes(uint64_t bytes, char *buf)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
	if (bytes < 1024) {
		snprintf(buf, OUTPUT_TEXT_MAX, "%" PRIu64 " B", bytes);
		return;
	}
	double value = (double)bytes / 1024;
	size_t i = 0;
	while (value >= 1023.95 && i + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1024;
		i++;
	}
	snprintf(buf, OUTPUT_TEXT_MAX, "%.1f %s", value, units[i]);
}

void output_put_duration(uint64_t us, char *buf)
{
	uint64_t s = us / US_PER_S;
	if (us < US_PER_MS)
		snprintf(buf, OUTPUT_TEXT_MAX, "%" PRIu64 " us", us);
	else if (us < US_PER_S)
		snprintf(buf, OUTPUT_TEXT_MAX, "%.1f ms",
			 (double)us / US_PER_MS);
	else if (s < 10)
		snprintf(buf, OUTPUT_TEXT_MAX, "%.1f s", (double)us / US_PER_S);
	else if (s < S_PER_MINUTE)
		snprintf(buf, OUTPUT_TEXT_MAX, "%" PRIu64 " s", s);
	else if (s < S_PER_HOUR)
		snprintf(buf, OUTPUT_TEXT_MAX, "%" PRIu64 "m%" PRIu64 "s",
			 s / S_PER_MINUTE, s % S_PER_MINUTE);
	else if (s < S_PER_DAY)
		snprintf(buf, OUTPUT_TEXT_MAX, "%" PRIu64 "h%" PRIu64 "m",
			 s / S_PER_HOUR, s % S_PER_HOUR / S_PER_MINUTE);
	else
		snprintf(buf, OUTPUT_TEXT_MAX, "%" PRIu64 "d%" PRIu64 "h",
			 s / S_PER_DAY, s % S_PER_DAY / S_PER_HOUR);
}

void output_put_raw(enum column_kind kind, uint64_t number, char *buf)
{
	if (kind == COLUMN_SECONDS)
		snprintf(buf, OUTPUT_TEXT_MAX, "%" PRIu64 ".%06" PRIu64,
			 number / US_PER_S, number % US_PER_S);
	else if (kind == COLUMN_TIME)
		clock_format((int64_t)number, buf);
	else if (kind == COLUMN_RATE)
		snprintf(buf, OUTPUT_TEXT_MAX, "%" PRIu64 ".%03" PRIu64,
			 number / 1000, number % 1000);
	else if (kind == COLUMN_BOOL)
		snprintf(buf, OUTPUT_TEXT_MAX, "%s", number ? "yes" : "no");
	else
		snprintf(buf, OUTPUT_TEXT_MAX, "%" PRIu64, number);
}

/* 2026-11-20 08:19:02: to the second, or the millisecond, without T. */
static void put_time(uint64_t number, bool is_fine, char *buf)
{
	size_t len = is_fine ? 23 : 19;
	clock_format((int64_t)number, buf);
	if (strlen(buf) > len) {
		buf[10] = ' ';
		buf[len] = '\0';
	}
}

/* Below ten the tenths matter. */
static void put_rate(uint64_t number, char *buf)
{
	if (number == 0)
		snprintf(buf, OUTPUT_TEXT_MAX, "0");
	else if (number < 10000)
		snprintf(buf, OUTPUT_TEXT_MAX, "%.1f", (double)number / 1000);
	else
		snprintf(buf, OUTPUT_TEXT_MAX, "%" PRIu64,
			 (number + 500) / 1000);
}

void output_put_shown(const struct column *column, uint64_t number, char *buf)
{
	switch (column->kind) {
	case COLUMN_BYTES:
		output_put_bytes(number, buf);
		break;
	case COLUMN_SECONDS:
		output_put_duration(number, buf);
		break;
	case COLUMN_TIME:
		put_time(number, column->flags & COLUMN_IS_FINE, buf);
		break;
	case COLUMN_RATE:
		put_rate(number, buf);
		break;
	default:
		output_put_raw(column->kind, number, buf);
		break;
	}
}

void output_put_escaped(const char *text, FILE *file)
{
	for (const char *c = text; *c; c++) {
		if (*c == '\t')
			fputs("\\t", file);
		else if (*c == '\n')
			fputs("\\n", file);
		else if (*c == '\\')
			fputs("\\\\", file);
		else
			fputc(*c, file);
	}
}

/* Bytes of the UTF-8 character at data; 0: it is none. Refuses what is too
 * long, surrogates, and beyond U+10FFFF. */
static size_t utf8_bytes(const uint8_t *data, size_t len, uint32_t *code)
{
	uint8_t c = data[0];
	size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	if ((c >= 0x80 && c < 0xc2) || c > 0xf4 || n > len)
		return 0;
	uint32_t value = n == 1 ? c : c & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((data[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (data[i] & 0x3f);
	}
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	if (value < least[n] || value > 0x10ffff ||
	    (value >= 0xd800 && value < 0xe000))
		return 0;
	*code = value;
	return n;
}

bool output_is_plain(const uint8_t *data, size_t len)
{
	size_t at = 0;
	while (at < len) {
		uint32_t code = 0;
		size_t n = utf8_bytes(data + at, len - at, &code);
		if (n == 0)
			return false;
		bool is_space = code == '\t' || code == '\n' || code == '\r';
		if ((code < 0x20 && !is_space) || (code >= 0x7f && code < 0xa0))
			return false;
		at += n;
	}
	return true;
}
