#include "node/admin.h"

#include <stdlib.h>

#include "base/log.h"
#include "cluster/core/command.h"
#include "node/admin_define.h"
#include "node/node.h"
#include "proto/codec.h"

enum { ARENA_BLOCK_BYTES = 64 << 10 };

void admin_open(struct admin *a)
{
	*a = (struct admin){0};
	arena_init(&a->arena, ARENA_BLOCK_BYTES);
}

void admin_close(struct node *n)
{
	struct admin *a = &n->admin;

	admin_propose_close(n);
	for (size_t i = 0; i < ADMIN_APPENDS; i++) {
		struct append_call *call = &a->appends[i];
		if (call->is_used && call->request)
			admin_refuse(call->request, ERR_UNKNOWN_FATE,
				     "the node stops", NULL);
		free(call->fates);
	}
	while (a->waiting) {
		struct waiting_call *call = a->waiting;
		a->waiting = call->next;
		admin_refuse(call->request, ERR_CLOSED, "the node stops", NULL);
		free(call);
	}
	if (a->transfer)
		admin_refuse(a->transfer, ERR_CLOSED, "the node stops", NULL);
	free(a->scratch);
	arena_free(&a->arena);
	*a = (struct admin){0};
}

/* -- answers --------------------------------------------------------------- */
void admin_reply(struct door_request *request,
		 const Synod__Admin__Response *response)
{
	door_reply(request, codec_seal(CODEC_RESPONSE, &response->base));
}

void admin_refuse(struct door_request *request, int code, const char *text,
		  const char *hint)
{
	Synod__Admin__Problem problem;
	Synod__Admin__Response response;

	synod__admin__problem__init(&problem);
	synod__admin__response__init(&response);
	problem.code = code;
	problem.name = command_text(err_name(code));
	problem.text = command_text(text);
	problem.hint = command_text(hint ? hint : "");
	response.problem = &problem;
	admin_reply(request, &response);
}

/* -- requests -------------------------------------------------------------- */
static void *from_arena(void *ctx, size_t size)
{
	struct arena *arena = ctx;

	/* Two bytes of a frame can ask for a struct of a hundred. */
	if (size > LIMIT_UNPACK_BYTES ||
	    arena->used_bytes > LIMIT_UNPACK_BYTES - size)
		return NULL;
	return arena_alloc(arena, size);
}

static void keep(void *ctx, void *p)
{
	/* It dies with the arena. */
}

/* A request may hold a thousand values: they live in one arena that is cleared
 * when the request is worked off. */
static Synod__Admin__Request *open_request(struct admin *a, struct blob *frame,
					   struct err *e)
{
	ProtobufCAllocator allocator = {from_arena, keep, &a->arena};
	struct bytes body;

	if (codec_open(CODEC_REQUEST, blob_bytes(frame), LIMIT_FRAME_BYTES,
		       &body, e))
		return NULL;
	Synod__Admin__Request *r =
		synod__admin__request__unpack(&allocator, body.len, body.data);
	if (!r)
		err_set(e, ERR_CORRUPT, "the request does not decode");
	return r;
}

/* What runs, and what came of it. */
static void dispatch_work(struct node *n, struct door_request *request,
			  const Synod__Admin__Request *r)
{
	switch (r->body_case) {
	case SYNOD__ADMIN__REQUEST__BODY_OVERVIEW:
		admin_overview(n, request, r->overview);
		break;
	case SYNOD__ADMIN__REQUEST__BODY_PAUSE:
		admin_pause(n, request, r->pause);
		break;
	case SYNOD__ADMIN__REQUEST__BODY_MOVE:
		admin_move(n, request, r->move);
		break;
	case SYNOD__ADMIN__REQUEST__BODY_DRAIN:
		admin_drain(n, request, r->drain);
		break;
	case SYNOD__ADMIN__REQUEST__BODY_CONFLICTS:
		admin_conflicts(n, request, r->conflicts);
		break;
	case SYNOD__ADMIN__REQUEST__BODY_RESOLVE:
		admin_resolve(n, request, r->resolve);
		break;
	case SYNOD__ADMIN__REQUEST__BODY_LETTERS:
		admin_letters(n, request, r->letters);
		break;
	case SYNOD__ADMIN__REQUEST__BODY_LETTERS_ACT:
		admin_letters_act(n, request, r->letters_act);
		break;
	default:
		admin_refuse(request, ERR_INVALID,
			     "this node does not know the request",
			     "use a synodctl of the same version");
		break;
	}
}

static void dispatch(struct node *n, struct door_request *request,
		     const Synod__Admin__Request *r)
{
	switch (r->body_case) {
	case SYNOD__ADMIN__REQUEST__BODY_STATUS:
		admin_status(n, request, r->status);
		break;
	case SYNOD__ADMIN__REQUEST__BODY_APPEND:
		admin_append(n, request, r->append);
		break;
	case SYNOD__ADMIN__REQUEST__BODY_TAIL:
		admin_tail(n, request, r->tail);
		break;
	case SYNOD__ADMIN__REQUEST__BODY_EVENTS:
		admin_events(n, request, r->events);
		break;
	case SYNOD__ADMIN__REQUEST__BODY_TRANSFER:
		admin_transfer(n, request, r->transfer);
		break;
	case SYNOD__ADMIN__REQUEST__BODY_METRICS:
		admin_metrics(n, request);
		break;
	case SYNOD__ADMIN__REQUEST__BODY_DEFINE:
		admin_define(n, request, r->define);
		break;
	case SYNOD__ADMIN__REQUEST__BODY_REVISIONS:
		admin_revisions(n, request, r->revisions);
		break;
	case SYNOD__ADMIN__REQUEST__BODY_CONNECTION:
		admin_connection(n, request, r->connection);
		break;
	default:
		dispatch_work(n, request, r);
		break;
	}
}

void admin_request(struct node *n, struct door_request *request)
{
	struct err e = {0};

	metric_add(n->stats.requests, 1);
	Synod__Admin__Request *r = open_request(&n->admin, request->frame, &e);
	if (r)
		dispatch(n, request, r);
	else
		admin_refuse(request, e.code, e.text, NULL);
	arena_clear(&n->admin.arena);
}

void admin_turn(struct node *n)
{
	int64_t now_us = node_now_us(n);

	admin_propose_turn(n);
	admin_append_turn(n, now_us);
	admin_read_turn(n, now_us);
}
