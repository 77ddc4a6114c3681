/* What a hello does to the connection it came over: accept it, keep it waiting
 * for a proof, or refuse it. Runs on nng threads. */
#include <inttypes.h>
#include <string.h>

#include "base/check.h"
#include "cluster/wire/wire_inner.h"

/* A greeting on its way to a verdict. Under wire.lock. */
struct arrival {
	struct wire *wire;
	struct wire_in *in;
	struct wire_link *link;
	const struct wire_greeting *greeting;
	int64_t now_us;
};

static void refuse(struct arrival *a, const struct wire_verdict *v)
{
	wire_report_refused(a->wire, a->link, a->greeting->hello.node_id,
			    a->in->channel, v);
	wire_in_lose(a->in, false);
}

/* An accepted connection of this peer, other than the one at hand, that was
 * heard of lately: the process behind it lives. */
static struct wire_in *living(struct arrival *a)
{
	for (size_t i = 0; i < LIMIT_WIRE_CONNECTIONS; i++) {
		struct wire_in *in = &a->wire->ins[i];

		if (in->stream && in != a->in && in->is_accepted &&
		    in->link == a->link &&
		    a->now_us - in->heard_us <
			    (int64_t)LIMIT_ALIVE_MS * WIRE_US_PER_MS)
			return in;
	}
	return NULL;
}

/* Neither the bytes compared nor their order may tell how far a guess is right:
 * so no memcmp. */
static bool is_same_token(const uint8_t *a, const uint8_t *b)
{
	volatile uint8_t difference = 0;

	for (size_t i = 0; i < WIRE_TOKEN_BYTES; i++)
		difference = (uint8_t)(difference | (a[i] ^ b[i]));
	return difference == 0;
}

/* The token that this peer wants to see from us. Whoever claims to be the peer
 * may set it: we show it only on the connection that we dialed, so to the real
 * one. But while a proven one lives, nobody else may change it. */
static void learn_token(struct arrival *a)
{
	const struct wire_greeting *g = a->greeting;
	struct wire_link *link = a->link;

	if (!g->has_token ||
	    (link->has_echo && is_same_token(link->echo, g->token)))
		return;
	if (!a->in->is_accepted && living(a))
		return;
	memcpy(link->echo, g->token, sizeof link->echo);
	link->has_echo = true;
	for (int c = 0; c < WIRE__CHANNELS; c++)
		wire_out_say_hello(&link->out[c]);
}

/* Under TLS a node must show the token that we sent over the connection which
 * we dialed, to the bearer of its certificate. */
static bool is_proven(struct arrival *a)
{
	const struct wire_greeting *g = a->greeting;

	if (!a->wire->is_tls)
		return true;
	learn_token(a);
	return g->has_echo && is_same_token(g->echo, a->link->token);
}

/* A second process with the identity of a first one that lives. After a quick
 * restart the old connection may be seen for some moments yet: so nothing is
 * said before it has lasted. */
static bool is_clone(struct arrival *a)
{
	struct wire_in *other = living(a);
	struct wire_link *link = a->link;
	struct wire_verdict v;

	if (!other || other->hello.boot == a->greeting->hello.boot)
		return false;
	/* The second process dials again and again: a pause means that this
	 * is another story. */
	if (a->now_us - link->clone_last_us >
	    (int64_t)LIMIT_ALIVE_MS * WIRE_US_PER_MS)
		link->clone_first_us = a->now_us;
	link->clone_last_us = a->now_us;
	if (a->now_us - link->clone_first_us <
	    (int64_t)LIMIT_CLONE_MS * WIRE_US_PER_MS) {
		wire_in_lose(a->in, false);
		return true;
	}
	wire_verdict_set(&v, WIRE_REFUSED_CLONE,
			 "two processes speak as %s: its data directory was "
			 "copied and both copies run; stop one and give it an "
			 "empty directory",
			 link->peer.name);
	refuse(a, &v);
	return true;
}

/* Older connections of this peer: of the same process when it came back over a
 * new one on this channel, of a dead process when the boot changed. They were
 * replaced, not lost: no DOWN. */
static void replace_older(struct arrival *a)
{
	uint64_t boot = a->greeting->hello.boot;

	for (size_t i = 0; i < LIMIT_WIRE_CONNECTIONS; i++) {
		struct wire_in *in = &a->wire->ins[i];

		if (!in->stream || in == a->in || in->link != a->link ||
		    !in->is_accepted ||
		    (in->hello.boot == boot && in->channel != a->in->channel))
			continue;
		wire_in_lose(in, true);
	}
}

/* A connection of ours that stood while the peer's former process still spoke
 * leads to that process. When its machine crashed nobody closed it. */
static void break_stale(struct arrival *a)
{
	struct wire_link *link = a->link;

	if (link->boot && link->boot != a->greeting->hello.boot)
		for (int c = 0; c < WIRE__CHANNELS; c++)
			wire_out_break(&link->out[c], link->heard_us);
}

static void take_in(struct arrival *a)
{
	const struct wire_hello *hello = &a->greeting->hello;
	struct wire_link *link = a->link;
	bool is_news =
		!a->in->is_accepted || !wire_hello_equal(&a->in->hello, hello);

	replace_older(a);
	break_stale(a);
	if (link->boot != hello->boot)
		link->clone_first_us = link->clone_last_us = 0;
	a->in->is_accepted = true;
	a->in->awaits_proof = false;
	a->in->heard_us = a->now_us;
	a->in->hello = *hello;
	link->boot = hello->boot;
	link->heard_us = a->now_us;
	link->hello = *hello;
	if (is_news)
		wire_post(a->wire, NOTE_WIRE_HELLO, link->peer.id,
			  a->in->channel, hello);
}

/* The incarnation is judged by the owner, without our lock. */
static bool is_admitted(struct wire *w, const struct wire_hello *hello)
{
	return !w->admit || w->admit(w->admit_ctx, hello);
}

static void weigh(struct arrival *a, bool admitted)
{
	struct wire_verdict v;
	struct wire_judge judge = {
		.self = &a->wire->hello,
		.peer = a->link ? &a->link->peer : NULL,
	};

	if (a->in->link && a->in->link != a->link) {
		wire_verdict_set(&v, WIRE_REFUSED_NODE,
				 "%s speaks on the connection of %s",
				 a->greeting->name, a->in->link->peer.name);
		refuse(a, &v);
		return;
	}
	if (!wire_greeting_judge(a->greeting, &judge, &v)) {
		refuse(a, &v);
		return;
	}
	if (!admitted) {
		wire_verdict_set(
			&v, WIRE_REFUSED_INCARNATION,
			"%s comes with another data directory "
			"(incarnation %016" PRIx64 ") than the cluster knows",
			a->greeting->name, a->greeting->hello.incarnation);
		refuse(a, &v);
		return;
	}
	a->in->link = a->link;
	wire_stream_set_limit(a->in->stream, LIMIT_FRAME_BYTES);
	if (!is_proven(a))
		a->in->awaits_proof = !a->in->is_accepted;
	else if (!is_clone(a))
		take_in(a);
}

static void refuse_unread(struct wire_in *in, struct wire_stream *s,
			  const struct err *e)
{
	struct wire *w = in->wire;
	struct wire_verdict v;

	wire_verdict_set(&v, WIRE_REFUSED_FORMAT, "%.200s", e->text);
	wire_count(&w->counters.frames_bad, 1);
	wire_lock(w);
	if (in->stream == s) {
		wire_report_refused(w, in->link, 0, in->channel, &v);
		wire_in_lose(in, false);
	}
	wire_unlock(w);
}

void wire_accept(struct wire_in *in, struct wire_stream *s, struct bytes frame)
{
	struct wire *w = in->wire;
	struct wire_greeting g;
	struct err e;

	if (wire_greeting_read(frame, &g, &e)) {
		refuse_unread(in, s, &e);
		return;
	}
	bool admitted = is_admitted(w, &g.hello);

	wire_lock(w);
	struct arrival a = {
		.wire = w,
		.in = in,
		.link = wire_link_find(w, g.hello.node_id),
		.greeting = &g,
		.now_us = wire_now_us(w),
	};
	if (in->stream == s) /* else it has broken already */
		weigh(&a, admitted);
	wire_unlock(w);
}
