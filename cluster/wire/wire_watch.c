/* The watch: a thread that dials, and that looks at all connections a few times
 * a second and closes those that nothing else would: a stranger that never said
 * hello, a peer that fell silent (its machine lost power, or the network drops
 * packets: nobody closes such a connection). A peer repeats its hello when it
 * has nothing else to say, so silence means something. */
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
	wire_in_lose(in, false);
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
	wire_in_lose(in, false);
}

static void look(struct wire *w, int64_t now_us)
{
	for (size_t i = 0; i < LIMIT_WIRE_CONNECTIONS; i++)
		if (w->ins[i].stream)
			look_at_in(w, &w->ins[i], now_us);
	for (size_t i = 0; i < w->n_links; i++)
		for (int c = 0; c < WIRE__CHANNELS; c++)
			wire_out_probe(&w->links[i].out[c], now_us);
}

/* Frames that came while we were stopped are still unread. */
static void forgive(struct wire *w, int64_t now_us)
{
	for (size_t i = 0; i < LIMIT_WIRE_CONNECTIONS; i++)
		if (w->ins[i].stream)
			w->ins[i].heard_us = w->ins[i].added_us = now_us;
}

static void sleep_until(struct wire *w, int64_t at_us)
{
	struct timespec at = {
		.tv_sec = at_us / 1000000,
		.tv_nsec = at_us % 1000000 * 1000,
	};
	int rc = pthread_cond_timedwait(&w->changed, &w->lock, &at);

	CHECK(rc == 0 || rc == ETIMEDOUT);
}

/* Dial what is due; when is the next one? */
static int64_t dial(struct wire *w, int64_t now_us)
{
	int64_t next_us = INT64_MAX;

	for (size_t i = 0; i < w->n_links; i++)
		for (int c = 0; c < WIRE__CHANNELS; c++) {
			struct wire_out *o = &w->links[i].out[c];
			int64_t at_us = wire_out_dial_us(o);

			if (at_us <= now_us)
				wire_out_dial(o);
			else if (at_us < next_us)
				next_us = at_us;
		}
	return next_us;
}

void *wire_watch_main(void *arg)
{
	struct wire *w = arg;

	wire_lock(w);
	int64_t looked_us = wire_now_us(w);
	while (!w->is_closing) {
		int64_t now_us = wire_now_us(w);
		int64_t next_us = dial(w, now_us);

		if (now_us - looked_us > OVERSLEPT_US)
			forgive(w, now_us);
		if (now_us - looked_us >= WATCH_US) {
			look(w, now_us);
			looked_us = now_us;
		}
		if (next_us > looked_us + WATCH_US)
			next_us = looked_us + WATCH_US;
		sleep_until(w, next_us);
	}
	wire_unlock(w);
	return NULL;
}
