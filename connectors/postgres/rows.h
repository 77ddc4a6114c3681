/* Rows: from what the stream says about a row to changes of the planned table.
 * One thread. */
#ifndef CONNECTORS_POSTGRES_ROWS_H
#define CONNECTORS_POSTGRES_ROWS_H

#include "connectors/postgres/relation.h"

/* At most two changes come out of a row: DELETE and PUT of another key. */
struct rows_out {
	struct change_row list[2];
	size_t n;
	/* Encoded keys before and after, {0} where there is no row. */
	struct bytes old_key, new_key;
};

/* Texts and keys live in the arena until it is cleared. ERR_SCHEMA names the
 * table: a text that is no value of its field, a row that is too large, a value
 * that a two-way sync needs and the source did not tell. */
struct rows_source {
	const struct relation *relation;
	const struct relation_use *use;
	const struct connector_table *table;
	const char *path; /* for errors */
	struct arena *arena;
};
int pg_rows_decode(const struct rows_source *s,
		   const struct pgoutput_message *m, struct rows_out *out,
		   struct err *e);

/* The key of a row: its fields that are key, appended to buf. */
void pg_rows_key(const struct connector_table *t, const struct value *values,
		 struct value_buf *buf);
/* About what the values take in the log. */
size_t pg_rows_size(const struct value *values, uint32_t n);
/* ERR_SCHEMA when a change would be too large for an entry of the log. */
int pg_rows_check_size(const char *path, const struct value *values, uint32_t n,
		       struct err *e);
/* May a change of that size follow in this writer, or is it for the next
 * entry? */
bool pg_rows_has_room(const struct change_writer *w, size_t size,
		      size_t bytes_max);

#endif
