#include "cluster/replica/internal.h"

#include <string.h>

#include "base/check.h"
#include "base/endian.h"
#include "cluster/replica/conf.h"
#include "proto/codec.h"

/* An envelope is nothing but its messages, one behind the other, each with the
 * tag of field 1 and its length: so a frame is built by appending, and sealed
 * when the turn ends or it is full. */
enum {
	TAG_MESSAGE = 1 << 3 | 2,        /* Envelope.messages */
	TAG_APPEND_ENTRIES = 1 << 3 | 2, /* Message.append_entries */
	TAG_BLOCK = 6 << 3 | 2,          /* AppendEntries.block */
	VARINT_MAX = 10,
};

static size_t varint_size(uint64_t v)
{
	size_t n = 1;

	while (v >= 0x80) {
		v >>= 7;
		n++;
	}
	return n;
}

static size_t varint_put(uint8_t *p, uint64_t v)
{
	size_t n = 0;

	while (v >= 0x80) {
		p[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	p[n++] = (uint8_t)v;
	return n;
}

static void outbox_seal(struct replica *r, struct peer *p, bool bulk)
{
	struct outbox *o = &p->outbox[bulk];
	struct blob *frame = o->frame;

	if (!frame)
		return;
	codec_seal_in_place(CODEC_ENVELOPE, frame->data,
			    frame->len - CODEC_HEADER_BYTES);
	*o = (struct outbox){0};
	/* What we say depends on it: never before the hard state of the event
	 * that said it. */
	replica_harden(r);
	r->cfg.net.send(r->cfg.net.ctx, p->id, frame, bulk);
}

/* Room for n more bytes of envelope; a frame that they would overfill goes out
 * first. The frame is built in the blob that travels. */
static uint8_t *outbox_reserve(struct replica *r, struct peer *p, bool bulk,
			       size_t n)
{
	enum { FIRST_BYTES = 512 };
	struct outbox *o = &p->outbox[bulk];

	CHECK(n <= LIMIT_FRAME_BYTES - CODEC_HEADER_BYTES);
	if (o->frame && o->frame->len + n > LIMIT_FRAME_FILL_BYTES)
		outbox_seal(r, p, bulk);
	size_t len = o->frame ? o->frame->len : CODEC_HEADER_BYTES;
	if (!o->frame) {
		o->cap = len + n > FIRST_BYTES ? len + n : FIRST_BYTES;
		o->frame = blob_new(o->cap);
	} else if (len + n > o->cap) {
		o->cap = len + n > 2 * o->cap ? len + n : 2 * o->cap;
		o->frame = mem_grow(o->frame, sizeof(*o->frame) + o->cap);
	}
	o->frame->len = len + n;
	return o->frame->data + len;
}

/* A peer that may be sent to, or NULL. */
static struct peer *recipient(struct replica *r, uint64_t id)
{
	struct peer *p = replica_peer(r, id);

	return p && id != r->cfg.id ? p : NULL;
}

void send_message(struct replica *r, uint64_t peer, bool bulk,
		  Synod__Peer__Message *m)
{
	struct peer *p = recipient(r, peer);

	if (!p)
		return;
	size_t len = synod__peer__message__get_packed_size(m);
	uint8_t *at = outbox_reserve(r, p, bulk, 1 + varint_size(len) + len);
	*at++ = TAG_MESSAGE;
	at += varint_put(at, len);
	synod__peer__message__pack(m, at);
}

static size_t block_size(const struct raft_entry *entries, unsigned n)
{
	size_t size = 0;

	for (unsigned i = 0; i < n; i++)
		size += REPLICA_ENTRY_HEAD_BYTES + entries[i].buf.len;
	return size;
}

static void block_put(uint8_t *at, const struct raft_entry *entries, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct raft_entry *e = &entries[i];

		put_u64(at, e->term);
		at[8] = (uint8_t)e->type;
		put_u32(at + 9, (uint32_t)e->buf.len);
		memcpy(at + REPLICA_ENTRY_HEAD_BYTES, e->buf.base, e->buf.len);
		at += REPLICA_ENTRY_HEAD_BYTES + e->buf.len;
	}
}

static size_t append_size(const Synod__Peer__AppendEntries *head, size_t block)
{
	size_t size = synod__peer__append_entries__get_packed_size(head);

	return block ? size + 1 + varint_size(block) + block : size;
}

/* By hand, because packing through a struct would copy each payload twice. */
static void append_put(uint8_t *at, const Synod__Peer__AppendEntries *head,
		       const struct send_entries *s, size_t block)
{
	size_t body = append_size(head, block);

	*at++ = TAG_MESSAGE;
	at += varint_put(at, 1 + varint_size(body) + body);
	*at++ = TAG_APPEND_ENTRIES;
	at += varint_put(at, body);
	at += synod__peer__append_entries__pack(head, at);
	if (block == 0)
		return;
	*at++ = TAG_BLOCK;
	at += varint_put(at, block);
	block_put(at, s->entries, s->n);
}

/* A leader's log does not change in its term: the range says it all. */
static bool is_same(const struct send_entries *a, const struct send_entries *b)
{
	return a->prev == b->prev && a->prev_term == b->prev_term &&
	       a->term == b->term && a->commit == b->commit && a->n == b->n;
}

/* Followers that keep up are sent the same bytes: a large message is packed and
 * sealed once, as a frame of its own, and the blob goes to each of them. */
static void send_shared(struct replica *r, struct peer *p, bool bulk,
			const Synod__Peer__AppendEntries *head,
			const struct send_entries *s)
{
	struct shared_frame *shared = &r->shared;

	outbox_seal(r, p, bulk); /* what was said before goes before */
	if (!shared->frame || !is_same(&shared->what, s)) {
		size_t block = block_size(s->entries, s->n);
		size_t body = append_size(head, block);
		size_t len = 1 + varint_size(body) + body;
		size_t payload = 1 + varint_size(len) + len;

		blob_unref(shared->frame);
		shared->what = *s;
		shared->what.entries = NULL; /* not ours to keep */
		shared->frame = blob_new(CODEC_HEADER_BYTES + payload);
		append_put(shared->frame->data + CODEC_HEADER_BYTES, head, s,
			   block);
		codec_seal_in_place(CODEC_ENVELOPE, shared->frame->data,
				    payload);
	}
	replica_harden(r);
	r->cfg.net.send(r->cfg.net.ctx, p->id, blob_ref(shared->frame), bulk);
}

void send_append(struct replica *r, uint64_t peer, bool bulk,
		 const struct send_entries *s)
{
	struct peer *p = recipient(r, peer);
	Synod__Peer__AppendEntries a = SYNOD__PEER__APPEND_ENTRIES__INIT;

	if (!p)
		return;
	raft_index told = s->prev + s->n;
	if (told > s->commit)
		told = s->commit;
	if (told > p->told_commit)
		p->told_commit = told;
	a.term = s->term;
	a.prev_index = s->prev;
	a.prev_term = s->prev_term;
	a.leader_commit = s->commit;
	a.n_entries = s->n;
	size_t block = block_size(s->entries, s->n);
	if (s->n > 0 && block >= r->cfg.chunk_bytes / 64) {
		send_shared(r, p, bulk, &a, s);
		return;
	}
	size_t body = append_size(&a, block);
	size_t len = 1 + varint_size(body) + body;
	append_put(outbox_reserve(r, p, bulk, 1 + varint_size(len) + len), &a,
		   s, block);
}

/* Bytes of entries that a peer was sent and has not confirmed. */
static size_t unconfirmed_bytes(struct replica *r, raft_index match,
				raft_index prev, size_t stop)
{
	size_t bytes = 0;

	for (raft_index i = match + 1; i <= prev && bytes < stop; i++) {
		const struct raft_entry *e = guard_entry(&r->raft, i);
		if (e)
			bytes += REPLICA_ENTRY_HEAD_BYTES + e->buf.len;
	}
	return bytes;
}

/* libraft sends everything from next_index to the end in one message, without
 * a limit, again with every probe. So: messages of a bounded size, a window of
 * unconfirmed bytes, one message while probing; what was not sent is put right
 * in send_correct_progress. */
static void send_log(struct replica *r, struct peer *p,
		     const struct raft_append_entries *a)
{
	unsigned at = guard_server(&r->raft, p->id);
	const struct raft_progress *pr = &r->raft.leader_state.progress[at];
	bool is_probe = pr->state == 0;
	size_t window = 4 * r->cfg.chunk_bytes, sent = 0;
	struct send_entries s = {
		.prev = a->prev_log_index,
		.prev_term = a->prev_log_term,
		.term = a->term,
		.commit = a->leader_commit,
	};

	if (a->n_entries > 0 && !is_probe)
		sent = unconfirmed_bytes(r, pr->match_index, s.prev, window);
	unsigned i = 0;
	do {
		unsigned n = 0;
		size_t bytes = 0;
		while (i + n < a->n_entries && sent + bytes < window &&
		       bytes < r->cfg.chunk_bytes)
			bytes += block_size(&a->entries[i + n++], 1);
		s.entries = n > 0 ? a->entries + i : NULL;
		s.n = n;
		send_append(r, p->id, false, &s);
		sent += bytes;
		i += n;
		s.prev += n;
		if (n > 0)
			s.prev_term = a->entries[i - 1].term;
		if (n == 0 || is_probe)
			break;
	} while (i < a->n_entries && sent < window);
	if (i < a->n_entries) {
		p->is_cut = true;
		p->cut = s.prev;
	}
}

void send_correct_progress(struct replica *r)
{
	for (size_t i = 0; i < REPLICA_PEERS; i++) {
		struct peer *p = &r->peers[i];

		if (!p->is_cut)
			continue;
		p->is_cut = false;
		unsigned at = guard_server(&r->raft, p->id);
		if (!is_leader(r) || at == r->raft.configuration.n)
			continue;
		struct raft_progress *pr = &r->raft.leader_state.progress[at];
		if (pr->state == 1 && pr->next_index > p->cut + 1)
			pr->next_index = p->cut + 1;
	}
}

static void send_entries_of(struct replica *r, const struct raft_message *m)
{
	struct peer *p = replica_peer(r, m->server_id);

	if (!p)
		return;
	if (p->feed.mode != FEED_OFF)
		feed_heartbeat(r, p); /* it has no use for anything else */
	else
		send_log(r, p, &m->append_entries);
}

/* GUARD_ACK: libraft confirms all that it has stored, which may include a stale
 * tail that no leader of this term has checked; the leader would count it, and
 * an acknowledged entry could be lost. Confirm what was proved, no more. */
static void send_result(struct replica *r, const struct raft_message *m)
{
	Synod__Peer__Message out = SYNOD__PEER__MESSAGE__INIT;
	Synod__Peer__AppendResult a = SYNOD__PEER__APPEND_RESULT__INIT;
	const struct raft_append_entries_result *res =
		&m->append_entries_result;

	a.term = res->term;
	a.rejected = res->rejected;
	a.last_index = res->last_log_index;
	if (a.rejected > 0 && rule_on(r, GUARD_RETRY))
		a.last_index =
			guard_reject_hint(&r->raft, a.rejected, a.last_index);
	if (a.rejected == 0 && rule_on(r, GUARD_ACK) &&
	    a.last_index > r->verified)
		a.last_index = r->verified;
	out.body_case = SYNOD__PEER__MESSAGE__BODY_APPEND_RESULT;
	out.append_result = &a;
	send_message(r, m->server_id, false, &out);
}

static void send_vote_request(struct replica *r, const struct raft_message *m)
{
	Synod__Peer__Message out = SYNOD__PEER__MESSAGE__INIT;
	Synod__Peer__RequestVote v = SYNOD__PEER__REQUEST_VOTE__INIT;

	v.term = m->request_vote.term;
	v.candidate_id = m->request_vote.candidate_id;
	v.last_index = m->request_vote.last_log_index;
	v.last_term = m->request_vote.last_log_term;
	v.disrupt_leader = m->request_vote.disrupt_leader;
	v.pre_vote = m->request_vote.pre_vote;
	out.body_case = SYNOD__PEER__MESSAGE__BODY_REQUEST_VOTE;
	out.request_vote = &v;
	send_message(r, m->server_id, false, &out);
}

static void send_vote(struct replica *r, const struct raft_message *m)
{
	Synod__Peer__Message out = SYNOD__PEER__MESSAGE__INIT;
	Synod__Peer__VoteResult v = SYNOD__PEER__VOTE_RESULT__INIT;

	v.term = m->request_vote_result.term;
	v.granted = m->request_vote_result.vote_granted;
	v.pre_vote = (uint32_t)m->request_vote_result.pre_vote;
	out.body_case = SYNOD__PEER__MESSAGE__BODY_VOTE_RESULT;
	out.vote_result = &v;
	send_message(r, m->server_id, false, &out);
}

static void send_timeout_now(struct replica *r, const struct raft_message *m)
{
	Synod__Peer__Message out = SYNOD__PEER__MESSAGE__INIT;
	Synod__Peer__TimeoutNow t = SYNOD__PEER__TIMEOUT_NOW__INIT;

	t.term = m->timeout_now.term;
	t.last_index = m->timeout_now.last_log_index;
	t.last_term = m->timeout_now.last_log_term;
	out.body_case = SYNOD__PEER__MESSAGE__BODY_TIMEOUT_NOW;
	out.timeout_now = &t;
	send_message(r, m->server_id, false, &out);
}

void send_raft(struct replica *r, const struct raft_message *m)
{
	struct peer *p;
	unsigned at;

	switch (m->type) {
	case RAFT_IO_APPEND_ENTRIES:
		send_entries_of(r, m);
		break;
	case RAFT_IO_APPEND_ENTRIES_RESULT:
		send_result(r, m);
		break;
	case RAFT_IO_REQUEST_VOTE:
		send_vote_request(r, m);
		break;
	case RAFT_IO_REQUEST_VOTE_RESULT:
		send_vote(r, m);
		break;
	case RAFT_IO_INSTALL_SNAPSHOT:
		/* Memory does not reach back far enough for this follower. */
		p = replica_peer(r, m->server_id);
		at = guard_server(&r->raft, m->server_id);
		if (p && at < r->raft.configuration.n)
			feed_start(
				r, p,
				r->raft.leader_state.progress[at].next_index);
		break;
	case RAFT_IO_TIMEOUT_NOW:
		send_timeout_now(r, m);
		break;
	default:
		CHECK(false);
	}
}

static void drop_shared(struct replica *r)
{
	blob_unref(r->shared.frame);
	r->shared = (struct shared_frame){0};
}

void send_flush(struct replica *r)
{
	drop_shared(r);
	for (size_t i = 0; i < REPLICA_PEERS; i++) {
		outbox_seal(r, &r->peers[i], false);
		outbox_seal(r, &r->peers[i], true);
	}
}

void send_clear(struct replica *r)
{
	drop_shared(r);
	for (size_t i = 0; i < REPLICA_PEERS; i++) {
		for (int bulk = 0; bulk < 2; bulk++) {
			blob_unref(r->peers[i].outbox[bulk].frame);
			r->peers[i].outbox[bulk] = (struct outbox){0};
		}
	}
}
