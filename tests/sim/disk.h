/* The disk of one simulated machine: hard state, log, state and state images,
 * each as what is durable and what is still on its way.
 *
 * A power cut keeps what is durable and, of the log jobs in flight, any prefix,
 * cut between two entries if need be: worse than the real store, which commits
 * all of them or none. The state is applied in the background and lags behind
 * the log; a power cut falls back to its last durable point.
 *
 * Belongs to its machine; answers by events (heap.h). */
#ifndef TESTS_SIM_DISK_H
#define TESTS_SIM_DISK_H

#include "cluster/replica/ports.h"
#include "tests/sim/heap.h"

struct machine;

enum { SIM_NODES_MAX = 7, DISK_IMAGES = 2 };

/* One entry of the log. */
struct record {
	uint64_t term;
	uint64_t digest; /* of type and payload */
	int64_t time_us;
	enum log_type type;
	struct blob *data;
};

/* What the state machine has made of the log. */
struct sim_state {
	uint64_t index, term;
	uint64_t chain; /* digest over all applied entries */
	uint64_t conf_index;
	struct blob *conf;
	/* Of each member, by its number: the incarnation of its disk that the
	 * cluster has recorded. */
	uint64_t incarnation[SIM_NODES_MAX];
};

/* A queued change of the log. n == 0: a truncate. */
struct job {
	uint64_t ticket, index;
	struct log_entry *entries; /* payloads are borrowed */
	uint64_t *digests;
	size_t n;
};

struct image {
	uint64_t id, index, term, conf_index;
	struct blob *conf, *data; /* NULL: none */
};

struct disk {
	/* durable */
	uint64_t incarnation;
	/* The founding members' ones; 0 on a disk that came later. */
	uint64_t pins[SIM_NODES_MAX];
	uint64_t term, vote;
	uint64_t base_index, base_term;
	uint64_t first_index;
	struct record *records; /* [0] is base_index + 1 */
	size_t n_records, records_cap;
	struct sim_state state;
	struct image images[DISK_IMAGES]; /* newest first */

	/* on its way */
	struct job *jobs;
	size_t jobs_head, n_jobs, jobs_cap;
	size_t n_flying;
	uint64_t *ghosts; /* tickets of jobs that came after the power cut */
	size_t n_ghosts, ghosts_cap;
	uint64_t next_index; /* of the next append, when all is done */
	uint64_t committed;  /* the state machine may go there */
	bool is_applying, is_making;
	uint8_t *incoming; /* image being received */
	size_t incoming_len, incoming_cap;
	struct replica_image installing;
	bool is_installing;

	int64_t slow_until, slow_us; /* log and image jobs */
	int64_t lag_until, lag_us;   /* state machine */
	int64_t batch_at;            /* when what is in flight is done */
};

/* An empty disk holding entry 1, the founding configuration, in term 1. */
void disk_init(struct machine *m, uint64_t incarnation);
void disk_free(struct disk *d);
/* The power is cut: what was on its way is torn. Nothing is answered. */
void disk_cut(struct machine *m);
/* Everything is gone: a blank disk of another incarnation that joins. */
void disk_wipe(struct machine *m, uint64_t incarnation);

struct replica_disk disk_ports(struct machine *m);
/* An event of kinds EVENT_DISK .. EVENT_INSTALL, for a machine that is up. */
void disk_event(struct machine *m, const struct event *e);

uint64_t disk_last_index(const struct disk *d);
/* The durable record, or NULL: forgotten, or not there yet. */
const struct record *disk_record(const struct disk *d, uint64_t index);
/* Retention: delete records up to keep entries before the applied index. */
void disk_forget(struct disk *d, uint64_t keep);
void disk_drop_images(struct disk *d);
/* Digest of an entry as records hold it. */
uint64_t disk_digest(enum log_type type, const void *data, size_t len);

#endif
