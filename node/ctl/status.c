/* synodctl status: one screen that says what is wrong and what to type next. */
#include <inttypes.h>
#include <stdio.h>

#include "node/ctl/ask.h"
#include "node/ctl/command.h"
#include "node/ctl/health.h"
#include "node/ctl/watch.h"

static const char *color_of(const struct output *o, enum health_level level)
{
	static const char *const colors[] = {"\x1b[32m", "\x1b[33m",
					     "\x1b[31m"};
	return o->has_color ? colors[level] : "";
}

static void put_head(const struct output *o, const struct view *v,
		     const struct health *h)
{
	FILE *out = o->file;
	fprintf(out, "cluster  %s   %zu node%s   ",
		v->cluster[0] ? v->cluster : "-", v->n_nodes,
		v->n_nodes == 1 ? "" : "s");
	if (v->leader)
		fprintf(out, "leader %s (term %" PRIu64 ")\n",
			v->leader->status->name, v->term);
	else
		fprintf(out, "no leader (term %" PRIu64 ")\n", v->term);
	fprintf(out, "health   %s%s%s", color_of(o, h->level),
		health_name(h->level), o->has_color ? "\x1b[0m" : "");
	if (h->n_problems > 0)
		fprintf(out, "   %zu problem%s", h->n_problems,
			h->n_problems == 1 ? "" : "s");
	fputs("\n\n", out);
}

static void put_problems(FILE *out, const struct health *h)
{
	for (size_t i = 0; i < h->n_problems; i++)
		fprintf(out, "\nproblem  %s\nnext     %s\n",
			h->problems[i].text, h->problems[i].next);
}

static json_t *json_problems(const struct health *h)
{
	json_t *list = json_array();
	for (size_t i = 0; i < h->n_problems; i++) {
		const struct health_problem *p = &h->problems[i];
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s}", "level",
						health_name(p->level), "text",
						p->text, "next", p->next));
	}
	return list;
}

static void put_summary(struct output *o, const struct view *v,
			const struct health *h)
{
	output_summary(o, "cluster", json_string(v->cluster));
	output_summary(o, "cluster_id",
		       v->cluster_id[0] ? json_string(v->cluster_id)
					: json_null());
	output_summary(o, "leader",
		       v->leader ? json_string(v->leader->status->name)
				 : json_null());
	output_summary(o, "term", json_integer((json_int_t)v->term));
	output_summary(o, "health", json_string(health_name(h->level)));
	output_summary(o, "problems", json_problems(h));
}

static void judge(struct ctl *c, const struct ask *a, struct health *h)
{
	health_judge(h, &a->view);
	for (size_t i = 0; i < a->n_answers; i++)
		if (a->answers[i].e.code)
			health_silent_endpoint(h, a->answers[i].e.text,
					       a->answers[i].hint);
}

static int draw(struct ctl *c)
{
	struct output *o = &c->output;
	struct ask a;
	struct health h;
	int rc = ask_status(c, &a);
	if (rc == 0) {
		judge(c, &a, &h);
		output_begin(o, view_columns, view_n_columns);
		put_summary(o, &a.view, &h);
		if (output_is_table(o))
			put_head(o, &a.view, &h);
		view_rows(&a.view, o);
		output_flush(o);
		if (output_is_table(o))
			put_problems(o->file, &h);
		if (c->options.has_exit_code && h.level != HEALTH_OK)
			rc = EXIT_UNHEALTHY;
	}
	ask_clear(&a);
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
		  "all of them are asked and each tells of itself.",
	.flags = flags,
	.examples = examples,
	.risk = RISK_READ,
	.run = run,
};
