/* Row: what the ledger keeps of one row while it is in flight: its head, what
 * is under way to each connection, and who has the head. Tables that were
 * emptied have such a record, too, with an empty key.
 *
 * What is under way to a connection E is the list of entries whose deliveries
 * of this row E has not been seen to have applied. Entries at or behind the
 * head's carry the head, earlier ones older versions. When E is seen at S, what
 * the list has up to S was written there, the last of it last: E has the head
 * if that one is not older than the head.
 *
 * A list is bounded by LIMIT_ROW_DELIVERIES: it keeps the smallest and the last
 * of them, and when E is seen in the gap between, it counts as not having the
 * head. That may find a conflict where there is none, never the reverse.
 *
 * Pure. A row is loaded, changed and saved within one entry. */
#ifndef CLUSTER_CORE_LEDGER_ROW_H
#define CLUSTER_CORE_LEDGER_ROW_H

#include "base/kv.h"
#include "cluster/core/vvec.h"
#include "proto/change.h"
#include "proto/limits.h"

/* "l", u32 table id, how the key follows, and the key or its digest. */
struct row_key {
	uint8_t data[LIMIT_KEY_BYTES];
	size_t len;
	struct bytes whole; /* the row's key itself; borrowed */
};
enum { ROW_KEY_HEAD = 6 };
/* An empty key: the table itself. */
void row_key_of(struct row_key *out, uint32_t table_id, struct bytes key);
struct bytes row_key_bytes(const struct row_key *k);

/* An entry that delivers the row to the connection. */
struct row_step {
	uint64_t index;
	uint32_t ordinal; /* the first of it there */
	bool is_double;   /* there is more than one */
};

struct row_side {
	uint32_t connection_id;
	uint32_t n;                /* under way */
	uint64_t gap_from, gap_to; /* some are missing in between; or 0 */
	uint64_t read_upto; /* up to there READs: they write over nothing */
	uint64_t part_at;   /* the entry of which it takes only a part */
	struct row_step list[LIMIT_ROW_DELIVERIES];
};

struct row {
	struct row_key key;
	bool is_known;  /* there is a head */
	bool is_stored; /* the kv has a record under the key */
	bool is_read;   /* the head is a row of an initial load */
	uint64_t index;
	uint32_t ordinal;
	uint32_t maker; /* connection; 0: a person */
	int64_t stamp_us;
	/* It is looked at again when this connection is seen there; 0: not. */
	uint32_t wait_id;
	uint64_t wait_index;
	uint32_t n_open; /* conflicts that wait for a person */
	uint64_t has;    /* connections whose row is the head */
	uint64_t sent;   /* that made the head or were sent it */
	uint64_t judged; /* whose initial row was held against the head */
	struct vvec vector;
	struct row_side sides[VVEC_MAX]; /* only the first n_sides hold */
	size_t n_sides;
	struct bytes image;   /* of the head: one change */
	struct value_buf buf; /* the record as it was loaded */
};

void row_init(struct row *r);
void row_free(struct row *r);
/* The record of the key; without one an empty row that is not known. Keeps its
 * own copy: image stays until the next load. */
void row_load(struct row *r, const struct kv *kv, const struct row_key *key);
/* buf is for the caller to keep between calls. */
void row_save(struct row *r, const struct kv *kv, struct value_buf *buf);

/* The connection is seen at this entry: take what it has applied off its list,
 * and tell whether its row is the head. */
bool row_consume(struct row *r, uint32_t connection_id, uint64_t seen);
/* Something is under way to it, beyond what was consumed: the last of it. 0:
 * nothing. */
uint64_t row_last(const struct row *r, uint32_t connection_id);
struct row_delivery {
	uint64_t index;
	uint32_t ordinal;
	bool is_read; /* as a READ */
};
void row_deliver(struct row *r, uint32_t connection_id,
		 const struct row_delivery *d);
/* To all of the mask. */
void row_deliver_all(struct row *r, uint64_t mask,
		     const struct row_delivery *d);
/* What this entry delivered was not applied and never will be (save the part of
 * it that is). */
void row_withdraw(struct row *r, uint32_t connection_id, uint64_t index);

/* The entry will be applied up to this ordinal and not further: when it brings
 * the row in several versions, the connection gets an older one. */
void row_doubt(struct row *r, uint32_t connection_id, uint64_t index,
	       uint32_t ordinal);
/* It is seen at this entry, whatever of the row is parked. */
void row_consume_part(struct row *r, uint32_t connection_id, uint64_t seen);

#endif
