/* Stats: the metrics of the node and the figures of its process. Updated once
 * in a while from what the rooms count themselves; histograms are fed where
 * things happen. Loop thread, except the histograms. */
#ifndef NODE_STATS_H
#define NODE_STATS_H

#include "base/metrics.h"

struct node;
struct runner_task;

struct stats {
	struct metrics registry;
	struct histogram *failover_detect_us, *failover_elect_us;
	struct histogram *failover_assign_us, *failover_first_us;
	struct histogram *loop_lag_us, *loop_turn_us, *fsync_us;
	struct metric *is_leader, *has_leader, *term, *leader_changes;
	struct metric *commit_index, *applied_index, *last_index, *elections;
	struct metric *pending, *pending_bytes, *cache_bytes;
	struct metric *recreated, *fed_entries, *installs;
	struct metric *fate_committed, *fate_refused, *fate_unknown;
	struct metric *log_bytes, *log_limit_bytes, *first_index;
	struct metric *frames_sent, *bytes_sent, *frames_dropped;
	struct metric *frames_received, *bytes_received, *frames_bad;
	struct metric *hellos_refused, *peers_connected;
	struct metric *requests, *rss_bytes, *cpu_us;
	struct metric *conflicts, *conflicts_open, *letters, *revision;
	struct metric *decided_index;
};

void stats_open(struct node *n);
void stats_close(struct stats *s);
/* -- stats_task.c ---------------------------------------------------------- */
/* Fill in what a task counts into, before it runs. */
void stats_task(struct node *n, struct runner_task *t);
/* A task was given to a node, for this reason (a literal). */
void stats_assigned(struct stats *s, const char *reason);
/* Which tasks run here. */
void stats_refresh_tasks(struct node *n);

/* A proposal ended. */
void stats_fate(struct stats *s, int code);
/* Read everything that others count. */
void stats_refresh(struct node *n);

/* Memory of this process that no file backs (RssAnon of /proc/self/status):
 * LMDB's mapped pages belong to the page cache and can be dropped at any time.
 */
uint64_t stats_rss_bytes(void);
/* User and system time of this process. */
uint64_t stats_cpu_us(void);

#endif
