#include "bench/flow.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/bytes.h"
#include "base/clock.h"

enum { FLOW_ROWS_MAX = 4 << 20, FLOW_CATCH_UP_MS = 30000, FLOW_LOOK_US = 500 };

struct flow {
	const struct side *from;
	struct side_link *writer, *reader;
	struct clock clock;
	pthread_t thread;
	bool has_thread;
	atomic_bool is_stopping;
	atomic_uint_fast64_t n_confirmed;
	/* Of row i + 1: written before n_confirmed counts it; a row may arrive
	 * before. */
	_Atomic int64_t *confirmed_us;
	int64_t n_arrived;
};

static void nap_us(int64_t us)
{
	const struct timespec t = {.tv_nsec = us * 1000};

	nanosleep(&t, NULL);
}

static int prepare(const struct side *s, struct err *e)
{
	struct side_link *link;
	int rc = side_open(s, &link, e);

	if (rc)
		return rc;
	if (s->kind == SIDE_SQLITE)
		rc = side_run(link, "PRAGMA journal_mode=WAL", e);
	if (rc == 0)
		rc = side_run(link,
			      "CREATE TABLE flow (id INTEGER PRIMARY KEY, "
			      "v INTEGER NOT NULL)",
			      e);
	side_hang_up(link);
	return rc;
}

int flow_prepare(const struct side *from, const struct side *to, struct err *e)
{
	int rc = prepare(from, e);

	return rc ? rc : prepare(to, e);
}

static void *write_rows(void *ctx)
{
	struct flow *f = ctx;
	char sql[64];

	for (uint64_t i = 0; i < FLOW_ROWS_MAX && !atomic_load(&f->is_stopping);
	     i++) {
		snprintf(sql, sizeof(sql),
			 "INSERT INTO flow VALUES (%llu,%llu)",
			 (unsigned long long)i + 1, (unsigned long long)i);
		while (side_run(f->writer, sql, NULL) == ERR_BUSY)
			;
		atomic_store(&f->confirmed_us[i], clock_mono_us(&f->clock));
		atomic_store(&f->n_confirmed, i + 1);
		nap_us(FLOW_STEP_US);
	}
	return NULL;
}

int flow_start(struct flow **out, const struct side *from,
	       const struct side *to, struct err *e)
{
	struct flow *f = mem_zero(1, sizeof(*f));

	f->clock = clock_system();
	f->from = from;
	f->confirmed_us = mem_zero(FLOW_ROWS_MAX, sizeof(*f->confirmed_us));
	int rc = side_open(from, &f->writer, e);
	if (rc == 0)
		rc = side_open(to, &f->reader, e);
	if (rc == 0 && pthread_create(&f->thread, NULL, write_rows, f))
		rc = err_set(e, ERR_SYSTEM, "cannot start a thread");
	f->has_thread = rc == 0;
	if (rc)
		flow_free(f);
	else
		*out = f;
	return rc;
}

static int look(struct flow *f, struct err *e)
{
	int64_t n = 0;
	int rc = side_number(f->reader, "SELECT coalesce(max(id), 0) FROM flow",
			     &n, e);

	if (rc == 0 && n > f->n_arrived)
		f->n_arrived = n;
	return rc == ERR_BUSY ? 0 : rc;
}

int flow_wait(struct flow *f, int64_t since_us, int timeout_ms, int64_t *at_us,
	      struct err *e)
{
	int64_t until = clock_mono_us(&f->clock) + timeout_ms * 1000LL;

	for (;;) {
		int rc = look(f, e);
		int64_t now = clock_mono_us(&f->clock);
		if (rc)
			return rc;
		if (f->n_arrived > 0 &&
		    atomic_load(&f->confirmed_us[f->n_arrived - 1]) >
			    since_us) {
			*at_us = now;
			return 0;
		}
		if (now > until)
			return err_set(e, ERR_TIMEOUT,
				       "nothing new arrives within %d ms",
				       timeout_ms);
		nap_us(FLOW_LOOK_US);
	}
}

int flow_longest_gap(struct flow *f, int64_t from_us, int64_t to_us,
		     int64_t *gap_us, struct err *e)
{
	int64_t last_us = from_us, longest = 0, now = 0;

	while (now < to_us) {
		int64_t before = f->n_arrived;
		int rc = look(f, e);
		if (rc)
			return rc;
		now = clock_mono_us(&f->clock);
		if (now - last_us > longest)
			longest = now - last_us;
		if (f->n_arrived > before)
			last_us = now;
		nap_us(FLOW_LOOK_US);
	}
	*gap_us = longest;
	return 0;
}

static void stop(struct flow *f)
{
	atomic_store(&f->is_stopping, true);
	if (f->has_thread)
		pthread_join(f->thread, NULL);
	f->has_thread = false;
}

int flow_finish(struct flow *f, struct flow_count *out, struct err *e)
{
	int64_t until = clock_mono_us(&f->clock) + FLOW_CATCH_UP_MS * 1000LL;
	int64_t n = 0;

	stop(f);
	out->n_confirmed = atomic_load(&f->n_confirmed);
	do {
		int rc = side_number(f->reader, "SELECT count(*) FROM flow", &n,
				     e);
		if (rc && rc != ERR_BUSY)
			return rc;
		nap_us(FLOW_LOOK_US);
	} while ((uint64_t)n < out->n_confirmed &&
		 clock_mono_us(&f->clock) < until);
	out->n_arrived = (uint64_t)n;
	return 0;
}

void flow_free(struct flow *f)
{
	if (!f)
		return;
	stop(f);
	side_hang_up(f->writer);
	side_hang_up(f->reader);
	free(f->confirmed_us);
	free(f);
}
