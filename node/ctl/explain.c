/* synodctl explain: what a code in square brackets, or a setting of the node
 * file or of definitions, means. Needs no node. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/config.h"
#include "node/config_nearest.h"
#include "node/ctl/command.h"
#include "node/define.h"

static const struct column columns[] = {
	{"code", "CODE", COLUMN_TEXT, 0},
	{"text", "MEANING", COLUMN_TEXT, COLUMN_IS_LONG},
};

static const struct {
	const char *name, *sentence;
} own_codes[] = {
	{"usage", "The command line is wrong; nothing was tried."},
	{"pending", "The wait ran out; the work goes on in the cluster."},
};

enum { N_OWN = sizeof(own_codes) / sizeof(own_codes[0]) };

struct search {
	const char *wanted; /* NULL: all */
	struct config_nearest near;
	struct output *output;
	size_t n;
};

static void offer(struct search *s, const char *code, const char *sentence)
{
	if (s->wanted)
		config_nearest_try(&s->near, code);
	if (s->wanted && strcmp(s->wanted, code) != 0)
		return;
	struct cell cells[] = {cell_text(code), cell_text(sentence)};
	output_row(s->output, cells);
	s->n++;
}

static void offer_codes(struct search *s)
{
	for (int code = ERR__BASE + 1; code < ERR__END; code++)
		offer(s, err_name(code), err_sentence(code));
	for (int code = 0; code < PROBLEM__N; code++)
		offer(s, config_problem_name((enum problem_code)code),
		      config_problem_sentence((enum problem_code)code));
	for (size_t i = 0; i < N_OWN; i++)
		offer(s, own_codes[i].name, own_codes[i].sentence);
}

/* A setting of definitions, such as syncs.conflicts. */
static bool offer_definition(struct search *s)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	bool is_known = out && define_explain(s->wanted, connectors_find, out);
	if (out)
		fclose(out);
	if (is_known &&
	    (output_is_table(s->output) || s->output->format == OUTPUT_TSV))
		fputs(text, s->output->file);
	else if (is_known)
		offer(s, s->wanted, text);
	free(text);
	return is_known;
}

static bool offer_setting(struct search *s)
{
	const struct config_field *field =
		config_schema_find(node_config_fields(), s->wanted);
	if (!field)
		return offer_definition(s);
	if (output_is_table(s->output) || s->output->format == OUTPUT_TSV)
		config_schema_explain(field, s->wanted, s->output->file);
	else
		offer(s, s->wanted, field->doc);
	return true;
}

static int run(struct ctl *c)
{
	const char *wanted = c->n_args > 0 ? c->args[0] : NULL;
	struct search s = {.wanted = wanted, .output = &c->output};
	if (wanted)
		s.near = config_nearest_init(wanted);
	output_begin(&c->output, columns, sizeof(columns) / sizeof(columns[0]));
	offer_codes(&s);
	if (!wanted || s.n > 0 || offer_setting(&s))
		return EXIT_DONE;
	if (s.near.best)
		return ctl_usage_hint(c, "synodctl explain",
				      "no code or setting '%.64s'; did you "
				      "mean '%s'?",
				      wanted, s.near.best);
	return ctl_usage_hint(c, "synodctl explain",
			      "no code or setting '%.64s'", wanted);
}

static const char *const examples[] = {
	"synodctl explain",
	"synodctl explain not_leader",
	"synodctl explain raft.election",
	"synodctl explain syncs.conflicts",
	NULL,
};

const struct ctl_command command_explain = {
	.noun = "explain",
	.args = "[CODE | SETTING]",
	.summary = "what an error code or a setting means",
	.detail = "Without an argument it lists all codes. Settings are named "
		  "by their path, such as admin.socket or members.n1 of the "
		  "node file, syncs.conflicts or connections.sqlite of "
		  "definitions.",
	.examples = examples,
	.risk = RISK_READ,
	.args_max = 1,
	.run = run,
};
