/* synodctl metrics: the figures of one node, as Prometheus reads them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "node/ctl/command.h"

static const struct column columns[] = {
	{"name", "NAME", COLUMN_TEXT, 0},
	{"labels", "LABELS", COLUMN_TEXT, 0},
	{"value", "VALUE", COLUMN_TEXT, 0},
};

/* name{labels} value, in place. False: a remark, or no sample. */
static bool split(char *line, char **labels, char **value)
{
	char *space = strrchr(line, ' ');
	if (line[0] == '#' || !space || space == line)
		return false;
	*space = '\0';
	*value = space + 1;
	*labels = NULL;
	char *open = strchr(line, '{');
	char *close = strrchr(line, '}');
	if (!open || !close || close < open)
		return true;
	*open = '\0';
	*close = '\0';
	*labels = open + 1;
	return true;
}

static void put_samples(struct ctl *c, const char *text)
{
	char *copy = mem_strdup(text);
	char *rest = NULL;
	for (char *line = strtok_r(copy, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		char *labels = NULL;
		char *value = NULL;
		if (!split(line, &labels, &value))
			continue;
		struct cell cells[] = {cell_text(line), cell_text(labels),
				       cell_text(value)};
		output_row(&c->output, cells);
	}
	free(copy);
}

static int run(struct ctl *c)
{
	Synod__Admin__MetricsRequest metrics;
	synod__admin__metrics_request__init(&metrics);
	Synod__Admin__Request request;
	synod__admin__request__init(&request);
	struct link_answer answer;
	request.body_case = SYNOD__ADMIN__REQUEST__BODY_METRICS;
	request.metrics = &metrics;
	int rc = link_call_any(&c->link, &request, (int)c->options.timeout_ms,
			       &answer);
	if (rc == 0 &&
	    answer.response->body_case != SYNOD__ADMIN__RESPONSE__BODY_METRICS)
		rc = err_set(&answer.e, ERR_FORMAT,
			     "the answer is not a list of metrics");
	if (rc) {
		rc = ctl_fail(c, &answer.e, answer.hint);
	} else if (c->options.output == OUTPUT_AUTO) {
		fputs(answer.response->metrics->text, c->world->out);
	} else {
		output_begin(&c->output, columns,
			     sizeof(columns) / sizeof(columns[0]));
		put_samples(c, answer.response->metrics->text);
	}
	link_answer_clear(&answer);
	return rc;
}

static const char *const examples[] = {
	"synodctl metrics",
	"synodctl metrics -o table",
	NULL,
};

const struct ctl_command command_metrics = {
	.noun = "metrics",
	.args = "",
	.summary = "the figures of one node, in Prometheus' text form",
	.detail = "With -o they are shown as rows of name, labels and value.",
	.examples = examples,
	.risk = RISK_READ,
	.run = run,
};
