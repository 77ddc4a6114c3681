/* Text scan: what is left of a text that is being read, and the steps that all
 * readers of connectors/text.h share. Private to them. Any thread. */
#ifndef CONNECTORS_TEXT_SCAN_H
#define CONNECTORS_TEXT_SCAN_H

#include <stdbool.h>

#include "base/bytes.h"

struct text_scan {
	const uint8_t *at;
	size_t left;
};

static inline struct text_scan text_scan(struct bytes text)
{
	return (struct text_scan){text.data, text.len};
}

static inline bool text_scan_is_end(const struct text_scan *s)
{
	return s->left == 0;
}

/* Steps over c if it stands there. */
static inline bool text_scan_is(struct text_scan *s, char c)
{
	if (s->left == 0 || *s->at != (uint8_t)c)
		return false;
	s->at++;
	s->left--;
	return true;
}

/* The digits that stand there, perhaps none. */
static inline struct bytes text_scan_digits(struct text_scan *s)
{
	struct bytes digits = {s->at, 0};

	while (s->left && *s->at >= '0' && *s->at <= '9') {
		s->at++;
		s->left--;
		digits.len++;
	}
	return digits;
}

/* A number of min to max digits (at most 18). */
static inline bool text_scan_number(struct text_scan *s, size_t min, size_t max,
				    int64_t *out)
{
	struct bytes digits = text_scan_digits(s);
	int64_t n = 0;

	if (digits.len < min || digits.len > max)
		return false;
	for (size_t i = 0; i < digits.len; i++)
		n = n * 10 + (digits.data[i] - '0');
	*out = n;
	return true;
}

/* Is text that word, in any case? */
static inline bool text_is_word(struct bytes text, const char *word)
{
	size_t i = 0;

	for (; i < text.len && word[i]; i++) {
		uint8_t c = text.data[i];
		if (c >= 'A' && c <= 'Z')
			c = (uint8_t)(c - 'A' + 'a');
		if (c != (uint8_t)word[i])
			return false;
	}
	return i == text.len && word[i] == '\0';
}

#endif
