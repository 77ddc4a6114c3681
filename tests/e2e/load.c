#include "tests/e2e/load.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/rng.h"

enum { SQL_MAX = 64 << 10, HOT_KEYS = 5, TXN_ROWS_MAX = 100 };

struct load {
	struct load_plan plan;
	struct rng rng;
	pthread_t thread;
	atomic_bool is_stopping;
	atomic_uint_fast64_t confirmed;
	struct load_write *writes;
	size_t n, cap;
	uint64_t counter;
	char *sql;
	size_t sql_len;
};

void load_create_table(const struct side *s, const char *table)
{
	struct side_link *link = link_dial(s);
	char sql[512];

	snprintf(sql, sizeof(sql),
		 "CREATE TABLE %s (id %s PRIMARY KEY, uid TEXT NOT NULL, "
		 "saw TEXT, n BIGINT NOT NULL, note TEXT)",
		 table, s->kind == SIDE_SQLITE ? "INTEGER" : "BIGINT");
	if (s->kind == SIDE_SQLITE)
		link_must(link, "PRAGMA journal_mode=WAL");
	link_must(link, sql);
	if (s->kind == SIDE_POSTGRES) {
		/* Texts may be stored apart, and a two-way sync wants rows
		 * whole. */
		snprintf(sql, sizeof(sql),
			 "ALTER TABLE %s REPLICA IDENTITY FULL", table);
		link_must(link, sql);
	}
	side_hang_up(link);
}

/* -- one transaction ------------------------------------------------------- */
__attribute__((format(printf, 2, 3))) static void add(struct load *l,
						      const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	l->sql_len += (size_t)vsnprintf(l->sql + l->sql_len,
					SQL_MAX - l->sql_len, fmt, args);
	va_end(args);
}

static int64_t draw_key(struct load *l)
{
	uint64_t n = rng_chance(&l->rng, 0.3) ? HOT_KEYS : l->plan.n_keys;

	return (int64_t)rng_below(&l->rng, n) + 1;
}

static void new_uid(struct load *l, char *uid, size_t cap)
{
	snprintf(uid, cap, "%s%llu", l->plan.prefix,
		 (unsigned long long)++l->counter);
}

static void add_new_key(struct load *l, long long key, const char *uid)
{
	const char *t = l->plan.table;
	long long to = draw_key(l);

	add(l,
	    "UPDATE %s SET id=%lld, saw=uid, uid='%s' WHERE id=%lld "
	    "AND NOT EXISTS (SELECT 1 FROM %s WHERE id=%lld);",
	    t, to, uid, key, t, to);
}

static void add_churn(struct load *l)
{
	const char *t = l->plan.table;
	long long key = draw_key(l);
	unsigned dice = (unsigned)rng_below(&l->rng, 100);
	char uid[24];

	new_uid(l, uid, sizeof(uid));
	if (dice < 35)
		add(l,
		    "INSERT INTO %s VALUES (%lld,'%s',NULL,%llu,'new') "
		    "ON CONFLICT (id) DO NOTHING;",
		    t, key, uid, (unsigned long long)l->counter);
	else if (dice < 75)
		add(l,
		    "UPDATE %s SET saw=uid, uid='%s', n=n+1, note=%s "
		    "WHERE id=%lld;",
		    t, uid, rng_chance(&l->rng, 0.2) ? "NULL" : "'changed'",
		    key);
	else if (dice < 90)
		add(l, "DELETE FROM %s WHERE id=%lld;", t, key);
	else
		add_new_key(l, key, uid);
}

static int run_churn(struct load *l, struct side_link *link, struct err *e)
{
	/* Most transactions are small, some are not. */
	unsigned rows =
		rng_chance(&l->rng, 0.9)
			? (unsigned)rng_below(&l->rng, 4) + 1
			: (unsigned)rng_below(&l->rng, TXN_ROWS_MAX) + 1;

	l->sql_len = 0;
	add(l, "%s;",
	    l->plan.side->kind == SIDE_SQLITE ? "BEGIN IMMEDIATE" : "BEGIN");
	for (unsigned i = 0; i < rows; i++)
		add_churn(l);
	add(l, "COMMIT");
	return side_run(link, l->sql, e);
}

static struct load_write *next_write(struct load *l)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 1024;
		l->writes = mem_grow(l->writes, l->cap * sizeof(*l->writes));
	}
	l->writes[l->n] = (struct load_write){0};
	return &l->writes[l->n];
}

/* What it saw is what the row held at the very moment: the statement itself
 * says so. */
static int run_register(struct load *l, struct side_link *link, struct err *e)
{
	struct load_write *w = next_write(l);
	struct side_rows rows;

	w->key = draw_key(l);
	new_uid(l, w->uid, sizeof(w->uid));
	l->sql_len = 0;
	add(l,
	    "UPDATE %s SET saw=uid, uid='%s', n=n+1 WHERE id=%lld "
	    "RETURNING saw",
	    l->plan.table, w->uid, (long long)w->key);
	int rc = side_query(link, l->sql, &rows, e);
	if (rc == 0 && rows.n == 1) {
		snprintf(w->saw, sizeof(w->saw), "%s", rows.rows[0]);
		l->n++;
	}
	if (rc == 0)
		side_rows_free(&rows);
	return rc;
}

static int run_append(struct load *l, struct side_link *link, struct err *e)
{
	struct load_write *w = next_write(l);

	new_uid(l, w->uid, sizeof(w->uid));
	w->key = l->plan.first_key + (int64_t)l->counter;
	l->sql_len = 0;
	add(l, "INSERT INTO %s VALUES (%lld,'%s',NULL,0,'x')", l->plan.table,
	    (long long)w->key, w->uid);
	int rc = side_run(link, l->sql, e);
	w->is_unknown = rc == ERR_NETWORK;
	if (rc == 0 || rc == ERR_NETWORK)
		l->n++;
	return rc;
}

static int run_one(struct load *l, struct side_link *link, struct err *e)
{
	switch (l->plan.kind) {
	case LOAD_CHURN:
		return run_churn(l, link, e);
	case LOAD_REGISTER:
		return run_register(l, link, e);
	default:
		return run_append(l, link, e);
	}
}

/* -- the thread ------------------------------------------------------------ */
static void pace(struct load *l)
{
	if (l->plan.per_second == 0)
		return;
	/* Exponential-like gaps: no rhythm. */
	uint64_t mean_ns = 1000000000ull / l->plan.per_second;
	struct timespec t = {.tv_nsec = (long)rng_below(&l->rng, 2 * mean_ns)};
	nanosleep(&t, NULL);
}

static struct side_link *try_link(const struct side *s)
{
	struct side_link *link = NULL;

	return side_open(s, &link, NULL) ? NULL : link;
}

static void *load_main(void *ctx)
{
	struct load *l = ctx;
	struct side_link *link = NULL;
	struct err e = {0};

	while (!atomic_load(&l->is_stopping)) {
		if (!link)
			link = try_link(l->plan.side);
		int rc = link ? run_one(l, link, &e) : ERR_NETWORK;
		if (rc == 0)
			atomic_fetch_add(&l->confirmed, 1);
		if (rc == ERR_NETWORK) {
			side_hang_up(link);
			link = NULL;
		}
		/* A statement of ours that is wrong would be a test of
		 * nothing. */
		if (rc == ERR_INVALID) {
			print_error("writer %s: %s\n", l->plan.prefix, e.text);
			abort();
		}
		pace(l);
	}
	side_hang_up(link);
	return NULL;
}

struct load *load_start(const struct load_plan *plan)
{
	struct load *l = mem_zero(1, sizeof(*l));

	l->plan = *plan;
	l->sql = mem_alloc(SQL_MAX);
	rng_init(&l->rng, plan->seed);
	assert_int_equal(pthread_create(&l->thread, NULL, load_main, l), 0);
	return l;
}

uint64_t load_confirmed(struct load *l)
{
	return atomic_load(&l->confirmed);
}

void load_stop(struct load **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		atomic_store(&list[i]->is_stopping, true);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(pthread_join(list[i]->thread, NULL), 0);
}

void load_free(struct load *l)
{
	free(l->writes);
	free(l->sql);
	free(l);
}

const struct load_write *load_writes(const struct load *l, size_t *n)
{
	*n = l->n;
	return l->writes;
}
