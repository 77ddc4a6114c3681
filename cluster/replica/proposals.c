#include "cluster/replica/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/endian.h"

/* The life of a proposal, and why its fate is certain:
 *
 *   waiting ──leader here──▶ appended (index, term) ──committed──▶ 0, index
 *      │                         └─ leadership lost ─▶ orphan ─┬─▶ 0, index
 *      │                                                       └─▶ refused
 *      └──leader elsewhere──▶ forwarded (term) ──┬─ seen in our log ─▶ 0, index
 *                                                ├─ the leader's word ─▶ its
 * fate └─ a later term commits ─▶ refused
 *
 * Terms in a log never decrease (log matching). So once an entry of a term
 * above t is committed at index i, an entry of term t can only be committed
 * below i, and everything up to i has been seen: what was appended or forwarded
 * in term t and is not among it never will be. A forwarded proposal is appended
 * only by the leader of the very term it was sent in, at most once.
 *
 * Only the deadline, or a log that was replaced by an image, ends in
 * "unknown". */

/* -- queues -- */
static struct proposal *queue_at(struct proposal_queue *q, size_t i)
{
	return &q->items[q->head + i];
}

static void queue_push(struct proposal_queue *q, const struct proposal *p)
{
	if (q->head + q->n == q->cap) {
		if (q->head > q->n) {
			memmove(q->items, q->items + q->head,
				q->n * sizeof(*q->items));
			q->head = 0;
		} else {
			q->cap = q->cap ? 2 * q->cap : 64;
			q->items =
				mem_grow(q->items, q->cap * sizeof(*q->items));
		}
	}
	q->items[q->head + q->n++] = *p;
	q->bytes += p->bytes;
}

static struct proposal queue_pop(struct proposal_queue *q)
{
	CHECK(q->n > 0);
	struct proposal p = q->items[q->head++];
	q->bytes -= p.bytes;
	if (--q->n == 0)
		q->head = 0;
	return p;
}

/* Decided ones leave from the front only; the others keep their order. */
static void queue_trim(struct proposal_queue *q)
{
	while (q->n > 0 && queue_at(q, 0)->is_decided)
		(void)queue_pop(q);
}

/* -- fates -- */
static void tell_origin(struct replica *r, const struct proposal *p, int code,
			raft_index index)
{
	Synod__Peer__Message m = SYNOD__PEER__MESSAGE__INIT;
	Synod__Peer__Fate f = SYNOD__PEER__FATE__INIT;

	f.boot = p->boot;
	f.seq = p->seq;
	f.code = code;
	f.index = index;
	m.body_case = SYNOD__PEER__MESSAGE__BODY_FATE;
	m.fate = &f;
	send_message(r, p->origin, false, &m);
}

static void decide(struct replica *r, struct proposal *p, int code,
		   raft_index index)
{
	CHECK(!p->is_decided);
	p->is_decided = true;
	if (p->buf.base) {
		raft_free(p->buf.base);
		p->buf.base = NULL;
	}
	if (p->origin != 0) {
		/* Silence leaves it to the origin, which sees the same log. */
		if (code == 0 || code == ERR_BUSY)
			tell_origin(r, p, code, index);
		return;
	}
	r->proposals.n_owned--;
	r->proposals.owned_bytes -= p->bytes;
	r->cfg.events.fate(r->cfg.events.ctx, p->tag, code, index);
}

/* -- taking -- */
static struct raft_buffer entry_buffer(uint64_t boot, uint64_t seq,
				       struct bytes payload)
{
	struct raft_buffer buf = {
		.len = REPLICA_PROPOSAL_ID_BYTES + payload.len,
	};

	buf.base = raft_malloc(buf.len);
	uint8_t *at = buf.base;
	put_u64(at, boot);
	put_u64(at + 8, seq);
	memcpy(at + REPLICA_PROPOSAL_ID_BYTES, payload.data, payload.len);
	return buf;
}

/* Is there room for one more? The state machine's lag counts: what is committed
 * faster than it can be applied must wait outside. */
static int check_room(struct replica *r, struct bytes payload, struct err *e)
{
	size_t bytes = REPLICA_PROPOSAL_ID_BYTES + payload.len;
	struct proposals *ps = &r->proposals;
	raft_index behind = r->seen_applied - r->durable_applied;

	if (bytes > LIMIT_ENTRY_BYTES)
		return err_set(e, ERR_LIMIT,
			       "an entry of %zu bytes; the limit is %zu", bytes,
			       LIMIT_ENTRY_BYTES);
	if (ps->is_full && !(r->cfg.is_vital && r->cfg.is_vital(payload)))
		return err_set(e, ERR_FULL,
			       "the log's quota is nearly used up; raise "
			       "limits.log or let retention free some");
	if (ps->n_owned >= LIMIT_PROPOSALS_COUNT ||
	    ps->owned_bytes + bytes > LIMIT_PROPOSALS_BYTES)
		return err_set(e, ERR_BUSY, "too many proposals are under way");
	if (behind > LIMIT_APPLY_LAG_RECORDS ||
	    r->lag.total - r->lag.applied > LIMIT_APPLY_LAG_BYTES)
		return err_set(e, ERR_BUSY,
			       "the state is %llu entries behind the log",
			       (unsigned long long)behind);
	return 0;
}

int replica_propose(struct replica *r, struct bytes payload, uint64_t tag,
		    struct err *e)
{
	struct proposals *ps = &r->proposals;
	size_t bytes = REPLICA_PROPOSAL_ID_BYTES + payload.len;

	if (!r->is_running)
		return err_set(e, ERR_NO_LEADER, "the node is starting");
	int rc = check_room(r, payload, e);
	if (rc)
		return rc;
	struct proposal p = {
		.tag = tag,
		.boot = r->cfg.boot,
		.seq = ++ps->next_seq,
		.bytes = bytes,
		.deadline_us =
			replica_now(r) + (int64_t)r->cfg.proposal_ms * 1000,
	};
	p.buf = entry_buffer(p.boot, p.seq, payload);
	queue_push(&ps->waiting, &p);
	ps->n_owned++;
	ps->owned_bytes += bytes;
	return 0;
}

void replica_set_full(struct replica *r, bool is_full)
{
	r->proposals.is_full = is_full;
}

/* A message may arrive twice or late, even after its sender has started again:
 * each start counts by itself, as long as this term lasts. */
static bool is_first_copy(struct peer *p, const Synod__Peer__Forward *f)
{
	for (size_t i = 0; i < FORWARD_BOOTS; i++) {
		struct forward_mark *m = &p->forwards[i];

		if (m->boot == 0)
			m->boot = f->boot;
		if (m->boot != f->boot)
			continue;
		if (f->seq <= m->seq)
			return false;
		m->seq = f->seq;
		return true;
	}
	return false; /* it starts all the time: its deadline tells it */
}

/* Appended only in the term it was sent in, and only in rising order: a copy of
 * an old message must not be appended a second time. Anything else is met with
 * silence: the first copy may have been appended, so "refused" could be a lie.
 */
void proposals_take_forward(struct replica *r, struct peer *p,
			    const Synod__Peer__Forward *f)
{
	struct proposal q = {
		.origin = p->id,
		.boot = f->boot,
		.seq = f->seq,
		.term = f->term,
		.bytes = REPLICA_PROPOSAL_ID_BYTES + f->payload.len,
		.deadline_us =
			replica_now(r) + (int64_t)r->cfg.proposal_ms * 1000,
	};

	if (!is_leader(r) || f->term != r->raft.current_term)
		return;
	if (!is_first_copy(p, f))
		return;
	struct proposals *ps = &r->proposals;
	size_t queued = ps->waiting.bytes + ps->appended.bytes;
	struct bytes payload = {f->payload.data, f->payload.len};
	if (check_room(r, payload, NULL) ||
	    queued + q.bytes > 2 * LIMIT_PROPOSALS_BYTES) {
		decide(r, &q, ERR_BUSY, 0);
		return;
	}
	q.buf = entry_buffer(f->boot, f->seq, payload);
	queue_push(&ps->waiting, &q);
}

/* -- giving them on -- */
static void group_applied(struct raft_apply *req, int status, void *result)
{
	/* Fates come from the log, not from here: libraft calls this for the
	 * first entry of a group only, and also when leadership is lost. */
	free(req);
}

/* One group: what waits, as far as the window reaches, in one write and one
 * message. While it is written the next one gathers. */
static bool submit_here(struct replica *r)
{
	struct proposals *ps = &r->proposals;
	struct raft_buffer bufs[LIMIT_GROUP_COUNT];
	unsigned n = 0;
	size_t bytes = 0, window = ps->appended.bytes;
	raft_index index = guard_last_index(&r->raft) + 1;

	while (n < ps->waiting.n && n < LIMIT_GROUP_COUNT &&
	       bytes < r->cfg.group_bytes && window < LIMIT_WINDOW_BYTES &&
	       ps->appended.n + n < LIMIT_WINDOW_COUNT) {
		struct proposal *p = queue_at(&ps->waiting, n);
		bufs[n++] = p->buf;
		bytes += p->bytes;
		window += p->bytes;
	}
	if (n == 0)
		return false;
	struct raft_apply *req = mem_zero(1, sizeof(*req));
	if (raft_apply(&r->raft, req, bufs, n, group_applied)) {
		free(req); /* they wait on */
		return false;
	}
	for (unsigned i = 0; i < n; i++) {
		struct proposal p = queue_pop(&ps->waiting);

		p.buf.base = NULL; /* Raft's now */
		p.index = index + i;
		p.term = r->raft.current_term;
		queue_push(&ps->appended, &p);
	}
	replica_after_event(r);
	return true;
}

static void send_forward(struct replica *r, const struct proposal *p,
			 uint64_t leader)
{
	Synod__Peer__Message m = SYNOD__PEER__MESSAGE__INIT;
	Synod__Peer__Forward f = SYNOD__PEER__FORWARD__INIT;

	f.term = p->term;
	f.boot = p->boot;
	f.seq = p->seq;
	f.payload.data = (uint8_t *)p->buf.base + REPLICA_PROPOSAL_ID_BYTES;
	f.payload.len = p->bytes - REPLICA_PROPOSAL_ID_BYTES;
	m.body_case = SYNOD__PEER__MESSAGE__BODY_FORWARD;
	m.forward = &f;
	send_message(r, leader, false, &m);
}

static bool submit_there(struct replica *r)
{
	struct proposals *ps = &r->proposals;
	uint64_t leader = r->raft.follower_state.current_leader.id;
	bool any = false;

	while (leader != 0 && ps->waiting.n > 0) {
		struct proposal p = queue_pop(&ps->waiting);

		any = true;
		CHECK(p.origin == 0); /* drop_forwards */
		p.term = r->raft.current_term;
		send_forward(r, &p, leader);
		raft_free(p.buf.base);
		p.buf.base = NULL;
		queue_push(&ps->forwarded, &p);
	}
	return any;
}

bool proposals_submit(struct replica *r)
{
	if (r->proposals.waiting.n == 0 || r->raft.transfer)
		return false;
	switch (r->raft.state) {
	case RAFT_LEADER:
		return submit_here(r);
	case RAFT_FOLLOWER:
		return submit_there(r);
	default:
		return false;
	}
}

/* -- deciding -- */
static struct proposal *forwarded_find(struct replica *r, uint64_t seq)
{
	struct proposal_queue *q = &r->proposals.forwarded;
	size_t low = 0, high = q->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (queue_at(q, mid)->seq < seq)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == q->n || queue_at(q, low)->seq != seq)
		return NULL;
	return queue_at(q, low)->is_decided ? NULL : queue_at(q, low);
}

void proposals_take_fate(struct replica *r, const Synod__Peer__Fate *f)
{
	struct proposal *p;

	if (f->boot != r->cfg.boot)
		return;
	p = forwarded_find(r, f->seq);
	if (p && (f->code == 0 || f->code == ERR_BUSY))
		decide(r, p, f->code, f->index);
	queue_trim(&r->proposals.forwarded);
}

static void find_forwarded(struct replica *r, raft_index from, raft_index to)
{
	for (raft_index i = from + 1; i <= to; i++) {
		const struct raft_entry *e = guard_entry(&r->raft, i);

		if (!e || e->type != RAFT_COMMAND ||
		    e->buf.len < REPLICA_PROPOSAL_ID_BYTES)
			continue;
		const uint8_t *id = e->buf.base;
		if (get_u64(id) != r->cfg.boot)
			continue;
		struct proposal *p = forwarded_find(r, get_u64(id + 8));
		if (p)
			decide(r, p, 0, i);
	}
}

/* See the head of this file. */
static void refuse_older(struct replica *r, raft_term term)
{
	struct proposal_queue *q = &r->proposals.forwarded;

	for (size_t i = 0; i < q->n; i++) {
		struct proposal *p = queue_at(q, i);
		if (!p->is_decided && p->term < term)
			decide(r, p, ERR_REFUSED, 0);
	}
	queue_trim(q);
}

static void resolve_orphans(struct replica *r, raft_index to, raft_term term)
{
	struct proposal_queue *q = &r->proposals.orphans;

	for (size_t i = 0; i < q->n; i++) {
		struct proposal *p = queue_at(q, i);
		raft_term at;

		if (p->is_decided)
			continue;
		at = p->index <= to ? guard_term_of(&r->raft, p->index) : 0;
		if (at != 0 && at == p->term)
			decide(r, p, 0, p->index);
		else if (at != 0 || (p->index > to && term > p->term))
			decide(r, p, ERR_REFUSED, 0);
		/* else: not committed yet, or compacted: the deadline */
	}
	queue_trim(q);
}

void proposals_resolve(struct replica *r, raft_index from, raft_index to)
{
	struct proposals *ps = &r->proposals;
	raft_term term = guard_term_of(&r->raft, to);

	while (ps->appended.n > 0 && queue_at(&ps->appended, 0)->index <= to) {
		struct proposal p = queue_pop(&ps->appended);
		CHECK(guard_term_of(&r->raft, p.index) == p.term ||
		      r->cfg.rules_off);
		if (!p.is_decided)
			decide(r, &p, 0, p.index);
	}
	if (ps->forwarded.n > 0) {
		find_forwarded(r, from, to);
		refuse_older(r, term);
	}
	if (ps->orphans.n > 0)
		resolve_orphans(r, to, term);
}

/* A peer's proposal that waits here was sent to the leader of our term, and a
 * node leads a term once. In any other its origin takes it for lost: it must
 * not be appended any more. */
static void drop_forwards(struct replica *r)
{
	struct proposal_queue *w = &r->proposals.waiting;

	for (size_t n = w->n; n > 0; n--) {
		struct proposal p = queue_pop(w);
		if (p.origin != 0)
			raft_free(p.buf.base);
		else
			queue_push(w, &p);
	}
}

void proposals_new_term(struct replica *r)
{
	struct proposals *ps = &r->proposals;

	drop_forwards(r);
	for (size_t i = 0; i < REPLICA_PEERS; i++)
		memset(r->peers[i].forwards, 0, sizeof(r->peers[i].forwards));
	while (ps->appended.n > 0) {
		struct proposal p = queue_pop(&ps->appended);
		if (p.origin == 0 && !p.is_decided)
			queue_push(&ps->orphans, &p);
	}
}

static void expire_queue(struct replica *r, struct proposal_queue *q,
			 int64_t now_us, int code)
{
	for (size_t i = 0; i < q->n; i++) {
		struct proposal *p = queue_at(q, i);
		if (p->deadline_us > now_us)
			break; /* in order of age */
		if (p->is_decided)
			continue;
		if (p->origin == 0)
			decide(r, p, code, 0);
	}
	queue_trim(q);
}

void proposals_expire(struct replica *r, int64_t now_us)
{
	struct proposals *ps = &r->proposals;
	struct proposal_queue *w = &ps->waiting;

	while (w->n > 0 && queue_at(w, 0)->deadline_us <= now_us) {
		struct proposal p = queue_pop(w);
		/* Never given to anybody: certainly not in the log. */
		if (p.origin == 0)
			decide(r, &p, ERR_REFUSED, 0);
		else
			raft_free(p.buf.base);
	}
	expire_queue(r, &ps->forwarded, now_us, ERR_UNKNOWN_FATE);
	expire_queue(r, &ps->orphans, now_us, ERR_UNKNOWN_FATE);
	expire_queue(r, &ps->appended, now_us, ERR_UNKNOWN_FATE);
}

static void abandon_queue(struct replica *r, struct proposal_queue *q)
{
	while (q->n > 0) {
		struct proposal p = queue_pop(q);

		if (p.is_decided)
			continue;
		if (p.origin == 0) {
			decide(r, &p, ERR_UNKNOWN_FATE, 0);
		} else if (p.buf.base) {
			raft_free(p.buf.base);
		}
	}
}

void proposals_abandon(struct replica *r)
{
	abandon_queue(r, &r->proposals.appended);
	abandon_queue(r, &r->proposals.forwarded);
	abandon_queue(r, &r->proposals.orphans);
}

void proposals_clear(struct replica *r)
{
	struct proposals *ps = &r->proposals;

	abandon_queue(r, &ps->waiting);
	proposals_abandon(r);
	free(ps->waiting.items);
	free(ps->appended.items);
	free(ps->forwarded.items);
	free(ps->orphans.items);
	*ps = (struct proposals){0};
}
