/* Capture, between its files. */
#ifndef NODE_TASK_CAPTURE_INNER_H
#define NODE_TASK_CAPTURE_INNER_H

#include <pthread.h>

#include "node/task/capture.h"
#include "node/task/window.h"

/* A pause that the task wants and that is not in the state yet. */
struct capture_pause {
	uint32_t sync_id, table_id;
	int64_t due_us; /* proposed (again) then */
	char reason[TASK_TEXT_MAX];
};

enum {
	/* A stamp further ahead of our clock is set back to it. */
	CAPTURE_AHEAD_US = 500 * 1000,
	/* A full queue is tried again after. */
	CAPTURE_BUSY_US = 5 * 1000,
	/* While batches are under way their fates come between short polls. */
	CAPTURE_POLL_MS = 10,
	CAPTURE_RESTART_US_MAX = 2 * 1000 * 1000,
	CAPTURE_LOOK_US = 1000 * 1000,
};

struct capture {
	const struct task_spec *spec;
	const struct task_ports *ports;
	pthread_mutex_t lock; /* of handle: capture_wake is any thread's */
	struct capture_handle *handle;
	enum task_state state;
	struct task_retry retry;
	struct task_tables tables; /* lent to the handle while it is open */
	struct window window;
	struct value_buf tail; /* where the youngest batch ends */
	struct value_buf position, ledger;
	struct change_writer writer;
	struct blob *unsent; /* the youngest batch, when the queue was full */
	uint64_t last_ticket;
	bool is_torn;    /* a batch did not count: begin at the ledger's */
	unsigned n_torn; /* in a row */
	int64_t torn_due_us, look_us;
	bool is_gap; /* the position in the ledger leads nowhere */
	struct capture_pause *pauses;
	size_t n_pauses;
};

static inline struct bytes capture_span(const struct value_buf *b)
{
	return (struct bytes){b->data, b->len};
}
void capture_buf_copy(struct value_buf *to, const struct value_buf *from);
int64_t capture_now(const struct capture *c);

/* -- capture_batch.c: what was read becomes a proposal --------------------- */
/* Seal what stands in writer and position behind tail, and propose it. */
void capture_batch_propose(struct capture *c);
/* From the ledger's position to none: begin anew. */
void capture_batch_reset(struct capture *c);
/* Again what a full queue refused. False: still full. */
bool capture_batch_send(struct capture *c);
/* Forget what was never sent. */
void capture_batch_drop_unsent(struct capture *c);

/* -- capture_pause.c: tables that cannot go on ----------------------------- */
/* Leave the table that the text of an ERR_SCHEMA names out and have it paused.
 * False: it names none. */
bool capture_pause_named(struct capture *c, const struct err *e);
void capture_pause_all(struct capture *c, const struct err *e);
/* Propose what is due; true when none is wanted any more. */
bool capture_pause_step(struct capture *c);
/* Words for the way out of a gap, in buf. */
const char *capture_pause_hint(const struct capture *c, char *buf, size_t cap);

#endif
