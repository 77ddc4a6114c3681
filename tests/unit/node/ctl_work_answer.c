#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "ctl_work_node.h"

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
	revision.time_us = WORK_NOW_US;
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
		events[i].time_us = WORK_NOW_US;
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
