#include "cluster/replica/internal.h"

#include "base/check.h"

/* Feeding a follower from disk.
 *
 * libraft serves followers from memory only and would send a snapshot to one
 * that needs more. Our log on disk reaches much further back, so the leader
 * sends such a follower ordinary AppendEntries read from there, which are as
 * safe as any, until memory reaches it again; libraft takes it for a long
 * snapshot transfer that ends when the follower confirms the snapshot's index.
 * What the follower confirms meanwhile is not counted for commits. Only when
 * the disk does not reach back either, it gets a state image (image.c).
 *
 *   OFF ─memory does not reach─▶ PROBE ─follower confirms prev─▶ STREAM
 *                                  ▲ │                         │    │
 *                                  └─┼──── rejected, silent ───┘    │
 *                  disk does not ────┘                              │
 *                  reach back ─▶ IMAGE ─has it─▶ PROBE    memory ───┴─▶ OFF */

static const struct raft_progress *progress_of(const struct replica *r,
					       const struct peer *p)
{
	unsigned at = guard_server(&r->raft, p->id);

	if (!is_leader(r) || at == r->raft.configuration.n)
		return NULL;
	return &r->raft.leader_state.progress[at];
}

static void feed_probe(struct replica *r, struct peer *p, raft_index next)
{
	struct feed *f = &p->feed;

	f->next = next > 0 ? next : 1;
	/* The start of the log is the same everywhere: nothing to ask. */
	f->mode = f->next == 1 ? FEED_STREAM : FEED_PROBE;
	f->prev_term = 0;
	f->n_chunks = 0;
	f->in_flight_bytes = 0;
	f->ticket = 0;
	f->sent_us = 0;
}

void feed_start(struct replica *r, struct peer *p, raft_index next)
{
	if (p->feed.mode != FEED_OFF)
		return;
	p->feed = (struct feed){.moved_us = replica_now(r)};
	feed_probe(r, p, next);
}

static void feed_stop(struct peer *p)
{
	p->feed = (struct feed){0};
}

void feed_stop_all(struct replica *r)
{
	for (size_t i = 0; i < REPLICA_PEERS; i++)
		feed_stop(&r->peers[i]);
}

/* -- sending -- */
static void send_chunk(struct replica *r, struct peer *p,
		       const struct raft_entry *entries, unsigned n)
{
	struct feed *f = &p->feed;
	struct send_entries s = {
		.prev = f->next - 1,
		.prev_term = f->prev_term,
		.term = r->raft.current_term,
		.entries = entries,
		.n = n,
	};
	raft_index last = s.prev + n;

	s.commit = last < r->raft.commit_index ? last : r->raft.commit_index;
	send_append(r, p->id, true, &s);
	f->sent_us = replica_now(r);
	if (n == 0)
		return;
	struct feed_chunk *c = &f->chunks[f->n_chunks++];
	c->last = last;
	c->last_term = entries[n - 1].term;
	c->bytes = 0;
	for (unsigned i = 0; i < n; i++)
		c->bytes += entries[i].buf.len;
	f->in_flight_bytes += c->bytes;
	f->next = last + 1;
	f->prev_term = c->last_term;
	r->n_fed_entries += n;
}

/* In place of libraft's heartbeat, which begins at the end of our log and would
 * only be rejected. */
void feed_heartbeat(struct replica *r, struct peer *p)
{
	struct feed *f = &p->feed;
	struct send_entries s = {.term = r->raft.current_term};

	if (f->match_term != 0) {
		s.prev = f->match;
		s.prev_term = f->match_term;
		s.commit = s.prev < r->raft.commit_index ? s.prev
							 : r->raft.commit_index;
	} else if (f->prev_term != 0) {
		s.prev = f->next - 1;
		s.prev_term = f->prev_term;
	} else {
		/* Nothing known yet. It must still hear that we lead: a message
		 * that begins at the very start of the log proves nothing and
		 * is never rejected. */
		s.prev = 0;
	}
	send_append(r, p->id, false, &s);
}

/* -- what comes back -- */
static void confirm(struct replica *r, struct peer *p, raft_index last)
{
	struct feed *f = &p->feed;
	unsigned n = 0;

	while (n < f->n_chunks && f->chunks[n].last <= last) {
		f->in_flight_bytes -= f->chunks[n].bytes;
		if (f->chunks[n].last == last) {
			f->match = last;
			f->match_term = f->chunks[n].last_term;
		}
		n++;
	}
	for (unsigned i = n; i < f->n_chunks; i++)
		f->chunks[i - n] = f->chunks[i];
	f->n_chunks -= n;
	if (n > 0 || last > f->match)
		f->moved_us = replica_now(r);
	/* Confirmed means equal to our log: its term there is ours. */
	if (last == f->next - 1 && f->prev_term != 0 && last >= f->match) {
		f->match = last;
		f->match_term = f->prev_term;
		return;
	}
	if (last <= f->match)
		return;
	/* It has more than we sent: what it committed. Go on behind that. */
	f->match = last;
	f->match_term = 0;
	if (last >= f->next)
		feed_probe(r, p, last + 1);
}

/* Can libraft go on from memory? Then it hears the confirmation it waits for:
 * its "snapshot" is installed. */
static bool is_caught_up(const struct replica *r, const struct peer *p)
{
	const struct raft_progress *pr = progress_of(r, p);
	raft_index match = p->feed.match;

	return pr && match >= pr->snapshot_index && match > 0 &&
	       guard_term_of(&r->raft, match) != 0;
}

bool feed_result(struct replica *r, struct peer *p,
		 struct raft_append_entries_result *result)
{
	struct feed *f = &p->feed;
	unsigned at = guard_server(&r->raft, p->id);

	if (at == r->raft.configuration.n)
		return true;
	r->raft.leader_state.progress[at].recent_recv = true;
	if (result->rejected > 0) {
		if (result->rejected <= f->match || f->mode == FEED_IMAGE)
			return true; /* stale */
		raft_index next = result->rejected;
		if (result->last_log_index + 1 < next)
			next = result->last_log_index + 1;
		if (next <= f->match) {
			/* It lost what it had confirmed: another disk. */
			f->match = 0;
			f->match_term = 0;
		}
		if (f->mode == FEED_STREAM || next < f->next)
			feed_probe(r, p, next);
		return true;
	}
	if (f->mode == FEED_IMAGE) {
		if (!r->server.is_valid ||
		    result->last_log_index < r->server.image.index)
			return true;
		feed_probe(r, p, result->last_log_index + 1);
	}
	confirm(r, p, result->last_log_index);
	if (f->mode == FEED_PROBE && f->match != 0 && f->match_term != 0 &&
	    f->match + 1 == f->next)
		f->mode = FEED_STREAM;
	if (!is_caught_up(r, p))
		return true;
	/* libraft leaves its snapshot state only when the match rises. */
	struct raft_progress *pr = &r->raft.leader_state.progress[at];
	if (pr->match_index >= pr->snapshot_index)
		pr->match_index = pr->snapshot_index - 1;
	result->last_log_index = f->match;
	feed_stop(p);
	return false;
}

/* -- reading -- */
static void fetch(struct replica *r, struct peer *p)
{
	struct feed *f = &p->feed;
	raft_index from = f->next;

	/* The term of the entry before is needed once; then it is known. */
	if (f->prev_term == 0 && from > 1 && from - 1 != r->base_index)
		from--;
	f->ticket = ++r->next_ticket;
	r->cfg.disk.fetch(r->cfg.disk.ctx, from, r->cfg.chunk_bytes, f->ticket);
}

static struct peer *fetched_for(struct replica *r, uint64_t ticket)
{
	for (size_t i = 0; i < REPLICA_PEERS; i++) {
		if (r->peers[i].id && r->peers[i].feed.mode != FEED_OFF &&
		    r->peers[i].feed.ticket == ticket)
			return &r->peers[i];
	}
	return NULL;
}

static void send_fetched(struct replica *r, struct peer *p,
			 const struct log_entry *entries, size_t n)
{
	enum { AT_ONCE = 256 };
	struct feed *f = &p->feed;
	struct raft_entry list[AT_ONCE];
	unsigned count = 0;

	for (size_t i = 0; i < n && count < AT_ONCE; i++) {
		if (entries[i].index != f->next + count)
			return; /* the feed has moved on: fetched again */
		list[count++] = (struct raft_entry){
			.term = entries[i].term,
			.type = (unsigned short)entries[i].type,
			.buf = {.base = (void *)(uintptr_t)entries[i].data,
				.len = entries[i].len},
		};
	}
	send_chunk(r, p, list, count);
}

void replica_fetched(struct replica *r, uint64_t ticket,
		     const struct log_entry *entries, size_t n)
{
	struct peer *p = fetched_for(r, ticket);

	if (!p || !is_leader(r))
		return;
	struct feed *f = &p->feed;
	f->ticket = 0;
	if (n == 0) {
		/* The follower needs what is gone from our disk; an image that
		 * ends before that is of no use either. */
		if (f->next > r->raft.last_stored)
			return;
		f->mode = FEED_IMAGE;
		if (r->server.image.index < f->next)
			r->server.is_valid = false;
		return;
	}
	if (f->next == 1 || f->next - 1 == r->base_index) {
		f->prev_term = f->next == 1 ? 0 : r->base_term;
	} else if (entries[0].index == f->next - 1) {
		f->prev_term = entries[0].term;
		entries++;
		n--;
	}
	if (f->next > 1 && f->prev_term == 0)
		return; /* fetched again with the entry before */
	if (f->mode == FEED_PROBE)
		n = 0; /* only ask: do you have the entry before? */
	if (n > 0 && f->n_chunks == FEED_CHUNKS)
		return;
	send_fetched(r, p, entries, n);
}

static bool feed_peer(struct replica *r, struct peer *p, int64_t now)
{
	struct feed *f = &p->feed;
	int64_t silence = (int64_t)LIMIT_FEED_SILENCE_MS * 1000;

	if (f->mode == FEED_IMAGE) {
		image_offer(r, p);
		return false;
	}
	if (f->sent_us != 0 && now - f->sent_us > silence &&
	    now - f->moved_us > silence &&
	    (f->n_chunks > 0 || f->mode == FEED_PROBE))
		feed_probe(r, p, f->match ? f->match + 1 : f->next);
	if (f->ticket != 0 || (f->mode == FEED_PROBE && f->sent_us != 0))
		return false;
	/* Up to what is on our disk; all of it sent and confirmed, and memory
	 * still does not reach: ask again, memory may have moved. */
	if (f->next > r->raft.last_stored + (f->mode == FEED_PROBE))
		return false;
	if (f->in_flight_bytes >= LIMIT_FEED_WINDOW_BYTES ||
	    f->n_chunks >= FEED_CHUNKS)
		return false;
	fetch(r, p);
	return true;
}

bool feed_turn(struct replica *r)
{
	int64_t now = replica_now(r);
	bool any = false;

	if (!is_leader(r))
		return false;
	for (size_t i = 0; i < REPLICA_PEERS; i++) {
		struct peer *p = &r->peers[i];

		if (p->id == 0 || p->feed.mode == FEED_OFF)
			continue;
		if (p->is_quarantined)
			feed_stop(p);
		else
			any |= feed_peer(r, p, now);
	}
	return any;
}
