/* Control: the replicated state of the cluster itself. A pure state machine
 * over a kv: every node applies the same committed entries and so has the same
 * members, cluster name, event log and digest. No clock, no random numbers, no
 * I/O but the kv. An entry that is no command it knows is counted and changes
 * nothing else, on every node alike.
 *
 * It owns what follows from the entries besides: what is declared (revision.h,
 * catalog.h), the tasks (tasks.h) and the ledger (ledger.h). All of it stands
 * in the kv; what is kept in memory mirrors it and is read again after a
 * control_reset.
 *
 * Keys (integers big-endian) and values (little-endian), those of the parts
 * stand in their headers:
 *   "s"            summary, 88 bytes:
 *                    u64 format 1, u64 applied index, u64 digest, u64 appends,
 *                    u64 bytes appended, u64 events, u64 members, u64 clusters,
 *                    u64 others, u64 bad, u64 events kept
 *   "c"            cluster: 16 bytes id, u64 index, name
 *   "m" u64 id     member: u64 incarnation, u64 index, u8 n_retired,
 *                    n_retired times u64, name
 *   "e" u64 index  event: a packed synod.command.Event
 *   "f"            floor: u64 index, see control_floor
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
#include "cluster/core/catalog.h"
#include "cluster/core/ledger.h"
#include "cluster/core/tasks.h"
#include "proto/limits.h"

enum {
	/* Entries that are kept decided behind the slowest apply task: a target
	 * that lost its last transactions (a power cut, fsync off) finds them.
	 */
	CONTROL_SLACK = 4096,
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
	struct catalog
		*catalog; /* of the definition in force; NULL: not read */
	struct tasks tasks;
	struct ledger ledger;
	uint64_t floor;
	size_t n_old_tables;
	struct err refusal; /* of the last entry; code 0: it was not refused */
	bool has_outcome;   /* the last entry was the ledger's */
	bool is_loaded, is_dirty;
};

/* What an entry changed, bits. */
enum control_change {
	CONTROL_CHANGED_MEMBERS = 1,
	CONTROL_CHANGED_CLUSTER = 2,
	CONTROL_CHANGED_EVENTS = 4,
	CONTROL_CHANGED_DEFINITION = 8, /* another revision is in force */
	/* Who shall run what: assignments, tasks that come and go, pauses,
	 * drains, what is reachable. */
	CONTROL_CHANGED_TASKS = 16,
	CONTROL_CHANGED_PROGRESS = 32, /* checkpoints and reports of tasks */
	CONTROL_CHANGED_LEDGER = 64,   /* positions, conflicts, dead letters */
	CONTROL_CHANGED_ALL = 127
};

void control_init(struct control *c);
void control_free(struct control *c);
/* The kv was replaced: read it again. */
void control_reset(struct control *c);

/* Apply the entry behind the last one (a gap stops the process: it would be
 * there for ever). Returns what it changed. */
unsigned control_apply(struct control *c, const struct kv *kv,
		       const struct control_entry *entry);
/* Before the transaction commits. */
void control_flush(struct control *c, const struct kv *kv);

/* What the ledger decided about the last entry: an outcome as by outcome.h,
 * empty when there are no exceptions and when the entry was none of the
 * ledger's. Valid until the next entry. */
struct bytes control_outcome(struct control *c);
/* Why the last entry was refused, for whoever proposed it; code 0: it was not.
 * Valid until the next entry. */
const struct err *control_refusal(const struct control *c);

/* -- readers: any kv with a flushed state ---------------------------------- */
/* Of entries up to here outcomes are forgotten: an apply task must not read
 * them any more, it would write what had lost. Every task that goes by its hint
 * or by its target's checkpoint begins behind it. */
uint64_t control_floor(const struct kv *kv);

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
	uint64_t index, detect_us, elect_us, assign_us, first_change_us;
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

#endif
