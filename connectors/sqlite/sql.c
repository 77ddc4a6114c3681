#include "connectors/sqlite/sql.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

static void reserve(struct sql *s, size_t more)
{
	if (s->len + more + 1 <= s->cap)
		return;
	s->cap = (s->len + more + 1) * 2;
	s->text = mem_grow(s->text, s->cap);
}

void sqlite_sql_add(struct sql *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	CHECK(n >= 0);
	reserve(s, (size_t)n);
	va_start(ap, fmt);
	(void)vsnprintf(s->text + s->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	s->len += (size_t)n;
}

static void quoted(struct sql *s, const char *text, char quote)
{
	reserve(s, 2 * strlen(text) + 2);
	s->text[s->len++] = quote;
	for (; *text; text++) {
		if (*text == quote)
			s->text[s->len++] = quote;
		s->text[s->len++] = *text;
	}
	s->text[s->len++] = quote;
	s->text[s->len] = '\0';
}

void sqlite_sql_name(struct sql *s, const char *name)
{
	quoted(s, name, '"');
}

void sqlite_sql_literal(struct sql *s, const char *text)
{
	quoted(s, text, '\'');
}

void sqlite_sql_clear(struct sql *s)
{
	s->len = 0;
	if (s->text)
		s->text[0] = '\0';
}

void sqlite_sql_free(struct sql *s)
{
	free(s->text);
	*s = (struct sql){0};
}
