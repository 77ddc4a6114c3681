/* synodctl sync pause, resume and move. */
#include <stdio.h>
#include <string.h>

#include "node/ctl/act.h"
#include "node/ctl/command.h"
#include "node/ctl/moves.h"

#define AT(member) offsetof(struct ctl_options, member)

/* -- pause and resume ------------------------------------------------------ */

static int set_pause(struct ctl *c, bool is_paused)
{
	Synod__Admin__PauseRequest body;
	Synod__Admin__Request request;
	char name[2 * LIMIT_ADDRESS_BYTES];
	const char *table = c->options.table;
	synod__admin__pause_request__init(&body);
	synod__admin__request__init(&request);
	body.sync = c->args[0];
	body.table = ctl_text(table);
	body.is_paused = is_paused;
	body.reason = ctl_text(c->options.reason);
	request.body_case = SYNOD__ADMIN__REQUEST__BODY_PAUSE;
	request.pause = &body;
	snprintf(name, sizeof name, "%.64s%s%.255s", c->args[0],
		 table ? "/" : "", table ? table : "");
	return act_run(c, &request, name, is_paused ? "paused" : "resumed");
}

static int run_pause(struct ctl *c)
{
	char effect[512];
	if (c->n_args == 0)
		return ctl_usage(c, "which sync?");
	const char *name = c->args[0];
	if (c->options.table)
		snprintf(effect, sizeof effect,
			 "Changes of table %.80s of %.64s are no longer "
			 "captured; when it is resumed, its rows are loaded "
			 "again.",
			 c->options.table, name);
	else
		snprintf(effect, sizeof effect,
			 "Nothing is written to any side of %.64s; changes are "
			 "captured and wait in the log until it is resumed.",
			 name);
	int rc = ctl_confirm(c, effect);
	return rc ? rc : set_pause(c, true);
}

static int run_resume(struct ctl *c)
{
	if (c->n_args == 0)
		return ctl_usage(c, "which sync?");
	return set_pause(c, false);
}

#define FLAG_TABLE                                                  \
	{                                                           \
		.name = "table", .kind = FLAG_TEXT, .value = "T",   \
		.doc = "only this table of it", .offset = AT(table) \
	}

static const struct ctl_flag pause_flags[] = {
	FLAG_TABLE,
	{.name = "reason",
	 .kind = FLAG_TEXT,
	 .value = "TEXT",
	 .doc = "why, for those who look at it",
	 .offset = AT(reason)},
	{0},
};

static const struct ctl_flag resume_flags[] = {FLAG_TABLE, {0}};

static const char *const pause_examples[] = {
	"synodctl sync pause stock --reason \"Paris is being repaired\"",
	"synodctl sync pause stock --table items --yes",
	NULL,
};

const struct ctl_command command_sync_pause = {
	.noun = "sync",
	.verb = "pause",
	.args = "NAME",
	.summary = "write nothing until it is resumed",
	.detail = "The sources never wait: their changes go into the log, "
		  "which grows meanwhile. A single table that is paused is no "
		  "longer captured either, and loaded again at its resume.",
	.flags = pause_flags,
	.examples = pause_examples,
	.risk = RISK_DISRUPTIVE,
	.args_max = 1,
	.run = run_pause,
};

static const char *const resume_examples[] = {
	"synodctl sync resume stock",
	"synodctl sync resume stock --table items",
	NULL,
};

const struct ctl_command command_sync_resume = {
	.noun = "sync",
	.verb = "resume",
	.args = "NAME",
	.summary = "go on with a sync or table that was paused",
	.flags = resume_flags,
	.examples = resume_examples,
	.risk = RISK_SAFE,
	.args_max = 1,
	.run = run_resume,
};

/* -- move ------------------------------------------------------------------ */

static int ask_move(struct ctl *c, struct link_answer *answer)
{
	Synod__Admin__MoveRequest body;
	Synod__Admin__Request request;
	synod__admin__move_request__init(&body);
	synod__admin__request__init(&request);
	body.task = c->args[0];
	body.node = ctl_text(c->options.to);
	request.body_case = SYNOD__ADMIN__REQUEST__BODY_MOVE;
	request.move = &body;
	return act_ask(c, &request, answer);
}

static int move(struct ctl *c, struct moves *m)
{
	struct link_answer answer;
	int rc = ask_move(c, &answer);
	if (rc == 0) {
		moves_output(c, m);
		output_summary(
			&c->output, "index",
			json_integer((json_int_t)answer.response->done->index));
	}
	link_answer_clear(&answer);
	if (rc)
		return rc;
	if (m->has_stop)
		return moves_wait(c, m);
	moves_put_planned(c, m);
	return 0;
}

static int run_move(struct ctl *c)
{
	struct moves m;
	struct overview o = {0};
	char effect[512];
	if (c->n_args == 0)
		return ctl_usage(c, "which task?");
	if (!c->options.to)
		return ctl_usage(c, "where to? --to NODE");
	int rc = moves_begin(c, &m);
	if (rc == 0)
		rc = overview_ask(c, NULL, &o);
	const Synod__Admin__TaskInfo *t =
		rc == 0 ? overview_task(&o, c->args[0]) : NULL;
	if (rc == 0 && !t)
		rc = overview_no_task(c, &o, c->args[0]);
	if (rc == 0 && t) {
		m.to = c->options.to;
		moves_take_task(&m, t);
		snprintf(effect, sizeof effect,
			 "%.160s moves from %.64s to %.64s; it pauses for a "
			 "moment, nothing is lost.",
			 t->name, t->node[0] ? t->node : "nobody",
			 c->options.to);
		rc = ctl_confirm(c, effect);
	}
	if (rc == 0)
		rc = move(c, &m);
	overview_clear(&o);
	moves_end(&m);
	return rc;
}

static const struct ctl_flag move_flags[] = {
	{.name = "to",
	 .kind = FLAG_TEXT,
	 .value = "NODE",
	 .doc = "who shall own it",
	 .offset = AT(to)},
	{.name = "wait",
	 .kind = FLAG_DURATION,
	 .value = "TIME",
	 .preset = "60s",
	 .doc = "until it runs there, at most TIME (default 60s)",
	 .offset = AT(wait_ms)},
	{0},
};

static const char *const move_examples[] = {
	"synodctl sync move stock/paris/apply --to n2",
	"synodctl sync move berlin/capture --to n3 --wait --yes",
	NULL,
};

const struct ctl_command command_sync_move = {
	.noun = "sync",
	.verb = "move",
	.args = "TASK",
	.summary = "give a task to another node",
	.detail = "Tasks: synodctl sync show NAME. It stays there until a "
		  "reason moves it again.",
	.flags = move_flags,
	.examples = move_examples,
	.risk = RISK_DISRUPTIVE,
	.args_max = 1,
	.run = run_move,
};
