#include "tests/sim/oracle.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/digest.h"
#include "base/endian.h"
#include "tests/sim/work.h"
#include "tests/sim/world.h"

/* For printf: the widest integer that every machine prints alike. */
#define U(x) ((unsigned long long)(x))

uint64_t oracle_last(const struct oracle *o)
{
	return o->n_truths;
}

void oracle_free(struct oracle *o)
{
	free(o->truths);
	free(o->leaders);
	free(o->changes);
	fates_free(&o->fates);
	*o = (struct oracle){0};
}

int oracle_number(const struct world *w, uint64_t id)
{
	for (unsigned i = 0; i < w->plan.nodes; i++)
		if (w->machines[i].id == id)
			return (int)i;
	return -1;
}

/* Written apart from the replica's own reader on purpose. */
unsigned oracle_voters(const struct world *w, struct bytes conf)
{
	unsigned voters = 0;
	size_t at = 9;

	if (conf.len < 9 || conf.data[0] != 1)
		return 0;
	for (uint64_t n = get_u64(conf.data + 1); n > 0; n--) {
		if (at + 10 > conf.len)
			return 0;
		int number = oracle_number(w, get_u64(conf.data + at));
		at += 8;
		while (at < conf.len && conf.data[at] != 0)
			at++;
		at++;
		if (at >= conf.len)
			return 0;
		if (number >= 0 && conf.data[at] == 1)
			voters |= 1u << number;
		at++;
	}
	return voters;
}

/* -- commit -- */
static bool is_majority(unsigned of, unsigned have)
{
	return 2 * __builtin_popcount(of & have) > __builtin_popcount(of);
}

void oracle_append(struct machine *m, const struct log_entry *e)
{
	struct oracle *o = &m->world->oracle;
	struct bytes conf = {e->data, e->len};

	if (e->type != LOG_CHANGE)
		return;
	if (o->n_changes == o->changes_cap) {
		o->changes_cap = 2 * o->changes_cap + 8;
		o->changes = mem_grow(o->changes,
				      o->changes_cap * sizeof(*o->changes));
	}
	o->changes[o->n_changes++] = (struct change){
		e->index, oracle_voters(m->world, conf), m->number};
}

/* Who leads the term that the machine is in. */
static unsigned leader_of(const struct oracle *o, const struct machine *m)
{
	uint64_t term = m->disk.term;

	if (term < o->leaders_cap && o->leaders[term].is_known)
		return o->leaders[term].node;
	return m->number;
}

/* Was the entry on the disks of a quorum when it was first called committed?
 * While the membership changes, by the old one or by the new one, which a
 * leader uses before it is durable anywhere. */
static void judge_quorum(struct machine *m, uint64_t index,
			 const struct record *r)
{
	struct world *w = m->world;
	const struct oracle *o = &w->oracle;
	unsigned have = 0;

	if (o->n_lost > 0)
		return; /* a disk that had it may be gone: nothing to count */
	for (unsigned i = 0; i < w->plan.nodes; i++) {
		const struct disk *d = &w->machines[i].disk;
		const struct record *other = disk_record(d, index);
		if (d->state.index >= index ||
		    (other && other->term == r->term &&
		     other->digest == r->digest))
			have |= 1u << i;
	}
	unsigned leader = leader_of(o, m);
	bool is_good = is_majority(o->voters, have);
	for (size_t i = 0; i < o->n_changes && !is_good; i++)
		is_good = o->changes[i].index > o->n_truths &&
			  o->changes[i].node == leader &&
			  is_majority(o->changes[i].voters, have);
	if (is_good)
		return;
	world_violation(w, m,
			"entry %llu of term %llu is committed but not durable "
			"on a quorum (voters %x, held by %x)",
			U(index), U(r->term), o->voters, have);
}

/* The first node that calls an entry committed makes it the truth. */
static void truth_push(struct machine *m, uint64_t index,
		       const struct record *r)
{
	struct oracle *o = &m->world->oracle;
	uint64_t chain = index > 1 ? o->truths[index - 2].chain : 0;
	uint64_t link[4] = {index, r->term, r->type, r->digest};

	judge_quorum(m, index, r);
	if (o->n_truths == o->truths_cap) {
		o->truths_cap = o->truths_cap ? 2 * o->truths_cap : 256;
		o->truths =
			mem_grow(o->truths, o->truths_cap * sizeof(*o->truths));
	}
	o->truths[o->n_truths++] = (struct truth){
		.term = r->term,
		.digest = r->digest,
		.commit_term = m->disk.term,
		.chain = digest64_seed(link, sizeof(link), chain),
		.type = r->type,
	};
	if (r->type == LOG_CHANGE)
		o->voters = oracle_voters(m->world, blob_bytes(r->data));
	fates_commit(m, index, r);
	m->world->counts.committed++;
}

static void judge_entry(struct machine *m, uint64_t index,
			const struct record *r)
{
	const struct truth *t = &m->world->oracle.truths[index - 1];

	if (t->term == r->term && t->digest == r->digest && t->type == r->type)
		return;
	world_violation(m->world, m,
			"entry %llu is of term %llu here and of term %llu "
			"elsewhere, both committed",
			U(index), U(r->term), U(t->term));
}

void oracle_commit(struct machine *m, uint64_t index)
{
	struct world *w = m->world;
	struct oracle *o = &w->oracle;

	if (index > disk_last_index(&m->disk))
		world_violation(w, m, "commit of %llu, durable is %llu",
				U(index), U(disk_last_index(&m->disk)));
	for (uint64_t i = m->checked_commit + 1; i <= index && !w->is_bad;
	     i++) {
		const struct record *r = disk_record(&m->disk, i);
		if (!r)
			continue; /* below an image or forgotten */
		if (i > o->n_truths + 1)
			world_violation(w, m,
					"entry %llu committed, %llu is the "
					"last one known to be",
					U(i), U(o->n_truths));
		else if (i == o->n_truths + 1)
			truth_push(m, i, r);
		else
			judge_entry(m, i, r);
	}
	if (index > m->checked_commit)
		m->checked_commit = index;
}

void oracle_truncate(struct machine *m, uint64_t index)
{
	struct world *w = m->world;
	const struct oracle *o = &w->oracle;
	const struct record *r = disk_record(&m->disk, index);

	if (!r || index > o->n_truths)
		return;
	const struct truth *t = &o->truths[index - 1];
	if (t->term == r->term && t->digest == r->digest &&
	    t->commit_term <= m->disk.term)
		world_violation(w, m, "the committed entry %llu is truncated",
				U(index));
}

/* -- state -- */
void oracle_apply(struct machine *m, struct sim_state *s, uint64_t index,
		  const struct record *r)
{
	struct world *w = m->world;
	uint64_t link[4] = {index, r->term, r->type, r->digest};

	CHECK(index == s->index + 1);
	if (index > w->oracle.n_truths) {
		world_violation(w, m, "entry %llu applied, not committed",
				U(index));
		return;
	}
	s->chain = digest64_seed(link, sizeof(link), s->chain);
	s->index = index;
	s->term = r->term;
	if (s->chain != w->oracle.truths[index - 1].chain)
		world_violation(w, m, "the states differ at %llu", U(index));
	if (r->type == LOG_CHANGE) {
		blob_unref(s->conf);
		s->conf = blob_ref(r->data);
		s->conf_index = index;
	}
	if (r->type == LOG_COMMAND)
		work_apply(s, blob_bytes(r->data));
}

void oracle_install(struct machine *m, const struct replica_image *image)
{
	struct world *w = m->world;
	const struct disk *d = &m->disk;
	const struct oracle *o = &w->oracle;
	uint64_t index = get_u64(d->incoming);

	if (index != image->index || index == 0 || index > o->n_truths ||
	    get_u64(d->incoming + 8) != o->truths[index - 1].chain ||
	    image->term != o->truths[index - 1].term)
		world_violation(w, m, "the image of %llu is not that state",
				U(image->index));
	if (index < d->state.index)
		world_violation(w, m, "an image takes the state back to %llu",
				U(index));
	/* What was acknowledged from here must not go with the old log. */
	for (uint64_t i = index + 1; i <= o->n_truths; i++) {
		const struct record *r = disk_record(d, i);
		if (r && r->term == o->truths[i - 1].term &&
		    r->digest == o->truths[i - 1].digest)
			world_violation(w, m,
					"an image drops the committed %llu",
					U(i));
	}
}

/* -- terms, votes, leaders -- */
void oracle_hard_state(struct machine *m, uint64_t term, uint64_t vote)
{
	const struct disk *d = &m->disk;

	if (term < d->term)
		world_violation(m->world, m, "term goes back to %llu", U(term));
	if (term == d->term && d->vote != 0 && d->vote != vote)
		world_violation(m->world, m, "second vote in term %llu",
				U(term));
}

/* Leader completeness: it has every committed entry. */
static void judge_new_leader(struct machine *m)
{
	const struct oracle *o = &m->world->oracle;
	const struct disk *d = &m->disk;
	uint64_t last = o->n_truths;

	if (last == 0 || d->state.index >= last || d->n_jobs > 0)
		return;
	const struct record *r = disk_record(d, last);
	const struct truth *t = &o->truths[last - 1];
	if (!r || r->term != t->term || r->digest != t->digest)
		world_violation(m->world, m,
				"leads term %llu without the committed entry "
				"%llu",
				U(m->view.term), U(last));
}

static void judge_leader(struct machine *m)
{
	struct oracle *o = &m->world->oracle;
	uint64_t term = m->view.term;

	if (term >= o->leaders_cap) {
		size_t cap = 2 * (size_t)term + 64;
		o->leaders = mem_grow(o->leaders, cap * sizeof(*o->leaders));
		memset(o->leaders + o->leaders_cap, 0,
		       (cap - o->leaders_cap) * sizeof(*o->leaders));
		o->leaders_cap = cap;
	}
	struct leadership *l = &o->leaders[term];
	if (l->is_known) {
		if (l->node != m->number || l->life != m->life)
			world_violation(m->world, m,
					"two leaders of term %llu: %u and %u",
					U(term), l->node, m->number);
		return;
	}
	*l = (struct leadership){m->life, (uint8_t)m->number, true};
	m->world->counts.leaders++;
	if (m->world->plan.is_calm && m->world->now > 2000000)
		world_violation(m->world, m,
				"without a fault it leads, in term %llu",
				U(term));
	world_trace(m->world, m, "leads term %llu", U(term));
	judge_new_leader(m);
	if (m->world->has_trap)
		world_push(m->world,
			   (struct event){.at = m->world->now,
					  .kind = EVENT_TRAP,
					  .node = (uint8_t)m->number});
	if (m->world->plan.is_eager && m->world->plan.weight[FAULT_ROLE])
		world_push(m->world,
			   (struct event){.at = m->world->now +
						world_delay(m->world, 3000),
					  .kind = EVENT_ROLE});
}

/* -- turns -- */
void oracle_turn(struct machine *m)
{
	struct world *w = m->world;
	struct replica_view before = m->view;

	fates_judge_told(m);
	if (m->is_cut)
		return;
	replica_view(m->replica, &m->view);
	if (m->view.term != m->disk.term)
		world_violation(w, m, "acts in term %llu, durable is %llu",
				U(m->view.term), U(m->disk.term));
	if (m->view.n_recreated == before.n_recreated &&
	    m->view.n_installs == before.n_installs &&
	    m->view.commit_index < before.commit_index)
		world_violation(w, m, "commit goes back from %llu to %llu",
				U(before.commit_index),
				U(m->view.commit_index));
	w->counts.recreated += m->view.n_recreated - before.n_recreated;
	if (m->view.state == REPLICA_LEADER)
		judge_leader(m);
	fates_judge_deadlines(m);
}
