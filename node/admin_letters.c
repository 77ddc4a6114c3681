#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/core/command.h"
#include "node/admin_cells.h"
#include "node/node.h"

enum { LIST_MAX = 200, SCAN_MAX = 5000, ACT_MAX = 1000 };

struct letters_read {
	const struct catalog *catalog;
	struct arena *arena;
	const char *sync; /* "": all */
	uint64_t from_id, id;
	uint32_t max;
	Synod__Admin__LetterInfo **list;
	uint64_t *ids; /* instead of list: what an act is about */
	size_t n;
	uint64_t next_id;
};

static Synod__Admin__LetterInfo *info_of(struct letters_read *r,
					 const struct ledger_letter *l)
{
	Synod__Admin__LetterInfo *out = arena_alloc(r->arena, sizeof(*out));
	const struct catalog_table *table =
		catalog_table(r->catalog, l->table_id);
	const Synod__Definition__Connection *connection =
		catalog_connection(r->catalog, l->connection_id);
	struct change change;

	synod__admin__letter_info__init(out);
	out->id = l->id;
	out->index = l->index;
	out->sync = arena_strdup(r->arena, table ? table->sync->name : "?");
	out->connection =
		arena_strdup(r->arena, connection ? connection->name : "?");
	out->table = arena_strdup(r->arena, table ? table->table->name : "?");
	out->key = admin_key(r->arena, table, l->key);
	out->op = command_text(change_decode(l->change, &change)
				       ? "?"
				       : change_op_name(change.op));
	out->n_cells = admin_cells(r->arena, table, l->change, &out->cells);
	out->behind_id = l->behind_id;
	out->code = command_text(l->code ? err_name(l->code) : "");
	out->text = arena_strdup(r->arena, l->text);
	out->time_us = l->time_us;
	return out;
}

static bool is_wanted(const struct letters_read *r,
		      const struct ledger_letter *l)
{
	const struct catalog_table *table =
		catalog_table(r->catalog, l->table_id);

	return !r->sync[0] ||
	       (table && strcmp(table->sync->name, r->sync) == 0);
}

static void read_letters(const struct kv *kv, void *ctx)
{
	struct letters_read *r = ctx;
	struct ledger_letter *l = arena_alloc(r->arena, sizeof(*l));
	uint64_t from = r->id ? r->id : r->from_id;

	for (int i = 0; i < SCAN_MAX && ledger_next_letter(kv, from, l); i++) {
		if (r->id && l->id != r->id)
			return;
		if (r->n == r->max || r->arena->used_bytes > LIMIT_TAIL_BYTES) {
			r->next_id = l->id;
			return;
		}
		from = l->id + 1;
		if (is_wanted(r, l) && r->ids)
			r->ids[r->n++] = l->id;
		else if (is_wanted(r, l))
			r->list[r->n++] = info_of(r, l);
		r->next_id = i + 1 == SCAN_MAX ? from : 0;
	}
}

static bool is_sync(struct node *n, struct door_request *request,
		    const char *name)
{
	if (!name[0] || catalog_sync_named(node_catalog(n), name))
		return true;
	admin_refuse(request, ERR_NOTFOUND, "there is no sync of this name",
		     "synodctl sync list");
	return false;
}

void admin_letters(struct node *n, struct door_request *request,
		   const Synod__Admin__LettersRequest *in)
{
	struct letters_read r = {
		.catalog = node_catalog(n),
		.arena = &n->admin.arena,
		.sync = in->sync,
		.from_id = in->from_id,
		.id = in->id,
		.max = in->count && in->count < LIST_MAX ? in->count : LIST_MAX,
	};
	Synod__Admin__LettersResponse body;
	Synod__Admin__Response response;

	if (!is_sync(n, request, in->sync))
		return;
	r.list = arena_alloc(r.arena, (r.max + 1) * sizeof(r.list[0]));
	state_read(n->state, read_letters, &r);
	if (in->id && !r.n) {
		admin_refuse(request, ERR_NOTFOUND,
			     "there is no dead letter of this number",
			     "synodctl dlq list");
		return;
	}
	synod__admin__letters_response__init(&body);
	synod__admin__response__init(&response);
	body.n_letters = r.n;
	body.letters = r.list;
	body.next_id = r.next_id;
	response.body_case = SYNOD__ADMIN__RESPONSE__BODY_LETTERS;
	response.letters = &body;
	admin_reply(request, &response);
}

/* -- replay, discard ---------------------------------------------------------
 */
void admin_letters_act(struct node *n, struct door_request *request,
		       const Synod__Admin__LettersActRequest *in)
{
	struct letters_read r = {.catalog = node_catalog(n),
				 .arena = &n->admin.arena,
				 .sync = in->sync,
				 .max = ACT_MAX};
	Synod__Command__Letters body;
	Synod__Command__Command command;
	char text[128];

	if (!is_sync(n, request, in->sync))
		return;
	synod__command__letters__init(&body);
	synod__command__command__init(&command);
	body.ids = in->ids;
	body.n_ids = in->n_ids;
	if (in->all) {
		r.ids = arena_alloc(r.arena, ACT_MAX * sizeof(r.ids[0]));
		state_read(n->state, read_letters, &r);
		body.ids = r.ids;
		body.n_ids = r.n;
	}
	if (body.n_ids == 0 || body.n_ids > ACT_MAX) {
		admin_refuse(request, in->all ? ERR_NOTFOUND : ERR_LIMIT,
			     in->all ? "there are no dead letters"
				     : "1 to 1000 dead letters at a time",
			     "synodctl dlq list");
		return;
	}
	body.is_replay = in->is_replay;
	body.author = in->author;
	body.time_us = clock_wall_us(&n->clock);
	command.body_case = SYNOD__COMMAND__COMMAND__BODY_LETTERS;
	command.letters = &body;
	snprintf(text, sizeof(text), "%zu %s%s", body.n_ids,
		 in->is_replay ? "replayed" : "discarded",
		 r.next_id ? "; there are more: repeat it" : "");
	admin_do(n, request, &command,
		 &(struct admin_deed){text, "synodctl dlq list"});
}
