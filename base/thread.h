/* Threads: started with a name, joined once, and a way to say which thread a
 * function belongs to. Every struct names its owner; ON_THREAD at the top of a
 * function stops the process when another thread calls it. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>

#include "base/check.h"
#include "base/err.h"

struct thread {
	pthread_t id;
	bool is_running;
};

/* Start fn(ctx) under a name of at most 15 characters. All signals are blocked
 * in the new thread: they belong to the loop. */
int thread_start(struct thread *t, const char *name, void *(*fn)(void *),
		 void *ctx, struct err *e);
/* Wait for its end; nothing to do for one that never started. */
void thread_join(struct thread *t);

struct thread_owner {
	pthread_t id;
	bool is_bound;
};

void thread_own(struct thread_owner *o); /* the caller becomes the owner */
bool thread_is_owner(const struct thread_owner *o); /* true while unbound */

#define ON_THREAD(owner) CHECK(thread_is_owner(owner))

#endif
