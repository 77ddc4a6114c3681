#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cluster/core/command.h"
#include "node/node.h"

/* Commands of people: answered when they are committed, applied and durable in
 * the state of this node, so that whoever asks next sees what he did. */

struct pending_call {
	struct pending_call *next;
	uint64_t serial; /* in the tag */
	uint64_t index;  /* 0: not committed yet */
	admin_done done;
	void *ctx;
};

int admin_propose(struct node *n, const Synod__Command__Command *c,
		  admin_done done, void *ctx, struct err *e)
{
	struct admin *a = &n->admin;

	if (!n->replica || n->phase != NODE_RUNNING)
		return err_set(e, ERR_NO_LEADER,
			       n->phase < NODE_RUNNING
				       ? "this node waits for the others"
				       : "this node is stopping");
	struct blob *sealed = command_seal(c);
	uint64_t serial = ++a->last_serial;
	int rc = replica_propose(n->replica, blob_bytes(sealed),
				 NODE_TAG_ADMIN | serial, e);
	blob_unref(sealed);
	if (rc)
		return rc;
	struct pending_call *call = mem_zero(1, sizeof(*call));
	*call = (struct pending_call){
		.next = a->pending, .serial = serial, .done = done, .ctx = ctx};
	a->pending = call;
	return 0;
}

static void finish(struct node *n, struct pending_call **at, int code,
		   const char *text)
{
	struct pending_call *call = *at;

	*at = call->next;
	snprintf(n->admin.refusal, sizeof(n->admin.refusal), "%s", text);
	call->done(n, call->ctx, code, call->index);
	n->admin.refusal[0] = '\0';
	free(call);
}

const char *admin_refusal(const struct node *n)
{
	return n->admin.refusal;
}

void admin_propose_fate(struct node *n, uint64_t tag, int code, uint64_t index)
{
	struct pending_call **at = &n->admin.pending;

	while (*at && (NODE_TAG_ADMIN | (*at)->serial) != tag)
		at = &(*at)->next;
	CHECK(*at);
	if (code)
		finish(n, at, code, "");
	else
		(*at)->index = index;
}

void admin_propose_turn(struct node *n)
{
	struct pending_call **at = &n->admin.pending;

	while (*at) {
		struct pending_call *call = *at;
		struct decided_refusal r = {0};
		if (!call->index || call->index > n->state_done) {
			at = &call->next;
			continue;
		}
		decided_refusal(&n->machine.decided, call->index, &r);
		finish(n, at, r.code, r.text);
	}
}

void admin_propose_close(struct node *n)
{
	while (n->admin.pending)
		finish(n, &n->admin.pending, ERR_UNKNOWN_FATE,
		       "the node stops");
}

/* -- the plain case: a request, a command, "done" ---------------------------
 */
struct plain_call {
	struct door_request *request;
	const char *hint; /* a literal, when it is refused */
	char text[256];
};

static void plain_done(struct node *n, void *ctx, int code, uint64_t index)
{
	struct plain_call *call = ctx;
	const char *why = admin_refusal(n);
	Synod__Admin__DoneResponse body;
	Synod__Admin__Response response;

	if (code) {
		admin_refuse(call->request, code,
			     why[0] ? why : err_sentence(code), call->hint);
		free(call);
		return;
	}
	synod__admin__done_response__init(&body);
	synod__admin__response__init(&response);
	body.index = index;
	body.text = call->text;
	response.index = index;
	response.body_case = SYNOD__ADMIN__RESPONSE__BODY_DONE;
	response.done = &body;
	admin_reply(call->request, &response);
	free(call);
}

void admin_do(struct node *n, struct door_request *request,
	      const Synod__Command__Command *c, const struct admin_deed *deed)
{
	struct plain_call *call = mem_zero(1, sizeof(*call));
	struct err e = {0};

	call->request = request;
	call->hint = deed->hint;
	snprintf(call->text, sizeof(call->text), "%s", deed->text);
	if (!admin_propose(n, c, plain_done, call, &e))
		return;
	admin_refuse(request, e.code, e.text, "try again, or ask another node");
	free(call);
}
