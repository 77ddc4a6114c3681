#include "proto/decimal.h"

#include <string.h>

static bool text_is(struct bytes b, const char *word)
{
	return b.len == strlen(word) && memcmp(b.data, word, b.len) == 0;
}

/* A canonical text in its parts. */
struct parts {
	int rank; /* -1 -Infinity, 0 a number, 1 Infinity, 2 NaN */
	bool is_negative;
	struct bytes whole, fraction;
};

static size_t digits_of(struct bytes b, size_t from)
{
	size_t n = 0;

	while (from + n < b.len && b.data[from + n] >= '0' &&
	       b.data[from + n] <= '9')
		n++;
	return n;
}

static bool is_all_zero(struct bytes b)
{
	for (size_t i = 0; i < b.len; i++)
		if (b.data[i] != '0')
			return false;
	return true;
}

static bool split(struct bytes b, struct parts *out)
{
	struct parts p = {0};
	size_t at = 0;

	if (b.len && b.data[0] == '-') {
		p.is_negative = true;
		at++;
	}
	p.whole = (struct bytes){b.data + at, digits_of(b, at)};
	at += p.whole.len;
	if (p.whole.len == 0 || (p.whole.len > 1 && p.whole.data[0] == '0'))
		return false;
	if (at < b.len && b.data[at] == '.') {
		at++;
		p.fraction = (struct bytes){b.data + at, digits_of(b, at)};
		if (p.fraction.len == 0)
			return false;
		at += p.fraction.len;
	}
	if (at != b.len)
		return false;
	if (p.is_negative && is_all_zero(p.whole) && is_all_zero(p.fraction))
		return false;
	*out = p;
	return true;
}

static bool parse(struct bytes b, struct parts *out)
{
	if (b.len == 0)
		return false;
	if (text_is(b, "NaN"))
		*out = (struct parts){.rank = 2};
	else if (text_is(b, "Infinity"))
		*out = (struct parts){.rank = 1};
	else if (text_is(b, "-Infinity"))
		*out = (struct parts){.rank = -1};
	else
		return split(b, out);
	return true;
}

bool decimal_is_canonical(struct bytes text)
{
	struct parts p;

	return parse(text, &p);
}

/* Digits behind the point; missing ones are zeros. */
static int compare_fractions(struct bytes a, struct bytes b)
{
	size_t n = a.len > b.len ? a.len : b.len;

	for (size_t i = 0; i < n; i++) {
		int x = i < a.len ? a.data[i] : '0';
		int y = i < b.len ? b.data[i] : '0';
		if (x != y)
			return x < y ? -1 : 1;
	}
	return 0;
}

static int compare_sizes(const struct parts *a, const struct parts *b)
{
	if (a->whole.len != b->whole.len)
		return a->whole.len < b->whole.len ? -1 : 1;
	int order = memcmp(a->whole.data, b->whole.data, a->whole.len);
	if (order)
		return order < 0 ? -1 : 1;
	return compare_fractions(a->fraction, b->fraction);
}

int decimal_compare(struct bytes a, struct bytes b)
{
	struct parts x = {0}, y = {0};

	/* What is not canonical counts as 0: an order, whatever comes in. */
	(void)parse(a, &x);
	(void)parse(b, &y);
	if (x.rank != y.rank)
		return x.rank < y.rank ? -1 : 1;
	if (x.rank)
		return 0;
	if (x.is_negative != y.is_negative)
		return x.is_negative ? -1 : 1;
	return x.is_negative ? compare_sizes(&y, &x) : compare_sizes(&x, &y);
}
