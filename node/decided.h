/* Decided: what the state thread has decided of the log, for everybody else, at
 * once and not only when it is durable: up to where, the newest outcomes, the
 * positions of the capture tasks, the view of tasks and catalog, and why
 * entries were refused. Acting on a decision that is not durable is safe: it
 * follows from committed entries alone, a restart comes to the same one.
 *
 * Outcomes stay in memory up to LIMIT_OUTCOME_WINDOW_BYTES; older ones are read
 * from the state, so one that is not durable there is never let go.
 *
 * Writer: the state thread (before it runs: the loop). Readers: any thread. */
#ifndef NODE_DECIDED_H
#define NODE_DECIDED_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/bytes.h"
#include "node/view.h"

enum { DECIDED_REFUSALS = 64, DECIDED_TEXT_MAX = 256 };

struct decided_outcome {
	uint64_t index;
	struct blob *blob;
};

struct decided_refusal {
	uint64_t index;
	int code;
	char text[DECIDED_TEXT_MAX];
};

struct decided {
	_Atomic uint64_t index; /* applied, durable or not */
	_Atomic uint64_t floor; /* control_floor */
	/* Letters in the ledger, and the last entry that changed which keys are
	 * parked. */
	_Atomic uint64_t n_letters, letters_index;
	pthread_mutex_t lock;
	pthread_cond_t saved; /* durable moved; monotonic */
	struct view *view;
	struct blob *positions[CATALOG_CONNECTIONS + 1];
	/* A ring by index: outcomes of all entries behind low. */
	struct decided_outcome *outcomes;
	size_t head, n, cap, bytes, bytes_max;
	uint64_t low, durable;
	struct decided_refusal refusals[DECIDED_REFUSALS];
	size_t n_refusals;
};

void decided_init(struct decided *d, size_t bytes_max);
void decided_clear(struct decided *d);

/* -- writer ---------------------------------------------------------------- */
/* Begin anew at an index, with nothing in memory. Takes the view. */
void decided_reset(struct decided *d, uint64_t index, struct view *view);
/* Each entry with an outcome, in order, before decided_publish shows it. */
void decided_add(struct decided *d, uint64_t index, struct bytes outcome);
/* position.data NULL: the task has none. */
void decided_set_position(struct decided *d, uint32_t task_id,
			  struct bytes position);
void decided_refuse(struct decided *d, uint64_t index, int code,
		    const char *text);
/* Takes the view. */
void decided_set_view(struct decided *d, struct view *view);
void decided_publish(struct decided *d, uint64_t index);
/* The state has everything up to here on disk. */
void decided_durable(struct decided *d, uint64_t index);

/* -- any thread ------------------------------------------------------------ */
/* A reference. NULL before the first decided_reset. */
struct view *decided_view(struct decided *d);
/* The outcome of an entry up to the published index. True: it is known here;
 * *out is a reference, or NULL where there are no exceptions. False: read it
 * from the state. */
bool decided_outcome(struct decided *d, uint64_t index, struct blob **out);
/* A reference, or NULL: never captured. And the index it was read at. */
struct blob *decided_position(struct decided *d, uint32_t task_id,
			      uint64_t *index);
/* Wait until the state has that entry on disk. False: not in time. */
bool decided_wait(struct decided *d, uint64_t index, int64_t wait_us);
/* Was this entry refused? True: code and text. */
bool decided_refusal(struct decided *d, uint64_t index,
		     struct decided_refusal *out);

#endif
