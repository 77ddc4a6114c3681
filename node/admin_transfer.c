#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cluster/core/command.h"
#include "node/node.h"

static void answer(struct node *n, struct door_request *request)
{
	Synod__Admin__TransferResponse body;
	Synod__Admin__Response response;

	synod__admin__transfer_response__init(&body);
	synod__admin__response__init(&response);
	body.to = command_text(members_name(&n->members, n->view.leader_id));
	body.term = n->view.term;
	response.body_case = SYNOD__ADMIN__RESPONSE__BODY_TRANSFER;
	response.transfer = &body;
	admin_reply(request, &response);
}

/* Only the leader can give leadership away. */
static void refuse_follower(struct node *n, struct door_request *request)
{
	struct member *leader = members_find(&n->members, n->view.leader_id);
	char hint[512];

	if (!leader) {
		admin_refuse(request, ERR_NO_LEADER,
			     "the cluster has no leader now",
			     "try again when `synodctl status` shows one");
		return;
	}
	snprintf(hint, sizeof(hint), "ask the leader: %s (%s)", leader->name,
		 leader->address);
	admin_refuse(request, ERR_NOT_LEADER, "this node does not lead", hint);
}

static struct member *find_by_name(struct members *m, const char *name)
{
	for (size_t i = 0; i < m->n; i++) {
		if (strcmp(m->list[i].name, name) == 0)
			return &m->list[i];
	}
	return NULL;
}

void admin_transfer(struct node *n, struct door_request *request,
		    const Synod__Admin__TransferRequest *body)
{
	struct member *to = NULL;
	struct err e = {0};

	if (body->to[0]) {
		to = find_by_name(&n->members, body->to);
		if (!to) {
			admin_refuse(request, ERR_NOTFOUND,
				     "no member has this name",
				     "see `synodctl node list`");
			return;
		}
	}
	if (n->phase != NODE_RUNNING || n->view.state != REPLICA_LEADER) {
		refuse_follower(n, request);
		return;
	}
	if (to && to == members_self(&n->members)) {
		answer(n, request); /* it leads already */
		return;
	}
	if (to && (!to->is_connected || to->is_quarantined)) {
		admin_refuse(request, ERR_BUSY,
			     to->is_connected ? "the member is being rebuilt"
					      : "the member is not connected",
			     "see `synodctl node list`");
		return;
	}
	if (n->admin.transfer ||
	    replica_transfer(n->replica, to ? to->facts.id : 0, &e)) {
		admin_refuse(request, e.code ? e.code : ERR_BUSY,
			     e.code ? e.text : "a transfer is under way",
			     "try again");
		return;
	}
	n->admin.transfer = request;
}

void admin_transferred(struct node *n, int code)
{
	struct door_request *request = n->admin.transfer;

	n->admin.transfer = NULL;
	if (!request)
		return;
	if (code) {
		admin_refuse(request, code,
			     "the other node did not take over in time",
			     "see `synodctl node list`");
		return;
	}
	replica_view(n->replica, &n->view);
	answer(n, request);
}
