#include "cluster/store/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/log.h"
#include "cluster/store/state_internal.h"

static const char EVENT[] = "state_write_failed";

/* Of one step between two calls of the hook, besides STATE_STEP_RECORDS. */
#define STEP_BYTES (STATE_COMMIT_BYTES / 16)
/* A commit that is due waits for entries that are there, but not longer. */
enum { LATE_US = 3 * STATE_GATHER_US };

static int create(MDB_txn *txn, const MDB_dbi *dbi, struct err *e)
{
	int rc = state_point_write(txn, dbi[STATE_DBI_META],
				   &(struct state_point){0});
	return rc ? env_error(e, rc, "first record") : 0;
}

struct env_config state_env_config(const char *path, size_t quota_bytes)
{
	return (struct env_config){
		.path = path,
		.quota_bytes = quota_bytes,
		.dbi = {[STATE_DBI_KV] = "kv", [STATE_DBI_META] = "meta"},
		.create = create,
	};
}

/* The clock of waits; the injected one may be virtual. */
static int64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* -- one transaction --------------------------------------------------- */

static void batch_begin(struct state_store *s)
{
	struct state_batch *b = &s->batch;
	/* Only this thread replaces the point; it may read it unlocked. */
	*b = (struct state_batch){.point = s->point,
				  .due_us = now_us() + STATE_GATHER_US};
	if (b->point.conf)
		blob_ref(b->point.conf);
	int rc = mdb_txn_begin(s->env.mdb, NULL, 0, &b->txn);
	if (rc)
		env_stop_rc(EVENT, rc, "begin");
	state_kv_init(&b->kv, b->txn, s->env.dbi[STATE_DBI_KV], s->path);
	b->kv.is_writable = true;
}

/* The last applied entry, durable or not. */
static uint64_t applied_index(const struct state_store *s)
{
	return s->batch.txn ? s->batch.point.index : s->point.index;
}

static void apply_entry(struct state_store *s, const struct kv *kv,
			const struct log_entry *entry)
{
	struct state_batch *b = &s->batch;
	CHECK(entry->index == b->point.index + 1);
	s->cfg.machine.apply(s->cfg.machine.ctx, kv, entry);
	b->point.index = entry->index;
	b->point.term = entry->term;
	if (entry->type == LOG_CHANGE) {
		blob_unref(b->point.conf);
		b->point.conf = blob_copy(entry->data, entry->len);
		b->point.conf_index = entry->index;
	}
	b->n_records++;
	b->bytes += entry->len;
}

static bool batch_is_full(const struct state_batch *b)
{
	return b->n_records >= STATE_COMMIT_RECORDS ||
	       b->bytes >= STATE_COMMIT_BYTES;
}

/* A part of what is there: whoever waits for a decision need not wait for all
 * that was committed behind it. */
static void apply_step(struct state_store *s, uint64_t target)
{
	struct state_batch *b = &s->batch;
	struct kv kv = state_kv_of(&b->kv);
	size_t n = b->n_records, bytes = b->bytes;
	struct log_reader reader;
	struct err e = {0};
	int rc = log_read_begin(s->cfg.log, &reader, &e);
	while (!rc && b->point.index < target && !batch_is_full(b) &&
	       b->n_records - n < STATE_STEP_RECORDS &&
	       b->bytes - bytes < STEP_BYTES) {
		struct log_entry entry;
		rc = log_read(&reader, b->point.index + 1, &entry, &e);
		if (!rc)
			apply_entry(s, &kv, &entry);
	}
	/* It is committed: not to have it whole is damage, whatever the code.
	 */
	if (rc)
		env_stop("state_apply_failed",
			 "%s; move the data directory away and start again: "
			 "the node is rebuilt from its peers",
			 e.text);
	log_read_end(&reader);
	if (s->cfg.machine.applied)
		s->cfg.machine.applied(s->cfg.machine.ctx, b->point.index);
}

static void publish(struct state_store *s, const struct state_point *point)
{
	pthread_mutex_lock(&s->lock);
	struct blob *old = s->point.conf;
	s->point = *point;
	if (s->target < point->index)
		s->target = point->index;
	s->is_full = env_is_full(&s->env);
	s->is_short = s->env.is_short;
	pthread_mutex_unlock(&s->lock);
	blob_unref(old);
}

static void tell(struct state_store *s, uint64_t index)
{
	if (s->cfg.machine.committed)
		s->cfg.machine.committed(s->cfg.machine.ctx, index);
	struct state_applied *a = mem_alloc(sizeof(*a));
	*a = (struct state_applied){
		.note = {.size_bytes = sizeof(*a), .kind = NOTE_STATE_APPLIED},
		.index = index};
	if (!mailbox_post_always(s->cfg.owner, &a->note))
		free(a);
}

static void batch_commit(struct state_store *s)
{
	struct state_batch *b = &s->batch;
	struct kv kv = state_kv_of(&b->kv);
	if (s->cfg.machine.flush)
		s->cfg.machine.flush(s->cfg.machine.ctx, &kv);
	state_kv_clear(&b->kv);
	int rc = state_point_write(b->txn, s->env.dbi[STATE_DBI_META],
				   &b->point);
	if (rc)
		env_stop_rc(EVENT, rc, "write point");
	env_measure(&s->env, b->txn);
	rc = mdb_txn_commit(b->txn);
	if (rc)
		env_stop_rc(EVENT, rc, "commit");
	env_reserve(&s->env, now_us());
	struct state_point point = b->point;
	*b = (struct state_batch){0};
	/* From here on the owner may find the thread idle: what follows touches
	 * neither the environment nor the batch. */
	publish(s, &point);
	tell(s, point.index);
}

/* -- the thread -------------------------------------------------------- */

static void wait_until(struct state_store *s, int64_t deadline_us)
{
	struct timespec t = {.tv_sec = deadline_us / 1000000,
			     .tv_nsec = deadline_us % 1000000 * 1000};
	pthread_cond_timedwait(&s->wake, &s->lock, &t);
}

/* While the disk is short proposals are refused, so perhaps nothing is
 * committed any more: whether there is room again shows only if somebody looks.
 * Under lock, because an install replaces the environment of a thread that
 * waits. */
static void wait_for_room(struct state_store *s)
{
	wait_until(s, now_us() + ENV_RETRY_US);
	if (!s->is_short)
		return;
	env_reserve(&s->env, now_us());
	s->is_short = s->env.is_short;
	s->is_full = env_is_full(&s->env);
}

/* Enough has gathered, or for long enough. What is there already is applied
 * first, one commit for all, as long as that takes no longer than a few. */
static bool is_due(const struct state_store *s)
{
	const struct state_batch *b = &s->batch;
	if (!b->txn)
		return false;
	int64_t late_us = now_us() - b->due_us;
	if (batch_is_full(b) || late_us >= LATE_US)
		return true;
	return s->target == b->point.index &&
	       (b->n_records >= STATE_COMMIT_RECORDS / 4 ||
		b->bytes >= STATE_COMMIT_BYTES / 4 || late_us >= 0);
}

enum work { WORK_END, WORK_APPLY, WORK_COMMIT };

static enum work wait_for_work(struct state_store *s, uint64_t *target)
{
	enum work work = WORK_APPLY;
	pthread_mutex_lock(&s->lock);
	while (!s->is_closing && s->target <= applied_index(s) && !is_due(s)) {
		s->wake_at = applied_index(s) + 1;
		if (s->batch.txn)
			wait_until(s, s->batch.due_us);
		else if (s->is_short)
			wait_for_room(s);
		else
			pthread_cond_wait(&s->wake, &s->lock);
	}
	/* Awake: nobody needs to call. */
	s->wake_at = UINT64_MAX;
	if (s->is_closing)
		work = WORK_END;
	else if (is_due(s))
		work = WORK_COMMIT;
	*target = s->target;
	pthread_mutex_unlock(&s->lock);
	return work;
}

static void *state_main(void *ctx)
{
	struct state_store *s = ctx;
	enum work work;
	for (uint64_t target; (work = wait_for_work(s, &target));) {
		if (work == WORK_COMMIT) {
			batch_commit(s);
			continue;
		}
		if (!s->batch.txn)
			batch_begin(s);
		apply_step(s, target);
	}
	if (s->batch.txn)
		batch_commit(s);
	return NULL;
}

/* -- open and close ---------------------------------------------------- */

static void init_sync(struct state_store *s)
{
	pthread_condattr_t attr;
	CHECK(pthread_mutex_init(&s->lock, NULL) == 0);
	CHECK(pthread_condattr_init(&attr) == 0);
	CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
	CHECK(pthread_cond_init(&s->wake, &attr) == 0);
	pthread_condattr_destroy(&attr);
	/* An install must not wait for ever because someone always reads. */
	pthread_rwlockattr_t prefer;
	CHECK(pthread_rwlockattr_init(&prefer) == 0);
	CHECK(pthread_rwlockattr_setkind_np(
		      &prefer, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP) ==
	      0);
	CHECK(pthread_rwlock_init(&s->readers, &prefer) == 0);
	pthread_rwlockattr_destroy(&prefer);
}

int state_load(struct state_store *s, struct err *e)
{
	MDB_txn *txn;
	struct state_point point = {0};
	int rc = mdb_txn_begin(s->env.mdb, NULL, MDB_RDONLY, &txn);
	if (rc)
		return env_error(e, rc, s->path);
	rc = state_point_read(txn, s->env.dbi[STATE_DBI_META], &point, e);
	mdb_txn_abort(txn);
	if (!rc)
		publish(s, &point);
	return rc;
}

int state_open(struct state_store **out, const struct state_config *cfg,
	       struct err *e)
{
	struct state_store *s = mem_zero(1, sizeof(*s));
	s->cfg = *cfg;
	init_sync(s);
	int rc = 0;
	if (strlen(cfg->path) >= sizeof(s->path)) {
		rc = err_set(e, ERR_LIMIT, "path too long: %s", cfg->path);
		goto fail;
	}
	snprintf(s->path, sizeof(s->path), "%s", cfg->path);
	s->cfg.path = s->path;
	struct env_config env = state_env_config(s->path, cfg->bytes_max);
	if ((rc = env_open(&s->env, &env, e)) || (rc = state_load(s, e)) ||
	    (rc = thread_start(&s->thread, "state", state_main, s, e)))
		goto fail;
	*out = s;
	return 0;
fail:
	state_close(s);
	return rc;
}

void state_close(struct state_store *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->is_closing = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	thread_join(&s->thread);
	env_close(&s->env);
	blob_unref(s->point.conf);
	pthread_rwlock_destroy(&s->readers);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* -- callers ----------------------------------------------------------- */

void state_commit(struct state_store *s, uint64_t index)
{
	if (!s->owner_thread.is_bound)
		thread_own(&s->owner_thread);
	ON_THREAD(&s->owner_thread);
	pthread_mutex_lock(&s->lock);
	if (index > s->target)
		s->target = index;
	/* Signal once per wait, not once per call. */
	bool is_wanted = s->target >= s->wake_at;
	if (is_wanted)
		s->wake_at = UINT64_MAX;
	pthread_mutex_unlock(&s->lock);
	if (is_wanted)
		pthread_cond_signal(&s->wake);
}

void state_read(struct state_store *s, void (*fn)(const struct kv *, void *),
		void *ctx)
{
	MDB_txn *txn;
	pthread_rwlock_rdlock(&s->readers);
	int rc = mdb_txn_begin(s->env.mdb, NULL, MDB_RDONLY, &txn);
	if (rc)
		env_stop_rc("state_read_failed", rc, s->path);
	struct state_kv k;
	state_kv_init(&k, txn, s->env.dbi[STATE_DBI_KV], s->path);
	struct kv kv = state_kv_of(&k);
	fn(&kv, ctx);
	state_kv_clear(&k);
	mdb_txn_abort(txn);
	pthread_rwlock_unlock(&s->readers);
}

void state_point(struct state_store *s, struct state_point *out)
{
	pthread_mutex_lock(&s->lock);
	*out = s->point;
	if (out->conf)
		blob_ref(out->conf);
	pthread_mutex_unlock(&s->lock);
}

bool state_is_full(struct state_store *s)
{
	pthread_mutex_lock(&s->lock);
	bool is_full = s->is_full;
	pthread_mutex_unlock(&s->lock);
	return is_full;
}
