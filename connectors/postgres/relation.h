/* Relation: a table as the stream describes it, matched with what is captured
 * of it: which column of a row is which field of which planned table. One
 * table may take part in several syncs. Owned by one thread. */
#ifndef CONNECTORS_POSTGRES_RELATION_H
#define CONNECTORS_POSTGRES_RELATION_H

#include "connectors/postgres/pgoutput_decode.h"
#include "connectors/postgres/schema.h"

/* One planned table on it. */
struct relation_use {
	size_t table;     /* place in the setup */
	uint16_t *places; /* column of each field */
	bool *is_in_key;  /* is a field told with an old key? */
};

struct relation {
	uint32_t oid;
	bool is_full; /* old rows are whole */
	uint16_t n_columns;
	struct relation_use *uses;
	size_t n_uses;
	/* Our own checkpoint table: places of its columns. */
	bool is_checkpoint;
	uint16_t cluster_at, task_at, applied_at;
};

struct relation_set {
	struct relation *list;
	size_t n, last; /* last: looked for most recently */
};

/* What a relation is matched with. Borrowed. */
struct relation_plan {
	const struct connector_table *tables;
	const struct schema_table *schemas; /* one a table */
	size_t n;
	const char *own_schema; /* of the checkpoint table */
};

void pg_relation_free_all(struct relation_set *set);
/* Takes a RELATION message. ERR_SCHEMA names a table that is no longer as it
 * was planned. */
int pg_relation_take(struct relation_set *set, const struct relation_plan *plan,
		     const struct pgoutput_message *m, struct err *e);
/* NULL: the stream has not described it. */
const struct relation *pg_relation_find(struct relation_set *set, uint32_t oid);

#endif
