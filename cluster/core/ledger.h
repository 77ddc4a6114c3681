/* Ledger: the order of all changes, and who wins. A pure state machine over a
 * kv, driven by committed entries: every node reaches the same verdicts. See
 * docs/why/versions.md for the argument; in short:
 *
 * Batches. A batch counts if its epoch is its task's and its `from` is the
 * task's position: a repeated, a delayed and a stale proposal all collapse to
 * one effect. Position and data move together.
 *
 * Seen. seen[E] is, for each sync, the index of the last entry whose deliveries
 * had been applied to connection E at this point of E's own stream. It moves
 * with the echoes in E's batches, each of which names an apply task.
 *
 * Versions. A row (table, key) of a two-way sync has, while it is in flight, a
 * head: the version that all sides shall end with. For each connection the
 * ledger knows whether its row is the head, and what of the row is under way to
 * it. A connection that made the head has it. When it is seen at S, it has the
 * head if the last delivery up to S is not older than the head: else an older
 * version was written there.
 *   A change of a connection that has the head descends from it and becomes the
 *   head. Any other change is concurrent with the head: a conflict. It goes
 *   into the journal with both images, the vectors (connection -> index of its
 *   latest change that the version includes), the rule and the reason, and one
 *   of them becomes, or stays, the head.
 *
 * Deliveries. A new head goes to every other target; to its own connection too
 * when a delivery to it is under way (it may be written over). A loser goes to
 * nobody; its connection gets the head back, mostly by what is under way to it
 * already. So each side's last write of a row is the head, and all sides end
 * equal.
 *
 * Stable. When nothing of a row is under way to anybody it is dropped, unless a
 * conflict of it is open.
 *
 * Dead letters. A key whose change a target refused is parked for that target:
 * later changes of it are added to its chain (by the apply task, with further
 * DeadLetter commands), and as long as it is parked the target counts as not
 * having seen what is in the chain.
 *
 * Keys: see docs/STATE.md. "l" rows, "y" which rows wait for whom, "v" seen
 * and positions, "j" journal, "q" dead letters, "k" parked keys, "g"
 * differences that wait, "x" outcomes, "i" the ledger's figures.
 *
 * Owner: the thread that applies. */
#ifndef CLUSTER_CORE_LEDGER_H
#define CLUSTER_CORE_LEDGER_H

#include "base/kv.h"
#include "cluster/core/catalog.h"
#include "cluster/core/outcome.h"
#include "cluster/core/tasks.h"

struct ledger_figures {
	uint64_t n_batches, n_refused; /* accepted; not */
	uint64_t n_changes, n_echoes, n_reads, n_reads_dropped;
	uint64_t n_conflicts, n_conflicts_open;
	uint64_t n_letters, n_parked_keys; /* now */
	uint64_t n_rows;                   /* in flight */
	uint64_t n_resent;
};

struct ledger {
	struct ledger_figures figures;
	struct outcome_writer outcome;
	struct value_buf scratch;
	struct ledger_memory *memory; /* seen, positions: as in the kv */
	bool is_loaded, is_dirty;
};

/* What an entry may look at. */
struct ledger_world {
	const struct kv *kv;
	const struct catalog *catalog;
	const struct tasks *tasks;
	uint64_t index;
};

void ledger_init(struct ledger *l);
void ledger_free(struct ledger *l);
/* The kv was replaced: read it again. */
void ledger_reset(struct ledger *l);
/* Before the transaction commits. */
void ledger_flush(struct ledger *l, const struct kv *kv);

/* One command each. False: refused, nothing changed but the figures. The
 * outcome (ledger_outcome) is that of the last call, also kept under "x". */
bool ledger_batch(struct ledger *l, const struct ledger_world *w,
		  const Synod__Command__Batch *c);
bool ledger_resolve(struct ledger *l, const struct ledger_world *w,
		    const Synod__Command__Resolve *c);
bool ledger_dead_letter(struct ledger *l, const struct ledger_world *w,
			const Synod__Command__DeadLetter *c);
bool ledger_difference(struct ledger *l, const struct ledger_world *w,
		       const Synod__Command__Difference *c);
bool ledger_letters(struct ledger *l, const struct ledger_world *w,
		    const Synod__Command__Letters *c);
/* Connections or tables are gone: so is what was kept of them. */
void ledger_follow(struct ledger *l, const struct ledger_world *w);
/* Empty: no exceptions. Valid until the next entry. */
struct bytes ledger_outcome(struct ledger *l);
/* Outcomes up to index are needed no more: every target is beyond. A few a
 * call. */
void ledger_forget(struct ledger *l, const struct kv *kv, uint64_t index);

/* -- readers: any kv with a flushed state ---------------------------------- */
/* The outcome of an entry; lent by the kv. Empty: no exceptions. */
struct bytes ledger_read_outcome(const struct kv *kv, uint64_t index);
/* Where a capture task stands; lent by the kv, empty: never captured. */
struct bytes ledger_position(const struct kv *kv, uint32_t task_id);
uint64_t ledger_seen(const struct kv *kv, uint32_t apply_task_id);
void ledger_figures(const struct kv *kv, struct ledger_figures *out);

enum conflict_state { CONFLICT_DECIDED, CONFLICT_OPEN, CONFLICT_RESOLVED };
struct ledger_vector_item {
	uint32_t connection_id;
	uint64_t index;
};
enum { LEDGER_TEXT_MAX = 256, LEDGER_VECTOR = CATALOG_CONNECTIONS };
struct ledger_version {
	uint32_t connection_id; /* who made it; 0: a person's decision */
	uint64_t index;
	int64_t stamp_us;
	struct bytes change; /* its image; lent by the kv */
	struct ledger_vector_item vector[LEDGER_VECTOR];
	size_t n_vector;
};
struct ledger_conflict {
	uint64_t id; /* counts from 1 */
	uint64_t index;
	uint32_t ordinal, sync_id, table_id;
	enum conflict_state state;
	bool is_a_winner; /* provisional while open */
	struct bytes key;
	struct ledger_version a, b; /* what was the head; what came */
	char kind[32];              /* update_update (inserts too: a PUT does
				       not say), update_delete,
				       delete_update, initial */
	char rule[32];              /* last-write-wins, prefer, queue, ... */
	char reason[LEDGER_TEXT_MAX];
	int64_t time_us, resolved_us;
	char resolved_by[LIMIT_NAME_BYTES + 1];
};
/* The first with an id >= from. False: none. Lent until the kv moves on. */
bool ledger_next_conflict(const struct kv *kv, uint64_t from,
			  struct ledger_conflict *out);

struct ledger_letter {
	uint64_t id; /* counts from 1 */
	uint64_t index;
	uint32_t ordinal, connection_id, table_id;
	struct bytes key, change; /* lent */
	uint64_t behind_id; /* waits behind this one; 0: it failed itself */
	int32_t code;
	char text[LEDGER_TEXT_MAX];
	int64_t time_us;
};
bool ledger_next_letter(const struct kv *kv, uint64_t from,
			struct ledger_letter *out);
/* Is this row parked for the connection? The id of its first letter, or 0. */
uint64_t ledger_parked(const struct kv *kv, uint32_t connection_id,
		       uint32_t table_id, struct bytes key);

#endif
