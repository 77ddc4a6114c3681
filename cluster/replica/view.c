#include "cluster/replica/internal.h"

#include <stdio.h>

static enum replica_state view_state(const struct replica *r)
{
	if (!r->is_running)
		return REPLICA_STOPPED;
	switch (r->raft.state) {
	case RAFT_LEADER:
		return REPLICA_LEADER;
	case RAFT_CANDIDATE:
		return REPLICA_CANDIDATE;
	case RAFT_FOLLOWER:
		return REPLICA_FOLLOWER;
	default:
		return REPLICA_STOPPED;
	}
}

void replica_view(const struct replica *r, struct replica_view *out)
{
	*out = (struct replica_view){
		.state = view_state(r),
		.term = r->raft.current_term,
		.leader_id = r->is_running ? replica_leader(r) : 0,
		.first_cached = r->raft.log.offset + 1,
		.last_index = guard_last_index(&r->raft),
		.commit_index = r->raft.commit_index,
		.applied_index = r->durable_applied,
		.proposals = r->proposals.n_owned,
		.proposal_bytes = r->proposals.owned_bytes,
		.cache_bytes = r->uncompacted_bytes,
		.is_settled = r->is_running && guard_is_settled(&r->raft),
		.is_changing = r->is_changing,
		.n_elections = r->n_elections,
		.n_recreated = r->n_recreated,
		.n_fed_entries = r->n_fed_entries,
		.n_installs = r->n_installs,
	};
}

size_t replica_members(const struct replica *r, struct replica_member *out,
		       size_t max)
{
	size_t n = 0;

	for (unsigned i = 0; i < r->raft.configuration.n && n < max; i++) {
		const struct raft_server *s = &r->raft.configuration.servers[i];
		size_t at = n++;

		for (; at > 0 && out[at - 1].id > s->id; at--)
			out[at] = out[at - 1];
		out[at].id = s->id;
		snprintf(out[at].name, sizeof(out[at].name), "%s", s->address);
		out[at].role = (enum replica_role)s->role;
	}
	return n;
}

uint64_t replica_match(const struct replica *r, uint64_t id)
{
	unsigned at = guard_server(&r->raft, id);

	if (!is_leader(r) || at == r->raft.configuration.n)
		return 0;
	if (id == r->cfg.id)
		return r->raft.last_stored;
	return r->raft.leader_state.progress[at].match_index;
}

size_t replica_rules(const char *const **names)
{
	static const char *list[GUARD__N];

	for (int i = 0; i < GUARD__N; i++)
		list[i] = guard_rule_name((enum guard_rule)i);
	*names = list;
	return GUARD__N;
}
