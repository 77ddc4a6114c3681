/* Load: the rows that a table has before its changes are followed, in chunks
 * along its key, without a lock and while others write. A chunk is given when
 * the stream has passed everything that it holds; rows of which the stream
 * brought something newer are left out (history.h). One thread. */
#ifndef CONNECTORS_POSTGRES_LOAD_H
#define CONNECTORS_POSTGRES_LOAD_H

#include "base/arena.h"
#include "connectors/postgres/history.h"
#include "connectors/postgres/position.h"
#include "connectors/postgres/rows.h"

enum {
	LOAD_CHUNK_DEFAULT = 1000,
	/* The first chunk of a table: how large its rows are is not known. */
	LOAD_CHUNK_FIRST = 50,
};
/* A chunk in memory, about. */
#define LOAD_CHUNK_BYTES ((size_t)2 << 20)

struct load {
	struct history history;
	/* Transactions before it may have written to a table before the stream
	 * told of it: a snapshot must see all of them ended. */
	uint64_t gate_xid;
	uint64_t newest_xid; /* a full number seen lately */

	const struct connector_table *table; /* NULL: nothing is loaded */
	const struct schema_table *schema;
	PGresult *rows; /* NULL: no chunk waits */
	int next_row;
	bool is_last; /* there is nothing behind it */
	struct history_snapshot snapshot;
	uint64_t ready_lsn; /* the stream has to pass it */
	int64_t read_at_ms; /* or the last try */
	uint32_t limit;
	uint64_t n_loaded, n_to_load;
	struct arena arena;
};

void pg_load_init(struct load *l);
void pg_load_free(struct load *l);
/* Forget tables and chunks, learn which transactions are open now. */
int pg_load_start(struct load *l, struct session *s, struct err *e);
/* Choose the table; it begins or goes on where its position is. */
void pg_load_choose(struct load *l, const struct connector_table *t,
		    const struct schema_table *schema);
/* Read the next chunk of the table. 1: it waits; 0: not yet, try again soon.
 */
int pg_load_read(struct load *l, struct session *s,
		 const struct position_table *at, struct err *e);
/* Give rows of the chunk, as many as fit, and move `at` behind them. The last
 * one of a table sets POSITION_LOADED. */
struct load_room {
	struct change_writer *w;
	size_t bytes_max;
};
int pg_load_give(struct load *l, const struct load_room *room,
		 struct position_table *at, struct err *e);
/* Something in the server has to be written for the stream to move on. */
void pg_load_nudge(struct load *l, struct session *s);

#endif
