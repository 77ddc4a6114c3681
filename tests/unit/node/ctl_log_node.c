#include "ctl_log_node.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void text(char **field, const char *value)
{
	*field = (char *)(uintptr_t)value;
}

static char *copy_of(const ProtobufCBinaryData *value)
{
	char *text = calloc(1, value->len + 1);

	assert_non_null(text);
	if (value->len > 0)
		memcpy(text, value->data, value->len);
	return text;
}

static void take_values(struct node *n, const Synod__Admin__AppendRequest *rq)
{
	n->batches[n->n_batches++] = rq->n_values;
	for (size_t i = 0; i < rq->n_values; i++) {
		n->lens[n->n_values] = rq->values[i].len;
		n->values[n->n_values++] = copy_of(&rq->values[i]);
		synod__admin__fate__init(&n->fates[i]);
		n->fates[i].index = ++n->last;
		n->fate_list[i] = &n->fates[i];
	}
	if (n->fate_of_last) {
		n->fates[rq->n_values - 1].code = n->fate_of_last;
		n->fates[rq->n_values - 1].index = 0;
	}
	synod__admin__append_response__init(&n->append);
	n->append.n_fates = rq->n_values;
	n->append.fates = n->fate_list;
}

static void put_entry(struct node *n, size_t i, uint64_t index)
{
	static uint8_t binary[] = {0, 255};
	static uint8_t plain[] = "value";
	Synod__Admin__LogEntry *e = &n->entries[i];

	synod__admin__log_entry__init(e);
	e->index = index;
	e->term = 2;
	e->time_us = 1795162742120033;
	text(&e->type, index == 1 ? "configuration" : "append");
	text(&e->text, index == 1 ? "3 voters" : "");
	e->size = 5;
	if (index > 1)
		e->value = n->is_binary ? (ProtobufCBinaryData){2, binary}
					: (ProtobufCBinaryData){5, plain};
	n->list[i] = e;
}

static void on_tail(struct node *n, const Synod__Admin__TailRequest *rq)
{
	uint64_t from = rq->from_index;

	synod__admin__tail_response__init(&n->tail);
	n->tail.first_index = n->first;
	n->tail.commit_index = n->last;
	if (from == 0)
		from = n->last + 1 - rq->count;
	if (from < n->first)
		from = n->first;
	size_t i = 0;
	for (; i < rq->count && from + i <= n->last; i++)
		put_entry(n, i, from + i);
	n->tail.n_entries = i;
	n->tail.entries = n->list;
	if (rq->wait_ms == 0)
		return;
	/* A follower: one more entry each time, until it is told to stop. */
	assert_in_range(rq->wait_ms, 1, 1000);
	if (++n->n_waits == n->stop_after_waits)
		kill(getpid(), SIGINT);
	n->last++;
}

static void on_events(struct node *n, const Synod__Admin__EventsRequest *rq)
{
	size_t i = 0;

	synod__admin__events_response__init(&n->events_answer);
	for (uint64_t index = rq->after_index + 1;
	     index <= n->n_events && i < rq->count; index++, i++) {
		Synod__Admin__Event *e = &n->events[i];

		synod__admin__event__init(e);
		e->index = index;
		e->time_us = 1795162742120033;
		text(&e->type, "leader_elected");
		text(&e->node, "n2");
		e->detect_us = 900000;
		e->elect_us = 200000;
		n->event_list[i] = e;
	}
	n->events_answer.n_events = i;
	n->events_answer.events = n->event_list;
	if (rq->wait_ms > 0) {
		if (++n->n_waits == n->stop_after_waits)
			kill(getpid(), SIGINT);
		n->n_events++;
	}
}

static void answer(struct fake *f, const char *url,
		   const Synod__Admin__Request *request,
		   Synod__Admin__Response *response)
{
	struct node *n = f->ctx;

	switch (request->body_case) {
	case SYNOD__ADMIN__REQUEST__BODY_APPEND:
		take_values(n, request->append);
		response->body_case = SYNOD__ADMIN__RESPONSE__BODY_APPEND;
		response->append = &n->append;
		break;
	case SYNOD__ADMIN__REQUEST__BODY_TAIL:
		on_tail(n, request->tail);
		response->body_case = SYNOD__ADMIN__RESPONSE__BODY_TAIL;
		response->tail = &n->tail;
		break;
	case SYNOD__ADMIN__REQUEST__BODY_EVENTS:
		on_events(n, request->events);
		response->body_case = SYNOD__ADMIN__RESPONSE__BODY_EVENTS;
		response->events = &n->events_answer;
		break;
	default:
		fail_msg("an unexpected request");
	}
}

struct node *node_start(struct fake *f)
{
	struct node *n = calloc(1, sizeof *n);

	assert_non_null(n);
	n->first = 1;
	fake_init(f, answer);
	f->ctx = n;
	return n;
}

void node_stop(struct fake *f, struct node *n)
{
	for (size_t i = 0; i < n->n_values; i++)
		free(n->values[i]);
	free(n);
	fake_clear(f);
}
