/* Tasks: who owns which piece of connector work, and under which epoch; what
 * the owners report; which nodes are drained or cannot reach a connection;
 * which syncs are paused. Part of the control state: changed by committed
 * entries only, the same on every node.
 *
 * A capture task exists for every connection that is a source: its id is the
 * connection's. An apply task exists for every target of every sync: its id is
 * sync id * 64 + connection id. Apply tasks of a paused sync have an owner and
 * do not run.
 *
 * Keys: "t" u32 task, "h" u64 node u32 connection (Reach), "n" u64 node
 * (Drain), "z" u32 sync u32 table (Pause), values: tasks.c, tasks_obstacle.c.
 * Kept in memory between entries, written through at once. Pure. */
#ifndef CLUSTER_CORE_TASKS_H
#define CLUSTER_CORE_TASKS_H

#include "base/kv.h"
#include "cluster/core/catalog.h"
#include "proto/command.pb-c.h"
#include "proto/limits.h"

enum task_kind { TASK_CAPTURE, TASK_APPLY };
/* LIMIT_TASKS of proto/limits.h. */
enum { TASK_TEXT_MAX = 256 };

static inline uint32_t task_capture_id(uint32_t connection_id)
{
	return connection_id;
}
static inline uint32_t task_apply_id(uint32_t sync_id, uint32_t connection_id)
{
	return sync_id * 64 + connection_id;
}
static inline uint32_t task_connection(uint32_t id)
{
	return id % 64;
}
/* 0: a capture task. */
static inline uint32_t task_sync(uint32_t id)
{
	return id / 64;
}
static inline enum task_kind task_kind(uint32_t id)
{
	return id < 64 ? TASK_CAPTURE : TASK_APPLY;
}
/* "capture", "apply". */
const char *task_kind_name(enum task_kind kind);

/* "berlin/capture", "stock/paris/apply"; a question mark for what the catalog
 * does not know. At most cap bytes with the NUL; returns buf. */
char *task_name(const struct catalog *catalog, uint32_t id, char *buf,
		size_t cap);

struct task {
	uint32_t id;
	uint64_t node_id; /* 0: nobody */
	uint64_t epoch;   /* 0: never assigned */
	int64_t assigned_us;
	uint64_t detect_us, elect_us; /* before the assignment */
	/* As its owner last reported under this epoch. */
	Synod__Command__TaskReport__State state;
	int32_t code;
	char text[TASK_TEXT_MAX], hint[TASK_TEXT_MAX];
	int64_t reported_us;
	uint64_t first_change_us; /* likewise, once: see TaskReport */
	/* Apply: its hint; see Checkpoint in proto/command.proto. */
	uint64_t applied, upto, lag_p50_us, lag_p99_us, n_rows;
	int64_t checkpoint_us;
	uint64_t born_index; /* an apply task begins behind this entry */
};

struct tasks_reach {
	uint64_t node_id;
	uint32_t connection_id;
	bool is_reachable;
	int64_t time_us;
};

struct tasks_pause {
	uint32_t sync_id, table_id; /* table 0: the whole sync */
	char reason[TASK_TEXT_MAX];
	int64_t time_us;
};

struct tasks {
	struct task *list; /* by id */
	size_t n, cap;
	struct tasks_reach *reach; /* only what is not reachable */
	size_t n_reach;
	uint64_t drained[LIMIT_NODES];
	size_t n_drained;
	struct tasks_pause *pauses;
	size_t n_pauses;
};

void tasks_load(struct tasks *t, const struct kv *kv);
void tasks_clear(struct tasks *t);
/* A deep copy, for other threads. */
void tasks_copy(struct tasks *out, const struct tasks *t);
const struct task *tasks_find(const struct tasks *t, uint32_t id); /* or NULL */
bool tasks_is_drained(const struct tasks *t, uint64_t node_id);
bool tasks_is_reachable(const struct tasks *t, uint64_t node_id,
			uint32_t connection_id);
/* The sync or this table of it. */
bool tasks_is_paused(const struct tasks *t, uint32_t sync_id,
		     uint32_t table_id);

/* Every apply task has looked through the log up to here: nothing up to it is
 * wanted any more, neither entry nor outcome. UINT64_MAX: there is none. */
uint64_t tasks_low_index(const struct tasks *t);

/* The definition changed: tasks come and go. index: of that entry. */
void tasks_follow(struct tasks *t, const struct kv *kv,
		  const struct catalog *catalog, uint64_t index);
/* The connection is declared otherwise now: every node may try it again. */
void tasks_forget_reach(struct tasks *t, const struct kv *kv,
			uint32_t connection_id);
/* One command; false: refused, nothing changed. */
bool tasks_take_assign(struct tasks *t, const struct kv *kv, uint64_t index,
		       const Synod__Command__Assign *c);
bool tasks_take_checkpoint(struct tasks *t, const struct kv *kv,
			   const Synod__Command__Checkpoint *c);
bool tasks_take_report(struct tasks *t, const struct kv *kv,
		       const Synod__Command__TaskReport *c);
bool tasks_take_reach(struct tasks *t, const struct kv *kv,
		      const Synod__Command__Reach *c);
bool tasks_take_drain(struct tasks *t, const struct kv *kv,
		      const Synod__Command__Drain *c);
bool tasks_take_pause(struct tasks *t, const struct kv *kv,
		      const Synod__Command__Pause *c);

#endif
