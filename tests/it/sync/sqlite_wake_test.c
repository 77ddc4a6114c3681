/* How soon a commit of another process is seen: no wake-up is ever missed. */
#include "sqlite_pipe.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { COMMITS = 120, LIMIT_MS = 250, USUAL_MS = 25 };

static int64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Each row says when its statement began. Now often, now seldom: waits that are
 * shorter and longer than every step of the reader's back-off. */
static void commit_now_and_then(sqlite3 *db, int id)
{
	static const int waits_ms[] = {1, 3, 7, 20, 60, 0};
	char sql[128];

	(void)id;
	for (int i = 0; i < COMMITS; i++) {
		pipe_pause(waits_ms[i % 6]);
		(void)snprintf(sql, sizeof(sql),
			       "INSERT INTO t VALUES (%d, %lld)", i,
			       (long long)now_us());
		if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
			abort();
	}
}

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* Latencies of what a poll gave. */
static size_t take(struct fixture *f, int64_t *out)
{
	struct change_reader r;
	struct change_txn t;
	struct change c;
	struct value v[2];
	size_t n = 0;

	change_reader_init(
		&r, (struct bytes){f->writer.buf.data, f->writer.buf.len});
	while (change_next_txn(&r, &t) == 1) {
		while (change_next(&r, &c) == 1) {
			assert_int_equal(change_values(&c, v), 0);
			out[n++] = now_us() - v[1].i64;
		}
	}
	return n;
}

static void test_wake_sees_every_commit_soon(void **state)
{
	static const char *const tables[] = {"t"};
	struct pipe_files p;
	int64_t us[COMMITS];
	size_t n = 0;

	pipe_open(&p, "CREATE TABLE t(id INTEGER PRIMARY KEY, at INTEGER)",
		  tables, 1);
	struct capture_handle *h = fixture_capture(&p.source, 1, NULL);
	pid_t writer = pipe_writer(&p, commit_now_and_then, 0);
	int64_t end_ms = fixture_now_ms() + 15000;
	while (n < COMMITS && fixture_now_ms() < end_ms) {
		(void)fixture_poll(&p.source, h, 1000);
		n += take(&p.source, us + n);
	}
	assert_int_equal(n, COMMITS);
	assert_int_equal(pipe_wait(writer, 5000), PIPE_DONE);
	qsort(us, n, sizeof(us[0]), by_size);
	print_message("p50 %lld us, p90 %lld us, max %lld us\n",
		      (long long)us[n / 2], (long long)us[n * 9 / 10],
		      (long long)us[n - 1]);
	assert_true(us[n / 2] < USUAL_MS * 1000);
	assert_true(us[n - 1] < LIMIT_MS * 1000);
	connector_sqlite.capture_close(h);
	pipe_close(&p);
}

/* Nothing happens: the wait lasts as long as it was told, and no longer. */
static void test_wake_idle_wait_has_its_end(void **state)
{
	static const char *const tables[] = {"t"};
	struct pipe_files p;

	pipe_open(&p, "CREATE TABLE t(id INTEGER PRIMARY KEY)", tables, 1);
	struct capture_handle *h = fixture_capture(&p.source, 1, NULL);
	(void)fixture_poll(&p.source, h, 0);
	int64_t start_ms = fixture_now_ms();
	assert_string_equal(fixture_poll(&p.source, h, 150), "");
	assert_in_range(fixture_now_ms() - start_ms, 149, 1000);
	connector_sqlite.capture_interrupt(h);
	struct value_buf at = {0};
	struct err e = {0};
	start_ms = fixture_now_ms();
	assert_int_equal(connector_sqlite.capture_poll(
				 h, 1000, 5000, &p.source.writer, &at, &e),
			 ERR_CLOSED);
	assert_in_range(fixture_now_ms() - start_ms, 0, 500);
	connector_sqlite.capture_close(h);
	pipe_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wake_sees_every_commit_soon),
		cmocka_unit_test(test_wake_idle_wait_has_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
