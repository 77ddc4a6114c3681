#include "connectors/sqlite/db.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"

enum {
	BUSY_STEP_MS = 10,
	PROGRESS_OPS = 10000,
	/* A call that is at work for so long is worth interrupting. */
	LONG_MS = 500,
};

int64_t sqlite_db_now_us(void)
{
	struct clock c = clock_system();

	return clock_mono_us(&c);
}

int64_t sqlite_db_wall_us(void)
{
	struct clock c = clock_system();

	return clock_wall_us(&c);
}

/* Another process holds a lock: look again soon, and more seldom later. */
static int on_busy(void *ctx, int n_calls)
{
	struct db *db = ctx;
	int ms = n_calls < BUSY_STEP_MS ? n_calls + 1 : BUSY_STEP_MS;
	struct pollfd p = {.fd = db->wake_fd, .events = POLLIN};

	if (atomic_load(&db->is_interrupted) ||
	    sqlite_db_now_us() >= db->busy_end_us)
		return 0;
	(void)poll(&p, 1, ms);
	return 1;
}

static int on_progress(void *ctx)
{
	struct db *db = ctx;

	return atomic_load(&db->is_interrupted) &&
	       sqlite_db_now_us() > db->long_us;
}

void sqlite_db_call(struct db *db, int busy_ms)
{
	if (busy_ms <= 0 || busy_ms > db->options.busy_ms)
		busy_ms = db->options.busy_ms;
	db->busy_end_us = sqlite_db_now_us() + (int64_t)busy_ms * 1000;
	db->long_us = sqlite_db_now_us() + (int64_t)LONG_MS * 1000;
}

static int set_up(struct db *db, enum db_mode mode, struct err *e)
{
	static const char common[] = "PRAGMA cell_size_check=ON;"
				     "PRAGMA temp_store=MEMORY";

	if (sqlite3_busy_handler(db->conn, on_busy, db) != SQLITE_OK)
		return err_set(e, ERR_SYSTEM, "no busy handler");
	sqlite3_progress_handler(db->conn, PROGRESS_OPS, on_progress, db);
	(void)sqlite3_extended_result_codes(db->conn, 1);
	int rc = sqlite_db_exec(db, common, e);
	if (rc || mode == DB_LOOK)
		return rc;
	sqlite3_stmt *stmt = NULL;
	rc = sqlite_db_prepare(db, "PRAGMA journal_mode=WAL", &stmt, e);
	if (rc)
		return rc;
	rc = sqlite_db_step(db, stmt, e);
	if (rc == 1) {
		const char *text = (const char *)sqlite3_column_text(stmt, 0);

		rc = text && strcmp(text, "wal") == 0
			     ? 0
			     : err_set(e, ERR_PERMISSION,
				       "%s: cannot be brought to WAL mode",
				       db->options.path);
	}
	sqlite3_finalize(stmt);
	return rc;
}

int sqlite_db_open(struct db *db, const struct connector_target *t,
		   enum db_mode mode, struct err *e)
{
	*db = (struct db){.wake_fd = -1};
	int rc = sqlite_options_read(&db->options, t, e);
	if (rc)
		return rc;
	db->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (db->wake_fd < 0)
		return err_set(e, ERR_SYSTEM, "eventfd: %s", strerror(errno));
	sqlite_db_call(db, 0);
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE;
	int code = sqlite3_open_v2(db->options.path, &db->conn, flags, NULL);
	if (code != SQLITE_OK) {
		rc = sqlite_db_error(db, code, e);
		goto fail;
	}
	rc = set_up(db, mode, e);
	if (rc)
		goto fail;
	return 0;
fail:
	sqlite_db_close(db);
	return err_wrap(e, "sqlite");
}

void sqlite_db_close(struct db *db)
{
	if (db->conn)
		CHECK(sqlite3_close(db->conn) == SQLITE_OK);
	db->conn = NULL;
	if (db->wake_fd >= 0)
		close(db->wake_fd);
	db->wake_fd = -1;
}

void sqlite_db_interrupt(struct db *db)
{
	uint64_t one = 1;

	atomic_store(&db->is_interrupted, true);
	/* A full counter has woken whoever waits already. */
	ssize_t n = write(db->wake_fd, &one, sizeof(one));
	(void)n;
}

bool sqlite_db_take_interrupt(struct db *db)
{
	uint64_t count = 0;

	if (!atomic_exchange(&db->is_interrupted, false))
		return false;
	ssize_t n = read(db->wake_fd, &count, sizeof(count));
	(void)n;
	return true;
}

static int class_of(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL:
		return ERR_BUSY;
	case SQLITE_PERM:
	case SQLITE_READONLY:
	case SQLITE_AUTH:
		return ERR_PERMISSION;
	case SQLITE_CANTOPEN:
		return ERR_NETWORK;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_FORMAT:
		return ERR_CORRUPT;
	case SQLITE_FULL:
		return ERR_FULL;
	case SQLITE_NOMEM:
		return ERR_NOMEM;
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH:
	case SQLITE_TOOBIG:
		return ERR_DATA;
	case SQLITE_ERROR: /* no such table, no such column */
	case SQLITE_SCHEMA:
		return ERR_SCHEMA;
	default:
		return ERR_IO;
	}
}

int sqlite_db_error(struct db *db, int rc, struct err *e)
{
	const char *text =
		db->conn ? sqlite3_errmsg(db->conn) : sqlite3_errstr(rc);
	bool is_wait =
		(rc & 0xff) == SQLITE_INTERRUPT || (rc & 0xff) == SQLITE_BUSY;

	if (is_wait && sqlite_db_take_interrupt(db))
		return err_set(e, ERR_CLOSED, "interrupted");
	if ((rc & 0xff) == SQLITE_CANTOPEN)
		return err_set(e, ERR_NETWORK, "%s: %s", db->options.path,
			       text);
	return err_set(e, class_of(rc), "%s (sqlite %d)", text, rc);
}

int sqlite_db_exec(struct db *db, const char *sql, struct err *e)
{
	int rc = sqlite3_exec(db->conn, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : sqlite_db_error(db, rc, e);
}

int sqlite_db_prepare(struct db *db, const char *sql, sqlite3_stmt **out,
		      struct err *e)
{
	int rc = sqlite3_prepare_v3(db->conn, sql, -1,
				    SQLITE_PREPARE_PERSISTENT, out, NULL);

	return rc == SQLITE_OK ? 0 : sqlite_db_error(db, rc, e);
}

int sqlite_db_step(struct db *db, sqlite3_stmt *stmt, struct err *e)
{
	int rc = sqlite3_step(stmt);

	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE) {
		(void)sqlite3_reset(stmt);
		return 0;
	}
	int code = sqlite_db_error(db, rc, e);
	(void)sqlite3_reset(stmt);
	return code;
}

int sqlite_db_number(struct db *db, const char *sql, int64_t absent,
		     int64_t *out, struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite_db_prepare(db, sql, &stmt, e);

	if (rc)
		return rc;
	rc = sqlite_db_step(db, stmt, e);
	if (rc >= 0) {
		*out = rc ? sqlite3_column_int64(stmt, 0) : absent;
		rc = 0;
	}
	sqlite3_finalize(stmt);
	return rc;
}

int sqlite_db_begin(struct db *db, struct err *e)
{
	return sqlite_db_exec(db, "BEGIN IMMEDIATE", e);
}

int sqlite_db_commit(struct db *db, struct err *e)
{
	return sqlite_db_exec(db, "COMMIT", e);
}

void sqlite_db_rollback(struct db *db)
{
	if (db->conn && !sqlite3_get_autocommit(db->conn))
		(void)sqlite3_exec(db->conn, "ROLLBACK", NULL, NULL, NULL);
}

/* Closing a descriptor of the database itself would drop SQLite's locks on it;
 * nobody locks the -wal file. */
int sqlite_db_sync(struct db *db, struct err *e)
{
	char path[OPTIONS_PATH_MAX + 8];

	(void)snprintf(path, sizeof(path), "%s-wal", db->options.path);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
	int rc = fdatasync(fd) ? err_set(e, ERR_IO, "%s: fdatasync: %s", path,
					 strerror(errno))
			       : 0;
	close(fd);
	return rc;
}
