/* After the bad times: does it come to rest? Safe and stuck is not good enough.
 *
 * First, in some runs, a minority stays away: the rest must elect a leader and
 * commit. Then everybody is back: one leader, all states equal, all fates told,
 * no change and no quarantine left; by a deadline. */
#ifndef TESTS_SIM_DRAIN_H
#define TESTS_SIM_DRAIN_H

struct world;

/* EVENT_DRAIN: ends the bad times when called first, later looks whether all
 * has come to rest. */
void drain_step(struct world *w);

#endif
