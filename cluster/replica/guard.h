/* The guard: what makes the packaged libraft 0.15.0 safe from the outside.
 *
 * Every message, disk operation and tick passes through our raft_io, and
 * libraft's structures are public in 0.15.0. Each rule below answers one fault
 * of the library; its function carries the reason. A rule can be switched off
 * (replica_config.rules_off) only so that the simulator can prove that it
 * would find the fault: docs/why/guard.md has the table.
 *
 * Owner's thread; state lives in struct raft and in what the functions take. */
#ifndef CLUSTER_REPLICA_GUARD_H
#define CLUSTER_REPLICA_GUARD_H

#include <raft.h>
#include <stdbool.h>
#include <stdint.h>

/* enum, name for --without, what goes wrong without it. */
#define GUARD_LIST(X)                                                       \
	X(GUARD_HOLD, "hold-while-writing",                                 \
	  "messages and ticks race with disk writes")                       \
	X(GUARD_BARRIER, "barrier-first",                                   \
	  "a new leader never learns what is committed")                    \
	X(GUARD_COMMIT, "commit-own-term",                                  \
	  "entries of old terms are committed by counting; load starves "   \
	  "commits")                                                        \
	X(GUARD_ACK, "ack-verified",                                        \
	  "a stale longer log counts as replicated")                        \
	X(GUARD_FOLLOW, "follow-verified",                                  \
	  "a follower commits entries that no leader has checked")          \
	X(GUARD_STRIP, "strip-committed",                                   \
	  "a follower rejects for ever what it has compacted")              \
	X(GUARD_RECREATE, "recreate-on-rollback",                           \
	  "rolling back a configuration reads freed memory")                \
	X(GUARD_CONF, "uncommitted-conf",                                   \
	  "an uncommitted configuration is taken for a committed one")      \
	X(GUARD_CHANGE, "change-after-commit",                              \
	  "two leaders change the membership at once")                      \
	X(GUARD_VOTE, "vote-once",                                          \
	  "a node that hands over votes twice in one term")                 \
	X(GUARD_ROLE, "vote-unpromoted",                                    \
	  "a voter that has not seen its promotion blocks elections")       \
	X(GUARD_FORGET, "forget-silent-leader",                             \
	  "a node that never times out refuses every vote")                 \
	X(GUARD_RETRY, "retry-at-once",                                     \
	  "a lost message costs a heartbeat, a diverged log one per entry") \
	X(GUARD_STRANGER, "ignore-strangers",                               \
	  "a node that is no member campaigns and deposes leaders")

enum guard_rule {
#define GUARD_ENUM(rule, name, without) rule,
	GUARD_LIST(GUARD_ENUM)
#undef GUARD_ENUM
		GUARD__N
};

const char *guard_rule_name(enum guard_rule rule);

/* libraft's own view of its log in memory; 0: not there. */
raft_index guard_last_index(const struct raft *r);
raft_term guard_term_of(const struct raft *r, raft_index index);
/* The entry in memory, or NULL. */
const struct raft_entry *guard_entry(const struct raft *r, raft_index index);
/* Position of a server in the configuration; r->configuration.n: none. */
unsigned guard_server(const struct raft *r, raft_id id);

/* GUARD_COMMIT: the index that a quorum of voters has, counting a peer at
 * peer_last, and that may be committed by this leader. */
raft_index guard_quorum_index(const struct raft *r, raft_id peer,
			      raft_index peer_last);

/* GUARD_STRIP: drop what is committed here from the front of the message. The
 * dropped entries stay part of the batch. */
void guard_strip_committed(const struct raft *r, struct raft_append_entries *a);

/* GUARD_FOLLOW: commit no further than the message proves. */
void guard_clamp_commit(struct raft_append_entries *a);

/* GUARD_RECREATE: must the log be cut at the returned index and struct raft be
 * made anew before this message? 0: no. */
raft_index guard_rollback_index(const struct raft *r,
				const struct raft_append_entries *a);

/* GUARD_RETRY: how far back a rejecting follower may point the leader. */
raft_index guard_reject_hint(const struct raft *r, raft_index rejected,
			     raft_index last);

/* GUARD_VOTE: would libraft vote a second time in this term? */
bool guard_is_second_vote(const struct raft *r,
			  const struct raft_request_vote *v);

/* GUARD_FORGET: forget a leader that has been silent for an election timeout.
 */
void guard_forget_silent_leader(struct raft *r);

/* GUARD_CONF: after raft_start, a configuration beyond what is applied is not
 * committed yet. */
void guard_mark_uncommitted_conf(struct raft *r, raft_index committed_index);

/* GUARD_CHANGE: is the first entry of this leader's term committed? */
bool guard_is_settled(const struct raft *r);

#endif
