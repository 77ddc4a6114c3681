/* Reading the log: a read transaction and a cursor that moves along. */
#include <inttypes.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "cluster/store/log_internal.h"

int log_read_begin(struct log_store *s, struct log_reader *r, struct err *e)
{
	MDB_txn *txn;
	MDB_cursor *cursor;
	int rc = mdb_txn_begin(s->env.mdb, NULL, MDB_RDONLY, &txn);
	if (rc == MDB_READERS_FULL)
		return err_set(e, ERR_BUSY, "too many readers of the log");
	if (rc)
		return env_error(e, rc, "read log");
	rc = mdb_cursor_open(txn, s->env.dbi[LOG_DBI_LOG], &cursor);
	if (rc) {
		mdb_txn_abort(txn);
		return env_error(e, rc, "read log");
	}
	*r = (struct log_reader){.store = s,
				 .txn = txn,
				 .cursor = cursor,
				 .since_us = clock_mono_us(&s->clock)};
	return 0;
}

/* Not there. Is that right, or does the tree hide it? */
static int missing(struct log_reader *r, uint64_t index, struct err *e)
{
	struct log_store *s = r->store;
	pthread_mutex_lock(&s->lock);
	/* The bounds tell the truth about their own commit only. */
	bool is_known = s->bounds_txn == mdb_txn_id(r->txn);
	bool is_inside =
		index >= s->bounds.first_index && index <= s->bounds.last_index;
	pthread_mutex_unlock(&s->lock);
	if (!is_known) {
		MDB_val first, last, v;
		uint64_t first_index, last_index;
		is_inside =
			mdb_cursor_get(r->cursor, &first, &v, MDB_FIRST) == 0 &&
			mdb_cursor_get(r->cursor, &last, &v, MDB_LAST) == 0 &&
			!log_key_read(
				(struct bytes){first.mv_data, first.mv_size},
				&first_index, NULL) &&
			!log_key_read(
				(struct bytes){last.mv_data, last.mv_size},
				&last_index, NULL) &&
			index > first_index && index < last_index;
	}
	if (is_inside)
		return err_set(e, ERR_CORRUPT,
			       "log entry %" PRIu64 " is missing", index);
	return err_set(e, ERR_NOTFOUND, "the log has no entry %" PRIu64, index);
}

int log_read(struct log_reader *r, uint64_t index, struct log_entry *out,
	     struct err *e)
{
	uint8_t key[LOG_KEY_BYTES];
	log_key_write(key, index);
	MDB_val k = {sizeof(key), key}, v;
	bool is_next = r->next_index && index == r->next_index;
	r->next_index = 0;
	int rc =
		mdb_cursor_get(r->cursor, &k, &v, is_next ? MDB_NEXT : MDB_SET);
	/* A cursor that moved by itself says where it got to. */
	if (!rc && is_next &&
	    (k.mv_size != sizeof(key) || memcmp(k.mv_data, key, k.mv_size)))
		rc = MDB_NOTFOUND;
	if (rc == MDB_NOTFOUND)
		return missing(r, index, e);
	if (rc)
		return env_error(e, rc, "read log");
	rc = log_record_read((struct bytes){v.mv_data, v.mv_size}, index, out,
			     e);
	if (!rc)
		r->next_index = index + 1;
	return rc;
}

void log_read_end(struct log_reader *r)
{
	if (!r->txn)
		return;
	mdb_cursor_close(r->cursor);
	mdb_txn_abort(r->txn);
	int64_t age_ms = (clock_mono_us(&r->store->clock) - r->since_us) / 1000;
	if (age_ms > LOG_READER_MS)
		log_event(LOG_WARN, "log_reader_slow", "ms=%" PRId64, age_ms);
	*r = (struct log_reader){0};
}
