/* synodctl node: the members, and who leads them. */
#include <inttypes.h>
#include <stdio.h>

#include "node/ctl/ask.h"
#include "node/ctl/command.h"
#include "node/ctl/overview.h"
#include "node/ctl/watch.h"

/* -- list ------------------------------------------------------------------ */

static int draw_list(struct ctl *c)
{
	struct ask a;
	struct overview o = {0};
	int rc = ask_status(c, &a);
	if (rc == 0) {
		overview_try(c, NULL, &o);
		overview_to_view(&o, &a.view);
		output_begin(&c->output, view_columns, view_n_columns);
		view_rows(&a.view, &c->output);
		output_flush(&c->output);
	}
	overview_clear(&o);
	ask_clear(&a);
	return rc;
}

static int run_list(struct ctl *c)
{
	return watch_run(c, draw_list);
}

static const struct ctl_flag list_flags[] = {
	{.name = "watch",
	 .letter = 'w',
	 .kind = FLAG_DURATION,
	 .value = "TIME",
	 .preset = "1s",
	 .doc = "again every TIME (default 1s) until Ctrl-C",
	 .offset = offsetof(struct ctl_options, watch_ms)},
	{0},
};

static const char *const list_examples[] = {
	"synodctl node list",
	"synodctl node list -o wide",
	"synodctl node list -o name",
	NULL,
};

const struct ctl_command command_node_list = {
	.noun = "node",
	.verb = "list",
	.args = "",
	.summary = "the members and their figures",
	.detail = "A '-' stands for what the nodes that were asked do not "
		  "know; name more endpoints to see the figures of more "
		  "nodes.",
	.flags = list_flags,
	.examples = list_examples,
	.risk = RISK_READ,
	.run = run_list,
};

/* -- transfer-leader ------------------------------------------------------- */

static const struct column transfer_columns[] = {
	{"to", "LEADER", COLUMN_TEXT, 0},
	{"term", "TERM", COLUMN_NUMBER, 0},
};

/* Ask one endpoint after the other until the leader was among them. */
static int transfer(struct ctl *c, const Synod__Admin__Request *request,
		    struct link_answer *answer)
{
	struct link_answer last = {0};
	for (size_t i = 0; i < c->link.n_ends; i++) {
		int rc = link_call(&c->link, i, request,
				   (int)c->options.timeout_ms, answer);
		ctl_detail(c, "%s: %s", c->link.ends[i].url,
			   rc ? answer->e.text : "done");
		/* Only who does not lead, or is not there, did nothing. */
		bool is_next = rc == ERR_NOT_LEADER || rc == ERR_NETWORK ||
			       rc == ERR_TLS;
		if (!is_next)
			return rc;
		/* The word of a node says more than a dead endpoint. */
		if (rc == ERR_NOT_LEADER || last.e.code == 0)
			last = *answer;
	}
	*answer = last;
	return answer->e.code;
}

static int run_transfer(struct ctl *c)
{
	const char *to = c->options.to;
	char effect[256];
	snprintf(effect, sizeof effect,
		 "Leadership moves to %.80s; changes wait for some "
		 "milliseconds, none is lost.",
		 to ? to : "the follower that is furthest ahead");
	int rc = ctl_confirm(c, effect);
	if (rc)
		return rc;
	Synod__Admin__TransferRequest move;
	synod__admin__transfer_request__init(&move);
	Synod__Admin__Request request;
	synod__admin__request__init(&request);
	char name[LIMIT_NAME_BYTES + 1];
	snprintf(name, sizeof name, "%s", to ? to : "");
	move.to = name;
	request.body_case = SYNOD__ADMIN__REQUEST__BODY_TRANSFER;
	request.transfer = &move;
	struct link_answer answer = {0};
	if (transfer(c, &request, &answer)) {
		bool is_lost =
			answer.e.code == ERR_NOT_LEADER && !answer.hint[0];
		rc = ctl_fail(c, &answer.e,
			      is_lost ? "name the endpoints of all nodes: "
					"--endpoint URL,URL,URL"
				      : answer.hint);
	} else if (answer.response->body_case ==
		   SYNOD__ADMIN__RESPONSE__BODY_TRANSFER) {
		const Synod__Admin__TransferResponse *done =
			answer.response->transfer;
		struct cell cells[] = {cell_text(done->to),
				       cell_number(done->term)};
		output_begin(&c->output, transfer_columns, 2);
		output_row(&c->output, cells);
	} else {
		struct err e;
		err_set(&e, ERR_FORMAT, "the answer is not a transfer");
		rc = ctl_fail(c, &e, NULL);
	}
	link_answer_clear(&answer);
	return rc;
}

static const struct ctl_flag transfer_flags[] = {
	{.name = "to",
	 .kind = FLAG_TEXT,
	 .value = "NAME",
	 .doc = "the member that is to lead (default: the best one)",
	 .offset = offsetof(struct ctl_options, to)},
	{0},
};

static const char *const transfer_examples[] = {
	"synodctl node transfer-leader",
	"synodctl node transfer-leader --to n2 --yes",
	NULL,
};

const struct ctl_command command_node_transfer_leader = {
	.noun = "node",
	.verb = "transfer-leader",
	.args = "",
	.summary = "let another member lead",
	.detail = "Only the leader can hand over. With several endpoints it "
		  "is found among them.",
	.flags = transfer_flags,
	.examples = transfer_examples,
	.risk = RISK_DISRUPTIVE,
	.run = run_transfer,
};
