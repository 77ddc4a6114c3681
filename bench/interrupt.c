#include "bench/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include "base/thread.h"
#include "bench/process.h"
#include "bench/scratch.h"

static void watched_set(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
}

static void *interrupt_run(void *ctx)
{
	sigset_t set;
	int sig;

	watched_set(&set);
	if (sigwait(&set, &sig) != 0)
		return NULL;
	process_kill_all();
	scratch_remove_all();
	_exit(128 + sig);
}

int interrupt_watch(struct err *e)
{
	static struct thread thread;
	sigset_t set;

	watched_set(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return thread_start(&thread, "interrupt", interrupt_run, NULL, e);
}
