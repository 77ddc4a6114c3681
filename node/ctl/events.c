/* synodctl events: what happened to the cluster itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "node/ctl/command.h"
#include "node/ctl/stop.h"

enum {
	COUNT_DEFAULT = 20,
	FOLLOW_WAIT_MS = 500,
};

static const struct column columns[] = {
	{"index", "INDEX", COLUMN_NUMBER, 0},
	{"time", "TIME", COLUMN_TIME, 0},
	{"type", "TYPE", COLUMN_TEXT, 0},
	{"node", "NODE", COLUMN_TEXT, 0},
	{"detect_s", "DETECT", COLUMN_SECONDS, 0},
	{"elect_s", "ELECT", COLUMN_SECONDS, 0},
	{"assign_s", "ASSIGN", COLUMN_SECONDS, COLUMN_IS_SPARSE},
	{"first_change_s", "FIRST", COLUMN_SECONDS, COLUMN_IS_SPARSE},
	{"text", "TEXT", COLUMN_TEXT, COLUMN_IS_LONG},
};

/* Is the type one of "a,b"? */
static bool is_wanted(const struct ctl *c, const char *type)
{
	const char *at = c->options.types;
	size_t len = strlen(type);
	if (!at)
		return true;
	for (; *at; at += strcspn(at, ","), at += *at == ',')
		if (strcspn(at, ",") == len && strncmp(at, type, len) == 0)
			return true;
	return false;
}

static void put_event(struct ctl *c, const Synod__Admin__Event *event)
{
	if (!is_wanted(c, event->type))
		return;
	struct cell cells[] = {
		cell_number(event->index),
		event->time_us > 0 ? cell_number((uint64_t)event->time_us)
				   : cell_none(),
		cell_text(event->type),
		event->node[0] ? cell_text(event->node) : cell_none(),
		cell_some(event->detect_us),
		cell_some(event->elect_us),
		cell_some(event->assign_us),
		cell_some(event->first_change_us),
		event->text[0] ? cell_text(event->text) : cell_none(),
	};
	output_row(&c->output, cells);
}

static int ask(struct ctl *c, uint64_t after, uint32_t wait_ms,
	       struct link_answer *answer)
{
	Synod__Admin__EventsRequest events;
	synod__admin__events_request__init(&events);
	Synod__Admin__Request request;
	synod__admin__request__init(&request);
	events.after_index = after;
	events.count = LIMIT_TAIL_ENTRIES;
	events.wait_ms = wait_ms;
	request.body_case = SYNOD__ADMIN__REQUEST__BODY_EVENTS;
	request.events = &events;
	if (link_call_any(&c->link, &request,
			  (int)c->options.timeout_ms + (int)wait_ms, answer))
		return answer->e.code;
	if (answer->response->body_case != SYNOD__ADMIN__RESPONSE__BODY_EVENTS)
		return err_set(&answer->e, ERR_FORMAT,
			       "the answer is not a list of events");
	return 0;
}

/* The nodes keep LIMIT_EVENTS of them: a few answers hold them all. */
struct kept {
	struct link_answer answers[LIMIT_EVENTS / LIMIT_TAIL_ENTRIES + 2];
	size_t n_answers, n_events;
	uint64_t last_index;
};

static int collect(struct ctl *c, struct kept *k, struct link_answer *failed)
{
	size_t max = sizeof(k->answers) / sizeof(k->answers[0]);
	while (k->n_answers < max) {
		struct link_answer *answer = &k->answers[k->n_answers];
		if (ask(c, k->last_index, 0, answer)) {
			*failed = *answer;
			return failed->e.code;
		}
		k->n_answers++;
		const Synod__Admin__EventsResponse *r =
			answer->response->events;
		k->n_events += r->n_events;
		if (r->n_events > 0)
			k->last_index = r->events[r->n_events - 1]->index;
		if (r->n_events < LIMIT_TAIL_ENTRIES)
			break;
	}
	return 0;
}

static void show_last(struct ctl *c, const struct kept *k)
{
	size_t n = 0;
	for (size_t i = 0; i < k->n_answers; i++) {
		const Synod__Admin__EventsResponse *r =
			k->answers[i].response->events;
		for (size_t j = 0; j < r->n_events; j++)
			n += is_wanted(c, r->events[j]->type);
	}
	size_t skip = n > c->options.count ? n - (size_t)c->options.count : 0;
	for (size_t i = 0; i < k->n_answers; i++) {
		const Synod__Admin__EventsResponse *r =
			k->answers[i].response->events;
		for (size_t j = 0; j < r->n_events; j++) {
			if (!is_wanted(c, r->events[j]->type))
				continue;
			if (skip == 0)
				put_event(c, r->events[j]);
			else
				skip--;
		}
	}
}

static int follow(struct ctl *c, uint64_t last, struct stop *stop,
		  struct link_answer *failed)
{
	output_flush(&c->output);
	while (!ferror(c->world->out) && !stop_wait(stop, 0)) {
		struct link_answer answer;
		if (ask(c, last, FOLLOW_WAIT_MS, &answer)) {
			*failed = answer;
			return failed->e.code;
		}
		const Synod__Admin__EventsResponse *r = answer.response->events;
		for (size_t i = 0; i < r->n_events; i++) {
			put_event(c, r->events[i]);
			last = r->events[i]->index;
		}
		output_flush(&c->output);
		link_answer_clear(&answer);
	}
	return 0;
}

static int run_all(struct ctl *c, struct stop *stop)
{
	struct kept *k = mem_zero(1, sizeof *k);
	struct link_answer failed = {0};
	int rc = collect(c, k, &failed);
	if (rc == 0)
		show_last(c, k);
	if (rc == 0 && c->options.is_follow)
		rc = follow(c, k->last_index, stop, &failed);
	if (rc)
		rc = ctl_fail(c, &failed.e, failed.hint);
	link_answer_clear(&failed);
	for (size_t i = 0; i < k->n_answers; i++)
		link_answer_clear(&k->answers[i]);
	free(k);
	return rc;
}

static int run(struct ctl *c)
{
	struct stop stop;
	struct err e = {0};
	if (c->options.is_follow && c->output.format == OUTPUT_JSON)
		return ctl_usage(c, "--follow gives a stream: use -o jsonl");
	if (c->options.count == 0)
		c->options.count = COUNT_DEFAULT;
	if (c->options.is_follow && stop_begin(&stop, &e))
		return ctl_fail(c, &e, NULL);
	output_begin(&c->output, columns, sizeof(columns) / sizeof(columns[0]));
	int rc = run_all(c, &stop);
	if (c->options.is_follow)
		stop_end(&stop);
	return rc;
}

static const struct ctl_flag flags[] = {
	{.name = "count",
	 .letter = 'n',
	 .kind = FLAG_NUMBER,
	 .value = "COUNT",
	 .doc = "so many of the last ones (default 20)",
	 .offset = offsetof(struct ctl_options, count)},
	{.name = "follow",
	 .letter = 'f',
	 .kind = FLAG_SWITCH,
	 .doc = "go on with new ones until Ctrl-C",
	 .offset = offsetof(struct ctl_options, is_follow)},
	{.name = "type",
	 .kind = FLAG_TEXT,
	 .value = "A[,B]",
	 .doc = "only events of these types",
	 .offset = offsetof(struct ctl_options, types)},
	{0},
};

static const char *const examples[] = {
	"synodctl events",
	"synodctl events -n 100 -o json",
	"synodctl events --follow",
	"synodctl events --type leader_elected,task_working",
	NULL,
};

const struct ctl_command command_events = {
	.noun = "events",
	.args = "",
	.summary = "elections, fail-overs and what else happened",
	.detail = "DETECT is the time from the last sign of life of the lost "
		  "node to the suspicion, ELECT from there to the new leader, "
		  "ASSIGN from there until its tasks had new owners, FIRST "
		  "from there to the first change that a new owner brought.",
	.flags = flags,
	.examples = examples,
	.risk = RISK_READ,
	.run = run,
};
