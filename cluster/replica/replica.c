#include "cluster/replica/replica.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "cluster/replica/conf.h"
#include "cluster/replica/internal.h"

int64_t replica_now(struct replica *r)
{
	return clock_mono_us(&r->cfg.clock);
}

struct peer *replica_peer(struct replica *r, uint64_t id)
{
	struct peer *free_slot = NULL;

	for (size_t i = 0; i < REPLICA_PEERS; i++) {
		if (r->peers[i].id == id)
			return &r->peers[i];
		if (!free_slot && r->peers[i].id == 0)
			free_slot = &r->peers[i];
	}
	if (free_slot)
		free_slot->id = id;
	return free_slot;
}

void replica_fatal(struct replica *r, const char *why)
{
	if (r->is_fatal)
		return;
	r->is_fatal = true;
	r->cfg.events.fatal(r->cfg.events.ctx, why);
}

bool replica_is_held(const struct replica *r)
{
	if (r->must_recreate || r->client.is_installing || r->is_fatal)
		return true;
	return r->n_ops > 0 && rule_on(r, GUARD_HOLD);
}

void replica_harden(struct replica *r)
{
	if (!r->is_hard_dirty || r->is_closing)
		return;
	r->is_hard_dirty = false;
	r->cfg.disk.set_hard_state(r->cfg.disk.ctx, r->term, r->vote);
}

/* -- after each event -- */
uint64_t replica_leader(const struct replica *r)
{
	switch (r->raft.state) {
	case RAFT_LEADER:
		return r->raft.id;
	case RAFT_FOLLOWER:
		return r->raft.follower_state.current_leader.id;
	default:
		return 0;
	}
}

static void hand_on_committed(struct replica *r)
{
	raft_index from = r->seen_applied, to = r->raft.last_applied;
	uint64_t bytes = 0;

	if (to <= from)
		return;
	for (raft_index i = from + 1; i <= to; i++) {
		const struct raft_entry *e = guard_entry(&r->raft, i);
		bytes += e ? e->buf.len : 0;
	}
	r->seen_applied = to;
	proposals_resolve(r, from, to);
	lag_add(r, to, bytes);
	r->cfg.disk.commit(r->cfg.disk.ctx, to);
}

/* libraft keeps every entry since its last snapshot less the trailing ones in
 * memory, and counts entries, not bytes. So it is told when: its threshold is
 * out of reach until half the cache is new, then the next applied entry takes
 * a snapshot, which costs nothing here, and what is kept is counted in bytes.
 */
static void bound_memory(struct replica *r)
{
	raft_index applied = r->raft.last_applied;
	size_t bytes = 0;
	unsigned n = 0;

	if (r->raft.log.snapshot.last_index != r->compacted_at) {
		r->compacted_at = r->raft.log.snapshot.last_index;
		r->uncompacted_bytes = 0;
		raft_set_snapshot_threshold(&r->raft, UINT_MAX);
	}
	if (r->uncompacted_bytes < r->cfg.cache_bytes / 2 &&
	    applied - r->compacted_at < r->cfg.cache_entries / 2)
		return;
	while (n < r->cfg.cache_entries / 4 && bytes < r->cfg.cache_bytes / 4) {
		const struct raft_entry *e = guard_entry(&r->raft, applied - n);
		if (!e)
			break;
		bytes += e->buf.len;
		n++;
	}
	raft_set_snapshot_trailing(&r->raft, n > 0 ? n : 1);
	raft_set_snapshot_threshold(&r->raft, 1);
}

static void barrier_applied(struct raft_barrier *req, int status)
{
	free(req);
}

/* GUARD_BARRIER: until an entry of its own term is committed a leader does not
 * know what is (and GUARD_COMMIT would wait for it for ever). */
bool replica_propose_barrier(struct replica *r)
{
	if (!is_leader(r) || r->barrier_term == r->raft.current_term ||
	    r->raft.transfer || !rule_on(r, GUARD_BARRIER))
		return false;
	r->barrier_term = r->raft.current_term;
	struct raft_barrier *req = mem_zero(1, sizeof(*req));
	if (raft_barrier(&r->raft, req, barrier_applied)) {
		free(req);
		return false;
	}
	replica_after_event(r);
	return true;
}

static void hear_changes(struct replica *r)
{
	uint64_t leader = replica_leader(r);
	bool led = r->seen_state == RAFT_LEADER;
	bool leads = r->raft.state == RAFT_LEADER;

	if (r->raft.state == r->seen_state &&
	    r->raft.current_term == r->seen_term && leader == r->seen_leader)
		return;
	bool is_new_term = r->raft.current_term != r->seen_term;
	r->seen_state = r->raft.state;
	r->seen_term = r->raft.current_term;
	r->seen_leader = leader;
	if (led && (!leads || is_new_term)) {
		proposals_new_term(r);
		feed_stop_all(r);
		r->is_changing = false;
	}
	if (leads && (!led || is_new_term)) {
		r->n_elections++;
		feed_stop_all(r);
		for (size_t i = 0; i < REPLICA_PEERS; i++)
			r->peers[i].told_commit = 0;
	}
	r->cfg.events.changed(r->cfg.events.ctx);
}

static void hear_transfer(struct replica *r)
{
	if (r->transfer_state != TRANSFER_OVER)
		return;
	r->transfer_state = TRANSFER_NONE;
	bool ok = r->raft.state == RAFT_FOLLOWER &&
		  replica_leader(r) == r->transfer_to;
	r->cfg.events.transferred(r->cfg.events.ctx, ok ? 0 : ERR_TIMEOUT);
}

void replica_after_event(struct replica *r)
{
	if (r->is_closing)
		return;
	send_correct_progress(r);
	/* Before the callbacks: one of them lets libraft forget entries. */
	hand_on_committed(r);
	io_run_deferred(r);
	if (r->raft.state == RAFT_UNAVAILABLE) {
		replica_fatal(r, raft_errmsg(&r->raft));
		return;
	}
	hear_changes(r);
	hear_transfer(r);
	bound_memory(r);
}

/* -- life -- */
int replica_open(struct replica **out, const struct replica_config *cfg,
		 struct err *e)
{
	if (cfg->heartbeat_ms == 0 || cfg->heartbeat_ms >= cfg->election_ms)
		return err_set(e, ERR_INVALID,
			       "heartbeat %u ms is not below election %u ms",
			       cfg->heartbeat_ms, cfg->election_ms);
	struct replica *r = mem_zero(1, sizeof(*r));
	r->cfg = *cfg;
	if (r->cfg.cache_bytes == 0)
		r->cfg.cache_bytes = LIMIT_RAFT_CACHE_BYTES;
	if (r->cfg.cache_entries == 0)
		r->cfg.cache_entries = 2 * LIMIT_RAFT_TRAILING_MAX;
	if (r->cfg.chunk_bytes == 0)
		r->cfg.chunk_bytes = LIMIT_FRAME_FILL_BYTES;
	if (r->cfg.group_bytes == 0)
		r->cfg.group_bytes = LIMIT_GROUP_BYTES;
	if (r->cfg.proposal_ms == 0)
		r->cfg.proposal_ms = LIMIT_PROPOSAL_MS;
	rng_init(&r->rng, cfg->seed);
	r->inbox_tail = &r->inbox;
	io_init(r);
	*out = r;
	return 0;
}

struct blob *replica_first_entry(const struct replica_member *members, size_t n)
{
	return conf_encode(members, n);
}

static int start_raft(struct replica *r)
{
	enum { NEVER_MS = 1 << 30 };

	if (raft_init(&r->raft, &r->io, &r->fsm, r->cfg.id, "self"))
		return -1;
	raft_set_election_timeout(&r->raft, r->cfg.election_ms);
	raft_set_heartbeat_timeout(&r->raft, r->cfg.heartbeat_ms);
	raft_set_snapshot_threshold(&r->raft, UINT_MAX);
	raft_set_snapshot_trailing(&r->raft, r->cfg.cache_entries);
	/* Feeds have their own deadlines; see also feed.c. */
	raft_set_install_snapshot_timeout(&r->raft, NEVER_MS);
	/* Replies to a pre-vote echo the term of the request: a node with a
	 * longer log and an older term never learns the newer one, and nobody
	 * is ever elected. Stickiness (a follower with a leader does not vote)
	 * does most of what pre-vote is for. */
	raft_set_pre_vote(&r->raft, false);
	if (raft_start(&r->raft))
		return -1;
	if (rule_on(r, GUARD_CONF))
		guard_mark_uncommitted_conf(&r->raft, r->conf_committed);
	r->compacted_at = r->raft.log.snapshot.last_index;
	r->uncompacted_bytes = 0;
	return 0;
}

int replica_start(struct replica *r, struct err *e)
{
	CHECK(!r->is_running);
	if (start_raft(r))
		return err_set(e, ERR_CORRUPT, "raft does not start: %s",
			       raft_errmsg(&r->raft));
	r->is_running = true;
	replica_after_event(r);
	return 0;
}

/* Let libraft finish what it waits for, unheard: its clean-up for cancelled
 * writes crashes (several of them), and nobody listens any more. */
static void stop_raft(struct replica *r)
{
	r->is_closing = true;
	while (r->n_ops > 0) {
		struct disk_op op = r->ops[r->ops_head++];
		r->n_ops--;
		if (op.cb)
			op.cb(op.req, 0);
	}
	r->ops_head = 0;
	io_run_deferred(r);
	raft_close(&r->raft, NULL);
	io_run_deferred(r);
	r->is_closing = false;
}

void replica_recreate(struct replica *r)
{
	CHECK(r->n_ops == 0);
	r->must_recreate = false;
	r->n_recreated++;
	replica_harden(r);
	feed_stop_all(r);
	stop_raft(r);
	if (start_raft(r)) {
		replica_fatal(r, "raft does not start again from disk");
		return;
	}
	replica_after_event(r);
}

void replica_close(struct replica *r)
{
	if (!r)
		return;
	if (r->is_running)
		stop_raft(r);
	proposals_clear(r);
	receive_clear(r);
	send_clear(r);
	image_clear(r);
	free(r->ops);
	free(r->deferred.items);
	free(r);
}
