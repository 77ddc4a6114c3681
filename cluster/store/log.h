/* The change log on disk: one LMDB environment, one writer thread, full sync.
 *
 * Everything that changes it goes through one queue and is done in that order:
 * append, truncate, reset, forget. The writer takes what waits (up to
 * LOG_COMMIT_*), puts it into one transaction and commits: whoever waited
 * shares one fsync (group commit). Completions are notes in the owner's
 * mailbox, in order. A write error stops the process (exit code EX_IOERR, the
 * reason in the log): memory and disk must never disagree.
 *
 * Records carry a checksum over header, index and payload, verified at every
 * read; a bad one is never handed out: the read fails with ERR_CORRUPT.
 *
 * dbi "log":  key u32 group BE | u64 index BE; value: a run of entries, each a
 *             32-byte header and its payload
 * dbi "meta": format, first index, base index and term (see docs/FORMATS.md) */
#ifndef CLUSTER_STORE_LOG_H
#define CLUSTER_STORE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/histogram.h"
#include "base/mailbox.h"

/* LIMIT_COMMIT_BYTES, LIMIT_COMMIT_RECORDS, LIMIT_FORGET_RECORDS and
 * LIMIT_READER_MS of proto/limits.h, which this room may not include: one
 * commit (a single larger request is done alone), records forgotten per commit,
 * age of a read transaction that is worth a line in the log. */
#define LOG_COMMIT_BYTES ((size_t)8 << 20)
enum {
	LOG_COMMIT_RECORDS = 8192,
	/* One run: entries stored as one value. Reading one of them walks over
	 * those before it. */
	LOG_RUN_RECORDS = 512,
	LOG_RUN_BYTES = 256 << 10,
	LOG_FORGET_RECORDS = 4096,
	LOG_READER_MS = 1000
};
/* Payload of one record; more is a bug of the caller. */
#define LOG_PAYLOAD_BYTES_MAX ((size_t)64 << 20)

/* Same numbers as Raft's entry types. */
enum log_type { LOG_COMMAND = 1, LOG_BARRIER = 2, LOG_CHANGE = 3 };

struct log_entry {
	uint64_t index, term;
	int64_t time_us; /* wall clock of the node that stored it; 0 in
			    log_append: the store fills it in */
	enum log_type type;
	const uint8_t *data; /* borrowed */
	size_t len;
};

enum { NOTE_LOG_DONE = 100 };

/* Posted by the writer when a request is durable. */
struct log_done {
	struct note note; /* kind NOTE_LOG_DONE; free() it */
	uint64_t ticket;  /* the caller's */
};

struct log_config {
	const char *path;      /* directory of the environment, created */
	size_t bytes_max;      /* quota; the map is a little larger (env.h) */
	struct mailbox *owner; /* completions */
	struct clock clock;
	struct histogram *commit_us; /* duration of commits, may be NULL */
};

struct log_bounds {
	uint64_t
		first_index; /* oldest record on disk; base_index + 1 if none */
	uint64_t last_index; /* newest durable record, or base_index */
	uint64_t
		base_index; /* what came before the first record ever stored: */
	uint64_t base_term; /* 0/0, or what an image replaced (log_reset) */
	size_t bytes_used;  /* pages that hold something */
	size_t bytes_max;
};

struct log_store;

int log_open(struct log_store **out, const struct log_config *cfg,
	     struct err *e);
/* Waits for the queue to drain, then ends the thread. Nobody may be reading.
 * NULL is allowed. */
void log_close(struct log_store *s);

/* -- owner's thread: ordered requests, each ends with a log_done ------- */
/* n entries with consecutive indexes, the first one right behind the last one
 * queued (a gap stops the process). The entries array is copied, the payloads
 * are borrowed until the completion. */
void log_append(struct log_store *s, const struct log_entry *entries, size_t n,
		uint64_t ticket);
/* Delete from index to the end. What was forgotten was committed, so something
 * behind it always stays: a truncation of all of it stops the process. */
void log_truncate(struct log_store *s, uint64_t index, uint64_t ticket);
/* Delete everything; the next append is index + 1. */
void log_reset(struct log_store *s, uint64_t index, uint64_t term,
	       uint64_t ticket);
/* Retention: delete the records up to index, in small steps between commits.
 * No completion; never deletes the newest record. */
void log_forget(struct log_store *s, uint64_t index);

/* -- any thread -------------------------------------------------------- */
/* As of the last commit. */
void log_bounds(struct log_store *s, struct log_bounds *out);
/* The quota is filled beyond LIMIT_LOG_FULL_PERCENT, or the disk has no room
 * for the next step of the reserve: refuse proposals. */
bool log_is_full(struct log_store *s);

/* A read transaction: a consistent view, zero copy; what it lends is valid
 * until log_read_end. Keep it short: it pins free pages. */
struct log_reader {
	struct log_store *store;
	void *txn, *cursor;
	struct bytes rest;    /* of the run, behind the last entry read */
	uint64_t first_index; /* of this view */
	uint64_t next_index;  /* where the cursor goes by itself */
	int64_t since_us;
};

int log_read_begin(struct log_store *s, struct log_reader *r, struct err *e);
/* The entry at index. ERR_NOTFOUND, ERR_CORRUPT. Consecutive calls with
 * consecutive indexes move a cursor. */
int log_read(struct log_reader *r, uint64_t index, struct log_entry *out,
	     struct err *e);
void log_read_end(struct log_reader *r);

#endif
