/* Connector: the seam between Synod and one kind of system. A connector reads
 * what a system did (capture), writes what others did (apply), says what the
 * system looks like (describe) and what stands in the way (check). It knows
 * neither the cluster nor the log.
 *
 * Each handle belongs to the thread that opened it and may block there, at most
 * as long as it was told or its own deadline (CONNECTOR_CALL_MS); interrupt may
 * be called by any thread at any time between open and close and makes the call
 * under way return soon with ERR_CLOSED.
 *
 * Errors (class, not code of the system; the text has both):
 *   ERR_NETWORK, ERR_TIMEOUT, ERR_BUSY  transient: try again later
 *   ERR_FENCED      a newer epoch owns this: stop
 *   ERR_PERMISSION  log in or privilege: a person must act
 *   ERR_SCHEMA      a table is not what it was when it was planned; the text
 *                   names it: that table pauses
 *   ERR_GAP         the source cannot continue where we stand
 *   ERR_DATA        a value or row that the system refuses
 *   ERR_INVALID     the definition
 *   anything else   a bug or a broken system: as transient, with a long wait
 */
#ifndef CONNECTORS_CONNECTOR_H
#define CONNECTORS_CONNECTOR_H

#include "proto/change.h"
#include "proto/definition.pb-c.h"

enum {
	CONNECTOR_CALL_MS =
		10000, /* one call to the system, connect included */
	CONNECTOR_TEXT_MAX = 512,
};

/* Resolves "secret://NAME"; a value without that prefix is itself. ERR_NOTFOUND
 * names the places that were looked into. Any thread. */
struct connector_secrets {
	void *ctx;
	int (*get)(void *ctx, const char *reference, char *buf, size_t cap,
		   struct err *e);
};

/* What every call needs to know of the connection. Borrowed for as long as a
 * handle is open. */
struct connector_target {
	const Synod__Definition__Connection *connection;
	const char *cluster; /* 32 hex digits: names of slots and marks */
	const struct connector_secrets *secrets;
	const char *base_dir; /* for relative paths of SQLite files; or NULL */
};

/* A table as it takes part on this connection. */
struct connector_table {
	const Synod__Definition__Table *table;
	const Synod__Definition__Side *side;
	bool wants_load; /* capture: its rows are read once */
	/* But not yet: the position says that they were not, and they are read
	 * when the capture is opened without it. */
	bool is_load_put_off;
	bool is_two_way;
	uint32_t load_chunk; /* rows a chunk */
};

/* -- what a system looks like -----------------------------------------------
 */
struct connector_column {
	const char *name;
	enum value_type type;
	const char *native; /* the type as the system writes it */
	bool is_key, is_nullable;
	bool is_generated; /* cannot be written */
	bool is_large;     /* may be left out of a change (TOAST) */
};
struct connector_schema {
	const char *table; /* canonical name */
	struct connector_column *columns;
	size_t n;
};

/* Something that stands in the way of a sync, or that will hurt. */
struct connector_finding {
	bool is_fatal;      /* else a warning */
	const char *table;  /* or NULL */
	const char *text;   /* what is wrong */
	const char *repair; /* what to type there: SQL; or NULL */
};
struct connector_findings {
	struct arena *arena; /* the caller's: every text lives there */
	struct connector_finding *list;
	size_t n, cap;
};
void connector_find(struct connector_findings *f, bool is_fatal,
		    const char *table, const char *repair, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

struct capture_handle;
struct apply_handle;

/* -- capture -----------------------------------------------------------------
 */
struct capture_setup {
	struct connector_target target;
	const struct connector_table *tables; /* is_source */
	size_t n_tables;
	uint32_t task_id;
	uint64_t epoch;
};
struct capture_figures {
	bool is_connected;
	int64_t position_us;     /* commit time of the newest change read */
	uint64_t retained_bytes; /* what the source keeps for us */
	uint64_t n_loaded, n_to_load; /* rows; an estimate */
	uint32_t n_tables_loading;
};

/* -- apply -------------------------------------------------------------------
 */
struct apply_setup {
	struct connector_target target;
	const struct connector_table *tables; /* is_target */
	size_t n_tables;
	uint32_t task_id;
	uint64_t epoch;
};
/* One row to be written, in order. */
struct apply_row {
	const struct connector_table *table;
	uint64_t index;
	uint32_t ordinal;
	struct change change;
	const struct value *values; /* of change, in order of the fields */
	/* CHANGE_READ: over what is there if it differs; else it is reported as
	 * APPLY_DIFFERS. */
	bool is_authority;
};
enum apply_verdict { APPLY_REFUSED, APPLY_DIFFERS };
/* Why a row was not written. */
struct apply_reject {
	size_t row; /* place in the group */
	enum apply_verdict verdict;
	int code; /* ERR_DATA, ... */
	char text[CONNECTOR_TEXT_MAX];
	struct value_buf existing; /* APPLY_DIFFERS: the row there, a change */
};
struct apply_group {
	const struct apply_row *rows;
	size_t n;
	uint64_t from_index; /* the checkpoint that the target must have */
	uint64_t to_index;   /* and has afterwards */
};
/* Rows that stopped the group; the caller frees each existing and the list. */
struct apply_rejects {
	struct apply_reject *list;
	size_t n;
};
void apply_rejects_clear(struct apply_rejects *r);

/* -- the table of a connector ------------------------------------------------
 */
struct connector_option {
	const char *name; /* NULL ends the list */
	const char *doc;
	const char *preset; /* NULL: none */
	bool is_required, is_secret, is_number;
	bool is_path;             /* of a file; relative to base_dir */
	const char *const *words; /* allowed values; NULL: any */
};

struct connector {
	const char *type; /* "sqlite", "postgresql" */
	const struct connector_option *options;

	/* Reach it: log in, ask its version. text: one line for people. */
	int (*test)(const struct connector_target *t, char *text, size_t cap,
		    struct err *e);
	/* A table as it is now; name as a person wrote it. ERR_NOTFOUND. */
	int (*describe)(const struct connector_target *t, const char *name,
			struct arena *arena, struct connector_schema *out,
			struct err *e);
	/* Names of its tables, at most max; returns how many, or an error. */
	int (*tables)(const struct connector_target *t, struct arena *arena,
		      const char **names, size_t max, struct err *e);
	/* May a column of this description hold every value of a field of this
	 * type (and native name) and give it back? NULL: yes; else why not. */
	const char *(*refuses)(const struct connector_column *column,
			       enum value_type type, const char *native);
	/* What stands in the way of these tables. Changes nothing. */
	int (*check)(const struct connector_target *t,
		     const struct connector_table *tables, size_t n,
		     struct connector_findings *out, struct err *e);
	/* Remove what was left there for us: of the capture (slot,
	 * publication, triggers), or the checkpoint of an apply task. Safe to
	 * repeat. */
	int (*forget)(const struct connector_target *t, uint32_t task_id,
		      struct err *e);

	/* Take the source over from whoever reads it (an older epoch), create
	 * there what is missing. */
	int (*capture_open)(const struct capture_setup *setup,
			    struct capture_handle **out, struct err *e);
	/* Begin behind position (of the last poll that the log has accepted);
	 * empty: begin now, for the first time. Again after an error of a
	 * proposal. */
	int (*capture_start)(struct capture_handle *h, struct bytes position,
			     struct err *e);
	/* Whole transactions, echoes and parts of the load, about bytes_max of
	 * them, into w. A transaction in which a checkpoint of ours moved is an
	 * echo of that task and nothing else of it counts. One that is larger
	 * than bytes_max is cut (change_part), and position then stands within
	 * it. position (appended to an empty buf) is where the source
	 * stands behind them. Waits up to wait_ms for the first. Nothing new: 0
	 * with an unchanged w; a position without changes is worth proposing
	 * (the source would keep too much otherwise). */
	int (*capture_poll)(struct capture_handle *h, size_t bytes_max,
			    int wait_ms, struct change_writer *w,
			    struct value_buf *position, struct err *e);
	/* The log has this position: the source may forget what is before. */
	int (*capture_confirm)(struct capture_handle *h, struct bytes position,
			       struct err *e);
	void (*capture_figures)(struct capture_handle *h,
				struct capture_figures *out);
	void (*capture_interrupt)(struct capture_handle *h);
	void (*capture_close)(struct capture_handle *h); /* NULL is allowed */

	/* Raise the epoch in the target (this waits for, or ends, what an older
	 * owner has open there) and read its checkpoint. */
	int (*apply_open)(const struct apply_setup *setup,
			  struct apply_handle **out, uint64_t *applied_index,
			  struct err *e);
	/* One target transaction: checkpoint, then the rows in order, all or
	 * nothing. ERR_DATA: nothing was written, rejects name the rows that
	 * stand in the way (at least one). PUT writes over what is there or
	 * inserts; PATCH of a row that is not there is a reject; DELETE of one
	 * that is not there is nothing. ERR_FENCED: the checkpoint is another
	 * epoch's, or not from_index. A connection that broke at the commit
	 * leaves the fate open: the caller opens anew and reads it. */
	int (*apply_write)(struct apply_handle *h, const struct apply_group *g,
			   struct apply_rejects *rejects, struct err *e);
	void (*apply_interrupt)(struct apply_handle *h);
	void (*apply_close)(struct apply_handle *h); /* NULL is allowed */
};

/* By type; NULL when there is none. node/connectors.c lists them. */
extern const struct connector connector_sqlite, connector_postgres;

#endif
