/* Marks: what we keep in a database beside the changes themselves.
 *
 *   _synod_state       one row: whose apply transaction is open ("" when none).
 *                      Triggers look at it; SQLite has one writer at a time, so
 *                      it is exact
 *   _synod_checkpoint  a row for each apply task: epoch and applied index
 *   _synod_capture     a row for each capture: its epoch (the fence), the life
 *                      of this set-up (incarnation), what was purged
 *
 * A mark "cluster/connection" names a side: its own rows are not captured by
 * that connection, only by others. Within a transaction of the caller. */
#ifndef CONNECTORS_SQLITE_MARKS_H
#define CONNECTORS_SQLITE_MARKS_H

#include "connectors/sqlite/db.h"

enum { MARKS_NAME_MAX = 96 };

struct marks_capture {
	int64_t id; /* in the names of its tables and triggers */
	int64_t incarnation;
	uint64_t epoch;
};

/* The three tables. */
int sqlite_marks_create(struct db *db, struct err *e);
/* Are they there? A look, nothing is created. */
int sqlite_marks_exist(struct db *db, bool *exist, struct err *e);
/* "cluster/connection". */
void sqlite_marks_name(const struct connector_target *t,
		       char name[MARKS_NAME_MAX]);

/* Find or make the row of a capture and raise its epoch. ERR_FENCED: it is
 * newer. */
int sqlite_marks_take(struct db *db, const struct connector_target *t,
		      uint64_t epoch, struct marks_capture *out, struct err *e);
/* The row of a capture. ERR_NOTFOUND. */
int sqlite_marks_find(struct db *db, const struct connector_target *t,
		      struct marks_capture *out, struct err *e);

#endif
