/* The watch: a thread that looks at all connections a few times a second and
 * closes those that nothing else would: a stranger that never said hello, a
 * peer that fell silent (its machine lost power, or the network drops packets:
 * nobody closes such a connection). A peer repeats its hello when it has
 * nothing else to say, so silence means something. */
#include <errno.h>
#include <time.h>

#include "base/check.h"
#include "cluster/wire/wire_inner.h"

enum {
	WATCH_US = 250 * WIRE_US_PER_MS,
	/* Slept so long: the process was stopped, not the peers. */
	OVERSLEPT_US = 4 * WATCH_US,
};

static bool is_over(int64_t since_us, int64_t now_us, int64_t limit_ms)
{
	return now_us - since_us > limit_ms * WIRE_US_PER_MS;
}

static void refuse_stranger(struct wire *w, struct wire_in *in)
{
	struct wire_verdict v;

	if (in->awaits_proof)
		wire_verdict_set(&v, WIRE_REFUSED_PROOF,
				 "%s never showed the token that we sent to "
				 "it: can this node reach it, and is it who it "
				 "says?",
				 in->link->peer.name);
	else
		wire_verdict_set(&v, WIRE_REFUSED_SILENT,
				 "a connection said no hello within %d ms",
				 LIMIT_HELLO_MS);
	wire_report_refused(w, in->link, 0, in->channel, &v);
	wire_in_close(in);
}

static void look_at_in(struct wire *w, struct wire_in *in, int64_t now_us)
{
	if (!in->is_accepted) {
		if (is_over(in->added_us, now_us, LIMIT_HELLO_MS))
			refuse_stranger(w, in);
		return;
	}
	if (!is_over(in->heard_us, now_us, LIMIT_SILENCE_MS))
		return;
	/* What we send does not arrive either, most likely: dial anew. */
	wire_out_break(&in->link->out[in->channel], now_us);
	wire_in_close(in);
}

static void look(struct wire *w, int64_t now_us)
{
	for (size_t i = 0; i < LIMIT_WIRE_CONNECTIONS; i++)
		if (w->ins[i].id)
			look_at_in(w, &w->ins[i], now_us);
	for (size_t i = 0; i < w->n_links; i++)
		for (int c = 0; c < WIRE__CHANNELS; c++)
			wire_out_probe(&w->links[i].out[c], now_us);
}

/* Frames that came while we were stopped are still unread. */
static void forgive(struct wire *w, int64_t now_us)
{
	for (size_t i = 0; i < LIMIT_WIRE_CONNECTIONS; i++)
		if (w->ins[i].id)
			w->ins[i].heard_us = w->ins[i].added_us = now_us;
}

static void sleep_a_turn(struct wire *w)
{
	struct timespec until;

	CHECK(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
	until.tv_nsec += (long)WATCH_US * 1000;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	int rc = pthread_cond_timedwait(&w->changed, &w->lock, &until);
	CHECK(rc == 0 || rc == ETIMEDOUT);
}

void *wire_watch_main(void *arg)
{
	struct wire *w = arg;

	wire_lock(w);
	int64_t last_us = wire_now_us(w);
	while (!w->is_closing) {
		sleep_a_turn(w);
		int64_t now_us = wire_now_us(w);
		if (now_us - last_us > OVERSLEPT_US)
			forgive(w, now_us);
		else if (now_us - last_us >= WATCH_US / 2)
			look(w, now_us);
		last_us = now_us;
	}
	wire_unlock(w);
	return NULL;
}
