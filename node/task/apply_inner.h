/* Apply, between its files. */
#ifndef NODE_TASK_APPLY_INNER_H
#define NODE_TASK_APPLY_INNER_H

#include <pthread.h>

#include "base/arena.h"
#include "cluster/core/outcome.h"
#include "node/task/apply.h"

/* -- apply_group.c: what is going to be one target transaction --------------
 */
struct group {
	struct arena arena; /* what the rows lend */
	struct apply_row *rows;
	bool *is_out; /* one a row: the ledger has it, it is not written */
	size_t n, cap;
	uint64_t at;   /* the last entry that was looked at */
	uint64_t open; /* connections whose transaction goes on */
	/* Up to here all transactions are whole. */
	size_t n_whole;
	uint64_t whole_index;
	int64_t stamp_us; /* of the newest of these rows */
	bool is_prepared; /* parked keys have been looked for */
};

/* -- apply_letter.c: rows that are not written ------------------------------
 */
enum letter_kind {
	LETTER_REFUSED, /* the target refused it */
	LETTER_FOLLOWS, /* its key is parked */
	LETTER_DIFFERS  /* a row of the load; a Difference */
};
enum letter_state { LETTER_WANTED, LETTER_SENT, LETTER_COMMITTED, LETTER_DONE };
struct letter {
	enum letter_kind kind;
	enum letter_state state;
	size_t row; /* of the group */
	int code;
	char text[CONNECTOR_TEXT_MAX];
	struct value_buf existing;
	uint64_t ticket, index;
	unsigned n_sent; /* how often */
	int64_t due_us;  /* SENT: then its fate counts as lost */
};
struct letters {
	struct letter *list;
	size_t n, cap, n_done;
	unsigned n_ignored; /* in a row: the ledger would not have them */
};

enum {
	APPLY_LETTERS_SENT = 64, /* at once */
	APPLY_LETTERS_IGNORED = 5,
	APPLY_LETTER_MS = 1000,    /* for its fate; twice as long each time */
	APPLY_LOOK_ENTRIES = 4096, /* a step */
	APPLY_WAIT_US = 10 * 1000,
};

struct apply {
	const struct task_spec *spec;
	const struct task_ports *ports;
	pthread_mutex_t lock; /* of handle: apply_wake is any thread's */
	struct apply_handle *handle;
	enum task_state state;
	struct task_retry retry;
	struct task_tables tables; /* lent to the handle while it is open */
	uint64_t applied;          /* the target's checkpoint */
	uint64_t upto; /* nothing between these two concerns the target */
	struct group group;
	struct letters letters;
	struct apply_row *sent; /* rows of the group without those left out */
	size_t *sent_row, sent_cap;
	uint64_t last_ticket;
};

static inline uint32_t apply_connection(const struct apply *a)
{
	return task_connection(a->spec->id);
}

void group_init(struct group *g);
void group_free(struct group *g);
/* Empty, and what is behind `after` comes next. */
void group_begin(struct group *g, uint64_t after);
/* Take what the log has, as far as it fits. 1: n_whole rows (0 is possible)
 * stand ready to be written; 0: nothing concerns the target, or the end of a
 * transaction is not there yet; *has_more: the log was not read to its end.
 * ERR_NOTFOUND, ERR_CORRUPT, ERR_LIMIT. */
int group_gather(struct apply *a, bool *has_more, struct err *e);

void letters_clear(struct letters *l);
void letters_free(struct letters *l);
/* Rows of the group whose key is parked. */
void letters_look(struct apply *a);
/* What the target said about rows of `sent`. */
void letters_take(struct apply *a, const struct apply_rejects *rejects);
/* Propose what is wanted; take out of the group what the ledger has. True when
 * nothing is open. */
bool letters_step(struct apply *a);
void letters_fate(struct letters *l, const struct task_fate *fate);

#endif
