#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cluster/core/command.h"
#include "node/node.h"
#include "proto/codec.h"

enum { READ_WAIT_MS_MAX = 60000 };

/* -- the log, packed on the reader's thread -------------------------------- */
struct tail {
	struct job job;
	struct node *node;
	struct door_request *request;
	uint64_t from_index, commit_index; /* from 0: the last `count` */
	uint32_t count;
	bool with_values;
	struct arena arena;
	struct blob *response;
	struct err e;
};

static const char *text_of(struct tail *t, const Synod__Command__Command *c)
{
	char text[CONTROL_EVENT_TEXT_MAX + 256];

	switch (c->body_case) {
	case SYNOD__COMMAND__COMMAND__BODY_EVENT:
		snprintf(text, sizeof(text), "%s %s %s", c->event->type,
			 c->event->node, c->event->text);
		break;
	case SYNOD__COMMAND__COMMAND__BODY_MEMBER:
		snprintf(text, sizeof(text), "%s incarnation %016llx",
			 c->member->name,
			 (unsigned long long)c->member->incarnation);
		break;
	case SYNOD__COMMAND__COMMAND__BODY_CLUSTER:
		snprintf(text, sizeof(text), "%s", c->cluster->name);
		break;
	default:
		return "";
	}
	return arena_strdup(&t->arena, text);
}

static void fill_command(struct tail *t, struct bytes payload,
			 Synod__Admin__LogEntry *out)
{
	static const char *const types[] = {
		[SYNOD__COMMAND__COMMAND__BODY__NOT_SET] = "unknown",
		[SYNOD__COMMAND__COMMAND__BODY_APPEND] = "append",
		[SYNOD__COMMAND__COMMAND__BODY_EVENT] = "event",
		[SYNOD__COMMAND__COMMAND__BODY_MEMBER] = "member",
		[SYNOD__COMMAND__COMMAND__BODY_CLUSTER] = "cluster",
	};
	Synod__Command__Command *command;
	struct bytes value;

	out->type = command_text("unknown");
	if (command_open(payload, &value, &command, NULL))
		return;
	if (command &&
	    command->body_case == SYNOD__COMMAND__COMMAND__BODY_APPEND)
		value = (struct bytes){command->append->value.data,
				       command->append->value.len};
	bool is_append =
		!command ||
		command->body_case == SYNOD__COMMAND__COMMAND__BODY_APPEND;
	if (is_append) {
		out->type = command_text("append");
		out->size = value.len;
	} else {
		out->type = command_text(types[command->body_case]);
		out->text = command_text(text_of(t, command));
	}
	if (is_append && t->with_values && value.len) {
		out->value.data = arena_copy(&t->arena, value.data, value.len);
		out->value.len = value.len;
	}
	if (command)
		synod__command__command__free_unpacked(command, NULL);
}

static void fill_entry(struct tail *t, const struct log_entry *entry,
		       Synod__Admin__LogEntry *out)
{
	struct bytes payload = {entry->data, entry->len};

	synod__admin__log_entry__init(out);
	out->index = entry->index;
	out->term = entry->term;
	out->time_us = entry->time_us;
	out->size = entry->len;
	if (entry->type == LOG_COMMAND)
		fill_command(t, payload, out);
	else
		out->type = command_text(entry->type == LOG_BARRIER
						 ? "barrier"
						 : "configuration");
}

/* Where to begin, given what the log still holds. */
static uint64_t first_of(const struct tail *t, uint64_t oldest)
{
	uint64_t from = t->from_index;

	if (from == 0 && t->commit_index >= t->count)
		from = t->commit_index - t->count + 1;
	return from < oldest ? oldest : from;
}

static size_t read_entries(struct tail *t, uint64_t index,
			   Synod__Admin__LogEntry *out)
{
	struct log_reader reader;
	struct log_entry entry;
	size_t n = 0;

	if (log_read_begin(t->node->log, &reader, &t->e))
		return 0;
	while (n < t->count && index + n <= t->commit_index &&
	       t->arena.used_bytes < LIMIT_TAIL_BYTES) {
		if (log_read(&reader, index + n, &entry, &t->e))
			break;
		fill_entry(t, &entry, &out[n++]);
	}
	log_read_end(&reader);
	if (t->e.code == ERR_NOTFOUND)
		t->e.code = 0; /* forgotten meanwhile */
	return n;
}

static void tail_run(struct job *job)
{
	struct tail *t = (struct tail *)job;
	Synod__Admin__TailResponse body;
	Synod__Admin__Response response;
	struct log_bounds bounds;

	synod__admin__tail_response__init(&body);
	synod__admin__response__init(&response);
	log_bounds(t->node->log, &bounds);
	Synod__Admin__LogEntry *entries = mem_zero(t->count, sizeof(*entries));
	Synod__Admin__LogEntry **list = mem_zero(t->count, sizeof(*list));
	body.n_entries =
		read_entries(t, first_of(t, bounds.first_index), entries);
	for (size_t i = 0; i < body.n_entries; i++)
		list[i] = &entries[i];
	body.entries = list;
	body.first_index = bounds.first_index;
	body.commit_index = t->commit_index;
	response.body_case = SYNOD__ADMIN__RESPONSE__BODY_TAIL;
	response.tail = &body;
	if (!t->e.code)
		t->response = codec_seal(CODEC_RESPONSE, &response.base);
	free(list);
	free(entries);
}

static void tail_drop(struct job *job)
{
	struct tail *t = (struct tail *)job;

	if (t->request)
		admin_refuse(t->request, ERR_CLOSED, "the node stops", NULL);
	arena_free(&t->arena);
	blob_unref(t->response);
	free(t);
}

static void tail_done(struct job *job)
{
	struct tail *t = (struct tail *)job;
	struct node *n = t->node;

	if (t->response)
		door_reply(t->request, t->response);
	else
		admin_refuse(t->request, t->e.code, t->e.text, NULL);
	t->request = NULL;
	t->response = NULL;
	/* Bad data is never served, and never voted with either. */
	if (t->e.code == ERR_CORRUPT)
		node_fatal(n, node_exit_code(t->e.code), "%s", t->e.text);
	tail_drop(job);
}

static void start_tail(struct node *n, const struct waiting_call *call)
{
	struct tail *t = mem_zero(1, sizeof(*t));

	t->job = (struct job){
		.run = tail_run, .done = tail_done, .drop = tail_drop};
	t->node = n;
	t->request = call->request;
	t->from_index = call->from_index;
	t->commit_index = n->view.commit_index;
	t->count = call->count;
	t->with_values = call->with_values;
	arena_init(&t->arena, 64 << 10);
	worker_give(&n->reader, &t->job);
}

/* -- events ---------------------------------------------------------------- */
struct events_read {
	uint64_t after_index;
	struct control_event *list;
	size_t n, max;
};

static void read_events(const struct kv *kv, void *ctx)
{
	struct events_read *r = ctx;

	r->n = control_events(kv, r->after_index, r->list, r->max);
}

static void answer_events(struct door_request *request,
			  const struct events_read *r)
{
	Synod__Admin__EventsResponse body;
	Synod__Admin__Response response;
	Synod__Admin__Event *events = mem_zero(r->n + 1, sizeof(*events));
	Synod__Admin__Event **list = mem_zero(r->n + 1, sizeof(*list));

	synod__admin__events_response__init(&body);
	synod__admin__response__init(&response);
	for (size_t i = 0; i < r->n; i++) {
		struct control_event *from = &r->list[i];
		synod__admin__event__init(&events[i]);
		events[i].index = from->index;
		events[i].time_us = from->time_us;
		events[i].type = from->type;
		events[i].node = from->node;
		events[i].text = from->text;
		events[i].detect_us = from->detect_us;
		events[i].elect_us = from->elect_us;
		events[i].assign_us = from->assign_us;
		events[i].first_change_us = from->first_change_us;
		list[i] = &events[i];
	}
	body.n_events = r->n;
	body.events = list;
	response.body_case = SYNOD__ADMIN__RESPONSE__BODY_EVENTS;
	response.events = &body;
	admin_reply(request, &response);
	free(list);
	free(events);
}

/* True: answered. A handful of small records from the state: bounded by
 * LIMIT_EVENTS, so the loop reads them itself. */
static bool try_events(struct node *n, const struct waiting_call *call,
		       bool is_last)
{
	struct events_read r = {.after_index = call->from_index,
				.max = call->count};

	r.list = mem_zero(r.max, sizeof(*r.list));
	state_read(n->state, read_events, &r);
	bool is_answer = r.n > 0 || is_last;
	if (is_answer)
		answer_events(call->request, &r);
	free(r.list);
	return is_answer;
}

/* -- what waits ------------------------------------------------------------ */
static bool try_call(struct node *n, const struct waiting_call *call,
		     bool is_last)
{
	if (call->is_events)
		return try_events(n, call, is_last);
	if (!is_last && call->from_index > n->view.commit_index)
		return false;
	start_tail(n, call);
	return true;
}

static uint32_t clamp_count(uint32_t count)
{
	return count == 0 || count > LIMIT_TAIL_ENTRIES ? LIMIT_TAIL_ENTRIES
							: count;
}

static void begin(struct node *n, struct waiting_call call, uint32_t wait_ms)
{
	if (wait_ms > READ_WAIT_MS_MAX)
		wait_ms = READ_WAIT_MS_MAX;
	call.count = clamp_count(call.count);
	call.deadline_us = node_now_us(n) + (int64_t)wait_ms * 1000;
	if (try_call(n, &call, wait_ms == 0))
		return;
	struct waiting_call *kept = mem_alloc(sizeof(*kept));
	*kept = call;
	kept->next = n->admin.waiting;
	n->admin.waiting = kept;
}

void admin_tail(struct node *n, struct door_request *request,
		const Synod__Admin__TailRequest *body)
{
	begin(n,
	      (struct waiting_call){.request = request,
				    .from_index = body->from_index,
				    .count = body->count,
				    .with_values = body->with_values},
	      body->wait_ms);
}

void admin_events(struct node *n, struct door_request *request,
		  const Synod__Admin__EventsRequest *body)
{
	begin(n,
	      (struct waiting_call){.request = request,
				    .from_index = body->after_index,
				    .count = body->count,
				    .is_events = true},
	      body->wait_ms);
}

void admin_read_turn(struct node *n, int64_t now_us)
{
	struct waiting_call **at = &n->admin.waiting;
	bool has_events = n->has_new_events;

	n->has_new_events = false;
	while (*at) {
		struct waiting_call *call = *at;
		bool is_last = now_us >= call->deadline_us;
		bool may_try = is_last || !call->is_events || has_events;
		if (!may_try || !try_call(n, call, is_last)) {
			at = &call->next;
			continue;
		}
		*at = call->next;
		free(call);
	}
}
