#include "cluster/core/admission.h"

#include "base/check.h"

uint64_t admission_recorded(const struct admission_member *m)
{
	/* The state was agreed upon, a pin is only what we saw first. */
	return m->in_state ? m->in_state : m->pinned;
}

uint64_t admission_vouched(const struct admission_member *m)
{
	return m->pinned;
}

bool admission_quarantine_self(const struct admission_member *self)
{
	return admission_recorded(self) != self->incarnation;
}

bool admission_quarantine_peer(const struct admission_member *peer,
			       bool is_self_quarantined)
{
	uint64_t recorded = admission_recorded(peer);

	if (is_self_quarantined || !peer->is_heard)
		return false;
	if (recorded)
		return recorded != peer->incarnation;
	/* Nothing on record: a member that was not there when we founded. It
	 * knows itself whether its memory is whole, and keeps silent if not. */
	return !peer->is_admitted;
}

bool admission_admits(const uint64_t *retired, size_t n_retired,
		      uint64_t incarnation)
{
	for (size_t i = 0; i < n_retired; i++) {
		if (retired[i] == incarnation)
			return false;
	}
	return true;
}

bool admission_vouches(const struct admission_member *peer,
		       const struct admission_member *self)
{
	return peer->is_heard && peer->cluster_hash == self->cluster_hash &&
	       peer->recorded_us == self->incarnation;
}

/* Peers that could be heard and mean the same cluster. Another hash is another
 * list of members: such a node takes no part in the decision. */
struct heard {
	size_t n, n_in_use;
	bool is_vouched;
};

static struct heard count_heard(const struct admission_member *members,
				size_t n, size_t self)
{
	struct heard h = {0};

	for (size_t i = 0; i < n; i++) {
		const struct admission_member *m = &members[i];
		if (i == self) {
			h.n++;
			continue;
		}
		if (!m->is_heard ||
		    m->cluster_hash != members[self].cluster_hash)
			continue;
		h.n++;
		if (m->is_blank)
			continue;
		h.n_in_use++;
		if (admission_vouches(m, &members[self]))
			h.is_vouched = true;
	}
	return h;
}

enum admission_start admission_start(const struct admission_member *members,
				     size_t n, size_t self, int64_t quiet_ms)
{
	CHECK(self < n && n <= LIMIT_NODES);
	struct heard h = count_heard(members, n, self);
	bool is_time = h.n == n || quiet_ms >= ADMISSION_GRACE_MS;

	/* Founded by others, with us: they pinned this very incarnation while
	 * it was blank, so it has forgotten nothing. To join instead could
	 * leave a majority of the founders waiting to be admitted by a leader
	 * that only they could elect. */
	if (h.is_vouched)
		return ADMISSION_FOUND;
	if (!is_time)
		return ADMISSION_WAIT;
	if (h.n_in_use)
		return ADMISSION_JOIN;
	/* All blank. Fewer than a majority could be the survivors of a cluster
	 * whose other members are down: they must not start a second one. */
	return h.n > n / 2 ? ADMISSION_FOUND : ADMISSION_WAIT;
}

bool admission_pins(const struct admission_member *members, size_t n,
		    size_t self, size_t member)
{
	CHECK(self < n && member < n);
	const struct admission_member *m = &members[member];

	if (member == self)
		return true;
	return count_heard(members, n, self).n_in_use == 0 && m->is_heard &&
	       m->is_blank && m->cluster_hash == members[self].cluster_hash;
}

static bool needs_record(const struct admission_member *m)
{
	return m->is_heard && !m->is_retired && !m->is_proposed &&
	       m->in_state != m->incarnation;
}

size_t admission_proposals(const struct admission_leader *leader,
			   const struct admission_member *members, size_t n,
			   struct admission_proposal *out)
{
	size_t k = 0;

	/* Before the first entry of its term is committed a leader may already
	 * be deposed without knowing: what it proposes would only wait. */
	if (!leader->is_settled)
		return 0;
	if (!leader->has_cluster && !leader->is_cluster_proposed)
		out[k++].kind = ADMISSION_CLUSTER;
	if (!leader->is_election_told)
		out[k++].kind = ADMISSION_ELECTED;
	for (size_t i = 0; i < n; i++) {
		if (!needs_record(&members[i]))
			continue;
		out[k].kind = ADMISSION_MEMBER;
		out[k++].member = i;
	}
	return k;
}
