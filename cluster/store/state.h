/* The state on disk: what the state machines decide from the committed log, in
 * an LMDB environment of its own, written by one thread with group commit.
 *
 * The thread reads committed entries from the log (zero copy) and applies them
 * at once, in a transaction that stays open: only its commit is gathered. What
 * was decided is known in memory within microseconds (the hook `applied`), and
 * durable some time later; who acts on the former must be able to lose it,
 * which a decision that follows from the log can. The applied index is stored
 * in the same transaction: a crash repeats or keeps both, never one. Nobody
 * waits for it before answering a proposal; after a restart it goes on behind
 * its applied index. Its lag is the caller's to bound. Each value carries a
 * checksum that binds it to its key, verified at each get and seek. A write
 * error, a corrupt value and a corrupt log record stop the process (EX_IOERR,
 * the reason in the log).
 *
 * dbi "kv":   key of the state machine (1..511 bytes); value: u64 checksum,
 *             then the value
 * dbi "meta": format and the point it stands at (see state_internal.h) */
#ifndef CLUSTER_STORE_STATE_H
#define CLUSTER_STORE_STATE_H

#include "base/kv.h"
#include "cluster/store/log.h"

/* LIMIT_APPLY_RECORDS and LIMIT_APPLY_BYTES of proto/limits.h: one transaction.
 * STATE_GATHER_US: a transaction is open for so long, unless a quarter of what
 * it may hold has gathered: the state's fsyncs must not stand in the way of the
 * log's. STATE_STEP_RECORDS: after so many the hook is called, at the latest.
 * STATE_KEY_BYTES_MAX: LIMIT_KEY_BYTES. */
#define STATE_COMMIT_BYTES ((size_t)16 << 20)
enum {
	STATE_COMMIT_RECORDS = 16384,
	STATE_GATHER_US = 50000,
	STATE_STEP_RECORDS = 256,
	STATE_KEY_BYTES_MAX = 511
};

enum { NOTE_STATE_APPLIED = 101 };

/* What the state stands at. Written in the transaction that applied it. */
struct state_point {
	uint64_t index, term; /* last applied entry */
	uint64_t conf_index;  /* last applied LOG_CHANGE ... */
	struct blob *conf;    /* ... and its payload; NULL when none */
};

/* Posted after each commit; free() it. */
struct state_applied {
	struct note note;
	uint64_t index;
};

/* Applies one committed entry. State thread, inside the transaction;
 * deterministic: same entries, same kv, on every node. */
struct state_machine {
	void *ctx;
	void (*apply)(void *ctx, const struct kv *kv,
		      const struct log_entry *entry);
	/* Before each commit, inside the transaction: write what apply kept
	 * back, so that a counter costs one write a commit and not one an
	 * entry. May be NULL. */
	void (*flush)(void *ctx, const struct kv *kv);
	/* After the transaction is durable: what apply learned may be shown. */
	void (*committed)(void *ctx, uint64_t index); /* may be NULL */
	/* After each batch of entries, the last of which has this index: they
	 * are applied, and not yet durable. State thread, inside the
	 * transaction. May be NULL. */
	void (*applied)(void *ctx, uint64_t index);
};

struct state_config {
	const char *path;
	size_t bytes_max;
	struct log_store *log;
	struct mailbox *owner;
	struct state_machine machine;
	struct clock clock;
};

struct state_store;

int state_open(struct state_store **out, const struct state_config *cfg,
	       struct err *e);
/* Commits the transaction that is open; what was committed in the log and not
 * yet applied is applied after the next start. NULL is allowed. Close it before
 * the log, with no reader left. */
void state_close(struct state_store *s);

/* -- owner's thread ---------------------------------------------------- */
/* Entries up to index are committed and durable in the log: apply them. */
void state_commit(struct state_store *s, uint64_t index);
/* -- any thread -------------------------------------------------------- */
/* Read-only kv of the last durable state for the length of fn, on the caller's
 * thread; any number of threads at a time (up to ENV_READERS_MAX). fn must not
 * call state_read again and should be short: an install waits for it, and pages
 * that it may see are not used again meanwhile. */
void state_read(struct state_store *s, void (*fn)(const struct kv *, void *),
		void *ctx);
/* Durable. Gives a reference to conf. */
void state_point(struct state_store *s, struct state_point *out);
/* As log_is_full, for the quota and the disk of the state. */
bool state_is_full(struct state_store *s);

/* -- images: the whole state at one point, as one file ----------------- */
/* Write a compact copy of the last durable state to path, verified and synced.
 * point: what it stands at (gives a reference to conf). Blocks for as long as
 * the copy takes: any thread but the loop. */
int state_image_write(struct state_store *s, const char *path,
		      struct state_point *point, struct err *e);
/* Size and digest of a file: what one node says about its image and the other
 * one checks. Blocks. */
int state_image_digest(const char *path, uint64_t *size, uint64_t *digest,
		       struct err *e);
/* Replace state and log by an image: afterwards the state stands at its point
 * and the log is empty behind it; the image file is gone (it became the state).
 * ERR_CORRUPT and ERR_INVALID (another index or term than said) leave
 * everything as it was. Crash-safe: a marker file names what is under way, and
 * store_install_finish (called before the environments are opened) completes
 * it. The image must lie on the disk of the data directory. Both threads must
 * be idle, the state's with nothing applied that is not durable; nobody may be
 * reading the log. Readers of the state are waited for, and wait. Owner's
 * thread. Blocks: before loop start or with Raft stopped. */
int state_image_install(struct state_store *s, const char *path, uint64_t index,
			uint64_t term, struct err *e);
int store_install_finish(const char *dir, struct err *e);

#endif
