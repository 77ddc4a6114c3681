#include "connectors/connector.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/check.h"

static const char *keep(struct arena *arena, const char *text)
{
	return text ? arena_strdup(arena, text) : NULL;
}

static struct connector_finding *next_finding(struct connector_findings *f)
{
	if (f->n == f->cap) {
		size_t cap = f->cap ? 2 * f->cap : 8;
		struct connector_finding *list =
			arena_alloc(f->arena, cap * sizeof *list);
		for (size_t i = 0; i < f->n; i++)
			list[i] = f->list[i];
		f->list = list;
		f->cap = cap;
	}
	return &f->list[f->n++];
}

void connector_find(struct connector_findings *f, bool is_fatal,
		    const char *table, const char *repair, const char *fmt, ...)
{
	char text[CONNECTOR_TEXT_MAX];
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	CHECK(n >= 0);
	*next_finding(f) = (struct connector_finding){
		.is_fatal = is_fatal,
		.table = keep(f->arena, table),
		.text = keep(f->arena, text),
		.repair = keep(f->arena, repair),
	};
}

void apply_rejects_clear(struct apply_rejects *r)
{
	for (size_t i = 0; i < r->n; i++)
		value_buf_free(&r->list[i].existing);
	free(r->list);
	*r = (struct apply_rejects){0};
}
