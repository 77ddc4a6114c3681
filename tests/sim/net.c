#include "tests/sim/net.h"

#include "tests/sim/trace.h"
#include "tests/sim/world.h"

static bool in_weather(struct world *w, const struct weather *t)
{
	return t->until > w->now && rng_chance(&w->rng, t->chance);
}

/* One byte of the frame turns over on its way. The sum must find it. */
static struct blob *spoil(struct world *w, struct blob *frame)
{
	struct blob *bad = blob_copy(frame->data, frame->len);

	blob_unref(frame);
	size_t at = (size_t)rng_below(&w->rng, bad->len);
	bad->data[at] ^= (uint8_t)(1 + rng_below(&w->rng, 255));
	w->counts.garbage++;
	return bad;
}

/* Takes the frame. */
static void carry(struct machine *m, unsigned dst, struct blob *frame,
		  bool is_bulk)
{
	struct world *w = m->world;
	struct link *l = &w->net.links[m->number][dst];
	int64_t at = m->blocked_until > w->now ? m->blocked_until : w->now;

	at += world_delay(w, w->plan.link_us);
	if (w->net.slow.until > w->now)
		at += world_delay(w, w->net.slow.delay_us);
	if (in_weather(w, &w->net.reorder)) {
		at += rng_range(&w->rng, 0, w->net.reorder.delay_us);
	} else {
		if (at < l->newest_at[is_bulk])
			at = l->newest_at[is_bulk];
		l->newest_at[is_bulk] = at;
	}
	if (in_weather(w, &w->net.garbage))
		frame = spoil(w, frame);
	w->counts.frames++;
	world_push(w, (struct event){.at = at,
				     .kind = EVENT_FRAME,
				     .node = (uint8_t)dst,
				     .peer = (uint8_t)m->number,
				     .a = m->disk.incarnation,
				     .p = frame});
}

static void send_frame(void *ctx, uint64_t peer, struct blob *frame, bool bulk)
{
	struct machine *m = ctx;
	struct world *w = m->world;
	int dst = oracle_number(w, peer);

	if (!machine_is_powered(m)) {
		blob_unref(frame);
		return;
	}
	if (dst < 0 || dst == (int)m->number) {
		world_violation(w, m, "a frame to nobody (%llx)",
				(unsigned long long)peer);
		blob_unref(frame);
		return;
	}
	trace_frame(w, m, (unsigned)dst, frame);
	if (w->net.links[m->number][dst].cut_until > w->now ||
	    in_weather(w, &w->net.loss)) {
		w->counts.frames_lost++;
		blob_unref(frame);
		return;
	}
	if (in_weather(w, &w->net.duplicate))
		carry(m, (unsigned)dst, blob_ref(frame), bulk);
	carry(m, (unsigned)dst, frame, bulk);
}

struct replica_net net_ports(struct machine *m)
{
	return (struct replica_net){.ctx = m, .send = send_frame};
}

void net_cut(struct world *w, unsigned src, unsigned dst, int64_t until)
{
	struct link *l = &w->net.links[src][dst];

	if (l->cut_until < until)
		l->cut_until = until;
	/* Sometimes it is noticed: soon (reset), late (time-out) or never. */
	if (rng_chance(&w->rng, 0.4))
		net_break(w, src, dst, world_delay(w, 100000));
	if (rng_chance(&w->rng, 0.4))
		net_break(w, dst, src, world_delay(w, 100000));
}

bool net_is_cut(const struct world *w, unsigned a, unsigned b)
{
	return w->net.links[a][b].cut_until > w->now ||
	       w->net.links[b][a].cut_until > w->now;
}

void net_mend(struct world *w)
{
	for (unsigned a = 0; a < w->plan.nodes; a++)
		for (unsigned b = 0; b < w->plan.nodes; b++)
			w->net.links[a][b].cut_until = 0;
	w->net.loss.until = w->net.duplicate.until = w->net.reorder.until = 0;
	w->net.slow.until = w->net.garbage.until = 0;
}

static void notice(struct world *w, enum event_kind kind, unsigned a,
		   unsigned b, int64_t after_us)
{
	world_push(w, (struct event){.at = w->now + after_us,
				     .kind = kind,
				     .node = (uint8_t)a,
				     .peer = (uint8_t)b,
				     .life = w->machines[a].life});
}

void net_break(struct world *w, unsigned a, unsigned b, int64_t after_us)
{
	notice(w, EVENT_PEER_DOWN, a, b, after_us);
}

void net_join(struct world *w, unsigned a, unsigned b, int64_t after_us)
{
	notice(w, EVENT_PEER_UP, a, b, after_us);
}
