/* One connection to a SQLite file, with our deadlines and our errors.
 *
 * Waits for another process's write at most as long as the options say, in
 * small steps, so that db_interrupt ends them soon. An interrupt counts for the
 * call under way, or else for the next one, and is used up by the ERR_CLOSED
 * that it causes. Short work is finished all the same: a task that is woken
 * often still gets on.
 *
 * Owned by one thread; only db_interrupt may be called by others. */
#ifndef CONNECTORS_SQLITE_DB_H
#define CONNECTORS_SQLITE_DB_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "connectors/sqlite/options.h"

struct db {
	sqlite3 *conn;
	struct options options;
	int64_t busy_end_us; /* of the call under way */
	int64_t long_us;     /* from then on the call may be interrupted */
	int wake_fd;         /* eventfd: interrupted */
	atomic_bool is_interrupted;
};

enum db_mode { DB_LOOK, DB_WRITE };

/* DB_WRITE brings the file to WAL mode. The file has to be there: it is never
 * created. ERR_NETWORK when it cannot be opened. Accepts e = NULL. */
int sqlite_db_open(struct db *db, const struct connector_target *t,
		   enum db_mode mode, struct err *e);
void sqlite_db_close(struct db *db); /* accepts a half-built one */
void sqlite_db_interrupt(struct db *db);
/* Begin a call: its deadlines count from now on. busy_ms: longest wait for a
 * lock, at most that of the options; 0 stands for that. */
void sqlite_db_call(struct db *db, int busy_ms);
/* True: an interrupt came; it is used up. */
bool sqlite_db_take_interrupt(struct db *db);

/* One or more statements without results. */
int sqlite_db_exec(struct db *db, const char *sql, struct err *e);
int sqlite_db_prepare(struct db *db, const char *sql, sqlite3_stmt **out,
		      struct err *e);
/* 1: a row; 0: the end, the statement is reset; an error: likewise reset. */
int sqlite_db_step(struct db *db, sqlite3_stmt *stmt, struct err *e);
/* The one number that a query gives, absent when it gives none. */
int sqlite_db_number(struct db *db, const char *sql, int64_t absent,
		     int64_t *out, struct err *e);
/* The error of SQLite as one of ours. */
int sqlite_db_error(struct db *db, int rc, struct err *e);
/* Begin a write transaction: waits for other writers. */
int sqlite_db_begin(struct db *db, struct err *e);
int sqlite_db_commit(struct db *db, struct err *e);
/* Nothing to do when no transaction is open. */
void sqlite_db_rollback(struct db *db);
/* Everything that can be seen is on the disk, too. */
int sqlite_db_sync(struct db *db, struct err *e);

int64_t sqlite_db_now_us(void);
int64_t sqlite_db_wall_us(void);

#endif
