#include "cluster/replica/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/endian.h"
#include "base/log.h"
#include "cluster/replica/conf.h"
#include "proto/codec.h"

/* -- the inbox -- */
static void item_free(struct inbox_item *item)
{
	if (item->envelope)
		synod__peer__envelope__free_unpacked(item->envelope, NULL);
	blob_unref(item->frame);
	free(item);
}

static void inbox_drop_first(struct replica *r)
{
	struct inbox_item *item = r->inbox;

	r->inbox = item->next;
	if (!r->inbox)
		r->inbox_tail = &r->inbox;
	r->inbox_bytes -= item->frame->len;
	item_free(item);
}

static bool item_open(struct inbox_item *item)
{
	struct bytes payload;
	struct err e = {0};

	if (!codec_open(CODEC_ENVELOPE, blob_bytes(item->frame),
			LIMIT_FRAME_BYTES, &payload, &e))
		item->envelope = (Synod__Peer__Envelope *)codec_unpack(
			&synod__peer__envelope__descriptor, payload, &e);
	if (item->envelope &&
	    item->envelope->n_messages <= LIMIT_FRAME_MESSAGES)
		return true;
	log_event(LOG_WARN, "frame_refused", "peer=%llu why=%s",
		  (unsigned long long)item->peer,
		  LOG_Q(e.code ? e.text : "it does not decode"));
	return false;
}

/* -- AppendEntries from bytes to libraft's form -- */

/* Check the whole block before anything is made of it. */
static bool block_is_valid(const Synod__Peer__AppendEntries *a)
{
	const uint8_t *p = a->block.data;
	size_t left = a->block.len;

	if (a->n_entries > LIMIT_MESSAGE_ENTRIES)
		return false;
	for (uint32_t i = 0; i < a->n_entries; i++) {
		if (left < REPLICA_ENTRY_HEAD_BYTES)
			return false;
		uint64_t term = get_u64(p);
		unsigned type = p[8];
		size_t len = get_u32(p + 9);
		p += REPLICA_ENTRY_HEAD_BYTES;
		left -= REPLICA_ENTRY_HEAD_BYTES;
		if (len > left || term == 0 || term > a->term ||
		    type < RAFT_COMMAND || type > RAFT_CHANGE)
			return false;
		if (type == RAFT_CHANGE) {
			struct replica_member members[LIMIT_NODES];
			size_t n;
			if (conf_decode((struct bytes){p, len}, members, &n))
				return false;
		}
		p += len;
		left -= len;
	}
	return left == 0;
}

/* All entries of a message share one batch, which libraft frees. It is the very
 * block that was unpacked: its owner forgets it. */
static struct raft_entry *block_take(Synod__Peer__AppendEntries *a)
{
	struct raft_entry *entries;
	uint8_t *p = a->block.data;

	if (a->n_entries == 0)
		return NULL;
	entries = raft_calloc(a->n_entries, sizeof(*entries));
	for (uint32_t i = 0; i < a->n_entries; i++) {
		entries[i].term = get_u64(p);
		entries[i].type = p[8];
		entries[i].buf.len = get_u32(p + 9);
		p += REPLICA_ENTRY_HEAD_BYTES;
		entries[i].buf.base = p;
		entries[i].batch = a->block.data;
		p += entries[i].buf.len;
	}
	a->block.data = NULL;
	a->block.len = 0;
	return entries;
}

static void entries_free(struct raft_append_entries *a, void *batch)
{
	raft_free(batch);
	raft_free(a->entries);
	a->entries = NULL;
	a->n_entries = 0;
}

static void deliver(struct replica *r, struct peer *p, struct raft_message *m)
{
	char name[24];
	unsigned at = guard_server(&r->raft, p->id);

	/* libraft wants an address beside each id; it copies it. */
	snprintf(name, sizeof(name), "%llu", (unsigned long long)p->id);
	m->server_id = p->id;
	m->server_address = at < r->raft.configuration.n
				    ? r->raft.configuration.servers[at].address
				    : name;
	r->recv(&r->io, m);
}

static void cut_and_recreate(struct replica *r, raft_index index)
{
	r->io.truncate(&r->io, index);
	r->must_recreate = true; /* when the cut is durable */
}

static void refuse(const struct peer *p, const char *why)
{
	log_event(LOG_WARN, "message_refused", "peer=%llu why=%s",
		  (unsigned long long)p->id, LOG_Q(why));
}

/* The next waiting message, if it is from the same peer and in hand. */
static Synod__Peer__Message **next_message(struct replica *r, struct peer *p)
{
	struct inbox_item *item = r->inbox;

	if (item && item->envelope && item->at == item->envelope->n_messages &&
	    item->next && item->next->peer == p->id) {
		inbox_drop_first(r);
		item = r->inbox;
		if (!item_open(item))
			inbox_drop_first(r);
		item = r->inbox;
	}
	if (!item || item->peer != p->id || !item->envelope ||
	    item->at == item->envelope->n_messages)
		return NULL;
	return &item->envelope->messages[item->at];
}

/* Group commit on a follower: messages that waited for the disk and go on right
 * where this one ends are written with it. Only when all of it is new here, at
 * the very end of our log: then libraft frees each batch. */
static void gather(struct replica *r, struct peer *p,
		   struct raft_append_entries *a)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < a->n_entries; i++)
		bytes += a->entries[i].buf.len;
	for (;;) {
		Synod__Peer__Message **next = next_message(r, p);
		if (!next || (*next)->body_case !=
				     SYNOD__PEER__MESSAGE__BODY_APPEND_ENTRIES)
			return;
		Synod__Peer__AppendEntries *in = (*next)->append_entries;
		if (in->term != a->term || in->n_entries == 0 ||
		    in->prev_index != a->prev_log_index + a->n_entries ||
		    in->prev_term != a->entries[a->n_entries - 1].term ||
		    a->n_entries + in->n_entries > LIMIT_MESSAGE_ENTRIES ||
		    bytes + in->block.len > r->cfg.group_bytes ||
		    !block_is_valid(in))
			return;
		bytes += in->block.len;
		unsigned n = in->n_entries;
		struct raft_entry *more = block_take(in);
		a->entries = raft_realloc(a->entries,
					  (a->n_entries + n) * sizeof(*more));
		memcpy(a->entries + a->n_entries, more, n * sizeof(*more));
		raft_free(more);
		a->n_entries += n;
		if (in->leader_commit > a->leader_commit)
			a->leader_commit = in->leader_commit;
		r->inbox->at++;
	}
}

static bool is_new_at_end(const struct replica *r,
			  const struct raft_append_entries *a)
{
	raft_index last = guard_last_index(&r->raft);

	return a->n_entries > 0 && a->term == r->raft.current_term &&
	       a->prev_log_index == last &&
	       (last == 0 || a->prev_log_term == guard_term_of(&r->raft, last));
}

static void receive_append(struct replica *r, struct peer *p,
			   Synod__Peer__AppendEntries *in)
{
	struct raft_message m = {.type = RAFT_IO_APPEND_ENTRIES};
	struct raft_append_entries *a = &m.append_entries;

	if (!block_is_valid(in)) {
		refuse(p, "entries do not decode");
		return;
	}
	a->term = in->term;
	a->prev_log_index = in->prev_index;
	a->prev_log_term = in->prev_term;
	a->leader_commit = in->leader_commit;
	a->n_entries = in->n_entries;
	a->entries = block_take(in);
	void *batch = a->entries ? a->entries[0].batch : NULL;
	if (is_new_at_end(r, a))
		gather(r, p, a);

	raft_index last = a->prev_log_index + a->n_entries;
	if (a->term >= r->raft.current_term) {
		if (rule_on(r, GUARD_STRIP))
			guard_strip_committed(&r->raft, a);
		if (rule_on(r, GUARD_FOLLOW))
			guard_clamp_commit(a);
	}
	if (a->n_entries == 0 && a->entries)
		entries_free(a, batch);
	raft_index cut = 0;
	if (a->term >= r->raft.current_term && rule_on(r, GUARD_RECREATE))
		cut = guard_rollback_index(&r->raft, a);
	if (cut) {
		entries_free(a, batch);
		cut_and_recreate(r, cut);
		return; /* the leader sends it again */
	}
	/* What a success may confirm: the end of this message, or what is
	 * committed here, which every later leader has. */
	r->verified = last > r->raft.commit_index ? last : r->raft.commit_index;
	deliver(r, p, &m);
}

/* -- the other messages -- */
static bool may_count(const struct replica *r,
		      const struct raft_append_entries_result *res)
{
	return is_leader(r) && res->rejected == 0 &&
	       res->term == r->raft.current_term;
}

static void receive_result(struct replica *r, struct peer *p,
			   const Synod__Peer__AppendResult *in)
{
	struct raft_message m = {.type = RAFT_IO_APPEND_ENTRIES_RESULT};
	struct raft_append_entries_result *res = &m.append_entries_result;
	unsigned at = guard_server(&r->raft, p->id);

	res->term = in->term;
	res->rejected = in->rejected;
	res->last_log_index = in->last_index;
	if (is_leader(r) && res->term == r->raft.current_term &&
	    p->feed.mode != FEED_OFF && feed_result(r, p, res))
		return;
	if (rule_on(r, GUARD_RETRY) && is_leader(r) && res->rejected > 0 &&
	    at < r->raft.configuration.n)
		r->raft.leader_state.progress[at].last_send = 0;
	raft_index last = res->last_log_index;
	if (last > guard_last_index(&r->raft))
		last = guard_last_index(&r->raft);
	if (!may_count(r, res) || !rule_on(r, GUARD_COMMIT)) {
		deliver(r, p, &m);
		return;
	}
	/* libraft counts at last_stored: let it see the index to count at. */
	raft_index stored = r->raft.last_stored;
	r->raft.last_stored = guard_quorum_index(&r->raft, p->id, last);
	deliver(r, p, &m);
	r->raft.last_stored = stored;
}

static void receive_vote_request(struct replica *r, struct peer *p,
				 const Synod__Peer__RequestVote *in)
{
	struct raft_message m = {.type = RAFT_IO_REQUEST_VOTE};
	struct raft_request_vote *v = &m.request_vote;
	unsigned candidate = guard_server(&r->raft, in->candidate_id);
	unsigned self = guard_server(&r->raft, r->raft.id);
	unsigned n = r->raft.configuration.n;

	v->term = in->term;
	v->candidate_id = in->candidate_id;
	v->last_log_index = in->last_index;
	v->last_log_term = in->last_term;
	v->disrupt_leader = in->disrupt_leader;
	v->pre_vote = in->pre_vote;
	if (r->is_self_quarantined || v->candidate_id != p->id)
		return;
	/* A node that was removed never hears of it and campaigns for ever. */
	if (rule_on(r, GUARD_STRANGER) && n > 0 && candidate == n)
		return;
	if (rule_on(r, GUARD_VOTE) && guard_is_second_vote(&r->raft, v))
		return;
	if (rule_on(r, GUARD_FORGET))
		guard_forget_silent_leader(&r->raft);
	/* Whoever is asked may vote: the candidate's configuration, which is
	 * the newer one, says whose votes count. */
	int role = self < n ? r->raft.configuration.servers[self].role : -1;
	bool is_lent = rule_on(r, GUARD_ROLE) && self < n && role != RAFT_VOTER;
	if (is_lent)
		r->raft.configuration.servers[self].role = RAFT_VOTER;
	deliver(r, p, &m);
	if (is_lent)
		r->raft.configuration.servers[self].role = role;
}

static void receive_vote(struct replica *r, struct peer *p,
			 const Synod__Peer__VoteResult *in)
{
	struct raft_message m = {.type = RAFT_IO_REQUEST_VOTE_RESULT};

	m.request_vote_result.term = in->term;
	m.request_vote_result.vote_granted = in->granted;
	m.request_vote_result.pre_vote =
		in->pre_vote == 1 ? raft_tribool_true : raft_tribool_false;
	deliver(r, p, &m);
}

static void receive_timeout_now(struct replica *r, struct peer *p,
				const Synod__Peer__TimeoutNow *in)
{
	struct raft_message m = {.type = RAFT_IO_TIMEOUT_NOW};

	if (r->is_self_quarantined)
		return;
	m.timeout_now.term = in->term;
	m.timeout_now.last_log_index = in->last_index;
	m.timeout_now.last_log_term = in->last_term;
	deliver(r, p, &m);
}

static void receive_message(struct replica *r, struct peer *p,
			    Synod__Peer__Message *m)
{
	/* Its votes and confirmations do not count. What it asks may be obeyed:
	 * a node that is not admitted does not stand for election, so one that
	 * leads was admitted by a quorum, and a node that lags behind the entry
	 * that says so must not stay deaf to it. */
	if (p->is_quarantined &&
	    (m->body_case == SYNOD__PEER__MESSAGE__BODY_VOTE_RESULT ||
	     m->body_case == SYNOD__PEER__MESSAGE__BODY_APPEND_RESULT))
		return;
	switch (m->body_case) {
	case SYNOD__PEER__MESSAGE__BODY_APPEND_ENTRIES:
		receive_append(r, p, m->append_entries);
		break;
	case SYNOD__PEER__MESSAGE__BODY_APPEND_RESULT:
		receive_result(r, p, m->append_result);
		break;
	case SYNOD__PEER__MESSAGE__BODY_REQUEST_VOTE:
		receive_vote_request(r, p, m->request_vote);
		break;
	case SYNOD__PEER__MESSAGE__BODY_VOTE_RESULT:
		receive_vote(r, p, m->vote_result);
		break;
	case SYNOD__PEER__MESSAGE__BODY_TIMEOUT_NOW:
		receive_timeout_now(r, p, m->timeout_now);
		break;
	case SYNOD__PEER__MESSAGE__BODY_INSTALL_SNAPSHOT:
		image_take_offer(r, p, m->install_snapshot);
		break;
	case SYNOD__PEER__MESSAGE__BODY_IMAGE_REQUEST:
		image_take_request(r, p, m->image_request);
		break;
	case SYNOD__PEER__MESSAGE__BODY_IMAGE_CHUNK:
		image_take_chunk(r, p, m->image_chunk);
		break;
	case SYNOD__PEER__MESSAGE__BODY_FORWARD:
		proposals_take_forward(r, p, m->forward);
		break;
	case SYNOD__PEER__MESSAGE__BODY_FATE:
		proposals_take_fate(r, m->fate);
		break;
	default:
		break; /* of a newer version: the hello allowed it */
	}
}

/* -- in and out of the inbox -- */
void replica_recv(struct replica *r, uint64_t peer, struct blob *frame)
{
	if (r->inbox_bytes + frame->len > LIMIT_INBOX_BYTES)
		return; /* Raft repeats */
	struct inbox_item *item = mem_zero(1, sizeof(*item));
	item->peer = peer;
	item->frame = blob_ref(frame);
	r->inbox_bytes += frame->len;
	*r->inbox_tail = item;
	r->inbox_tail = &item->next;
}

bool receive_one(struct replica *r)
{
	while (r->inbox) {
		struct inbox_item *item = r->inbox;
		struct peer *p = replica_peer(r, item->peer);

		if (!p || (!item->envelope && !item_open(item)) ||
		    item->at == item->envelope->n_messages) {
			inbox_drop_first(r);
			continue;
		}
		Synod__Peer__Message *m = item->envelope->messages[item->at++];
		receive_message(r, p, m);
		return true;
	}
	return false;
}

void receive_clear(struct replica *r)
{
	while (r->inbox)
		inbox_drop_first(r);
}
