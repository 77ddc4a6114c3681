/* One task that runs: its thread, what the loop leaves for it and what it
 * leaves for the loop. Between the files of the runner only. */
#ifndef NODE_RUNNER_TASK_H
#define NODE_RUNNER_TASK_H

#include "base/thread.h"
#include "node/node.h"
#include "node/runner.h"
#include "node/task/apply.h"
#include "node/task/capture.h"

enum {
	/* How long a capture may wait in its connector: what the node has for
	 * it (fates) waits as long at the most. */
	RUNNER_POLL_MS = 200,
	RUNNER_LAGS = 256
};

struct runner_fate {
	struct runner_fate *next;
	struct task_fate fate;
};

/* What the log holds for the task, copied out of one short read transaction;
 * the task's thread only. */
struct runner_window {
	uint64_t from, to; /* entries (from, to] were looked through */
	struct runner_entry *entries;
	size_t n, cap, next;
	uint8_t *block;
	size_t len, block_cap;
	struct blob *outcome; /* lent to the task */
};

/* What it metric-counts into; the pointers are set before it runs. */
struct runner_meters {
	struct metric *changes, *bytes, *retries, *letters;
	struct metric *replicated_us;
	struct histogram *lag_us, *took_us;
};

struct runner_task {
	struct runner_task *next;
	struct node *node;
	uint64_t serial; /* never used again, unlike the pointer */
	uint32_t id;
	struct goal_running is; /* loop */
	bool is_takeover;       /* loop: another node had it before */
	bool is_abandoned;      /* loop */
	struct thread thread;
	struct task_spec spec;
	struct task_ports ports;
	struct view *view; /* spec.catalog lives in it */
	char name[3 * LIMIT_NAME_BYTES + 8];
	struct runner_meters meters;

	/* -- the task's thread -- */
	struct runner_window window;
	int64_t checkpoint_due_us;
	uint64_t told_applied, told_upto;
	uint64_t n_rows; /* since the last checkpoint */
	uint64_t lags[RUNNER_LAGS];
	size_t n_lags;
	uint64_t ticket;

	/* -- under lock -- */
	pthread_mutex_t lock;
	pthread_cond_t wake;     /* monotonic */
	struct capture *capture; /* one of the two, until the thread ends */
	struct apply *apply;
	struct runner_fate *fates, **fates_tail;
	bool is_woken, is_stopping, is_over;
	/* The newest catalog that is as good as ours for this task: how far it
	 * may read is known by it. */
	struct view_catalog *good;
	/* What it said last, and whether the cluster knows. */
	enum task_state state;
	int code;
	char text[TASK_TEXT_MAX], hint[TASK_TEXT_MAX];
	bool is_news;
	struct capture_figures figures;
	uint64_t total; /* changes or rows */
	uint64_t lag_p50_us, lag_p99_us;
	uint64_t applied, upto;              /* as by apply_progress */
	int64_t started_us, first_change_us; /* 0: none yet */

	/* -- loop -- */
	int64_t report_due_us; /* not before */
	int64_t failing_us;    /* cannot reach its connection since; 0: can */
	int64_t reach_due_us;
	bool is_first_told;
	enum task_state told_state; /* to the log of the process */
	int told_code;
	uint64_t seen_total;
	int64_t seen_us;
	double per_second;
};

/* -- runner_task.c: its life ------------------------------------------------
 */
/* Prepare and start. Loop. The caller links it. */
int runner_task_start(struct node *n, struct runner_task *t, struct err *e);
/* Tell it to stop; to be repeated, for one call of the connector may follow the
 * other. Loop. */
void runner_task_stop(struct runner_task *t);
/* Something for it: decided entries, or a fate. Any thread. */
void runner_task_wake(struct runner_task *t);
/* Takes the fate. */
void runner_task_fate(struct runner_task *t, const struct task_fate *fate);
/* Its thread has left everything but the struct. Any thread. */
bool runner_task_is_over(struct runner_task *t);
/* Says so to the loop. Its thread, last of all. */
void runner_task_ended(struct runner_task *t);
/* Joins the thread, which has ended or never began. */
void runner_task_free(struct runner_task *t);

/* -- runner_ports.c: what it may ask ----------------------------------------
 */
struct task_ports runner_ports(struct runner_task *t);
void runner_window_free(struct runner_window *w);
/* Propose from the task's thread: the port, and for the runner itself. */
int runner_offer(struct runner_task *t, struct blob *command, uint64_t ticket);

/* -- runner_report.c: what the cluster hears of it ---------------------------
 */
/* On its thread, between two steps: how far it is. */
void runner_checkpoint(struct runner_task *t);
/* On the loop: reports, reach, figures. */
void runner_report(struct node *n, struct runner_task *t, int64_t now_us);

/* -- runner_propose.c: through the loop --------------------------------------
 */
struct runner_proposal {
	struct note note; /* NOTE_TASK_PROPOSAL; next links the queue, too */
	struct runner *runner;
	uint64_t serial, ticket;
	struct blob *command;
	int64_t deadline_us; /* when it stops waiting; 0: not seen yet */
};
/* Without a task: its fate is of no interest. */
struct runner_flight {
	uint64_t serial, ticket; /* serial 0: nobody listens */
	size_t next_free;
	uint32_t life;
	bool is_used;
};
void runner_propose_turn(struct node *n);
void runner_propose_close(struct runner *r);
void runner_take_proposal(struct node *n, struct runner_proposal *p);
/* The proposal that opens the gate; its fate goes to runner_gate_fate. */
#define RUNNER_GATE UINT64_MAX
int runner_ask_gate(struct node *n, const Synod__Command__Command *command);
void runner_gate_fate(struct runner *r, uint64_t ticket, int code,
		      uint64_t index);
struct runner_task *runner_find(struct runner *r, uint64_t serial);

#endif
