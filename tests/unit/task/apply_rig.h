/* An apply task over a log, a target and a node that do what the test says. */
#ifndef TESTS_UNIT_TASK_APPLY_RIG_H
#define TESTS_UNIT_TASK_APPLY_RIG_H

#include "declare.h"
#include "node/task/apply.h"

enum {
	RIG_LOG = 64,
	RIG_WRITES = 64,
	RIG_ROWS = 8192,
	RIG_PROPOSED = 64,
	RIG_PARKED = 16,
	RIG_SOURCE = 1,
	RIG_TARGET = 2,
	RIG_ONE_WAY = 1, /* syncs and, likewise, their only tables */
	RIG_TWO_WAY = 2,
};

/* What breaks the next writes. */
enum rig_break { RIG_WHOLE, RIG_BREAK_BEFORE, RIG_BREAK_BEHIND };

struct rig_entry {
	bool is_there;
	struct value_buf changes;
};
struct rig_write {
	uint64_t from, to;
	size_t first, n; /* in keys */
};

struct rig {
	struct declare declare;
	struct catalog *catalog;
	struct connector_secrets secrets; /* carries the rig */
	struct task_spec spec;
	struct task_ports ports;
	struct apply *apply;
	/* the target */
	uint64_t applied;
	size_t n_opened, n_asked;
	int open_code, write_code; /* the next call's */
	enum rig_break breaks;
	int64_t refused_key, differing_key; /* 0: none */
	struct rig_write writes[RIG_WRITES];
	size_t n_writes;
	int64_t keys[RIG_ROWS];
	size_t n_keys;
	/* the log */
	struct rig_entry log[RIG_LOG];
	uint64_t decided, floor;
	/* the node */
	struct blob *proposed[RIG_PROPOSED];
	uint64_t tickets[RIG_PROPOSED];
	size_t n_proposed;
	int64_t parked[RIG_PARKED];
	size_t n_parked;
	bool is_unwatched, is_paused;
	struct err problem;
	char hint[256];
	size_t n_letters;
	int64_t now_us;
};

/* Of a sync of RIG_SOURCE and RIG_TARGET. */
void rig_open(struct rig *r, uint32_t sync_id);
void rig_close(struct rig *r);
/* The task anew: another owner, or the same process again. */
void rig_restart(struct rig *r);
/* An entry of one transaction: rows of these keys; the log stands there. */
struct rig_txn {
	uint64_t index;
	const int64_t *keys;
	size_t n;
	enum change_op op;
	bool is_part; /* the next entry goes on with it */
};
void rig_txn(struct rig *r, const struct rig_txn *t);
#define RIG_TXN(r, at, ...)                                                  \
	rig_txn(r, &(struct rig_txn){.index = (at),                          \
				     .keys = (const int64_t[]){__VA_ARGS__}, \
				     .n = sizeof((int64_t[]){__VA_ARGS__}) / \
					  sizeof(int64_t),                   \
				     .op = CHANGE_PUT})
/* One millisecond and one step. */
void rig_step(struct rig *r);
void rig_steps(struct rig *r, size_t n);
/* The i-th proposal is committed at index and decided. */
void rig_fate(struct rig *r, size_t i, uint64_t index);
Synod__Command__Command *rig_command(struct rig *r, size_t i);

#endif
