#include "node/worker.h"

#include "base/check.h"

/* NULL: the worker closes. */
static struct job *next_job(struct worker *w)
{
	struct job *job = NULL;

	pthread_mutex_lock(&w->lock);
	while (!w->head && !w->is_closing)
		pthread_cond_wait(&w->filled, &w->lock);
	if (!w->is_closing) {
		job = w->head;
		w->head = (struct job *)job->note.next;
		if (!w->head)
			w->tail = &w->head;
	}
	pthread_mutex_unlock(&w->lock);
	return job;
}

static void *work(void *ctx)
{
	struct worker *w = ctx;
	struct job *job;

	while ((job = next_job(w)) != NULL) {
		pthread_mutex_lock(&w->busy);
		job->run(job);
		pthread_mutex_unlock(&w->busy);
		job->note.kind = NOTE_JOB_DONE;
		if (!mailbox_post_always(w->owner, &job->note))
			job->drop(job);
	}
	return NULL;
}

int worker_open(struct worker *w, const char *name, struct mailbox *owner,
		struct err *e)
{
	*w = (struct worker){.owner = owner};
	w->tail = &w->head;
	pthread_mutex_init(&w->lock, NULL);
	pthread_mutex_init(&w->busy, NULL);
	pthread_cond_init(&w->filled, NULL);
	w->is_open = true;
	return thread_start(&w->thread, name, work, w, e);
}

void worker_give(struct worker *w, struct job *job)
{
	CHECK(job->run && job->done && job->drop);
	job->note = (struct note){0};
	pthread_mutex_lock(&w->lock);
	*w->tail = job;
	w->tail = (struct job **)&job->note.next;
	pthread_cond_signal(&w->filled);
	pthread_mutex_unlock(&w->lock);
}

void worker_pause(struct worker *w)
{
	pthread_mutex_lock(&w->busy);
}

void worker_resume(struct worker *w)
{
	pthread_mutex_unlock(&w->busy);
}

void worker_close(struct worker *w)
{
	if (!w->is_open)
		return;
	pthread_mutex_lock(&w->lock);
	w->is_closing = true;
	pthread_cond_signal(&w->filled);
	pthread_mutex_unlock(&w->lock);
	thread_join(&w->thread);
	while (w->head) {
		struct job *job = w->head;
		w->head = (struct job *)job->note.next;
		job->drop(job);
	}
	pthread_cond_destroy(&w->filled);
	pthread_mutex_destroy(&w->busy);
	pthread_mutex_destroy(&w->lock);
	w->is_open = false;
}
