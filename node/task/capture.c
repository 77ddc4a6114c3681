#include "node/task/capture.h"

#include <stdlib.h>

#include "base/check.h"
#include "node/task/capture_inner.h"

/* -- its life -------------------------------------------------------------- */
struct capture *capture_new(const struct task_spec *spec,
			    const struct task_ports *ports)
{
	struct capture *c = mem_zero(1, sizeof *c);

	CHECK(task_kind(spec->id) == TASK_CAPTURE);
	c->spec = spec;
	c->ports = ports;
	CHECK(pthread_mutex_init(&c->lock, NULL) == 0);
	task_retry_init(&c->retry, spec->seed);
	change_writer_init(&c->writer);
	return c;
}

/* No other thread sees the handle any more when it is closed. */
static void close_handle(struct capture *c)
{
	struct capture_handle *h = c->handle;

	pthread_mutex_lock(&c->lock);
	c->handle = NULL;
	pthread_mutex_unlock(&c->lock);
	if (h)
		c->spec->connector->capture_close(h);
}

void capture_free(struct capture *c)
{
	if (!c)
		return;
	close_handle(c);
	blob_unref(c->unsent);
	window_free(&c->window);
	task_tables_free(&c->tables);
	value_buf_free(&c->tail);
	value_buf_free(&c->position);
	value_buf_free(&c->ledger);
	change_writer_free(&c->writer);
	free(c->pauses);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void capture_wake(struct capture *c)
{
	pthread_mutex_lock(&c->lock);
	if (c->handle)
		c->spec->connector->capture_interrupt(c->handle);
	pthread_mutex_unlock(&c->lock);
}

enum task_state capture_state(const struct capture *c)
{
	return c->state;
}

void capture_figures_of(const struct capture *c, struct capture_figures *out)
{
	*out = (struct capture_figures){0};
	if (c->handle)
		c->spec->connector->capture_figures(c->handle, out);
}

int64_t capture_now(const struct capture *c)
{
	return c->ports->now_us(c->ports->ctx);
}

void capture_buf_copy(struct value_buf *to, const struct value_buf *from)
{
	to->len = 0;
	value_buf_put(to, from->data, from->len);
}

/* -- what goes wrong ------------------------------------------------------- */
static int64_t wait_until(const struct capture *c, int64_t due_us)
{
	int64_t left = due_us - capture_now(c);

	return left > 0 ? left : 0;
}

static void count_retry(const struct capture *c)
{
	c->ports->count(c->ports->ctx,
			&(struct task_count){.kind = TASK_COUNT_RETRY, .n = 1});
}

/* Close, and come back when it is due. */
static int64_t fail(struct capture *c, const struct err *e, const char *hint)
{
	close_handle(c);
	c->state = task_retry_failed(&c->retry, e->code, capture_now(c));
	count_retry(c);
	c->ports->report(c->ports->ctx, c->state, e,
			 hint ? hint : task_hint(e->code));
	return c->state == TASK_ENDED ? (int64_t)TASK_IDLE_MS * 1000
				      : wait_until(c, c->retry.due_us);
}

/* The tables are paused and the ledger's position is given up: a person says
 * which tables are to be loaded again. */
static int64_t fail_gap(struct capture *c, const struct err *e)
{
	char hint[TASK_TEXT_MAX];

	capture_pause_all(c, e);
	c->is_gap = true;
	int64_t wait_us = fail(c, e, capture_pause_hint(c, hint, sizeof hint));
	capture_pause_step(c);
	/* The pauses and the position need no person: go on with them. */
	c->retry.due_us = 0;
	return wait_us < CAPTURE_POLL_MS * 1000 ? wait_us
						: CAPTURE_POLL_MS * 1000;
}

static int64_t failed(struct capture *c, const struct err *e)
{
	/* Told to stop blocking: whoever told it decides what comes now. */
	if (e->code == ERR_CLOSED)
		return 0;
	if (e->code == ERR_SCHEMA && capture_pause_named(c, e)) {
		close_handle(c);
		c->state = TASK_STARTING;
		return 0;
	}
	if (e->code == ERR_GAP && c->tail.len)
		return fail_gap(c, e);
	return fail(c, e, NULL);
}

/* -- fates ----------------------------------------------------------------- */
void capture_fate(struct capture *c, const struct task_fate *fate)
{
	window_fate(&c->window, fate);
}

static void count_taken(struct capture *c, const struct flight *f)
{
	int64_t wall_us = c->ports->wall_us(c->ports->ctx);
	struct task_count count = {
		.kind = TASK_COUNT_CAPTURED,
		.n = f->n_changes,
		.bytes = f->bytes,
		.stamp_us = f->stamp_us,
		.index = f->index,
	};

	if (f->stamp_us && wall_us > f->stamp_us)
		count.lag_us = wall_us - f->stamp_us;
	if (f->n_changes)
		c->ports->count(c->ports->ctx, &count);
}

static uint64_t read_ledger(struct capture *c)
{
	c->ledger.len = 0;
	return c->ports->position(c->ports->ctx, c->spec->id, &c->ledger);
}

static bool is_due(const struct flight *f, uint64_t decided)
{
	return f->is_known && f->code == 0 && f->index <= decided;
}

/* What the ledger has taken is confirmed; a batch that it has decided about and
 * not taken tears the chain, and so does one that did not get into the log. */
static int settle(struct capture *c, struct err *e)
{
	struct window *w = &c->window;
	int rc;

	window_expire(w, capture_now(c));
	c->is_torn |= window_is_torn(w);
	if (w->n == 0 ||
	    !is_due(window_at(w, 0), c->ports->decided(c->ports->ctx)))
		return 0;
	uint64_t decided = read_ledger(c);
	size_t n = window_taken(w, capture_span(&c->ledger));
	if (n) {
		for (size_t i = 0; i < n; i++)
			count_taken(c, window_at(w, i));
		c->n_torn = 0;
		window_pop(w, n);
		rc = c->handle && c->ledger.len
			     ? c->spec->connector->capture_confirm(
				       c->handle, capture_span(&c->ledger), e)
			     : 0;
		if (rc)
			return rc;
	}
	c->is_torn |= w->n && is_due(window_at(w, 0), decided);
	return 0;
}

/* -- starting -------------------------------------------------------------- */
/* Is what the ledger says beyond all that we ever proposed, and our own
 * assignment? Then c->ledger is where to begin. */
static bool is_ledger_ready(struct capture *c, int64_t *wait_us)
{
	window_expire(&c->window, capture_now(c));
	capture_batch_drop_unsent(c);
	if (!window_is_known(&c->window)) {
		*wait_us = CAPTURE_POLL_MS * 1000;
		return false;
	}
	uint64_t last = window_last_index(&c->window);
	uint64_t decided = read_ledger(c);
	if (decided < last || decided < c->spec->epoch) {
		*wait_us = CAPTURE_POLL_MS * 1000;
		return false;
	}
	window_clear(&c->window);
	capture_buf_copy(&c->tail, &c->ledger);
	return true;
}

static int open_handle(struct capture *c, struct err *e)
{
	struct capture_handle *h = NULL;
	struct capture_setup setup;

	task_tables_read(&c->tables, c->spec, c->ports);
	setup = (struct capture_setup){
		.target = c->spec->target,
		.tables = c->tables.list,
		.n_tables = c->tables.n,
		.task_id = c->spec->id,
		.epoch = c->spec->epoch,
	};
	if (c->tables.n == 0 && c->tail.len == 0)
		return err_set(e, ERR_INVALID,
			       "no table to begin with: all are paused");
	int rc = c->spec->connector->capture_open(&setup, &h, e);
	if (rc)
		return rc;
	pthread_mutex_lock(&c->lock);
	c->handle = h;
	pthread_mutex_unlock(&c->lock);
	return 0;
}

/* The chain of the gap is cut: from where the ledger stands to nowhere. The
 * pauses come first: whoever begins from nowhere loads what is not paused. */
static int64_t leave_gap(struct capture *c)
{
	if (capture_pause_step(c)) {
		c->is_gap = false;
		if (c->tail.len)
			capture_batch_reset(c);
	}
	return CAPTURE_POLL_MS * 1000;
}

static int64_t start(struct capture *c)
{
	struct err e = {0};
	char hint[TASK_TEXT_MAX];
	int64_t wait_us = 0;

	if (!is_ledger_ready(c, &wait_us))
		return wait_us;
	if (c->is_gap)
		return leave_gap(c);
	if (!c->handle && open_handle(c, &e)) {
		if (e.code == ERR_INVALID && c->tables.n == 0)
			return fail(c, &e,
				    capture_pause_hint(c, hint, sizeof hint));
		return failed(c, &e);
	}
	if (c->spec->connector->capture_start(c->handle, capture_span(&c->tail),
					      &e))
		return failed(c, &e);
	c->is_torn = false;
	c->look_us = capture_now(c) + CAPTURE_LOOK_US;
	if (c->state != TASK_RUNNING)
		c->ports->report(c->ports->ctx, TASK_RUNNING, NULL, NULL);
	c->state = TASK_RUNNING;
	return 0;
}

/* Once by itself; then slower and slower: somebody else may be at it. */
static int64_t start_again(struct capture *c)
{
	int64_t now_us = capture_now(c);

	if (c->torn_due_us == 0) {
		int64_t wait_us =
			c->n_torn ? (int64_t)TASK_RETRY_MS_MIN * 500 : 0;

		for (unsigned i = 0; i < c->n_torn; i++)
			if (wait_us < CAPTURE_RESTART_US_MAX)
				wait_us *= 2;
		c->torn_due_us = now_us + wait_us;
		c->n_torn++;
	}
	if (now_us < c->torn_due_us)
		return wait_until(c, c->torn_due_us);
	int64_t wait_us = start(c);
	if (!c->is_torn || c->state != TASK_RUNNING)
		c->torn_due_us = 0;
	return wait_us;
}

/* -- running --------------------------------------------------------------- */
static int64_t poll(struct capture *c, int wait_ms)
{
	struct err e = {0};

	if (c->window.n && wait_ms > CAPTURE_POLL_MS)
		wait_ms = CAPTURE_POLL_MS;
	change_writer_clear(&c->writer);
	c->position.len = 0;
	if (c->spec->connector->capture_poll(c->handle, LIMIT_BATCH_BYTES,
					     wait_ms, &c->writer, &c->position,
					     &e))
		return failed(c, &e);
	task_retry_succeeded(&c->retry);
	if (c->writer.buf.len && c->position.len == 0) {
		err_set(&e, ERR_SYSTEM, "changes without a position");
		return failed(c, &e);
	}
	bool has_moved =
		c->position.len && bytes_compare(capture_span(&c->position),
						 capture_span(&c->tail)) != 0;
	if (has_moved)
		capture_batch_propose(c);
	return 0;
}

/* A table was paused or resumed, or one that had to wait may be loaded now: the
 * source is told. */
static bool wants_reopen(struct capture *c)
{
	if (capture_now(c) < c->look_us)
		return false;
	c->look_us = capture_now(c) + CAPTURE_LOOK_US;
	return task_tables_is_stale(&c->tables, c->spec, c->ports) ||
	       (c->tables.is_load_put_off &&
		task_tables_may_load_more(&c->tables, c->ports));
}

static int64_t run(struct capture *c, int wait_ms)
{
	struct err e = {0};

	if (settle(c, &e))
		return failed(c, &e);
	if (c->is_torn)
		return start_again(c);
	if (wants_reopen(c)) {
		close_handle(c);
		c->state = TASK_STARTING;
		return 0;
	}
	if (!capture_batch_send(c))
		return CAPTURE_BUSY_US;
	if (!window_has_room(&c->window))
		return CAPTURE_POLL_MS * 1000;
	return poll(c, wait_ms);
}

int64_t capture_step(struct capture *c, int wait_ms)
{
	capture_pause_step(c);
	switch (c->state) {
	case TASK_STARTING:
		return start(c);
	case TASK_RUNNING:
		return run(c, wait_ms);
	case TASK_RETRYING:
	case TASK_BLOCKED:
		if (capture_now(c) < c->retry.due_us)
			return wait_until(c, c->retry.due_us);
		return start(c);
	default:
		return (int64_t)TASK_IDLE_MS * 1000;
	}
}
