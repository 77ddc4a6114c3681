#include "tests/sim/plan.h"

struct kind {
	const char *name;
	unsigned weight;
	double likely; /* that a seed has it */
};

static const struct kind kinds[FAULT__N] = {
	[FAULT_CRASH] = {"crash", 12, 0.7},
	[FAULT_CRASH_LEADER] = {"crash_leader", 8, 0.5},
	[FAULT_CRASH_ALL] = {"crash_all", 2, 0.4},
	[FAULT_PARTITION] = {"partition", 12, 0.6},
	[FAULT_ISOLATE_LEADER] = {"isolate_leader", 10, 0.6},
	[FAULT_ONE_WAY] = {"one_way", 8, 0.5},
	[FAULT_MEND] = {"mend", 12, 1.0},
	[FAULT_LOSS] = {"loss", 6, 0.4},
	[FAULT_DUPLICATE] = {"duplicate", 6, 0.4},
	[FAULT_REORDER] = {"reorder", 6, 0.4},
	[FAULT_DELAY] = {"delay", 6, 0.4},
	[FAULT_SLOW_DISK] = {"slow_disk", 8, 0.6},
	[FAULT_SLOW_STATE] = {"slow_state", 4, 0.4},
	[FAULT_SLOW_NODE] = {"slow_node", 4, 0.3},
	[FAULT_FREEZE] = {"freeze", 6, 0.4},
	[FAULT_CLOCK] = {"clock", 4, 0.3},
	[FAULT_FALSE_ALARM] = {"false_alarm", 4, 0.3},
	[FAULT_TRANSFER] = {"transfer", 8, 0.5},
	[FAULT_HANDOVER_RACE] = {"handover_race", 4, 0.3},
	[FAULT_ROLE] = {"role", 14, 0.4},
	[FAULT_SPLIT_CHANGE] = {"split_change", 8, 0.4},
	[FAULT_FORGET] = {"forget", 10, 0.6},
	[FAULT_IMAGES_GONE] = {"images_gone", 3, 0.4},
	[FAULT_FULL] = {"full", 2, 0.2},
	[FAULT_GARBAGE] = {"garbage", 3, 0.2},
	[FAULT_DISK_LOST] = {"disk_lost", 4, 0.25},
};

static void draw_sizes(struct plan *p, struct rng *r)
{
	p->value_max = rng_chance(r, 0.2) ? 1500 : 60;
	p->image_max = rng_chance(r, 0.3) ? 6000 : 400;
	p->chunk_bytes = (size_t)rng_range(r, 64, 1200);
	p->group_bytes = (size_t)rng_range(r, 200, 8000);
	if (rng_chance(r, 0.75)) {
		p->cache_entries = (unsigned)rng_range(r, 4, 60);
		p->cache_bytes = (size_t)rng_range(r, 600, 20000);
	} else {
		p->cache_entries = 1000;
		p->cache_bytes = 200000;
	}
}

static void draw_faults(struct plan *p, struct rng *r)
{
	for (int f = 0; f < FAULT__N; f++) {
		bool is_in = rng_chance(r, kinds[f].likely);
		p->weight[f] = is_in ? kinds[f].weight : 0;
	}
	/* Three members may go down to two voters, larger groups keep three. */
	p->voters_min = p->nodes == 3 ? 2 : 3;
	if (p->nodes == 3 && rng_chance(r, 0.4))
		p->weight[FAULT_ROLE] = 0;
	if (p->weight[FAULT_ROLE] == 0)
		p->weight[FAULT_SPLIT_CHANGE] = 0;
}

/* Nothing but changes of leaders and of roles, close together. */
static void draw_churn(struct plan *p, struct rng *r)
{
	static const enum fault churn[] = {
		FAULT_PARTITION,    FAULT_ISOLATE_LEADER, FAULT_MEND,
		FAULT_CRASH_LEADER, FAULT_SPLIT_CHANGE,   FAULT_ROLE,
	};

	for (int f = 0; f < FAULT__N; f++)
		p->weight[f] = 0;
	for (size_t i = 0; i < sizeof(churn) / sizeof(churn[0]); i++)
		p->weight[churn[i]] = 10;
	p->is_eager = true;
	p->fault_gap_us = rng_range(r, 10000, 100000);
	p->propose_gap_us = rng_range(r, 5000, 50000);
	p->election_ms = 100;
	p->heartbeat_ms = 20;
	p->disk_us = rng_range(r, 50, 1000);
	p->link_us = rng_range(r, 30, 1000);
}

/* No faults: a base line that sees needless elections and starved commits. */
static void draw_calm(struct plan *p, struct rng *r)
{
	for (int f = 0; f < FAULT__N; f++)
		p->weight[f] = 0;
	p->is_calm = true;
	p->is_eager = p->has_farewell = p->has_absent = false;
	p->election_ms = (unsigned)rng_range(r, 200, 400);
	p->heartbeat_ms = p->election_ms / 5;
	p->proposal_ms = 3000;
	p->disk_us = rng_range(r, 50, 2000);
	p->state_us = rng_range(r, 50, 2000);
	p->link_us = rng_range(r, 30, 2000);
	p->turn_us = rng_range(r, 5, 50);
	p->propose_gap_us = rng_range(r, 1000, 10000);
	p->fault_us = rng_range(r, 4000000, 5000000);
	p->value_max = 60; /* and room for what comes in a moment */
	p->group_bytes = p->chunk_bytes = 16000;
	if (!rng_chance(r, 0.5))
		return;
	/* The disk is faster than the network, and something is always on its
	 * way: a commit rule that waits for a pause waits for ever. */
	p->is_steady = true;
	p->election_ms = 200;
	p->heartbeat_ms = 40;
	p->propose_gap_us = 700;
	p->disk_us = 100;
	p->link_us = 3000;
}

void plan_draw(struct plan *p, unsigned nodes, struct rng *r)
{
	static const unsigned elections[] = {100, 150, 200, 300};
	*p = (struct plan){.nodes = nodes, .n_voters = nodes};
	if (nodes > 3 && rng_chance(r, 0.3))
		p->n_voters = (unsigned)rng_range(r, 3, nodes);
	if (nodes == 3 && rng_chance(r, 0.1))
		p->n_voters = 2;
	p->election_ms = elections[rng_below(r, 4)];
	p->heartbeat_ms = p->election_ms / (unsigned)rng_range(r, 4, 7);
	p->proposal_ms = (unsigned)rng_range(r, 600, 3000);
	draw_sizes(p, r);
	p->fault_us = rng_range(r, 4000000, 9000000);
	p->fault_gap_us = rng_range(r, 20000, 300000);
	p->propose_gap_us = rng_range(r, 1000, 30000);
	p->disk_us = rng_range(r, 50, 8000);
	p->state_us = rng_range(r, 50, 20000);
	p->link_us = rng_range(r, 30, 4000);
	p->turn_us = rng_range(r, 5, 200);
	p->drift_ppm = (unsigned)rng_range(r, 0, 50000);
	p->is_eager = rng_chance(r, 0.3);
	p->has_absent = rng_chance(r, 0.4);
	p->has_farewell = rng_chance(r, 0.3);
	draw_faults(p, r);
	if (rng_chance(r, 0.2))
		draw_churn(p, r);
	else if (rng_chance(r, 0.04))
		draw_calm(p, r);
	for (int f = 0; f < FAULT__N; f++)
		p->weight_sum += p->weight[f];
}

const char *plan_fault_name(enum fault f)
{
	return kinds[f].name;
}
