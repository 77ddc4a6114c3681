/* synodctl config: definitions, looked at. What changes them: config_apply.c */
#include <stdlib.h>
#include <string.h>

#include "node/ctl/command.h"
#include "node/ctl/config_file.h"

enum { COUNT_DEFAULT = 20 };

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

/* -- validate -------------------------------------------------------------- */

static const struct column validate_columns[] = {
	{"file", "FILE", COLUMN_TEXT, 0},
	{"connections", "CONNECTIONS", COLUMN_NUMBER, 0},
	{"syncs", "SYNCS", COLUMN_NUMBER, 0},
	{"tables", "TABLES", COLUMN_NUMBER, 0},
};

static int run_validate(struct ctl *c)
{
	struct config_file f;
	int rc = config_file_read(c, &f);
	if (rc == 0) {
		struct cell cells[] = {
			cell_text(f.name), cell_number(f.n_connections),
			cell_number(f.n_syncs), cell_number(f.n_tables)};
		output_begin(&c->output, validate_columns,
			     N_OF(validate_columns));
		output_row(&c->output, cells);
		ctl_note(c,
			 "%s is well formed; what the databases say: "
			 "synodctl config plan -f %s",
			 f.name, f.name);
	}
	config_file_clear(&f);
	return rc;
}

static const struct ctl_flag file_flags[] = {
	{.name = "file",
	 .letter = 'f',
	 .kind = FLAG_TEXT,
	 .value = "FILE",
	 .doc = "the definition; - is standard input",
	 .offset = offsetof(struct ctl_options, file)},
	{0},
};

static const char *const validate_examples[] = {
	"synodctl config validate stock.yaml",
	"synodctl config validate -f - < stock.yaml",
	NULL,
};

const struct ctl_command command_config_validate = {
	.noun = "config",
	.verb = "validate",
	.args = "[FILE]",
	.summary = "read a definition and say all that is wrong with it",
	.detail = "Needs no node. What only the databases know (tables, "
		  "columns, types, privileges) is checked by config plan.",
	.flags = file_flags,
	.examples = validate_examples,
	.risk = RISK_READ,
	.args_max = 1,
	.run = run_validate,
};

/* -- history, export ------------------------------------------------------- */

static bool read_number(const char *text, uint32_t *number)
{
	char *end = NULL;
	unsigned long n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || n == 0 || n > UINT32_MAX)
		return false;
	*number = (uint32_t)n;
	return true;
}

static int ask(struct ctl *c, const Synod__Admin__RevisionsRequest *body,
	       struct link_answer *answer)
{
	Synod__Admin__RevisionsRequest wanted = *body;
	Synod__Admin__Request request;
	synod__admin__request__init(&request);
	request.body_case = SYNOD__ADMIN__REQUEST__BODY_REVISIONS;
	request.revisions = &wanted;
	int rc = link_call_any(&c->link, &request, (int)c->options.timeout_ms,
			       answer);
	if (rc == 0 && answer->response->body_case !=
			       SYNOD__ADMIN__RESPONSE__BODY_REVISIONS)
		rc = err_set(&answer->e, ERR_FORMAT,
			     "the answer is not a history");
	return rc ? ctl_fail(c, &answer->e, answer->hint) : 0;
}

static const struct column history_columns[] = {
	{"revision", "REV", COLUMN_NUMBER, 0},
	{"time", "WHEN", COLUMN_TIME, 0},
	{"author", "WHO", COLUMN_TEXT, 0},
	{"connections", "CONNECTIONS", COLUMN_NUMBER, COLUMN_IS_WIDE},
	{"syncs", "SYNCS", COLUMN_NUMBER, 0},
	{"change", "CHANGE", COLUMN_TEXT, 0},
	{"message", "MESSAGE", COLUMN_TEXT, COLUMN_IS_LONG},
	{"index", "INDEX", COLUMN_NUMBER, COLUMN_IS_WIDE},
	{"text", NULL, COLUMN_TEXT, COLUMN_IS_HIDDEN},
};

static void put_revision(struct ctl *c, const Synod__Admin__RevisionInfo *r)
{
	struct cell cells[] = {
		cell_number(r->revision),
		cell_number((uint64_t)r->time_us),
		cell_text(r->author),
		cell_number(r->n_connections),
		cell_number(r->n_syncs),
		cell_text(r->change),
		r->message[0] ? cell_text(r->message) : cell_none(),
		cell_number(r->index),
		r->text[0] ? cell_text(r->text) : cell_none(),
	};
	output_row(&c->output, cells);
}

static int run_history(struct ctl *c)
{
	Synod__Admin__RevisionsRequest body;
	struct link_answer answer = {0};
	synod__admin__revisions_request__init(&body);
	body.count = c->options.count > 0 && c->options.count < LIMIT_REVISIONS
			     ? (uint32_t)c->options.count
			     : COUNT_DEFAULT;
	int rc = ask(c, &body, &answer);
	if (rc == 0) {
		const Synod__Admin__RevisionsResponse *r =
			answer.response->revisions;
		output_begin(&c->output, history_columns,
			     N_OF(history_columns));
		for (size_t i = 0; i < r->n_revisions; i++)
			put_revision(c, r->revisions[i]);
		if (r->n_revisions == 0)
			ctl_note(c, "nothing was ever declared");
	}
	link_answer_clear(&answer);
	return rc;
}

static const struct ctl_flag history_flags[] = {
	{.name = "count",
	 .letter = 'n',
	 .kind = FLAG_NUMBER,
	 .value = "COUNT",
	 .doc = "so many of the newest (default 20)",
	 .offset = offsetof(struct ctl_options, count)},
	{0},
};

static const char *const history_examples[] = {
	"synodctl config history",
	"synodctl config history -n 100 -o json",
	NULL,
};

const struct ctl_command command_config_history = {
	.noun = "config",
	.verb = "history",
	.args = "",
	.summary = "who declared what, and when",
	.flags = history_flags,
	.examples = history_examples,
	.risk = RISK_READ,
	.run = run_history,
};

static int run_export(struct ctl *c)
{
	Synod__Admin__RevisionsRequest body;
	struct link_answer answer = {0};
	synod__admin__revisions_request__init(&body);
	if (c->n_args > 0 && !read_number(c->args[0], &body.revision))
		return ctl_usage(c, "'%.32s' is no number of a revision",
				 c->args[0]);
	body.count = 1;
	body.with_text = true;
	int rc = ask(c, &body, &answer);
	if (rc == 0 && answer.response->revisions->n_revisions == 0) {
		struct err e;
		err_set(&e, ERR_NOTFOUND, "%s",
			body.revision ? "there is no such revision, or it is "
					"no longer kept"
				      : "nothing was ever declared");
		rc = ctl_fail(c, &e, "synodctl config history");
	} else if (rc == 0 && (output_is_table(&c->output) ||
			       c->output.format == OUTPUT_TSV)) {
		fputs(answer.response->revisions->revisions[0]->text,
		      c->world->out);
		output_finish(&c->output);
	} else if (rc == 0) {
		output_begin(&c->output, history_columns,
			     N_OF(history_columns));
		put_revision(c, answer.response->revisions->revisions[0]);
	}
	link_answer_clear(&answer);
	return rc;
}

static const char *const export_examples[] = {
	"synodctl config export > cluster.yaml",
	"synodctl config export 35",
	NULL,
};

const struct ctl_command command_config_export = {
	.noun = "config",
	.verb = "export",
	.args = "[REVISION]",
	.summary = "the text of a revision as it was written",
	.detail = "Without a number that of the newest one. A revision that "
		  "was applied without --prune may have left more in force "
		  "than its text names: see config plan.",
	.examples = export_examples,
	.risk = RISK_READ,
	.args_max = 1,
	.run = run_export,
};
