/* Outcome: what the ledger decided about one entry, where that is not what
 * stands in the entry itself. Without an outcome every change of a batch goes
 * to every target of its table but the connection it came from. An outcome
 * lists the exceptions: a refused batch, a change that goes to fewer or more
 * connections, a change with another content (the winner of a conflict).
 *
 * Encoding: u8 flags (1: nothing of the entry counts), varint n, then n times
 *   varint ordinal, varint mask of connections, varint length, change
 * by ascending ordinal; several of one ordinal are deliveries one after the
 * other; length 0: the entry's own change. An entry that is no batch has no
 * changes of its own: everything that it sends is here.
 *
 * Pure. Lends from entry and outcome. */
#ifndef CLUSTER_CORE_OUTCOME_H
#define CLUSTER_CORE_OUTCOME_H

#include "cluster/core/catalog.h"
#include "proto/change.h"

struct outcome_writer {
	struct value_buf items;
	uint32_t n;
	bool is_void;
};
void outcome_void(struct outcome_writer *w);
/* change: empty for the entry's own. Ordinals ascend. */
void outcome_add(struct outcome_writer *w, uint32_t ordinal, uint64_t mask,
		 struct bytes change);
/* Empty when there is no exception. Valid until the writer is used again. */
struct bytes outcome_bytes(struct outcome_writer *w);
void outcome_writer_clear(struct outcome_writer *w);
void outcome_writer_free(struct outcome_writer *w);

/* -- deliveries: what one connection gets of an entry -----------------------
 */
struct delivery {
	uint32_t ordinal;
	uint32_t txn; /* number of the source's transaction in the entry, from
			 0; echoes are not counted */
	int64_t stamp_us;
	struct change change;
	const struct catalog_table *table;
};

struct delivery_reader {
	const struct catalog *catalog;
	uint32_t connection_id;
	/* Behind the last delivery: the last transaction of the entry.
	 * TXN_PART: it goes on in the next batch of the task. */
	struct change_txn at;
	/* The rest is its own. */
	struct change_reader changes;
	struct value_reader exceptions;
	uint32_t source_id, txn, n_exceptions;
	bool is_void, has_next;
	uint32_t next_ordinal;
	uint64_t next_mask;
	struct bytes next_change;
	struct change own;
	bool has_own;
};

/* An entry as the deliveries are read from it. Borrowed for as long as the
 * reader is used. */
struct delivery_source {
	uint32_t connection_id; /* for whom */
	uint32_t source_id;     /* the connection of the batch's task */
	struct bytes changes;   /* Batch.changes; empty for other commands */
	struct bytes outcome;
};
/* ERR_CORRUPT when the outcome is none. */
int delivery_begin(struct delivery_reader *r, const struct catalog *catalog,
		   const struct delivery_source *source);
/* 1: one more; 0: that was all; ERR_CORRUPT. Tables that the catalog does not
 * know are passed over. */
int delivery_next(struct delivery_reader *r, struct delivery *out);

#endif
