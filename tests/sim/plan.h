/* What one seed is like: sizes, speeds and which faults it may see. Each seed
 * has only some kinds of faults (swarm testing): a run with everything at once
 * gets nowhere and finds less. Pure. */
#ifndef TESTS_SIM_PLAN_H
#define TESTS_SIM_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"

enum fault {
	FAULT_CRASH,
	FAULT_CRASH_LEADER,
	FAULT_CRASH_ALL,
	FAULT_PARTITION,
	FAULT_ISOLATE_LEADER,
	FAULT_ONE_WAY,
	FAULT_MEND, /* the network becomes whole: lets things move on */
	FAULT_LOSS,
	FAULT_DUPLICATE,
	FAULT_REORDER,
	FAULT_DELAY,
	FAULT_SLOW_DISK,
	FAULT_SLOW_STATE,
	FAULT_SLOW_NODE,
	FAULT_FREEZE,
	FAULT_CLOCK,
	FAULT_FALSE_ALARM,
	FAULT_TRANSFER,
	FAULT_HANDOVER_RACE, /* the old leader freezes, two others stand */
	FAULT_ROLE,
	FAULT_SPLIT_CHANGE, /* a cut-off leader changes a role */
	FAULT_FORGET,
	FAULT_IMAGES_GONE,
	FAULT_FULL,
	FAULT_GARBAGE,
	FAULT_DISK_LOST,
	FAULT__N
};

struct plan {
	unsigned nodes;
	unsigned n_voters, voters_min;
	unsigned election_ms, heartbeat_ms, proposal_ms;
	size_t cache_bytes, chunk_bytes, group_bytes;
	unsigned cache_entries;
	size_t value_max;          /* bytes of a proposal */
	size_t image_max;          /* bytes of a state image */
	int64_t fault_us;          /* length of the bad times */
	int64_t fault_gap_us;      /* mean time between two faults */
	int64_t propose_gap_us;    /* mean time between two proposals */
	int64_t disk_us, state_us; /* usual latency */
	int64_t link_us, turn_us;
	unsigned drift_ppm;
	bool is_eager;     /* changes roles as soon as somebody leads */
	bool is_calm;      /* no faults at all: everything must be smooth */
	bool is_steady;    /* proposals come evenly, without a pause */
	bool has_farewell; /* a promotion, then its leader goes away */
	bool has_absent;   /* afterwards a minority stays away for a while */
	unsigned weight[FAULT__N]; /* 0: not in this seed */
	unsigned weight_sum;
};

void plan_draw(struct plan *p, unsigned nodes, struct rng *r);
const char *plan_fault_name(enum fault f);

#endif
