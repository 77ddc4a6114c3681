/* Publication: which tables the slot tells of. Ours is kept equal to what is
 * captured; one that the customer named is only looked at. One thread. */
#ifndef CONNECTORS_POSTGRES_PUBLICATION_H
#define CONNECTORS_POSTGRES_PUBLICATION_H

#include "connectors/postgres/schema.h"

struct publication_plan {
	const struct options *options;
	const struct schema_table *tables;
	size_t n;
	/* Tables that were captured before: if one is not in the publication,
	 * changes of it were missed. One flag a table; NULL: none was. */
	const bool *was_captured;
};

/* Everything is in it when this returns 0. ERR_SCHEMA names a table that was
 * taken out of it; ERR_PERMISSION says what has to be run. */
int pg_publication_ensure(struct session *s, const struct publication_plan *p,
			  struct err *e);
int pg_publication_drop(struct session *s, const struct options *o,
			struct err *e);

/* What is missing, as SQL for somebody who may; NULL: nothing. */
int pg_publication_missing(struct session *s, const struct publication_plan *p,
			   struct arena *arena, const char **sql,
			   struct err *e);

#endif
