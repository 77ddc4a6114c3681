/* synodctl config plan, apply and rollback: what would change, and the change
 * itself, which is refused when it is no longer the one that was shown. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "node/ctl/command.h"
#include "node/ctl/config_file.h"

/* Databases are asked meanwhile. */
enum { PLAN_TIMEOUT_MS = 60000, TEXT_MAX = 2048 };

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

static const struct column columns[] = {
	{"change", "", COLUMN_TEXT, 0},
	{"what", "WHAT", COLUMN_TEXT, 0},
	{"class", "CLASS", COLUMN_TEXT, 0},
	{"text", "TEXT", COLUMN_TEXT, 0},
	{"repair", NULL, COLUMN_TEXT, COLUMN_IS_HIDDEN},
};

/* -- asking ---------------------------------------------------------------- */

/* What is asked: the text of a file, or that of a revision. */
struct wanted {
	struct config_file file;
	uint32_t rollback_to; /* 0: the file */
	const char *hash;     /* of the plan; NULL: any */
};

static int ask(struct ctl *c, const struct wanted *w,
	       Synod__Admin__DefineRequest__Action action,
	       struct link_answer *answer)
{
	Synod__Admin__DefineRequest body;
	Synod__Admin__Request request;
	char who[LIMIT_NAME_BYTES + 1];
	int timeout_ms = c->options.timeout_ms > PLAN_TIMEOUT_MS
				 ? (int)c->options.timeout_ms
				 : PLAN_TIMEOUT_MS;
	synod__admin__define_request__init(&body);
	synod__admin__request__init(&request);
	body.action = action;
	body.text = ctl_text(w->file.text);
	body.file = ctl_text(w->file.name);
	body.author = ctl_text(ctl_author(who, sizeof who));
	body.message = ctl_text(c->options.message);
	body.plan_hash = ctl_text(w->hash);
	body.prune = c->options.is_prune;
	body.rollback_to = w->rollback_to;
	request.body_case = SYNOD__ADMIN__REQUEST__BODY_DEFINE;
	request.define = &body;
	int rc = link_call_any(&c->link, &request, timeout_ms, answer);
	if (rc == 0 &&
	    answer->response->body_case != SYNOD__ADMIN__RESPONSE__BODY_DEFINE)
		rc = err_set(&answer->e, ERR_FORMAT, "the answer is no plan");
	return rc ? ctl_fail(c, &answer->e, answer->hint) : 0;
}

/* -- showing --------------------------------------------------------------- */

static void put_change(struct ctl *c, const Synod__Admin__DefineChange *d)
{
	char text[TEXT_MAX];
	/* People read what to do about it beside what it is. */
	bool is_merged = output_is_table(&c->output) && d->repair[0];
	snprintf(text, sizeof text, "%s%s%s", d->text,
		 is_merged ? "; repair: " : "", is_merged ? d->repair : "");
	struct cell cells[] = {
		cell_text(d->mark),
		cell_text(d->what),
		cell_text(d->class_name),
		cell_text(text),
		d->repair[0] ? cell_text(d->repair) : cell_none(),
	};
	output_row(&c->output, cells);
}

static size_t count(const Synod__Admin__DefineResponse *r, const char *mark)
{
	size_t n = 0;
	for (size_t i = 0; i < r->n_changes; i++)
		n += strcmp(r->changes[i]->mark, mark) == 0;
	return n;
}

static bool has_changes(const Synod__Admin__DefineResponse *r)
{
	return count(r, "+") + count(r, "~") + count(r, "-") > 0;
}

static void summarise(struct ctl *c, const Synod__Admin__DefineResponse *r)
{
	json_int_t n = 0;
	output_summary(&c->output, "base_revision",
		       json_integer(r->base_revision));
	output_summary(&c->output, "revision",
		       r->revision ? json_integer(r->revision) : json_null());
	output_summary(&c->output, "index", json_integer((json_int_t)r->index));
	output_summary(&c->output, "plan", json_string(r->plan_hash));
	n = (json_int_t)count(r, "+");
	output_summary(&c->output, "to_add", json_integer(n));
	n = (json_int_t)count(r, "~");
	output_summary(&c->output, "to_change", json_integer(n));
	n = (json_int_t)count(r, "-");
	output_summary(&c->output, "to_delete", json_integer(n));
	output_summary(&c->output, "checks_failed", json_integer(r->n_failed));
}

/* The rows and the figures. 0, or the exit code when it cannot be done. */
static int show(struct ctl *c, const struct wanted *w,
		const Synod__Admin__DefineResponse *r)
{
	struct err e;
	if (r->n_problems > 0) {
		config_file_problems(c, r->problems);
		err_set(&e, ERR_INVALID,
			"%.200s: %u problem%s; nothing was "
			"done",
			w->file.name ? w->file.name : "the text", r->n_problems,
			r->n_problems == 1 ? "" : "s");
		return ctl_fail(c, &e, NULL);
	}
	output_begin(&c->output, columns, N_OF(columns));
	for (size_t i = 0; i < r->n_changes; i++)
		put_change(c, r->changes[i]);
	output_flush(&c->output);
	summarise(c, r);
	if (r->n_failed == 0)
		return 0;
	err_set(&e, ERR_REFUSED, "%u check%s failed; nothing was done",
		r->n_failed, r->n_failed == 1 ? "" : "s");
	return ctl_fail(c, &e,
			"repair what the lines with ! say, or ask "
			"another node: --endpoint URL");
}

static void note_plan(struct ctl *c, const struct wanted *w,
		      const Synod__Admin__DefineResponse *r)
{
	char base[48] = "for the first time";
	if (r->base_revision > 0)
		snprintf(base, sizeof base, "against revision %u",
			 r->base_revision);
	if (!has_changes(r)) {
		ctl_note(c, "nothing to change %s", base);
		return;
	}
	ctl_note(c,
		 "%s: %zu to add, %zu to change, %zu to delete. Nothing was "
		 "changed.",
		 base, count(r, "+"), count(r, "~"), count(r, "-"));
	if (w->rollback_to)
		ctl_note(c, "plan %s", r->plan_hash);
	else
		ctl_note(c, "plan %s: synodctl config apply -f %s%s --plan %s",
			 r->plan_hash, w->file.name,
			 c->options.is_prune ? " --prune" : "", r->plan_hash);
}

/* -- plan ------------------------------------------------------------------ */

static int plan(struct ctl *c, const struct wanted *w)
{
	struct link_answer answer = {0};
	int rc = ask(c, w, SYNOD__ADMIN__DEFINE_REQUEST__ACTION__PLAN, &answer);
	if (rc == 0)
		rc = show(c, w, answer.response->define);
	if (rc == 0)
		note_plan(c, w, answer.response->define);
	if (rc == 0 && c->options.has_exit_code &&
	    has_changes(answer.response->define))
		rc = EXIT_DIFFERENT;
	link_answer_clear(&answer);
	return rc;
}

static int run_plan(struct ctl *c)
{
	struct wanted w = {0};
	int rc = config_file_read(c, &w.file);
	if (rc == 0)
		rc = plan(c, &w);
	config_file_clear(&w.file);
	return rc;
}

#define AT(member) offsetof(struct ctl_options, member)
#define FLAG_FILE                                                              \
	{                                                                      \
		.name = "file", .letter = 'f', .kind = FLAG_TEXT,              \
		.value = "FILE", .doc = "the definition; - is standard input", \
		.offset = AT(file)                                             \
	}
#define FLAG_PRUNE                                                             \
	{                                                                      \
		.name = "prune", .kind = FLAG_SWITCH,                          \
		.doc = "what the text does not name goes (default: it stays)", \
		.offset = AT(is_prune)                                         \
	}
#define FLAG_PLAN                                                      \
	{                                                              \
		.name = "plan", .kind = FLAG_TEXT, .value = "HASH",    \
		.doc = "only if that is still the plan; asks nothing", \
		.offset = AT(plan)                                     \
	}
#define FLAG_MESSAGE                                                 \
	{                                                            \
		.name = "message", .letter = 'm', .kind = FLAG_TEXT, \
		.value = "TEXT", .doc = "why, for the history",      \
		.offset = AT(message)                                \
	}

static const struct ctl_flag plan_flags[] = {
	FLAG_FILE,
	FLAG_PRUNE,
	{.name = "exit-code",
	 .kind = FLAG_SWITCH,
	 .doc = "exit with 6 when something would change",
	 .offset = AT(has_exit_code)},
	{0},
};

static const char *const plan_examples[] = {
	"synodctl config plan -f stock.yaml",
	"synodctl config plan stock.yaml --exit-code -o json",
	NULL,
};

const struct ctl_command command_config_plan = {
	.noun = "config",
	.verb = "plan",
	.args = "[FILE]",
	.summary = "what a definition would change; changes nothing",
	.detail = "The node that is asked looks into the databases. Lines "
		  "begin with + (new), ~ (changed), - (gone), = (stays), ! "
		  "(a check failed, or a warning). Classes: live: nothing "
		  "stops; restart: tasks start again where they were; reload: "
		  "the rows are brought over again; destructive: what is "
		  "known of it goes.",
	.flags = plan_flags,
	.examples = plan_examples,
	.risk = RISK_READ,
	.args_max = 1,
	.run = run_plan,
};

/* -- apply ----------------------------------------------------------------- */

/* Additions and rules that count from now on disturb nobody. */
static bool is_harmless(const Synod__Admin__DefineResponse *r)
{
	for (size_t i = 0; i < r->n_changes; i++) {
		const Synod__Admin__DefineChange *d = r->changes[i];
		if (strchr("~-", d->mark[0]) &&
		    strcmp(d->class_name, "live") != 0)
			return false;
	}
	return true;
}

static int confirm(struct ctl *c, const struct wanted *w,
		   const Synod__Admin__DefineResponse *r)
{
	char effect[256];
	char hint[LINK_HINT_MAX];
	if (c->options.is_yes || is_harmless(r))
		return 0;
	snprintf(effect, sizeof effect,
		 "%zu to add, %zu to change, %zu to delete.", count(r, "+"),
		 count(r, "~"), count(r, "-"));
	if (c->world->is_in_tty)
		return ctl_confirm(c, effect);
	if (w->rollback_to)
		snprintf(hint, sizeof hint,
			 "synodctl config rollback %u --plan %s",
			 w->rollback_to, r->plan_hash);
	else
		snprintf(hint, sizeof hint,
			 "synodctl config apply -f %.200s%s --plan %s",
			 w->file.name, c->options.is_prune ? " --prune" : "",
			 r->plan_hash);
	return ctl_usage_hint(c, hint, "%s Nobody is there to confirm it.",
			      effect);
}

static int commit(struct ctl *c, const struct wanted *w)
{
	struct link_answer answer = {0};
	int rc =
		ask(c, w, SYNOD__ADMIN__DEFINE_REQUEST__ACTION__APPLY, &answer);
	if (rc == 0) {
		const Synod__Admin__DefineResponse *r = answer.response->define;
		/* After a plan of our own its rows are on the screen. */
		if (c->options.plan || r->n_problems > 0 || r->n_failed > 0)
			rc = show(c, w, r);
		else
			summarise(c, r);
		if (rc == 0 && r->index == 0)
			ctl_note(c, "nothing to change: revision %u stays",
				 r->revision);
		else if (rc == 0)
			ctl_note(c,
				 "revision %u is in force (index %" PRIu64 ")",
				 r->revision, r->index);
	}
	link_answer_clear(&answer);
	return rc;
}

static int apply(struct ctl *c, struct wanted *w)
{
	struct link_answer answer = {0};
	if (c->options.plan) {
		w->hash = c->options.plan;
		return commit(c, w);
	}
	int rc = ask(c, w, SYNOD__ADMIN__DEFINE_REQUEST__ACTION__PLAN, &answer);
	if (rc == 0)
		rc = show(c, w, answer.response->define);
	if (rc == 0)
		rc = confirm(c, w, answer.response->define);
	if (rc == 0) {
		w->hash = answer.response->define->plan_hash;
		rc = commit(c, w);
	}
	link_answer_clear(&answer);
	return rc;
}

static int run_apply(struct ctl *c)
{
	struct wanted w = {0};
	int rc = config_file_read(c, &w.file);
	if (rc == 0)
		rc = apply(c, &w);
	config_file_clear(&w.file);
	return rc;
}

static const struct ctl_flag apply_flags[] = {
	FLAG_FILE, FLAG_PLAN, FLAG_PRUNE, FLAG_MESSAGE, {0},
};

static const char *const apply_examples[] = {
	"synodctl config apply -f stock.yaml",
	"synodctl config apply -f stock.yaml --plan 9f3a2c7119d04b5e",
	"synodctl config apply -f all.yaml --prune -m \"retire the old shop\"",
	NULL,
};

const struct ctl_command command_config_apply = {
	.noun = "config",
	.verb = "apply",
	.args = "[FILE]",
	.summary = "put a definition in force",
	.detail = "Plans first and shows it; asks when something would "
		  "restart, be loaded again or go. With --plan it asks "
		  "nothing and is refused, exit 4, if meanwhile the plan is "
		  "another one. Relative paths of SQLite files are taken from "
		  "the folder of FILE.",
	.flags = apply_flags,
	.examples = apply_examples,
	.risk = RISK_DISRUPTIVE,
	.args_max = 1,
	.run = run_apply,
};

/* -- rollback -------------------------------------------------------------- */

static int run_rollback(struct ctl *c)
{
	struct wanted w = {0};
	char *end = NULL;
	if (c->n_args == 0)
		return ctl_usage(c, "which revision?");
	unsigned long number = strtoul(c->args[0], &end, 10);
	if (*c->args[0] < '0' || *c->args[0] > '9' || *end || number == 0 ||
	    number > UINT32_MAX)
		return ctl_usage(c, "'%.32s' is no number of a revision",
				 c->args[0]);
	w.rollback_to = (uint32_t)number;
	return apply(c, &w);
}

static const struct ctl_flag rollback_flags[] = {
	FLAG_PLAN,
	FLAG_PRUNE,
	FLAG_MESSAGE,
	{0},
};

static const char *const rollback_examples[] = {
	"synodctl config rollback 35",
	"synodctl config rollback 35 --prune -m \"36 was too early\"",
	NULL,
};

const struct ctl_command command_config_rollback = {
	.noun = "config",
	.verb = "rollback",
	.args = "REVISION",
	.summary = "put the text of an earlier revision in force again",
	.detail = "It becomes a new revision; history is never rewritten. "
		  "What that text does not name stays unless --prune is "
		  "given.",
	.flags = rollback_flags,
	.examples = rollback_examples,
	.risk = RISK_DISRUPTIVE,
	.args_max = 1,
	.run = run_rollback,
};
