#include "tests/sim/fates.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/digest.h"
#include "base/err.h"
#include "tests/sim/work.h"
#include "tests/sim/world.h"

/* How far behind its deadline a fate may come: a turn and a tick. A transfer
 * has no deadline of its own. */
enum { LATE_US = 100000, TRANSFER_US = 10000000 };

/* Without faults: the first leader is there by then, and an answer comes as
 * fast as this. */
enum { CALM_FROM_US = 1200000, CALM_LATENCY_US = 400000 };

#define U(x) ((unsigned long long)(x))

void fates_free(struct fates *f)
{
	free(f->proposals);
	free(f->claims);
	*f = (struct fates){0};
}

bool fates_is_quiet(const struct fates *f)
{
	return f->n_claims == 0;
}

enum fate_state fates_of(const struct fates *f, uint64_t id)
{
	CHECK(id > 0 && id <= f->n_proposals);
	return f->proposals[id - 1].fate;
}

static struct proposal_record *proposal(struct fates *f, uint64_t id)
{
	return id == 0 || id > f->n_proposals ? NULL : &f->proposals[id - 1];
}

static struct proposal_record *known(struct fates *f, uint64_t id)
{
	CHECK(id > 0 && id <= f->n_proposals);
	return &f->proposals[id - 1];
}

static void judge_command(struct machine *m, uint64_t index,
			  const struct record *r)
{
	struct fates *f = &m->world->oracle.fates;
	uint64_t id = work_proposal(blob_bytes(r->data));
	struct proposal_record *p = proposal(f, id);

	if (!p || p->digest != work_digest(blob_bytes(r->data))) {
		world_violation(m->world, m,
				"entry %llu holds what nobody proposed",
				U(index));
		return;
	}
	if (p->index)
		world_violation(m->world, m,
				"proposal %llu is committed twice: at %llu "
				"and at %llu",
				U(id), U(p->index), U(index));
	if (p->fate == FATE_REFUSED)
		world_violation(m->world, m,
				"proposal %llu was refused and is committed at "
				"%llu",
				U(id), U(index));
	p->index = index;
}

static void claim_push(struct fates *f, const struct told *t)
{
	if (f->n_claims == f->claims_cap) {
		f->claims_cap = 2 * f->claims_cap + 8;
		f->claims =
			mem_grow(f->claims, f->claims_cap * sizeof(*f->claims));
	}
	f->claims[f->n_claims++] = (struct claim){t->tag, t->index};
}

static void judge_claims(struct machine *m, uint64_t index)
{
	struct fates *f = &m->world->oracle.fates;
	size_t n = 0;

	for (size_t i = 0; i < f->n_claims; i++) {
		struct claim c = f->claims[i];
		if (c.index != index) {
			f->claims[n++] = c;
			continue;
		}
		if (known(f, c.proposal)->index != index)
			world_violation(m->world, m,
					"proposal %llu was acknowledged at "
					"%llu, where another one is committed",
					U(c.proposal), U(index));
	}
	f->n_claims = n;
}

uint64_t fates_propose(struct world *w, const void *payload, size_t len)
{
	struct fates *f = &w->oracle.fates;

	if (f->n_proposals == f->proposals_cap) {
		f->proposals_cap = 2 * f->proposals_cap + 256;
		f->proposals = mem_grow(
			f->proposals, f->proposals_cap * sizeof(*f->proposals));
	}
	f->proposals[f->n_proposals++] = (struct proposal_record){
		.digest = digest64(payload, len),
		.fate = FATE_REFUSED,
	};
	return f->n_proposals;
}

void fates_accepted(struct machine *m, uint64_t id)
{
	struct proposal_record *p = known(&m->world->oracle.fates, id);

	p->fate = FATE_PENDING;
	p->node = (uint8_t)m->number;
	p->life = m->life;
	p->since = machine_mono(m);
	m->world->counts.proposed++;
	if (m->n_pending == m->pending_cap) {
		m->pending_cap = 2 * m->pending_cap + 64;
		m->pending = mem_grow(m->pending,
				      m->pending_cap * sizeof(*m->pending));
	}
	m->pending[m->n_pending++] = id;
}

static void judge_calm(struct machine *m, const struct proposal_record *p,
		       int code)
{
	struct world *w = m->world;
	int64_t took_us = machine_mono(m) - p->since;

	if (!w->plan.is_calm || w->is_healing ||
	    w->now - took_us < CALM_FROM_US)
		return;
	if (code != 0)
		world_violation(w, m, "without a fault a fate is %s",
				err_name(code));
	if (took_us > CALM_LATENCY_US)
		world_violation(w, m, "without a fault a fate takes %lld us",
				(long long)took_us);
}

void fates_tell(struct machine *m, uint64_t tag, int code, uint64_t index)
{
	struct world *w = m->world;
	struct proposal_record *p = proposal(&w->oracle.fates, tag);

	world_trace(w, m, "fate of %llu: %d at %llu", U(tag), code, U(index));
	if (!p || p->fate != FATE_PENDING || p->node != m->number ||
	    p->life != m->life) {
		world_violation(w, m, "a fate for %llu that does not wait",
				U(tag));
		return;
	}
	judge_calm(m, p, code);
	if (code == 0) {
		p->fate = FATE_COMMITTED;
		w->counts.acknowledged++;
	} else if (code == ERR_REFUSED || code == ERR_BUSY) {
		p->fate = FATE_REFUSED;
		w->counts.refused++;
	} else if (code == ERR_UNKNOWN_FATE) {
		p->fate = FATE_UNKNOWN;
		w->counts.unknown++;
	} else {
		world_violation(w, m, "fate of %llu is %d", U(tag), code);
	}
	if (m->n_told == m->told_cap) {
		m->told_cap = 2 * m->told_cap + 16;
		m->told = mem_grow(m->told, m->told_cap * sizeof(*m->told));
	}
	m->told[m->n_told++] = (struct told){tag, index, code};
}

void fates_judge_told(struct machine *m)
{
	struct world *w = m->world;

	for (size_t i = 0; i < m->n_told; i++) {
		const struct told *t = &m->told[i];
		const struct proposal_record *p =
			known(&w->oracle.fates, t->tag);
		if (t->code == 0 && m->is_cut && p->index == 0 &&
		    t->index > w->oracle.n_truths)
			claim_push(&w->oracle.fates, t);
		else if (t->code == 0 && p->index != t->index)
			world_violation(w, m,
					"proposal %llu acknowledged at %llu, "
					"committed at %llu",
					U(t->tag), U(t->index), U(p->index));
		if (p->fate == FATE_REFUSED && p->index)
			world_violation(w, m,
					"proposal %llu refused, committed at "
					"%llu",
					U(t->tag), U(p->index));
	}
	m->n_told = 0;
}

void fates_judge_deadlines(struct machine *m)
{
	struct world *w = m->world;
	int64_t now = machine_mono(m);
	int64_t limit = (int64_t)w->plan.proposal_ms * 1000 + LATE_US;

	while (m->pending_head < m->n_pending) {
		uint64_t id = m->pending[m->pending_head];
		const struct proposal_record *p = known(&w->oracle.fates, id);
		if (p->fate == FATE_PENDING) {
			if (now - p->since > limit)
				world_violation(w, m,
						"no fate for %llu by its "
						"deadline",
						U(id));
			break;
		}
		m->pending_head++;
	}
	if (m->pending_head == m->n_pending)
		m->pending_head = m->n_pending = 0;
	if (m->transfer_since != MACHINE_NEVER &&
	    now - m->transfer_since > TRANSFER_US) {
		world_violation(w, m, "a transfer never ends");
	}
}

void fates_died(struct machine *m)
{
	for (size_t i = m->pending_head; i < m->n_pending; i++) {
		struct proposal_record *p =
			known(&m->world->oracle.fates, m->pending[i]);
		if (p->fate == FATE_PENDING)
			p->fate = FATE_LOST;
	}
	m->pending_head = m->n_pending = 0;
	m->n_told = 0;
}

void fates_commit(struct machine *m, uint64_t index, const struct record *r)
{
	if (r->type == LOG_COMMAND)
		judge_command(m, index, r);
	judge_claims(m, index);
}
