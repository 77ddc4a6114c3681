/* synodctl log tail: the change log itself. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "node/ctl/command.h"
#include "node/ctl/stop.h"

enum {
	COUNT_DEFAULT = 10,
	/* A stream asks this often whether it was told to stop. */
	FOLLOW_WAIT_MS = 500,
};

static const struct column columns[] = {
	{"index", "INDEX", COLUMN_NUMBER, 0},
	{"term", "TERM", COLUMN_NUMBER, 0},
	{"type", "TYPE", COLUMN_TEXT, 0},
	{"time", "TIME", COLUMN_TIME, 0},
	{"size", "SIZE", COLUMN_BYTES, 0},
	{"text", "TEXT", COLUMN_TEXT, COLUMN_IS_LONG},
	{"value", NULL, COLUMN_TEXT, COLUMN_IS_HIDDEN},
	{"value_hex", NULL, COLUMN_TEXT, COLUMN_IS_HIDDEN},
};

struct tail {
	struct ctl *ctl;
	uint64_t next; /* index that is asked for next */
	uint64_t left; /* entries still wanted */
	uint64_t commit_index, first_index;
	bool is_forgotten_said;
};

static char *hex_of(const ProtobufCBinaryData *value)
{
	static const char digits[] = "0123456789abcdef";
	char *text = mem_alloc(value->len * 2 + 1);
	for (size_t i = 0; i < value->len; i++) {
		text[i * 2] = digits[value->data[i] >> 4];
		text[i * 2 + 1] = digits[value->data[i] & 15];
	}
	text[value->len * 2] = '\0';
	return text;
}

static char *text_of(const ProtobufCBinaryData *value)
{
	char *text = mem_alloc(value->len + 1);
	if (value->len > 0)
		memcpy(text, value->data, value->len);
	text[value->len] = '\0';
	return text;
}

static void put_entry(struct tail *t, const Synod__Admin__LogEntry *entry)
{
	bool is_append = strcmp(entry->type, "append") == 0;
	/* Without a NUL, or a C string would show only its beginning. */
	bool is_plain = is_append &&
			output_is_plain(entry->value.data, entry->value.len);
	char *value = is_plain ? text_of(&entry->value) : NULL;
	char *hex = is_append && !is_plain ? hex_of(&entry->value) : NULL;
	const char *text = entry->text;
	if (is_append)
		text = value ? value : hex;
	struct cell cells[] = {
		cell_number(entry->index),
		cell_number(entry->term),
		cell_text(entry->type),
		entry->time_us > 0 ? cell_number((uint64_t)entry->time_us)
				   : cell_none(),
		cell_number(entry->size),
		cell_text(text),
		cell_text(value),
		cell_text(hex),
	};
	output_row(&t->ctl->output, cells);
	free(value);
	free(hex);
}

static int ask(struct tail *t, uint64_t from, uint64_t count, uint32_t wait_ms,
	       struct link_answer *answer)
{
	struct ctl *c = t->ctl;
	Synod__Admin__TailRequest tail;
	synod__admin__tail_request__init(&tail);
	Synod__Admin__Request request;
	synod__admin__request__init(&request);
	tail.from_index = from;
	tail.count =
		(uint32_t)(count < LIMIT_TAIL_ENTRIES ? count
						      : LIMIT_TAIL_ENTRIES);
	tail.wait_ms = wait_ms;
	tail.with_values = true;
	request.body_case = SYNOD__ADMIN__REQUEST__BODY_TAIL;
	request.tail = &tail;
	if (link_call_any(&c->link, &request,
			  (int)c->options.timeout_ms + (int)wait_ms, answer))
		return answer->e.code;
	if (answer->response->body_case != SYNOD__ADMIN__RESPONSE__BODY_TAIL)
		return err_set(&answer->e, ERR_FORMAT,
			       "the answer is not a piece of the log");
	t->commit_index = answer->response->tail->commit_index;
	t->first_index = answer->response->tail->first_index;
	return 0;
}

/* One answer into rows. Moves next behind what was shown. */
static size_t take(struct tail *t, const Synod__Admin__TailResponse *r)
{
	if (r->n_entries > 0 && r->entries[0]->index > t->next &&
	    !t->is_forgotten_said) {
		ctl_note(t->ctl,
			 "entries %" PRIu64 " to %" PRIu64
			 " are no longer kept",
			 t->next, r->entries[0]->index - 1);
		t->is_forgotten_said = true;
	}
	size_t n = 0;
	for (; n < r->n_entries && t->left > 0; n++) {
		put_entry(t, r->entries[n]);
		t->next = r->entries[n]->index + 1;
		if (t->left != UINT64_MAX)
			t->left--;
	}
	return n;
}

/* Where the last `count` entries begin: a node may answer with fewer than were
 * asked for, so only the position of the end is believed. */
static int find_start(struct tail *t, struct link_answer *answer)
{
	uint64_t count = t->ctl->options.count;
	int rc = ask(t, 0, 1, 0, answer);
	if (rc)
		return rc;
	uint64_t first = t->first_index > 0 ? t->first_index : 1;
	t->next = t->commit_index >= count ? t->commit_index - count + 1 : 1;
	if (t->next < first)
		t->next = first;
	link_answer_clear(answer);
	return 0;
}

/* Everything that is there now. */
static int show(struct tail *t, struct link_answer *answer)
{
	int rc = 0;
	uint64_t end = 0;
	while (t->left > 0) {
		rc = ask(t, t->next, t->left, 0, answer);
		if (rc)
			return rc;
		/* What is written meanwhile is left to --follow. */
		if (end == 0)
			end = t->commit_index;
		size_t n = take(t, answer->response->tail);
		link_answer_clear(answer);
		if (n == 0 || t->next > end)
			break;
	}
	return 0;
}

static int follow(struct tail *t, struct stop *stop, struct link_answer *answer)
{
	output_flush(&t->ctl->output);
	t->left = UINT64_MAX;
	while (!ferror(t->ctl->world->out) && !stop_wait(stop, 0)) {
		int rc = ask(t, t->next, LIMIT_TAIL_ENTRIES, FOLLOW_WAIT_MS,
			     answer);
		if (rc)
			return rc;
		take(t, answer->response->tail);
		output_flush(&t->ctl->output);
		link_answer_clear(answer);
	}
	return 0;
}

static int run_all(struct tail *t, struct stop *stop)
{
	struct ctl *c = t->ctl;
	struct link_answer answer = {0};
	int rc = 0;
	t->left = c->options.count;
	t->next = c->options.from;
	if (t->next == 0)
		rc = find_start(t, &answer);
	if (rc == 0)
		rc = show(t, &answer);
	if (rc == 0 && c->options.is_follow)
		rc = follow(t, stop, &answer);
	if (rc)
		rc = ctl_fail(c, &answer.e, answer.hint);
	link_answer_clear(&answer);
	output_summary(&c->output, "first_index",
		       json_integer((json_int_t)t->first_index));
	output_summary(&c->output, "commit_index",
		       json_integer((json_int_t)t->commit_index));
	return rc;
}

static int run(struct ctl *c)
{
	struct tail t = {.ctl = c};
	struct stop stop;
	struct err e = {0};
	if (c->options.is_follow && c->output.format == OUTPUT_JSON)
		return ctl_usage(c, "--follow gives a stream: use -o jsonl");
	if (c->options.count == 0)
		c->options.count =
			c->options.from > 0 ? UINT64_MAX : COUNT_DEFAULT;
	if (c->options.is_follow && stop_begin(&stop, &e))
		return ctl_fail(c, &e, NULL);
	output_begin(&c->output, columns, sizeof(columns) / sizeof(columns[0]));
	int rc = run_all(&t, &stop);
	if (c->options.is_follow)
		stop_end(&stop);
	return rc;
}

static const struct ctl_flag flags[] = {
	{.name = "from",
	 .kind = FLAG_NUMBER,
	 .value = "INDEX",
	 .doc = "begin there and go on to the end (default: the last ones)",
	 .offset = offsetof(struct ctl_options, from)},
	{.name = "count",
	 .letter = 'n',
	 .kind = FLAG_NUMBER,
	 .value = "COUNT",
	 .doc = "so many entries (default 10; with --from all)",
	 .offset = offsetof(struct ctl_options, count)},
	{.name = "follow",
	 .letter = 'f',
	 .kind = FLAG_SWITCH,
	 .doc = "go on with new entries until Ctrl-C",
	 .offset = offsetof(struct ctl_options, is_follow)},
	{0},
};

static const char *const examples[] = {
	"synodctl log tail",
	"synodctl log tail --from 1 -n 100 -o jsonl",
	"synodctl log tail --follow",
	NULL,
};

const struct ctl_command command_log_tail = {
	.noun = "log",
	.verb = "tail",
	.args = "",
	.summary = "entries of the change log",
	.detail = "Only committed entries are shown. Values that are not UTF-8 "
		  "text are shown in hex (value_hex in json).",
	.flags = flags,
	.examples = examples,
	.risk = RISK_READ,
	.run = run,
};
