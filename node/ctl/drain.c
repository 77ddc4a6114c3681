/* synodctl node drain and undrain: a node without tasks can be stopped without
 * anybody noticing. */
#include <stdio.h>
#include <string.h>

#include "node/ctl/act.h"
#include "node/ctl/ask.h"
#include "node/ctl/command.h"
#include "node/ctl/moves.h"

/* -- drain ----------------------------------------------------------------- */

/* "a/capture, stock/b/apply" or so many of them. */
static void name_tasks(const struct moves *m, char *buf, size_t cap)
{
	size_t used = 0;
	buf[0] = '\0';
	for (size_t i = 0; i < m->n; i++) {
		int n = snprintf(buf + used, cap - used, "%s%s",
				 i > 0 ? ", " : "", m->list[i].name);
		if (n < 0 || (size_t)n >= cap - used) {
			snprintf(buf, cap, "synodctl node list");
			return;
		}
		used += (size_t)n;
	}
}

static int confirm(struct ctl *c, const struct moves *m, const char *node)
{
	char tasks[160];
	char effect[320];
	name_tasks(m, tasks, sizeof tasks);
	if (m->n == 0)
		snprintf(effect, sizeof effect,
			 "%.64s owns no task and will get none.", node);
	else
		snprintf(effect, sizeof effect,
			 "%.64s owns %zu task%s (%s). They move to other "
			 "nodes, each pauses for a moment; nothing is lost.",
			 node, m->n, m->n == 1 ? "" : "s", tasks);
	return ctl_confirm(c, effect);
}

static int ask_drain(struct ctl *c, const char *node, bool is_drained,
		     struct link_answer *answer)
{
	Synod__Admin__DrainRequest body;
	Synod__Admin__Request request;
	synod__admin__drain_request__init(&body);
	synod__admin__request__init(&request);
	body.node = ctl_text(node);
	body.is_drained = is_drained;
	request.body_case = SYNOD__ADMIN__REQUEST__BODY_DRAIN;
	request.drain = &body;
	return act_ask(c, &request, answer);
}

/* Tasks are one thing, the leadership is another one. */
static void note_leader(struct ctl *c, const char *node)
{
	struct ask a;
	if (ask_status(c, &a) == 0 && a.view.leader &&
	    strcmp(a.view.leader->status->name, node) == 0)
		ctl_note(c,
			 "%s still leads; a stop hands that over, or type: "
			 "synodctl node transfer-leader",
			 node);
	/* A remark that cannot be made is no failure. */
	c->failure = (struct ctl_failure){0};
	ask_clear(&a);
}

static int drain(struct ctl *c, struct moves *m, const char *node)
{
	struct link_answer answer;
	int64_t begin_us = ctl_now_us(c);
	char took[OUTPUT_TEXT_MAX];
	int rc = ask_drain(c, node, true, &answer);
	if (rc == 0) {
		moves_output(c, m);
		output_summary(&c->output, "node", json_string(node));
		output_summary(
			&c->output, "index",
			json_integer((json_int_t)answer.response->done->index));
		output_summary(&c->output, "tasks",
			       json_integer((json_int_t)m->n));
	}
	link_answer_clear(&answer);
	if (rc)
		return rc;
	if (!m->has_stop) {
		moves_put_planned(c, m);
		ctl_note(c,
			 "%s gives its tasks away. Look: synodctl node "
			 "list. Undo: synodctl node undrain %s",
			 node, node);
		return 0;
	}
	rc = moves_wait(c, m);
	if (rc)
		return rc;
	output_put_duration((uint64_t)(ctl_now_us(c) - begin_us), took);
	ctl_note(c, "%s is drained after %s. Undo: synodctl node undrain %s",
		 node, took, node);
	note_leader(c, node);
	return 0;
}

static int run_drain(struct ctl *c)
{
	struct moves m;
	struct overview o = {0};
	if (c->n_args == 0)
		return ctl_usage(c, "which node?");
	const char *node = c->args[0];
	int rc = moves_begin(c, &m);
	if (rc == 0)
		rc = overview_ask(c, NULL, &o);
	if (rc == 0) {
		moves_take_node(&m, &o, node);
		rc = confirm(c, &m, node);
	}
	if (rc == 0)
		rc = drain(c, &m, node);
	overview_clear(&o);
	moves_end(&m);
	return rc;
}

static const struct ctl_flag drain_flags[] = {
	{.name = "wait",
	 .kind = FLAG_DURATION,
	 .value = "TIME",
	 .preset = "60s",
	 .doc = "until it owns no task, at most TIME (default 60s); exit 7 "
		"when that ran out",
	 .offset = offsetof(struct ctl_options, wait_ms)},
	{0},
};

static const char *const drain_examples[] = {
	"synodctl node drain n1 --wait",
	"synodctl node drain n1 --yes",
	NULL,
};

const struct ctl_command command_node_drain = {
	.noun = "node",
	.verb = "drain",
	.args = "NAME",
	.summary = "move a node's tasks away, and give it none",
	.detail = "It stays a member, votes and stores the log. Before a "
		  "restart or an upgrade; it lasts until undrain.",
	.flags = drain_flags,
	.examples = drain_examples,
	.risk = RISK_DISRUPTIVE,
	.args_max = 1,
	.run = run_drain,
};

/* -- undrain --------------------------------------------------------------- */

static int run_undrain(struct ctl *c)
{
	Synod__Admin__DrainRequest body;
	Synod__Admin__Request request;
	if (c->n_args == 0)
		return ctl_usage(c, "which node?");
	synod__admin__drain_request__init(&body);
	synod__admin__request__init(&request);
	body.node = c->args[0];
	request.body_case = SYNOD__ADMIN__REQUEST__BODY_DRAIN;
	request.drain = &body;
	return act_run(c, &request, c->args[0], "undrained");
}

static const char *const undrain_examples[] = {
	"synodctl node undrain n1",
	NULL,
};

const struct ctl_command command_node_undrain = {
	.noun = "node",
	.verb = "undrain",
	.args = "NAME",
	.summary = "let a node have tasks again",
	.detail = "Nothing moves at once: it gets what is new, and what others "
		  "give up.",
	.examples = undrain_examples,
	.risk = RISK_SAFE,
	.args_max = 1,
	.run = run_undrain,
};
