/* The network between the machines: each direction of each link has a delay and
 * may be cut; bad weather (loss, duplicates, disorder, delay) is everywhere for
 * a while. Frames of one channel of a link stay in order unless there is
 * disorder. Knows nothing of what frames hold. */
#ifndef TESTS_SIM_NET_H
#define TESTS_SIM_NET_H

#include "cluster/replica/ports.h"
#include "tests/sim/disk.h"

struct world;

struct link {
	int64_t cut_until;
	int64_t newest_at[2]; /* arrival of the newest frame, per channel */
};

struct weather {
	int64_t until;
	double chance;
	int64_t delay_us;
};

struct net {
	struct link links[SIM_NODES_MAX][SIM_NODES_MAX]; /* [src][dst] */
	struct weather loss, duplicate, reorder, slow, garbage;
};

struct replica_net net_ports(struct machine *m);
void net_cut(struct world *w, unsigned src, unsigned dst, int64_t until);
bool net_is_cut(const struct world *w, unsigned a, unsigned b);
/* Everything is whole again. */
void net_mend(struct world *w);
/* The connection of a with b broke; a hears of it after a while, and that it is
 * back when it is. */
void net_break(struct world *w, unsigned a, unsigned b, int64_t after_us);
void net_join(struct world *w, unsigned a, unsigned b, int64_t after_us);

#endif
