#include "tests/sim/faults.h"

#include "tests/sim/world.h"

static int64_t until(struct world *w, int64_t min_us, int64_t max_us)
{
	return w->now + rng_range(&w->rng, min_us, max_us);
}

static struct machine *any(struct world *w)
{
	return &w->machines[rng_below(&w->rng, w->plan.nodes)];
}

/* -- power -- */
static void crash(struct world *w, struct machine *m)
{
	if (!m || !m->replica)
		return;
	if (rng_chance(&w->rng, 0.6)) /* between two calls of a turn */
		m->fuse = 1 + (unsigned)rng_below(&w->rng, 12);
	else
		machine_crash(m, world_delay(w, 300000));
}

static void crash_all(struct world *w)
{
	for (unsigned i = 0; i < w->plan.nodes; i++)
		machine_crash(&w->machines[i], world_delay(w, 100000));
}

/* Every member's disk is the one that the cluster has recorded, as every member
 * that is up knows it, and all others hold everything committed: then one disk
 * may go. More than that loses data by definition. */
static bool may_lose(const struct world *w, unsigned number)
{
	for (unsigned i = 0; i < w->plan.nodes; i++) {
		const struct machine *m = &w->machines[i];
		const struct disk *d = &m->disk;
		uint64_t last = oracle_last(&w->oracle);
		if (i != number && d->state.index < last)
			return false;
		for (uint64_t k = d->state.index + 1; k <= disk_last_index(d);
		     k++) {
			const struct record *r = disk_record(d, k);
			if (r && r->type == LOG_CHANGE)
				return false;
		}
		if (m->view.is_changing)
			return false;
		for (unsigned k = 0; k < w->plan.nodes; k++) {
			const struct disk *o = &w->machines[k].disk;
			if (i != number &&
			    d->state.incarnation[k] != o->incarnation)
				return false;
		}
	}
	return __builtin_popcount(w->oracle.voters) >= 3;
}

static void lose_disk(struct world *w)
{
	struct machine *m = any(w);

	if (!may_lose(w, m->number))
		return;
	machine_crash(m, world_delay(w, 100000));
	disk_wipe(m, rng_u64(&w->rng) | 1);
	w->oracle.n_lost++;
	w->counts.disks_lost++;
	world_trace(w, m, "its disk is lost");
}

/* -- network -- */
static void cut_sides(struct world *w, unsigned side, int64_t end)
{
	for (unsigned a = 0; a < w->plan.nodes; a++)
		for (unsigned b = 0; b < w->plan.nodes; b++)
			if ((side >> a & 1) != (side >> b & 1))
				net_cut(w, a, b, end);
	world_trace(w, NULL, "partition %x for %lld us", side,
		    (long long)(end - w->now));
}

static void isolate_leader(struct world *w)
{
	struct machine *m = world_leader(w);
	unsigned friend = (unsigned)rng_below(&w->rng, w->plan.nodes);
	unsigned side = 0;

	if (!m)
		return;
	side = 1u << m->number;
	/* In a larger group, sometimes with one follower. */
	if (w->plan.nodes > 3 && rng_chance(&w->rng, 0.4))
		side |= 1u << friend;
	cut_sides(w, side, until(w, 100000, 2500000));
}

static void one_way(struct world *w)
{
	unsigned n = w->plan.nodes;
	unsigned a = (unsigned)rng_below(&w->rng, n);
	int64_t end = until(w, 50000, 2000000);

	switch (rng_below(&w->rng, 3)) {
	case 0:
		net_cut(w, a, (a + 1) % n, end);
		break;
	case 1: /* it hears nobody */
		for (unsigned b = 0; b < n; b++)
			if (b != a)
				net_cut(w, b, a, end);
		break;
	default: /* nobody hears it */
		for (unsigned b = 0; b < n; b++)
			if (b != a)
				net_cut(w, a, b, end);
	}
	world_trace(w, &w->machines[a], "one-way cut");
}

static void storm(struct world *w, struct weather *t, int64_t delay_max_us)
{
	t->until = until(w, 50000, 1500000);
	t->chance = (double)rng_range(&w->rng, 2, 40) / 100;
	t->delay_us = rng_range(&w->rng, 1000, delay_max_us);
}

static void false_alarm(struct world *w)
{
	unsigned a = (unsigned)rng_below(&w->rng, w->plan.nodes);
	unsigned b = (unsigned)rng_below(&w->rng, w->plan.nodes);

	if (a != b)
		net_break(w, a, b, 1);
}

/* -- machines -- */
static void slow_disk(struct world *w)
{
	struct disk *d = &any(w)->disk;

	d->slow_until = until(w, 50000, 2000000);
	d->slow_us = rng_range(&w->rng, 5000, 300000);
}

static void slow_state(struct world *w)
{
	struct disk *d = &any(w)->disk;

	d->lag_until = until(w, 100000, 3000000);
	d->lag_us = rng_range(&w->rng, 20000, 500000);
}

static void slow_node(struct world *w)
{
	struct machine *m = any(w);

	m->slow_until = until(w, 100000, 2000000);
	m->slow_us = rng_range(&w->rng, 1000, 30000);
}

static void freeze(struct world *w)
{
	struct machine *m = any(w);
	int64_t most = rng_chance(&w->rng, 0.2) ? 3000000 : 600000;

	m->blocked_until = until(w, 50000, most);
	world_trace(w, m, "frozen for %lld us",
		    (long long)(m->blocked_until - w->now));
}

static void step_clock(struct world *w)
{
	struct machine *m = any(w);
	int64_t drift = (int64_t)w->plan.drift_ppm;

	m->wall_offset += rng_range(&w->rng, -3600000000, 3600000000);
	int64_t step_us = rng_range(&w->rng, 0, 1000000);
	machine_set_clock(m, step_us, rng_range(&w->rng, -drift, drift));
	if (m->replica)
		machine_wake(m);
}

static void set_full(struct world *w)
{
	struct machine *m = world_pick(w);

	if (!m)
		return;
	m->is_full = !m->is_full;
	replica_set_full(m->replica, m->is_full);
}

/* -- what an operator does -- */
static void transfer(struct world *w)
{
	struct machine *m =
		rng_chance(&w->rng, 0.9) ? world_leader(w) : world_pick(w);
	struct err e = {0};
	uint64_t to = rng_chance(&w->rng, 0.3) ? 0 : any(w)->id;

	if (!m || m->blocked_until > w->now)
		return;
	bool was_under_way = m->transfer_since != MACHINE_NEVER;
	int rc = replica_transfer(m->replica, to, &e);
	world_trace(w, m, "transfer to %d: %s", to ? oracle_number(w, to) : -1,
		    rc ? e.text : "begun");
	if (rc == 0 && was_under_way)
		world_violation(w, m, "two transfers at once");
	machine_wake(m);
	if (rc)
		return;
	m->transfer_since = machine_mono(m);
	/* Who hands over is often about to stop: others may see that first and
	 * stand too. */
	for (unsigned i = 0; i < w->plan.nodes; i++)
		if (i != m->number && rng_chance(&w->rng, 0.3))
			net_break(w, i, m->number, world_delay(w, 5000));
}

static bool is_rebuilding(const struct world *w)
{
	for (unsigned i = 0; i < w->plan.nodes; i++)
		for (unsigned k = 0; k < w->plan.nodes; k++)
			if (!machine_trusts(&w->machines[i], k))
				return true;
	return false;
}

void faults_change_role(struct world *w)
{
	struct machine *m = world_leader(w);
	struct replica_member list[SIM_NODES_MAX];
	struct err e = {0};
	unsigned n_voters = 0;

	/* A rebuilt disk counts for nothing yet: fewer voters might be too few.
	 */
	if (!m || m->blocked_until > w->now ||
	    (w->oracle.n_lost > 0 && is_rebuilding(w)))
		return;
	size_t n = replica_members(m->replica, list, SIM_NODES_MAX);
	if (n == 0)
		return;
	for (size_t i = 0; i < n; i++)
		n_voters += list[i].role == REPLICA_VOTER;
	const struct replica_member *pick = &list[rng_below(&w->rng, n)];
	bool is_voter = pick->role == REPLICA_VOTER;
	if (is_voter && n_voters <= w->plan.voters_min)
		return;
	int rc = replica_assign(m->replica, pick->id,
				is_voter ? REPLICA_STANDBY : REPLICA_VOTER, &e);
	w->counts.roles += rc == 0;
	world_trace(w, m, "%u becomes %s: %s",
		    (unsigned)oracle_number(w, pick->id),
		    is_voter ? "standby" : "voter", rc ? e.text : "begun");
	machine_wake(m);
}

/* A leader that nobody hears asks for a change: it stays uncommitted. */
static void split_change(struct world *w)
{
	struct machine *m = world_leader(w);

	if (!m)
		return;
	cut_sides(w, 1u << m->number, until(w, 300000, 800000));
	faults_change_role(w);
	w->has_trap = rng_chance(&w->rng, 0.6);
	w->trapped = m->number;
}

void faults_spring_trap(struct world *w, struct machine *m)
{
	unsigned n = w->plan.nodes, side = 1u << w->trapped;
	struct err e = {0};

	if (!w->has_trap || w->is_healing || m->number == w->trapped)
		return;
	w->has_trap = false;
	if (!m->replica || (w->oracle.n_lost > 0 && is_rebuilding(w)) ||
	    __builtin_popcount(w->oracle.voters) <= (int)w->plan.voters_min)
		return;
	for (unsigned i = 0; i < n; i++)
		if (i != m->number && 2 * __builtin_popcount(side) < (int)n)
			side |= (unsigned)rng_below(&w->rng, 2) << i;
	int rc = replica_assign(m->replica, w->machines[w->trapped].id,
				REPLICA_STANDBY, &e);
	world_trace(w, m, "%u becomes standby, a trap: %s", w->trapped,
		    rc ? e.text : "begun");
	net_mend(w);
	cut_sides(w, side, until(w, 500000, 2000000));
	machine_wake(m);
}

bool faults_promote_unseen(struct world *w)
{
	struct machine *m = world_leader(w);
	struct replica_member list[SIM_NODES_MAX];
	struct err e = {0};

	if (!m || !m->view.is_settled || is_rebuilding(w))
		return false;
	size_t n = replica_members(m->replica, list, SIM_NODES_MAX);
	for (size_t i = 0; i < n; i++) {
		int number = oracle_number(w, list[i].id);
		if (list[i].role != REPLICA_STANDBY || number < 0)
			continue;
		if (replica_assign(m->replica, list[i].id, REPLICA_VOTER, &e))
			return false;
		world_trace(w, m, "%d becomes voter, unseen", number);
		net_cut(w, m->number, (unsigned)number, w->now + 400000);
		machine_wake(m);
		return true;
	}
	return false;
}

/* Leadership is handed to one member and the old leader freezes; another one
 * takes it for dead, and the two cannot hear each other. When the old leader
 * wakes up it finds the requests for votes of both. */
static void race_handover(struct world *w)
{
	struct machine *m = world_leader(w);
	struct err e = {0};
	unsigned n = w->plan.nodes;

	if (!m || m->blocked_until > w->now ||
	    m->transfer_since != MACHINE_NEVER)
		return;
	unsigned to = (m->number + 1 + (unsigned)rng_below(&w->rng, n - 1)) % n;
	if (replica_transfer(m->replica, w->machines[to].id, &e))
		return;
	m->transfer_since = machine_mono(m);
	int64_t election_us = (int64_t)w->plan.election_ms * 1000;
	int64_t end = until(w, election_us, 4 * election_us);
	for (unsigned i = 0; i < n; i++) {
		if (i == m->number || i == to)
			continue;
		net_cut(w, to, i, end);
		net_cut(w, i, to, end);
		net_break(w, i, m->number, world_delay(w, 3000));
	}
	m->stall_us = world_delay(w, 2 * election_us);
	machine_wake(m);
	world_trace(w, m, "hands over to %u, in a race", to);
}

/* -- the strike -- */
static void strike_network(struct world *w, enum fault f)
{
	unsigned side;

	switch (f) {
	case FAULT_PARTITION:
		side = (unsigned)rng_u64(&w->rng);
		cut_sides(w, side, until(w, 50000, 2500000));
		break;
	case FAULT_ISOLATE_LEADER:
		isolate_leader(w);
		break;
	case FAULT_ONE_WAY:
		one_way(w);
		break;
	case FAULT_MEND:
		net_mend(w);
		break;
	case FAULT_LOSS:
		storm(w, &w->net.loss, 2000);
		break;
	case FAULT_DUPLICATE:
		storm(w, &w->net.duplicate, 2000);
		break;
	case FAULT_REORDER:
		storm(w, &w->net.reorder, 1500000);
		break;
	case FAULT_DELAY:
		storm(w, &w->net.slow, 200000);
		break;
	case FAULT_GARBAGE:
		storm(w, &w->net.garbage, 2000);
		break;
	default:
		false_alarm(w);
	}
}

static void strike_machine(struct world *w, enum fault f)
{
	uint64_t keep;

	switch (f) {
	case FAULT_CRASH:
		crash(w, any(w));
		break;
	case FAULT_CRASH_LEADER:
		crash(w, world_leader(w));
		break;
	case FAULT_CRASH_ALL:
		crash_all(w);
		break;
	case FAULT_SLOW_DISK:
		slow_disk(w);
		break;
	case FAULT_SLOW_STATE:
		slow_state(w);
		break;
	case FAULT_SLOW_NODE:
		slow_node(w);
		break;
	case FAULT_FREEZE:
		freeze(w);
		break;
	case FAULT_CLOCK:
		step_clock(w);
		break;
	case FAULT_TRANSFER:
		transfer(w);
		break;
	case FAULT_ROLE:
		faults_change_role(w);
		break;
	case FAULT_SPLIT_CHANGE:
		split_change(w);
		break;
	case FAULT_HANDOVER_RACE:
		race_handover(w);
		break;
	case FAULT_FORGET:
		keep = rng_below(&w->rng, 30);
		disk_forget(&any(w)->disk, keep);
		break;
	case FAULT_IMAGES_GONE:
		disk_drop_images(&any(w)->disk);
		break;
	case FAULT_FULL:
		set_full(w);
		break;
	case FAULT_DISK_LOST:
		lose_disk(w);
		break;
	default:
		strike_network(w, f);
	}
}

void faults_strike(struct world *w)
{
	enum fault f = 0;

	if (w->is_healing || w->plan.weight_sum == 0)
		return;
	int64_t gap = world_delay(w, w->plan.fault_gap_us);
	uint64_t at = rng_below(&w->rng, w->plan.weight_sum);
	while (at >= w->plan.weight[f])
		at -= w->plan.weight[f++];
	world_trace(w, NULL, "fault: %s", plan_fault_name(f));
	strike_machine(w, f);
	world_push(w, (struct event){.at = w->now + gap, .kind = EVENT_FAULT});
}

void faults_end(struct world *w)
{
	net_mend(w);
	for (unsigned i = 0; i < w->plan.nodes; i++) {
		struct machine *m = &w->machines[i];
		m->fuse = 0;
		m->slow_until = m->disk.slow_until = m->disk.lag_until = 0;
		if (m->blocked_until > w->now)
			m->blocked_until = w->now;
		machine_set_clock(m, 0, m->rate_ppm / 10);
		if (m->replica && m->is_full)
			replica_set_full(m->replica, false);
		m->is_full = false;
		if (!m->replica)
			machine_start(m);
	}
	if (w->plan.link_us > 1000)
		w->plan.link_us = 1000;
}
