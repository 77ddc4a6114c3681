#include "tests/it/node/support.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

void must(int rc, const struct err *e)
{
	if (rc)
		fail_msg("%s: %s", err_name(rc), e->text);
}

struct fleet *fleet_of(unsigned n_nodes, const char *node_lines)
{
	struct fleet_config cfg = {.synodd = SYNODD,
				   .n_nodes = n_nodes,
				   .node_lines = node_lines,
				   .keep_files = getenv("KEEP_FILES") != NULL};
	struct fleet *f;
	struct err e = {0};

	must(fleet_open(&f, &cfg, &e), &e);
	return f;
}

unsigned fleet_up(struct fleet *f)
{
	struct err e = {0};
	unsigned leader;

	must(fleet_start_all(f, &e), &e);
	must(fleet_wait_ready(f, WAIT_MS, &leader, &e), &e);
	return leader;
}

void fleet_equal(struct fleet *f)
{
	uint64_t index, digest;
	struct err e = {0};

	must(fleet_wait_equal(f, WAIT_MS, &index, &digest, &e), &e);
}

static int64_t now_ms(void)
{
	struct clock clock = clock_system();

	return clock_mono_us(&clock) / 1000;
}

/* -- requests -------------------------------------------------------------- */
Synod__Admin__Response *ask_node(struct fleet *f, unsigned i,
				 const Synod__Admin__Request *question)
{
	struct door_client *client;
	Synod__Admin__Response *answer;
	struct err e = {0};

	must(fleet_dial(f, i, 1, &client, &e), &e);
	int rc = ask(client, question, WAIT_MS, &answer, &e);
	door_hang_up(client);
	must(rc, &e);
	return answer;
}

Synod__Admin__Response *status_of(struct fleet *f, unsigned i)
{
	Synod__Admin__StatusRequest body;
	Synod__Admin__Request question;

	synod__admin__status_request__init(&body);
	synod__admin__request__init(&question);
	body.with_nodes = true;
	question.body_case = SYNOD__ADMIN__REQUEST__BODY_STATUS;
	question.status = &body;
	return ask_node(f, i, &question);
}

static void fill_value(uint8_t *out, size_t size, unsigned number)
{
	memset(out, (int)('a' + number % 26), size);
	snprintf((char *)out, size, "value %u", number);
}

enum { BATCH = 16 };

/* False: refused for now, nothing of it is in the log. */
static bool fates_are_good(const Synod__Admin__AppendResponse *r, unsigned n)
{
	assert_int_equal(r->n_fates, n);
	for (unsigned k = 0; k < n; k++) {
		int code = r->fates[k]->code;
		if (k == 0 && (code == ERR_FULL || code == ERR_BUSY))
			return false;
		assert_string_equal(err_name(code), "ok");
	}
	return true;
}

static void pause_ms(long ms)
{
	struct timespec t = {.tv_nsec = ms * 1000000};

	nanosleep(&t, NULL);
}

static void append_batch(struct fleet *f, unsigned i, struct values v)
{
	ProtobufCBinaryData list[BATCH];
	Synod__Admin__AppendRequest body;
	Synod__Admin__Request question;
	int64_t until = now_ms() + WAIT_MS;
	bool is_done = false;

	synod__admin__append_request__init(&body);
	synod__admin__request__init(&question);
	for (unsigned k = 0; k < v.n; k++) {
		list[k].len = v.size;
		list[k].data = malloc(v.size);
		fill_value(list[k].data, v.size, v.first + k);
	}
	body.n_values = v.n;
	body.values = list;
	question.body_case = SYNOD__ADMIN__REQUEST__BODY_APPEND;
	question.append = &body;
	while (!is_done) {
		Synod__Admin__Response *answer = ask_node(f, i, &question);
		is_done = fates_are_good(answer->append, v.n);
		answer_free(answer);
		if (!is_done && now_ms() > until)
			fail_msg("the node stays full");
		if (!is_done)
			pause_ms(5);
	}
	for (unsigned k = 0; k < v.n; k++)
		free(list[k].data);
}

void append_values(struct fleet *f, unsigned i, struct values v)
{
	for (unsigned done = 0; done < v.n; done += BATCH) {
		unsigned left = v.n - done;
		append_batch(f, i,
			     (struct values){v.first + done,
					     left < BATCH ? left : BATCH,
					     v.size});
	}
}

static Synod__Admin__Response *tail(struct fleet *f, unsigned i,
				    uint64_t from_index)
{
	Synod__Admin__TailRequest body;
	Synod__Admin__Request question;

	synod__admin__tail_request__init(&body);
	synod__admin__request__init(&question);
	body.from_index = from_index;
	body.count = 1000;
	body.with_values = true;
	question.body_case = SYNOD__ADMIN__REQUEST__BODY_TAIL;
	question.tail = &body;
	return ask_node(f, i, &question);
}

void expect_values(struct fleet *f, unsigned i, struct values v)
{
	uint8_t *want = malloc(v.size);
	unsigned found = 0;
	uint64_t index = 1;

	while (found < v.n) {
		Synod__Admin__Response *answer = tail(f, i, index);
		const Synod__Admin__TailResponse *t = answer->tail;
		if (t->n_entries == 0)
			fail_msg("%u of %u values are in the log", found, v.n);
		for (size_t k = 0; k < t->n_entries && found < v.n; k++) {
			const Synod__Admin__LogEntry *entry = t->entries[k];
			assert_int_equal(entry->index, index);
			index++;
			fill_value(want, v.size, v.first + found);
			found += strcmp(entry->type, "append") == 0 &&
				 entry->value.len == v.size &&
				 memcmp(entry->value.data, want, v.size) == 0;
		}
		answer_free(answer);
	}
	free(want);
}

/* -- facts ----------------------------------------------------------------- */
bool has_event(struct fleet *f, unsigned i, const char *type, const char *node)
{
	Synod__Admin__EventsRequest body;
	Synod__Admin__Request question;
	bool found = false;

	synod__admin__events_request__init(&body);
	synod__admin__request__init(&question);
	question.body_case = SYNOD__ADMIN__REQUEST__BODY_EVENTS;
	question.events = &body;
	Synod__Admin__Response *answer = ask_node(f, i, &question);
	for (size_t k = 0; k < answer->events->n_events; k++) {
		const Synod__Admin__Event *ev = answer->events->events[k];
		found |= strcmp(ev->type, type) == 0 &&
			 (!node || strcmp(ev->node, node) == 0);
	}
	answer_free(answer);
	return found;
}

void wait_event(struct fleet *f, unsigned i, const char *type, const char *node)
{
	int64_t until = now_ms() + WAIT_MS;

	while (!has_event(f, i, type, node)) {
		if (now_ms() > until)
			fail_msg("no event %s of %s", type, node ? node : "-");
		pause_ms(20);
	}
}

void wait_state(struct fleet *f, unsigned i, const char *state)
{
	int64_t until = now_ms() + WAIT_MS;

	for (;;) {
		Synod__Admin__Response *answer = status_of(f, i);
		bool is_there = strcmp(answer->status->self->state, state) == 0;
		if (!is_there && now_ms() > until)
			fail_msg("n%u is %s and not %s", i + 1,
				 answer->status->self->state, state);
		answer_free(answer);
		if (is_there)
			return;
		pause_ms(20);
	}
}

/* -- files ----------------------------------------------------------------- */
void join(char *out, size_t size, const char *a, const char *b)
{
	int len = snprintf(out, size, "%s%s", a, b);

	assert_true(len > 0 && (size_t)len < size);
}

static int remove_one(const char *path, const struct stat *st, int flag,
		      struct FTW *where)
{
	return remove(path);
}

void remove_tree(const char *path)
{
	if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS))
		fail_msg("remove %s: %s", path, strerror(errno));
}

void copy_tree(const char *from, const char *to)
{
	const char *const argv[] = {"cp", "-a", from, to, NULL};
	struct process_plan plan = {.argv = argv, .log_path = "/dev/null"};
	struct process p = {0};
	struct err e = {0};
	int status = -1;

	must(process_start(&p, &plan, &e), &e);
	must(process_wait(&p, WAIT_MS, &status), &e);
	assert_int_equal(status, 0);
}

bool file_says(const char *path, const char *text)
{
	FILE *in = fopen(path, "re");
	char *line = NULL;
	size_t cap = 0;
	bool found = false;

	if (!in)
		fail_msg("open %s: %s", path, strerror(errno));
	while (!found && getline(&line, &cap, in) > 0)
		found = strstr(line, text) != NULL;
	free(line);
	fclose(in);
	return found;
}
