#include "node/retention.h"

#include "base/log.h"
#include "node/node.h"

enum { RETENTION_US = 5000 };

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t retention_target(const struct log_bounds *bounds, uint64_t safe_index)
{
	size_t half = bounds->bytes_max / 2;
	uint64_t first = bounds->first_index, last = bounds->last_index;

	if (bounds->bytes_used <= half || last < first ||
	    safe_index < first + LIMIT_RAFT_TRAILING_MIN)
		return 0;
	/* As many as the excess would be at the average size; the next look
	 * corrects it. */
	double share = (double)(bounds->bytes_used - half) /
		       (double)bounds->bytes_used;
	uint64_t excess = (uint64_t)((double)(last - first + 1) * share);
	return smaller(first + excess, safe_index - LIMIT_RAFT_TRAILING_MIN);
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
	uint64_t to = retention_target(
		&bounds, smaller(n->view.applied_index, n->view.commit_index));
	if (to)
		log_forget(n->log, to);
}
