/* Metrics of tasks: they come and go with what is declared, so a series is
 * looked up before it is made. */
#include <stdio.h>
#include <string.h>

#include "node/node.h"
#include "node/runner_task.h"

static struct metric *find(const struct stats *s, const char *name,
			   const char *label)
{
	for (struct metric *m = s->registry.head; m; m = m->next) {
		if (strcmp(m->name, name) == 0 && strcmp(m->label, label) == 0)
			return m;
	}
	return NULL;
}

static struct metric *metric_of(struct stats *s, enum metric_kind kind,
				const char *name, const char *help,
				const char *label)
{
	struct metric *m = find(s, name, label);

	if (m)
		return m;
	switch (kind) {
	case METRIC_COUNTER:
		return metrics_counter(&s->registry, name, help, label);
	case METRIC_GAUGE:
		return metrics_gauge(&s->registry, name, help, label);
	default:
		return metrics_histogram(&s->registry, name, help, label);
	}
}

/* `sync="stock",side="paris"`: a capture serves all syncs of its side. */
static void label_of(const struct runner_task *t, char *buf, size_t cap)
{
	const struct catalog *c = t->spec.catalog;
	const Synod__Definition__Sync *sync = catalog_sync(c, task_sync(t->id));
	const char *side = t->spec.target.connection->name;

	if (sync)
		snprintf(buf, cap, "sync=\"%s\",side=\"%s\"", sync->name, side);
	else
		snprintf(buf, cap, "side=\"%s\"", side);
}

static void add_capture(struct stats *s, struct runner_task *t,
			const char *label)
{
	struct runner_meters *m = &t->meters;

	m->changes =
		metric_of(s, METRIC_COUNTER, "synod_capture_events_total",
			  "Changes that the log took from this side.", label);
	m->bytes = metric_of(s, METRIC_COUNTER, "synod_capture_bytes_total",
			     "Bytes of changes taken from this side.", label);
	m->retries =
		metric_of(s, METRIC_COUNTER, "synod_capture_retries_total",
			  "Times the capture of this side began anew.", label);
	m->lag_us =
		metric_of(s, METRIC_HISTOGRAM, "synod_capture_lag_seconds",
			  "From the commit at the source to the log.", label)
			->histogram;
}

static void add_apply(struct stats *s, struct runner_task *t, const char *label)
{
	struct runner_meters *m = &t->meters;

	m->changes = metric_of(s, METRIC_COUNTER, "synod_apply_events_total",
			       "Rows written to this side.", label);
	m->bytes = metric_of(s, METRIC_COUNTER, "synod_apply_bytes_total",
			     "Bytes of rows written to this side.", label);
	m->retries = metric_of(s, METRIC_COUNTER, "synod_apply_retries_total",
			       "Times writing to this side began anew.", label);
	m->letters = metric_of(s, METRIC_COUNTER, "synod_dlq_total",
			       "Changes that this side refused.", label);
	m->lag_us = metric_of(s, METRIC_HISTOGRAM, "synod_lag_seconds",
			      "From the commit at the source to the commit on "
			      "this side; by the clocks of both.",
			      label)
			    ->histogram;
	m->took_us =
		metric_of(s, METRIC_HISTOGRAM, "synod_apply_duration_seconds",
			  "Duration of a transaction on this side.", label)
			->histogram;
	m->replicated_us = metric_of(
		s, METRIC_GAUGE, "synod_replicated_time_seconds",
		"Commit time of the newest change that this side has.", label);
}

void stats_task(struct node *n, struct runner_task *t)
{
	char label[sizeof(((struct metric *)0)->label)];

	label_of(t, label, sizeof(label));
	if (task_kind(t->id) == TASK_CAPTURE)
		add_capture(&n->stats, t, label);
	else
		add_apply(&n->stats, t, label);
}

void stats_assigned(struct stats *s, const char *reason)
{
	char label[sizeof(((struct metric *)0)->label)];

	snprintf(label, sizeof(label), "reason=\"%s\"", reason);
	metric_add(metric_of(s, METRIC_COUNTER, "synod_task_assignments_total",
			     "Tasks that this leader gave to a node.", label),
		   1);
}

static void read_figures(const struct kv *kv, void *ctx)
{
	ledger_figures(kv, ctx);
}

static struct metric *owned(struct stats *s, const char *task)
{
	char label[sizeof(((struct metric *)0)->label)];

	snprintf(label, sizeof(label), "task=\"%.80s\"", task);
	return metric_of(s, METRIC_GAUGE, "synod_task_owned",
			 "1 if the task runs on this node.", label);
}

static void refresh_capture(struct stats *s, struct runner_task *t)
{
	struct capture_figures f;
	char label[sizeof(((struct metric *)0)->label)];

	pthread_mutex_lock(&t->lock);
	f = t->figures;
	pthread_mutex_unlock(&t->lock);
	label_of(t, label, sizeof(label));
	metric_set(metric_of(s, METRIC_GAUGE, "synod_capture_connected",
			     "1 if the capture has its connection.", label),
		   f.is_connected);
	metric_set(metric_of(s, METRIC_GAUGE,
			     "synod_capture_source_retained_bytes",
			     "What the source keeps until we have it.", label),
		   (int64_t)f.retained_bytes);
}

void stats_refresh_tasks(struct node *n)
{
	struct stats *s = &n->stats;
	struct ledger_figures f = {0};

	state_read(n->state, read_figures, &f);
	metric_set(s->conflicts, (int64_t)f.n_conflicts);
	metric_set(s->conflicts_open, (int64_t)f.n_conflicts_open);
	metric_set(s->letters, (int64_t)f.n_letters);
	metric_set(s->revision, catalog_revision(node_catalog(n)));
	metric_set(s->decided_index,
		   (int64_t)atomic_load(&n->machine.decided.index));
	/* What ran here once and does not any more is a 0, not a gap. */
	for (struct metric *m = s->registry.head; m; m = m->next) {
		if (strcmp(m->name, "synod_task_owned") == 0)
			metric_set(m, 0);
	}
	for (struct runner_task *t = n->runner.list; t; t = t->next) {
		if (t->is.state != GOAL_RUNNING)
			continue;
		metric_set(owned(s, t->name), 1);
		if (task_kind(t->id) == TASK_CAPTURE)
			refresh_capture(s, t);
	}
}
