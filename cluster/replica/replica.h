/* Replica: one member of the Raft group. Joins the packaged libraft 0.15.0, the
 * guard that makes it safe (guard.h), a disk and a network (ports.h).
 *
 * Driven from outside: the owner reports what happened (a frame, a finished
 * write, a lost connection, a proposal) and then calls replica_turn, which does
 * all work that is due and calls the owner back. Functions other than
 * replica_turn only leave a note; no callback runs inside them. The same code
 * runs under the node's loop and under the simulator's virtual time.
 *
 * Durable means: on the disks of a quorum, by fsync, before a proposal is
 * reported as committed.
 *
 * Owner's thread (the loop). */
#ifndef CLUSTER_REPLICA_REPLICA_H
#define CLUSTER_REPLICA_REPLICA_H

#include "base/clock.h"
#include "base/rng.h"
#include "cluster/replica/ports.h"

enum replica_role { REPLICA_STANDBY, REPLICA_VOTER, REPLICA_SPARE };
enum replica_state {
	REPLICA_STOPPED,
	REPLICA_FOLLOWER,
	REPLICA_CANDIDATE,
	REPLICA_LEADER
};

struct replica_member {
	uint64_t id;
	char name[64];
	enum replica_role role;
};

struct replica;

/* What the owner hears, all from inside replica_turn. */
struct replica_events {
	void *ctx;
	/* The fate of a proposal, exactly once for each accepted one: 0 and the
	 * index; ERR_REFUSED: it is not and will never be in the log;
	 * ERR_BUSY: the leader had no room, it is not in the log;
	 * ERR_UNKNOWN_FATE: the deadline passed or the log was replaced. */
	void (*fate)(void *ctx, uint64_t tag, int code, uint64_t index);
	/* State, term or leader changed. */
	void (*changed)(void *ctx);
	/* A transfer ended: code 0 when the other node leads. */
	void (*transferred)(void *ctx, int code);
	/* Must stop: Raft gave up or the disk holds what cannot be. */
	void (*fatal)(void *ctx, const char *why);
};

struct replica_config {
	uint64_t id;
	uint64_t boot; /* random, of this start of the process */
	unsigned election_ms, heartbeat_ms;
	unsigned proposal_ms; /* deadline of a fate */
	struct clock clock;
	uint64_t seed;
	struct replica_disk disk;
	struct replica_net net;
	struct replica_events events;
	/* The log is full: must this command (as it was proposed) get through
	 * all the same, because the way down depends on it? NULL: none. Pure.
	 */
	bool (*is_vital)(struct bytes payload);
	/* For tests only: rules of the guard that are switched off, bits of
	 * enum guard_rule; 0 otherwise. */
	uint64_t rules_off;
	/* 0: the limits of proto/limits.h. Small ones make a simulation hit the
	 * edges. */
	size_t cache_bytes, chunk_bytes, group_bytes;
	unsigned cache_entries;
};

int replica_open(struct replica **out, const struct replica_config *cfg,
		 struct err *e);
/* Payload of entry 1 for a fresh cluster: the same on every founding member.
 * Append it to an empty log before replica_start. The blob is counted: give it
 * back with blob_unref. */
struct blob *replica_first_entry(const struct replica_member *members,
				 size_t n);
/* Load from disk and run. */
int replica_start(struct replica *r, struct err *e);
/* Flushes nothing: pending proposals end with ERR_UNKNOWN_FATE. The disk must
 * have finished what was queued. NULL is allowed. */
void replica_close(struct replica *r);

/* Do what is due. Returns the microseconds until the next call is needed at the
 * latest. */
int64_t replica_turn(struct replica *r);

/* -- what happened -- */
/* A sealed envelope from a peer; borrowed (a reference is taken). */
void replica_recv(struct replica *r, uint64_t peer, struct blob *frame);
void replica_peer_up(struct replica *r, uint64_t peer);
/* The connection broke: its process may be dead. If it led, an election starts
 * within tens of milliseconds instead of an election timeout. */
void replica_peer_down(struct replica *r, uint64_t peer);
void replica_disk_done(struct replica *r, uint64_t ticket);
void replica_applied(struct replica *r, uint64_t index);
/* n == 0: the log does not reach back to the index. Borrowed. */
void replica_fetched(struct replica *r, uint64_t ticket,
		     const struct log_entry *entries, size_t n);
/* NULL: it failed, try later. Takes the reference to conf. */
void replica_image_made(struct replica *r, const struct replica_image *image);
/* data NULL: no such image. Takes the reference. */
void replica_image_read(struct replica *r, uint64_t image_id, uint64_t offset,
			uint64_t peer, struct blob *data);
void replica_image_written(struct replica *r, uint64_t offset);
void replica_installed(struct replica *r, bool ok);

/* -- what the owner wants -- */
/* Propose a command, here or on the leader. 0: accepted, fate(tag) follows.
 * ERR_NO_LEADER, ERR_BUSY, ERR_FULL, ERR_LIMIT: refused, nothing follows. */
int replica_propose(struct replica *r, struct bytes payload, uint64_t tag,
		    struct err *e);
/* The log's quota is (no longer) nearly full: refuse (accept) proposals. */
void replica_set_full(struct replica *r, bool is_full);
/* Hand leadership to a member, 0: to the best one. Ends with transferred(). */
int replica_transfer(struct replica *r, uint64_t to, struct err *e);
/* Change a member's role; leader only, one at a time, after the first entry of
 * its term is committed. ERR_BUSY: try again. */
int replica_assign(struct replica *r, uint64_t id, enum replica_role role,
		   struct err *e);

/* A peer whose incarnation is not the recorded one: its votes and confirmations
 * do not count until this is lifted (docs/why/rebuild.md). For this node
 * itself: it neither votes nor stands for election. */
void replica_quarantine(struct replica *r, uint64_t peer, bool is_on);

/* -- what it knows -- */
struct replica_view {
	enum replica_state state;
	uint64_t term, leader_id; /* 0: none known */
	uint64_t first_cached, last_index, commit_index, applied_index;
	size_t proposals, proposal_bytes, cache_bytes;
	/* The first entry of this term is committed: reads and membership
	 * changes are safe. */
	bool is_settled;
	bool is_changing; /* a membership change is under way */
	uint64_t n_elections, n_recreated, n_fed_entries, n_installs;
};
void replica_view(const struct replica *r, struct replica_view *out);
/* Members of the configuration in use, by id. Returns how many. */
size_t replica_members(const struct replica *r, struct replica_member *out,
		       size_t max);
/* Leader: how far a member has confirmed; 0 when unknown. */
uint64_t replica_match(const struct replica *r, uint64_t id);

/* -- the guard's rules, for tests -- */
size_t replica_rules(const char *const **names);

#endif
