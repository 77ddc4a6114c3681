/* The log's writer: takes what waits, does it in order in one transaction,
 * commits, tells the owner. The only thread that writes this environment. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/log.h"
#include "cluster/store/log_internal.h"

/* What one transaction changes; becomes the store's when it is durable. */
struct commit {
	MDB_txn *txn;
	MDB_cursor *cursor;
	struct log_meta meta;
	uint64_t last_index, forget_index;
	size_t n_records;
	bool is_meta_changed;
};

static const char EVENT[] = "log_write_failed";

static MDB_val key_val(uint8_t key[LOG_KEY_BYTES], uint64_t index)
{
	log_key_write(key, index);
	return (MDB_val){LOG_KEY_BYTES, key};
}

/* -- the four requests ------------------------------------------------- */

/* One run: entries [from, to) of a request as one value. APPEND: keys only
 * grow, and pages are filled to the brim. RESERVE: the records are built in
 * their pages, without a copy. */
static void put_run(struct commit *c, const struct log_entry *entries, size_t n,
		    size_t bytes)
{
	uint8_t key[LOG_KEY_BYTES];
	MDB_val k = key_val(key, entries[0].index);
	MDB_val v = {bytes, NULL};
	int rc = mdb_cursor_put(c->cursor, &k, &v, MDB_APPEND | MDB_RESERVE);
	if (rc)
		env_stop_rc(EVENT, rc, "append");
	uint8_t *at = v.mv_data;
	for (size_t i = 0; i < n; i++) {
		log_record_write(at, &entries[i]);
		at += LOG_HEADER_BYTES + entries[i].len;
	}
}

static void do_append(struct commit *c, const struct log_request *r)
{
	size_t i = 0;
	while (i < r->n_entries) {
		const struct log_entry *first = &r->entries[i];
		size_t n = 0, bytes = 0;
		while (i < r->n_entries && n < LOG_RUN_RECORDS) {
			const struct log_entry *entry = &r->entries[i];
			size_t size = LOG_HEADER_BYTES + entry->len;
			if (n && bytes + size > LOG_RUN_BYTES)
				break;
			CHECK(entry->index == c->last_index + 1);
			c->last_index++;
			bytes += size;
			n++;
			i++;
		}
		put_run(c, first, n, bytes);
	}
	c->n_records += r->n_entries;
}

__attribute__((noreturn)) static void stop_damaged(uint64_t index)
{
	env_stop(EVENT,
		 "the run of entry %" PRIu64 " is missing: the log is damaged; "
		 "move the data directory away and start again: the node is "
		 "rebuilt from its peers",
		 index);
}

/* The run at an edge: its first index, and its bytes. False: there is none. */
static bool run_at(struct commit *c, MDB_cursor_op op, uint64_t *first,
		   struct bytes *run)
{
	MDB_val k, v;
	int rc = mdb_cursor_get(c->cursor, &k, &v, op);
	if (rc == MDB_NOTFOUND)
		return false;
	if (rc)
		env_stop_rc(EVENT, rc, "read");
	if (log_key_read((struct bytes){k.mv_data, k.mv_size}, first, NULL))
		stop_damaged(c->last_index);
	*run = (struct bytes){v.mv_data, v.mv_size};
	return true;
}

static void delete_here(struct commit *c)
{
	int rc = mdb_cursor_del(c->cursor, 0);
	if (rc)
		env_stop_rc(EVENT, rc, "delete");
}

/* What a run holds before the entry at which it is cut. */
static void keep_front(struct commit *c, uint64_t first, struct bytes run,
		       uint64_t index)
{
	struct bytes rest = run;
	if (!log_run_skip(&rest, index - first))
		stop_damaged(index);
	size_t len = run.len - rest.len;
	/* LMDB may reuse the pages of a deleted value. */
	uint8_t *front = mem_alloc(len);
	memcpy(front, run.data, len);
	delete_here(c);
	uint8_t key[LOG_KEY_BYTES];
	MDB_val k = key_val(key, first), v = {len, front};
	int rc = mdb_cursor_put(c->cursor, &k, &v, MDB_APPEND);
	if (rc)
		env_stop_rc(EVENT, rc, "truncate");
	free(front);
}

static void do_truncate(struct commit *c, uint64_t index)
{
	if (index > c->last_index)
		return;
	CHECK(index > c->meta.base_index && index >= c->meta.first_index);
	/* What was forgotten was committed, and so was the record behind it. */
	CHECK(index > c->meta.first_index ||
	      c->meta.first_index == c->meta.base_index + 1);
	/* From the end: a crash cannot happen in between, but a reader of this
	 * code should not have to know that. */
	uint64_t first;
	struct bytes run;
	while (run_at(c, MDB_LAST, &first, &run) && first >= index)
		delete_here(c);
	if (index > c->meta.base_index + 1) {
		if (!run_at(c, MDB_LAST, &first, &run))
			stop_damaged(index - 1);
		uint64_t n = log_run_count(run);
		if (!n)
			stop_damaged(index - 1);
		if (n > index - first)
			keep_front(c, first, run, index);
	}
	c->last_index = index - 1;
}

int log_meta_put(MDB_txn *txn, MDB_dbi dbi, const struct log_meta *meta)
{
	uint8_t key[LOG_META_KEY_BYTES], value[LOG_META_BYTES];
	log_meta_key(key);
	log_meta_write(value, meta);
	MDB_val k = {sizeof(key), key}, v = {sizeof(value), value};
	return mdb_put(txn, dbi, &k, &v, 0);
}

static void do_reset(struct commit *c, MDB_dbi dbi, const struct log_request *r)
{
	mdb_cursor_close(c->cursor);
	int rc = mdb_drop(c->txn, dbi, 0);
	if (!rc)
		rc = mdb_cursor_open(c->txn, dbi, &c->cursor);
	if (rc)
		env_stop_rc(EVENT, rc, "reset");
	c->meta = (struct log_meta){.first_index = r->index + 1,
				    .base_index = r->index,
				    .base_term = r->term};
	c->last_index = r->index;
	c->forget_index = 0;
	c->is_meta_changed = true;
}

static bool forget_waits(uint64_t forget_index, const struct log_meta *meta,
			 uint64_t last_index)
{
	/* The newest record stays: its term is what elections compare. */
	return forget_index >= meta->first_index &&
	       meta->first_index < last_index;
}

/* A run goes when all of it is forgotten, which the next one tells. */
static bool forget_run(struct commit *c, uint64_t upto, uint64_t *n)
{
	uint64_t first, next;
	struct bytes run;
	if (!run_at(c, MDB_FIRST, &first, &run))
		stop_damaged(c->last_index);
	if (!run_at(c, MDB_NEXT, &next, &run) || next - 1 > upto)
		return false;
	if (!run_at(c, MDB_FIRST, &first, &run))
		stop_damaged(first);
	delete_here(c);
	c->meta.first_index = next;
	*n += next - first;
	return true;
}

static void do_forget_step(struct commit *c, size_t n_max)
{
	if (!forget_waits(c->forget_index, &c->meta, c->last_index))
		return;
	uint64_t upto = c->forget_index, n = 0;
	if (upto >= c->last_index)
		upto = c->last_index - 1;
	while (n < n_max && forget_run(c, upto, &n))
		;
	if (n < n_max && c->meta.first_index <= upto)
		c->meta.first_index = upto + 1; /* within the first run */
	c->is_meta_changed = true;
}

static void commit_begin(struct log_store *s, struct commit *c)
{
	*c = (struct commit){.meta = s->meta,
			     .last_index = s->last_index,
			     .forget_index = s->forget_index};
	int rc = mdb_txn_begin(s->env.mdb, NULL, 0, &c->txn);
	if (!rc)
		rc = mdb_cursor_open(c->txn, s->env.dbi[LOG_DBI_LOG],
				     &c->cursor);
	if (rc)
		env_stop_rc(EVENT, rc, "begin");
}

static void commit_request(struct log_store *s, struct commit *c,
			   const struct log_request *r)
{
	switch (r->kind) {
	case REQUEST_APPEND:
		do_append(c, r);
		return;
	case REQUEST_TRUNCATE:
		do_truncate(c, r->index);
		return;
	case REQUEST_RESET:
		do_reset(c, s->env.dbi[LOG_DBI_LOG], r);
		return;
	case REQUEST_FORGET:
		if (r->index > c->forget_index)
			c->forget_index = r->index;
		return;
	case REQUEST__N:
		break;
	}
	CHECK(r->kind < REQUEST__N);
}

static void publish(struct log_store *s, size_t txn_id)
{
	pthread_mutex_lock(&s->lock);
	s->bounds = (struct log_bounds){
		.first_index = s->meta.first_index,
		.last_index = s->last_index,
		.base_index = s->meta.base_index,
		.base_term = s->meta.base_term,
		.bytes_used = s->env.used_bytes,
		.bytes_max = s->env.quota_bytes,
	};
	s->bounds_txn = txn_id;
	s->is_full = env_is_full(&s->env);
	pthread_mutex_unlock(&s->lock);
}

static void commit_end(struct log_store *s, struct commit *c)
{
	int rc = 0;
	if (c->is_meta_changed) {
		rc = log_meta_put(c->txn, s->env.dbi[LOG_DBI_META], &c->meta);
		if (rc)
			env_stop_rc(EVENT, rc, "write meta");
	}
	mdb_cursor_close(c->cursor);
	env_measure(&s->env, c->txn);
	size_t txn_id = mdb_txn_id(c->txn);
	rc = mdb_txn_commit(c->txn);
	if (rc)
		env_stop_rc(EVENT, rc, "commit");
	s->meta = c->meta;
	s->last_index = c->last_index;
	s->forget_index = c->forget_index;
	publish(s, txn_id);
}

static void complete(struct log_store *s, struct log_request *batch)
{
	while (batch) {
		struct log_request *r = batch;
		batch = r->next;
		if (r->is_done) {
			pthread_mutex_lock(&s->lock);
			*r->is_done = true;
			pthread_cond_broadcast(&s->done);
			pthread_mutex_unlock(&s->lock);
			free(r);
		} else if (r->kind == REQUEST_FORGET ||
			   !mailbox_post_always(s->owner, &r->done.note)) {
			free(r);
		}
	}
}

/* Records to forget beside n new ones: more than come in, so that it ends, and
 * few enough not to be felt in the commit that carries them. */
static size_t forget_share(const struct commit *c)
{
	if (!c->n_records)
		return LOG_FORGET_RECORDS / 4;
	size_t n = 64 + 2 * c->n_records;
	return n < LOG_FORGET_RECORDS ? n : LOG_FORGET_RECORDS;
}

static void write_batch(struct log_store *s, struct log_request *batch)
{
	struct commit c;
	int64_t start_us = clock_mono_us(&s->clock);
	commit_begin(s, &c);
	for (struct log_request *r = batch; r; r = r->next)
		commit_request(s, &c, r);
	do_forget_step(&c, forget_share(&c));
	commit_end(s, &c);
	int64_t took_us = clock_mono_us(&s->clock) - start_us;
	complete(s, batch);
	if (s->commit_us && took_us >= 0)
		histogram_add(s->commit_us, (uint64_t)took_us);
	bool was_short = s->env.is_short;
	env_reserve(&s->env, start_us);
	if (was_short != s->env.is_short)
		publish(s, s->bounds_txn);
}

/* -- the thread -------------------------------------------------------- */

/* Detach what fits into one commit, at least one request. Under lock. */
static struct log_request *take(struct log_store *s)
{
	struct log_request *batch = s->head, **end = &batch;
	size_t bytes = 0, n_records = 0;
	while (*end) {
		struct log_request *r = *end;
		bytes += r->payload_bytes;
		n_records += r->n_entries;
		if (r != batch && (bytes > LOG_COMMIT_BYTES ||
				   n_records > LOG_COMMIT_RECORDS))
			break;
		end = &r->next;
	}
	s->head = *end;
	*end = NULL;
	if (!s->head)
		s->tail = &s->head;
	return batch;
}

/* Under lock. False: it is time to look for room on the disk. While it is short
 * proposals are refused, so perhaps nothing is appended any more. */
static bool wait_for_request(struct log_store *s)
{
	if (!s->env.is_short) {
		pthread_cond_wait(&s->wake, &s->lock);
		return true;
	}
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ENV_RETRY_US / 1000000;
	return pthread_cond_timedwait(&s->wake, &s->lock, &until) == 0;
}

static void look_for_room(struct log_store *s)
{
	env_reserve(&s->env, clock_mono_us(&s->clock));
	if (!s->env.is_short)
		publish(s, s->bounds_txn);
}

void *log_writer_main(void *ctx)
{
	struct log_store *s = ctx;
	for (;;) {
		bool has_forgetting =
			forget_waits(s->forget_index, &s->meta, s->last_index);
		bool is_due = true;
		pthread_mutex_lock(&s->lock);
		while (!s->head && !s->is_closing && !has_forgetting &&
		       is_due) {
			s->is_writer_waiting = true;
			is_due = wait_for_request(s);
		}
		s->is_writer_waiting = false;
		struct log_request *batch = take(s);
		bool is_over = !batch && s->is_closing;
		pthread_mutex_unlock(&s->lock);
		if (is_over)
			return NULL;
		if (batch || has_forgetting)
			write_batch(s, batch);
		else
			look_for_room(s);
	}
}

int log_env_reset(struct env *env, uint64_t index, uint64_t term, struct err *e)
{
	struct log_meta meta = {.first_index = index + 1,
				.base_index = index,
				.base_term = term};
	MDB_txn *txn;
	int rc = mdb_txn_begin(env->mdb, NULL, 0, &txn);
	if (rc)
		return env_error(e, rc, "reset log");
	rc = mdb_drop(txn, env->dbi[LOG_DBI_LOG], 0);
	if (!rc)
		rc = log_meta_put(txn, env->dbi[LOG_DBI_META], &meta);
	if (rc)
		mdb_txn_abort(txn);
	else
		rc = mdb_txn_commit(txn);
	return rc ? env_error(e, rc, "reset log") : 0;
}

/* -- at open ----------------------------------------------------------- */

/* A run at an edge: index of its first entry, and how many it has. */
static int load_edge(MDB_cursor *cursor, MDB_cursor_op op, uint64_t *index,
		     uint64_t *n, struct err *e)
{
	MDB_val k, v;
	int rc = mdb_cursor_get(cursor, &k, &v, op);
	if (rc)
		return env_error(e, rc, "log");
	*n = log_run_count((struct bytes){v.mv_data, v.mv_size});
	if (!*n)
		return err_set(e, ERR_CORRUPT, "a run of the log is damaged");
	return log_key_read((struct bytes){k.mv_data, k.mv_size}, index, e);
}

static int load_bounds(struct log_store *s, MDB_txn *txn, MDB_cursor *cursor,
		       struct err *e)
{
	uint8_t key[LOG_META_KEY_BYTES];
	log_meta_key(key);
	MDB_val k = {sizeof(key), key}, v;
	int rc = mdb_get(txn, s->env.dbi[LOG_DBI_META], &k, &v);
	if (rc == MDB_NOTFOUND)
		return err_set(e, ERR_CORRUPT, "the log's own record is gone");
	if (rc)
		return env_error(e, rc, "log");
	rc = log_meta_read((struct bytes){v.mv_data, v.mv_size}, &s->meta, e);
	if (rc)
		return rc;
	MDB_stat stat;
	CHECK(mdb_stat(txn, s->env.dbi[LOG_DBI_LOG], &stat) == 0);
	s->last_index = s->meta.first_index - 1;
	if (!stat.ms_entries)
		return 0;
	uint64_t first = 0, last = 0, n_first = 0, n_last = 0;
	if ((rc = load_edge(cursor, MDB_FIRST, &first, &n_first, e)) ||
	    (rc = load_edge(cursor, MDB_LAST, &last, &n_last, e)))
		return rc;
	/* The first entry that is not forgotten stands in the first run. */
	uint64_t skipped = s->meta.first_index - first;
	if (first > s->meta.first_index || skipped >= n_first || last < first)
		return err_set(e, ERR_CORRUPT,
			       "the log's first run has %" PRIu64
			       " entries from %" PRIu64
			       ", expected to hold entry %" PRIu64,
			       n_first, first, s->meta.first_index);
	s->last_index = last + n_last - 1;
	return 0;
}

int log_writer_load(struct log_store *s, struct err *e)
{
	MDB_txn *txn;
	MDB_cursor *cursor;
	int rc = mdb_txn_begin(s->env.mdb, NULL, MDB_RDONLY, &txn);
	if (rc)
		return env_error(e, rc, "log");
	rc = mdb_cursor_open(txn, s->env.dbi[LOG_DBI_LOG], &cursor);
	CHECK(rc == 0);
	rc = load_bounds(s, txn, cursor, e);
	size_t txn_id = mdb_txn_id(txn);
	mdb_cursor_close(cursor);
	mdb_txn_abort(txn);
	if (!rc)
		publish(s, txn_id);
	return rc;
}
