/* The log's writer: takes what waits, does it in order in one transaction,
 * commits, tells the owner. The only thread that writes this environment. */
#include <inttypes.h>
#include <stdlib.h>

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

static void do_append(struct commit *c, const struct log_request *r)
{
	for (size_t i = 0; i < r->n_entries; i++) {
		const struct log_entry *entry = &r->entries[i];
		CHECK(entry->index == c->last_index + 1);
		uint8_t key[LOG_KEY_BYTES];
		MDB_val k = key_val(key, entry->index);
		MDB_val v = {LOG_HEADER_BYTES + entry->len, NULL};
		/* APPEND: keys only grow, and pages are filled to the brim.
		 * RESERVE: the record is built in its page, without a copy. */
		int rc = mdb_cursor_put(c->cursor, &k, &v,
					MDB_APPEND | MDB_RESERVE);
		if (rc)
			env_stop_rc(EVENT, rc, "append");
		log_record_write(v.mv_data, entry);
		c->last_index = entry->index;
	}
	c->n_records += r->n_entries;
}

static void delete_at(struct commit *c, uint64_t index)
{
	uint8_t key[LOG_KEY_BYTES];
	MDB_val k = key_val(key, index), v;
	int rc = mdb_cursor_get(c->cursor, &k, &v, MDB_SET);
	if (!rc)
		rc = mdb_cursor_del(c->cursor, 0);
	if (rc == MDB_NOTFOUND)
		env_stop(EVENT,
			 "entry %" PRIu64 " is missing: the log is damaged; "
			 "move the data directory away and start again: the "
			 "node is rebuilt from its peers",
			 index);
	if (rc)
		env_stop_rc(EVENT, rc, "delete");
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
	for (uint64_t i = c->last_index; i >= index; i--)
		delete_at(c, i);
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

static void do_forget_step(struct commit *c, size_t n_max)
{
	size_t n = 0;
	while (n < n_max &&
	       forget_waits(c->forget_index, &c->meta, c->last_index)) {
		delete_at(c, c->meta.first_index);
		c->meta.first_index++;
		n++;
	}
	if (n)
		c->is_meta_changed = true;
}

/* -- one commit -------------------------------------------------------- */

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

void *log_writer_main(void *ctx)
{
	struct log_store *s = ctx;
	for (;;) {
		bool has_forgetting =
			forget_waits(s->forget_index, &s->meta, s->last_index);
		pthread_mutex_lock(&s->lock);
		while (!s->head && !s->is_closing && !has_forgetting) {
			s->is_writer_waiting = true;
			pthread_cond_wait(&s->wake, &s->lock);
		}
		s->is_writer_waiting = false;
		struct log_request *batch = take(s);
		bool is_over = !batch && s->is_closing;
		pthread_mutex_unlock(&s->lock);
		if (is_over)
			return NULL;
		write_batch(s, batch);
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

static int load_edge(MDB_cursor *cursor, MDB_cursor_op op, uint64_t *index,
		     struct err *e)
{
	MDB_val k, v;
	int rc = mdb_cursor_get(cursor, &k, &v, op);
	if (rc)
		return env_error(e, rc, "log");
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
	uint64_t first = 0, last = 0;
	if ((rc = load_edge(cursor, MDB_FIRST, &first, e)) ||
	    (rc = load_edge(cursor, MDB_LAST, &last, e)))
		return rc;
	/* Damage to the tree itself has no checksum to show it; a count that
	 * does not fit the ends does. */
	if (first != s->meta.first_index || last < first ||
	    last - first + 1 != stat.ms_entries)
		return err_set(e, ERR_CORRUPT,
			       "the log has %zu entries from %" PRIu64
			       " to %" PRIu64 ", expected from %" PRIu64,
			       stat.ms_entries, first, last,
			       s->meta.first_index);
	s->last_index = last;
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
