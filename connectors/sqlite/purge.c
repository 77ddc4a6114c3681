#include "connectors/sqlite/capture.h"

enum {
	STEP_RECORDS = 1000,
	STEPS = 4,        /* a call */
	BUSY_MS = 20,     /* it can wait, others should not */
	DUE_US = 1000000, /* or when there are so many: */
	DUE_RECORDS = 4000,
};

/* The last record that is confirmed stays: it tells our history from another.
 */
static int delete_step(struct capture_handle *h, int64_t upto, struct err *e)
{
	struct sql s = {0};
	long long id = (long long)h->mark.id;

	sqlite_sql_add(&s,
		       "UPDATE \"_synod_capture\" SET purged = %lld"
		       " WHERE id = %lld AND epoch = %llu",
		       (long long)upto, id, (unsigned long long)h->epoch);
	int rc = sqlite_db_exec(&h->db, s.text, e);
	if (rc == 0 && sqlite3_changes(h->db.conn) == 0)
		rc = err_set(e, ERR_FENCED, "a newer owner captures %s",
			     h->db.options.path);
	if (rc == 0) {
		sqlite_sql_clear(&s);
		sqlite_sql_add(
			&s,
			"DELETE FROM \"_synod_%lld_change\" WHERE seq <= %lld",
			id, (long long)upto);
		rc = sqlite_db_exec(&h->db, s.text, e);
	}
	sqlite_sql_free(&s);
	return rc;
}

static int step(struct capture_handle *h, int64_t upto, struct err *e)
{
	int rc = sqlite_db_begin(&h->db, e);

	if (rc == 0)
		rc = delete_step(h, upto, e);
	if (rc == 0)
		rc = sqlite_db_commit(&h->db, e);
	if (rc)
		sqlite_db_rollback(&h->db);
	return rc;
}

static int find_first(struct capture_handle *h, struct err *e)
{
	struct sql s = {0};
	int64_t first = 0;

	sqlite_sql_add(&s, "SELECT min(seq) FROM \"_synod_%lld_change\"",
		       (long long)h->mark.id);
	int rc = sqlite_db_number(&h->db, s.text, 0, &first, e);
	sqlite_sql_free(&s);
	if (rc == 0 && first > 0)
		h->purged = first - 1;
	return rc;
}

int sqlite_purge_some(struct capture_handle *h, struct err *e)
{
	int64_t now_us = sqlite_db_now_us();
	int rc = 0;

	if (h->purged < 0)
		rc = find_first(h, e);
	int64_t last = h->confirmed - 1;
	if (rc || last <= h->purged ||
	    (last - h->purged < DUE_RECORDS && now_us < h->purge_us))
		return rc;
	h->purge_us = now_us + DUE_US;
	for (int i = 0; rc == 0 && i < STEPS && h->purged < last; i++) {
		int64_t upto = h->purged + STEP_RECORDS;

		if (upto > last)
			upto = last;
		sqlite_db_call(&h->db, BUSY_MS);
		rc = step(h, upto, e);
		if (rc == 0)
			h->purged = upto;
	}
	return rc == ERR_BUSY ? 0 : rc;
}
