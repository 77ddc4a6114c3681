#include <stdlib.h>

#include "base/check.h"
#include "cluster/core/command.h"
#include "node/node.h"

/* Tag of a value's proposal: life of the call, its place, number of the value.
 * The highest four say whose else it is (node.h). */
enum { TAG_VALUE_BITS = 16, TAG_PLACE_BITS = 16, TAG_LIFE_MASK = 0x0fffffff };

/* How exact the deadlines of requests are. */
enum { LOOK_US = 5000 };

_Static_assert(LIMIT_APPEND_VALUES < 1 << TAG_VALUE_BITS, "a value fits");
_Static_assert(ADMIN_APPENDS < 1 << TAG_PLACE_BITS, "a place fits");

static uint64_t tag_of(const struct admin *a, const struct append_call *call)
{
	uint64_t place = (uint64_t)(call - a->appends);

	return (uint64_t)(call->life & TAG_LIFE_MASK)
		       << (TAG_VALUE_BITS + TAG_PLACE_BITS) |
	       place << TAG_VALUE_BITS;
}

static struct append_call *find(struct admin *a, uint64_t tag)
{
	size_t place = tag >> TAG_VALUE_BITS & ((1 << TAG_PLACE_BITS) - 1);
	uint64_t mask = ((uint64_t)1 << TAG_VALUE_BITS) - 1;

	CHECK(place < ADMIN_APPENDS);
	struct append_call *call = &a->appends[place];
	CHECK(call->is_used && tag_of(a, call) == (tag & ~mask));
	return call;
}

static struct append_call *take_place(struct admin *a, size_t n)
{
	for (size_t i = 0; i < ADMIN_APPENDS; i++) {
		struct append_call *call = &a->appends[i];
		if (call->is_used)
			continue;
		call->is_used = true;
		call->life++;
		call->n = call->n_left = n;
		if (n > call->fates_cap) {
			call->fates_cap = n;
			call->fates = mem_grow(call->fates,
					       n * sizeof(call->fates[0]));
		}
		return call;
	}
	return NULL;
}

/* Answer with what is known now; what is not may still happen. */
static void answer(struct node *n, struct append_call *call)
{
	struct arena *arena = &n->admin.arena;
	Synod__Admin__AppendResponse body;
	Synod__Admin__Response response;
	Synod__Admin__Fate *fates =
		arena_alloc(arena, call->n * sizeof(*fates));
	Synod__Admin__Fate **list = arena_alloc(arena, call->n * sizeof(*list));

	synod__admin__append_response__init(&body);
	synod__admin__response__init(&response);
	for (size_t i = 0; i < call->n; i++) {
		synod__admin__fate__init(&fates[i]);
		fates[i].code = call->fates[i].code;
		fates[i].index = call->fates[i].index;
		list[i] = &fates[i];
	}
	body.n_fates = call->n;
	body.fates = list;
	response.body_case = SYNOD__ADMIN__RESPONSE__BODY_APPEND;
	response.append = &body;
	admin_reply(call->request, &response);
	call->request = NULL;
	arena_clear(arena);
}

static void finish(struct node *n, struct append_call *call)
{
	if (call->request)
		answer(n, call);
	call->is_used = false;
}

static void settle(struct append_call *call, size_t i, int code, uint64_t index)
{
	CHECK(i < call->n && call->n_left > 0);
	call->fates[i].code = code;
	call->fates[i].index = index;
	call->n_left--;
}

static void propose_all(struct node *n, struct append_call *call,
			const Synod__Admin__AppendRequest *body)
{
	struct admin *a = &n->admin;
	uint64_t tag = tag_of(a, call);
	struct err e;

	/* Until its fate is heard it is unknown. */
	for (size_t i = 0; i < call->n; i++)
		call->fates[i] = (struct append_fate){ERR_UNKNOWN_FATE, 0};
	for (size_t i = 0; i < call->n; i++) {
		struct bytes value = {body->values[i].data,
				      body->values[i].len};
		size_t len = command_append_bytes(value.len);
		if (len > a->scratch_cap) {
			a->scratch_cap = len + 4096;
			a->scratch = mem_grow(a->scratch, a->scratch_cap);
		}
		command_append_write(value, a->scratch);
		int rc = replica_propose(n->replica,
					 (struct bytes){a->scratch, len},
					 tag | i, &e);
		if (rc)
			settle(call, i, rc, 0);
	}
}

static const char *unready(const struct node *n)
{
	if (n->phase == NODE_RUNNING)
		return NULL;
	return n->phase < NODE_RUNNING ? "this node waits for the other members"
				       : "this node is stopping";
}

void admin_append(struct node *n, struct door_request *request,
		  const Synod__Admin__AppendRequest *body)
{
	const char *why = unready(n);
	uint32_t timeout_ms = body->timeout_ms;

	if (why) {
		admin_refuse(request, ERR_NO_LEADER, why,
			     "try again, or ask another node");
		return;
	}
	if (body->n_values == 0 || body->n_values > LIMIT_APPEND_VALUES) {
		admin_refuse(request, ERR_LIMIT,
			     "an append takes 1 to 1024 values", NULL);
		return;
	}
	struct append_call *call = take_place(&n->admin, body->n_values);
	if (!call) {
		admin_refuse(request, ERR_BUSY, "too many appends are waiting",
			     "try again");
		return;
	}
	if (timeout_ms == 0 || timeout_ms > LIMIT_PROPOSAL_MS)
		timeout_ms = LIMIT_PROPOSAL_MS;
	call->request = request;
	/* The replica has a deadline of its own; ours is only ever earlier. */
	call->deadline_us = node_now_us(n) + (int64_t)timeout_ms * 1000;
	propose_all(n, call, body);
	/* The replica has its own copy: what waits must not hold megabytes. */
	blob_unref(request->frame);
	request->frame = NULL;
	if (call->n_left == 0)
		finish(n, call);
}

void admin_fate(struct node *n, uint64_t tag, int code, uint64_t index)
{
	struct append_call *call = find(&n->admin, tag);

	settle(call, tag & ((1 << TAG_VALUE_BITS) - 1), code, index);
	if (call->n_left == 0)
		finish(n, call);
}

void admin_append_turn(struct node *n, int64_t now_us)
{
	if (now_us < n->admin.look_us)
		return;
	n->admin.look_us = now_us + LOOK_US;
	for (size_t i = 0; i < ADMIN_APPENDS; i++) {
		struct append_call *call = &n->admin.appends[i];
		if (call->is_used && call->request &&
		    now_us >= call->deadline_us)
			answer(n, call); /* its place waits for the rest */
	}
}
