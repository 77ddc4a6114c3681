/* What the worker under the shim does to a store, and what it tells about it:
 * shared by the worker, which acts, and the driver, which judges.
 *
 * A mark is written to a pipe before an act is begun and again when it is
 * acknowledged. What was acknowledged must be there after the cut; what was
 * begun may. */
#ifndef TESTS_IT_POWERCUT_SCRIPT_H
#define TESTS_IT_POWERCUT_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/mailbox.h"
#include "cluster/store/dir.h"
#include "cluster/store/hard_state.h"
#include "cluster/store/state.h"

enum mark_kind {
	/* What open showed: it counts as acknowledged from then on. */
	MARK_SEEN_LOG,   /* a last index, b its term, c base index */
	MARK_SEEN_STATE, /* a index */
	MARK_SEEN_HARD,  /* a term, b vote */
	MARK_SEEN_PIN,   /* a node, b incarnation */
	MARK_HARD,       /* a term, b vote; then MARK_HARD_OK */
	MARK_HARD_OK,
	MARK_PIN, /* a node, b incarnation; then MARK_PIN_OK */
	MARK_PIN_OK,
	MARK_APPEND,   /* a ticket, b first index, c count, d term */
	MARK_TRUNCATE, /* a ticket, b index */
	MARK_DONE,     /* a ticket: it and all before it */
	MARK_FORGET,   /* a index */
	MARK_COMMIT,   /* a index */
	MARK_APPLIED,  /* a index */
	MARK_LEAD,     /* b first index, c count, d term: committed elsewhere */
	MARK_INSTALL,  /* b index, c term; then MARK_INSTALL_OK */
	MARK_INSTALL_OK
};

struct mark {
	uint64_t kind, a, b, c, d;
};

enum { SCRIPT_FD = 3, SCRIPT_ENTRY_MAX = 9000 };
#define SCRIPT_QUOTA_BYTES ((size_t)16 << 20)

extern const struct store_identity script_identity;

/* An opened data directory. */
struct script {
	char path[512];
	struct mailbox owner;
	struct store_dir *dir;
	struct hard_state *hard;
	struct log_store *log;
	struct state_store *state;
};

/* Open everything, in the order the node does. 0 or an ERR_ code. */
int script_open(struct script *s, const char *path, struct err *e);
void script_close(struct script *s);

/* The entry that belongs to index and term; buf of SCRIPT_ENTRY_MAX. */
struct log_entry script_entry(uint64_t index, uint64_t term, uint8_t *buf);
/* The chain that the state machine keeps: what an entry adds. */
uint64_t script_chain(uint64_t chain, const struct log_entry *entry);
/* What the state holds: chain and count of applied entries. */
void script_read_chain(struct state_store *state, uint64_t *chain,
		       uint64_t *count);

#endif
