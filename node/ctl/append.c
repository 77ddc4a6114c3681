/* synodctl log append: values into the change log, with the fate of each. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/check.h"
#include "node/ctl/command.h"
#include "node/ctl/lines.h"

enum {
	/* A node answers within the time it was given; the answer itself needs
	 * some on its way. */
	ANSWER_SLACK_MS = 1000,
};

/* Bytes of values in one request: with one value of the largest size it still
 * fits into a frame. */
#define BATCH_BYTES ((size_t)1 << 20)

static const struct column columns[] = {
	{"index", "INDEX", COLUMN_NUMBER, 0},
	{"fate", "FATE", COLUMN_TEXT, COLUMN_IS_STATE},
	{"value", "VALUE", COLUMN_NUMBER, 0},
};

struct append {
	struct ctl *ctl;
	struct arena arena; /* of the batch */
	ProtobufCBinaryData values[LIMIT_APPEND_VALUES];
	size_t n, bytes;
	uint64_t n_values; /* answered so far */
	uint64_t n_refused, n_unknown;
	struct err first; /* the first fate that was not "committed" */
	char hint[LINK_HINT_MAX];
	bool is_stopped; /* what happened is unknown, or nobody answers */
	int exit;
};

static void put_fate(struct append *a, int code, uint64_t index)
{
	struct cell cells[] = {
		code ? cell_none() : cell_number(index),
		cell_text(code ? err_name(code) : "committed"),
		cell_number(++a->n_values),
	};
	output_row(&a->ctl->output, cells);
	if (code == 0)
		return;
	if (code == ERR_UNKNOWN_FATE)
		a->n_unknown++;
	else
		a->n_refused++;
	if (!a->first.code)
		err_set(&a->first, code, "%s", err_sentence(code));
}

/* Did the request leave without an answer? Then each value may be in the log.
 */
static bool is_doubtful(const struct link_answer *answer)
{
	int code = answer->e.code;
	if (!answer->is_local)
		return code == ERR_UNKNOWN_FATE || code == ERR_TIMEOUT;
	return code != ERR_NETWORK && code != ERR_TLS && code != ERR_CLOSED &&
	       code != ERR_PERMISSION && code != ERR_BUSY &&
	       code != ERR_LIMIT && code != ERR_INVALID;
}

static void on_failure(struct append *a, const struct link_answer *answer)
{
	bool is_unknown = is_doubtful(answer);
	a->is_stopped = true;
	if (!a->first.code) {
		a->first = answer->e;
		snprintf(a->hint, sizeof a->hint, "%s", answer->hint);
	}
	/* Nobody was reached and nothing was tried: not a word about fates. */
	if (!is_unknown && answer->is_local && a->n_values == 0) {
		a->exit = ctl_exit_of(answer->e.code);
		return;
	}
	for (size_t i = 0; i < a->n; i++)
		put_fate(a, is_unknown ? ERR_UNKNOWN_FATE : answer->e.code, 0);
	if (!is_unknown)
		a->exit = ctl_exit_of(answer->e.code);
}

static void on_fates(struct append *a, const struct link_answer *answer)
{
	const Synod__Admin__Response *r = answer->response;
	bool is_fitting = r->body_case == SYNOD__ADMIN__RESPONSE__BODY_APPEND &&
			  r->append->n_fates == a->n;
	/* An answer to something else says nothing about these values. */
	for (size_t i = 0; i < a->n; i++) {
		if (is_fitting)
			put_fate(a, link_code(r->append->fates[i]->code),
				 r->append->fates[i]->index);
		else
			put_fate(a, ERR_UNKNOWN_FATE, 0);
	}
	a->is_stopped = !is_fitting;
}

static void send_batch(struct append *a)
{
	if (a->n == 0)
		return;
	struct ctl *c = a->ctl;
	Synod__Admin__AppendRequest append;
	synod__admin__append_request__init(&append);
	Synod__Admin__Request request;
	synod__admin__request__init(&request);
	int timeout_ms = (int)c->options.timeout_ms;
	append.n_values = a->n;
	append.values = a->values;
	append.timeout_ms = (uint32_t)timeout_ms;
	request.body_case = SYNOD__ADMIN__REQUEST__BODY_APPEND;
	request.append = &append;
	struct link_answer answer;
	if (link_call_any(&c->link, &request, timeout_ms + ANSWER_SLACK_MS,
			  &answer))
		on_failure(a, &answer);
	else
		on_fates(a, &answer);
	ctl_detail(c, "%zu values to %s: %s", a->n,
		   c->link.ends[c->link.current].url,
		   answer.e.code ? answer.e.text : "answered");
	link_answer_clear(&answer);
	if (!output_is_table(&c->output))
		output_flush(&c->output);
	arena_clear(&a->arena);
	a->n = 0;
	a->bytes = 0;
}

static void add_value(struct append *a, struct bytes value)
{
	if (a->n == LIMIT_APPEND_VALUES ||
	    (a->n > 0 && a->bytes + value.len > BATCH_BYTES))
		send_batch(a);
	if (a->is_stopped)
		return;
	a->values[a->n++] = (ProtobufCBinaryData){
		.len = value.len,
		.data = arena_copy(&a->arena, value.data, value.len)};
	a->bytes += value.len;
}

static int append_lines(struct append *a, int fd)
{
	struct lines lines;
	struct bytes line;
	struct err e = {0};
	lines_init(&lines, fd, LIMIT_ENTRY_BYTES);
	while (!a->is_stopped && lines_next(&lines, &line, &e)) {
		add_value(a, line);
		/* Somebody types, or a log is followed: do not let it wait. */
		if (lines_would_wait(&lines))
			send_batch(a);
	}
	if (!a->is_stopped)
		send_batch(a);
	lines_clear(&lines);
	if (e.code && !a->first.code) {
		a->first = e;
		a->exit = ctl_exit_of(e.code);
	}
	return a->exit;
}

static int append_file(struct append *a, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		a->exit = EXIT_USAGE;
		return err_set(&a->first, ERR_INVALID, "%s: %s", path,
			       strerror(errno));
	}
	append_lines(a, fd);
	close(fd);
	return 0;
}

static int append_args(struct append *a)
{
	struct ctl *c = a->ctl;
	for (int i = 0; i < c->n_args; i++)
		if (strlen(c->args[i]) > LIMIT_ENTRY_BYTES)
			return ctl_usage(c, "value %d is longer than %zu bytes",
					 i + 1, LIMIT_ENTRY_BYTES);
	for (int i = 0; i < c->n_args && !a->is_stopped; i++)
		add_value(a, (struct bytes){(const uint8_t *)c->args[i],
					    strlen(c->args[i])});
	if (!a->is_stopped)
		send_batch(a);
	return 0;
}

/* The summary, and what is to be said of values that were not committed. */
static int conclude(struct append *a)
{
	struct ctl *c = a->ctl;
	struct output *o = &c->output;
	uint64_t n_bad = a->n_refused + a->n_unknown;
	output_summary(o, "committed",
		       json_integer((json_int_t)(a->n_values - n_bad)));
	output_summary(o, "refused", json_integer((json_int_t)a->n_refused));
	output_summary(o, "unknown", json_integer((json_int_t)a->n_unknown));
	if (!a->first.code)
		return EXIT_DONE;
	if (n_bad == 0) {
		ctl_fail(c, &a->first, a->hint[0] ? a->hint : NULL);
		return a->exit;
	}
	struct err e;
	err_set(&e, a->n_unknown ? ERR_UNKNOWN_FATE : a->first.code,
		"%" PRIu64 " of %" PRIu64 " values were not committed (%" PRIu64
		" refused, %" PRIu64 " unknown): %.300s",
		n_bad, a->n_values, a->n_refused, a->n_unknown, a->first.text);
	ctl_fail(c, &e,
		 a->n_unknown ? "synodctl log tail   (see what arrived before "
				"you repeat it)"
		 : a->hint[0] ? a->hint
			      : "synodctl status");
	/* No leader, no quorum: that is the environment, unless some arrived.
	 */
	return a->exit && a->n_unknown == 0 && n_bad == a->n_values
		       ? a->exit
		       : EXIT_FAILED;
}

static int run(struct ctl *c)
{
	bool is_stdin = c->n_args == 1 && strcmp(c->args[0], "-") == 0;
	if (c->options.file && c->n_args > 0)
		return ctl_usage(c, "--file and values exclude each other");
	if (!c->options.file && c->n_args == 0)
		return ctl_usage(c, "no value was given");
	struct append *a = mem_zero(1, sizeof *a);
	a->ctl = c;
	arena_init(&a->arena, BATCH_BYTES / 4);
	output_begin(&c->output, columns, sizeof(columns) / sizeof(columns[0]));
	if (c->options.file)
		append_file(a, c->options.file);
	else if (is_stdin)
		append_lines(a, c->world->in_fd);
	else
		append_args(a);
	int rc = c->failure.is_set ? EXIT_USAGE : conclude(a);
	arena_free(&a->arena);
	free(a);
	return rc;
}

static const struct ctl_flag flags[] = {
	{.name = "file",
	 .letter = 'f',
	 .kind = FLAG_TEXT,
	 .value = "FILE",
	 .doc = "the values, one a line",
	 .offset = offsetof(struct ctl_options, file)},
	{0},
};

static const char *const examples[] = {
	"synodctl log append hello world",
	"seq 1 1000 | synodctl log append -",
	"synodctl log append --file values.txt -o json",
	NULL,
};

const struct ctl_command command_log_append = {
	.noun = "log",
	.verb = "append",
	.args = "[VALUE... | -]",
	.summary = "append values to the change log",
	.detail = "Prints the index at which each value was committed. A value "
		  "that was refused is not in the log; one whose fate is "
		  "unknown may be: look before you repeat it. With '-' values "
		  "are read from standard input, one a line.",
	.flags = flags,
	.examples = examples,
	.risk = RISK_SAFE,
	.args_max = -1,
	.run = run,
};
