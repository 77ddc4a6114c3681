/* A fleet: N real synodd processes on loopback in a throw-away directory, with
 * generated node files and free ports. For the bench, the chaos tests and the
 * demo. Facts are awaited at the nodes' doors, each with a deadline; only
 * processes that the fleet started are ever signalled.
 *
 * One thread; it is also the one that starts the children (see process.h). */
#ifndef BENCH_FLEET_H
#define BENCH_FLEET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "bench/ask.h"
#include "bench/process.h"

enum {
	FLEET_NODES_MAX = 9,
	FLEET_PATH_MAX = 160,
	/* A node that does not answer within it is taken for gone. */
	FLEET_ASK_MS = 2000,
	/* Start of a node, election of a leader. */
	FLEET_START_MS = 15000,
};

struct fleet;

struct fleet_config {
	const char *synodd;     /* program; NULL: synodd beside this one */
	unsigned n_nodes;       /* 1 .. FLEET_NODES_MAX */
	const char *node_lines; /* more lines for each node file, or NULL */
	bool keep_files;        /* leave the directory behind, say where */
};

/* Directory, ports and node files; starts nothing. */
int fleet_open(struct fleet **out, const struct fleet_config *cfg,
	       struct err *e);
/* Ends the processes that still run (SIGKILL) and deletes the directory. NULL
 * is allowed. */
void fleet_close(struct fleet *f);

unsigned fleet_size(const struct fleet *f);
const char *fleet_dir(const struct fleet *f);
const char *fleet_name(const struct fleet *f, unsigned i); /* "n1" */
const char *fleet_url(const struct fleet *f, unsigned i);  /* of its door */
const char *fleet_data(const struct fleet *f, unsigned i); /* its directory */
const char *fleet_log(const struct fleet *f, unsigned i);  /* its stderr */
pid_t fleet_pid(const struct fleet *f, unsigned i);        /* 0: does not run */

/* -- processes ------------------------------------------------------------- */
/* The node must not run. Returns when the process exists, not when it
 * answers. */
int fleet_start(struct fleet *f, unsigned i, struct err *e);
int fleet_start_all(struct fleet *f, struct err *e);
void fleet_kill(struct fleet *f, unsigned i);   /* SIGKILL, reaped */
void fleet_freeze(struct fleet *f, unsigned i); /* SIGSTOP */
void fleet_thaw(struct fleet *f, unsigned i);   /* SIGCONT */
void fleet_term(struct fleet *f, unsigned i);   /* SIGTERM, returns at once */
/* Wait for the end of a node: as process_wait. */
int fleet_wait_end(struct fleet *f, unsigned i, int timeout_ms, int *status);
/* ERR_CLOSED, naming the node and its log, when one that was started and not
 * killed has ended by itself. */
int fleet_check_alive(struct fleet *f, struct err *e);

/* -- doors ----------------------------------------------------------------- */
/* A new client of a node's door, for the caller to hang up. Waits until it is
 * connected, at most FLEET_ASK_MS. */
int fleet_dial(struct fleet *f, unsigned i, unsigned n_parallel,
	       struct door_client **out, struct err *e);
/* The node's own status over a connection that the fleet keeps. */
int fleet_status(struct fleet *f, unsigned i, Synod__Admin__Response **answer,
		 struct err *e);

/* The node that answered last: who may ask any of them begins there. */
unsigned *fleet_asked(struct fleet *f);

/* -- facts, each with a deadline; ERR_TIMEOUT says what was seen last --------
 */
/* Some running node says it leads and a majority agrees. */
int fleet_wait_leader(struct fleet *f, int timeout_ms, unsigned *leader,
		      struct err *e);
/* A leader, all nodes name it, and have applied what it had committed when it
 * was first seen. All must run; works under load. */
int fleet_wait_ready(struct fleet *f, int timeout_ms, unsigned *leader,
		     struct err *e);
/* As ready, and all have the same digest at the same applied index: nobody
 * may append meanwhile. */
int fleet_wait_equal(struct fleet *f, int timeout_ms, uint64_t *index,
		     uint64_t *digest, struct err *e);

#endif
