#include "cluster/wire/wire_reaper.h"

#include <stdlib.h>

#include "base/check.h"

static void lock(struct wire_reaper *r)
{
	CHECK(pthread_mutex_lock(&r->lock) == 0);
}

static void unlock(struct wire_reaper *r)
{
	CHECK(pthread_mutex_unlock(&r->lock) == 0);
}

static void *reap(void *arg)
{
	struct wire_reaper *r = arg;

	lock(r);
	while (r->head || !r->is_closing) {
		struct wire_dead *dead = r->head;

		if (!dead) {
			CHECK(pthread_cond_wait(&r->changed, &r->lock) == 0);
			continue;
		}
		r->head = dead->next;
		unlock(r);
		wire_stream_free(dead->stream);
		free(dead);
		lock(r);
	}
	unlock(r);
	return NULL;
}

int wire_reaper_start(struct wire_reaper *r, struct err *e)
{
	*r = (struct wire_reaper){0};
	CHECK(pthread_mutex_init(&r->lock, NULL) == 0);
	CHECK(pthread_cond_init(&r->changed, NULL) == 0);
	r->has_lock = true;
	return thread_start(&r->thread, "wire-reaper", reap, r, e);
}

void wire_reaper_give(struct wire_reaper *r, struct wire_stream *s)
{
	if (!s)
		return;
	struct wire_dead *dead = mem_alloc(sizeof *dead);
	lock(r);
	*dead = (struct wire_dead){r->head, s};
	r->head = dead;
	CHECK(pthread_cond_signal(&r->changed) == 0);
	unlock(r);
}

void wire_reaper_stop(struct wire_reaper *r)
{
	if (!r->has_lock)
		return;
	lock(r);
	r->is_closing = true;
	CHECK(pthread_cond_signal(&r->changed) == 0);
	unlock(r);
	thread_join(&r->thread);
	CHECK(!r->head);
	CHECK(pthread_cond_destroy(&r->changed) == 0);
	CHECK(pthread_mutex_destroy(&r->lock) == 0);
	r->has_lock = false;
}
