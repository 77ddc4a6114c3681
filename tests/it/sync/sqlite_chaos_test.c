/* Foreign processes write, and every process of the pipeline is killed again
 * and again: nothing is lost, nothing is written twice, and a transaction is
 * never seen in part. */
#include "sqlite_pipe.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"

enum { ACCOUNTS = 20, BALANCE = 1000, TRANSFERS = 400, KILLS = 36 };

static const char schema[] =
	"CREATE TABLE account(id INTEGER PRIMARY KEY, balance INTEGER);"
	"CREATE TABLE item(id TEXT PRIMARY KEY, at INTEGER) WITHOUT ROWID;"
	"CREATE TABLE churn(id INTEGER PRIMARY KEY, u TEXT UNIQUE, w INTEGER,"
	" v TEXT, UNIQUE (w, v));"
	"CREATE TABLE parent(id INTEGER PRIMARY KEY);"
	"CREATE TABLE child(id INTEGER PRIMARY KEY, parent INTEGER"
	" REFERENCES parent ON DELETE CASCADE);"
	"WITH RECURSIVE c(x) AS (SELECT 0 UNION ALL SELECT x + 1 FROM c"
	" WHERE x < 19) INSERT INTO account SELECT x, 1000 FROM c";

static const char *const tables[] = {"account", "item", "churn", "parent",
				     "child"};

/* On the target alone: how often each item was really written. */
static const char audit[] =
	"CREATE TABLE audit(what TEXT, id TEXT);"
	"CREATE TRIGGER i AFTER INSERT ON item BEGIN"
	" INSERT INTO audit VALUES ('insert', NEW.id); END;"
	"CREATE TRIGGER u AFTER UPDATE ON item BEGIN"
	" INSERT INTO audit VALUES ('update', NEW.id); END;"
	"CREATE TRIGGER d AFTER DELETE ON item BEGIN"
	" INSERT INTO audit VALUES ('delete', OLD.id); END;";

/* A conflict, or a lock held for too long, is part of the game. */
static void try_sql(sqlite3 *db, const char *sql)
{
	(void)sqlite3_exec(db, sql, NULL, NULL, NULL);
	if (!sqlite3_get_autocommit(db))
		(void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
}

static void transfer(sqlite3 *db, struct rng *r, int id, int n)
{
	char sql[512];
	int a = (int)rng_below(r, ACCOUNTS), b = (int)rng_below(r, ACCOUNTS);
	int sum = (int)rng_below(r, 50);

	(void)snprintf(
		sql, sizeof(sql),
		"BEGIN IMMEDIATE;"
		"UPDATE account SET balance = balance - %d WHERE id = %d;"
		"INSERT INTO item VALUES ('%d.%d.%d', %d);"
		"UPDATE account SET balance = balance + %d WHERE id = %d;"
		"COMMIT",
		sum, a, id, (int)getpid(), n, n, sum, b);
	try_sql(db, sql);
}

static void churn(sqlite3 *db, struct rng *r)
{
	char sql[256];
	int k = (int)rng_below(r, 12), u = (int)rng_below(r, 8);
	int w = (int)rng_below(r, 4);

	switch (rng_below(r, 7)) {
	case 0:
		(void)snprintf(sql, sizeof(sql),
			       "INSERT OR REPLACE INTO churn VALUES"
			       " (%d, 'u%d', %d, 'x%d')",
			       k, u, w, w);
		break;
	case 1:
		(void)snprintf(sql, sizeof(sql),
			       "UPDATE OR REPLACE churn SET u = 'u%d', w = %d"
			       " WHERE id = %d",
			       u, w, k);
		break;
	case 2:
		(void)snprintf(sql, sizeof(sql),
			       "UPDATE OR REPLACE churn SET id = %d"
			       " WHERE id = %d",
			       (int)rng_below(r, 12), k);
		break;
	case 3:
		(void)snprintf(sql, sizeof(sql),
			       "DELETE FROM churn WHERE id = %d", k);
		break;
	case 4:
		(void)snprintf(sql, sizeof(sql),
			       "INSERT INTO churn VALUES (%d, 'u%d', NULL, 'n')"
			       " ON CONFLICT(u) DO UPDATE SET v = v || 'n',"
			       " w = NULL",
			       k, u);
		break;
	case 5:
		(void)snprintf(sql, sizeof(sql),
			       "INSERT OR IGNORE INTO churn VALUES"
			       " (%d, 'u%d', %d, 'y')",
			       k, u, w);
		break;
	default: /* exchange two unique values */
		(void)snprintf(
			sql, sizeof(sql),
			"BEGIN IMMEDIATE; UPDATE churn SET u = 'tmp' WHERE"
			" u = 'u1'; UPDATE churn SET u = 'u1' WHERE u = 'u2';"
			"UPDATE churn SET u = 'u2' WHERE u = 'tmp'; COMMIT");
		break;
	}
	try_sql(db, sql);
}

static void family(sqlite3 *db, struct rng *r)
{
	char sql[256];
	int p = (int)rng_below(r, 10);

	if (rng_below(r, 3) == 0)
		(void)snprintf(sql, sizeof(sql),
			       "DELETE FROM parent WHERE id = %d", p);
	else
		(void)snprintf(sql, sizeof(sql),
			       "BEGIN IMMEDIATE; INSERT OR IGNORE INTO parent"
			       " VALUES (%d); INSERT INTO child(parent)"
			       " VALUES (%d); COMMIT",
			       p, p);
	try_sql(db, sql);
}

static void write_for_a_while(sqlite3 *db, int id)
{
	struct rng r;

	try_sql(db, "PRAGMA foreign_keys=ON");
	if (id == 2)
		try_sql(db, "PRAGMA synchronous=NORMAL");
	rng_init(&r, (uint64_t)id * 7919 + (uint64_t)getpid());
	for (int n = 0; n < TRANSFERS; n++) {
		transfer(db, &r, id, n);
		churn(db, &r);
		family(db, &r);
		pipe_pause(1);
	}
}

/* In every snapshot, at every end. */
static void check_bank(struct pipe_files *p)
{
	static const char sum[] = "SELECT sum(balance) FROM account";

	assert_int_equal(fixture_number(&p->source, sum), ACCOUNTS * BALANCE);
	assert_int_equal(fixture_number(&p->target, sum), ACCOUNTS * BALANCE);
}

/* Something got through since, so that the next kill meets work under way. */
static void wait_for_progress(struct pipe_files *p, int64_t *last)
{
	static const char index[] = "SELECT max(applied_index)"
				    " FROM _synod_checkpoint";
	int64_t end_ms = fixture_now_ms() + 10000;

	for (;;) {
		int64_t now = fixture_number(&p->target, index);

		check_bank(p);
		if (now > *last) {
			*last = now;
			return;
		}
		if (fixture_now_ms() > end_ms)
			fail_msg("nothing moves behind %lld", (long long)now);
		pipe_pause(1);
	}
}

static void expect_once(struct pipe_files *p)
{
	int64_t n = fixture_number(&p->source, "SELECT count(*) FROM item");

	assert_true(n > 100);
	assert_int_equal(
		fixture_number(&p->target, "SELECT count(*) FROM audit"), n);
	assert_int_equal(fixture_number(&p->target,
					"SELECT count(DISTINCT id) FROM audit"
					" WHERE what = 'insert'"),
			 n);
	/* The references of all children hold at the target, too. */
	assert_string_equal(
		fixture_query(&p->target, "PRAGMA foreign_key_check"), "");
}

static void test_chaos_kill_9_everywhere(void **state)
{
	struct pipe_files p;
	struct rng r;
	pid_t writer[3], capture, apply;
	uint64_t epoch = 1;
	int64_t last = 0;

	pipe_open(&p, schema, tables, 5);
	fixture_exec(&p.target, audit);
	/* In force before the first write. */
	struct capture_handle *h = fixture_capture(&p.source, epoch, NULL);
	connector_sqlite.capture_close(h);
	connector_sqlite.apply_close(fixture_apply(&p.target, epoch, NULL));
	capture = pipe_capture(&p, epoch);
	while (pipe_entries(&p) == 0)
		assert_int_equal(pipe_wait(capture, 2), -1);
	apply = pipe_apply(&p, epoch);
	for (int i = 0; i < 3; i++)
		writer[i] = pipe_writer(&p, write_for_a_while, i);
	rng_init(&r, 42);
	for (int i = 0; i < KILLS; i++) {
		int w = (int)rng_below(&r, 3);

		wait_for_progress(&p, &last);
		epoch++;
		pipe_kill(capture);
		capture = pipe_capture(&p, epoch);
		if (i % 2) {
			pipe_kill(apply);
			apply = pipe_apply(&p, epoch);
		}
		if (i % 3 == 0) {
			pipe_kill(writer[w]);
			writer[w] = pipe_writer(&p, write_for_a_while, w);
		}
	}
	for (int i = 0; i < 3; i++)
		assert_int_equal(pipe_wait(writer[i], 20000), PIPE_DONE);
	if (!pipe_settles(&p, 10000))
		for (size_t i = 0; i < 5; i++)
			print_error("%s: %lld differ\n", tables[i],
				    (long long)pipe_differences(&p, tables[i]));
	assert_true(pipe_settles(&p, 0));
	expect_once(&p);
	pipe_kill(capture);
	pipe_kill(apply);
	pipe_close(&p);
}

/* Owners that are frozen, replaced and thawed: not a row of theirs counts. */
static void test_chaos_zombies_write_nothing(void **state)
{
	struct pipe_files p;
	pid_t writer, capture, apply;
	uint64_t epoch = 1;
	int64_t last = 0;
	int n_fenced = 0;

	pipe_open(&p, schema, tables, 5);
	fixture_exec(&p.target, audit);
	connector_sqlite.capture_close(fixture_capture(&p.source, epoch, NULL));
	connector_sqlite.apply_close(fixture_apply(&p.target, epoch, NULL));
	capture = pipe_capture(&p, epoch);
	while (pipe_entries(&p) == 0)
		assert_int_equal(pipe_wait(capture, 2), -1);
	apply = pipe_apply(&p, epoch);
	writer = pipe_writer(&p, write_for_a_while, 1);
	for (int i = 0; i < 12; i++) {
		wait_for_progress(&p, &last);
		pid_t old[2] = {capture, apply};
		epoch++;
		(void)kill(old[0], SIGSTOP);
		(void)kill(old[1], SIGSTOP);
		capture = pipe_capture(&p, epoch);
		apply = pipe_apply(&p, epoch);
		/* A frozen one may hold the file's lock: let go first. */
		int busy = pipe_wait(apply, 20);
		(void)kill(old[0], SIGCONT);
		(void)kill(old[1], SIGCONT);
		if (busy != -1)
			apply = pipe_apply(&p, epoch);
		for (int k = 0; k < 2; k++) {
			assert_int_equal(pipe_wait(old[k], 10000), PIPE_FENCED);
			n_fenced++;
		}
	}
	assert_int_equal(n_fenced, 24);
	assert_int_equal(pipe_wait(writer, 20000), PIPE_DONE);
	assert_true(pipe_settles(&p, 10000));
	expect_once(&p);
	pipe_kill(capture);
	pipe_kill(apply);
	pipe_close(&p);
}

/* Rows of all ages are updated, deleted and made anew. */
static void write_among_old_rows(sqlite3 *db, int id)
{
	struct rng r;
	char sql[256];

	rng_init(&r, (uint64_t)id + 77);
	for (int n = 0; n < 600; n++) {
		int k = (int)rng_below(&r, 3000);

		(void)snprintf(sql, sizeof(sql),
			       "BEGIN IMMEDIATE; UPDATE old SET v = v + 1"
			       " WHERE id IN (%d, %d); DELETE FROM old WHERE"
			       " id = %d; INSERT OR REPLACE INTO old VALUES"
			       " (%d, -1); COMMIT",
			       k, 2999 - k, (k * 7) % 3000, (k * 13) % 3000);
		try_sql(db, sql);
	}
}

/* The load goes on from its last chunk, and a chunk never puts back what was
 * changed or deleted meanwhile. */
static void test_chaos_load_under_writers_and_kills(void **state)
{
	static const char *const names[] = {"old"};
	struct pipe_files p;
	pid_t writer[2], capture, apply;
	uint64_t epoch = 1;

	pipe_open(&p, "CREATE TABLE old(id INTEGER PRIMARY KEY, v INTEGER)",
		  names, 1);
	fixture_exec(&p.source,
		     "WITH RECURSIVE c(x) AS (SELECT 0 UNION ALL SELECT x + 1"
		     " FROM c WHERE x < 2999) INSERT INTO old SELECT x, 0"
		     " FROM c");
	p.source.tables[0].wants_load = true;
	p.source.tables[0].load_chunk = 40;
	connector_sqlite.apply_close(fixture_apply(&p.target, epoch, NULL));
	for (int i = 0; i < 2; i++)
		writer[i] = pipe_writer(&p, write_among_old_rows, i);
	capture = pipe_capture(&p, epoch);
	apply = pipe_apply(&p, epoch);
	/* Some 2,000 rows stay, 40 a chunk: that is 50 entries at the least. */
	for (int i = 1; i <= 8; i++) {
		int64_t end_ms = fixture_now_ms() + 10000;

		while (pipe_entries(&p) < i * 5 && fixture_now_ms() < end_ms)
			pipe_pause(1);
		assert_true(pipe_entries(&p) >= i * 5);
		epoch++;
		pipe_kill(capture);
		capture = pipe_capture(&p, epoch);
		pipe_kill(apply);
		apply = pipe_apply(&p, epoch);
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(pipe_wait(writer[i], 20000), PIPE_DONE);
	assert_true(pipe_settles(&p, 10000));
	assert_true(fixture_number(&p.target, "SELECT count(*) FROM old") >
		    2000);
	pipe_kill(capture);
	pipe_kill(apply);
	pipe_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chaos_kill_9_everywhere),
		cmocka_unit_test(test_chaos_zombies_write_nothing),
		cmocka_unit_test(test_chaos_load_under_writers_and_kills),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
