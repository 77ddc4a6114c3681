/* synodctl status: one screen that says what is wrong and what to type next. */
#include <inttypes.h>
#include <stdio.h>

#include "node/ctl/ask.h"
#include "node/ctl/command.h"
#include "node/ctl/health.h"
#include "node/ctl/overview.h"
#include "node/ctl/watch.h"
#include "node/ctl/work.h"

struct screen {
	struct ask ask;
	struct overview overview;
	struct health health;
};

static const char *color_of(const struct output *o, enum health_level level)
{
	static const char *const colors[] = {"\x1b[32m", "\x1b[33m",
					     "\x1b[31m"};
	return o->has_color ? colors[level] : "";
}

/* "3 (alice, 2h ago)" */
static void put_revision(FILE *out, const struct ctl *c,
			 const Synod__Admin__OverviewResponse *all)
{
	char ago[OUTPUT_TEXT_MAX];
	int64_t us = ctl_now_us(c) - all->revision_time_us;
	if (all->revision == 0)
		return;
	output_put_duration(us > 0 ? (uint64_t)us : 0, ago);
	fprintf(out, "   config rev %" PRIu32, all->revision);
	if (all->revision_author[0] && all->revision_time_us > 0)
		fprintf(out, " (%s, %s ago)", all->revision_author, ago);
}

static void put_head(struct ctl *c, const struct screen *s)
{
	const struct view *v = &s->ask.view;
	const struct output *o = &c->output;
	FILE *out = o->file;
	size_t n = health_count(&s->health);
	fprintf(out, "cluster  %s   %zu node%s   ",
		v->cluster[0] ? v->cluster : "-", v->n_nodes,
		v->n_nodes == 1 ? "" : "s");
	if (v->leader)
		fprintf(out, "leader %s (term %" PRIu64 ")",
			v->leader->status->name, v->term);
	else
		fprintf(out, "no leader (term %" PRIu64 ")", v->term);
	if (s->overview.all)
		put_revision(out, c, s->overview.all);
	fprintf(out, "\nhealth   %s%s%s", color_of(o, s->health.level),
		health_name(s->health.level), o->has_color ? "\x1b[0m" : "");
	if (n > 0)
		fprintf(out, "   %zu problem%s", n, n == 1 ? "" : "s");
	fputs("\n\n", out);
}

static void put_problems(FILE *out, const struct health *h)
{
	for (size_t i = 0; i < h->n_problems; i++)
		fprintf(out, "\n%s  %s\nnext     %s\n",
			h->problems[i].level == HEALTH_OK ? "note   "
							  : "problem",
			h->problems[i].text, h->problems[i].next);
	if (h->n_dropped > 0)
		fprintf(out,
			"\nproblem  and %zu more\nnext     synodctl "
			"doctor\n",
			h->n_dropped);
}

static json_t *json_problems(const struct health *h)
{
	json_t *list = json_array();
	for (size_t i = 0; i < h->n_problems; i++) {
		const struct health_problem *p = &h->problems[i];
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s, s:s}", "level",
						health_name(p->level), "about",
						p->subject, "text", p->text,
						"next", p->next));
	}
	return list;
}

static void put_summary(struct output *o, const struct screen *s)
{
	const struct view *v = &s->ask.view;
	const Synod__Admin__OverviewResponse *all = s->overview.all;
	output_summary(o, "cluster", json_string(v->cluster));
	output_summary(o, "cluster_id",
		       v->cluster_id[0] ? json_string(v->cluster_id)
					: json_null());
	output_summary(o, "leader",
		       v->leader ? json_string(v->leader->status->name)
				 : json_null());
	output_summary(o, "term", json_integer((json_int_t)v->term));
	output_summary(o, "health", json_string(health_name(s->health.level)));
	output_summary(o, "problems", json_problems(&s->health));
	output_summary(o, "revision",
		       all ? json_integer(all->revision) : json_null());
	output_summary(o, "revision_author",
		       all && all->revision ? json_string(all->revision_author)
					    : json_null());
}

/* The work in front of the nodes: that is what people come for. */
static void put_work(struct output *o,
		     const Synod__Admin__OverviewResponse *all)
{
	output_aside_begin(o, "syncs", work_sync_columns, work_n_sync_columns);
	for (size_t i = 0; all && i < all->n_syncs; i++)
		work_sync_row(o, all->syncs[i]);
	bool is_gap = o->n_rows > 0 && output_is_table(o);
	output_aside_end(o);
	if (is_gap)
		fputc('\n', o->file);
	output_aside_begin(o, "tasks", work_task_columns, work_n_task_columns);
	for (size_t i = 0; !output_is_table(o) && all && i < all->n_tasks; i++)
		work_task_row(o, all->tasks[i]);
	output_aside_end(o);
}

static void judge(struct ctl *c, struct screen *s)
{
	const struct ask *a = &s->ask;
	const struct link_answer *silent = &s->overview.answers[0];
	health_judge(&s->health, &a->view);
	health_judge_work(&s->health, &s->overview);
	for (size_t i = 0; i < a->n_answers; i++)
		if (a->answers[i].e.code)
			health_silent_endpoint(&s->health, a->answers[i].e.text,
					       a->answers[i].hint);
	/* A node of an earlier version does not know the question. */
	if (!s->overview.all && silent->e.code != ERR_INVALID)
		health_silent_endpoint(&s->health, silent->e.text,
				       silent->hint[0] ? silent->hint
						       : "synodctl sync list");
}

static void show(struct ctl *c, struct screen *s)
{
	struct output *o = &c->output;
	output_begin(o, view_columns, view_n_columns);
	put_summary(o, s);
	if (output_is_table(o))
		put_head(c, s);
	put_work(o, s->overview.all);
	view_rows(&s->ask.view, o);
	output_flush(o);
	if (output_is_table(o))
		put_problems(o->file, &s->health);
}

static int draw(struct ctl *c)
{
	struct screen s = {0};
	int rc = ask_status(c, &s.ask);
	if (rc == 0) {
		overview_try_everyone(c, NULL, &s.overview);
		overview_to_view(&s.overview, &s.ask.view);
		judge(c, &s);
		show(c, &s);
		if (c->options.has_exit_code && s.health.level != HEALTH_OK)
			rc = EXIT_UNHEALTHY;
	}
	overview_clear(&s.overview);
	ask_clear(&s.ask);
	return rc;
}

static int run(struct ctl *c)
{
	/* The health is no row: jsonl must carry it too. */
	c->output.has_whole_lines = true;
	return watch_run(c, draw);
}

static const struct ctl_flag flags[] = {
	{.name = "watch",
	 .letter = 'w',
	 .kind = FLAG_DURATION,
	 .value = "TIME",
	 .preset = "1s",
	 .doc = "again every TIME (default 1s) until Ctrl-C",
	 .offset = offsetof(struct ctl_options, watch_ms)},
	{.name = "exit-code",
	 .kind = FLAG_SWITCH,
	 .doc = "exit with 5 when anything is wrong",
	 .offset = offsetof(struct ctl_options, has_exit_code)},
	{0},
};

static const char *const examples[] = {
	"synodctl status",
	"synodctl status --watch=2s",
	"synodctl status --endpoint ipc:///run/n1.sock,ipc:///run/n2.sock",
	"synodctl status --exit-code -o json",
	NULL,
};

const struct ctl_command command_status = {
	.noun = "status",
	.args = "",
	.summary = "is the cluster well, and if not, what to do",
	.detail = "A node knows little of the others. With several endpoints "
		  "all of them are asked and each tells of itself. OPEN are "
		  "conflicts that wait for a person, DLQ changes that a "
		  "target refused.",
	.flags = flags,
	.examples = examples,
	.risk = RISK_READ,
	.run = run,
};
