#include "bench/watch.h"

#include <string.h>
#include <time.h>

enum { WATCH_STEP_NS = 20000000 };

static void watch_sample(struct watch *w)
{
	for (unsigned i = 0; i < w->n; i++) {
		struct process_use now;
		struct watch_use *use = &w->use[i];
		if (process_use(w->pids[i], &now, NULL))
			continue;
		if (now.own_bytes > use->own_bytes)
			use->own_bytes = now.own_bytes;
		use->peak_rss_bytes = now.peak_rss_bytes;
	}
}

static void *watch_run(void *ctx)
{
	struct watch *w = ctx;

	pthread_mutex_lock(&w->lock);
	while (!w->should_stop) {
		struct timespec until;
		watch_sample(w);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += WATCH_STEP_NS;
		if (until.tv_nsec >= 1000000000) {
			until.tv_sec++;
			until.tv_nsec -= 1000000000;
		}
		pthread_cond_timedwait(&w->changed, &w->lock, &until);
	}
	watch_sample(w);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

int watch_start(struct watch *w, const pid_t *pids, unsigned n, struct err *e)
{
	CHECK(n <= LIMIT_NODES);
	*w = (struct watch){.n = n};
	memcpy(w->pids, pids, n * sizeof *pids);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	return thread_start(&w->thread, "watch", watch_run, w, e);
}

void watch_mark(void *ctx, int is_end)
{
	struct watch *w = ctx;

	pthread_mutex_lock(&w->lock);
	for (unsigned i = 0; i < w->n; i++) {
		struct process_use now;
		if (process_use(w->pids[i], &now, NULL))
			continue;
		if (!is_end)
			w->begin_us[i] = now.cpu_us;
		else if (now.cpu_us >= w->begin_us[i])
			w->use[i].cpu_s =
				(double)(now.cpu_us - w->begin_us[i]) / 1e6;
	}
	pthread_mutex_unlock(&w->lock);
}

void watch_stop(struct watch *w)
{
	pthread_mutex_lock(&w->lock);
	w->should_stop = true;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
	thread_join(&w->thread);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
}
