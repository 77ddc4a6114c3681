#include "node/ctl/ask.h"

#include <stdio.h>

int ask_status(struct ctl *c, struct ask *a)
{
	*a = (struct ask){0};
	Synod__Admin__StatusRequest status;
	synod__admin__status_request__init(&status);
	Synod__Admin__Request request;
	synod__admin__request__init(&request);
	status.with_nodes = true;
	request.body_case = SYNOD__ADMIN__REQUEST__BODY_STATUS;
	request.status = &status;
	a->n_answers = c->link.n_ends;
	link_call_all(&c->link, &request, (int)c->options.timeout_ms,
		      a->answers);
	const struct link_answer *failed = NULL;
	for (size_t i = 0; i < a->n_answers; i++) {
		struct link_answer *answer = &a->answers[i];
		ctl_detail(c, "%s: %s", c->link.ends[i].url,
			   answer->e.code ? answer->e.text : "answered");
		if (answer->e.code == 0 &&
		    answer->response->body_case ==
			    SYNOD__ADMIN__RESPONSE__BODY_STATUS) {
			view_add(&a->view, answer->response->status);
			a->n_good++;
			continue;
		}
		if (answer->e.code == 0)
			err_set(&answer->e, ERR_FORMAT,
				"%s: the answer is not a status",
				c->link.ends[i].url);
		failed = answer;
	}
	if (a->n_good == 0)
		return ctl_fail(c, &failed->e, failed->hint);
	view_finish(&a->view);
	return 0;
}

void ask_clear(struct ask *a)
{
	for (size_t i = 0; i < a->n_answers; i++)
		link_answer_clear(&a->answers[i]);
	*a = (struct ask){0};
}
