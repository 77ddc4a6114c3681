/* A ledger over memory with one two-way sync ("pair", id 1, table 1) and one
 * one-way sync ("copy", id 2, table 2: from connection 1 to the others), every
 * task assigned, and all that it was told. Rows have a key and two values. */
#ifndef TESTS_UNIT_CORE_LEDGER_RIG_H
#define TESTS_UNIT_CORE_LEDGER_RIG_H

#include "base/map.h"
#include "cluster/core/ledger.h"
#include "declare.h"

enum { RIG_PAIR = 1, RIG_COPY = 2 };

struct rig_entry {
	struct blob *command; /* packed */
	struct blob *changes; /* of a batch */
	struct blob *outcome;
	uint32_t source_id;
};

struct rig {
	struct map *map;
	struct kv kv;
	struct declare declare;
	Synod__Definition__Sync *pair;
	Synod__Definition__Sync *copy;
	struct catalog *catalog;
	struct tasks tasks;
	struct ledger ledger;
	unsigned n_connections;
	uint64_t first_index, index; /* of the log; the last entry */
	struct rig_entry *log;       /* log[0] is first_index */
	size_t n_log, cap_log;
};

struct rig_row {
	bool is_there;
	int64_t key, uid, note;
};

/* Connections 1..n. The definition may be changed until rig_start. */
void rig_init(struct rig *r, unsigned n_connections);
void rig_start(struct rig *r);
void rig_free(struct rig *r);

/* One entry; what the ledger said. */
bool rig_take(struct rig *r, const Synod__Command__Command *c);
/* A batch of the connection, behind its position; to: one further. */
bool rig_batch(struct rig *r, uint32_t connection_id,
	       const struct change_writer *w);
uint64_t rig_epoch(const struct rig *r, uint32_t task_id);
/* As after a crash: what was flushed is there. */
void rig_reload(struct rig *r);
/* Of everything in the kv. */
uint64_t rig_digest(struct rig *r);
/* Entries up to the last one that the connection gets: how many. */
struct ledger_world rig_world(struct rig *r);

/* -- changes --------------------------------------------------------------- */
/* op: PUT, READ, PATCH (the note stays as it is), DELETE; TRUNCATE has no key.
 */
void rig_change(struct change_writer *w, enum change_op op, uint32_t table_id,
		const struct rig_row *row);
void rig_encode(struct value_buf *buf, enum change_op op, uint32_t table_id,
		const struct rig_row *row);
/* Back again. *has_note: false for a PATCH that leaves it. */
void rig_decode(const struct change *c, struct rig_row *out, bool *has_note);
/* A batch of one transaction with one change. */
bool rig_write(struct rig *r, uint32_t connection_id, enum change_op op,
	       const struct rig_row *row, int64_t stamp_us);
/* A batch that says that the sync's apply task of the connection is there. */
bool rig_echo(struct rig *r, uint32_t sync_id, uint32_t connection_id,
	      uint64_t index);

/* The row as the connection gets it by this entry: the last delivery of the
 * key. Gives how many there were. */
unsigned rig_delivered(struct rig *r, uint64_t index, uint32_t connection_id,
		       int64_t key, struct change *out);
struct rig_entry *rig_entry(struct rig *r, uint64_t index);

#endif
