#include "tests/e2e/acts.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

static int64_t now_ms(void)
{
	struct clock clock = clock_system();

	return clock_mono_us(&clock) / 1000;
}

static void nap(void)
{
	const struct timespec t = {.tv_nsec = 20000000};

	nanosleep(&t, NULL);
}

/* protobuf-c declares its strings writable and never writes them. */
static char *text_of(const char *s)
{
	return (char *)(uintptr_t)s;
}

static void ask_and_drop(struct stage *s, const Synod__Admin__Request *question)
{
	answer_free(stage_ask(s, question));
}

/* -- definitions, pauses --------------------------------------------------- */
void acts_define_all(struct stage *s, const char *text)
{
	Synod__Admin__DefineRequest body;
	Synod__Admin__Request question;

	synod__admin__define_request__init(&body);
	synod__admin__request__init(&question);
	body.action = SYNOD__ADMIN__DEFINE_REQUEST__ACTION__APPLY;
	body.text = text_of(text);
	body.file = text_of("test.yaml");
	body.author = text_of("test");
	body.prune = true;
	question.body_case = SYNOD__ADMIN__REQUEST__BODY_DEFINE;
	question.define = &body;
	Synod__Admin__Response *answer = stage_ask(s, &question);
	const Synod__Admin__DefineResponse *r = answer->define;
	for (size_t i = 0; i < r->n_changes; i++)
		if (r->changes[i]->mark[0] == '!' && r->n_failed)
			stage_fail(s, "%s: %s", r->changes[i]->what,
				   r->changes[i]->text);
	if (r->n_problems || r->n_failed)
		stage_fail(s, "%s", r->problems);
	answer_free(answer);
}

void acts_pause(struct stage *s, const char *sync, const char *table,
		bool is_paused)
{
	Synod__Admin__PauseRequest body;
	Synod__Admin__Request question;

	synod__admin__pause_request__init(&body);
	synod__admin__request__init(&question);
	body.sync = text_of(sync);
	body.table = text_of(table);
	body.is_paused = is_paused;
	body.reason = text_of(is_paused ? "the test says so" : "");
	question.body_case = SYNOD__ADMIN__REQUEST__BODY_PAUSE;
	question.pause = &body;
	ask_and_drop(s, &question);
}

void acts_move(struct stage *s, const char *task, unsigned to)
{
	Synod__Admin__MoveRequest body;
	Synod__Admin__Request question;

	if (stage_owner(s, task) == to)
		return;
	synod__admin__move_request__init(&body);
	synod__admin__request__init(&question);
	body.task = text_of(task);
	body.node = text_of(fleet_name(s->fleet, to));
	question.body_case = SYNOD__ADMIN__REQUEST__BODY_MOVE;
	question.move = &body;
	ask_and_drop(s, &question);
}

/* -- the overview ---------------------------------------------------------- */
static Synod__Admin__Response *overview(struct stage *s, const char *sync)
{
	Synod__Admin__OverviewRequest body;
	Synod__Admin__Request question;

	synod__admin__overview_request__init(&body);
	synod__admin__request__init(&question);
	body.sync = text_of(sync);
	question.body_case = SYNOD__ADMIN__REQUEST__BODY_OVERVIEW;
	question.overview = &body;
	return stage_ask(s, &question);
}

void acts_wait_view(struct stage *s, const struct acts_view *wanted)
{
	int64_t until = now_ms() + STAGE_WAIT_MS;

	for (;; nap()) {
		Synod__Admin__Response *answer = overview(s, wanted->sync);
		if (answer->overview->n_syncs != 1)
			stage_fail(s, "no sync %s", wanted->sync);
		const Synod__Admin__SyncInfo *is = answer->overview->syncs[0];
		if ((!wanted->state[0] ||
		     strcmp(is->state, wanted->state) == 0) &&
		    strstr(is->problem, wanted->problem) &&
		    strstr(is->hint, wanted->hint)) {
			answer_free(answer);
			return;
		}
		if (now_ms() > until)
			stage_fail(s,
				   "sync %s is %s, problem '%s', hint '%s', "
				   "not %s, '%s', '%s'",
				   is->name, is->state, is->problem, is->hint,
				   wanted->state, wanted->problem,
				   wanted->hint);
		answer_free(answer);
	}
}

/* -- dead letters ---------------------------------------------------------- */
Synod__Admin__Response *acts_letters(struct stage *s)
{
	Synod__Admin__LettersRequest body;
	Synod__Admin__Request question;

	synod__admin__letters_request__init(&body);
	synod__admin__request__init(&question);
	body.count = 100;
	question.body_case = SYNOD__ADMIN__REQUEST__BODY_LETTERS;
	question.letters = &body;
	return stage_ask(s, &question);
}

void acts_wait_letters(struct stage *s, size_t n)
{
	int64_t until = now_ms() + STAGE_WAIT_MS;

	for (;; nap()) {
		Synod__Admin__Response *answer = acts_letters(s);
		size_t has = answer->letters->n_letters;
		answer_free(answer);
		if (has == n)
			return;
		if (now_ms() > until)
			stage_fail(s, "%zu dead letters, not %zu", has, n);
	}
}

void acts_on_letters(struct stage *s, const char *sync, bool is_replay)
{
	Synod__Admin__LettersActRequest body;
	Synod__Admin__Request question;

	synod__admin__letters_act_request__init(&body);
	synod__admin__request__init(&question);
	body.all = true;
	body.sync = text_of(sync);
	body.is_replay = is_replay;
	body.author = text_of("test");
	question.body_case = SYNOD__ADMIN__REQUEST__BODY_LETTERS_ACT;
	question.letters_act = &body;
	ask_and_drop(s, &question);
}

/* -- conflicts ------------------------------------------------------------- */
Synod__Admin__Response *acts_open_conflicts(struct stage *s)
{
	Synod__Admin__ConflictsRequest body;
	Synod__Admin__Request question;

	synod__admin__conflicts_request__init(&body);
	synod__admin__request__init(&question);
	body.from_id = 1;
	body.count = 100;
	body.only_open = true;
	question.body_case = SYNOD__ADMIN__REQUEST__BODY_CONFLICTS;
	question.conflicts = &body;
	return stage_ask(s, &question);
}

void acts_resolve(struct stage *s, uint64_t id, const char *connection)
{
	Synod__Admin__ResolveRequest body;
	Synod__Admin__Request question;

	synod__admin__resolve_request__init(&body);
	synod__admin__request__init(&question);
	body.n_ids = 1;
	body.ids = &id;
	body.connection = text_of(connection);
	body.author = text_of("test");
	question.body_case = SYNOD__ADMIN__REQUEST__BODY_RESOLVE;
	question.resolve = &body;
	ask_and_drop(s, &question);
}

void acts_wait_number(struct stage *s, const struct side *side, const char *sql,
		      int64_t wanted)
{
	int64_t until = now_ms() + STAGE_WAIT_MS;
	struct side_link *link = link_dial(side);
	int64_t is;

	while ((is = link_number(link, sql)) != wanted) {
		if (now_ms() > until)
			stage_fail(s, "%s on %s gives %lld, not %lld", sql,
				   side->name, (long long)is,
				   (long long)wanted);
		nap();
	}
	side_hang_up(link);
}
