/* synodctl dlq: changes that a target refused. Each waits with the later
 * changes of its row; everything else flows on. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "node/ctl/act.h"
#include "node/ctl/command.h"
#include "node/ctl/pages.h"

#define AT(member) offsetof(struct ctl_options, member)

enum { COUNT_DEFAULT = 100, EFFECTS_MAX = 10 };

/* -- list ------------------------------------------------------------------ */

static const struct column list_columns[] = {
	{"id", "ID", COLUMN_NUMBER, 0},
	{"sync", "SYNC", COLUMN_TEXT, 0},
	{"connection", "INTO", COLUMN_TEXT, 0},
	{"table", "TABLE", COLUMN_TEXT, 0},
	{"key", "KEY", COLUMN_TEXT, 0},
	{"op", "CHANGE", COLUMN_TEXT, 0},
	{"time", "SINCE", COLUMN_TIME, 0},
	{"behind_id", "BEHIND", COLUMN_NUMBER, COLUMN_IS_SPARSE},
	{"code", "CODE", COLUMN_TEXT, 0},
	{"text", "THE TARGET SAYS", COLUMN_TEXT, COLUMN_IS_LONG},
	{"index", "INDEX", COLUMN_NUMBER, COLUMN_IS_WIDE},
};

static void put_letter(struct output *o, const Synod__Admin__LetterInfo *l)
{
	struct cell cells[] = {
		cell_number(l->id),       cell_text(l->sync),
		cell_text(l->connection), cell_text(l->table),
		cell_text(l->key),        cell_text(l->op),
		cell_time(l->time_us),    cell_some(l->behind_id),
		cell_filled(l->code),     cell_filled(l->text),
		cell_number(l->index),
	};
	_Static_assert(sizeof(cells) / sizeof(cells[0]) ==
			       sizeof(list_columns) / sizeof(list_columns[0]),
		       "one cell a column");
	output_row(o, cells);
}

static void ask_list(struct ctl *c, uint64_t from,
		     Synod__Admin__Request *request)
{
	static Synod__Admin__LettersRequest body;
	synod__admin__letters_request__init(&body);
	body.from_id = from;
	body.sync = ctl_text(c->n_args > 0 ? c->args[0] : NULL);
	request->body_case = SYNOD__ADMIN__REQUEST__BODY_LETTERS;
	request->letters = &body;
}

static void put_pages(struct ctl *c, const struct pages *p)
{
	size_t at = 0;
	output_begin(&c->output, list_columns,
		     sizeof(list_columns) / sizeof(list_columns[0]));
	for (size_t i = 0; i < p->n; i++) {
		const Synod__Admin__LettersResponse *r =
			p->list[i].response->letters;
		for (size_t j = 0; j < r->n_letters; j++)
			if (at++ >= p->n_skip)
				put_letter(&c->output, r->letters[j]);
	}
}

static int run_list(struct ctl *c)
{
	struct pages p;
	uint64_t count = c->options.is_all  ? 0
			 : c->options.count ? c->options.count
					    : COUNT_DEFAULT;
	int rc = pages_read(c, ask_list, count, &p);
	if (rc == 0)
		put_pages(c, &p);
	if (rc == 0 && p.n_items == 0)
		ctl_note(c, "there are none");
	else if (rc == 0 && count && p.n_items >= count)
		ctl_note(c, "the newest %" PRIu64 "; --all shows all", count);
	pages_clear(&p);
	return rc;
}

static const struct ctl_flag list_flags[] = {
	{.name = "count",
	 .letter = 'n',
	 .kind = FLAG_NUMBER,
	 .value = "COUNT",
	 .doc = "so many of the newest (default 100)",
	 .offset = AT(count)},
	{.name = "all",
	 .kind = FLAG_SWITCH,
	 .doc = "all of them",
	 .offset = AT(is_all)},
	{0},
};

static const char *const list_examples[] = {
	"synodctl dlq list",
	"synodctl dlq list stock -o json",
	NULL,
};

const struct ctl_command command_dlq_list = {
	.noun = "dlq",
	.verb = "list",
	.args = "[SYNC]",
	.summary = "changes that a target refused, and what it said",
	.detail = "BEHIND names the letter of the same row that a later "
		  "change waits for; that one has no code of its own.",
	.flags = list_flags,
	.examples = list_examples,
	.risk = RISK_READ,
	.args_max = 1,
	.run = run_list,
};

/* -- show ------------------------------------------------------------------ */

static int ask_one(struct ctl *c, uint64_t id, struct link_answer *answer)
{
	Synod__Admin__LettersRequest body;
	Synod__Admin__Request request;
	*answer = (struct link_answer){0};
	synod__admin__letters_request__init(&body);
	synod__admin__request__init(&request);
	body.id = id;
	request.body_case = SYNOD__ADMIN__REQUEST__BODY_LETTERS;
	request.letters = &body;
	int rc = pages_one(c, &request, answer);
	if (rc == 0 && answer->response->letters->n_letters != 1)
		rc = ctl_fail_answer(c, "that dead letter");
	return rc;
}

static const struct column show_columns[] = {
	{"field", "FIELD", COLUMN_TEXT, 0},
	{"value", "VALUE", COLUMN_TEXT, 0},
	{"key", "KEY", COLUMN_BOOL, 0},
};

static void put_head(FILE *out, const Synod__Admin__LetterInfo *l)
{
	fprintf(out,
		"letter   %" PRIu64 "   %s -> %s   %s   %s   %s\n"
		"entry    %" PRIu64 "\n",
		l->id, l->sync, l->connection, l->table, l->key, l->op,
		l->index);
	if (l->behind_id)
		fprintf(out, "waits    behind letter %" PRIu64 "\n",
			l->behind_id);
	else
		fprintf(out, "refused  %s  [%s]\n", l->text, l->code);
	fprintf(out,
		"next     repair the cause, then: synodctl dlq replay %" PRIu64
		"\n\n",
		l->behind_id ? l->behind_id : l->id);
}

static void show(struct output *o, const Synod__Admin__LetterInfo *l)
{
	output_begin(o, show_columns,
		     sizeof(show_columns) / sizeof(show_columns[0]));
	output_aside_begin(o, "letter", list_columns,
			   sizeof(list_columns) / sizeof(list_columns[0]));
	if (!output_is_table(o))
		put_letter(o, l);
	output_aside_end(o);
	if (output_is_table(o))
		put_head(o->file, l);
	for (size_t i = 0; i < l->n_cells; i++) {
		struct cell cells[] = {cell_text(l->cells[i]->name),
				       cell_text(l->cells[i]->value),
				       cell_bool(l->cells[i]->is_key)};
		output_row(o, cells);
	}
}

static int run_show(struct ctl *c)
{
	struct link_answer answer = {0};
	uint64_t id = 0;
	if (c->n_args == 0)
		return ctl_usage(c, "which dead letter?");
	int rc = act_ids(c, 'd', &id);
	if (rc)
		return rc;
	c->output.has_whole_lines = true;
	rc = ask_one(c, id, &answer);
	if (rc == 0)
		show(&c->output, answer.response->letters->letters[0]);
	link_answer_clear(&answer);
	return rc;
}

static const char *const show_examples[] = {
	"synodctl dlq show 17",
	NULL,
};

const struct ctl_command command_dlq_show = {
	.noun = "dlq",
	.verb = "show",
	.args = "ID",
	.summary = "one refused change, field by field",
	.examples = show_examples,
	.risk = RISK_READ,
	.args_max = 1,
	.run = run_show,
};

/* -- replay and discard ---------------------------------------------------- */

/* What it is about, a line each; sync: the one that all belong to, or "". */
static int tell_effect(struct ctl *c, const uint64_t *ids, FILE *out,
		       char *sync)
{
	for (int i = 0; i < c->n_args; i++) {
		struct link_answer answer;
		int rc = ask_one(c, ids[i], &answer);
		if (rc == 0) {
			const Synod__Admin__LetterInfo *l =
				answer.response->letters->letters[0];
			if (i == 0)
				snprintf(sync, LIMIT_NAME_BYTES + 1, "%s",
					 l->sync);
			else if (strcmp(sync, l->sync) != 0)
				sync[0] = '\0';
			if (i < EFFECTS_MAX)
				fprintf(out,
					"%" PRIu64 " %s -> %s: %s %s %s.\n",
					l->id, l->sync, l->connection, l->op,
					l->table, l->key);
		}
		link_answer_clear(&answer);
		if (rc)
			return rc;
	}
	return 0;
}

static void tell_all(struct ctl *c, FILE *out, char *sync)
{
	const char *only = c->options.sync;
	snprintf(sync, LIMIT_NAME_BYTES + 1, "%s", only ? only : "");
	fprintf(out, "All dead letters%s%s.\n", only ? " of " : "",
		only ? only : "");
}

static int confirm(struct ctl *c, const uint64_t *ids)
{
	bool is_discard = c->command->risk == RISK_DESTRUCTIVE;
	char sync[LIMIT_NAME_BYTES + 1] = "";
	char *effect = NULL;
	size_t len = 0;
	int rc = 0;
	if (c->options.is_yes)
		return 0;
	FILE *out = open_memstream(&effect, &len);
	if (!out)
		return 0;
	if (c->n_args > 0)
		rc = tell_effect(c, ids, out, sync);
	else
		tell_all(c, out, sync);
	fputs(is_discard ? "These changes, and the later ones of their rows "
			   "that wait behind them, are lost for that target: "
			   "it stays different until the rows are changed "
			   "again."
			 : "The newest version of each row is written to its "
			   "target now.",
	      out);
	fclose(out);
	if (rc == 0)
		rc = is_discard ? ctl_confirm_name(c, effect,
						   sync[0] ? sync : "discard")
				: ctl_confirm(c, effect);
	free(effect);
	return rc;
}

static int act(struct ctl *c, uint64_t *ids)
{
	bool is_replay = c->command->risk != RISK_DESTRUCTIVE;
	Synod__Admin__LettersActRequest body;
	Synod__Admin__Request request;
	char who[LIMIT_NAME_BYTES + 1];
	char name[64];
	synod__admin__letters_act_request__init(&body);
	synod__admin__request__init(&request);
	body.ids = ids;
	body.n_ids = (size_t)c->n_args;
	body.all = c->options.is_all;
	body.sync = ctl_text(c->options.sync);
	body.is_replay = is_replay;
	body.author = ctl_text(ctl_author(who, sizeof who));
	request.body_case = SYNOD__ADMIN__REQUEST__BODY_LETTERS_ACT;
	request.letters_act = &body;
	if (c->options.is_all)
		snprintf(name, sizeof name, "all");
	else if (c->n_args == 1)
		snprintf(name, sizeof name, "%" PRIu64, ids[0]);
	else
		snprintf(name, sizeof name, "%d letters", c->n_args);
	return act_run(c, &request, name, is_replay ? "replayed" : "discarded");
}

static int run_act(struct ctl *c)
{
	if ((c->n_args > 0) == c->options.is_all)
		return ctl_usage(c, "which dead letters? Their numbers, or "
				    "--all");
	if (c->options.sync && !c->options.is_all)
		return ctl_usage(c, "--sync goes with --all");
	uint64_t *ids = mem_zero((size_t)c->n_args + 1, sizeof *ids);
	int rc = act_ids(c, 'd', ids);
	if (rc == 0)
		rc = confirm(c, ids);
	if (rc == 0)
		rc = act(c, ids);
	free(ids);
	return rc;
}

static const struct ctl_flag act_flags[] = {
	{.name = "all",
	 .kind = FLAG_SWITCH,
	 .doc = "every one there is",
	 .offset = AT(is_all)},
	{.name = "sync",
	 .kind = FLAG_TEXT,
	 .value = "NAME",
	 .doc = "with --all: only those of this sync",
	 .offset = AT(sync)},
	{0},
};

static const char *const replay_examples[] = {
	"synodctl dlq replay 17",
	"synodctl dlq replay --all --sync stock",
	NULL,
};

const struct ctl_command command_dlq_replay = {
	.noun = "dlq",
	.verb = "replay",
	.args = "[ID...]",
	.summary = "try refused changes again, once their cause is repaired",
	.detail = "With a letter goes what waits behind it. What is refused "
		  "again becomes a dead letter again.",
	.flags = act_flags,
	.examples = replay_examples,
	.risk = RISK_DISRUPTIVE,
	.args_max = -1,
	.run = run_act,
};

static const char *const discard_examples[] = {
	"synodctl dlq discard 17",
	"synodctl dlq discard --all --sync stock",
	NULL,
};

const struct ctl_command command_dlq_discard = {
	.noun = "dlq",
	.verb = "discard",
	.args = "[ID...]",
	.summary = "give refused changes up: they are lost",
	.detail = "With a letter goes what waits behind it. The target keeps "
		  "what it has in these rows.",
	.flags = act_flags,
	.examples = discard_examples,
	.risk = RISK_DESTRUCTIVE,
	.args_max = -1,
	.run = run_act,
};
