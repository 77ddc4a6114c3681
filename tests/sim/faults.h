/* The faults: each event of EVENT_FAULT strikes once, by the plan's weights. */
#ifndef TESTS_SIM_FAULTS_H
#define TESTS_SIM_FAULTS_H

#include <stdbool.h>

struct world;

/* One fault, and the event of the next one. */
void faults_strike(struct world *w);
/* The leader is asked to change a member's role. */
void faults_change_role(struct world *w);
/* It makes a standby a voter, but the promotion does not reach the one it is
 * about. False: there is none. */
bool faults_promote_unseen(struct world *w);
/* The bad times are over: everything works from now on. */
void faults_end(struct world *w);

#endif
