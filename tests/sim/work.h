/* The load: proposals with unique ids on random nodes, probes after the bad
 * times, and the records that let a rebuilt disk vote again. */
#ifndef TESTS_SIM_WORK_H
#define TESTS_SIM_WORK_H

#include "base/bytes.h"
#include "tests/sim/machine.h"

/* EVENT_PROPOSE: some proposals, and the next event. */
void work_step(struct world *w);
/* Propose through this machine until one proposal is acknowledged; true then.
 * Called again and again. */
bool work_probe(struct machine *m);
/* The leader proposes to record the incarnation of a rebuilt disk. */
void work_rebuild(struct world *w);

/* Of the payload of a LOG_COMMAND: the id of the proposal (0: none), the digest
 * of what was proposed. */
uint64_t work_proposal(struct bytes entry);
uint64_t work_digest(struct bytes entry);
/* What a command does to the state. */
void work_apply(struct sim_state *s, struct bytes entry);

#endif
