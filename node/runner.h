/* Runner: makes what runs on this node what shall run (goal.h). Each task has a
 * thread of its own, which its connector may block; the loop starts it, tells
 * it to stop, and hears when it has ended. What tasks propose goes through a
 * bounded queue into the loop and on to the replica; fates come back the same
 * way. What they count goes into the metrics, what they report and how far
 * they are is proposed, not more often than it is worth.
 *
 * A node without a leader for LIMIT_LEASE_MS runs nothing: somebody else may
 * have been given its tasks, and it would be the last to know. Epochs keep that
 * safe in any case; this keeps it short. One that was away begins only when it
 * knows what the cluster decided meanwhile (gate).
 *
 * Loop thread, except where it says otherwise. */
#ifndef NODE_RUNNER_H
#define NODE_RUNNER_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/mailbox.h"
#include "connectors/connector.h"
#include "node/define.h"
#include "node/goal.h"
#include "proto/command.pb-c.h"

enum { NOTE_TASK_PROPOSAL = 500, NOTE_TASK_ENDED };
enum { RUNNER_HANDED = 64 };

struct node;
struct runner_task;
struct runner_proposal;

struct runner {
	struct view *view; /* as of the last look; NULL before the first */
	struct secrets secrets;
	struct connector_secrets secrets_port;
	char cluster[33]; /* hex */

	/* Held to change the list, and by other threads that walk it. */
	pthread_mutex_t lock;
	struct runner_task *list;
	uint64_t next_serial;
	/* Tasks read log and state; an install of an image writes. */
	pthread_rwlock_t stores;

	/* Proposals that wait for a leader or for room, in order. */
	struct runner_proposal *queue, **queue_tail;
	_Atomic size_t queue_bytes; /* with those in the mailbox */
	atomic_bool is_full;        /* the log: captures wait */
	/* Those without a fate: by place, which is in their tag. */
	struct runner_flight *flights;
	size_t n_flights, free_flight;

	atomic_bool has_news; /* a task has something to report */
	/* When a task was last handed on, by the remainder of its id. */
	int64_t handed_us[RUNNER_HANDED];
	int64_t look_us;       /* not before, unless something changed */
	int64_t leaderless_us; /* since when; 0: there is a leader */
	/* What a node that was away believes to own may be long another one's:
	 * it starts nothing before it has decided an entry of its own that the
	 * cluster committed since. */
	enum { GATE_CLOSED, GATE_ASKED, GATE_WAITS, GATE_OPEN } gate;
	uint64_t gate_index, gate_ticket;
	int64_t gate_due_us;
	bool is_open;
};

int runner_open(struct node *n, struct err *e);
/* Tells every task to stop and waits for each, up to LIMIT_TASK_STOP_MS in
 * all. False: one did not end; what it uses must stay. */
bool runner_stop(struct node *n);
/* Behind runner_stop, when the state thread has ended: it wakes tasks. */
void runner_close(struct node *n);

/* Look at everything; changed: bits of enum control_change. Returns the
 * microseconds until it wants to look again. */
int64_t runner_turn(struct node *n, unsigned changed);
/* Something was decided: tell the apply tasks. State thread. */
void runner_wake(struct node *n, unsigned changed);
/* A note of kind NOTE_TASK_*; takes it. */
void runner_note(struct node *n, struct note *note);
void runner_drop_note(struct note *note);
/* The fate of a proposal with NODE_TAG_TASK. */
void runner_fate(struct node *n, uint64_t tag, int code, uint64_t index);

/* Propose a command whose fate is of no interest. 0, or as replica_propose. */
int runner_tell(struct node *n, const Synod__Command__Command *command);

/* Nobody of ours reads log or state between the two. */
void runner_pause(struct node *n);
void runner_resume(struct node *n);

/* What a task of this node says of itself, for status. False: it does not run
 * here. */
struct runner_figures {
	double per_second;
	uint64_t lag_p50_us, lag_p99_us;
	uint64_t applied, upto; /* apply: now, not as of its checkpoint */
	struct capture_figures capture;
};
bool runner_figures(struct node *n, uint32_t task_id,
		    struct runner_figures *out);
/* Threads that have not ended. */
size_t runner_count(const struct runner *r);

#endif
