#include "sqlite_pipe.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static const char log_schema[] =
	"PRAGMA journal_mode=WAL;"
	"CREATE TABLE entry(idx INTEGER PRIMARY KEY, position BLOB,"
	" changes BLOB); CREATE TABLE owner(epoch INTEGER);"
	"INSERT INTO owner VALUES (0)";

static sqlite3 *open_file(const char *path)
{
	sqlite3 *db = NULL;

	if (sqlite3_open(path, &db) != SQLITE_OK)
		_exit(PIPE_FAILED);
	(void)sqlite3_busy_timeout(db, 10000);
	return db;
}

static void must(sqlite3 *db, const char *sql)
{
	char *text = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &text) == SQLITE_OK)
		return;
	(void)fprintf(stderr, "%s: %s\n", sql, text);
	_exit(PIPE_FAILED);
}

void pipe_open(struct pipe_files *p, const char *sql, const char *const *tables,
	       size_t n)
{
	fixture_open(&p->source, "PRAGMA journal_mode=WAL");
	fixture_open(&p->target, "PRAGMA journal_mode=WAL");
	fixture_exec(&p->source, sql);
	fixture_exec(&p->target, sql);
	for (size_t i = 0; i < n; i++) {
		fixture_table(&p->source, (uint32_t)i + 1, tables[i]);
		fixture_table(&p->target, (uint32_t)i + 1, tables[i]);
	}
	(void)snprintf(p->log, sizeof(p->log), "%s/log", p->source.dir);
	sqlite3 *log = open_file(p->log);
	must(log, log_schema);
	(void)sqlite3_close(log);
}

void pipe_close(struct pipe_files *p)
{
	static const char *const ends[] = {"", "-wal", "-shm"};
	char path[160];

	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(path, sizeof(path), "%s%s", p->log, ends[i]);
		(void)unlink(path);
	}
	fixture_close(&p->source);
	fixture_close(&p->target);
}

void pipe_pause(int ms)
{
	(void)poll(NULL, 0, ms);
}

static int code_of(int rc, const struct err *e)
{
	if (rc == ERR_FENCED)
		return PIPE_FENCED;
	if (rc == ERR_BUSY)
		return PIPE_BUSY;
	(void)fprintf(stderr, "%s\n", e->text);
	return PIPE_FAILED;
}

/* -- capture ---------------------------------------------------------------
 */
static void take_log(sqlite3 *log, uint64_t epoch)
{
	char sql[128];

	(void)snprintf(sql, sizeof(sql),
		       "UPDATE owner SET epoch = %llu WHERE epoch < %llu",
		       (unsigned long long)epoch, (unsigned long long)epoch);
	must(log, sql);
}

static void last_position(sqlite3 *log, struct value_buf *position)
{
	sqlite3_stmt *stmt = NULL;

	position->len = 0;
	if (sqlite3_prepare_v2(log,
			       "SELECT position FROM entry ORDER BY idx DESC"
			       " LIMIT 1",
			       -1, &stmt, NULL) != SQLITE_OK)
		_exit(PIPE_FAILED);
	if (sqlite3_step(stmt) == SQLITE_ROW)
		value_buf_put(position, sqlite3_column_blob(stmt, 0),
			      (size_t)sqlite3_column_bytes(stmt, 0));
	sqlite3_finalize(stmt);
}

/* The ledger's compare-and-set; false: somebody newer owns the capture. */
static bool propose(sqlite3 *log, uint64_t epoch, const struct value_buf *to,
		    const struct change_writer *w)
{
	sqlite3_stmt *stmt = NULL;

	if (sqlite3_prepare_v2(log,
			       "INSERT INTO entry(position, changes) SELECT ?1,"
			       " ?2 FROM owner WHERE epoch = ?3",
			       -1, &stmt, NULL) != SQLITE_OK)
		_exit(PIPE_FAILED);
	(void)sqlite3_bind_blob(stmt, 1, to->data, (int)to->len, SQLITE_STATIC);
	(void)sqlite3_bind_blob(stmt, 2, w->buf.data, (int)w->buf.len,
				SQLITE_STATIC);
	(void)sqlite3_bind_int64(stmt, 3, (int64_t)epoch);
	if (sqlite3_step(stmt) != SQLITE_DONE) {
		(void)fprintf(stderr, "propose: %s\n", sqlite3_errmsg(log));
		_exit(PIPE_FAILED);
	}
	sqlite3_finalize(stmt);
	return sqlite3_changes(log) == 1;
}

static int capture_loop(struct capture_handle *h, sqlite3 *log, uint64_t epoch,
			struct err *e)
{
	struct change_writer w;
	struct value_buf at = {0};

	change_writer_init(&w);
	for (;;) {
		change_writer_clear(&w);
		at.len = 0;
		int rc = connector_sqlite.capture_poll(h, 2000, 1000, &w, &at,
						       e);
		if (rc)
			return rc;
		if (at.len == 0)
			continue;
		if (!propose(log, epoch, &at, &w))
			return ERR_FENCED;
		rc = connector_sqlite.capture_confirm(
			h, (struct bytes){at.data, at.len}, e);
		if (rc)
			return rc;
	}
}

static int capture(struct pipe_files *p, uint64_t epoch)
{
	struct capture_setup setup = fixture_capture_setup(&p->source, epoch);
	sqlite3 *log = open_file(p->log);
	struct capture_handle *h = NULL;
	struct value_buf at = {0};
	struct err e = {0};

	take_log(log, epoch);
	int rc = connector_sqlite.capture_open(&setup, &h, &e);
	if (rc)
		return code_of(rc, &e);
	last_position(log, &at);
	rc = connector_sqlite.capture_start(h, (struct bytes){at.data, at.len},
					    &e);
	if (rc == 0)
		rc = capture_loop(h, log, epoch, &e);
	return code_of(rc, &e);
}

/* -- apply -----------------------------------------------------------------
 */
struct gathered {
	struct apply_row rows[4096];
	size_t n;
	struct arena arena;
};

static void gather(struct pipe_files *p, struct gathered *g,
		   struct bytes changes)
{
	struct change_reader r;
	struct change_txn t;
	struct change c;

	change_reader_init(&r, changes);
	while (change_next_txn(&r, &t) == 1) {
		while (change_next(&r, &c) == 1) {
			struct value *v = arena_alloc(
				&g->arena, (c.n_values + 1) * sizeof(*v));

			(void)change_values(&c, v);
			g->rows[g->n++] = (struct apply_row){
				.table = &p->target.tables[c.table_id - 1],
				.change = c,
				.values = v,
				.is_authority = true};
		}
		if (t.kind == TXN_PART)
			return;
	}
}

static bool ends_with_part(struct bytes changes)
{
	struct change_reader r;
	struct change_txn t = {0};

	change_reader_init(&r, changes);
	while (change_next_txn(&r, &t) == 1)
		;
	return t.kind == TXN_PART;
}

/* The entries from applied + 1 on up to the end of a transaction; 0: none. */
static uint64_t read_entries(struct pipe_files *p, sqlite3_stmt *stmt,
			     uint64_t applied, struct gathered *g)
{
	uint64_t to = 0;

	g->n = 0;
	arena_clear(&g->arena);
	sqlite3_reset(stmt);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)applied);
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		size_t len = (size_t)sqlite3_column_bytes(stmt, 1);
		struct bytes b = {arena_copy(&g->arena,
					     sqlite3_column_blob(stmt, 1), len),
				  len};

		gather(p, g, b);
		if (ends_with_part(b))
			continue;
		to = (uint64_t)sqlite3_column_int64(stmt, 0);
		break;
	}
	sqlite3_reset(stmt);
	return to;
}

static int apply_loop(struct pipe_files *p, struct apply_handle *h,
		      uint64_t applied, struct err *e)
{
	static struct gathered g;
	sqlite3 *log = open_file(p->log);
	sqlite3_stmt *stmt = NULL;

	arena_init(&g.arena, 65536);
	if (sqlite3_prepare_v2(log,
			       "SELECT idx, changes FROM entry WHERE idx > ?1"
			       " ORDER BY idx",
			       -1, &stmt, NULL) != SQLITE_OK)
		return ERR_IO;
	for (;;) {
		struct apply_rejects rejects = {0};
		uint64_t to = read_entries(p, stmt, applied, &g);

		if (to == 0) {
			pipe_pause(1);
			continue;
		}
		struct apply_group group = {.rows = g.rows,
					    .n = g.n,
					    .from_index = applied,
					    .to_index = to};
		int rc = connector_sqlite.apply_write(h, &group, &rejects, e);
		if (rc && rc != ERR_BUSY)
			return rc;
		if (rc == 0)
			applied = to;
	}
}

static int apply(struct pipe_files *p, uint64_t epoch)
{
	struct apply_setup setup = {.target = p->target.target,
				    .tables = p->target.tables,
				    .n_tables = p->target.n_tables,
				    .task_id = FIXTURE_APPLY,
				    .epoch = epoch};
	struct apply_handle *h = NULL;
	uint64_t applied = 0;
	struct err e = {0};

	int rc = connector_sqlite.apply_open(&setup, &h, &applied, &e);
	if (rc == 0)
		rc = apply_loop(p, h, applied, &e);
	return code_of(rc, &e);
}

/* -- processes -------------------------------------------------------------
 */
/* A test that fails leaves nobody behind. */
static void die_with_parent(void)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

pid_t pipe_capture(struct pipe_files *p, uint64_t epoch)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		die_with_parent();
		_exit(capture(p, epoch));
	}
	return pid;
}

pid_t pipe_apply(struct pipe_files *p, uint64_t epoch)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		die_with_parent();
		_exit(apply(p, epoch));
	}
	return pid;
}

pid_t pipe_writer(struct pipe_files *p, void (*fn)(sqlite3 *db, int id), int id)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		die_with_parent();
		sqlite3 *db = open_file(p->source.path);

		fn(db, id);
		_exit(PIPE_DONE);
	}
	return pid;
}

void pipe_kill(pid_t pid)
{
	int status = 0;

	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

int pipe_wait(pid_t pid, int wait_ms)
{
	int64_t end_ms = fixture_now_ms() + wait_ms;
	int status = 0;

	while (waitpid(pid, &status, WNOHANG) != pid) {
		if (fixture_now_ms() >= end_ms)
			return -1;
		pipe_pause(1);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : PIPE_FAILED;
}

/* -- looking ---------------------------------------------------------------
 */
int64_t pipe_entries(struct pipe_files *p)
{
	sqlite3 *log = open_file(p->log);
	sqlite3_stmt *stmt = NULL;
	int64_t n = 0;

	(void)sqlite3_prepare_v2(log, "SELECT count(*) FROM entry", -1, &stmt,
				 NULL);
	if (sqlite3_step(stmt) == SQLITE_ROW)
		n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	(void)sqlite3_close(log);
	return n;
}

int64_t pipe_differences(struct pipe_files *p, const char *table)
{
	char sql[512];

	(void)snprintf(sql, sizeof(sql), "ATTACH '%s' AS b", p->target.path);
	fixture_exec(&p->source, sql);
	(void)snprintf(sql, sizeof(sql),
		       "SELECT (SELECT count(*) FROM (SELECT * FROM main.%s"
		       " EXCEPT SELECT * FROM b.%s))"
		       " + (SELECT count(*) FROM (SELECT * FROM b.%s"
		       " EXCEPT SELECT * FROM main.%s))",
		       table, table, table, table);
	int64_t n = fixture_number(&p->source, sql);
	fixture_exec(&p->source, "DETACH b");
	return n;
}

bool pipe_settles(struct pipe_files *p, int wait_ms)
{
	int64_t end_ms = fixture_now_ms() + wait_ms;

	for (;;) {
		int64_t n = 0;

		for (size_t i = 0; i < p->source.n_tables; i++)
			n += pipe_differences(p,
					      p->source.tables[i].table->name);
		if (n == 0)
			return true;
		if (fixture_now_ms() > end_ms)
			return false;
		pipe_pause(5);
	}
}
