/* The cluster under test: a throw-away fleet of three, or endpoints that the
 * user named. */
#ifndef BENCH_TARGET_H
#define BENCH_TARGET_H

#include "bench/args.h"
#include "bench/fleet.h"
#include "bench/watch.h"

struct target {
	const struct args *args;
	struct fleet *fleet; /* NULL: endpoints */
	char durability[64];
	unsigned n_nodes;
	unsigned leader;
	/* With endpoints: their figures as the nodes themselves report them. */
	struct door_client *doors[LIMIT_NODES];
	uint64_t begin_cpu_us[LIMIT_NODES];
};

/* Started and ready, or connected. ERR_NETWORK, ERR_NO_LEADER, … */
int target_open(struct target *t, const struct args *a, struct err *e);
void target_close(struct target *t);
/* Ask again who leads (it may have changed between runs); n_nodes if none of
 * the endpoints does. */
int target_find_leader(struct target *t, struct err *e);
/* The door to drive: the leader's, or the first endpoint's. */
const char *target_url(const struct target *t);

/* What the nodes use during one load. mark and ctx fit struct load_plan. */
struct target_watch {
	struct target *target;
	struct watch watch; /* of a fleet */
	struct watch_use use[LIMIT_NODES];
};
int target_watch_start(struct target_watch *w, struct target *t, struct err *e);
void target_watch_mark(void *w, int is_end);
void target_watch_stop(struct target_watch *w);

#endif
