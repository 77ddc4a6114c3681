/* Task: what capture and apply have in common: how they are told what to do,
 * what they may ask of the node, and how they say how they are. A task is a
 * step function: it does what is due, and says when it wants to be called
 * again. It runs on one thread (its worker's; the simulator's), which its
 * connector may block. It knows neither loop nor store nor network: only these
 * ports.
 *
 * States:
 *   STARTING ─opened─▶ RUNNING ─error─▶ RETRYING ─due─▶ STARTING
 *        └─ a person must act ─▶ BLOCKED ─due, told─▶ STARTING
 *   any ─fenced, told─▶ ENDED
 */
#ifndef NODE_TASK_TASK_H
#define NODE_TASK_TASK_H

#include "base/rng.h"
#include "cluster/core/catalog.h"
#include "cluster/core/tasks.h"
#include "connectors/connector.h"

enum task_state {
	TASK_STARTING,
	TASK_RUNNING,
	TASK_RETRYING,
	TASK_BLOCKED,
	TASK_ENDED,
	TASK__STATES
};

/* What a task is made of. Borrowed: it outlives the task. */
struct task_spec {
	uint32_t id;
	uint64_t epoch;
	const struct catalog *catalog;
	const struct connector *connector;
	struct connector_target target;
	uint64_t start_index; /* apply: see Checkpoint */
	uint64_t hint_applied, hint_upto;
	uint64_t seed; /* for jitter */
};

/* An entry as an apply task reads it. */
struct task_entry {
	uint64_t index;
	bool is_batch;
	uint32_t source_id;   /* connection of the batch's task */
	struct bytes changes; /* lent until the next call of the port */
	struct bytes outcome; /* likewise */
};

enum task_count_kind {
	TASK_COUNT_CAPTURED, /* changes of a batch that the log accepted */
	TASK_COUNT_APPLIED,  /* rows of a target transaction */
	TASK_COUNT_RETRY,
	TASK_COUNT_LETTER,
};
struct task_count {
	enum task_count_kind kind;
	uint64_t n, bytes;
	int64_t lag_us;   /* source commit to here, of the newest; 0: unknown */
	int64_t stamp_us; /* source commit of the newest */
	int64_t took_us;  /* of the target transaction */
	uint64_t index;
};

/* What the node does for a task. Called on the task's thread. */
struct task_ports {
	void *ctx;
	/* Propose a command (sealed; borrowed). 0: accepted, the fate comes as
	 * task_fate with this ticket, or never. ERR_BUSY, ERR_FULL: later. */
	int (*propose)(void *ctx, struct blob *command, uint64_t ticket);
	/* Entries up to this index are committed and decided by the ledger. */
	uint64_t (*decided)(void *ctx);
	/* The first entry behind `after`, up to decided, that may concern a
	 * target: every batch that counts, also an empty one (it may end a cut
	 * transaction), and what else has an outcome. 1: here it is; 0: none,
	 * and *upto is how far was looked; ERR_NOTFOUND: the log no longer
	 * reaches back to there. */
	int (*next_entry)(void *ctx, uint64_t after, struct task_entry *out,
			  uint64_t *upto, struct err *e);
	/* The position that the ledger has for a capture task, appended to
	 * buf, and the decided index at which it was read. */
	uint64_t (*position)(void *ctx, uint32_t task_id,
			     struct value_buf *buf);
	/* Is this row parked for the connection? */
	bool (*is_parked)(void *ctx, uint32_t connection_id, uint32_t table_id,
			  struct bytes key);
	/* Is the sync (or this table of it) paused? Table 0: the sync alone. */
	bool (*is_paused)(void *ctx, uint32_t sync_id, uint32_t table_id);
	/* May this table be loaded? Not while an apply task of its sync still
	 * has entries to write from before the table was declared. */
	bool (*may_load)(void *ctx, uint32_t table_id);
	/* The state, its problem and its hint changed. */
	void (*report)(void *ctx, enum task_state state, const struct err *e,
		       const char *hint);
	/* Something worth counting; see task_count. */
	void (*count)(void *ctx, const struct task_count *c);
	int64_t (*now_us)(void *ctx); /* monotonic */
	int64_t (*wall_us)(void *ctx);
};

/* What the node tells a task, between steps, on the task's thread. */
struct task_fate {
	uint64_t ticket;
	int code; /* 0: committed at index; then see the ledger */
	uint64_t index;
};

/* -- what both kinds do with an error ---------------------------------------
 */
struct task_retry {
	struct rng rng;
	unsigned n; /* failures in a row */
	int64_t due_us;
};
enum {
	TASK_RETRY_MS_MIN = 50,
	TASK_RETRY_MS_MAX = 15000,
	TASK_RETRY_MS_ODD = 1000, /* a bug, a broken system: not at once */
	TASK_BLOCKED_MS = 5000,   /* a person must act: looked again */
	TASK_IDLE_MS = 1000,
	TASK_LOAD_CHUNK = 1000, /* rows; when the definition has no other */
};
void task_retry_init(struct task_retry *r, uint64_t seed);
void task_retry_succeeded(struct task_retry *r);
/* The state that follows from an error, and when to try again. */
enum task_state task_retry_failed(struct task_retry *r, int code,
				  int64_t now_us);
/* What a person can do about it; NULL: nothing in particular. */
const char *task_hint(int code);
const char *task_state_name(enum task_state state);

/* -- the tables that a task works on ----------------------------------------
 * From the catalog. Capture: tables in force that have the connection as a
 * source, without those that are paused one by one (a paused sync goes on being
 * captured: its source must not wait). Apply: those of the sync that have it as
 * a target, earlier ones too: the log may still hold rows of them. */
struct task_tables {
	struct connector_table *list;
	size_t n;
	bool is_load_put_off; /* a table waits for ports.may_load */
	uint32_t *left_out;   /* ids: paused by the task itself */
	size_t n_left_out;
};
void task_tables_read(struct task_tables *t, const struct task_spec *spec,
		      const struct task_ports *ports);
void task_tables_free(struct task_tables *t);
/* May one be loaded now that had to wait? */
bool task_tables_may_load_more(const struct task_tables *t,
			       const struct task_ports *ports);
/* Would they be others if they were read now? */
bool task_tables_is_stale(const struct task_tables *t,
			  const struct task_spec *spec,
			  const struct task_ports *ports);
/* Without this one from now on; until it is let in again. */
void task_tables_leave_out(struct task_tables *t, uint32_t table_id);
void task_tables_let_in(struct task_tables *t, uint32_t table_id);
/* The table that a text (of ERR_SCHEMA) names, as the system calls it; NULL
 * when it names none. The longest name wins. */
const struct connector_table *task_tables_named(const struct task_tables *t,
						const char *text);
const struct connector_table *task_tables_find(const struct task_tables *t,
					       uint32_t table_id);

#endif
