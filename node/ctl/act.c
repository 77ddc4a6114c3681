#include "node/ctl/act.h"

#include <errno.h>
#include <stdlib.h>

static const struct column columns[] = {
	{"name", "NAME", COLUMN_TEXT, 0},
	{"action", "DONE", COLUMN_TEXT, 0},
	{"index", "INDEX", COLUMN_NUMBER, 0},
	{"text", "TEXT", COLUMN_TEXT, COLUMN_IS_SPARSE | COLUMN_IS_LONG},
};

int act_ask(struct ctl *c, const Synod__Admin__Request *request,
	    struct link_answer *answer)
{
	*answer = (struct link_answer){0};
	if (link_call_any(&c->link, request, (int)c->options.timeout_ms,
			  answer))
		return ctl_fail(c, &answer->e, answer->hint);
	if (answer->response->body_case != SYNOD__ADMIN__RESPONSE__BODY_DONE)
		return ctl_fail_answer(c, "that it is done");
	return 0;
}

int act_run(struct ctl *c, const Synod__Admin__Request *request,
	    const char *name, const char *action)
{
	struct link_answer answer;
	int rc = act_ask(c, request, &answer);
	if (rc == 0) {
		const Synod__Admin__DoneResponse *done = answer.response->done;
		struct cell cells[] = {cell_text(name), cell_text(action),
				       cell_some(done->index),
				       cell_filled(done->text)};
		output_begin(&c->output, columns,
			     sizeof(columns) / sizeof(columns[0]));
		output_row(&c->output, cells);
	}
	link_answer_clear(&answer);
	return rc;
}

int act_ids(struct ctl *c, char letter, uint64_t *ids)
{
	for (int i = 0; i < c->n_args; i++) {
		const char *text = c->args[i];
		char *end = NULL;
		if (text[0] == letter && text[1] == '-')
			text += 2;
		errno = 0;
		ids[i] = strtoull(text, &end, 10);
		if (*text < '0' || *text > '9' || *end || errno || !ids[i])
			return ctl_usage(c, "'%.32s' is not the number of one",
					 c->args[i]);
	}
	return 0;
}
