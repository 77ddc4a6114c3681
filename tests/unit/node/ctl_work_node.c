#include "ctl_work_node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"

enum { INDEX = 900, GIB = 1 << 30 };

/* 2026-11-21 05:30:00 UTC. */
static const int64_t now_us = INT64_C(1795239000000000);

void work_text(char **field, const char *value)
{
	*field = (char *)(uintptr_t)value;
}

/* -- the cluster ----------------------------------------------------------- */

static void init_nodes(struct work *w)
{
	static const char *const names[] = {"n1", "n2", "n3"};

	for (size_t i = 0; i < WORK_NODES; i++) {
		Synod__Admin__NodeStatus *s = &w->nodes[i];
		synod__admin__node_status__init(s);
		s->id = i + 1;
		work_text(&s->name, names[i]);
		work_text(&s->address, "127.0.0.1:41001");
		work_text(&s->role, "voter");
		work_text(&s->state, i == 1 ? "leader" : "follower");
		work_text(&s->version, "0.1.0");
		work_text(&s->durability, "fsync on a quorum");
		s->term = 14;
		s->leader_id = 2;
		s->commit_index = s->applied_index = s->last_index = INDEX;
		s->first_index = 1;
		s->digest = 0xabc;
		s->digest_index = INDEX;
		s->log_bytes = (uint64_t)3 * GIB;
		s->log_limit_bytes = (uint64_t)64 * GIB;
		s->uptime_us = 22320000000;
		s->peers_connected = 2;
		w->node_list[i] = s;
	}
	for (size_t i = 0; i < WORK_NODES; i++) {
		synod__admin__status_response__init(&w->status[i]);
		work_text(&w->status[i].cluster, "demo");
		work_text(&w->status[i].cluster_id, "00ff");
		w->status[i].self = &w->nodes[i];
		w->status[i].n_nodes = WORK_NODES;
		w->status[i].nodes = w->node_list;
	}
}

/* -- work ------------------------------------------------------------------ */

static void init_task(struct work *w, size_t i, const char *name,
		      const char *kind)
{
	Synod__Admin__TaskInfo *t = &w->tasks[i];
	static const char *const owners[] = {"n1", "n2", "n3", "n1"};

	synod__admin__task_info__init(t);
	t->id = (uint32_t)i + 1;
	work_text(&t->name, name);
	work_text(&t->kind, kind);
	work_text(&t->connection, strstr(name, "paris") ? "paris" : "berlin");
	work_text(&t->node, owners[i]);
	work_text(&t->state, "running");
	t->epoch = 20 + i;
	t->since_us = now_us - 1000000;
	if (strcmp(kind, "apply") == 0) {
		work_text(&t->sync, "stock");
		t->applied_index = INDEX - 1;
		t->behind = 1;
		t->lag_p50_us = 38000;
		t->lag_p99_us = 210000;
		t->per_second = 206;
	}
	w->task_list[i] = t;
}

static void init_sync(struct work *w)
{
	Synod__Admin__SyncInfo *s = &w->sync;

	synod__admin__table_info__init(&w->table);
	w->table.id = 1;
	work_text(&w->table.name, "items");
	work_text(&w->table_sides[0], "berlin: items");
	work_text(&w->table_sides[1], "paris: items");
	work_text(&w->table_fields[0], "sku text key");
	work_text(&w->table_fields[1], "name text");
	work_text(&w->table_fields[2], "qty int64");
	w->table.n_sides = 2;
	w->table.sides = w->table_sides;
	w->table.n_fields = 3;
	w->table.fields = w->table_fields;
	w->table_list[0] = &w->table;

	synod__admin__sync_info__init(s);
	s->id = 1;
	work_text(&s->name, "stock");
	work_text(&s->sides, "berlin (sqlite) <-> paris (sqlite)");
	s->is_two_way = true;
	work_text(&s->state, "running");
	work_text(&s->owner, "n1, n2, n3");
	work_text(&s->policy, "last-write-wins");
	s->lag_p50_us = 38000;
	s->lag_p99_us = 210000;
	s->per_second = 412;
	s->conflicts = 5;
	s->n_tables = 1;
	s->tables = w->table_list;
	s->n_tasks = WORK_TASKS;
	s->tasks = w->task_list;
	w->sync_list[0] = s;
}

static void init_connections(struct work *w)
{
	static const char *const names[] = {"berlin", "paris"};

	work_text(&w->connection_syncs[0], "stock");
	work_text(&w->unreachable_from[0], "n1");
	work_text(&w->unreachable_from[1], "n3");
	for (size_t i = 0; i < 2; i++) {
		Synod__Admin__ConnectionInfo *k = &w->connections[i];
		synod__admin__connection_info__init(k);
		k->id = (uint32_t)i + 1;
		work_text(&k->name, names[i]);
		work_text(&k->type, "sqlite");
		work_text(&k->address, "path=/srv/a.db");
		k->n_syncs = 1;
		k->syncs = w->connection_syncs;
		k->unreachable_from = w->unreachable_from;
		w->connection_list[i] = k;
	}
}

static void init_overview(struct work *w)
{
	Synod__Admin__OverviewResponse *all = &w->overview;

	synod__admin__overview_response__init(all);
	all->n_syncs = 1;
	all->syncs = w->sync_list;
	all->n_tasks = WORK_TASKS;
	all->tasks = w->task_list;
	all->n_connections = 2;
	all->connections = w->connection_list;
	all->drained = w->drained;
	all->revision = 3;
	work_text(&all->revision_author, "alice");
	all->revision_time_us = now_us - INT64_C(7500) * 1000000;
	all->decided_index = INDEX;
}

/* -- conflicts and letters ------------------------------------------------- */

static void init_versions(struct work *w)
{
	static const char *const fields[] = {"sku", "name", "qty"};
	static const char *const values[2][3] = {{"A-1001", "Anvil XL", "7"},
						 {"A-1001", "Amboss", "7"}};

	for (size_t i = 0; i < 2; i++) {
		Synod__Admin__Version *v = &w->versions[i];
		synod__admin__version__init(v);
		synod__admin__version__vector_entry__init(&w->entries[i]);
		work_text(&w->entries[i].key, i == 0 ? "berlin" : "paris");
		w->entries[i].value = 840 + i;
		w->entry_lists[i][0] = &w->entries[i];
		work_text(&v->connection, i == 0 ? "berlin" : "paris");
		v->index = 840 + i;
		v->stamp_us = now_us - 20000 + (int64_t)i * 21000;
		v->n_vector = 1;
		v->vector = w->entry_lists[i];
		for (size_t j = 0; j < 3; j++) {
			Synod__Admin__Cell *cell = &w->cells[i][j];
			synod__admin__cell__init(cell);
			work_text(&cell->name, fields[j]);
			work_text(&cell->value, values[i][j]);
			cell->is_key = j == 0;
			cell->differs = j == 1;
			w->cell_lists[i][j] = cell;
		}
		v->n_cells = 3;
		v->cells = w->cell_lists[i];
	}
}

static void init_journal(struct work *w)
{
	init_versions(w);
	for (size_t i = 0; i < WORK_CONFLICTS; i++) {
		Synod__Admin__ConflictInfo *k = &w->conflicts[i];
		synod__admin__conflict_info__init(k);
		k->id = i + 40;
		k->index = 841;
		work_text(&k->sync, "stock");
		work_text(&k->table, "items");
		work_text(&k->key, "sku=A-1001");
		work_text(&k->kind, "update");
		work_text(&k->state, i == 4 ? "open" : "decided");
		work_text(&k->winner, "paris");
		work_text(&k->rule, i == 4 ? "queue" : "last-write-wins");
		work_text(&k->reason, "paris wrote 21 ms later");
		k->a = &w->versions[0];
		k->b = &w->versions[1];
		k->time_us = now_us;
	}
	w->n_conflicts = WORK_CONFLICTS;
	for (size_t i = 0; i < WORK_LETTERS; i++) {
		Synod__Admin__LetterInfo *l = &w->letters[i];
		synod__admin__letter_info__init(l);
		l->id = 17 + i;
		l->index = 870 + i;
		work_text(&l->sync, "stock");
		work_text(&l->connection, "paris");
		work_text(&l->table, "items");
		work_text(&l->key, "sku=A-1001");
		work_text(&l->op, "update");
		l->n_cells = 3;
		l->cells = w->cell_lists[0];
		l->behind_id = i == 1 ? 17 : 0;
		work_text(&l->code, i == 0 ? "data" : "");
		work_text(&l->text,
			  i == 0 ? "CHECK constraint failed: qty" : "");
		l->time_us = now_us;
	}
	w->n_letters = WORK_LETTERS;
}

void work_init(struct work *w)
{
	*w = (struct work){0};
	init_nodes(w);
	init_task(w, 0, "berlin/capture", "capture");
	init_task(w, 1, "paris/capture", "capture");
	init_task(w, 2, "stock/berlin/apply", "apply");
	init_task(w, 3, "stock/paris/apply", "apply");
	init_sync(w);
	init_connections(w);
	init_overview(w);
	init_journal(w);
}

void work_clear(struct work *w)
{
	free(w->asked.data);
	*w = (struct work){0};
}

/* -- answers --------------------------------------------------------------- */

static void answer_overview(struct work *w, Synod__Admin__Response *response)
{
	if (w->move_to && ++w->n_looks == w->moves_at_look)
		for (size_t i = 0; i < WORK_TASKS; i++)
			if (strcmp(w->tasks[i].node, "n1") == 0)
				work_text(&w->tasks[i].node, w->move_to);
	response->body_case = SYNOD__ADMIN__RESPONSE__BODY_OVERVIEW;
	response->overview = &w->overview;
}

static void answer_done(struct work *w, const Synod__Admin__Request *request,
			Synod__Admin__Response *response)
{
	static _Thread_local Synod__Admin__DoneResponse done;

	free(w->asked.data);
	w->asked.len = synod__admin__request__get_packed_size(request);
	w->asked.data = mem_zero(1, w->asked.len + 1);
	synod__admin__request__pack(request, w->asked.data);
	w->n_acts++;
	synod__admin__done_response__init(&done);
	done.index = 902;
	work_text(&done.text, "it is done");
	response->body_case = SYNOD__ADMIN__RESPONSE__BODY_DONE;
	response->done = &done;
}

Synod__Admin__Request *work_asked(const struct work *w)
{
	Synod__Admin__Request *r = synod__admin__request__unpack(
		NULL, w->asked.len, w->asked.data);

	assert_non_null(r);
	return r;
}

/* In pages of two, oldest first. */
static void answer_conflicts(struct work *w,
			     const Synod__Admin__ConflictsRequest *in,
			     Synod__Admin__Response *response)
{
	static _Thread_local Synod__Admin__ConflictsResponse body;
	static _Thread_local Synod__Admin__ConflictInfo *list[WORK_CONFLICTS];

	synod__admin__conflicts_response__init(&body);
	body.conflicts = list;
	for (size_t i = 0; i < w->n_conflicts; i++) {
		Synod__Admin__ConflictInfo *k = &w->conflicts[i];
		if (in->id ? k->id != in->id : k->id < in->from_id)
			continue;
		if (in->only_open && strcmp(k->state, "open") != 0)
			continue;
		if (body.n_conflicts == WORK_PAGE) {
			body.next_id = k->id;
			break;
		}
		list[body.n_conflicts++] = k;
	}
	response->body_case = SYNOD__ADMIN__RESPONSE__BODY_CONFLICTS;
	response->conflicts = &body;
	if (in->id && body.n_conflicts == 0)
		fake_problem(response, ERR_NOTFOUND,
			     "there is no conflict of this number",
			     "synodctl conflict list");
}

static void answer_letters(struct work *w,
			   const Synod__Admin__LettersRequest *in,
			   Synod__Admin__Response *response)
{
	static _Thread_local Synod__Admin__LettersResponse body;
	static _Thread_local Synod__Admin__LetterInfo *list[WORK_LETTERS];

	synod__admin__letters_response__init(&body);
	body.letters = list;
	for (size_t i = 0; i < w->n_letters; i++)
		if (in->id ? w->letters[i].id == in->id
			   : w->letters[i].id >= in->from_id)
			list[body.n_letters++] = &w->letters[i];
	response->body_case = SYNOD__ADMIN__RESPONSE__BODY_LETTERS;
	response->letters = &body;
	if (in->id && body.n_letters == 0)
		fake_problem(response, ERR_NOTFOUND,
			     "there is no dead letter of this number",
			     "synodctl dlq list");
}

static void answer_connection(struct work *w, const char *url,
			      const Synod__Admin__ConnectionRequest *in,
			      Synod__Admin__Response *response)
{
	static _Thread_local Synod__Admin__ConnectionResponse body;
	static _Thread_local Synod__Admin__ColumnInfo column;
	static _Thread_local Synod__Admin__ColumnInfo *columns[1];
	static _Thread_local char *tables[1];

	synod__admin__connection_response__init(&body);
	synod__admin__column_info__init(&column);
	work_text(&body.text, "SQLite 3.40.1");
	work_text(&body.node, "n1");
	work_text(&tables[0], "items");
	work_text(&column.name, "sku");
	work_text(&column.type, "text");
	work_text(&column.native, "varchar(20)");
	columns[0] = &column;
	body.took_us = 900;
	body.n_tables = 1;
	body.tables = tables;
	body.n_columns = 1;
	body.columns = columns;
	response->body_case = SYNOD__ADMIN__RESPONSE__BODY_CONNECTION;
	response->connection = &body;
	if (w->broken_url && strstr(url, w->broken_url) &&
	    strcmp(in->name, "paris") == 0)
		fake_problem(response, ERR_NETWORK, "unable to open database",
			     "is the file there on this host?");
}

static void answer_define(Synod__Admin__Response *response)
{
	static _Thread_local Synod__Admin__DefineResponse body;
	static _Thread_local Synod__Admin__DefineChange change;
	static _Thread_local Synod__Admin__DefineChange *changes[1];

	synod__admin__define_response__init(&body);
	synod__admin__define_change__init(&change);
	work_text(&change.mark, "+");
	work_text(&change.what, "sync stock");
	work_text(&change.class_name, "new");
	changes[0] = &change;
	body.base_revision = 3;
	body.revision = 4;
	body.index = 903;
	work_text(&body.plan_hash, "9f3a2c7119d04b5e");
	body.n_changes = 1;
	body.changes = changes;
	response->body_case = SYNOD__ADMIN__RESPONSE__BODY_DEFINE;
	response->define = &body;
}

static void answer_revisions(Synod__Admin__Response *response)
{
	static _Thread_local Synod__Admin__RevisionsResponse body;
	static _Thread_local Synod__Admin__RevisionInfo revision;
	static _Thread_local Synod__Admin__RevisionInfo *list[1];

	synod__admin__revisions_response__init(&body);
	synod__admin__revision_info__init(&revision);
	revision.revision = 3;
	revision.index = 700;
	revision.time_us = now_us;
	work_text(&revision.author, "alice");
	work_text(&revision.change, "+stock");
	work_text(&revision.text, "synod: 1\n");
	list[0] = &revision;
	body.n_revisions = 1;
	body.revisions = list;
	response->body_case = SYNOD__ADMIN__RESPONSE__BODY_REVISIONS;
	response->revisions = &body;
}

static void answer_events(Synod__Admin__Response *response)
{
	static _Thread_local Synod__Admin__EventsResponse body;
	static _Thread_local Synod__Admin__Event events[2];
	static _Thread_local Synod__Admin__Event *list[2];

	synod__admin__events_response__init(&body);
	for (size_t i = 0; i < 2; i++) {
		synod__admin__event__init(&events[i]);
		events[i].index = 800 + i;
		events[i].time_us = now_us;
		work_text(&events[i].type,
			  i == 0 ? "leader_elected" : "task_working");
		work_text(&events[i].node, "n2");
		events[i].detect_us = 21033;
		events[i].elect_us = 4000;
		list[i] = &events[i];
	}
	events[1].assign_us = 2500;
	events[1].first_change_us = 61000;
	body.n_events = 2;
	body.events = list;
	response->body_case = SYNOD__ADMIN__RESPONSE__BODY_EVENTS;
	response->events = &body;
}

static void answer_log(const Synod__Admin__Request *request,
		       Synod__Admin__Response *response)
{
	static _Thread_local Synod__Admin__TailResponse tail;
	static _Thread_local Synod__Admin__LogEntry entry;
	static _Thread_local Synod__Admin__LogEntry *entries[1];
	static _Thread_local Synod__Admin__AppendResponse append;
	static _Thread_local Synod__Admin__Fate fate;
	static _Thread_local Synod__Admin__Fate *fates[1];

	if (request->body_case == SYNOD__ADMIN__REQUEST__BODY_TAIL) {
		synod__admin__tail_response__init(&tail);
		synod__admin__log_entry__init(&entry);
		entry.index = 900;
		entry.term = 14;
		work_text(&entry.type, "append");
		entries[0] = &entry;
		tail.n_entries = 1;
		tail.entries = entries;
		tail.commit_index = 900;
		response->body_case = SYNOD__ADMIN__RESPONSE__BODY_TAIL;
		response->tail = &tail;
		return;
	}
	synod__admin__append_response__init(&append);
	synod__admin__fate__init(&fate);
	fate.index = 901;
	fates[0] = &fate;
	append.n_fates = 1;
	append.fates = fates;
	response->body_case = SYNOD__ADMIN__RESPONSE__BODY_APPEND;
	response->append = &append;
}

static void answer_rest(const Synod__Admin__Request *request,
			Synod__Admin__Response *response)
{
	static _Thread_local Synod__Admin__MetricsResponse metrics;
	static _Thread_local Synod__Admin__TransferResponse transfer;

	if (request->body_case == SYNOD__ADMIN__REQUEST__BODY_METRICS) {
		synod__admin__metrics_response__init(&metrics);
		work_text(&metrics.text, "synod_x{a=\"b\"} 5\n");
		response->body_case = SYNOD__ADMIN__RESPONSE__BODY_METRICS;
		response->metrics = &metrics;
		return;
	}
	assert_int_equal(request->body_case,
			 SYNOD__ADMIN__REQUEST__BODY_TRANSFER);
	synod__admin__transfer_response__init(&transfer);
	work_text(&transfer.to, "n3");
	transfer.term = 15;
	response->body_case = SYNOD__ADMIN__RESPONSE__BODY_TRANSFER;
	response->transfer = &transfer;
}

void work_answer(struct fake *f, const char *url,
		 const Synod__Admin__Request *request,
		 Synod__Admin__Response *response)
{
	struct work *w = f->ctx;
	size_t i = (size_t)(url[strlen(url) - 1] - '1');

	switch (request->body_case) {
	case SYNOD__ADMIN__REQUEST__BODY_STATUS:
		response->body_case = SYNOD__ADMIN__RESPONSE__BODY_STATUS;
		response->status = &w->status[i < WORK_NODES ? i : 0];
		break;
	case SYNOD__ADMIN__REQUEST__BODY_OVERVIEW:
		answer_overview(w, response);
		break;
	case SYNOD__ADMIN__REQUEST__BODY_PAUSE:
	case SYNOD__ADMIN__REQUEST__BODY_MOVE:
	case SYNOD__ADMIN__REQUEST__BODY_DRAIN:
	case SYNOD__ADMIN__REQUEST__BODY_RESOLVE:
	case SYNOD__ADMIN__REQUEST__BODY_LETTERS_ACT:
		answer_done(w, request, response);
		break;
	case SYNOD__ADMIN__REQUEST__BODY_CONFLICTS:
		answer_conflicts(w, request->conflicts, response);
		break;
	case SYNOD__ADMIN__REQUEST__BODY_LETTERS:
		answer_letters(w, request->letters, response);
		break;
	case SYNOD__ADMIN__REQUEST__BODY_CONNECTION:
		answer_connection(w, url, request->connection, response);
		break;
	case SYNOD__ADMIN__REQUEST__BODY_DEFINE:
		answer_define(response);
		break;
	case SYNOD__ADMIN__REQUEST__BODY_REVISIONS:
		answer_revisions(response);
		break;
	case SYNOD__ADMIN__REQUEST__BODY_EVENTS:
		answer_events(response);
		break;
	case SYNOD__ADMIN__REQUEST__BODY_TAIL:
	case SYNOD__ADMIN__REQUEST__BODY_APPEND:
		answer_log(request, response);
		break;
	default:
		answer_rest(request, response);
		break;
	}
}
