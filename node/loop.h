/* Loop: the one thread that owns everything but disks and sockets. Wakes for
 * notes in the mailbox, for signals and when the turn asked to be called again;
 * each time it runs one turn. Measures how late it is. The only file of the
 * node that knows libuv. */
#ifndef NODE_LOOP_H
#define NODE_LOOP_H

#include <uv.h>

#include "base/err.h"
#include "base/histogram.h"
#include "base/thread.h"

enum {
	/* The turn runs at least this often: deadlines are looked at then. */
	LOOP_TURN_MS_MAX = 10,
};

enum { LOOP_SIGNALS = 4 };

struct loop_hooks {
	void *ctx;
	/* Everything that waits. Returns microseconds until the next call is
	 * needed at the latest. */
	int64_t (*turn)(void *ctx);
	void (*signal)(void *ctx, int signum);
};

struct loop {
	uv_loop_t uv;
	uv_async_t async;
	uv_timer_t timer;
	uv_signal_t signals[LOOP_SIGNALS];
	struct loop_hooks hooks;
	struct thread_owner owner;
	/* How late the timer fired, how long a turn took; microseconds. */
	struct histogram *lag_us, *turn_us;
	uint64_t due_ns;
	bool is_open;
};

/* signals: LOOP_SIGNALS numbers. The histograms stay the caller's. */
int loop_open(struct loop *l, const struct loop_hooks *hooks,
	      const int *signals, struct err *e);
/* Ask for a turn soon. Any thread, and signal-safe. */
void loop_wake(void *loop);
/* Until loop_stop. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
/* Nobody may wake it any more. */
void loop_close(struct loop *l);

#endif
