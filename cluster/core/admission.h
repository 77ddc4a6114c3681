/* Admission: who may found a cluster, who may vote and whose word counts.
 *
 * A voter that lost its disk has forgotten its votes and what it acknowledged.
 * Would it go on as before, two leaders of one term or the loss of an
 * acknowledged entry could follow. So each data directory has an incarnation,
 * and a member takes part only while the incarnation on record for it is its
 * own:
 *
 *   - on record is what the replicated state says (the Member command), else
 *     what was pinned when the cluster was founded, else nothing;
 *   - a member with another one is in quarantine: it does not vote, and nothing
 *     it says is used. The leader proposes its new incarnation. A quorum that
 *     does not count it commits that; so all that was ever acknowledged with
 * the old one's help is held by others that must be asked in every later
 *     election. Then it counts again;
 *   - an incarnation that was replaced never comes back: it is refused.
 *
 * Pure decisions; the caller gathers the facts and acts. */
#ifndef CLUSTER_CORE_ADMISSION_H
#define CLUSTER_CORE_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"

enum {
	/* How long a blank node waits for one more member before it decides
	 * without the rest. */
	ADMISSION_GRACE_MS = 1000,
};

/* What is known of a member. Zeros: nothing. */
struct admission_member {
	uint64_t id;
	/* Its hello, the newest one; the own node counts as heard. */
	bool is_heard, is_blank, is_admitted;
	uint64_t incarnation;
	uint64_t cluster_hash;
	uint64_t recorded_us; /* ours, on its record */
	/* On our record. */
	uint64_t in_state, pinned; /* incarnations; 0: none */
	bool is_retired;           /* the heard one was replaced before */
	/* Leader: a proposal that records it is under way. */
	bool is_proposed;
};

/* The incarnation on record. */
uint64_t admission_recorded(const struct admission_member *m);

/* The incarnation of a peer that this node vouches for in its hello: the one it
 * saw blank when it founded the cluster, 0 when none. Never the one of the
 * state: a node that lost its disk would take that for leave to vote before it
 * has applied the entry that admits it (docs/why/rebuild.md). */
uint64_t admission_vouched(const struct admission_member *m);

/* The own node: may it vote? True: no. */
bool admission_quarantine_self(const struct admission_member *self);
/* Does what a peer says count for nothing? While this node is in quarantine
 * itself it believes all of them: it decides nothing and must be fed. */
bool admission_quarantine_peer(const struct admission_member *peer,
			       bool is_self_quarantined);
/* May a connection with this incarnation be kept at all? */
bool admission_admits(const uint64_t *retired, size_t n_retired,
		      uint64_t incarnation);

/* -- a blank node: found the cluster or join it ---------------------------- */
enum admission_start {
	ADMISSION_WAIT, /* not enough is known */
	/* Begin with the founding configuration as entry 1 and trust the own
	 * memory and that of every blank member heard: pin them. */
	ADMISSION_FOUND,
	/* Begin with the same entry 1, but trust nobody's memory, least of all
	 * the own one: pin nothing, wait to be admitted. */
	ADMISSION_JOIN
};

/* members: all of the founding configuration, self (an index) among them.
 * quiet_ms: since a member was heard for the first time, or since the start. */
enum admission_start admission_start(const struct admission_member *members,
				     size_t n, size_t self, int64_t quiet_ms);
/* A founder: is this member's memory trusted from now on? Its own one always; a
 * blank peer's only when nobody was in use yet: later it could be one that lost
 * its disk. */
bool admission_pins(const struct admission_member *members, size_t n,
		    size_t self, size_t member);
/* A peer that has on record what we are: it vouches for us. */
bool admission_vouches(const struct admission_member *peer,
		       const struct admission_member *self);

/* -- the leader ------------------------------------------------------------ */
enum admission_kind {
	ADMISSION_CLUSTER, /* give the cluster its id */
	ADMISSION_ELECTED, /* tell what the election took */
	ADMISSION_MEMBER   /* record a member's incarnation */
};

struct admission_proposal {
	enum admission_kind kind;
	size_t member; /* index, ADMISSION_MEMBER only */
};

struct admission_leader {
	/* Leads, and the first entry of its term is committed. */
	bool is_settled;
	bool has_cluster, is_cluster_proposed;
	bool is_election_told; /* or there is nothing to tell */
};

/* What the leader should propose now; out has room for LIMIT_NODES + 2. Returns
 * how many. */
size_t admission_proposals(const struct admission_leader *leader,
			   const struct admission_member *members, size_t n,
			   struct admission_proposal *out);

#endif
