#include "cluster/store/log.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "cluster/store/log_internal.h"

static int create(MDB_txn *txn, const MDB_dbi *dbi, struct err *e)
{
	int rc = log_meta_put(txn, dbi[LOG_DBI_META],
			      &(struct log_meta){.first_index = 1});
	return rc ? env_error(e, rc, "first record") : 0;
}

struct env_config log_env_config(const char *path, size_t quota_bytes)
{
	return (struct env_config){
		.path = path,
		.quota_bytes = quota_bytes,
		.dbi = {[LOG_DBI_LOG] = "log", [LOG_DBI_META] = "meta"},
		.create = create,
	};
}

static void init_sync(struct log_store *s)
{
	CHECK(pthread_mutex_init(&s->lock, NULL) == 0);
	pthread_condattr_t attr;
	CHECK(pthread_condattr_init(&attr) == 0);
	CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
	CHECK(pthread_cond_init(&s->wake, &attr) == 0);
	pthread_condattr_destroy(&attr);
	CHECK(pthread_cond_init(&s->done, NULL) == 0);
}

int log_open(struct log_store **out, const struct log_config *cfg,
	     struct err *e)
{
	struct log_store *s = mem_zero(1, sizeof(*s));
	s->owner = cfg->owner;
	s->clock = cfg->clock;
	s->commit_us = cfg->commit_us;
	s->tail = &s->head;
	init_sync(s);
	struct env_config env = log_env_config(cfg->path, cfg->bytes_max);
	int rc = env_open(&s->env, &env, e);
	if (!rc)
		rc = log_writer_load(s, e);
	if (rc)
		goto fail;
	s->queued_last = s->last_index;
	rc = thread_start(&s->writer, "log", log_writer_main, s, e);
	if (rc)
		goto fail;
	*out = s;
	return 0;
fail:
	log_close(s);
	return rc;
}

void log_close(struct log_store *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->is_closing = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	thread_join(&s->writer);
	CHECK(!s->head);
	env_close(&s->env);
	pthread_cond_destroy(&s->done);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* -- the queue --------------------------------------------------------- */

static struct log_request *request_new(enum request_kind kind, size_t n,
				       uint64_t ticket)
{
	struct log_request *r =
		mem_alloc(sizeof(*r) + n * sizeof(r->entries[0]));
	*r = (struct log_request){
		.done = {.note = {.size_bytes = sizeof(struct log_done),
				  .kind = NOTE_LOG_DONE},
			 .ticket = ticket},
		.kind = kind,
		.n_entries = n,
	};
	return r;
}

static void owner_check(struct log_store *s)
{
	if (!s->owner_thread.is_bound)
		thread_own(&s->owner_thread);
	ON_THREAD(&s->owner_thread);
}

static void enqueue(struct log_store *s, struct log_request *r)
{
	pthread_mutex_lock(&s->lock);
	CHECK(!s->is_closing);
	*s->tail = r;
	s->tail = &r->next;
	/* While the writer is in a commit it looks again by itself. */
	bool is_wanted = s->is_writer_waiting;
	pthread_mutex_unlock(&s->lock);
	/* Unlocked: the writer would wake up only to wait for the lock. */
	if (is_wanted)
		pthread_cond_signal(&s->wake);
}

void log_append(struct log_store *s, const struct log_entry *entries, size_t n,
		uint64_t ticket)
{
	owner_check(s);
	CHECK(n > 0);
	struct log_request *r = request_new(REQUEST_APPEND, n, ticket);
	memcpy(r->entries, entries, n * sizeof(entries[0]));
	int64_t now_us = clock_wall_us(&s->clock);
	for (size_t i = 0; i < n; i++) {
		/* A gap here would be lost forever. */
		CHECK(entries[i].index == s->queued_last + 1);
		CHECK(entries[i].len <= LOG_PAYLOAD_BYTES_MAX);
		s->queued_last++;
		r->payload_bytes += entries[i].len;
		if (!r->entries[i].time_us)
			r->entries[i].time_us = now_us;
	}
	enqueue(s, r);
}

void log_truncate(struct log_store *s, uint64_t index, uint64_t ticket)
{
	owner_check(s);
	CHECK(index > 0 && index <= s->queued_last + 1);
	struct log_request *r = request_new(REQUEST_TRUNCATE, 0, ticket);
	r->index = index;
	s->queued_last = index - 1;
	enqueue(s, r);
}

static struct log_request *reset_request(struct log_store *s, uint64_t index,
					 uint64_t term, uint64_t ticket)
{
	owner_check(s);
	struct log_request *r = request_new(REQUEST_RESET, 0, ticket);
	r->index = index;
	r->term = term;
	s->queued_last = index;
	return r;
}

void log_reset(struct log_store *s, uint64_t index, uint64_t term,
	       uint64_t ticket)
{
	enqueue(s, reset_request(s, index, term, ticket));
}

void log_reset_wait(struct log_store *s, uint64_t index, uint64_t term)
{
	bool is_done = false;
	struct log_request *r = reset_request(s, index, term, 0);
	r->is_done = &is_done;
	enqueue(s, r);
	pthread_mutex_lock(&s->lock);
	/* Its deadline is the writer's: it commits or it stops the process. */
	while (!is_done)
		pthread_cond_wait(&s->done, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

void log_forget(struct log_store *s, uint64_t index)
{
	owner_check(s);
	struct log_request *r = request_new(REQUEST_FORGET, 0, 0);
	r->index = index;
	enqueue(s, r);
}

/* -- any thread -------------------------------------------------------- */

void log_bounds(struct log_store *s, struct log_bounds *out)
{
	pthread_mutex_lock(&s->lock);
	*out = s->bounds;
	pthread_mutex_unlock(&s->lock);
}

bool log_is_full(struct log_store *s)
{
	pthread_mutex_lock(&s->lock);
	bool is_full = s->is_full;
	pthread_mutex_unlock(&s->lock);
	return is_full;
}
