/* The inside of the daemon, shared by the files of this folder only.
 *
 *   main.c       options, exit codes
 *   node.c       life: open and close everything in order; the turn
 *   start.c      a blank node founds the cluster or joins it
 *   members.c    who is who, and whose word counts
 *   lead.c       what a leader proposes by itself
 *   stop.c       leaving: hand over, then stop
 *   plan.c       who shall run which task   pulse.c  who lives
 *   runner*.c    the tasks that run here    goal.c   those that shall
 *   decided.c    what is decided, for all threads   view.c   who runs what
 *   http.c       metrics and health by HTTP
 *   reload.c     SIGHUP, SIGUSR2
 *   retention.c  the log stays within half its quota
 *   port_disk.c  replica_disk over the stores    port_image.c  its images
 *   port_net.c   replica_net over the wire
 *   machine.c    the control state under the state store
 *   admin*.c     requests of synodctl and synod-bench
 *   stats.c      metrics and figures of the process
 *   loop.c, worker.c, notify.c   libuv, helper threads, systemd
 *
 * Everything here belongs to the loop thread unless it says otherwise. */
#ifndef NODE_NODE_H
#define NODE_NODE_H

#include "cluster/core/admission.h"
#include "cluster/replica/replica.h"
#include "cluster/store/dir.h"
#include "cluster/store/hard_state.h"
#include "cluster/store/state.h"
#include "cluster/wire/door.h"
#include "cluster/wire/wire.h"
#include "node/admin.h"
#include "node/config.h"
#include "node/http.h"
#include "node/loop.h"
#include "node/machine.h"
#include "node/members.h"
#include "node/plan.h"
#include "node/port_image.h"
#include "node/runner.h"
#include "node/stats.h"
#include "node/worker.h"

enum node_phase {
	NODE_BLANK,    /* waits for members: found or join? (start.c) */
	NODE_STARTING, /* entry 1 is on its way to the disk */
	NODE_RUNNING,
	NODE_LEAVING, /* hands over leadership (stop.c) */
	NODE_STOPPING /* the loop ends with this turn */
};

/* Proposals of the node itself carry such tags; the rest are the door's. */
#define NODE_TAG_OWN ((uint64_t)1 << 63)

/* Completion of what start.c gave to the log; Raft counts its own from 1. */
#define NODE_TICKET_START UINT64_MAX

/* Those of tasks, of the planner, of people's commands. */
#define NODE_TAG_TASK ((uint64_t)1 << 62)
#define NODE_TAG_PLAN ((uint64_t)1 << 61)
#define NODE_TAG_ADMIN ((uint64_t)1 << 60)

enum { NODE_HOUSEKEEPING_US = 100 * 1000 };

/* An election, as the one who won it saw it; microseconds, 0: unknown. */
struct election {
	int64_t lost_us, stood_us, won_us;
	uint64_t lost_id; /* who led before; 0: nobody known */
	bool is_told;
};

struct lead {
	uint64_t last_leader_id;
	struct election election;
	bool is_cluster_proposed;
	int64_t retry_us; /* a proposal failed: not before */
};

struct forget;

struct node {
	char *config_path;
	struct node_config config;
	struct clock clock;
	uint64_t boot;
	int64_t started_us;      /* monotonic */
	int64_t started_wall_us; /* for people */
	enum node_phase phase;
	int exit_code;

	struct mailbox mailbox;
	struct loop loop;
	struct worker reader;  /* the log, for followers and operators */
	struct worker imager;  /* images */
	struct worker definer; /* databases, for plans and people */
	struct store_dir *dir;
	struct hard_state *hard;
	struct log_store *log;
	struct state_store *state;
	struct machine machine;
	struct wire *wire;
	struct door *door;
	struct replica *replica;  /* NULL until NODE_RUNNING */
	struct replica_view view; /* as of the last turn */

	struct members members;
	struct images images;
	struct lead lead;
	struct plan plan;
	struct runner runner;
	struct forget *forgets; /* runner_forget.c */
	struct http *http;      /* NULL: off */
	struct admin admin;
	struct stats stats;

	struct blob *first_entry; /* borrowed by the log while NODE_STARTING */
	bool is_founder;
	/* Given to the state, and durable there as far as we were told. */
	uint64_t state_wanted, state_done;
	uint64_t disk_wanted, disk_done; /* requests given and completed */
	int64_t disk_moved_us;           /* when the last one completed */
	uint8_t *read_buf;               /* what port_disk_read lends */
	size_t read_cap;

	int signal; /* the one that asked to stop, 0: none */
	int64_t drain_until_us, leave_until_us;
	bool has_drained;
	bool is_handing_over;
	int64_t housekeeping_us, retention_us; /* not before */
	int64_t watchdog_us, watchdog_next_us; /* 0: no watchdog */
	bool has_config, has_mailbox;
	bool is_full;        /* as the replica was told */
	bool has_new_events; /* in the state, since the last look */
};

int64_t node_now_us(const struct node *n);
/* What is declared, as decided; never NULL, borrowed until the next turn. */
const struct catalog *node_catalog(struct node *n);
/* Relative paths of databases begin there. */
const char *node_base_dir(const struct node *n);

/* -- node.c ---------------------------------------------------------------- */
/* Half open on failure: node_close anyway. */
int node_open(struct node *n, const char *config_path, struct err *e);
/* Until it stops. Returns the exit code. */
int node_run(struct node *n);
void node_close(struct node *n);
/* Something that must not be: say why and stop with a code of sysexits. */
__attribute__((format(printf, 3, 4))) void
node_fatal(struct node *n, int exit_code, const char *fmt, ...);
/* The exit code for an error. */
int node_exit_code(int err);

/* -- start.c --------------------------------------------------------------- */
/* Blank: decide with what is known now. */
void start_consider(struct node *n);
/* Entry 1 is durable. */
void start_written(struct node *n);
/* Open and run the replica on what the disk holds. */
int start_replica(struct node *n, struct err *e);

/* -- lead.c ---------------------------------------------------------------- */
/* State, term or leader changed; view is fresh. */
void lead_changed(struct node *n, const struct replica_view *before);
void lead_peer_up(struct node *n, uint64_t peer);
void lead_peer_down(struct node *n, uint64_t peer);
void lead_propose(struct node *n);
void lead_fate(struct node *n, uint64_t tag, int code);

/* -- stop.c ---------------------------------------------------------------- */
void stop_asked(struct node *n, int signum);
void stop_transferred(struct node *n, int code);
/* Leaving: is it time to go? */
void stop_consider(struct node *n);

/* -- reload.c -------------------------------------------------------------- */
void reload_config(struct node *n);
void reload_dump(struct node *n);

/* -- retention.c ----------------------------------------------------------- */
void retention_turn(struct node *n);

/* -- ports ----------------------------------------------------------------- */
struct replica_disk port_disk(struct node *n);
void port_disk_done(struct node *n, uint64_t ticket);
struct replica_net port_net(struct node *n);

#endif
