#include "bench/work.h"

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
	const struct timespec t = {.tv_nsec = 5000000};

	nanosleep(&t, NULL);
}

/* protobuf-c declares its strings writable and never writes them. */
static char *text_of(const char *s)
{
	return (char *)(uintptr_t)s;
}

static int ask_one(struct fleet *f, unsigned i,
		   const Synod__Admin__Request *question,
		   Synod__Admin__Response **answer, struct err *e)
{
	struct door_client *client;

	if (fleet_pid(f, i) == 0)
		return err_set(e, ERR_CLOSED, "%s does not run",
			       fleet_name(f, i));
	int rc = fleet_dial(f, i, 1, &client, e);
	if (rc)
		return rc;
	rc = ask(client, question, WORK_WAIT_MS, answer, e);
	door_hang_up(client);
	return rc;
}

int work_ask(struct fleet *f, const Synod__Admin__Request *question,
	     Synod__Admin__Response **answer, struct err *e)
{
	int64_t until = now_ms() + WORK_WAIT_MS;
	unsigned *asked = fleet_asked(f);

	while (ask_one(f, *asked, question, answer, e)) {
		if (now_ms() > until)
			return err_wrap(e, "no node does what it is asked");
		*asked = (*asked + 1) % fleet_size(f);
		nap();
	}
	return 0;
}

/* The problems of the text, or the first check that failed. */
static int refused(const Synod__Admin__DefineResponse *r, struct err *e)
{
	if (!r)
		return err_set(e, ERR_FORMAT, "not the answer to a definition");
	for (size_t i = 0; i < r->n_changes; i++)
		if (r->changes[i]->mark[0] == '!')
			return err_set(e, ERR_INVALID, "%s: %s (%s)",
				       r->changes[i]->what, r->changes[i]->text,
				       r->changes[i]->repair);
	return err_set(e, ERR_INVALID, "%s", r->problems);
}

int work_define(struct fleet *f, const char *text, struct err *e)
{
	Synod__Admin__DefineRequest body;
	Synod__Admin__Request question;
	Synod__Admin__Response *answer;

	synod__admin__define_request__init(&body);
	synod__admin__request__init(&question);
	body.action = SYNOD__ADMIN__DEFINE_REQUEST__ACTION__APPLY;
	body.text = text_of(text);
	body.file = text_of("bench.yaml");
	body.author = text_of("synod-bench");
	question.body_case = SYNOD__ADMIN__REQUEST__BODY_DEFINE;
	question.define = &body;
	int rc = work_ask(f, &question, &answer, e);
	if (rc)
		return rc;
	const Synod__Admin__DefineResponse *r = answer->define;
	if (!r || r->n_problems || r->n_failed)
		rc = refused(r, e);
	answer_free(answer);
	return rc;
}

static int overview(struct fleet *f, Synod__Admin__Response **answer,
		    struct err *e)
{
	Synod__Admin__OverviewRequest body;
	Synod__Admin__Request question;

	synod__admin__overview_request__init(&body);
	synod__admin__request__init(&question);
	question.body_case = SYNOD__ADMIN__REQUEST__BODY_OVERVIEW;
	question.overview = &body;
	return work_ask(f, &question, answer, e);
}

static bool is_running(const Synod__Admin__OverviewResponse *r, struct err *e)
{
	err_set(e, ERR_TIMEOUT, "there are no tasks");
	for (size_t i = 0; i < r->n_tasks; i++) {
		const Synod__Admin__TaskInfo *t = r->tasks[i];
		if (strcmp(t->state, "running") != 0 ||
		    t->n_loaded < t->n_to_load) {
			err_set(e, ERR_TIMEOUT, "task %s is %s: %s", t->name,
				t->state, t->problem);
			return false;
		}
	}
	return r->n_tasks > 0;
}

int work_wait_running(struct fleet *f, struct err *e)
{
	int64_t until = now_ms() + WORK_WAIT_MS;

	for (;;) {
		Synod__Admin__Response *answer;
		int rc = overview(f, &answer, e);
		if (rc)
			return rc;
		bool is_good = is_running(answer->overview, e);
		answer_free(answer);
		if (is_good)
			return 0;
		if (now_ms() > until)
			return ERR_TIMEOUT;
		nap();
	}
}

int work_owner(struct fleet *f, const char *task, unsigned *out, struct err *e)
{
	Synod__Admin__Response *answer;
	int rc = overview(f, &answer, e);

	if (rc)
		return rc;
	const Synod__Admin__OverviewResponse *r = answer->overview;
	rc = err_set(e, ERR_NOTFOUND, "nobody owns %s", task);
	for (size_t i = 0; i < r->n_tasks && rc; i++)
		for (unsigned k = 0; k < fleet_size(f) && rc; k++)
			if (strcmp(r->tasks[i]->name, task) == 0 &&
			    strcmp(r->tasks[i]->node, fleet_name(f, k)) == 0) {
				*out = k;
				rc = 0;
			}
	answer_free(answer);
	return rc;
}

int work_move(struct fleet *f, const char *task, unsigned to, struct err *e)
{
	Synod__Admin__MoveRequest body;
	Synod__Admin__Request question;
	Synod__Admin__Response *answer;
	unsigned owner;

	if (work_owner(f, task, &owner, e) == 0 && owner == to)
		return 0;
	synod__admin__move_request__init(&body);
	synod__admin__request__init(&question);
	body.task = text_of(task);
	body.node = text_of(fleet_name(f, to));
	question.body_case = SYNOD__ADMIN__REQUEST__BODY_MOVE;
	question.move = &body;
	int rc = work_ask(f, &question, &answer, e);
	if (rc)
		return rc;
	answer_free(answer);
	return work_wait_running(f, e);
}

int work_drain(struct fleet *f, unsigned i, bool is_drained, struct err *e)
{
	Synod__Admin__DrainRequest body;
	Synod__Admin__Request question;
	Synod__Admin__Response *answer;

	synod__admin__drain_request__init(&body);
	synod__admin__request__init(&question);
	body.node = text_of(fleet_name(f, i));
	body.is_drained = is_drained;
	question.body_case = SYNOD__ADMIN__REQUEST__BODY_DRAIN;
	question.drain = &body;
	int rc = work_ask(f, &question, &answer, e);
	if (rc == 0)
		answer_free(answer);
	return rc;
}
