/* synodctl conflict list and resolve: rows that were changed on two sides,
 * where neither had seen the other. */
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
	{"table", "TABLE", COLUMN_TEXT, 0},
	{"key", "KEY", COLUMN_TEXT, 0},
	{"kind", "KIND", COLUMN_TEXT, 0},
	{"winner", "WINNER", COLUMN_TEXT, 0},
	{"rule", "RULE", COLUMN_TEXT, 0},
	{"state", "STATE", COLUMN_TEXT, COLUMN_IS_STATE},
	{"detected", "DETECTED", COLUMN_TIME, 0},
	{"a", "A", COLUMN_TEXT, COLUMN_IS_WIDE},
	{"b", "B", COLUMN_TEXT, COLUMN_IS_WIDE},
	{"index", "INDEX", COLUMN_NUMBER, COLUMN_IS_WIDE},
	{"reason", "REASON", COLUMN_TEXT, COLUMN_IS_WIDE},
	{"resolved", "RESOLVED", COLUMN_TIME, COLUMN_IS_WIDE},
	{"resolved_by", "BY", COLUMN_TEXT, COLUMN_IS_WIDE},
};

static void put_conflict(struct output *o, const Synod__Admin__ConflictInfo *k)
{
	struct cell cells[] = {
		cell_number(k->id),
		cell_text(k->sync),
		cell_text(k->table),
		cell_text(k->key),
		cell_text(k->kind),
		cell_filled(k->winner),
		cell_filled(k->rule),
		cell_text(k->state),
		cell_time(k->time_us),
		cell_text(k->a ? k->a->connection : NULL),
		cell_text(k->b ? k->b->connection : NULL),
		cell_number(k->index),
		cell_filled(k->reason),
		cell_time(k->resolved_us),
		cell_filled(k->resolved_by),
	};
	_Static_assert(sizeof(cells) / sizeof(cells[0]) ==
			       sizeof(list_columns) / sizeof(list_columns[0]),
		       "one cell a column");
	output_row(o, cells);
}

static void ask_list(struct ctl *c, uint64_t from,
		     Synod__Admin__Request *request)
{
	static Synod__Admin__ConflictsRequest body;
	synod__admin__conflicts_request__init(&body);
	body.from_id = from;
	body.sync = ctl_text(c->n_args > 0 ? c->args[0] : NULL);
	body.only_open = c->options.is_open;
	request->body_case = SYNOD__ADMIN__REQUEST__BODY_CONFLICTS;
	request->conflicts = &body;
}

static void put_pages(struct ctl *c, const struct pages *p)
{
	size_t at = 0;
	output_begin(&c->output, list_columns,
		     sizeof(list_columns) / sizeof(list_columns[0]));
	for (size_t i = 0; i < p->n; i++) {
		const Synod__Admin__ConflictsResponse *r =
			p->list[i].response->conflicts;
		for (size_t j = 0; j < r->n_conflicts; j++)
			if (at++ >= p->n_skip)
				put_conflict(&c->output, r->conflicts[j]);
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
		ctl_note(c, c->options.is_open ? "none is open"
					       : "there was none");
	else if (rc == 0 && count && p.n_items >= count)
		ctl_note(c, "the newest %" PRIu64 "; --all shows all", count);
	pages_clear(&p);
	return rc;
}

static const struct ctl_flag list_flags[] = {
	{.name = "open",
	 .kind = FLAG_SWITCH,
	 .doc = "only those that wait for a person",
	 .offset = AT(is_open)},
	{.name = "count",
	 .letter = 'n',
	 .kind = FLAG_NUMBER,
	 .value = "COUNT",
	 .doc = "so many of the newest (default 100)",
	 .offset = AT(count)},
	{.name = "all",
	 .kind = FLAG_SWITCH,
	 .doc = "as many as are kept",
	 .offset = AT(is_all)},
	{0},
};

static const char *const list_examples[] = {
	"synodctl conflict list",
	"synodctl conflict list stock --open",
	"synodctl conflict list -o name --all",
	NULL,
};

const struct ctl_command command_conflict_list = {
	.noun = "conflict",
	.verb = "list",
	.args = "[SYNC]",
	.summary = "rows that two sides changed at once, and the verdicts",
	.detail = "Open ones wait for a person (policy queue); until then all "
		  "sides keep the WINNER. Decided ones are history.",
	.flags = list_flags,
	.examples = list_examples,
	.risk = RISK_READ,
	.args_max = 1,
	.run = run_list,
};

/* -- resolve --------------------------------------------------------------- */

static int ask_one(struct ctl *c, uint64_t id, struct link_answer *answer)
{
	Synod__Admin__ConflictsRequest body;
	Synod__Admin__Request request;
	*answer = (struct link_answer){0};
	synod__admin__conflicts_request__init(&body);
	synod__admin__request__init(&request);
	body.id = id;
	request.body_case = SYNOD__ADMIN__REQUEST__BODY_CONFLICTS;
	request.conflicts = &body;
	return pages_one(c, &request, answer);
}

/* One line: what would be written. */
static void tell_effect(struct ctl *c, const Synod__Admin__ConflictInfo *k,
			FILE *out)
{
	const Synod__Admin__Version *v = k->a;
	if (v && strcmp(v->connection, c->options.pick) != 0)
		v = k->b;
	fprintf(out, "%" PRIu64 " %s/%s %s:", k->id, k->sync, k->table, k->key);
	if (v && v->is_delete)
		fputs(" the row is deleted", out);
	for (size_t i = 0; v && !v->is_delete && i < v->n_cells; i++)
		if (v->cells[i]->differs)
			fprintf(out, " %s = %.60s", v->cells[i]->name,
				v->cells[i]->value);
	fputs(".\n", out);
}

static int confirm(struct ctl *c, const uint64_t *ids)
{
	char *effect = NULL;
	size_t len = 0;
	int rc = 0;
	if (c->options.is_yes)
		return 0;
	FILE *out = open_memstream(&effect, &len);
	if (!out)
		return 0;
	for (int i = 0; rc == 0 && i < c->n_args && i < EFFECTS_MAX; i++) {
		struct link_answer answer;
		rc = ask_one(c, ids[i], &answer);
		if (rc == 0 && answer.response->conflicts->n_conflicts > 0)
			tell_effect(c, answer.response->conflicts->conflicts[0],
				    out);
		link_answer_clear(&answer);
	}
	fprintf(out, "The version of %s is written to all sides.",
		c->options.pick);
	fclose(out);
	if (rc == 0)
		rc = ctl_confirm(c, effect);
	free(effect);
	return rc;
}

static int resolve(struct ctl *c, uint64_t *ids)
{
	Synod__Admin__ResolveRequest body;
	Synod__Admin__Request request;
	char who[LIMIT_NAME_BYTES + 1];
	char name[64];
	synod__admin__resolve_request__init(&body);
	synod__admin__request__init(&request);
	body.ids = ids;
	body.n_ids = (size_t)c->n_args;
	body.connection = ctl_text(c->options.pick);
	body.is_forced = c->options.is_force;
	body.author = ctl_text(ctl_author(who, sizeof who));
	request.body_case = SYNOD__ADMIN__REQUEST__BODY_RESOLVE;
	request.resolve = &body;
	if (c->n_args == 1)
		snprintf(name, sizeof name, "%" PRIu64, ids[0]);
	else
		snprintf(name, sizeof name, "%d conflicts", c->n_args);
	return act_run(c, &request, name, "resolved");
}

static int run_resolve(struct ctl *c)
{
	if (c->n_args == 0)
		return ctl_usage(c, "which conflicts?");
	if (!c->options.pick)
		return ctl_usage(c, "whose version? --pick CONNECTION");
	uint64_t *ids = mem_zero((size_t)c->n_args, sizeof *ids);
	int rc = act_ids(c, 'c', ids);
	if (rc == 0)
		rc = confirm(c, ids);
	if (rc == 0)
		rc = resolve(c, ids);
	free(ids);
	return rc;
}

static const struct ctl_flag resolve_flags[] = {
	{.name = "pick",
	 .kind = FLAG_TEXT,
	 .value = "CONNECTION",
	 .doc = "the side whose version all shall have",
	 .offset = AT(pick)},
	{.name = "force",
	 .kind = FLAG_SWITCH,
	 .doc = "though the row has been changed since: that change is "
		"written over",
	 .offset = AT(is_force)},
	{0},
};

static const char *const resolve_examples[] = {
	"synodctl conflict resolve 41 --pick paris",
	"synodctl conflict resolve 41 42 43 --pick paris --yes",
	NULL,
};

const struct ctl_command command_conflict_resolve = {
	.noun = "conflict",
	.verb = "resolve",
	.args = "ID...",
	.summary = "decide open conflicts",
	.detail = "The version that is picked becomes the row's newest and is "
		  "written to all sides. Both versions stay in the journal. "
		  "It is refused when the row was changed since; --yes is no "
		  "--force.",
	.flags = resolve_flags,
	.examples = resolve_examples,
	.risk = RISK_DISRUPTIVE,
	.args_max = -1,
	.run = run_resolve,
};
