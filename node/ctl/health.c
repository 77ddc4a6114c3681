#include "node/ctl/health.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/limits.h"

enum {
	LOG_WARN_PERCENT = 75,
	/* More than ever is in flight: the follower does not keep up. */
	BEHIND_WARN = LIMIT_WINDOW_COUNT,
	/* A disk or loop this slow costs more than it should. */
	FSYNC_WARN_US = 500 * 1000,
	LOOP_WARN_US = 100 * 1000,
	/* Percentiles of the first seconds are those of the start. */
	UPTIME_SETTLED_US = 60 * 1000 * 1000,
};

const char *health_name(enum health_level level)
{
	static const char *const names[] = {"OK", "WARN", "CRIT"};
	return names[level];
}

void health_about(struct health *h, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	vsnprintf(h->about, sizeof h->about, fmt, args);
	va_end(args);
}

/* Behind the last one that is at least as bad; when all places are taken, the
 * last one goes. */
static struct health_problem *make_room(struct health *h,
					enum health_level level)
{
	size_t at = h->n_problems;
	for (; at > 0 && h->problems[at - 1].level < level; at--)
		;
	if (h->n_problems == HEALTH_PROBLEMS_MAX) {
		h->n_dropped++;
		if (at == HEALTH_PROBLEMS_MAX)
			return NULL;
		h->n_problems--;
	}
	memmove(&h->problems[at + 1], &h->problems[at],
		(h->n_problems - at) * sizeof h->problems[0]);
	h->n_problems++;
	return &h->problems[at];
}

void health_add(struct health *h, enum health_level level, const char *next,
		const char *fmt, ...)
{
	if (level > h->level)
		h->level = level;
	struct health_problem *p = make_room(h, level);
	if (!p)
		return;
	*p = (struct health_problem){.level = level};
	va_list args;
	va_start(args, fmt);
	vsnprintf(p->text, sizeof p->text, fmt, args);
	va_end(args);
	snprintf(p->next, sizeof p->next, "%s", next);
	snprintf(p->subject, sizeof p->subject, "%s", h->about);
}

size_t health_count(const struct health *h)
{
	size_t n = h->n_dropped;
	for (size_t i = 0; i < h->n_problems; i++)
		n += h->problems[i].level != HEALTH_OK;
	return n;
}

/* "n1, n3": the voters nobody reaches. */
static void list_lost(const struct view *v, char *buf, size_t len)
{
	size_t used = 0;
	buf[0] = '\0';
	for (size_t i = 0; i < v->n_nodes; i++) {
		if (view_is_reachable(&v->nodes[i]))
			continue;
		int n = snprintf(buf + used, len - used, "%s%s",
				 used > 0 ? ", " : "",
				 v->nodes[i].status->name);
		if (n < 0 || (size_t)n >= len - used)
			return;
		used += (size_t)n;
	}
}

static void judge_leader(struct health *h, const struct view *v)
{
	size_t all = view_count_voters(v, false);
	size_t here = view_count_voters(v, true);
	char lost[HEALTH_TEXT_MAX / 2];
	char next[HEALTH_TEXT_MAX];
	list_lost(v, lost, sizeof lost);
	snprintf(next, sizeof next, "systemctl start synodd   (on %s)", lost);
	if (all > 0 && here * 2 <= all) {
		health_add(
			h, HEALTH_CRITICAL, next,
			"quorum lost: %zu of %zu voters are reached, %zu are "
			"needed; missing: %s",
			here, all, all / 2 + 1, lost);
		return;
	}
	if (!v->leader)
		health_add(
			h, HEALTH_CRITICAL,
			"synodctl status --watch   (an election takes less "
			"than a "
			"second)",
			"no leader: nothing is accepted until one is elected");
	if (here < all && (here - 1) * 2 <= all)
		health_add(
			h, HEALTH_WARN, next,
			"one more lost voter stops the cluster: %zu of %zu are "
			"reached",
			here, all);
}

static void judge_reach(struct health *h, const struct view_node *n)
{
	const Synod__Admin__NodeStatus *s = n->status;
	char next[HEALTH_TEXT_MAX];
	if (!view_is_reachable(n)) {
		snprintf(next, sizeof next,
			 "systemctl status synodd   (on %.100s, %.150s)",
			 s->name, s->address);
		health_add(h, HEALTH_WARN, next,
			   "%s is not reached by its peers", s->name);
	}
	if (strcmp(n->state, "rebuilding") == 0)
		health_add(h, HEALTH_WARN, "synodctl status --watch",
			   "%s is being rebuilt from its peers and does not "
			   "vote yet",
			   s->name);
	if (strcmp(n->state, "starting") == 0)
		health_add(h, HEALTH_WARN, "synodctl status --watch",
			   "%s is starting and waits for its peers", s->name);
	if (n->has_behind && n->behind > BEHIND_WARN && view_is_reachable(n))
		health_add(h, HEALTH_WARN, "synodctl status --watch",
			   "%s is %" PRIu64 " entries behind the leader",
			   s->name, n->behind);
}

static void judge_log(struct health *h, const Synod__Admin__NodeStatus *s)
{
	if (s->log_limit_bytes == 0)
		return;
	uint64_t percent = (uint64_t)((double)s->log_bytes * 100 /
				      (double)s->log_limit_bytes);
	const char *next = "raise limits.log in the node file and restart the "
			   "node";
	if (percent >= LIMIT_LOG_FULL_PERCENT)
		health_add(h, HEALTH_CRITICAL, next,
			   "the log of %s is %" PRIu64
			   " %% full: changes are refused",
			   s->name, percent);
	else if (percent >= LOG_WARN_PERCENT)
		health_add(h, HEALTH_WARN, next,
			   "the log of %s is %" PRIu64 " %% full", s->name,
			   percent);
}

static void judge_speed(struct health *h, const Synod__Admin__NodeStatus *s)
{
	char text[OUTPUT_TEXT_MAX];
	if (s->uptime_us < UPTIME_SETTLED_US)
		return;
	if (s->fsync_p99_us > FSYNC_WARN_US) {
		output_put_duration(s->fsync_p99_us, text);
		health_add(h, HEALTH_WARN,
			   "iostat -x 1   (is something else using that disk?)",
			   "the disk of %s is slow: fsync p99 %s", s->name,
			   text);
	}
	if (s->loop_lag_p99_us > LOOP_WARN_US) {
		output_put_duration(s->loop_lag_p99_us, text);
		health_add(h, HEALTH_WARN,
			   "top   (is something else using that processor?)",
			   "%s gets too little processor time: loop p99 %s",
			   s->name, text);
	}
	uint64_t lag = s->commit_index > s->applied_index
			       ? s->commit_index - s->applied_index
			       : 0;
	if (lag > LIMIT_APPLY_LAG_RECORDS / 2)
		health_add(h, HEALTH_WARN, "synodctl node list -o wide --watch",
			   "%s applies slowly: %" PRIu64 " entries wait",
			   s->name, lag);
}

/* Two nodes that applied the same entries must have the same chain. */
static void judge_digests(struct health *h, const struct view *v)
{
	for (size_t i = 0; i < v->n_nodes; i++) {
		const Synod__Admin__NodeStatus *a = v->nodes[i].status;
		for (size_t j = 0; v->nodes[i].is_own && j < i; j++) {
			const Synod__Admin__NodeStatus *b = v->nodes[j].status;
			if (!v->nodes[j].is_own || a->digest_index == 0 ||
			    a->digest_index != b->digest_index ||
			    a->digest == b->digest)
				continue;
			health_add(
				h, HEALTH_CRITICAL,
				"stop writing, keep both data directories, and "
				"report it",
				"%s and %s differ at index %" PRIu64
				": this must never happen",
				b->name, a->name, a->digest_index);
		}
	}
}

void health_judge(struct health *h, const struct view *v)
{
	*h = (struct health){0};
	health_about(h, "cluster");
	if (v->is_mixed)
		health_add(h, HEALTH_CRITICAL, "synodctl status --endpoint URL",
			   "the endpoints belong to more than one cluster; "
			   "only '%s' "
			   "is shown",
			   v->cluster);
	judge_leader(h, v);
	health_about(h, "digests");
	judge_digests(h, v);
	for (size_t i = 0; i < v->n_nodes; i++) {
		health_about(h, "node %s", v->nodes[i].status->name);
		judge_reach(h, &v->nodes[i]);
		if (!v->nodes[i].is_own)
			continue;
		judge_log(h, v->nodes[i].status);
		judge_speed(h, v->nodes[i].status);
	}
}

void health_silent_endpoint(struct health *h, const char *reason,
			    const char *next)
{
	health_about(h, "endpoint");
	health_add(h, HEALTH_WARN, next, "%.300s", reason);
}
