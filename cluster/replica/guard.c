#include "cluster/replica/guard.h"

#include <assert.h>
#include <stddef.h>

#include "base/check.h"
#include "proto/limits.h"

/* The guard reads and writes libraft's structures: another library than the
 * one it was proved with must not even compile. */
static_assert(sizeof(struct raft) == 656, "libraft is not 0.15.0");
static_assert(sizeof(struct raft_log) == 72, "libraft is not 0.15.0");
static_assert(sizeof(struct raft_progress) == 56, "libraft is not 0.15.0");
static_assert(sizeof(struct raft_entry) == 40, "libraft is not 0.15.0");
static_assert(offsetof(struct raft, last_stored) == 200,
	      "libraft is not 0.15.0");

static const char *const rule_names[] = {
#define GUARD_NAME(rule, name, without) name,
	GUARD_LIST(GUARD_NAME)
#undef GUARD_NAME
};

const char *guard_rule_name(enum guard_rule rule)
{
	CHECK(rule < GUARD__N);
	return rule_names[rule];
}

static size_t log_count(const struct raft_log *l)
{
	if (l->size == 0)
		return 0;
	return l->front <= l->back ? l->back - l->front
				   : l->size - l->front + l->back;
}

raft_index guard_last_index(const struct raft *r)
{
	return r->log.offset + log_count(&r->log);
}

const struct raft_entry *guard_entry(const struct raft *r, raft_index index)
{
	const struct raft_log *l = &r->log;

	if (index <= l->offset || index > l->offset + log_count(l))
		return NULL;
	size_t at = (l->front + (size_t)(index - 1 - l->offset)) % l->size;
	return &l->entries[at];
}

raft_term guard_term_of(const struct raft *r, raft_index index)
{
	const struct raft_entry *entry = guard_entry(r, index);

	if (entry)
		return entry->term;
	if (index != 0 && index == r->log.snapshot.last_index)
		return r->log.snapshot.last_term;
	return 0;
}

unsigned guard_server(const struct raft *r, raft_id id)
{
	unsigned i = 0;

	while (i < r->configuration.n && r->configuration.servers[i].id != id)
		i++;
	return i;
}

/* libraft counts votes at the leader's newest stored entry only, whatever its
 * term. So entries of an earlier term can be committed by counting (Raft paper,
 * figure 8: a later leader may overwrite them), and as long as new entries keep
 * coming nothing is committed at all. The right rule: the highest index that a
 * majority of voters has, and only if its entry is of the current term. */
raft_index guard_quorum_index(const struct raft *r, raft_id peer,
			      raft_index peer_last)
{
	raft_index match[LIMIT_NODES];
	unsigned n = 0;

	CHECK(r->state == RAFT_LEADER);
	for (unsigned i = 0; i < r->configuration.n; i++) {
		const struct raft_server *s = &r->configuration.servers[i];
		raft_index m = r->leader_state.progress[i].match_index;

		if (s->role != RAFT_VOTER)
			continue;
		if (s->id == r->id)
			m = r->last_stored;
		else if (s->id == peer && peer_last > m)
			m = peer_last;
		CHECK(n < LIMIT_NODES);
		unsigned at = n++;
		for (; at > 0 && match[at - 1] < m; at--)
			match[at] = match[at - 1];
		match[at] = m; /* descending */
	}
	if (n == 0)
		return r->commit_index;
	raft_index q = match[n / 2];
	if (q > r->last_stored)
		q = r->last_stored;
	if (q > r->commit_index && guard_term_of(r, q) == r->current_term)
		return q;
	return r->commit_index;
}

/* A follower that has compacted its log past prev_log_index finds no term there
 * and rejects for ever; one that gets old entries again may append them at the
 * end. What is committed here stands in the log of every leader of a later
 * term (leader completeness), so the message may begin at the commit index. */
void guard_strip_committed(const struct raft *r, struct raft_append_entries *a)
{
	raft_index commit = r->commit_index;
	raft_term term = guard_term_of(r, commit);

	if (a->prev_log_index >= commit || term == 0)
		return;
	raft_index skip = commit - a->prev_log_index;
	unsigned n = skip < a->n_entries ? (unsigned)skip : a->n_entries;
	for (unsigned i = n; i < a->n_entries; i++)
		a->entries[i - n] = a->entries[i];
	a->n_entries -= n;
	a->prev_log_index = commit;
	a->prev_log_term = term;
}

/* libraft commits min(leader_commit, last_stored), and last_stored may include
 * a stale tail that this message says nothing about. */
void guard_clamp_commit(struct raft_append_entries *a)
{
	raft_index last = a->prev_log_index + a->n_entries;

	if (a->leader_commit > last)
		a->leader_commit = last;
}

/* membershipRollback looks for the previous configuration in the log, does not
 * find it when it is compacted, and reads NULL. So a conflict that would roll a
 * configuration back never reaches libraft: the durable log is cut and the
 * instance is made anew from disk, which knows the committed configuration. */
raft_index guard_rollback_index(const struct raft *r,
				const struct raft_append_entries *a)
{
	for (unsigned i = 0; i < a->n_entries; i++) {
		raft_index index = a->prev_log_index + 1 + i;
		raft_term term = guard_term_of(r, index);

		if (term == 0)
			return 0;
		if (term == a->entries[i].term)
			continue;
		if (index <= r->commit_index)
			return 0; /* libraft stops: the disk lies */
		if (r->configuration_uncommitted_index >= index)
			return index;
		for (raft_index at = index; at <= guard_last_index(r); at++) {
			const struct raft_entry *e = guard_entry(r, at);
			if (e && e->type == RAFT_CHANGE)
				return index;
		}
		return 0;
	}
	return 0;
}

/* One index a round trip is too slow for a long diverged tail: skip the whole
 * term that does not match, but never what is committed. */
raft_index guard_reject_hint(const struct raft *r, raft_index rejected,
			     raft_index last)
{
	raft_index at = last < rejected ? last : rejected - 1;
	raft_term bad = guard_term_of(r, rejected);

	if (bad == 0)
		return at;
	while (at > r->commit_index && guard_term_of(r, at) == bad)
		at--;
	return at;
}

/* electionVote makes an exception for the target of our leadership transfer and
 * votes for it even after it voted for another one in the same term. */
bool guard_is_second_vote(const struct raft *r,
			  const struct raft_request_vote *v)
{
	return !v->pre_vote && v->term == r->current_term &&
	       r->voted_for != 0 && r->voted_for != v->candidate_id &&
	       r->transfer != NULL && r->transfer->id == v->candidate_id;
}

/* Only voters time out, so a standby, or a voter that has not seen its own
 * promotion, keeps its dead leader for ever and refuses every vote because "we
 * have a leader". Raft thesis 4.2.3: only within the minimum election timeout.
 */
void guard_forget_silent_leader(struct raft *r)
{
	if (r->state != RAFT_FOLLOWER)
		return;
	if (r->io->time(r->io) - r->election_timer_start >= r->election_timeout)
		r->follower_state.current_leader.id = 0;
}

/* raft_start takes the newest configuration in the log for a committed one and
 * would not roll it back. */
void guard_mark_uncommitted_conf(struct raft *r, raft_index committed_index)
{
	if (r->configuration_index <= r->last_applied)
		return;
	r->configuration_uncommitted_index = r->configuration_index;
	r->configuration_index = committed_index;
}

/* Single-server membership changes are safe only after an entry of the leader's
 * own term is committed (Ongaro, raft-dev, 2015); libraft does not check. */
bool guard_is_settled(const struct raft *r)
{
	return r->state == RAFT_LEADER &&
	       guard_term_of(r, r->commit_index) == r->current_term;
}
