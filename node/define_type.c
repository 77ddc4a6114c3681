/* Which logical type a field has: the first of its columns' own types that
 * every side can hold and give back. A type that several kinds of system know
 * goes before one that only its own kind knows. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "node/define_compile.h"

static const char *native_of(const struct connector_column *c)
{
	return c->native ? c->native : "";
}

/* The column that refuses the type of candidate; n: none does. */
static size_t find_refusal(const struct compile_column *columns, size_t n,
			   const struct connector_column *candidate,
			   const char **reason)
{
	for (size_t i = 0; i < n; i++) {
		*reason = columns[i].connector->refuses(
			columns[i].column, candidate->type, candidate->native);
		if (*reason)
			return i;
	}
	return n;
}

static void take(const struct connector_column *c,
		 Synod__Definition__Field *out)
{
	bool has_name = c->type == VALUE_NATIVE || c->type == VALUE_ENUM;
	out->type = (uint32_t)c->type;
	out->native = (char *)(uintptr_t)(has_name ? native_of(c) : "");
}

static void explain(const struct compile_column *from,
		    const struct compile_column *at, const char *reason,
		    char why[512])
{
	snprintf(why, 512,
		 "%.60s on '%.60s' cannot hold %.60s of '%.60s': %.200s",
		 native_of(at->column), at->connection, native_of(from->column),
		 from->connection, reason);
}

bool compile_type(const struct compile_column *columns, size_t n,
		  Synod__Definition__Field *out, char why[512])
{
	why[0] = '\0';
	for (size_t turn = 0; turn < 2; turn++) {
		for (size_t i = 0; i < n; i++) {
			const struct connector_column *c = columns[i].column;
			const char *reason = NULL;
			if ((c->type == VALUE_NATIVE) != (turn == 1))
				continue;
			size_t at = find_refusal(columns, n, c, &reason);
			if (at == n) {
				take(c, out);
				return true;
			}
			if (!why[0])
				explain(&columns[i], &columns[at], reason, why);
		}
	}
	return false;
}
