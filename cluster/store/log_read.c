/* Reading the log: a read transaction and a cursor that moves along. */
#include <inttypes.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "cluster/store/log_internal.h"

static int read_first(struct log_store *s, MDB_txn *txn, uint64_t *first_index,
		      struct err *e)
{
	uint8_t key[LOG_META_KEY_BYTES];
	struct log_meta meta;
	log_meta_key(key);
	MDB_val k = {sizeof(key), key}, v;
	int rc = mdb_get(txn, s->env.dbi[LOG_DBI_META], &k, &v);
	if (rc)
		return env_error(e, rc, "read log");
	rc = log_meta_read((struct bytes){v.mv_data, v.mv_size}, &meta, e);
	if (!rc)
		*first_index = meta.first_index;
	return rc;
}

int log_read_begin(struct log_store *s, struct log_reader *r, struct err *e)
{
	uint64_t first_index;

	MDB_txn *txn;
	MDB_cursor *cursor;
	int rc = mdb_txn_begin(s->env.mdb, NULL, MDB_RDONLY, &txn);
	if (rc == MDB_READERS_FULL)
		return err_set(e, ERR_BUSY, "too many readers of the log");
	if (rc)
		return env_error(e, rc, "read log");
	rc = read_first(s, txn, &first_index, e);
	if (rc) {
		mdb_txn_abort(txn);
		return rc;
	}
	rc = mdb_cursor_open(txn, s->env.dbi[LOG_DBI_LOG], &cursor);
	if (rc) {
		mdb_txn_abort(txn);
		return env_error(e, rc, "read log");
	}
	*r = (struct log_reader){.store = s,
				 .txn = txn,
				 .cursor = cursor,
				 .first_index = first_index,
				 .since_us = clock_mono_us(&s->clock)};
	return 0;
}

/* Not there. Is that right, or does the tree hide it? */
static int missing(struct log_reader *r, uint64_t index, struct err *e)
{
	MDB_val k, v;
	uint64_t first;
	if (mdb_cursor_get(r->cursor, &k, &v, MDB_LAST) == 0 &&
	    !log_key_read((struct bytes){k.mv_data, k.mv_size}, &first, NULL)) {
		uint64_t n =
			log_run_count((struct bytes){v.mv_data, v.mv_size});
		/* A last run that does not add up ends nowhere. */
		if (!n || index < first + n)
			return err_set(e, ERR_CORRUPT,
				       "log entry %" PRIu64 " is missing",
				       index);
	}
	return err_set(e, ERR_NOTFOUND, "the log has no entry %" PRIu64, index);
}

/* Put the run that should hold the index into r->rest: the last one that begins
 * at or before it. */
static int find_run(struct log_reader *r, uint64_t index, uint64_t *first,
		    struct err *e)
{
	uint8_t key[LOG_KEY_BYTES];
	log_key_write(key, index);
	MDB_val k = {sizeof(key), key}, v;
	int rc = mdb_cursor_get(r->cursor, &k, &v, MDB_SET_RANGE);
	if (rc == MDB_NOTFOUND)
		rc = mdb_cursor_get(r->cursor, &k, &v, MDB_LAST);
	else if (!rc && (k.mv_size != sizeof(key) ||
			 memcmp(k.mv_data, key, sizeof(key)) != 0))
		rc = mdb_cursor_get(r->cursor, &k, &v, MDB_PREV);
	if (rc == MDB_NOTFOUND)
		return missing(r, index, e);
	if (rc)
		return env_error(e, rc, "read log");
	rc = log_key_read((struct bytes){k.mv_data, k.mv_size}, first, e);
	if (rc)
		return rc;
	if (*first > index)
		return err_set(e, ERR_CORRUPT, "the log is out of order");
	r->rest = (struct bytes){v.mv_data, v.mv_size};
	return 0;
}

/* The run behind the last one read, if it goes on with index. */
static bool next_run(struct log_reader *r, uint64_t index)
{
	MDB_val k, v;
	uint64_t first;
	if (mdb_cursor_get(r->cursor, &k, &v, MDB_NEXT) ||
	    log_key_read((struct bytes){k.mv_data, k.mv_size}, &first, NULL) ||
	    first != index)
		return false;
	r->rest = (struct bytes){v.mv_data, v.mv_size};
	return true;
}

static int seek(struct log_reader *r, uint64_t index, struct err *e)
{
	bool is_next = r->next_index && index == r->next_index;
	if (is_next && (r->rest.len || next_run(r, index)))
		return 0;
	uint64_t first;
	int rc = find_run(r, index, &first, e);
	if (rc)
		return rc;
	/* Too short: the entry is missing, or a length on the way is rotten. */
	if (!log_run_skip(&r->rest, index - first) || !r->rest.len)
		return missing(r, index, e);
	return 0;
}

int log_read(struct log_reader *r, uint64_t index, struct log_entry *out,
	     struct err *e)
{
	/* Forgotten entries may still stand at the front of the first run. */
	if (index < r->first_index)
		return err_set(e, ERR_NOTFOUND, "the log has no entry %" PRIu64,
			       index);
	int rc = seek(r, index, e);
	r->next_index = 0;
	if (rc)
		return rc;
	size_t size = log_record_size(r->rest);
	if (!size)
		return err_set(e, ERR_CORRUPT,
			       "log entry %" PRIu64 " has a wrong length",
			       index);
	rc = log_record_read((struct bytes){r->rest.data, size}, index, out, e);
	if (rc)
		return rc;
	log_run_skip(&r->rest, 1);
	r->next_index = index + 1;
	return 0;
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
