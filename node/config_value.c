#include "node/config_value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/limits.h"

struct unit {
	const char *name;
	int64_t factor;
};

/* Ascending: the printer takes the largest that divides. */
static const struct unit sizes[] = {
	{"B", 1},
	{"KiB", (int64_t)1 << 10},
	{"MiB", (int64_t)1 << 20},
	{"GiB", (int64_t)1 << 30},
	{"TiB", (int64_t)1 << 40},
};

static const struct unit durations[] = {
	{"ms", 1},
	{"s", 1000},
	{"m", 60 * 1000},
	{"h", 60 * 60 * 1000},
};

enum {
	N_SIZES = sizeof(sizes) / sizeof(sizes[0]),
	N_DURATIONS = sizeof(durations) / sizeof(durations[0])
};

bool config_value_bool(const char *text, bool *value)
{
	if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
		return false;
	*value = text[0] == 't';
	return true;
}

/* Digits up to the first other character. NULL: none, or too many. */
static const char *digits(const char *text, int64_t *value)
{
	int64_t sum = 0;
	const char *at = text;
	for (; *at >= '0' && *at <= '9'; at++)
		if (__builtin_mul_overflow(sum, 10, &sum) ||
		    __builtin_add_overflow(sum, *at - '0', &sum))
			return NULL;
	if (at == text || (text[0] == '0' && at - text > 1))
		return NULL;
	*value = sum;
	return at;
}

bool config_value_integer(const char *text, int64_t *value)
{
	int64_t number = 0;
	bool is_negative = text[0] == '-';
	const char *end = digits(text + (is_negative ? 1 : 0), &number);
	if (!end || *end)
		return false;
	*value = is_negative ? -number : number;
	return true;
}

static bool with_unit(const char *text, const struct unit *units, size_t n,
		      int64_t *value)
{
	int64_t number = 0;
	const char *unit = digits(text, &number);
	if (!unit)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(unit, units[i].name) != 0)
			continue;
		return !__builtin_mul_overflow(number, units[i].factor, value);
	}
	return false;
}

bool config_value_size(const char *text, int64_t *bytes)
{
	int64_t value = 0;
	if (!with_unit(text, sizes, N_SIZES, &value))
		return false;
	*bytes = value;
	return true;
}

bool config_value_duration(const char *text, int64_t *ms)
{
	int64_t value = 0;
	if (!with_unit(text, durations, N_DURATIONS, &value))
		return false;
	*ms = value;
	return true;
}

static bool is_host_character(char c, bool is_bracketed)
{
	if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	    (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '_')
		return true;
	/* fe80::1%eth0 */
	return is_bracketed && (c == ':' || c == '%');
}

bool config_value_address(const char *text, char *host, uint16_t *port)
{
	bool is_bracketed = text[0] == '[';
	const char *begin = text + (is_bracketed ? 1 : 0);
	size_t len = strcspn(begin, is_bracketed ? "]" : ":");
	const char *end = begin + len;
	if (len == 0 || len > LIMIT_ADDRESS_BYTES || len >= CONFIG_HOST_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_host_character(begin[i], is_bracketed))
			return false;
	if (is_bracketed) {
		if (*end != ']' || !memchr(begin, ':', len))
			return false;
		end++;
	}
	int64_t number = 0;
	if (*end != ':' || !config_value_integer(end + 1, &number) ||
	    number < 1 || number > UINT16_MAX)
		return false;
	memcpy(host, begin, len);
	host[len] = '\0';
	*port = (uint16_t)number;
	return true;
}

bool config_value_name(const char *text)
{
	size_t len = strlen(text);
	if (len == 0 || len > LIMIT_NAME_BYTES)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		bool is_word = (c >= '0' && c <= '9') ||
			       (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (!is_word && (i == 0 || !strchr("-_.", c)))
			return false;
	}
	return true;
}

static void put_unit(int64_t value, const struct unit *units, size_t n,
		     char *buf)
{
	size_t best = 0;
	for (size_t i = 1; i < n; i++)
		if (value != 0 && value % units[i].factor == 0)
			best = i;
	snprintf(buf, CONFIG_VALUE_TEXT_MAX, "%" PRId64 "%s",
		 value / units[best].factor, units[best].name);
}

void config_value_put_size(int64_t bytes, char *buf)
{
	put_unit(bytes, sizes, N_SIZES, buf);
}

void config_value_put_duration(int64_t ms, char *buf)
{
	put_unit(ms, durations, N_DURATIONS, buf);
}

void config_value_put_address(const struct config_address *a, char *buf)
{
	bool is_v6 = strchr(a->host, ':') != NULL;
	snprintf(buf, CONFIG_VALUE_TEXT_MAX, "%s%s%s:%u", is_v6 ? "[" : "",
		 a->host, is_v6 ? "]" : "", (unsigned)a->port);
}
