/* Policy: which of two concurrent versions of a row wins, by which rule, and
 * why. A function of what stands in the log and the definition alone, so every
 * node says the same.
 *
 * Last-write-wins: the later stamp; equal stamps: the connection that the sync
 * names first; of one and the same connection what came later. Prefer: the
 * version of that connection; when neither or both are, last-write-wins. Queue:
 * what the log had first stays until a person decides. Delete against update
 * has a choice of its own.
 *
 * An update of which not every value is known (PATCH) never wins against a
 * delete: where the row is gone it could not be made whole again.
 *
 * Pure; any thread. */
#ifndef CLUSTER_CORE_POLICY_H
#define CLUSTER_CORE_POLICY_H

#include "cluster/core/catalog.h"

enum { POLICY_REASON_MAX = 160 };

struct policy_side {
	uint32_t connection_id; /* 0: a person's decision */
	int64_t stamp_us;
	bool is_delete, is_whole;
};

struct policy_verdict {
	bool is_a_winner;
	bool is_open;     /* until a person decides */
	bool is_silent;   /* as was declared: nothing to write down */
	const char *rule; /* static */
	char reason[POLICY_REASON_MAX];
};

/* a: what was the head; b: what came. */
void policy_decide(const struct catalog *catalog,
		   const Synod__Definition__Sync *sync,
		   const struct policy_side *a, const struct policy_side *b,
		   struct policy_verdict *out);
/* Two rows that were there before the sync began. Never open: the order of the
 * sync's connections decides when nothing else does. */
void policy_initial(const struct catalog *catalog,
		    const Synod__Definition__Sync *sync, uint32_t a_id,
		    uint32_t b_id, struct policy_verdict *out);

#endif
