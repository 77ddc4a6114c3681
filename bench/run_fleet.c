/* synod-bench fleet: a cluster to play with, for the demo and for people. */
#include <stdio.h>
#include <unistd.h>

#include "bench/fleet.h"
#include "bench/run.h"

/* Until stdin ends: a script that dies takes its cluster with it. */
static int wait_end_of_input(struct fleet *f, struct err *e)
{
	char buf[256];

	while (read(STDIN_FILENO, buf, sizeof buf) > 0)
		;
	return fleet_check_alive(f, e);
}

int run_fleet(const struct args *a)
{
	const struct fleet_config cfg = {.synodd = a->synodd,
					 .n_nodes = a->nodes,
					 .keep_files = a->keep_files};
	struct fleet *f = NULL;
	struct err e = {0};
	unsigned leader;

	if (fleet_open(&f, &cfg, &e) || fleet_start_all(f, &e) ||
	    fleet_wait_ready(f, FLEET_START_MS, &leader, &e))
		goto done;
	for (unsigned i = 0; i < a->nodes; i++)
		printf("node\t%s\t%d\t%s\t%s\n", fleet_name(f, i),
		       (int)fleet_pid(f, i), fleet_url(f, i), fleet_log(f, i));
	printf("ready\tleader\t%s\n", fleet_name(f, leader));
	fflush(stdout);
	wait_end_of_input(f, &e);
done:
	fleet_close(f);
	return e.code ? run_error(&e) : RUN_OK;
}
