/* A load: C logical clients in a closed loop. Each has one value outstanding;
 * its latency runs from the moment it submits the value to the moment its fate
 * is known. The same definition for both systems. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdint.h>

#include "base/err.h"
#include "bench/latency.h"

enum { LOAD_CLIENTS_MAX = 4096 };

/* Bytes of values under way at the most, for both systems; a client that finds
 * no room waits in line, and its time runs. Synod admits no more without
 * refusing (LIMIT_PROPOSALS_BYTES), and etcd chokes on hundreds of MiB at
 * once. */
#define LOAD_FLYING_BYTES ((size_t)16 << 20)

/* Clients that wait, first come first served. */
struct load_line {
	uint32_t clients[LOAD_CLIENTS_MAX];
	unsigned head, n;
};
void load_line_push(struct load_line *l, uint32_t client);
uint32_t load_line_pop(struct load_line *l); /* not empty */

struct load_plan {
	uint64_t size; /* bytes of a value, random */
	unsigned concurrency;
	double warm_s, measure_s; /* what happens in warm_s is not counted */
	uint64_t n_entries_max;   /* end after so many; 0: by time only.
				     load_synod only */
	/* Called when measuring begins and ends; borrowed, may be NULL. */
	void (*mark)(void *ctx, int is_end);
	void *ctx;
};

struct load_result {
	uint64_t n_entries; /* committed within the measured time */
	uint64_t n_refused; /* answers "busy", submitted again */
	double seconds;     /* measured */
	struct latency latency;
};

/* An incompressible value of plan->size bytes; free() it. */
uint8_t *load_value(const struct load_plan *plan);

/* Puts to etcd's leader, on one thread over as many connections as serve etcd
 * best (see load_etcd.c). Any failed put ends the run with its reason. */
int load_etcd(const struct load_plan *plan, uint16_t leader_port,
	      struct load_result *out, struct err *e);

/* Appends through one node's door. One dispatcher packs whatever values wait
 * into one AppendRequest (within LIMIT_APPEND_VALUES and the frame), several
 * requests are under way at once. A refused value ("busy") is submitted again
 * and its time runs on; any other failure ends the run with its reason. */
int load_synod(const struct load_plan *plan, const char *url,
	       struct load_result *out, struct err *e);

/* One sentence for the output: how clients share connections. */
extern const char load_etcd_note[];
extern const char load_synod_note[];

#endif
