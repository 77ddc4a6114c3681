/* The inside of a replica, shared by the files of this folder only.
 *
 *   replica.c    life, and what follows each event
 *   turn.c       the turn, and what the owner reports
 *   wants.c      transfer and membership, as the owner asks for them
 *   view.c       what the owner may know
 *   io.c         raft_io: what libraft calls
 *   receive.c    messages on their way to libraft, through the guard
 *   send.c       messages on their way out; one frame per peer and turn
 *   proposals.c  proposals, groups, forwarding, fates
 *   lag.c        how far the state machine is behind
 *   feed.c       leader: followers that need more than memory holds
 *   image.c      leader and follower: state images
 *   guard.c      the rules
 *   conf.c       the payload of a configuration entry
 *
 * One turn works off what waits, event by event. libraft sees one event at a
 * time; after each one after_event() runs the callbacks that it left, hears
 * what changed and hands on what was committed. Nothing leaves the node (frame
 * or disk write) before the hard state of the event is durable. */
#ifndef CLUSTER_REPLICA_INTERNAL_H
#define CLUSTER_REPLICA_INTERNAL_H

#include <raft.h>

#include "cluster/replica/guard.h"
#include "cluster/replica/replica.h"
#include "proto/limits.h"
#include "proto/peer.pb-c.h"

enum {
	REPLICA_PEERS = LIMIT_NODES + 1,
	REPLICA_PROPOSAL_ID_BYTES = 16, /* boot, seq */
	REPLICA_ENTRY_HEAD_BYTES = 13,  /* in a block: term, type, len */
	REPLICA_TICK_US = 10 * 1000,
	REPLICA_TELL_US = 1000,
	FORWARD_BOOTS = 16, /* starts of a peer within one term of ours */
};

/* -- frames on their way out -- */
struct outbox {
	struct blob *frame; /* room for the codec's header, then the envelope */
	size_t cap;         /* bytes that fit into it */
};

/* What one AppendEntries says. */
struct send_entries {
	raft_index prev;
	raft_term prev_term, term;
	raft_index commit;
	const struct raft_entry *entries;
	unsigned n;
};

struct shared_frame {
	struct blob *frame; /* NULL: none */
	struct send_entries what;
};

/* -- leader: a follower that is fed from disk (feed.c) -- */
enum feed_mode {
	FEED_OFF,
	FEED_PROBE,  /* looking for the last entry that both have */
	FEED_STREAM, /* sending what follows */
	FEED_IMAGE,  /* the log does not reach back: it needs an image */
};

enum { FEED_CHUNKS = 16 };

struct feed_chunk {
	raft_index last;
	raft_term last_term;
	size_t bytes;
};

struct feed {
	enum feed_mode mode;
	raft_index next;      /* first entry to fetch and send */
	raft_term prev_term;  /* of the one before; 0: not known */
	raft_index match;     /* confirmed; 0: not yet */
	raft_term match_term; /* 0: not known */
	struct feed_chunk chunks[FEED_CHUNKS]; /* in flight, oldest first */
	unsigned n_chunks;
	size_t in_flight_bytes;
	uint64_t ticket;  /* of the fetch under way; 0: none */
	int64_t moved_us; /* the last confirmation that brought us on */
	int64_t sent_us;
	int64_t offered_us; /* an image */
};

struct peer {
	uint64_t id; /* 0: free slot */
	bool is_quarantined;
	struct outbox outbox[2]; /* [1]: bulk */
	struct feed feed;
	raft_index told_commit; /* what we told it in this term */
	/* AppendEntries were cut short: the last entry really sent. */
	raft_index cut;
	bool is_cut;
	/* Forwarded proposals taken from it in the term that we lead: highest
	 * number for each start of its process. */
	struct forward_mark {
		uint64_t boot, seq;
	} forwards[FORWARD_BOOTS];
};

/* -- work that libraft waits for -- */
struct disk_op {
	uint64_t ticket;
	struct raft_io_append *req; /* NULL: a truncate */
	raft_io_append_cb cb;
	bool is_done;
};

/* A callback that must not run inside the call that asked for it. */
struct deferred {
	struct raft_io_send *send;
	raft_io_send_cb send_cb;
	struct raft_io_snapshot_put *put;
	raft_io_snapshot_put_cb put_cb;
	struct raft_io_snapshot_get *get;
	raft_io_snapshot_get_cb get_cb;
};

struct deferred_list {
	struct deferred *items;
	size_t n, cap;
};

/* -- proposals -- */
struct proposal {
	uint64_t tag;           /* the owner's; unused for a peer's */
	uint64_t origin;        /* 0: this node, else the peer */
	uint64_t boot, seq;     /* of the proposer */
	struct raft_buffer buf; /* id + payload, until Raft has it */
	size_t bytes;
	raft_index index; /* once appended */
	raft_term term;   /* appended or forwarded in */
	int64_t deadline_us;
	bool is_decided;
};

/* FIFO of proposals. */
struct proposal_queue {
	struct proposal *items;
	size_t head, n, cap;
	size_t bytes;
};

struct proposals {
	struct proposal_queue waiting;   /* not given to anybody */
	struct proposal_queue appended;  /* in our log, index order */
	struct proposal_queue forwarded; /* sent to the leader, seq order */
	struct proposal_queue orphans; /* in our log when we stopped leading */
	uint64_t next_seq;
	size_t n_owned, owned_bytes; /* accepted from this node, undecided */
	bool is_full;
};

/* Bytes handed to the state machine and not yet durable there. */
struct lag_mark {
	raft_index index;
	uint64_t bytes;
};
enum { LAG_MARKS = 1024 };

struct lag {
	struct lag_mark marks[LAG_MARKS];
	unsigned head, n;
	uint64_t total, applied; /* cumulative bytes */
};

/* -- images -- */
struct image_server { /* leader */
	struct replica_image image;
	bool is_valid, is_making;
};

struct image_client { /* follower */
	bool is_active, is_writing, is_whole, is_installing;
	struct replica_image image;
	uint64_t from, offset;
	int64_t asked_us, moved_us;
};

struct inbox_item {
	struct inbox_item *next;
	uint64_t peer;
	struct blob *frame;
	Synod__Peer__Envelope *envelope; /* opened when its turn comes */
	size_t at;                       /* next message in it */
};

struct replica {
	struct replica_config cfg;
	struct raft raft;
	struct raft_io io;
	struct raft_fsm fsm;
	raft_io_tick_cb tick;
	raft_io_recv_cb recv;
	struct rng rng;
	bool is_running, is_fatal, is_turning;

	/* hard state as libraft set it; written before anything leaves */
	uint64_t term, vote;
	bool is_hard_dirty;

	/* disk */
	struct disk_op *ops;
	size_t ops_head, n_ops, ops_cap;
	uint64_t next_ticket;
	bool is_closing;
	raft_index append_next; /* index of the next append */
	struct deferred_list deferred;

	/* what the AppendEntries being handled has proved */
	raft_index verified;
	bool must_recreate;
	raft_index base_index;
	raft_term base_term;
	raft_index conf_committed; /* newest applied configuration entry */

	/* what the last event left */
	unsigned short seen_state;
	raft_term seen_term;
	uint64_t seen_leader;
	raft_index seen_applied, durable_applied;
	struct lag lag;
	raft_index seen_commit; /* and since when; see turn.c, tell_commit */
	int64_t seen_commit_us;
	size_t uncompacted_bytes; /* appended since libraft last forgot */
	raft_index compacted_at;

	struct shared_frame shared;
	struct inbox_item *inbox, **inbox_tail;
	size_t inbox_bytes;
	int64_t next_tick_us;
	struct peer peers[REPLICA_PEERS];
	struct proposals proposals;
	struct image_server server;
	struct image_client client;
	bool is_self_quarantined;

	/* what the owner wants; done in the next turn that may */
	struct raft_transfer transfer;
	enum {
		TRANSFER_NONE,
		TRANSFER_WANTED,
		TRANSFER_RUNS,
		TRANSFER_OVER
	} transfer_state;
	uint64_t transfer_to;
	int64_t transfer_until_us;
	struct raft_change change;
	bool is_assign_wanted, is_changing;
	uint64_t assign_id;
	int assign_role;
	raft_term barrier_term; /* of the newest barrier we proposed */

	uint64_t n_elections, n_recreated, n_fed_entries, n_installs;
};

static inline bool rule_on(const struct replica *r, enum guard_rule rule)
{
	return !(r->cfg.rules_off & (uint64_t)1 << rule);
}

static inline bool is_leader(const struct replica *r)
{
	return r->is_running && r->raft.state == RAFT_LEADER;
}

/* -- replica.c -- */
int64_t replica_now(struct replica *r);                    /* monotonic, us */
struct peer *replica_peer(struct replica *r, uint64_t id); /* NULL: no slot */
/* Nothing may reach libraft now: a write is under way or it is being made anew.
 * GUARD_HOLD: libraft 0.15 mixes up terms, votes and indexes when messages and
 * ticks come between a write and its completion. Waiting costs nothing: what
 * waits is the next group. */
bool replica_is_held(const struct replica *r);
void replica_after_event(struct replica *r);
void replica_fatal(struct replica *r, const char *why);
uint64_t replica_leader(const struct replica *r); /* 0: none known */
bool replica_propose_barrier(struct replica *r);
/* Make struct raft anew from disk; all writes are done. */
void replica_recreate(struct replica *r);
/* Write the hard state if it changed: before anything leaves the node. */
void replica_harden(struct replica *r);

/* -- io.c -- */
void io_init(struct replica *r);
void io_run_done(struct replica *r);     /* completions, in order */
void io_run_deferred(struct replica *r); /* callbacks left by libraft */

/* -- receive.c -- */
/* Deliver the next waiting message. False: none. */
bool receive_one(struct replica *r);
void receive_clear(struct replica *r);

/* -- send.c -- */
void send_message(struct replica *r, uint64_t peer, bool bulk,
		  Synod__Peer__Message *m);
void send_append(struct replica *r, uint64_t peer, bool bulk,
		 const struct send_entries *s);
/* What libraft wants to send. */
void send_raft(struct replica *r, const struct raft_message *m);
/* After the event: AppendEntries cut short are not sent as far as libraft
 * believes. */
void send_correct_progress(struct replica *r);
void send_flush(struct replica *r);
void send_clear(struct replica *r);

/* -- proposals.c -- */
void proposals_take_forward(struct replica *r, struct peer *p,
			    const Synod__Peer__Forward *f);
void proposals_take_fate(struct replica *r, const Synod__Peer__Fate *f);
/* Give waiting ones to Raft (leader) or to the leader (others). */
bool proposals_submit(struct replica *r);
/* Entries (from, to] are committed. */
void proposals_resolve(struct replica *r, raft_index from, raft_index to);
void proposals_new_term(struct replica *r); /* we stopped leading one */
void proposals_expire(struct replica *r, int64_t now_us);
/* The log was replaced: fates that it held are unknown. */
void proposals_abandon(struct replica *r);
void proposals_clear(struct replica *r);

/* -- wants.c -- */
void wants_start_transfer(struct replica *r);
void wants_start_assign(struct replica *r);

/* -- lag.c -- */
/* Entries up to an index are on their way to the state machine. */
void lag_add(struct replica *r, raft_index to, uint64_t bytes);
void lag_applied(struct replica *r, raft_index index);

/* -- feed.c -- */
void feed_start(struct replica *r, struct peer *p, raft_index next);
/* An answer to what the feed sent. True: it was for the feed alone. */
bool feed_result(struct replica *r, struct peer *p,
		 struct raft_append_entries_result *result);
void feed_heartbeat(struct replica *r, struct peer *p);
bool feed_turn(struct replica *r);
void feed_stop_all(struct replica *r);

/* -- image.c -- */
void image_offer(struct replica *r, struct peer *p);
void image_take_offer(struct replica *r, struct peer *p,
		      const Synod__Peer__InstallSnapshot *m);
void image_take_request(struct replica *r, struct peer *p,
			const Synod__Peer__ImageRequest *m);
void image_take_chunk(struct replica *r, struct peer *p,
		      const Synod__Peer__ImageChunk *m);
void image_turn(struct replica *r);
void image_clear(struct replica *r);

#endif
