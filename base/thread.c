#include "base/thread.h"

#include <signal.h>
#include <string.h>

enum { THREAD_NAME_MAX = 15 };

int thread_start(struct thread *t, const char *name, void *(*fn)(void *),
		 void *ctx, struct err *e)
{
	sigset_t all, before;

	CHECK(strlen(name) <= THREAD_NAME_MAX);
	/* The new thread inherits the mask: set here, there is no moment in
	 * which a signal could reach it. */
	sigfillset(&all);
	CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
	int rc = pthread_create(&t->id, NULL, fn, ctx);
	CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);

	t->is_running = rc == 0;
	if (rc)
		return err_set(e, ERR_SYSTEM, "start thread %s: %s", name,
			       strerror(rc));
	/* Only for people; it may fail when the thread has ended already. */
	(void)pthread_setname_np(t->id, name);
	return 0;
}

void thread_join(struct thread *t)
{
	if (!t->is_running)
		return;
	CHECK(pthread_join(t->id, NULL) == 0);
	t->is_running = false;
}

void thread_own(struct thread_owner *o)
{
	o->id = pthread_self();
	o->is_bound = true;
}

bool thread_is_owner(const struct thread_owner *o)
{
	return !o->is_bound || pthread_equal(o->id, pthread_self());
}
