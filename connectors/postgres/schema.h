/* Schema: tables as they are now, from the catalog. Everything lives in the
 * caller's arena. One thread. */
#ifndef CONNECTORS_POSTGRES_SCHEMA_H
#define CONNECTORS_POSTGRES_SCHEMA_H

#include "connectors/postgres/session.h"

struct schema_column {
	const char *name;
	enum value_type type;
	const char *native; /* domains resolved, with its length */
	uint32_t oid;       /* of the type as pgoutput tells it */
	bool is_key, is_nullable;
	bool is_generated; /* GENERATED ... STORED */
	bool is_always;    /* GENERATED ALWAYS AS IDENTITY */
	bool is_large;     /* may be kept outside of the row */
	bool is_extended;  /* and usually is: storage e or x */
};

struct schema_table {
	uint32_t oid;
	const char *schema, *name;
	const char *path;      /* canonical: schema.name */
	char kind;             /* r, p (partitioned), v, ... */
	char identity;         /* replica identity: d n f i; of partitions, the
				  weakest of them */
	bool identity_has_key; /* it tells the columns of our key */
	bool has_key;          /* a unique index on them, not deferrable */
	bool has_deferrable;   /* some constraint of it may be deferred */
	bool is_referenced;    /* by foreign keys */
	bool is_logged;        /* neither unlogged nor temporary */
	bool is_owned;         /* by our role, or one that it is member of */
	bool can_select, can_insert, can_update, can_delete, can_truncate;
	struct schema_column *columns;
	size_t n;
};

/* By a name as a person wrote it. ERR_NOTFOUND. */
int pg_schema_read(struct session *s, const char *name, struct arena *arena,
		   struct schema_table *out, struct err *e);
/* NULL when it has none of that name. */
const struct schema_column *pg_schema_find(const struct schema_table *t,
					   const char *name);
/* All tables that may take part, canonical; at most max. How many, or an
 * error. ours: the schema that is left out. */
struct schema_names {
	const char **names;
	size_t max;
};
int pg_schema_list(struct session *s, const char *ours, struct arena *arena,
		   struct schema_names *out, struct err *e);
/* Does the table still have what was planned? ERR_SCHEMA names table and
 * column. */
int pg_schema_match(const struct schema_table *t,
		    const struct connector_table *planned, struct err *e);

#endif
