/* Control: the replicated state of the cluster itself. A pure state machine
 * over a kv: every node applies the same committed entries and so has the same
 * members, cluster name, event log and digest. No clock, no random numbers, no
 * I/O but the kv. An entry that is no command it knows is counted and changes
 * nothing else, on every node alike.
 *
 * Keys (integers big-endian) and values (little-endian):
 *   "s"            summary, 88 bytes:
 *                    u64 format 1, u64 applied index, u64 digest, u64 appends,
 *                    u64 bytes appended, u64 events, u64 members, u64 clusters,
 *                    u64 others, u64 bad, u64 events kept
 *   "c"            cluster: 16 bytes id, u64 index, name
 *   "m" u64 id     member: u64 incarnation, u64 index, u8 n_retired,
 *                    n_retired times u64, name
 *   "e" u64 index  event: a packed synod.command.Event
 *
 * The digest chains every applied entry: d' = XXH3(payload, seed XXH3(index,
 * term, type as three u64, seed d)). Equal digests at one index mean equal
 * logs.
 *
 * The summary is kept in struct control between commits and written by
 * control_flush. Owner: the thread that applies. */
#ifndef CLUSTER_CORE_CONTROL_H
#define CLUSTER_CORE_CONTROL_H

#include "base/err.h"
#include "base/kv.h"
#include "proto/limits.h"

enum {
	CONTROL_ID_BYTES = 16,
	/* Incarnations of a member that were replaced, newest first. A
	 * directory with one of them has missed what the node did since: it is
	 * refused. */
	CONTROL_RETIRED = 16,
	/* Members ever recorded. More are refused: it bounds the state. */
	CONTROL_MEMBERS = 64,
	CONTROL_EVENT_TYPE_MAX = 48,
	CONTROL_EVENT_TEXT_MAX = 512,
};

/* The same numbers as the entry types of the log. */
enum control_type {
	CONTROL_COMMAND = 1,
	CONTROL_BARRIER = 2,
	CONTROL_CONFIGURATION = 3
};

struct control_entry {
	uint64_t index, term;
	enum control_type type;
	struct bytes payload;
};

struct control_summary {
	uint64_t applied_index, digest;
	uint64_t n_appends, append_bytes;
	uint64_t n_events, n_members, n_clusters; /* commands, by kind */
	uint64_t n_others; /* barriers and configurations */
	uint64_t n_bad;    /* did not parse or was refused */
	uint64_t n_events_kept;
};

struct control {
	struct control_summary summary;
	bool is_loaded, is_dirty;
};

/* What an entry changed, bits. */
enum control_change {
	CONTROL_CHANGED_MEMBERS = 1,
	CONTROL_CHANGED_CLUSTER = 2,
	CONTROL_CHANGED_EVENTS = 4
};

void control_init(struct control *c);
/* The kv was replaced: read it again. */
void control_reset(struct control *c);

/* Apply the entry behind the last one (a gap stops the process: it would be
 * there for ever). Returns what it changed. */
unsigned control_apply(struct control *c, const struct kv *kv,
		       const struct control_entry *entry);
/* Before the transaction commits. */
void control_flush(struct control *c, const struct kv *kv);

/* -- readers: any kv with a flushed state ---------------------------------- */
struct control_cluster {
	uint8_t id[CONTROL_ID_BYTES];
	uint64_t index;
	char name[LIMIT_NAME_BYTES + 1];
};

struct control_member {
	uint64_t id, incarnation;
	uint64_t index; /* of the entry that recorded it */
	char name[LIMIT_NAME_BYTES + 1];
	unsigned n_retired;
	uint64_t retired[CONTROL_RETIRED];
};

struct control_event {
	uint64_t index, detect_us, elect_us;
	int64_t time_us;
	char type[CONTROL_EVENT_TYPE_MAX + 1];
	char node[LIMIT_NAME_BYTES + 1];
	char text[CONTROL_EVENT_TEXT_MAX + 1];
};

/* All zeros when nothing was applied yet. */
void control_summary(const struct kv *kv, struct control_summary *out);
/* False: the cluster has no id yet. */
bool control_cluster(const struct kv *kv, struct control_cluster *out);
bool control_member(const struct kv *kv, uint64_t id,
		    struct control_member *out);
/* By id; returns how many. */
size_t control_members(const struct kv *kv, struct control_member *out,
		       size_t max);
/* Events behind an index, oldest first; returns how many. */
size_t control_events(const struct kv *kv, uint64_t after_index,
		      struct control_event *out, size_t max);

/* -- between the files of this machine ------------------------------------- */
enum {
	CONTROL_FORMAT = 1,
	CONTROL_SUMMARY_BYTES = 88,
	CONTROL_CLUSTER_BYTES = 24 + LIMIT_NAME_BYTES,
	CONTROL_MEMBER_BYTES = 17 + 8 * CONTROL_RETIRED + LIMIT_NAME_BYTES,
};

/* A key of a table: its letter and a number. */
struct control_key {
	uint8_t data[9];
};
struct bytes control_key(struct control_key *k, char table, uint64_t id);

#endif
