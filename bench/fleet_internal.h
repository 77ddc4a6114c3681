/* Shared by fleet.c and fleet_wait.c only. */
#ifndef BENCH_FLEET_INTERNAL_H
#define BENCH_FLEET_INTERNAL_H

#include "bench/fleet.h"
#include "bench/ports.h"
#include "bench/scratch.h"

struct fleet_node {
	char name[16];
	char data[FLEET_PATH_MAX], log[FLEET_PATH_MAX], file[FLEET_PATH_MAX];
	char url[FLEET_PATH_MAX]; /* ipc://DIR/n1.sock */
	uint16_t port;            /* raft; bulk is the next one */
	struct process process;
	bool should_run;           /* started, and not ended by us */
	struct door_client *asked; /* for fleet_status; NULL until first */
};

struct fleet {
	unsigned last_asked;
	struct fleet_config cfg;
	char synodd[4096];
	struct scratch dir;
	struct ports ports;
	struct fleet_node nodes[FLEET_NODES_MAX];
};

#endif
