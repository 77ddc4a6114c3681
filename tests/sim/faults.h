/* The faults: each event of EVENT_FAULT strikes once, by the plan's weights. */
#ifndef TESTS_SIM_FAULTS_H
#define TESTS_SIM_FAULTS_H

#include <stdbool.h>

struct machine;
struct world;

/* One fault, and the event of the next one. */
void faults_strike(struct world *w);
/* The leader is asked to change a member's role. */
void faults_change_role(struct world *w);
/* It makes a standby a voter, but the promotion does not reach the one it is
 * about. False: there is none. */
bool faults_promote_unseen(struct world *w);
/* Two leaders that both change the membership: the old one, cut off, demotes
 * somebody; the new one demotes the old one before anything of its term is
 * committed, and then each has half of the members. */
void faults_spring_trap(struct world *w, struct machine *m);
/* The bad times are over: everything works from now on. */
void faults_end(struct world *w);

#endif
