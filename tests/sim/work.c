#include "tests/sim/work.h"

#include <string.h>

#include "base/check.h"
#include "base/digest.h"
#include "base/endian.h"
#include "tests/sim/world.h"

/* The replica's own id comes first; then id, kind, member, incarnation and
 * filler. */
enum { ENTRY_ID = 16, VALUE_HEAD = 32, VALUE_MAX = 8192, PROPOSALS_MAX = 3000 };
enum kind { KIND_VALUE = 1, KIND_MEMBER = 2 };

uint64_t work_proposal(struct bytes entry)
{
	if (entry.len < ENTRY_ID + VALUE_HEAD)
		return 0;
	return get_u64(entry.data + ENTRY_ID);
}

uint64_t work_digest(struct bytes entry)
{
	CHECK(entry.len >= ENTRY_ID);
	return digest64(entry.data + ENTRY_ID, entry.len - ENTRY_ID);
}

void work_apply(struct sim_state *s, struct bytes entry)
{
	const uint8_t *value = entry.data + ENTRY_ID;

	if (entry.len < ENTRY_ID + VALUE_HEAD ||
	    get_u64(value + 8) != KIND_MEMBER)
		return;
	uint64_t member = get_u64(value + 16);
	if (member < SIM_NODES_MAX)
		s->incarnation[member] = get_u64(value + 24);
}

/* KIND_VALUE: a is the length; KIND_MEMBER: the member and its incarnation.
 * Returns the id when the replica took it, else 0. */
static uint64_t propose(struct machine *m, enum kind kind, uint64_t a,
			uint64_t b)
{
	struct world *w = m->world;
	uint8_t value[VALUE_MAX] = {0};
	struct err e = {0};
	size_t len = VALUE_HEAD;

	if (kind == KIND_VALUE && a > len)
		len = (size_t)a;
	CHECK(len <= VALUE_MAX);
	put_u64(value, w->oracle.fates.n_proposals + 1);
	put_u64(value + 8, kind);
	put_u64(value + 16, a);
	put_u64(value + 24, b);
	uint64_t id = fates_propose(w, value, len);
	int rc =
		replica_propose(m->replica, (struct bytes){value, len}, id, &e);
	if (rc == 0) {
		fates_accepted(m, id);
		world_trace(w, m, "proposal %llu accepted",
			    (unsigned long long)id);
		machine_wake(m);
		return id;
	}
	if (rc != ERR_NO_LEADER && rc != ERR_BUSY && rc != ERR_FULL)
		world_violation(w, m, "a proposal is refused: %s: %s",
				err_name(rc), e.text);
	return 0;
}

static bool is_able(const struct machine *m)
{
	return m && m->replica && m->blocked_until <= m->world->now;
}

/* How many proposals now, and when the next ones. */
static uint64_t amount(struct world *w, int64_t *gap_us)
{
	*gap_us = w->plan.propose_gap_us;
	if (w->plan.is_steady)
		return 1;
	*gap_us = world_delay(w, *gap_us);
	return rng_chance(&w->rng, 0.1) ? rng_below(&w->rng, 20) + 1 : 1;
}

void work_step(struct world *w)
{
	int64_t gap_us;
	uint64_t n = amount(w, &gap_us);
	struct machine *m =
		rng_chance(&w->rng, 0.3) ? world_leader(w) : world_pick(w);

	if (w->is_healing)
		return;
	for (;
	     n > 0 && is_able(m) && w->oracle.fates.n_proposals < PROPOSALS_MAX;
	     n--)
		propose(m, KIND_VALUE, rng_below(&w->rng, w->plan.value_max),
			0);
	work_rebuild(w);
	world_push(w, (struct event){.at = w->now + gap_us,
				     .kind = EVENT_PROPOSE});
}

bool work_probe(struct machine *m)
{
	const struct fates *f = &m->world->oracle.fates;

	if (!is_able(m))
		return false;
	if (m->probe) {
		enum fate_state fate = fates_of(f, m->probe);
		if (fate == FATE_COMMITTED)
			return true;
		if (fate == FATE_PENDING)
			return false;
	}
	m->probe = propose(m, KIND_VALUE, 0, 0);
	return false;
}

void work_rebuild(struct world *w)
{
	struct machine *m = world_leader(w);

	if (!is_able(m) || !m->view.is_settled || !rng_chance(&w->rng, 0.1))
		return;
	for (unsigned i = 0; i < w->plan.nodes; i++) {
		uint64_t heard =
			i == m->number ? m->disk.incarnation : m->hello[i];
		if (heard && heard != m->disk.state.incarnation[i])
			propose(m, KIND_MEMBER, i, heard);
	}
}
