#include "connectors/postgres/sql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

static void room(struct sql *s, size_t more)
{
	if (s->len + more + 1 <= s->cap)
		return;
	s->cap = (s->len + more + 1) * 2;
	s->text = mem_grow(s->text, s->cap);
}

static void put(struct sql *s, char c)
{
	room(s, 1);
	s->text[s->len++] = c;
	s->text[s->len] = 0;
}

void pg_sql_init(struct sql *s)
{
	*s = (struct sql){0};
	room(s, 120);
	s->text[0] = 0;
}

void pg_sql_free(struct sql *s)
{
	free(s->text);
	*s = (struct sql){0};
}

void pg_sql_clear(struct sql *s)
{
	s->len = 0;
	s->text[0] = 0;
}

void pg_sql_add(struct sql *s, const char *fmt, ...)
{
	va_list list, again;

	va_start(list, fmt);
	va_copy(again, list);
	int n = vsnprintf(NULL, 0, fmt, list);
	va_end(list);
	CHECK(n >= 0);
	room(s, (size_t)n);
	vsnprintf(s->text + s->len, (size_t)n + 1, fmt, again);
	va_end(again);
	s->len += (size_t)n;
}

void pg_sql_name(struct sql *s, const char *name)
{
	put(s, '"');
	for (; *name; name++) {
		if (*name == '"')
			put(s, '"');
		put(s, *name);
	}
	put(s, '"');
}

void pg_sql_table(struct sql *s, const char *schema, const char *name)
{
	if (schema) {
		pg_sql_name(s, schema);
		put(s, '.');
	}
	pg_sql_name(s, name);
}

void pg_sql_comma(struct sql *s, size_t i)
{
	if (i)
		pg_sql_add(s, ", ");
}

/* One part of a path, quoted or up to the next dot; NULL when it is none. */
static char *parse_part(const char **at, struct arena *arena)
{
	char *part = arena_alloc(arena, strlen(*at) + 1);
	size_t len = 0;
	bool is_quoted = **at == '"';

	*at += is_quoted;
	while (**at) {
		if (is_quoted && (*at)[0] == '"' && (*at)[1] != '"')
			break;
		if (is_quoted && (*at)[0] == '"')
			(*at)++;
		else if (!is_quoted && (**at == '.' || **at == '"'))
			break;
		part[len++] = *(*at)++;
	}
	if (is_quoted && **at != '"')
		return NULL;
	*at += is_quoted;
	part[len] = 0;
	return len ? part : NULL;
}

bool pg_sql_parse_path(const char *text, struct arena *arena,
		       struct sql_path *out)
{
	char *first = parse_part(&text, arena);
	char *second = NULL;

	if (!first)
		return false;
	if (*text == '.') {
		text++;
		second = parse_part(&text, arena);
		if (!second)
			return false;
	}
	if (*text)
		return false;
	out->schema = second ? first : NULL;
	out->name = second ? second : first;
	return true;
}

static void path_part(struct sql *s, const char *part)
{
	size_t plain = strspn(part, "abcdefghijklmnopqrstuvwxyz0123456789_");

	if (part[plain] == 0 && plain && (part[0] < '0' || part[0] > '9'))
		pg_sql_add(s, "%s", part);
	else
		pg_sql_name(s, part);
}

void pg_sql_path_add(struct sql *s, const char *schema, const char *name)
{
	path_part(s, schema);
	put(s, '.');
	path_part(s, name);
}
