/* Where: the text that says which rows of a side take part, comparisons of a
 * column with a literal joined by `and`:
 *
 *   country = 'DE' and total >= 100 and closed_at is null
 *
 * Operators: = != <> < <= > >=, is null, is not null. Literals: numbers,
 * 'texts' (a quote is doubled), true, false. A column with other characters
 * than letters, digits and '_' stands in double quotes. Pure. */
#ifndef NODE_DEFINE_WHERE_H
#define NODE_DEFINE_WHERE_H

#include "base/arena.h"
#include "base/err.h"
#include "proto/definition.pb-c.h"

enum where_literal { WHERE_NONE, WHERE_NUMBER, WHERE_TEXT, WHERE_BOOL };

struct where {
	const char *column;
	Synod__Definition__Comparison__Op op;
	enum where_literal kind;
	const char *literal;          /* without its quotes */
	size_t column_at, literal_at; /* bytes from the start of the text */
};

struct where_text {
	struct where *list; /* in the arena; at most LIMIT_COMPARISONS */
	size_t n;
	size_t end; /* where reading stopped: at a failure, what is wrong */
};

/* 0, or ERR_INVALID with the reason; only end counts then. */
int where_parse(const char *text, struct arena *arena, struct where_text *out,
		struct err *e);

#endif
