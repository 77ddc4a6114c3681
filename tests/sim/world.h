/* One run: machines, network, faults and the oracle under one virtual clock
 * (microseconds) and one seed. Single-threaded: the same seed on the same build
 * is the same run. */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "tests/sim/machine.h"
#include "tests/sim/net.h"
#include "tests/sim/oracle.h"
#include "tests/sim/plan.h"

/* What happened in a run, or in many: a simulator that never saw an image
 * installed has proved nothing about images. */
#define WORLD_COUNTS(X) \
	X(events)       \
	X(turns)        \
	X(frames)       \
	X(frames_lost)  \
	X(crashes)      \
	X(torn)         \
	X(disks_lost)   \
	X(leaders)      \
	X(committed)    \
	X(proposed)     \
	X(acknowledged) \
	X(refused)      \
	X(unknown)      \
	X(transfers)    \
	X(roles)        \
	X(recreated)    \
	X(fed)          \
	X(images)       \
	X(installs)     \
	X(absences)     \
	X(garbage)      \
	X(drain_ms)     \
	X(drain_ms_max)

struct counts {
#define WORLD_COUNT(name) uint64_t name;
	WORLD_COUNTS(WORLD_COUNT)
#undef WORLD_COUNT
};

enum phase {
	PHASE_FAULTS,   /* the bad times */
	PHASE_FAREWELL, /* healed; perhaps one last promotion */
	PHASE_SHORT,    /* a minority stays away */
	PHASE_REST      /* all are back */
};

struct world_config {
	uint64_t seed;
	unsigned nodes;
	uint64_t rules_off;
	bool is_trusting; /* nobody is quarantined: must go wrong */
	bool is_traced;
};

struct world {
	struct world_config cfg;
	struct plan plan;
	struct rng rng;
	struct heap queue;
	int64_t now;
	struct machine machines[SIM_NODES_MAX];
	struct blob *founding; /* payload of entry 1 */
	struct net net;
	struct oracle oracle;
	struct counts counts;
	uint64_t digest; /* of all events: two runs can be compared */
	bool is_healing, is_done, is_bad;
	int64_t heal_at;  /* beginning of the phase */
	int64_t moved_at; /* last time that something moved */
	uint64_t moved_sum;
	enum phase phase;
	bool is_promoting;
	/* A leader was cut off with a change of its own; its successor walks
	 * into the trap of faults.h. */
	bool has_trap;
	unsigned trapped;
	char why[320]; /* the first violation */
};

/* Runs to the end; world_free afterwards. */
void world_run(struct world *w, const struct world_config *cfg);
void world_free(struct world *w);

__attribute__((format(printf, 3, 4))) void
world_violation(struct world *w, const struct machine *m, const char *fmt, ...);
/* One line of the trace, when there is one. */
__attribute__((format(printf, 3, 4))) void
world_trace(struct world *w, const struct machine *m, const char *fmt, ...);

void world_push(struct world *w, struct event e);
/* A random time around mean: mostly shorter, sometimes much longer. */
int64_t world_delay(struct world *w, int64_t mean_us);
/* A machine that is up, or NULL. */
struct machine *world_pick(struct world *w);
/* The machine that leads in the highest term, or NULL. */
struct machine *world_leader(struct world *w);

#endif
