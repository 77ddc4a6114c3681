#include "base/log.h"
#include "node/node.h"

/* The log may fill half of its quota; beyond, the oldest entries go. The other
 * half is what a burst may take before proposals are refused. Entries that the
 * state has not durably applied stay whatever their number: a restart replays
 * them. */

enum { RETENTION_US = 5000 };

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void forget(struct node *n, const struct log_bounds *b)
{
	uint64_t safe = smaller(n->view.applied_index, n->view.commit_index);
	uint64_t held = b->last_index - b->first_index + 1;
	size_t half = b->bytes_max / 2;

	if (b->bytes_used <= half || b->last_index < b->first_index ||
	    safe < b->first_index + LIMIT_RAFT_TRAILING_MIN)
		return;
	/* As many as the excess would be at their average size; the next look
	 * corrects it. */
	uint64_t excess =
		(uint64_t)((double)held * (double)(b->bytes_used - half) /
			   (double)b->bytes_used);
	uint64_t to = smaller(b->first_index + excess,
			      safe - LIMIT_RAFT_TRAILING_MIN);
	log_forget(n->log, to);
}

void retention_turn(struct node *n)
{
	struct log_bounds bounds;
	int64_t now_us = node_now_us(n);

	/* Often, but not at every write: a small quota fills in milliseconds.
	 */
	if (now_us < n->retention_us)
		return;
	n->retention_us = now_us + RETENTION_US;
	log_bounds(n->log, &bounds);
	bool is_full = log_is_full(n->log) || state_is_full(n->state);
	if (is_full != n->is_full)
		log_event(is_full ? LOG_WARN : LOG_INFO,
			  is_full ? "store_full" : "store_has_room",
			  "log_bytes=%zu log_limit_bytes=%zu",
			  bounds.bytes_used, bounds.bytes_max);
	n->is_full = is_full;
	replica_set_full(n->replica, is_full);
	forget(n, &bounds);
}
