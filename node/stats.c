#include "node/stats.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "node/node.h"

uint64_t stats_rss_bytes(void)
{
	char text[4096];
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	ssize_t got = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (got <= 0)
		return 0;
	text[got] = '\0';
	const char *line = strstr(text, "\nRssAnon:");
	if (!line)
		return 0;
	return strtoull(line + strlen("\nRssAnon:"), NULL, 10) * 1024;
}

static uint64_t time_us(const struct timeval *t)
{
	return (uint64_t)t->tv_sec * 1000000 + (uint64_t)t->tv_usec;
}

uint64_t stats_cpu_us(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage))
		return 0;
	return time_us(&usage.ru_utime) + time_us(&usage.ru_stime);
}

/* One row a metric; the pointer in struct stats that it fills. */
struct row {
	size_t offset;
	enum metric_kind kind;
	const char *name, *help, *label;
};

#define ROW(field, kind, name, help, label)                               \
	{                                                                 \
		offsetof(struct stats, field), kind, "synod_" name, help, \
			label                                             \
	}

static const struct row rows[] = {
	ROW(is_leader, METRIC_GAUGE, "raft_is_leader", "1 if this node leads.",
	    NULL),
	ROW(has_leader, METRIC_GAUGE, "raft_has_leader",
	    "1 if this node knows a leader.", NULL),
	ROW(term, METRIC_GAUGE, "raft_term", "Current term.", NULL),
	ROW(leader_changes, METRIC_COUNTER, "raft_leader_changes_total",
	    "Leaders seen since the start.", NULL),
	ROW(elections, METRIC_COUNTER, "raft_elections_won_total",
	    "Elections this node won since the start.", NULL),
	ROW(commit_index, METRIC_GAUGE, "raft_commit_index",
	    "Newest committed entry.", NULL),
	ROW(applied_index, METRIC_GAUGE, "raft_applied_index",
	    "Newest entry durable in the state.", NULL),
	ROW(last_index, METRIC_GAUGE, "raft_last_index",
	    "Newest entry of the log.", NULL),
	ROW(pending, METRIC_GAUGE, "raft_proposals_pending",
	    "Proposals without a fate.", NULL),
	ROW(pending_bytes, METRIC_GAUGE, "raft_proposals_pending_bytes",
	    "Bytes of proposals without a fate.", NULL),
	ROW(cache_bytes, METRIC_GAUGE, "raft_cache_bytes",
	    "Log tail that is kept in memory.", NULL),
	ROW(recreated, METRIC_COUNTER, "raft_recreated_total",
	    "Times the Raft instance was made anew from disk.", NULL),
	ROW(fed_entries, METRIC_COUNTER, "raft_fed_entries_total",
	    "Entries that followers got from disk.", NULL),
	ROW(installs, METRIC_COUNTER, "raft_image_installs_total",
	    "State images installed here.", NULL),
	ROW(fate_committed, METRIC_COUNTER, "raft_proposals_total",
	    "Proposals made here, by fate.", "result=\"committed\""),
	ROW(fate_refused, METRIC_COUNTER, "raft_proposals_total",
	    "Proposals made here, by fate.", "result=\"refused\""),
	ROW(fate_unknown, METRIC_COUNTER, "raft_proposals_total",
	    "Proposals made here, by fate.", "result=\"unknown\""),
	ROW(log_bytes, METRIC_GAUGE, "store_log_bytes",
	    "Bytes of the log's quota in use.", NULL),
	ROW(log_limit_bytes, METRIC_GAUGE, "store_log_limit_bytes",
	    "Quota of the log.", NULL),
	ROW(first_index, METRIC_GAUGE, "store_log_first_index",
	    "Oldest entry on disk.", NULL),
	ROW(frames_sent, METRIC_COUNTER, "wire_frames_sent_total",
	    "Frames sent to peers.", NULL),
	ROW(bytes_sent, METRIC_COUNTER, "wire_sent_bytes_total",
	    "Bytes sent to peers.", NULL),
	ROW(frames_dropped, METRIC_COUNTER, "wire_frames_dropped_total",
	    "Frames that found no connection or a full queue.", NULL),
	ROW(frames_received, METRIC_COUNTER, "wire_frames_received_total",
	    "Frames taken from peers.", NULL),
	ROW(bytes_received, METRIC_COUNTER, "wire_received_bytes_total",
	    "Bytes taken from peers.", NULL),
	ROW(frames_bad, METRIC_COUNTER, "wire_frames_bad_total",
	    "Frames refused for their form.", NULL),
	ROW(hellos_refused, METRIC_COUNTER, "wire_hellos_refused_total",
	    "Connections refused for who opened them.", NULL),
	ROW(peers_connected, METRIC_GAUGE, "wire_peers_connected",
	    "Peers that can be sent to.", NULL),
	ROW(requests, METRIC_COUNTER, "admin_requests_total",
	    "Requests taken at the door.", NULL),
	ROW(conflicts, METRIC_COUNTER, "conflicts_total",
	    "Conflicts that the cluster has seen.", NULL),
	ROW(conflicts_open, METRIC_GAUGE, "conflicts_open",
	    "Conflicts that wait for a person.", NULL),
	ROW(letters, METRIC_GAUGE, "dlq_events",
	    "Changes that a target refused and that wait.", NULL),
	ROW(revision, METRIC_GAUGE, "config_revision",
	    "Revision of the definition in force.", NULL),
	ROW(decided_index, METRIC_GAUGE, "decided_index",
	    "Newest entry that is decided here.", NULL),
	ROW(rss_bytes, METRIC_GAUGE, "process_rss_anon_bytes",
	    "Resident memory that no file backs.", NULL),
	ROW(cpu_us, METRIC_COUNTER, "process_cpu_us_total",
	    "User and system time of the process.", NULL),
};

static void add_row(struct stats *s, const struct row *row)
{
	struct metric *m = row->kind == METRIC_COUNTER
				   ? metrics_counter(&s->registry, row->name,
						     row->help, row->label)
				   : metrics_gauge(&s->registry, row->name,
						   row->help, row->label);
	struct metric **field = (struct metric **)((char *)s + row->offset);

	*field = m;
}

static struct histogram *add_histogram(struct stats *s, const char *name,
				       const char *help)
{
	return metrics_histogram(&s->registry, name, help, NULL)->histogram;
}

static struct histogram *add_phase(struct stats *s, const char *label)
{
	return metrics_histogram(
		       &s->registry, "synod_failover_duration_seconds",
		       "Phases of a fail-over: until the loss was known, until "
		       "a leader was elected, until its tasks were assigned, "
		       "until the first change of a task.",
		       label)
		->histogram;
}

static void add_failover(struct stats *s)
{
	s->failover_detect_us = add_phase(s, "phase=\"detect\"");
	s->failover_elect_us = add_phase(s, "phase=\"elect\"");
	s->failover_assign_us = add_phase(s, "phase=\"assign\"");
	s->failover_first_us = add_phase(s, "phase=\"first_change\"");
}

void stats_open(struct node *n)
{
	struct stats *s = &n->stats;

	metrics_init(&s->registry);
	struct metric *build = metrics_gauge(&s->registry, "synod_build_info",
					     "Version of this program.",
					     "version=\"" SYNOD_VERSION "\"");
	metric_set(build, 1);
	struct metric *start =
		metrics_gauge(&s->registry, "synod_start_time_seconds",
			      "When the process started, since 1970.", NULL);
	metric_set(start, n->started_wall_us / 1000000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		add_row(s, &rows[i]);
	s->loop_lag_us = add_histogram(s, "synod_loop_lag_seconds",
				       "How late the loop's timer fired.");
	s->loop_turn_us = add_histogram(s, "synod_loop_turn_seconds",
					"Duration of one turn of the loop.");
	add_failover(s);
	s->fsync_us = add_histogram(s, "synod_raft_fsync_duration_seconds",
				    "Duration of a group commit of the log.");
}

void stats_close(struct stats *s)
{
	metrics_clear(&s->registry);
}

void stats_fate(struct stats *s, int code)
{
	if (!code)
		metric_add(s->fate_committed, 1);
	else if (code == ERR_UNKNOWN_FATE)
		metric_add(s->fate_unknown, 1);
	else
		metric_add(s->fate_refused, 1);
}

static void refresh_raft(struct node *n)
{
	struct stats *s = &n->stats;
	const struct replica_view *v = &n->view;

	metric_set(s->is_leader, v->state == REPLICA_LEADER);
	metric_set(s->has_leader, v->leader_id != 0);
	metric_set(s->term, (int64_t)v->term);
	metric_set(s->elections, (int64_t)v->n_elections);
	metric_set(s->commit_index, (int64_t)v->commit_index);
	metric_set(s->applied_index, (int64_t)v->applied_index);
	metric_set(s->last_index, (int64_t)v->last_index);
	metric_set(s->pending, (int64_t)v->proposals);
	metric_set(s->pending_bytes, (int64_t)v->proposal_bytes);
	metric_set(s->cache_bytes, (int64_t)v->cache_bytes);
	metric_set(s->recreated, (int64_t)v->n_recreated);
	metric_set(s->fed_entries, (int64_t)v->n_fed_entries);
	metric_set(s->installs, (int64_t)v->n_installs);
}

static void refresh_wire(struct node *n)
{
	struct stats *s = &n->stats;
	struct wire_stats w = {0};
	int64_t connected = 0;

	wire_stats(n->wire, &w);
	metric_set(s->frames_sent, (int64_t)w.frames_sent);
	metric_set(s->bytes_sent, (int64_t)w.bytes_sent);
	metric_set(s->frames_dropped, (int64_t)w.frames_dropped);
	metric_set(s->frames_received, (int64_t)w.frames_received);
	metric_set(s->bytes_received, (int64_t)w.bytes_received);
	metric_set(s->frames_bad, (int64_t)w.frames_bad);
	metric_set(s->hellos_refused, (int64_t)w.hellos_refused);
	for (size_t i = 0; i < n->members.n; i++)
		connected +=
			i != n->members.self && n->members.list[i].is_connected;
	metric_set(s->peers_connected, connected);
}

void stats_refresh(struct node *n)
{
	struct stats *s = &n->stats;
	struct log_bounds bounds;

	refresh_raft(n);
	refresh_wire(n);
	stats_refresh_tasks(n);
	log_bounds(n->log, &bounds);
	metric_set(s->log_bytes, (int64_t)bounds.bytes_used);
	metric_set(s->log_limit_bytes, (int64_t)bounds.bytes_max);
	metric_set(s->first_index, (int64_t)bounds.first_index);
	metric_set(s->rss_bytes, (int64_t)stats_rss_bytes());
	metric_set(s->cpu_us, (int64_t)stats_cpu_us());
}
