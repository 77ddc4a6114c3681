/* One simulated machine: a real replica over a model of a disk and a clock.
 *
 * It works in turns, as the node's loop does: what happens leaves notes, the
 * next turn works them off. The power can be cut between any two calls that the
 * replica makes to the outside: from then on nothing reaches disk or network.
 */
#ifndef TESTS_SIM_MACHINE_H
#define TESTS_SIM_MACHINE_H

#include "cluster/replica/replica.h"
#include "tests/sim/disk.h"

struct world;

enum { MACHINE_FATES = 64 };
#define MACHINE_NEVER INT64_MAX

/* A fate reported in this turn, to be judged at its end. */
struct told {
	uint64_t tag, index;
	int code;
};

struct machine {
	struct world *world;
	unsigned number;
	uint64_t id;
	struct replica *replica; /* NULL: it is down */
	uint32_t life;
	struct disk disk;

	/* clock */
	int64_t mono_base, mono_at; /* mono_base at world time mono_at */
	int64_t rate_ppm;           /* deviation */
	int64_t wall_offset;

	int64_t blocked_until; /* frozen, or waiting for the disk */
	int64_t turn_at;
	int64_t stall_us; /* it freezes for that long behind its next turn */
	int64_t slow_until, slow_us;
	unsigned fuse; /* calls to the outside until the power is cut; 0: no */
	bool is_cut, is_full;
	bool is_away;  /* it does not start */
	bool has_news; /* since its last turn */
	unsigned n_idle;

	/* what the oracle has seen in this life */
	struct replica_view view;
	uint64_t checked_commit;
	struct told *told;
	size_t n_told, told_cap;
	uint64_t *pending; /* accepted proposals, in order of acceptance */
	size_t pending_head, n_pending, pending_cap;
	int64_t transfer_since; /* MACHINE_NEVER: none */
	uint64_t probe;         /* newest probe after the bad times, 0: none */

	/* incarnations as this node knows them by hello */
	uint64_t hello[SIM_NODES_MAX];
	bool is_admitted[SIM_NODES_MAX]; /* so their hellos say */
	bool is_quarantined[SIM_NODES_MAX];
};

void machine_init(struct world *w, unsigned number, uint64_t id);
void machine_start(struct machine *m);
/* Cut the power now; it comes back after down_us, or never (< 0). */
void machine_crash(struct machine *m, int64_t down_us);
void machine_free(struct machine *m);

int64_t machine_mono(const struct machine *m);
/* Let the clock run with another deviation, after a step forward. */
void machine_set_clock(struct machine *m, int64_t step_us, int64_t rate_ppm);
/* There are notes: have a turn soon. */
void machine_wake(struct machine *m);
/* An event of its life: a frame, the disk, a peer, its turn. */
void machine_event(struct machine *m, const struct event *e);
/* False: the power is cut. Called at each call to the outside; it may cut it.
 */
bool machine_is_powered(struct machine *m);
/* The disk of a member is the one that this machine has on record. */
bool machine_trusts(const struct machine *m, unsigned number);
/* Quarantine by what is recorded and what hellos have said. */
void machine_judge_peers(struct machine *m);

#endif
