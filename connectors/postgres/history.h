/* History: which transaction changed a row last, for rows of tables that are
 * being loaded, and whether a chunk that was read has seen it.
 *
 * A commit is in the stream before readers see it (it may wait for a standby in
 * between), so positions say nothing about what a chunk holds. Its snapshot
 * does: a row of it is stale if, and only if, the stream has brought a change
 * of that key by a transaction that the snapshot does not see.
 *
 * Pure; one thread. */
#ifndef CONNECTORS_POSTGRES_HISTORY_H
#define CONNECTORS_POSTGRES_HISTORY_H

#include "base/map.h"

/* pg_snapshot: transactions before xmin are over, those from xmax on had not
 * begun, those in between ran if they are in the list. */
struct history_snapshot {
	uint64_t xmin, xmax;
	uint64_t *running; /* ascending */
	size_t n;
};
/* "xmin:xmax:a,b,c"; false: that is none. */
bool pg_history_snapshot_parse(const char *text, struct history_snapshot *out);
void pg_history_snapshot_free(struct history_snapshot *s);
bool pg_history_sees(const struct history_snapshot *s, uint64_t xid);
/* The stream tells 32 bits of a transaction's number: the one next to a full
 * number that was seen lately. */
uint64_t pg_history_full_xid(uint32_t xid, uint64_t near);

enum {
	/* Rows remembered. Beyond: all are forgotten, and chunks older than
	 * the newest of them are read again. */
	HISTORY_ROWS_MAX = 65536,
};

struct history {
	struct map *rows;
	uint64_t newest;    /* of those in rows */
	uint64_t forgotten; /* a snapshot must see everything up to it */
};
void pg_history_init(struct history *h);
void pg_history_free(struct history *h);
/* An empty key stands for all rows of the table (TRUNCATE). */
void pg_history_note(struct history *h, uint32_t table_id, struct bytes key,
		     uint64_t xid);
/* Forget what every snapshot from this one on sees. */
void pg_history_prune(struct history *h, uint64_t xmin);
/* May rows of this snapshot be judged at all? If not, read them again. */
bool pg_history_reaches(const struct history *h,
			const struct history_snapshot *s);
/* Has the stream brought something newer of this row than the snapshot sees? */
bool pg_history_is_stale(const struct history *h, uint32_t table_id,
			 struct bytes key, const struct history_snapshot *s);

#endif
