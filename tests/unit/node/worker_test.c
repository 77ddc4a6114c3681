#include "node/worker.h"

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/bytes.h"

/* A worker, its owner's mailbox, and what its jobs left. */
struct scene {
	struct worker worker;
	struct mailbox mailbox;
	sem_t woken, gate;
	unsigned n_run, n_done, n_dropped;
};

struct step {
	struct job job;
	struct scene *scene;
	unsigned number;
	bool waits; /* at the gate, while it runs */
};

static void wake(void *ctx)
{
	struct scene *s = ctx;

	sem_post(&s->woken);
}

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));
	struct err e = {0};

	sem_init(&s->woken, 0, 0);
	sem_init(&s->gate, 0, 0);
	mailbox_init(&s->mailbox, 1 << 20, wake, s);
	assert_int_equal(worker_open(&s->worker, "test", &s->mailbox, &e), 0);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	worker_close(&s->worker);
	mailbox_close(&s->mailbox);
	struct note *note = mailbox_take(&s->mailbox);
	while (note) {
		struct note *next = note->next;
		((struct job *)note)->drop((struct job *)note);
		note = next;
	}
	mailbox_destroy(&s->mailbox);
	sem_destroy(&s->woken);
	sem_destroy(&s->gate);
	free(s);
	return 0;
}

static void step_run(struct job *job)
{
	struct step *step = (struct step *)job;

	if (step->waits)
		sem_wait(&step->scene->gate);
	/* One job at a time, in order. */
	assert_int_equal(step->scene->n_run, step->number);
	step->scene->n_run++;
}

static void step_done(struct job *job)
{
	((struct step *)job)->scene->n_done++;
	free(job);
}

static void step_drop(struct job *job)
{
	((struct step *)job)->scene->n_dropped++;
	free(job);
}

static void give(struct scene *s, unsigned number, bool waits)
{
	struct step *step = mem_zero(1, sizeof(*step));

	step->job = (struct job){
		.run = step_run, .done = step_done, .drop = step_drop};
	step->scene = s;
	step->number = number;
	step->waits = waits;
	worker_give(&s->worker, &step->job);
}

/* Take notes until that many jobs are done. */
static void take_until(struct scene *s, unsigned n_done)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20;
	while (s->n_done < n_done) {
		assert_int_equal(sem_timedwait(&s->woken, &until), 0);
		struct note *note = mailbox_take(&s->mailbox);
		while (note) {
			struct note *next = note->next;
			assert_int_equal(note->kind, NOTE_JOB_DONE);
			((struct job *)note)->done((struct job *)note);
			note = next;
		}
	}
}

static void test_jobs_run_in_order_and_come_back(void **state)
{
	struct scene *s = *state;

	for (unsigned i = 0; i < 1000; i++)
		give(s, i, false);
	take_until(s, 1000);
	assert_int_equal(s->n_run, 1000);
}

static void test_nothing_runs_while_paused(void **state)
{
	struct scene *s = *state;

	worker_pause(&s->worker);
	give(s, 0, false);
	give(s, 1, false);
	assert_int_equal(s->n_run, 0);
	worker_resume(&s->worker);
	take_until(s, 2);
}

static void test_close_finishes_one_and_drops_the_rest(void **state)
{
	struct scene *s = *state;

	give(s, 0, false);
	take_until(s, 1);
	worker_pause(&s->worker);
	for (unsigned i = 1; i < 10; i++)
		give(s, i, false);
	worker_resume(&s->worker);
	worker_close(&s->worker);
	mailbox_close(&s->mailbox);
	struct note *note = mailbox_take(&s->mailbox);
	while (note) {
		struct note *next = note->next;
		((struct job *)note)->done((struct job *)note);
		note = next;
	}
	/* None is lost, whatever the moment of the close. */
	assert_int_equal(s->n_done + s->n_dropped, 10);
	assert_int_equal(s->n_done, s->n_run);
}

static void test_closed_mailbox_drops_what_runs(void **state)
{
	struct scene *s = *state;

	give(s, 0, true);
	mailbox_close(&s->mailbox);
	sem_post(&s->gate);
	worker_close(&s->worker);
	assert_int_equal(s->n_run + s->n_dropped >= 1, true);
	assert_int_equal(s->n_dropped, 1);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_jobs_run_in_order_and_come_back),
		TEST(test_nothing_runs_while_paused),
		TEST(test_close_finishes_one_and_drops_the_rest),
		TEST(test_closed_mailbox_drops_what_runs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
