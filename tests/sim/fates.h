/* The fates of proposals, as they were told and as they came true.
 *
 *   - what was acknowledged is in the log at its index;
 *   - what was refused never is, whenever it would come;
 *   - nothing is there twice, and nothing that nobody proposed;
 *   - every accepted proposal has one fate, by its deadline.
 *
 * Part of the oracle. */
#ifndef TESTS_SIM_FATES_H
#define TESTS_SIM_FATES_H

#include "tests/sim/machine.h"

enum fate_state {
	FATE_PENDING,
	FATE_LOST, /* its node died: nobody will ever say */
	FATE_COMMITTED,
	FATE_REFUSED,
	FATE_UNKNOWN
};

struct proposal_record {
	uint64_t digest;
	uint64_t index; /* where it is committed; 0: nowhere */
	int64_t since;  /* by the monotonic clock of its node */
	uint32_t life;
	uint8_t node;
	uint8_t fate;
};

struct claim {
	uint64_t proposal, index;
};

struct fates {
	struct proposal_record *proposals; /* [0] is id 1 */
	size_t n_proposals, proposals_cap;
	/* Acknowledged in the turn in which the power was cut: committed, but
	 * nobody has said so yet. */
	struct claim *claims;
	size_t n_claims, claims_cap;
};

void fates_free(struct fates *f);
/* All that was acknowledged has been seen to be committed. */
bool fates_is_quiet(const struct fates *f);
enum fate_state fates_of(const struct fates *f, uint64_t id);

/* A new proposal; returns its id. The replica has not accepted it yet. */
uint64_t fates_propose(struct world *w, const void *payload, size_t len);
void fates_accepted(struct machine *m, uint64_t id);
/* The replica tells a fate. Judged at the end of the turn: the commit itself
 * may come after it. */
void fates_tell(struct machine *m, uint64_t tag, int code, uint64_t index);
void fates_judge_told(struct machine *m);
void fates_judge_deadlines(struct machine *m);
/* Entry index is committed, for the first time anywhere. */
void fates_commit(struct machine *m, uint64_t index, const struct record *r);
/* Nobody will hear of what this machine had accepted. */
void fates_died(struct machine *m);

#endif
