/* Capture of a SQLite file: what its parts share. triggers.h says how changes
 * get into the change table.
 *
 * A poll reads in ONE read transaction what was recorded behind the position
 * and, when nothing more is recorded, a chunk of a table that is being loaded:
 * a chunk row is exactly as of the records before it, so no later change can be
 * overtaken by it.
 *
 * Transactions: what became visible between two polls is whole commits, in
 * their order, because there is one writer. SQL has no transaction number, so
 * they make one group, unless a boundary is certain: an apply of ours lies
 * between, or total_changes() shows another connection. Groups merge
 * transactions and never split them; only a group of more than
 * CAPTURE_GROUP_BYTES (a backlog, as a rule) is cut between two statements, for
 * one without end would stop the sync for good.
 *
 * Before changes are handed over, the file is synced: a power cut at a writer
 * that does not sync (synchronous=NORMAL or OFF) cannot take back what was
 * passed on. Should a history be another one all the same (a backup was
 * restored), the time of the last record tells: ERR_GAP. */
#ifndef CONNECTORS_SQLITE_CAPTURE_H
#define CONNECTORS_SQLITE_CAPTURE_H

#include "connectors/sqlite/position.h"
#include "connectors/sqlite/triggers.h"
#include "connectors/sqlite/types.h"
#include "connectors/sqlite/wake.h"

enum {
	CAPTURE_CHUNK = 1000, /* rows, when nobody says */
	CAPTURE_GROUP_BYTES = 64 << 20,
};

/* A table as it is captured. */
struct captured {
	struct connector_table ct;
	struct types_field *fields; /* n of them, in their order */
	uint32_t n, n_key;          /* the key comes first */
	int64_t n_estimated;        /* rows, when it is loaded */
};

struct capture_handle {
	struct db db;
	struct triggers triggers;
	struct connector_target target;
	struct marks_capture mark;
	uint64_t epoch;
	struct captured *tables;
	size_t n_tables, n_fields_max;
	struct arena arena; /* tables */
	struct arena row;   /* one row at a time */
	struct value *values;

	struct position at;   /* what the last poll gave */
	struct position next; /* what the one under way will give */
	bool is_started;
	bool must_tell;  /* a position that nobody knows yet */
	bool is_renewed; /* triggers were replaced: look again */

	sqlite3_stmt *head, *version, *changes;
	int64_t schema_version; /* verified; -1: none */
	int64_t last_seq;       /* in the file */
	int64_t confirmed, purged, purge_us;
	struct wake wake;
	uint64_t device, inode; /* of the file that was opened */
};

/* By table id; NULL: it is not captured (any more). */
struct captured *sqlite_capture_table(struct capture_handle *h,
				      uint32_t table_id);
/* Where a row's fields stand in a result. */
struct capture_image {
	int first;     /* place of the first field */
	bool is_whole; /* else only key and what `where` asks for are known */
};
/* The row into h->values; what is not known is absent. A value that does not
 * fit is ERR_SCHEMA, with table, key and value. */
int sqlite_capture_values(struct capture_handle *h, const struct captured *t,
			  sqlite3_stmt *row, struct capture_image image,
			  struct err *e);
/* Does the row of h->values belong to this side? 1, 0, or an error. */
int sqlite_capture_holds(struct capture_handle *h, const struct captured *t,
			 struct err *e);

/* Read records behind h->next up to h->last_seq, about bytes_max of them. 1:
 * there is more; 0: that was all. */
int sqlite_changes_read(struct capture_handle *h, size_t bytes_max,
			struct change_writer *w, struct err *e);
/* Rows of the table are still to be read, and may be now. */
bool sqlite_load_is_due(const struct captured *t, struct position *at);
/* One chunk of the first table that is due. 1: there was one. */
int sqlite_load_read(struct capture_handle *h, size_t bytes_max,
		     struct change_writer *w, struct err *e);
/* Rows of a table, roughly. */
void sqlite_load_estimate(struct capture_handle *h, struct captured *t);
/* Look the table up and install its triggers where there are none. */
int sqlite_captured_open(struct capture_handle *h, struct captured *t,
			 struct err *e);
/* Is every table still what it was when it was opened? */
int sqlite_capture_verify(struct capture_handle *h, struct err *e);
/* Forget records before h->confirmed, some of them. */
int sqlite_purge_some(struct capture_handle *h, struct err *e);

/* The functions of struct connector. */
int sqlite_capture_open(const struct capture_setup *setup,
			struct capture_handle **out, struct err *e);
int sqlite_capture_start(struct capture_handle *h, struct bytes position,
			 struct err *e);
int sqlite_capture_poll(struct capture_handle *h, size_t bytes_max, int wait_ms,
			struct change_writer *w, struct value_buf *position,
			struct err *e);
int sqlite_capture_confirm(struct capture_handle *h, struct bytes position,
			   struct err *e);
void sqlite_capture_figures(struct capture_handle *h,
			    struct capture_figures *out);
void sqlite_capture_interrupt(struct capture_handle *h);
void sqlite_capture_close(struct capture_handle *h);

#endif
