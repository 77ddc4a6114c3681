#include "node/runner_task.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/log.h"

/* However long a task says that it has nothing to do. */
enum { WAIT_US_MAX = 1000 * 1000 };

/* -- from other threads -----------------------------------------------------
 */
void runner_task_wake(struct runner_task *t)
{
	pthread_mutex_lock(&t->lock);
	t->is_woken = true;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
}

void runner_task_stop(struct runner_task *t)
{
	pthread_mutex_lock(&t->lock);
	t->is_stopping = true;
	if (t->capture)
		capture_wake(t->capture);
	if (t->apply)
		apply_wake(t->apply);
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
}

void runner_task_fate(struct runner_task *t, const struct task_fate *fate)
{
	struct runner_fate *f = mem_zero(1, sizeof(*f));

	f->fate = *fate;
	pthread_mutex_lock(&t->lock);
	*t->fates_tail = f;
	t->fates_tail = &f->next;
	t->is_woken = true;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
}

bool runner_task_is_over(struct runner_task *t)
{
	pthread_mutex_lock(&t->lock);
	bool is_over = t->is_over;
	pthread_mutex_unlock(&t->lock);
	return is_over;
}

/* -- its thread -------------------------------------------------------------
 */
static struct runner_fate *take_fates(struct runner_task *t)
{
	pthread_mutex_lock(&t->lock);
	struct runner_fate *fates = t->fates;
	t->fates = NULL;
	t->fates_tail = &t->fates;
	t->is_woken = false;
	pthread_mutex_unlock(&t->lock);
	return fates;
}

static void give_fates(struct runner_task *t)
{
	struct runner_fate *fates = take_fates(t);

	while (fates) {
		struct runner_fate *f = fates;
		fates = f->next;
		if (t->capture)
			capture_fate(t->capture, &f->fate);
		else
			apply_fate(t->apply, &f->fate);
		free(f);
	}
}

static bool is_stopping(struct runner_task *t)
{
	pthread_mutex_lock(&t->lock);
	bool is = t->is_stopping;
	pthread_mutex_unlock(&t->lock);
	return is;
}

static struct timespec in_us(int64_t wait_us)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	int64_t ns = until.tv_nsec + wait_us % 1000000 * 1000;
	until.tv_sec += (time_t)(wait_us / 1000000 + ns / 1000000000);
	until.tv_nsec = ns % 1000000000;
	return until;
}

static void wait_for_work(struct runner_task *t, int64_t wait_us)
{
	if (wait_us <= 0)
		return;
	if (wait_us > WAIT_US_MAX)
		wait_us = WAIT_US_MAX;
	struct timespec until = in_us(wait_us);
	pthread_mutex_lock(&t->lock);
	int rc = 0;
	while (!t->is_woken && !t->is_stopping && !rc)
		rc = pthread_cond_timedwait(&t->wake, &t->lock, &until);
	pthread_mutex_unlock(&t->lock);
}

static void keep_figures(struct runner_task *t)
{
	struct capture_figures figures = {0};

	capture_figures_of(t->capture, &figures);
	pthread_mutex_lock(&t->lock);
	t->figures = figures;
	pthread_mutex_unlock(&t->lock);
}

/* Returns the microseconds until the next step; -1: that was the last one. */
static int64_t step(struct runner_task *t)
{
	if (t->capture) {
		int64_t wait_us = capture_step(t->capture, RUNNER_POLL_MS);
		keep_figures(t);
		return capture_state(t->capture) == TASK_ENDED ? -1 : wait_us;
	}
	int64_t wait_us = apply_step(t->apply, 0);
	if (apply_state(t->apply) == TASK_ENDED)
		return -1;
	runner_checkpoint(t);
	return wait_us;
}

/* Out of everybody's sight before it is freed: a wake finds nothing. */
static void close_task(struct runner_task *t)
{
	pthread_mutex_lock(&t->lock);
	struct capture *capture = t->capture;
	struct apply *apply = t->apply;
	t->capture = NULL;
	t->apply = NULL;
	pthread_mutex_unlock(&t->lock);
	capture_free(capture);
	apply_free(apply);
	runner_window_free(&t->window);
	pthread_mutex_lock(&t->lock);
	t->is_over = true;
	pthread_mutex_unlock(&t->lock);
}

static void *task_main(void *ctx)
{
	struct runner_task *t = ctx;

	while (!is_stopping(t)) {
		give_fates(t);
		int64_t wait_us = step(t);
		if (wait_us < 0)
			break;
		wait_for_work(t, wait_us);
	}
	close_task(t);
	runner_task_ended(t);
	return NULL;
}

/* -- life -------------------------------------------------------------------
 */
static void init_sync(struct runner_task *t)
{
	pthread_condattr_t attr;

	CHECK(pthread_mutex_init(&t->lock, NULL) == 0);
	CHECK(pthread_condattr_init(&attr) == 0);
	CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
	CHECK(pthread_cond_init(&t->wake, &attr) == 0);
	pthread_condattr_destroy(&attr);
}

int runner_task_start(struct node *n, struct runner_task *t, struct err *e)
{
	char name[16];

	init_sync(t);
	t->fates_tail = &t->fates;
	t->state = TASK_STARTING;
	t->ports = runner_ports(t);
	t->started_us = t->seen_us = node_now_us(n);
	stats_task(n, t);
	if (task_kind(t->id) == TASK_CAPTURE)
		t->capture = capture_new(&t->spec, &t->ports);
	else
		t->apply = apply_new(&t->spec, &t->ports);
	snprintf(name, sizeof(name), "%s-%u",
		 task_kind(t->id) == TASK_CAPTURE ? "cap" : "app", t->id);
	int rc = thread_start(&t->thread, name, task_main, t, e);
	if (rc)
		close_task(t);
	return rc;
}

void runner_task_free(struct runner_task *t)
{
	thread_join(&t->thread);
	while (t->fates) {
		struct runner_fate *f = t->fates;
		t->fates = f->next;
		free(f);
	}
	pthread_cond_destroy(&t->wake);
	pthread_mutex_destroy(&t->lock);
	view_catalog_unref(t->good);
	view_unref(t->view);
	free(t);
}
