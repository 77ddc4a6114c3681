#include "node/retention.h"

#include "base/log.h"
#include "cluster/core/command.h"
#include "node/node.h"
#include "proto/codec.h"

enum { RETENTION_US = 5000, TRAILING_SHARE = 8 };

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Entries that stay for a follower that is a little behind. Large ones would
 * fill a small quota, and then nothing could ever make room. */
static uint64_t trailing(const struct log_bounds *bounds)
{
	uint64_t n = bounds->last_index - bounds->first_index + 1;
	uint64_t average = bounds->bytes_used / n;
	uint64_t fitting =
		bounds->bytes_max / TRAILING_SHARE / (average ? average : 1);

	return fitting == 0 ? 1 : smaller(fitting, LIMIT_RAFT_TRAILING_MIN);
}

uint64_t retention_target(const struct log_bounds *bounds, uint64_t safe_index)
{
	size_t half = bounds->bytes_max / 2;
	uint64_t first = bounds->first_index, last = bounds->last_index;

	if (bounds->bytes_used <= half || last < first)
		return 0;
	uint64_t kept = trailing(bounds);
	if (safe_index < first + kept)
		return 0;
	/* As many as the excess would be at the average size; the next look
	 * corrects it. */
	double share = (double)(bounds->bytes_used - half) /
		       (double)bounds->bytes_used;
	uint64_t excess = (uint64_t)((double)(last - first + 1) * share);
	return smaller(first + excess, safe_index - kept);
}

bool retention_is_vital(struct bytes command)
{
	enum { TAG_FIELD_SHIFT = 3, FIELD_APPEND = 3, FIELD_BATCH = 9 };

	if (command.len <= CODEC_HEADER_BYTES)
		return false;
	/* Packed messages begin with their first field; a oneof has one. */
	unsigned field = command.data[CODEC_HEADER_BYTES] >> TAG_FIELD_SHIFT;
	return field != FIELD_APPEND && field != FIELD_BATCH;
}

static void say_full(struct node *n, bool is_full)
{
	Synod__Command__Event event;
	Synod__Command__Command command;

	synod__command__event__init(&event);
	synod__command__command__init(&command);
	event.type = command_text(is_full ? "store_full" : "store_has_room");
	event.node = command_text(n->config.name);
	event.text = command_text(
		is_full ? "captures wait: an apply task is far behind, or "
			  "limits.log is too small (synodctl status)"
			: "captures go on");
	event.time_us = clock_wall_us(&n->clock);
	command.body_case = SYNOD__COMMAND__COMMAND__BODY_EVENT;
	command.event = &event;
	runner_tell(n, &command);
}

/* Entries up to here are needed by nobody: durable in the state, and looked
 * through by every apply task. */
static uint64_t safe_index(struct node *n)
{
	uint64_t safe = smaller(n->view.applied_index, n->view.commit_index);
	struct view *view = decided_view(&n->machine.decided);

	safe = smaller(safe, tasks_low_index(&view->tasks));
	view_unref(view);
	return safe;
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
	if (is_full != n->is_full)
		say_full(n, is_full);
	n->is_full = is_full;
	replica_set_full(n->replica, is_full);
	atomic_store(&n->runner.is_full, is_full);
	uint64_t to = retention_target(&bounds, safe_index(n));
	if (to)
		log_forget(n->log, to);
}
