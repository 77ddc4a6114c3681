/* The logfmt quoting of base/log.h. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"

enum { QUOTE_BUFFERS = 8, QUOTE_MAX = 1024, PIECE_MAX = 8 };

/* What may come behind the last piece: the mark of a cut, a quote, a NUL. */
static const char cut_mark[] = "...";
enum { QUOTE_TAIL = sizeof cut_mark + 1 };

static _Thread_local char buffers[QUOTE_BUFFERS][QUOTE_MAX];
static _Thread_local unsigned next_buffer;

static bool is_continuation(uint8_t c)
{
	return (c & 0xc0) == 0x80;
}

/* Length of the UTF-8 character at s, 0 when it is none (overlong forms and
 * surrogates included). A NUL ends s, so no byte behind it is read. */
static unsigned character_len(const uint8_t *s)
{
	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4 || !is_continuation(s[1]))
		return 0;
	if (s[0] < 0xe0)
		return 2;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    !is_continuation(s[2]))
		return 0;
	if (s[0] < 0xf0)
		return 3;
	if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f) ||
	    !is_continuation(s[3]))
		return 0;
	return 4;
}

static bool is_plain(uint8_t c)
{
	return c > ' ' && c < 0x7f && c != '"' && c != '=' && c != '\\';
}

static bool needs_quotes(const char *text)
{
	if (!text[0])
		return true;
	for (const char *p = text; *p; p++)
		if (!is_plain((uint8_t)*p))
			return true;
	return strlen(text) >= QUOTE_MAX;
}

/* One character of text as it stands between quotes, the escapes of JSON.
 * Gives how many bytes of text it covers. */
static unsigned take_piece(const uint8_t *text, char piece[PIECE_MAX])
{
	unsigned len = character_len(text);

	if (len == 0) { /* not UTF-8: readers would choke on the raw byte */
		snprintf(piece, PIECE_MAX, "\\ufffd");
		return 1;
	}
	if (text[0] == '"' || text[0] == '\\')
		snprintf(piece, PIECE_MAX, "\\%c", text[0]);
	else if (text[0] == '\n')
		snprintf(piece, PIECE_MAX, "\\n");
	else if (text[0] == '\t')
		snprintf(piece, PIECE_MAX, "\\t");
	else if (text[0] == '\r')
		snprintf(piece, PIECE_MAX, "\\r");
	else if (text[0] < ' ' || text[0] == 0x7f)
		snprintf(piece, PIECE_MAX, "\\u%04x", text[0]);
	else
		snprintf(piece, PIECE_MAX, "%.*s", (int)len,
			 (const char *)text);
	return len;
}

const char *log_quote(const char *text)
{
	if (!text)
		text = "";
	char *buf = buffers[next_buffer];
	next_buffer = (next_buffer + 1) % QUOTE_BUFFERS;

	if (!needs_quotes(text)) {
		snprintf(buf, QUOTE_MAX, "%s", text);
		return buf;
	}
	const uint8_t *p = (const uint8_t *)text;
	size_t len = 0;
	buf[len++] = '"';
	while (*p) {
		char piece[PIECE_MAX];
		unsigned covered = take_piece(p, piece);
		size_t piece_len = strlen(piece);
		if (len + piece_len + QUOTE_TAIL > QUOTE_MAX)
			break;
		memcpy(buf + len, piece, piece_len);
		len += piece_len;
		p += covered;
	}
	int n = snprintf(buf + len, QUOTE_MAX - len, "%s\"",
			 *p ? cut_mark : "");
	CHECK(n > 0 && (size_t)n < QUOTE_MAX - len);
	return buf;
}
