#include "tests/sim/drain.h"

#include <stdio.h>

#include "tests/sim/faults.h"
#include "tests/sim/work.h"
#include "tests/sim/world.h"

enum {
	EVERY_US = 20000,
	/* A phase may last as long as something moves, and then this long; but
	 * never longer than that. */
	STUCK_US = 15000000,
	PHASE_US = 40000000,
	FAREWELL_US = 300000,
};

/* -- a minority stays away -- */
static bool has_majority(unsigned voters, unsigned present)
{
	return 2 * __builtin_popcount(voters & present) >
	       __builtin_popcount(voters);
}

/* Is there a majority without them, beyond doubt? Not while a membership change
 * is under way: libraft lets no member stand that its own, uncommitted
 * configuration demotes, though its vote may be needed (Raft thesis, 4.2.2). */
static bool is_enough(const struct world *w, unsigned present)
{
	if (!has_majority(w->oracle.voters, present))
		return false;
	for (unsigned i = 0; i < w->plan.nodes; i++) {
		const struct machine *m = &w->machines[i];
		uint64_t last = disk_last_index(&m->disk);
		if (m->disk.n_jobs > 0 || m->view.is_changing)
			return false;
		for (unsigned k = 0; k < w->plan.nodes; k++)
			if (!machine_trusts(m, k))
				return false;
		for (uint64_t k = oracle_last(&w->oracle) + 1; k <= last; k++) {
			const struct record *r = disk_record(&m->disk, k);
			if (r && r->type == LOG_CHANGE)
				return false;
		}
	}
	return true;
}

/* first: the one to go before all others. */
static void send_away(struct world *w, unsigned first)
{
	unsigned present = (1u << w->plan.nodes) - 1;

	for (unsigned n = 0; n < w->plan.nodes; n++) {
		unsigned i = (unsigned)rng_below(&w->rng, w->plan.nodes);
		if (n == 0 && first < w->plan.nodes)
			i = first;
		if (!(present >> i & 1) || !is_enough(w, present & ~(1u << i)))
			continue;
		present &= ~(1u << i);
		w->machines[i].is_away = true;
	}
	for (unsigned i = 0; i < w->plan.nodes; i++) {
		if (!w->machines[i].is_away)
			continue;
		world_trace(w, &w->machines[i], "stays away");
		machine_crash(&w->machines[i], -1);
	}
}

static void bring_back(struct world *w)
{
	world_trace(w, NULL, "everybody is back");
	w->phase = PHASE_REST;
	w->heal_at = w->moved_at = w->now;
	for (unsigned i = 0; i < w->plan.nodes; i++) {
		w->machines[i].is_away = false;
		machine_start(&w->machines[i]);
	}
}

/* -- at rest -- */
static bool is_probed(struct world *w)
{
	bool is_good = true;

	for (unsigned i = 0; i < w->plan.nodes; i++) {
		struct machine *m = &w->machines[i];
		if (!m->is_away && !work_probe(m))
			is_good = false;
	}
	return is_good;
}

static bool is_at_rest(struct world *w, const struct machine *leader,
		       const struct machine *m)
{
	uint64_t last = oracle_last(&w->oracle);

	for (unsigned k = 0; k < w->plan.nodes; k++)
		if (m->is_quarantined[k])
			return false;
	return m->replica && m->view.leader_id == leader->id &&
	       m->view.proposals == 0 && m->n_pending == 0 &&
	       m->disk.state.index == last && m->view.last_index == last &&
	       m->disk.n_jobs == 0 &&
	       (m == leader || m->view.state == REPLICA_FOLLOWER);
}

static bool is_drained(struct world *w)
{
	struct machine *leader = world_leader(w);
	bool has_probes = is_probed(w);

	if (!leader || !leader->view.is_settled || !has_probes)
		return false;
	if (w->phase == PHASE_SHORT)
		return true;
	if (leader->view.is_changing || !fates_is_quiet(&w->oracle.fates))
		return false;
	for (unsigned i = 0; i < w->plan.nodes; i++)
		if (!is_at_rest(w, leader, &w->machines[i]))
			return false;
	return true;
}

/* Grows as long as the log is copied, committed and applied. */
static uint64_t movement(const struct world *w)
{
	uint64_t sum = oracle_last(&w->oracle);

	for (unsigned i = 0; i < w->plan.nodes; i++) {
		const struct disk *d = &w->machines[i].disk;
		sum += d->state.index + d->incoming_len;
		if (d->n_records > 0 && d->records[d->n_records - 1].term ==
						w->machines[i].disk.term)
			sum += disk_last_index(d);
	}
	return sum;
}

static bool is_stuck(struct world *w)
{
	uint64_t sum = movement(w);

	if (sum != w->moved_sum) {
		w->moved_sum = sum;
		w->moved_at = w->now;
	}
	return w->now - w->moved_at > STUCK_US ||
	       w->now - w->heal_at > PHASE_US;
}

/* What keeps it from coming to rest, for the report. */
static void complain(struct world *w)
{
	char text[220];
	int at = 0;

	for (unsigned i = 0; i < w->plan.nodes; i++) {
		const struct machine *m = &w->machines[i];
		at += snprintf(text + at, sizeof(text) - (size_t)at,
			       " %u:%c%llu/%llu/%llu%s", i,
			       m->replica ? "xFCL"[m->view.state] : '-',
			       (unsigned long long)m->view.term,
			       (unsigned long long)m->disk.state.index,
			       (unsigned long long)m->view.last_index,
			       m->view.is_changing ? "~" : "");
		if (at >= (int)sizeof(text))
			break;
	}
	world_violation(w, world_leader(w),
			"%s (state, term/applied/last, of %llu):%s",
			w->phase == PHASE_SHORT ? "a majority gets nowhere"
						: "not at rest",
			(unsigned long long)oracle_last(&w->oracle), text);
}

/* -- the step -- */
static void end_farewell(struct world *w)
{
	struct machine *leader = world_leader(w);

	w->phase = PHASE_REST;
	w->heal_at = w->moved_at = w->now;
	if (w->plan.has_absent)
		send_away(w, leader ? leader->number : w->plan.nodes);
	for (unsigned i = 0; i < w->plan.nodes; i++)
		if (w->machines[i].is_away)
			w->phase = PHASE_SHORT;
}

static void begin(struct world *w)
{
	w->heal_at = w->moved_at = w->now;
	w->is_healing = true;
	world_trace(w, NULL, "the bad times are over");
	faults_end(w);
	w->phase = PHASE_FAREWELL;
	if (!w->plan.has_farewell)
		end_farewell(w);
}

/* A promotion that the promoted one has not seen when its leader goes. */
static void farewell(struct world *w)
{
	int64_t gone = w->now - w->heal_at;

	if (!w->is_promoting && world_leader(w) && faults_promote_unseen(w)) {
		w->is_promoting = true;
		w->heal_at = w->now - 2 * FAREWELL_US;
	} else if (gone > 3 * FAREWELL_US) {
		end_farewell(w);
	}
}

static void rest(struct world *w)
{
	if (is_drained(w)) {
		uint64_t took = (uint64_t)(w->now - w->heal_at) / 1000;
		w->counts.drain_ms += took;
		if (took > w->counts.drain_ms_max)
			w->counts.drain_ms_max = took;
		if (w->phase == PHASE_REST) {
			w->is_done = true;
			return;
		}
		w->counts.absences++;
		bring_back(w);
	} else if (is_stuck(w)) {
		complain(w);
	}
}

void drain_step(struct world *w)
{
	switch (w->phase) {
	case PHASE_FAULTS:
		begin(w);
		break;
	case PHASE_FAREWELL:
		farewell(w);
		break;
	default:
		rest(w);
	}
	work_rebuild(w);
	world_push(w, (struct event){.at = w->now + EVERY_US,
				     .kind = EVENT_DRAIN});
}
