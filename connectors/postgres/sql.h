/* SQL text: a growing string, and the only functions that put a name or a text
 * into it. One thread. */
#ifndef CONNECTORS_POSTGRES_SQL_H
#define CONNECTORS_POSTGRES_SQL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

struct sql {
	char *text; /* NUL-terminated, "" from sql_init on */
	size_t len, cap;
};

void pg_sql_init(struct sql *s);
void pg_sql_free(struct sql *s);
void pg_sql_clear(struct sql *s);
__attribute__((format(printf, 2, 3))) void pg_sql_add(struct sql *s,
						      const char *fmt, ...);
/* An identifier in double quotes. */
void pg_sql_name(struct sql *s, const char *name);
/* "schema"."name"; schema may be NULL. */
void pg_sql_table(struct sql *s, const char *schema, const char *name);
/* ", " between the members of a list; i is the place of the next one. */
void pg_sql_comma(struct sql *s, size_t i);

/* -- names as people write them -------------------------------------------- */
/* "public.customer", "customer", "\"Sales\".\"Order\"". A part without quotes
 * is taken as it stands. schema is NULL when there is only one part. */
struct sql_path {
	char *schema, *name;
};
bool pg_sql_parse_path(const char *text, struct arena *arena,
		       struct sql_path *out);
/* The canonical form: quoted only where PostgreSQL would need it. */
void pg_sql_path_add(struct sql *s, const char *schema, const char *name);

#endif
