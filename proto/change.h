/* Changes: what a source did, as it stands in the log (Batch.changes). A list
 * of source transactions in commit order; each is a local one with its changes,
 * or the echo of what an apply task of ours did there.
 *
 *   transaction  u8 kind, then
 *     TXN_LOCAL, TXN_LOAD, TXN_PART  zigzag stamp_us, varint n_changes, and
 *                                    the changes, at least one
 *     TXN_ECHO                       varint apply task id, varint applied index
 *   A transaction too large for one entry is cut: parts (TXN_PART), each the
 *   last of its entry, and the rest as TXN_LOCAL, first in the next batch of
 *   the same task. Targets get them as one.
 *   change       u8 op, varint table id, key, [old key], varint n_values,
 *                the values in the order of the table's fields
 *     key        varint length, the encoded values of the key fields
 *     old key    only with CHANGE_MOVE
 *   PUT, READ and PATCH carry values (PATCH: some are absent or unchanged);
 *   DELETE and TRUNCATE carry none; TRUNCATE has an empty key. In a key
 *   nothing is absent or unchanged, nor in the values of PUT and READ.
 *
 * A change has an ordinal: its place among all changes of its entry, from 0.
 *
 * Pure; any thread; lends from the buffer. Decodes what a quorum has stored,
 * and what a broken peer sent: never trusts a length. */
#ifndef PROTO_CHANGE_H
#define PROTO_CHANGE_H

#include "proto/value.h"

enum change_op {
	CHANGE_PUT = 1, /* the row is now this, whole */
	CHANGE_PATCH,   /* these values of it are now so */
	CHANGE_DELETE,
	CHANGE_READ, /* initial load: the row was there, whole */
	CHANGE_TRUNCATE,
	CHANGE_MOVE, /* PATCH that changed the key: from old key to key. Where
			the whole row is known, it is DELETE and PUT instead */
	CHANGE__N
};

enum txn_kind { TXN_LOCAL = 1, TXN_ECHO, TXN_LOAD, TXN_PART, TXN__N };

/* Fields of a table. More are refused when it is planned. */
enum { CHANGE_VALUES_MAX = 1024 };

struct change {
	enum change_op op;
	uint32_t table_id;
	struct bytes key, old_key; /* encoded */
	struct bytes values;       /* encoded, n_values of them */
	uint32_t n_values;
	struct bytes whole; /* this change as it is encoded */
};

/* -- writing: what a capture builds ---------------------------------------- */
/* One change that is to be written; all of it is borrowed for the call. */
struct change_row {
	enum change_op op;
	uint32_t table_id;
	struct bytes key;           /* made with change_key */
	struct bytes old_key;       /* only for CHANGE_MOVE */
	const struct value *values; /* n_values; may be NULL when it is 0 */
	uint32_t n_values;
};

/* Transactions in one buffer. */
struct change_writer {
	struct value_buf buf;
	size_t txn_at;        /* where the open transaction begins */
	struct value_buf txn; /* its changes */
	uint32_t n_txn_changes, n_changes;
	enum txn_kind kind;
	int64_t stamp_us;
	bool is_open;
};
void change_writer_init(struct change_writer *w);
void change_writer_free(struct change_writer *w);
/* Empty again; keeps memory. */
void change_writer_clear(struct change_writer *w);
/* stamp_us: when the source committed, wall clock. LOCAL or LOAD. */
void change_begin(struct change_writer *w, enum txn_kind kind,
		  int64_t stamp_us);
/* Within a transaction. */
void change_add(struct change_writer *w, const struct change_row *row);
/* A transaction without changes leaves nothing behind. */
void change_end(struct change_writer *w);
/* Forget the open transaction. */
void change_abort(struct change_writer *w);
/* Close the open LOCAL transaction as a part, only in front of a further change
 * of it: the rest must not be empty. Nothing may follow in this buffer; the
 * same transaction goes on (change_begin) in another writer, or in this one
 * once it is cleared. */
void change_part(struct change_writer *w);
/* Our own apply, seen again: that task's checkpoint moved to this index. */
void change_echo(struct change_writer *w, uint32_t task_id,
		 uint64_t applied_index);
/* Bytes so far, with the open transaction. */
size_t change_writer_bytes(const struct change_writer *w);
/* One change alone, as in DeadLetter.change; it is appended to buf. */
void change_encode(struct value_buf *buf, const struct change_row *row);
/* The key of a row: the encoded values of its key fields, appended to buf. */
void change_key(struct value_buf *buf, const struct value *key_values,
		uint32_t n);

/* -- reading --------------------------------------------------------------- */
struct change_txn {
	enum txn_kind kind;
	int64_t stamp_us;
	uint32_t task_id;       /* TXN_ECHO */
	uint64_t applied_index; /* likewise */
	uint32_t n_changes;
};

struct change_reader {
	struct value_reader in;
	uint32_t n_left;  /* changes of the transaction that is being read */
	uint32_t ordinal; /* of the next change */
};
void change_reader_init(struct change_reader *r, struct bytes changes);
/* 1: the next transaction; 0: the end; ERR_CORRUPT. What is left of the one
 * before is skipped. */
int change_next_txn(struct change_reader *r, struct change_txn *out);
/* 1: the next change of the transaction; 0: no more; ERR_CORRUPT. */
int change_next(struct change_reader *r, struct change *out);
/* One change alone. */
int change_decode(struct bytes whole, struct change *out);
/* Its values; out holds at least n_values. ERR_CORRUPT. */
int change_values(const struct change *c, struct value *out);
/* The values of a key; returns how many, or ERR_CORRUPT, ERR_LIMIT. */
int change_key_values(struct bytes key, struct value *out, uint32_t max);
/* Walk all of it: ERR_CORRUPT unless it is whole. */
int change_check(struct bytes changes);

const char *change_op_name(enum change_op op);

#endif
