#include "node/loop.h"

#include <signal.h>

#include "base/check.h"

static void schedule(struct loop *l, int64_t wait_us);

static void run_turn(struct loop *l)
{
	uint64_t begin_ns = uv_hrtime();
	int64_t wait_us = l->hooks.turn(l->hooks.ctx);

	histogram_add(l->turn_us, (uv_hrtime() - begin_ns) / 1000);
	schedule(l, wait_us);
}

static void on_timer(uv_timer_t *timer)
{
	struct loop *l = timer->data;
	uint64_t now_ns = uv_hrtime();

	/* What stood in front of the timer: other turns, or a machine that did
	 * not let us run. Raft's deadlines are late by as much. */
	histogram_add(l->lag_us,
		      now_ns > l->due_ns ? (now_ns - l->due_ns) / 1000 : 0);
	run_turn(l);
}

/* libuv's timers count milliseconds from a clock that it reads once a round. */
static void schedule(struct loop *l, int64_t wait_us)
{
	uint64_t wait_ms = LOOP_TURN_MS_MAX;

	if (wait_us < (int64_t)LOOP_TURN_MS_MAX * 1000)
		wait_ms = wait_us <= 0 ? 0 : (uint64_t)(wait_us + 999) / 1000;
	uv_update_time(&l->uv);
	l->due_ns = uv_hrtime() + wait_ms * 1000000;
	CHECK(uv_timer_start(&l->timer, on_timer, wait_ms, 0) == 0);
}

static void on_wake(uv_async_t *async)
{
	run_turn(async->data);
}

static void on_signal(uv_signal_t *signal, int signum)
{
	struct loop *l = signal->data;

	l->hooks.signal(l->hooks.ctx, signum);
	run_turn(l);
}

static int watch_signals(struct loop *l, const int *signals)
{
	int rc = 0;

	for (int i = 0; i < LOOP_SIGNALS && !rc; i++) {
		rc = uv_signal_init(&l->uv, &l->signals[i]);
		l->signals[i].data = l;
		if (!rc)
			rc = uv_signal_start(&l->signals[i], on_signal,
					     signals[i]);
	}
	/* A peer that went away is an error of the write, not of the process.
	 */
	signal(SIGPIPE, SIG_IGN);
	return rc;
}

int loop_open(struct loop *l, const struct loop_hooks *hooks,
	      const int *signals, struct err *e)
{
	int rc = uv_loop_init(&l->uv);

	if (rc)
		return err_set(e, ERR_SYSTEM, "event loop: %s",
			       uv_strerror(rc));
	l->is_open = true;
	l->hooks = *hooks;
	thread_own(&l->owner);
	rc = uv_async_init(&l->uv, &l->async, on_wake);
	l->async.data = l;
	if (!rc)
		rc = uv_timer_init(&l->uv, &l->timer);
	l->timer.data = l;
	if (!rc)
		rc = watch_signals(l, signals);
	if (rc)
		return err_set(e, ERR_SYSTEM, "event loop: %s",
			       uv_strerror(rc));
	return 0;
}

void loop_wake(void *loop)
{
	struct loop *l = loop;

	uv_async_send(&l->async);
}

void loop_run(struct loop *l)
{
	ON_THREAD(&l->owner);
	schedule(l, 0);
	uv_run(&l->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *l)
{
	uv_stop(&l->uv);
}

static void close_handle(uv_handle_t *handle, void *ctx)
{
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

void loop_close(struct loop *l)
{
	if (!l->is_open)
		return;
	uv_walk(&l->uv, close_handle, NULL);
	uv_run(&l->uv, UV_RUN_DEFAULT);
	CHECK(uv_loop_close(&l->uv) == 0);
	l->is_open = false;
}
