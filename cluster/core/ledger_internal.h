/* What the files of the ledger share and nobody else sees. */
#ifndef CLUSTER_CORE_LEDGER_INTERNAL_H
#define CLUSTER_CORE_LEDGER_INTERNAL_H

#include "cluster/core/ledger.h"
#include "cluster/core/ledger_row.h"
#include "cluster/core/policy.h"

struct ledger_seen {
	uint32_t task_id;
	uint64_t index;
};

struct ledger_memory {
	/* As in the kv. */
	struct ledger_seen *seen; /* by task */
	size_t n_seen, cap_seen;
	/* With the figures under "i". */
	uint64_t last_conflict_id, last_letter_id;
	uint64_t n_decided;       /* conflicts kept that are not open */
	uint64_t low_conflict_id; /* below it only open ones are left */
	uint64_t n_waiting;       /* differences */
	uint64_t n_emptied;       /* records of tables */

	/* Of the entry that is being applied. */
	struct row row, table_row;
	struct value_buf record, image, merged;
	struct value_buf waiters; /* of one queue, not yet written */
	uint32_t waiters_sync, waiters_id, n_waiters_parts;
	uint64_t waiters_index;
	uint64_t n_saved;
	bool has_extra; /* an exception stands at extra_ordinal */
	uint32_t extra_ordinal;
};

/* A change on its way through the ledger. */
struct ledger_turn {
	struct ledger *l;
	struct ledger_memory *m;
	const struct ledger_world *w;
	const struct catalog_table *table;
	uint64_t others;  /* where a change goes by default */
	uint32_t ordinal; /* where its deliveries stand in the outcome */
	int64_t time_us;
	bool is_emptied; /* a delete that stands for a TRUNCATE */
};

/* A version that wants to become the head. */
struct ledger_claim {
	uint32_t maker;
	uint32_t ordinal;
	int64_t stamp_us;
	bool is_read;
	bool is_own;        /* the image is the entry's own change */
	struct bytes image; /* borrowed */
};

/* -- ledger_memory.c ------------------------------------------------------- */
void memory_load(struct ledger *l, const struct kv *kv);
void memory_free(struct ledger_memory *m);
uint64_t memory_seen(const struct ledger_memory *m, uint32_t task_id);
/* Never goes back. False: it stays. */
bool memory_see(struct ledger *l, const struct kv *kv, uint32_t task_id,
		uint64_t index);
void memory_forget_task(struct ledger *l, const struct kv *kv,
			uint32_t task_id);
/* -- ledger_turn.c: one entry ---------------------------------------------- */
void turn_begin(struct ledger *l, const struct ledger_world *w);
/* Writes the outcome and which rows wait. */
void turn_end(struct ledger *l, const struct ledger_world *w);
/* A delivery; change: empty for the entry's own one. */
void turn_emit(struct ledger_turn *t, uint64_t mask, struct bytes change);
/* The entry's own change goes where it goes by default. */
void turn_emit_own(struct ledger_turn *t);
/* Save the row, and look at it again when what is under way to somebody has
 * arrived; with nothing under way it goes. */
void turn_save(struct ledger_turn *t, struct row *r);
/* Take off the row what all connections are seen to have applied. */
void turn_consume(struct ledger_turn *t, struct row *r, struct bytes key);
/* Look at the rows that waited for this connection. */
void turn_drain(struct ledger_turn *t, uint32_t sync_id, uint32_t seen_by);

/* -- ledger_verdict.c: who is the head ------------------------------------- */
/* Load the row into m->row, with what is seen by now. */
struct row *verdict_load(struct ledger_turn *t, struct bytes key);
void verdict_claim(struct ledger_turn *t, struct row *r,
		   const struct ledger_claim *c);
/* The claim is the head from now on and goes to the mask. */
void verdict_crown(struct ledger_turn *t, struct row *r,
		   const struct ledger_claim *c, uint64_t mask);
/* The head goes to the mask once more. */
void verdict_resend(struct ledger_turn *t, struct row *r, uint64_t mask);
/* Two initial rows: true when the head stays. */
bool verdict_initial(struct ledger_turn *t, struct row *r,
		     const struct ledger_claim *c);
void verdict_empty(struct ledger_turn *t, const struct ledger_claim *c);

/* -- ledger_difference.c --------------------------------------------------- */
/* Differences of this task that waited for the echo. */
void difference_settle(struct ledger_turn *t, uint32_t task_id, uint64_t seen);
void difference_forget(struct ledger *l, const struct kv *kv, uint32_t task_id);

/* -- ledger_journal.c ------------------------------------------------------ */
/* The head of the row against the claim. Gives the id. */
void journal_add(struct ledger_turn *t, const struct row *r,
		 const struct ledger_claim *c, const struct vvec *seen_by_claim,
		 const struct policy_verdict *v);
struct journal_record {
	struct ledger_conflict c;
	uint32_t a_ordinal, b_ordinal;
};
bool journal_read(const struct kv *kv, uint64_t id, struct journal_record *out);
/* It is resolved: rewritten, as out says. */
void journal_close(struct ledger *l, const struct kv *kv,
		   struct journal_record *c, const char *author,
		   int64_t time_us);

/* -- ledger_letter.c ------------------------------------------------------- */
/* The first entry of the chain of a parked row; 0: it is not parked. */
uint64_t letter_parked_at(const struct kv *kv, uint32_t connection_id,
			  uint32_t table_id, struct bytes key);
void letter_forget(struct ledger *l, const struct ledger_world *w);

#endif
