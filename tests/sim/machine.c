#include "tests/sim/machine.h"

#include <stdlib.h>

#include "base/check.h"
#include "cluster/core/admission.h"
#include "tests/sim/world.h"

/* Turns at once, one behind the other, with no news between them. */
enum { IDLE_MAX = 200 };

void machine_init(struct world *w, unsigned number, uint64_t id)
{
	w->machines[number] = (struct machine){
		.world = w,
		.number = number,
		.id = id,
		.mono_base = rng_range(&w->rng, 1000000, 1000000000000),
		.wall_offset = 1600000000000000,
		.turn_at = MACHINE_NEVER,
		.transfer_since = MACHINE_NEVER,
	};
}

/* -- clock -- */
int64_t machine_mono(const struct machine *m)
{
	int64_t gone = m->world->now - m->mono_at;

	return m->mono_base + gone + gone * m->rate_ppm / 1000000;
}

void machine_set_clock(struct machine *m, int64_t step_us, int64_t rate_ppm)
{
	m->mono_base = machine_mono(m) + step_us;
	m->mono_at = m->world->now;
	m->rate_ppm = rate_ppm;
}

static int64_t clock_mono(void *ctx)
{
	return machine_mono(ctx);
}

static int64_t clock_wall(void *ctx)
{
	struct machine *m = ctx;

	return m->world->now + m->wall_offset;
}

/* -- power -- */
bool machine_is_powered(struct machine *m)
{
	if (m->is_cut)
		return false;
	if (m->fuse == 0 || --m->fuse > 0)
		return true;
	m->is_cut = true;
	world_trace(m->world, m, "power cut inside a turn");
	return false;
}

void machine_crash(struct machine *m, int64_t down_us)
{
	struct world *w = m->world;

	if (!m->replica)
		return;
	world_trace(w, m, "crash, down for %lld us", (long long)down_us);
	m->is_cut = true;
	disk_cut(m);
	fates_died(m);
	replica_close(m->replica);
	m->replica = NULL;
	m->life++;
	m->fuse = 0;
	w->counts.crashes++;
	for (unsigned i = 0; i < w->plan.nodes; i++) {
		/* A reset at once, a time-out later, or nothing at all. */
		if (i != m->number && rng_chance(&w->rng, 0.8))
			net_break(w, i, m->number,
				  world_delay(w, rng_chance(&w->rng, 0.7)
							 ? 1000
							 : 300000));
	}
	if (down_us >= 0)
		world_push(w, (struct event){.at = w->now + down_us,
					     .kind = EVENT_START,
					     .node = (uint8_t)m->number});
}

static void crash_if_cut(struct machine *m)
{
	if (m->is_cut && m->replica)
		machine_crash(m, world_delay(m->world, 200000));
}

/* -- what the replica says -- */
static void on_fate(void *ctx, uint64_t tag, int code, uint64_t index)
{
	struct machine *m = ctx;

	if (!m->is_cut)
		fates_tell(m, tag, code, index);
}

static void on_changed(void *ctx)
{
}

static void on_transferred(void *ctx, int code)
{
	struct machine *m = ctx;

	if (m->is_cut)
		return;
	if (m->transfer_since == MACHINE_NEVER)
		world_violation(m->world, m, "a transfer that nobody wanted");
	m->transfer_since = MACHINE_NEVER;
	m->world->counts.transfers += code == 0;
	world_trace(m->world, m, "transfer ended: %d", code);
}

static void on_fatal(void *ctx, const char *why)
{
	struct machine *m = ctx;

	if (!m->is_cut)
		world_violation(m->world, m, "fatal: %s", why);
}

static struct replica_config config_of(struct machine *m)
{
	const struct plan *p = &m->world->plan;
	uint64_t boot = rng_u64(&m->world->rng);
	uint64_t seed = rng_u64(&m->world->rng);

	return (struct replica_config){
		.id = m->id,
		.boot = boot,
		.election_ms = p->election_ms,
		.heartbeat_ms = p->heartbeat_ms,
		.proposal_ms = p->proposal_ms,
		.clock = {m, clock_mono, clock_wall},
		.seed = seed,
		.disk = disk_ports(m),
		.net = net_ports(m),
		.events = {m, on_fate, on_changed, on_transferred, on_fatal},
		.rules_off = m->world->cfg.rules_off,
		.cache_bytes = p->cache_bytes,
		.chunk_bytes = p->chunk_bytes,
		.group_bytes = p->group_bytes,
		.cache_entries = p->cache_entries,
	};
}

void machine_start(struct machine *m)
{
	struct world *w = m->world;
	struct err e = {0};
	struct replica_config cfg = config_of(m);

	if (m->replica || m->is_away)
		return;
	world_trace(w, m, "start");
	m->is_cut = m->is_full = false;
	m->blocked_until = w->now;
	m->turn_at = MACHINE_NEVER;
	m->stall_us = 0;
	m->transfer_since = MACHINE_NEVER;
	m->view = (struct replica_view){0};
	m->checked_commit = m->disk.state.index;
	for (int i = 0; i < SIM_NODES_MAX; i++) {
		m->hello[i] = 0;
		m->is_quarantined[i] = m->is_admitted[i] = false;
	}
	if (replica_open(&m->replica, &cfg, &e)) {
		world_violation(w, m, "open: %s", e.text);
		return;
	}
	machine_judge_peers(m);
	if (replica_start(m->replica, &e)) {
		world_violation(w, m, "start: %s", e.text);
		return;
	}
	machine_wake(m);
	for (unsigned i = 0; i < w->plan.nodes; i++) {
		if (i == m->number)
			continue;
		net_join(w, m->number, i, world_delay(w, 5000));
		net_join(w, i, m->number, world_delay(w, 5000));
	}
	crash_if_cut(m);
}

/* -- turns -- */
static void turn_at(struct machine *m, int64_t at)
{
	if (at >= m->turn_at)
		return;
	m->turn_at = at;
	world_push(m->world, (struct event){.at = at,
					    .kind = EVENT_TURN,
					    .node = (uint8_t)m->number,
					    .life = m->life});
}

void machine_wake(struct machine *m)
{
	struct world *w = m->world;
	bool is_slow = m->slow_until > w->now;

	m->has_news = true;
	if (m->turn_at <= w->now + 1)
		return;
	turn_at(m, w->now + world_delay(w, is_slow ? m->slow_us
						   : w->plan.turn_us));
}

static void turn(struct machine *m, const struct event *e)
{
	struct world *w = m->world;

	if (e->at != m->turn_at)
		return; /* an earlier one took its place */
	m->turn_at = MACHINE_NEVER;
	w->counts.turns++;
	int64_t due_us = replica_turn(m->replica);
	oracle_turn(m);
	if (m->is_cut) {
		crash_if_cut(m);
		return;
	}
	if (m->stall_us > 0) {
		m->blocked_until = w->now + m->stall_us;
		world_trace(w, m, "frozen for %lld us", (long long)m->stall_us);
		m->stall_us = 0;
	}
	if (due_us > 0 || m->has_news)
		m->n_idle = 0;
	else if (++m->n_idle > IDLE_MAX)
		world_violation(w, m, "it spins: asks for turns, does nothing");
	m->has_news = false;
	if (due_us < 1)
		due_us = 1;
	int64_t wait = due_us * 1000000 / (1000000 + m->rate_ppm);
	int64_t from = m->blocked_until > w->now ? m->blocked_until : w->now;
	turn_at(m, from + wait + 1);
}

/* -- peers -- */
static struct admission_member member_of(const struct machine *m, unsigned i)
{
	const struct disk *d = &m->disk;

	return (struct admission_member){
		.id = m->world->machines[i].id,
		.is_heard = i == m->number || m->hello[i] != 0,
		.is_admitted = m->is_admitted[i],
		.incarnation = i == m->number ? d->incarnation : m->hello[i],
		.in_state = d->state.incarnation[i],
		.pinned = d->pins[i],
	};
}

bool machine_trusts(const struct machine *m, unsigned number)
{
	struct admission_member member = member_of(m, number);

	return admission_recorded(&member) ==
	       m->world->machines[number].disk.incarnation;
}

void machine_judge_peers(struct machine *m)
{
	struct world *w = m->world;
	struct admission_member self = member_of(m, m->number);
	bool is_self = admission_quarantine_self(&self);

	if (!m->replica || w->cfg.is_trusting)
		return;
	for (unsigned i = 0; i < w->plan.nodes; i++) {
		struct admission_member other = member_of(m, i);
		bool is_on =
			i == m->number
				? is_self
				: admission_quarantine_peer(&other, is_self);
		if (is_on == m->is_quarantined[i])
			continue;
		m->is_quarantined[i] = is_on;
		replica_quarantine(m->replica, other.id, is_on);
		world_trace(w, m, "quarantine of %u %s", i,
			    is_on ? "begins" : "ends");
	}
}

static void hear_hello(struct machine *m, unsigned peer, uint64_t incarnation)
{
	const struct machine *other = &m->world->machines[peer];
	bool is_admitted = !other->is_quarantined[peer];

	if (m->hello[peer] == incarnation &&
	    m->is_admitted[peer] == is_admitted)
		return;
	m->hello[peer] = incarnation;
	m->is_admitted[peer] = is_admitted;
	machine_judge_peers(m);
}

static void peer_up(struct machine *m, unsigned peer)
{
	struct world *w = m->world;
	const struct machine *other = &w->machines[peer];

	if (!other->replica)
		return; /* its start brings the next one */
	if (net_is_cut(w, m->number, peer)) {
		net_join(w, m->number, peer, world_delay(w, 50000));
		return;
	}
	hear_hello(m, peer, other->disk.incarnation);
	replica_peer_up(m->replica, other->id);
}

static void peer_down(struct machine *m, unsigned peer)
{
	struct world *w = m->world;

	world_trace(w, m, "hears that %u is gone", peer);
	replica_peer_down(m->replica, w->machines[peer].id);
	net_join(w, m->number, peer, world_delay(w, 20000));
}

/* Each connection begins with a hello: a frame of the peer's old disk does not
 * come after a frame of its new one. */
static void frame(struct machine *m, const struct event *e)
{
	const struct machine *from = &m->world->machines[e->peer];

	if (e->a == from->disk.incarnation)
		hear_hello(m, e->peer, e->a);
	if (m->hello[e->peer] == 0 || m->hello[e->peer] == e->a)
		replica_recv(m->replica, from->id, e->p);
	blob_unref(e->p);
}

/* -- events -- */
/* Not now: it waits until the machine works again. */
static void postpone(struct machine *m, const struct event *e)
{
	struct event later = *e;

	later.at = m->blocked_until;
	if (e->kind == EVENT_TURN) {
		if (e->at != m->turn_at)
			return;
		m->turn_at = later.at;
	}
	world_push(m->world, later);
}

void machine_event(struct machine *m, const struct event *e)
{
	bool is_of_life = e->kind != EVENT_FRAME;

	if (!m->replica || (is_of_life && e->life != m->life)) {
		blob_unref(e->p);
		return;
	}
	if (m->blocked_until > m->world->now) {
		postpone(m, e);
		return;
	}
	switch (e->kind) {
	case EVENT_TURN:
		turn(m, e);
		return;
	case EVENT_FRAME:
		frame(m, e);
		break;
	case EVENT_PEER_UP:
		peer_up(m, e->peer);
		break;
	case EVENT_PEER_DOWN:
		peer_down(m, e->peer);
		break;
	default:
		disk_event(m, e);
	}
	machine_wake(m);
}

void machine_free(struct machine *m)
{
	if (m->replica) {
		m->is_cut = true;
		disk_cut(m);
		replica_close(m->replica);
		m->replica = NULL;
	}
	disk_free(&m->disk);
	free(m->told);
	free(m->pending);
}
