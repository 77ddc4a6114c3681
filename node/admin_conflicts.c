#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/core/command.h"
#include "node/admin_cells.h"
#include "node/node.h"

enum { LIST_MAX = 200, SCAN_MAX = 5000, RESOLVE_MAX = 1000 };

/* One answer, built in the arena of the request while the kv lends. */
struct conflicts_read {
	const Synod__Admin__ConflictsRequest *in;
	const struct catalog *catalog;
	struct arena *arena;
	uint32_t sync_id; /* 0: all */
	uint32_t max;
	Synod__Admin__ConflictInfo **list;
	size_t n;
	uint64_t next_id;
};

static const char *side_name(const struct catalog *c, uint32_t id)
{
	const Synod__Definition__Connection *connection =
		catalog_connection(c, id);

	if (!id)
		return "(decided)";
	return connection ? connection->name : "?";
}

static Synod__Admin__Version *version_of(struct conflicts_read *r,
					 const struct catalog_table *table,
					 const struct ledger_version *from)
{
	Synod__Admin__Version *out = arena_alloc(r->arena, sizeof(*out));
	struct change change;

	synod__admin__version__init(out);
	out->connection = arena_strdup(
		r->arena, side_name(r->catalog, from->connection_id));
	out->index = from->index;
	out->stamp_us = from->stamp_us;
	out->is_delete =
		change_decode(from->change, &change) == 0 &&
		(change.op == CHANGE_DELETE || change.op == CHANGE_TRUNCATE);
	out->n_cells = admin_cells(r->arena, table, from->change, &out->cells);
	out->vector = arena_alloc(r->arena, (from->n_vector + 1) *
						    sizeof(out->vector[0]));
	for (size_t i = 0; i < from->n_vector; i++) {
		Synod__Admin__Version__VectorEntry *item =
			arena_alloc(r->arena, sizeof(*item));
		synod__admin__version__vector_entry__init(item);
		item->key = arena_strdup(
			r->arena,
			side_name(r->catalog, from->vector[i].connection_id));
		item->value = from->vector[i].index;
		out->vector[out->n_vector++] = item;
	}
	return out;
}

static const char *state_name(enum conflict_state state)
{
	switch (state) {
	case CONFLICT_OPEN:
		return "open";
	case CONFLICT_RESOLVED:
		return "resolved";
	default:
		return "decided";
	}
}

static Synod__Admin__ConflictInfo *info_of(struct conflicts_read *r,
					   const struct ledger_conflict *c)
{
	Synod__Admin__ConflictInfo *out = arena_alloc(r->arena, sizeof(*out));
	const struct catalog_table *table =
		catalog_table(r->catalog, c->table_id);
	const Synod__Definition__Sync *sync =
		catalog_sync(r->catalog, c->sync_id);

	synod__admin__conflict_info__init(out);
	out->id = c->id;
	out->index = c->index;
	out->sync = arena_strdup(r->arena, sync ? sync->name : "?");
	out->table = arena_strdup(r->arena, table ? table->table->name : "?");
	out->key = admin_key(r->arena, table, c->key);
	out->kind = arena_strdup(r->arena, c->kind);
	out->state = command_text(state_name(c->state));
	out->a = version_of(r, table, &c->a);
	out->b = version_of(r, table, &c->b);
	admin_cells_compare(out->a->cells, out->a->n_cells, out->b->cells,
			    out->b->n_cells);
	out->winner = c->is_a_winner ? out->a->connection : out->b->connection;
	out->is_a_winner = c->is_a_winner;
	out->rule = arena_strdup(r->arena, c->rule);
	out->reason = arena_strdup(r->arena, c->reason);
	out->time_us = c->time_us;
	out->resolved_us = c->resolved_us;
	out->resolved_by = arena_strdup(r->arena, c->resolved_by);
	return out;
}

static bool is_wanted(const struct conflicts_read *r,
		      const struct ledger_conflict *c)
{
	if (r->in->id)
		return c->id == r->in->id;
	return (!r->sync_id || c->sync_id == r->sync_id) &&
	       (!r->in->only_open || c->state == CONFLICT_OPEN);
}

static void read_conflicts(const struct kv *kv, void *ctx)
{
	struct conflicts_read *r = ctx;
	struct ledger_conflict *c = arena_alloc(r->arena, sizeof(*c));
	uint64_t from = r->in->id ? r->in->id : r->in->from_id;

	for (int i = 0; i < SCAN_MAX && ledger_next_conflict(kv, from, c);
	     i++) {
		if (r->in->id && c->id != r->in->id)
			return;
		if (r->n == r->max || r->arena->used_bytes > LIMIT_TAIL_BYTES) {
			r->next_id = c->id;
			return;
		}
		from = c->id + 1;
		if (is_wanted(r, c))
			r->list[r->n++] = info_of(r, c);
		r->next_id = i + 1 == SCAN_MAX ? from : 0;
	}
}

void admin_conflicts(struct node *n, struct door_request *request,
		     const Synod__Admin__ConflictsRequest *in)
{
	const Synod__Definition__Sync *sync =
		in->sync[0] ? catalog_sync_named(node_catalog(n), in->sync)
			    : NULL;
	struct conflicts_read r = {
		.in = in,
		.catalog = node_catalog(n),
		.arena = &n->admin.arena,
		.sync_id = sync ? sync->id : 0,
		.max = in->count && in->count < LIST_MAX ? in->count : LIST_MAX,
	};
	Synod__Admin__ConflictsResponse body;
	Synod__Admin__Response response;

	if (in->sync[0] && !sync) {
		admin_refuse(request, ERR_NOTFOUND,
			     "there is no sync of this name",
			     "synodctl sync list");
		return;
	}
	r.list = arena_alloc(r.arena, (r.max + 1) * sizeof(r.list[0]));
	state_read(n->state, read_conflicts, &r);
	if (in->id && !r.n) {
		admin_refuse(request, ERR_NOTFOUND,
			     "there is no conflict of this number, or it is "
			     "no longer kept",
			     "synodctl conflict list");
		return;
	}
	synod__admin__conflicts_response__init(&body);
	synod__admin__response__init(&response);
	body.n_conflicts = r.n;
	body.conflicts = r.list;
	body.next_id = r.next_id;
	response.body_case = SYNOD__ADMIN__RESPONSE__BODY_CONFLICTS;
	response.conflicts = &body;
	admin_reply(request, &response);
}

/* -- resolve -----------------------------------------------------------------
 */
/* Several conflicts, one answer: when the last of them is known. */
struct resolve_call {
	struct door_request *request;
	size_t n_left, n_done, n_refused;
	int code;
	uint64_t index;
	char why[256];
};

static void resolve_end(struct node *n, struct resolve_call *call)
{
	Synod__Admin__DoneResponse body;
	Synod__Admin__Response response;
	char text[320];

	if (!call->n_done) {
		admin_refuse(call->request, call->code,
			     call->why[0] ? call->why
					  : err_sentence(call->code),
			     "synodctl conflict show ID");
		return;
	}
	synod__admin__done_response__init(&body);
	synod__admin__response__init(&response);
	if (call->n_refused)
		snprintf(text, sizeof(text), "%zu resolved, %zu not: %.200s",
			 call->n_done, call->n_refused, call->why);
	else
		snprintf(text, sizeof(text), "%zu resolved", call->n_done);
	body.index = call->index;
	body.text = text;
	response.index = call->index;
	response.body_case = SYNOD__ADMIN__RESPONSE__BODY_DONE;
	response.done = &body;
	admin_reply(call->request, &response);
}

static void resolve_count(struct node *n, struct resolve_call *call, int code,
			  const char *why)
{
	call->n_done += code == 0;
	call->n_refused += code != 0;
	if (code) {
		call->code = code;
		snprintf(call->why, sizeof(call->why), "%.255s",
			 why[0] ? why : err_sentence(code));
	}
	if (--call->n_left)
		return;
	resolve_end(n, call);
	free(call);
}

static void resolved(struct node *n, void *ctx, int code, uint64_t index)
{
	struct resolve_call *call = ctx;

	if (!code)
		call->index = index;
	resolve_count(n, call, code, admin_refusal(n));
}

void admin_resolve(struct node *n, struct door_request *request,
		   const Synod__Admin__ResolveRequest *in)
{
	const Synod__Definition__Connection *connection =
		catalog_connection_named(node_catalog(n), in->connection);

	if (!connection || in->n_ids == 0 || in->n_ids > RESOLVE_MAX) {
		admin_refuse(request, connection ? ERR_LIMIT : ERR_NOTFOUND,
			     connection ? "1 to 1000 conflicts at a time"
					: "there is no connection of this name",
			     "synodctl conflict list --open");
		return;
	}
	struct resolve_call *call = mem_zero(1, sizeof(*call));
	call->request = request;
	/* One more for this function: no fate ends it while it proposes. */
	call->n_left = in->n_ids + 1;
	for (size_t i = 0; i < in->n_ids; i++) {
		Synod__Command__Resolve body;
		Synod__Command__Command command;
		struct err e = {0};
		synod__command__resolve__init(&body);
		synod__command__command__init(&command);
		body.conflict_id = in->ids[i];
		body.connection_id = connection->id;
		body.is_forced = in->is_forced;
		body.author = in->author;
		body.time_us = clock_wall_us(&n->clock);
		command.body_case = SYNOD__COMMAND__COMMAND__BODY_RESOLVE;
		command.resolve = &body;
		if (admin_propose(n, &command, resolved, call, &e))
			resolve_count(n, call, e.code, e.text);
	}
	/* The one more: neither done nor refused. */
	if (--call->n_left)
		return;
	resolve_end(n, call);
	free(call);
}
