/* synodctl sync list, show and lag: what is kept in step, and how well. */
#include <stdlib.h>
#include <string.h>

#include "node/ctl/command.h"
#include "node/ctl/overview.h"
#include "node/ctl/watch.h"
#include "node/ctl/work.h"

static const struct ctl_flag watch_flags[] = {
	{.name = "watch",
	 .letter = 'w',
	 .kind = FLAG_DURATION,
	 .value = "TIME",
	 .preset = "1s",
	 .doc = "again every TIME (default 1s) until Ctrl-C",
	 .offset = offsetof(struct ctl_options, watch_ms)},
	{0},
};

/* -- list ------------------------------------------------------------------ */

static int draw_list(struct ctl *c)
{
	struct overview o;
	int rc = overview_ask_everyone(c, NULL, &o);
	if (rc == 0) {
		output_begin(&c->output, work_sync_columns,
			     work_n_sync_columns);
		for (size_t i = 0; i < o.all->n_syncs; i++)
			work_sync_row(&c->output, o.all->syncs[i]);
		output_flush(&c->output);
		if (o.all->n_syncs == 0)
			ctl_note(c, "there are none; describe them in a file "
				    "and apply it: synodctl help config "
				    "apply");
	}
	overview_clear(&o);
	return rc;
}

static int run_list(struct ctl *c)
{
	return watch_run(c, draw_list);
}

static const char *const list_examples[] = {
	"synodctl sync list",
	"synodctl sync list -o wide --watch",
	NULL,
};

const struct ctl_command command_sync_list = {
	.noun = "sync",
	.verb = "list",
	.args = "",
	.summary = "what is kept in step, and how well",
	.detail = "LAG is the time from the commit in the source to the "
		  "commit in the target. OPEN are conflicts that wait for a "
		  "person, DLQ changes that a target refused. CHANGES/S and "
		  "the newest LAG are known to the node that does the work: "
		  "name all endpoints to see them.",
	.flags = watch_flags,
	.examples = list_examples,
	.risk = RISK_READ,
	.run = run_list,
};

/* -- show ------------------------------------------------------------------ */

static void put_loading(FILE *out, const Synod__Admin__SyncInfo *s)
{
	for (size_t i = 0; i < s->n_tasks; i++) {
		const Synod__Admin__TaskInfo *t = s->tasks[i];
		if (t->n_to_load <= t->n_loaded)
			continue;
		fprintf(out, "loading  %s: about %llu of %llu rows\n", t->name,
			(unsigned long long)t->n_loaded,
			(unsigned long long)t->n_to_load);
	}
}

static void put_head(FILE *out, const Synod__Admin__SyncInfo *s)
{
	fprintf(out, "sync     %s   %s   %s\n", s->name, s->sides, s->state);
	if (s->is_two_way)
		fprintf(out,
			"policy   %s   %llu conflict%s, %llu open   %llu dead "
			"letter%s\n",
			s->policy, (unsigned long long)s->conflicts,
			s->conflicts == 1 ? "" : "s",
			(unsigned long long)s->conflicts_open,
			(unsigned long long)s->letters,
			s->letters == 1 ? "" : "s");
	else
		fprintf(out, "letters  %llu\n", (unsigned long long)s->letters);
	put_loading(out, s);
	if (s->problem[0])
		fprintf(out, "problem  %s\n", s->problem);
	if (s->hint[0])
		fprintf(out, "next     %s\n", s->hint);
	fputc('\n', out);
}

static void put_tables(struct output *o, const Synod__Admin__SyncInfo *s)
{
	output_aside_begin(o, "tables", work_table_columns,
			   work_n_table_columns);
	for (size_t i = 0; i < s->n_tables; i++)
		work_table_row(o, s->tables[i]);
	output_aside_end(o);
}

static void show(struct output *o, const Synod__Admin__SyncInfo *s)
{
	output_begin(o, work_task_columns, work_n_task_columns);
	if (output_is_table(o))
		put_head(o->file, s);
	output_aside_begin(o, "sync", work_sync_columns, work_n_sync_columns);
	if (!output_is_table(o))
		work_sync_row(o, s);
	output_aside_end(o);
	for (size_t i = 0; i < s->n_tasks; i++)
		work_task_row(o, s->tasks[i]);
	output_flush(o);
	if (output_is_table(o))
		fputc('\n', o->file);
	put_tables(o, s);
}

static int draw_show(struct ctl *c)
{
	struct overview o;
	int rc = overview_ask_everyone(c, NULL, &o);
	if (rc == 0) {
		const Synod__Admin__SyncInfo *s = overview_sync(&o, c->args[0]);
		if (s)
			show(&c->output, s);
		else
			rc = overview_no_sync(c, &o, c->args[0]);
	}
	overview_clear(&o);
	return rc;
}

static int run_show(struct ctl *c)
{
	if (c->n_args == 0)
		return ctl_usage(c, "which sync?");
	/* Its tables are no rows: jsonl must carry them too. */
	c->output.has_whole_lines = true;
	return watch_run(c, draw_show);
}

static const char *const show_examples[] = {
	"synodctl sync show stock",
	"synodctl sync show stock -o tsv --no-headers",
	NULL,
};

const struct ctl_command command_sync_show = {
	.noun = "sync",
	.verb = "show",
	.args = "NAME",
	.summary = "its tasks, who owns them, its tables and fields",
	.detail = "A capture task reads a connection, an apply task writes "
		  "one. EPOCH is the entry that gave it to its node, BEHIND "
		  "how many entries of the log it has not looked at yet. In "
		  "tsv: a line a task.",
	.flags = watch_flags,
	.examples = show_examples,
	.risk = RISK_READ,
	.args_max = 1,
	.run = run_show,
};

/* -- lag ------------------------------------------------------------------- */

static const struct column lag_columns[] = {
	{"name", "TASK", COLUMN_TEXT, 0},
	{"sync", "SYNC", COLUMN_TEXT, 0},
	{"connection", "INTO", COLUMN_TEXT, 0},
	{"state", "STATE", COLUMN_TEXT, COLUMN_IS_STATE},
	{"behind", "BEHIND", COLUMN_NUMBER, 0},
	{"lag_p50_s", "LAG-P50", COLUMN_SECONDS, 0},
	{"lag_p99_s", "P99", COLUMN_SECONDS, 0},
	{"changes_per_s", "CHANGES/S", COLUMN_RATE, 0},
};

static void put_lag(struct output *o, const Synod__Admin__TaskInfo *t)
{
	struct cell cells[] = {
		cell_text(t->name),       cell_text(t->sync),
		cell_text(t->connection), cell_text(t->state),
		cell_number(t->behind),   cell_some(t->lag_p50_us),
		cell_some(t->lag_p99_us), cell_rate(t->per_second),
	};
	output_row(o, cells);
}

static int draw_lag(struct ctl *c)
{
	struct overview o;
	const char *only = c->n_args > 0 ? c->args[0] : NULL;
	int rc = overview_ask_everyone(c, NULL, &o);
	if (rc == 0 && only && !overview_sync(&o, only))
		rc = overview_no_sync(c, &o, only);
	if (rc == 0) {
		output_begin(&c->output, lag_columns,
			     sizeof(lag_columns) / sizeof(lag_columns[0]));
		for (size_t i = 0; i < o.all->n_tasks; i++) {
			const Synod__Admin__TaskInfo *t = o.all->tasks[i];
			if (strcmp(t->kind, "apply") == 0 &&
			    (!only || strcmp(t->sync, only) == 0))
				put_lag(&c->output, t);
		}
		output_flush(&c->output);
	}
	overview_clear(&o);
	return rc;
}

static int run_lag(struct ctl *c)
{
	return watch_run(c, draw_lag);
}

static const char *const lag_examples[] = {
	"synodctl sync lag",
	"synodctl sync lag stock --watch",
	NULL,
};

const struct ctl_command command_sync_lag = {
	.noun = "sync",
	.verb = "lag",
	.args = "[NAME]",
	.summary = "how far each target is behind its sources",
	.flags = watch_flags,
	.examples = lag_examples,
	.risk = RISK_READ,
	.args_max = 1,
	.run = run_lag,
};
