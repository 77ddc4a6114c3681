/* Revision: what is declared, in the control state: the definition in force,
 * the tables of earlier ones that the log may still name, and the history.
 *
 * Keys and values:
 *   "d"            in force: u32 revision, u64 index, u32 n tables, n times the
 *                  u64 index that brought the table (in the order of the
 *                  definition), a packed synod.definition.Definition
 *   "o" u32 table  a table that a revision dropped: u32 that revision, u64 its
 *                  index, u64 the index that had brought the table, a packed
 *                  synod.definition.Sync with this table only
 *   "r" u32        a revision: u64 index, i64 time_us, u32 syncs, u32
 *                  connections, u32 tables, three times u16 length and text:
 *                  author, message, what it changed
 *   "w" u32        its text, as written
 * LIMIT_REVISIONS of "r" and "w" are kept.
 *
 * Pure; readers take any kv. */
#ifndef CLUSTER_CORE_REVISION_H
#define CLUSTER_CORE_REVISION_H

#include "base/err.h"
#include "base/kv.h"
#include "cluster/core/catalog.h"
#include "proto/command.pb-c.h"
#include "proto/limits.h"

enum { REVISION_CHANGE_MAX = 256 };

struct revision {
	uint32_t number;
	uint64_t index;
	int64_t time_us;
	uint32_t n_syncs, n_connections, n_tables;
	char author[LIMIT_NAME_BYTES + 1];
	char message[LIMIT_MESSAGE_BYTES + 1];
	char change[REVISION_CHANGE_MAX]; /* "+stock ~customers" */
};

/* -- readers --------------------------------------------------------------- */
/* False: there is no such revision, or it is no longer kept. */
bool revision_read(const struct kv *kv, uint32_t number, struct revision *out);
/* The newest ones, newest first; returns how many. */
size_t revision_list(const struct kv *kv, struct revision *out, size_t max);
/* As it was written; lent by the kv. */
bool revision_text(const struct kv *kv, uint32_t number, struct bytes *text);

/* -- between catalog, control and this ------------------------------------- */
struct revision_current {
	uint32_t revision;
	uint64_t index;
	size_t n_born;
	const uint8_t *born; /* revision_born() */
	struct bytes definition;
};
/* Lent by the kv. False: nothing was ever declared. */
bool revision_current(const struct kv *kv, struct revision_current *out);
uint64_t revision_born(const uint8_t *born, size_t i);

struct revision_old {
	uint32_t table_id, revision;
	uint64_t dropped_at, born_at;
	struct bytes sync;
};
/* The next dropped table with a higher id. Lent by the kv. */
bool revision_next_old(const struct kv *kv, uint32_t after_id,
		       struct revision_old *out);

/* Put a revision in force. before: the catalog until now. 0, or why not
 * (ERR_CHANGED: another base; ERR_INVALID, ERR_LIMIT, ERR_CORRUPT), and then
 * nothing has changed. The caller loads the catalog anew. */
int revision_take(const struct kv *kv, const struct catalog *before,
		  uint64_t index, const Synod__Command__Revision *c,
		  struct err *e);
/* Forget the dropped tables that no apply task can meet any more: all of them
 * are behind this index. True: there were some; load the catalog anew. */
bool revision_purge(const struct kv *kv, const struct catalog *c,
		    uint64_t index);

#endif
