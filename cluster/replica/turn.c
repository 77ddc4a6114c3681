#include "cluster/replica/internal.h"

#include "base/check.h"

static bool deliver_waiting(struct replica *r)
{
	bool any = false;

	while (!replica_is_held(r) && receive_one(r)) {
		any = true;
		replica_after_event(r);
	}
	return any;
}

/* Always after the inbox: a loop that was busy finds heartbeats there, and must
 * not stand for election because it had no time to read them. */
static bool tick_if_due(struct replica *r)
{
	int64_t now = replica_now(r);

	if (now < r->next_tick_us || replica_is_held(r))
		return false;
	r->next_tick_us = now + REPLICA_TICK_US;
	if (r->is_self_quarantined && r->raft.state != RAFT_LEADER)
		return false; /* it may not stand */
	r->tick(&r->io);
	replica_after_event(r);
	return true;
}

static bool work_once(struct replica *r)
{
	bool any = false;

	io_run_done(r);
	if (r->must_recreate && r->n_ops == 0) {
		replica_recreate(r);
		any = true;
	}
	any |= deliver_waiting(r);
	any |= tick_if_due(r);
	if (!replica_is_held(r))
		any |= replica_propose_barrier(r);
	wants_start_transfer(r);
	wants_start_assign(r);
	if (!replica_is_held(r))
		any |= proposals_submit(r);
	any |= feed_turn(r);
	image_turn(r);
	return any && !r->is_fatal;
}

static void send_commit(struct replica *r, const struct raft_progress *pr,
			struct peer *p)
{
	struct send_entries s = {
		.prev = pr->match_index,
		.prev_term = guard_term_of(&r->raft, pr->match_index),
		.term = r->raft.current_term,
		.commit = r->raft.commit_index,
	};

	if (s.prev_term != 0)
		send_append(r, p->id, false, &s);
}

/* libraft tells followers what is committed with its next message only: under
 * load at once, else with a heartbeat. Tasks on a follower should not wait that
 * long, and a client should read on any node what it wrote. So a commit that no
 * message has carried for a moment gets one of its own. Returns the time until
 * then. */
static int64_t tell_commit(struct replica *r, int64_t now)
{
	raft_index commit = r->raft.commit_index;
	int64_t wait = REPLICA_TICK_US;

	if (!is_leader(r))
		return wait;
	if (commit != r->seen_commit) {
		r->seen_commit = commit;
		r->seen_commit_us = now;
	}
	int64_t left = r->seen_commit_us + REPLICA_TELL_US - now;
	for (unsigned i = 0; i < r->raft.configuration.n; i++) {
		uint64_t id = r->raft.configuration.servers[i].id;
		const struct raft_progress *pr =
			&r->raft.leader_state.progress[i];
		struct peer *p = id == r->cfg.id ? NULL : replica_peer(r, id);
		raft_index known = pr->match_index;

		if (known > commit)
			known = commit;
		if (!p || p->feed.mode != FEED_OFF || known <= p->told_commit)
			continue;
		if (left <= 0)
			send_commit(r, pr, p);
		else if (left < wait)
			wait = left;
	}
	return wait;
}

int64_t replica_turn(struct replica *r)
{
	enum { ROUNDS_MAX = 64 };

	CHECK(!r->is_turning);
	if (!r->is_running || r->is_fatal)
		return REPLICA_TICK_US;
	r->is_turning = true;
	for (int i = 0; i < ROUNDS_MAX && work_once(r); i++)
		;
	int64_t now = replica_now(r);
	proposals_expire(r, now);
	int64_t tell = tell_commit(r, now);
	replica_harden(r);
	send_flush(r);
	r->is_turning = false;
	if (replica_is_held(r)) /* the disk's completion comes first */
		return tell;
	int64_t wait = r->next_tick_us - replica_now(r);
	if (tell < wait)
		wait = tell;
	return wait > 0 ? wait : 0;
}

/* -- what happened -- */
void replica_disk_done(struct replica *r, uint64_t ticket)
{
	for (size_t i = 0; i < r->n_ops; i++) {
		struct disk_op *op = &r->ops[r->ops_head + i];
		if (op->is_done)
			continue;
		CHECK(op->ticket == ticket); /* in order */
		op->is_done = true;
		return;
	}
	CHECK(false); /* nothing is under way */
}

void replica_applied(struct replica *r, uint64_t index)
{
	if (index > r->durable_applied)
		r->durable_applied = index;
	lag_applied(r, index);
}

void replica_peer_up(struct replica *r, uint64_t peer)
{
	unsigned at = guard_server(&r->raft, peer);

	if (is_leader(r) && at < r->raft.configuration.n)
		r->raft.leader_state.progress[at].last_send = 0;
}

/* Raft's safety does not depend on time. When the connection to the leader
 * breaks, its process is most likely gone: stand for election within tens of
 * milliseconds, staggered so that the survivors do not split the vote, and late
 * enough that the other one has seen it too and does not refuse. */
void replica_peer_down(struct replica *r, uint64_t peer)
{
	enum { FIRST_MS = 10, STEP_MS = 30, SPREAD_MS = 10 };
	unsigned rank = 0;

	if (!r->is_running || r->raft.state != RAFT_FOLLOWER ||
	    r->raft.follower_state.current_leader.id != peer)
		return;
	for (unsigned i = 0; i < r->raft.configuration.n; i++) {
		const struct raft_server *s = &r->raft.configuration.servers[i];
		if (s->id < r->raft.id && s->id != peer &&
		    s->role == RAFT_VOTER)
			rank++;
	}
	raft_time now = r->io.time(&r->io);
	raft_time delay =
		FIRST_MS + rank * STEP_MS + rng_below(&r->rng, SPREAD_MS);
	raft_time timeout = r->raft.follower_state.randomized_election_timeout;
	r->raft.follower_state.current_leader.id = 0;
	if (now + delay > timeout)
		r->raft.election_timer_start = now + delay - timeout;
}

void replica_quarantine(struct replica *r, uint64_t peer, bool is_on)
{
	struct peer *p;
	unsigned at = guard_server(&r->raft, peer);

	if (peer == r->cfg.id) {
		r->is_self_quarantined = is_on;
		return;
	}
	p = replica_peer(r, peer);
	if (!p || p->is_quarantined == is_on)
		return;
	p->is_quarantined = is_on;
	if (!is_leader(r) || at == r->raft.configuration.n)
		return;
	/* What its old disk had confirmed says nothing about the new one. */
	struct raft_progress *pr = &r->raft.leader_state.progress[at];
	*pr = (struct raft_progress){
		.next_index = guard_last_index(&r->raft) + 1,
	};
}
