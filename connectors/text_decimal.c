#include <string.h>

#include "connectors/text.h"
#include "connectors/text_scan.h"
#include "proto/decimal.h"

/* A number in decimal notation, before it is canonical. */
struct notation {
	bool is_negative;
	struct bytes whole, fraction; /* digits as they stand */
	int64_t exponent;
};

/* Larger than any text is long, so that no number fits beyond it; and sums with
 * it stay far from an overflow. */
#define EXPONENT_MAX (INT64_C(1) << 40)

static int scan_exponent(struct text_scan *s, int64_t *out)
{
	bool is_negative = text_scan_is(s, '-');

	if (!is_negative)
		text_scan_is(s, '+');
	struct bytes digits = text_scan_digits(s);
	if (digits.len == 0)
		return ERR_DATA;
	int64_t n = 0;
	for (size_t i = 0; i < digits.len; i++) {
		n = n * 10 + (digits.data[i] - '0');
		if (n > EXPONENT_MAX)
			n = EXPONENT_MAX;
	}
	*out = is_negative ? -n : n;
	return 0;
}

static int scan_notation(struct bytes text, struct notation *out)
{
	struct text_scan s = text_scan(text);
	struct notation n = {0};

	n.is_negative = text_scan_is(&s, '-');
	if (!n.is_negative)
		text_scan_is(&s, '+');
	n.whole = text_scan_digits(&s);
	if (text_scan_is(&s, '.'))
		n.fraction = text_scan_digits(&s);
	if (n.whole.len + n.fraction.len == 0)
		return ERR_DATA;
	if (text_scan_is(&s, 'e') || text_scan_is(&s, 'E'))
		if (scan_exponent(&s, &n.exponent))
			return ERR_DATA;
	if (!text_scan_is_end(&s))
		return ERR_DATA;
	*out = n;
	return 0;
}

/* The i-th digit of both parts; a zero before and behind them. */
static uint8_t digit_at(const struct notation *n, int64_t i)
{
	int64_t whole = (int64_t)n->whole.len;

	if (i >= 0 && i < whole)
		return n->whole.data[i];
	if (i >= whole && i < whole + (int64_t)n->fraction.len)
		return n->fraction.data[i - whole];
	return '0';
}

static int64_t first_digit(const struct notation *n)
{
	int64_t len = (int64_t)(n->whole.len + n->fraction.len);
	int64_t i = 0;

	while (i < len && digit_at(n, i) == '0')
		i++;
	return i; /* len: it is zero */
}

/* Where the digits begin, where the point stands among them, and how many come
 * behind it. */
static int64_t write_digits(const struct notation *n, int64_t point,
			    int64_t scale, uint8_t *out)
{
	int64_t from = first_digit(n), len = 0;
	bool is_zero = from == (int64_t)(n->whole.len + n->fraction.len);

	if (n->is_negative && !is_zero)
		out[len++] = '-';
	if (is_zero || from >= point)
		out[len++] = '0';
	else
		for (int64_t i = from; i < point; i++)
			out[len++] = digit_at(n, i);
	if (scale > 0)
		out[len++] = '.';
	for (int64_t i = 0; i < scale; i++)
		out[len++] = digit_at(n, point + i);
	return len;
}

static int canonical(const struct notation *n, struct arena *arena,
		     struct bytes *out)
{
	int64_t point = (int64_t)n->whole.len + n->exponent;
	int64_t scale = (int64_t)n->fraction.len - n->exponent;
	int64_t from = first_digit(n);
	bool is_zero = from == (int64_t)(n->whole.len + n->fraction.len);
	int64_t whole = is_zero || from >= point ? 1 : point - from;

	if (scale < 0)
		scale = 0;
	if (whole > TEXT_DECIMAL_WHOLE || scale > TEXT_DECIMAL_SCALE)
		return ERR_LIMIT;
	uint8_t *text = arena_alloc(arena, (size_t)(whole + scale) + 2);
	int64_t len = write_digits(n, point, scale, text);
	*out = (struct bytes){text, (size_t)len};
	return 0;
}

/* Words for what is no number; NULL when it is none of them. */
static const char *special(struct bytes text)
{
	static const struct {
		const char *word, *canonical;
	} words[] = {
		{"nan", "NaN"},
		{"inf", "Infinity"},
		{"+inf", "Infinity"},
		{"-inf", "-Infinity"},
		{"infinity", "Infinity"},
		{"+infinity", "Infinity"},
		{"-infinity", "-Infinity"},
	};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (text_is_word(text, words[i].word))
			return words[i].canonical;
	return NULL;
}

int text_read_decimal(struct bytes text, struct arena *arena, struct bytes *out)
{
	const char *word = special(text);
	struct notation n;

	if (word) {
		*out = (struct bytes){(const uint8_t *)word, strlen(word)};
		return 0;
	}
	if (scan_notation(text, &n))
		return ERR_DATA;
	/* The common case needs no copy; canonical() knows the limits. */
	if (text.len <= 64 && decimal_is_canonical(text)) {
		*out = text;
		return 0;
	}
	return canonical(&n, arena, out);
}
