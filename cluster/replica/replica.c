#include "cluster/replica/internal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "cluster/replica/conf.h"

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

/* -- after each event
 * ------------------------------------------------------------ */
static uint64_t leader_of(const struct replica *r)
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
static bool propose_barrier(struct replica *r)
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
	uint64_t leader = leader_of(r);
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
		proposals_orphan(r);
		feed_stop_all(r);
		r->is_changing = false;
	}
	if (leads && (!led || is_new_term)) {
		r->n_elections++;
		feed_stop_all(r);
	}
	r->cfg.events.changed(r->cfg.events.ctx);
}

static void hear_transfer(struct replica *r)
{
	if (r->transfer_state != TRANSFER_OVER)
		return;
	r->transfer_state = TRANSFER_NONE;
	bool ok = r->raft.state == RAFT_FOLLOWER &&
		  leader_of(r) == r->transfer_to;
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

/* -- life
 * -----------------------------------------------------------------------------
 */
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

/* -- the turn
 * ---------------------------------------------------------------------------
 */
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

static void transfer_ended(struct raft_transfer *req)
{
	struct replica *r = req->data;

	r->transfer_state = TRANSFER_OVER; /* told after the event */
}

static void start_transfer(struct replica *r)
{
	if (r->transfer_state != TRANSFER_WANTED || replica_is_held(r))
		return;
	r->transfer = (struct raft_transfer){.data = r};
	r->transfer_state = TRANSFER_RUNS;
	if (raft_transfer(&r->raft, &r->transfer, r->transfer_to,
			  transfer_ended))
		r->transfer_state = TRANSFER_OVER;
	else if (r->raft.transfer) /* libraft may have chosen */
		r->transfer_to = r->raft.transfer->id;
	replica_after_event(r);
}

static void change_ended(struct raft_change *req, int status)
{
	((struct replica *)req->data)->is_changing = false;
}

static void start_assign(struct replica *r)
{
	if (!r->is_assign_wanted || replica_is_held(r))
		return;
	r->is_assign_wanted = false;
	if (!is_leader(r)) {
		r->is_changing = false;
		return;
	}
	r->change = (struct raft_change){.data = r};
	if (raft_assign(&r->raft, &r->change, r->assign_id, r->assign_role,
			change_ended))
		r->is_changing = false;
	replica_after_event(r);
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
		any |= propose_barrier(r);
	start_transfer(r);
	start_assign(r);
	if (!replica_is_held(r))
		any |= proposals_submit(r);
	any |= feed_turn(r);
	image_turn(r);
	return any && !r->is_fatal;
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
	proposals_expire(r, replica_now(r));
	replica_harden(r);
	send_flush(r);
	r->is_turning = false;
	int64_t wait = r->next_tick_us - replica_now(r);
	return wait > 0 ? wait : 0;
}

/* -- what happened
 * -------------------------------------------------------------------------- */
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

/* -- what the owner wants
 * ---------------------------------------------------------------------- */
int replica_transfer(struct replica *r, uint64_t to, struct err *e)
{
	unsigned at = guard_server(&r->raft, to);

	if (!is_leader(r))
		return err_set(e, ERR_NOT_LEADER, "this node does not lead");
	if (r->transfer_state != TRANSFER_NONE)
		return err_set(e, ERR_BUSY, "a transfer is under way");
	if (to == r->cfg.id ||
	    (to != 0 && (at == r->raft.configuration.n ||
			 r->raft.configuration.servers[at].role != RAFT_VOTER)))
		return err_set(e, ERR_INVALID,
			       "leadership goes to another voting member");
	r->transfer_to = to;
	r->transfer_state = TRANSFER_WANTED;
	return 0;
}

int replica_assign(struct replica *r, uint64_t id, enum replica_role role,
		   struct err *e)
{
	unsigned at = guard_server(&r->raft, id);

	if (!is_leader(r))
		return err_set(e, ERR_NOT_LEADER, "this node does not lead");
	if (at == r->raft.configuration.n)
		return err_set(e, ERR_NOTFOUND, "no such member");
	if (id == r->cfg.id)
		return err_set(e, ERR_INVALID,
			       "a leader does not change its own role: "
			       "transfer leadership first");
	if (r->is_changing || r->raft.configuration_uncommitted_index != 0 ||
	    r->transfer_state != TRANSFER_NONE)
		return err_set(e, ERR_BUSY, "another change is under way");
	if (rule_on(r, GUARD_CHANGE) && !guard_is_settled(&r->raft))
		return err_set(e, ERR_BUSY,
			       "nothing of this term is committed yet");
	r->is_changing = true;
	r->is_assign_wanted = true;
	r->assign_id = id;
	r->assign_role = (int)role;
	return 0;
}

/* -- what it knows
 * ---------------------------------------------------------------------------------
 */
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
		.leader_id = r->is_running ? leader_of(r) : 0,
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
