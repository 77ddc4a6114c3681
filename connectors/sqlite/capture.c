#include "connectors/sqlite/capture.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* -- opening ---------------------------------------------------------------
 */
static size_t widest(const struct capture_setup *setup)
{
	size_t n = 1;

	for (size_t i = 0; i < setup->n_tables; i++) {
		if (setup->tables[i].table->n_fields > n)
			n = setup->tables[i].table->n_fields;
	}
	return n;
}

/* The file under this name, to see when another takes its place. */
static int identify(const char *path, uint64_t *device, uint64_t *inode,
		    struct err *e)
{
	struct stat st;

	if (stat(path, &st))
		return err_set(e, ERR_NETWORK, "%s: it is gone", path);
	*device = st.st_dev;
	*inode = st.st_ino;
	return 0;
}

/* Under the write lock, so that no older owner can be at it. */
static int set_up(struct capture_handle *h, struct err *e)
{
	struct connector_table *list = mem_zero(h->n_tables + 1, sizeof(*list));
	int rc = sqlite_marks_create(&h->db, e);

	for (size_t i = 0; i < h->n_tables; i++)
		list[i] = h->tables[i].ct;
	if (rc == 0)
		rc = sqlite_marks_take(&h->db, &h->target, h->epoch, &h->mark,
				       e);
	h->triggers.id = h->mark.id;
	if (rc == 0)
		rc = sqlite_triggers_prepare(&h->triggers, h->n_fields_max, e);
	if (rc == 0)
		rc = sqlite_triggers_keep(&h->triggers, list, h->n_tables, e);
	for (size_t i = 0; rc == 0 && i < h->n_tables; i++)
		rc = sqlite_captured_open(h, &h->tables[i], e);
	free(list);
	return rc;
}

static int prepare_all(struct capture_handle *h, struct err *e)
{
	struct sql s = {0};
	long long id = (long long)h->mark.id;

	sqlite_sql_add(
		&s,
		"SELECT (SELECT max(seq) FROM \"_synod_%lld_change\"),"
		" (SELECT epoch FROM \"_synod_capture\" WHERE id = %lld)",
		id, id);
	int rc = sqlite_db_prepare(&h->db, s.text, &h->head, e);
	if (rc == 0)
		rc = sqlite_db_prepare(&h->db, "PRAGMA schema_version",
				       &h->version, e);
	sqlite_sql_clear(&s);
	sqlite_sql_add(&s, "SELECT seq, op, tab, at, total");
	for (size_t i = 0; i < h->n_fields_max; i++)
		sqlite_sql_add(&s, ", c%zu", i);
	sqlite_sql_add(
		&s,
		" FROM \"_synod_%lld_change\" WHERE seq >= ?1 AND seq <= ?2"
		" ORDER BY seq",
		id);
	if (rc == 0)
		rc = sqlite_db_prepare(&h->db, s.text, &h->changes, e);
	sqlite_sql_free(&s);
	return rc;
}

static void take_setup(struct capture_handle *h,
		       const struct capture_setup *setup)
{
	arena_init(&h->arena, 4096);
	arena_init(&h->row, 4096);
	h->target = setup->target;
	h->epoch = setup->epoch;
	h->triggers = (struct triggers){.db = &h->db, .target = &h->target};
	h->n_fields_max = widest(setup);
	h->values = mem_zero(h->n_fields_max, sizeof(*h->values));
	h->tables = mem_zero(setup->n_tables + 1, sizeof(*h->tables));
	h->n_tables = setup->n_tables;
	for (size_t i = 0; i < setup->n_tables; i++)
		h->tables[i].ct = setup->tables[i];
	h->schema_version = -1;
	h->purged = -1;
	h->wake.fd = -1;
}

int sqlite_capture_open(const struct capture_setup *setup,
			struct capture_handle **out, struct err *e)
{
	struct capture_handle *h = mem_zero(1, sizeof(*h));

	take_setup(h, setup);
	int rc = sqlite_db_open(&h->db, &setup->target, DB_WRITE, e);
	if (rc)
		goto fail;
	/* What is lost with a power cut was set up behind what is kept. */
	rc = sqlite_db_exec(&h->db, "PRAGMA synchronous=NORMAL", e);
	if (rc == 0)
		rc = identify(h->db.options.path, &h->device, &h->inode, e);
	if (rc == 0)
		rc = sqlite_db_begin(&h->db, e);
	if (rc == 0)
		rc = set_up(h, e);
	if (rc == 0)
		rc = sqlite_db_commit(&h->db, e);
	if (rc)
		goto fail;
	rc = prepare_all(h, e);
	if (rc)
		goto fail;
	sqlite_wake_open(&h->wake, h->db.options.path);
	*out = h;
	return 0;
fail:
	sqlite_db_rollback(&h->db);
	sqlite_capture_close(h);
	return rc;
}

void sqlite_capture_close(struct capture_handle *h)
{
	if (!h)
		return;
	sqlite3_finalize(h->head);
	sqlite3_finalize(h->version);
	sqlite3_finalize(h->changes);
	sqlite_db_close(&h->db);
	sqlite_wake_close(&h->wake);
	sqlite_position_free(&h->at);
	sqlite_position_free(&h->next);
	arena_free(&h->arena);
	arena_free(&h->row);
	free(h->tables);
	free(h->values);
	free(h);
}

/* -- starting --------------------------------------------------------------
 */
/* The time of a record; ERR_NOTFOUND. */
static int time_of(struct capture_handle *h, int64_t seq, int64_t *at,
		   struct err *e)
{
	struct sql s = {0};

	sqlite_sql_add(&s,
		       "SELECT at FROM \"_synod_%lld_change\" WHERE seq = %lld",
		       (long long)h->mark.id, (long long)seq);
	int rc = sqlite_db_number(&h->db, s.text, INT64_MIN, at, e);
	sqlite_sql_free(&s);
	if (rc == 0 && *at == INT64_MIN)
		rc = err_set(e, ERR_NOTFOUND, "no record %lld", (long long)seq);
	return rc;
}

static int begin_now(struct capture_handle *h, struct err *e)
{
	struct sql s = {0};
	int64_t seq = 0, at = 0;

	sqlite_sql_add(&s, "SELECT max(seq) FROM \"_synod_%lld_change\"",
		       (long long)h->mark.id);
	int rc = sqlite_db_number(&h->db, s.text, 0, &seq, e);
	sqlite_sql_free(&s);
	if (rc == 0)
		rc = time_of(h, seq, &at, e);
	if (rc)
		return rc;
	h->at = (struct position){.incarnation = (uint64_t)h->mark.incarnation,
				  .seq = seq,
				  .until = seq,
				  .at = at};
	return 0;
}

/* Is the record at the position the one that we have read? */
static int check_history(struct capture_handle *h, struct err *e)
{
	int64_t at = 0;

	if (h->at.incarnation != (uint64_t)h->mark.incarnation)
		return err_set(e, ERR_GAP,
			       "%s: it was set up anew, or is another file",
			       h->db.options.path);
	int rc = time_of(h, h->at.seq, &at, e);
	if (rc == ERR_NOTFOUND || (rc == 0 && at != h->at.at))
		return err_set(e, ERR_GAP,
			       "%s: change %lld is not the one that was read: "
			       "an older copy was put back, or it was purged",
			       h->db.options.path, (long long)h->at.seq);
	return rc;
}

/* What became of each table since: those that are new, or whose triggers are
 * new, begin anew. */
static int merge_tables(struct capture_handle *h, struct err *e)
{
	struct position merged = h->at;

	merged.tables = NULL;
	merged.n = merged.cap = 0;
	for (size_t i = 0; i < h->n_tables; i++) {
		struct captured *t = &h->tables[i];
		uint32_t id = t->ct.table->id;
		struct position_table *old = sqlite_position_find(&h->at, id);
		struct position_table *new = sqlite_position_add(&merged, id);
		int rc = sqlite_triggers_generation(&h->triggers, id,
						    &new->generation, e);

		if (rc) {
			sqlite_position_free(&merged);
			return rc;
		}
		new->is_loaded = !t->ct.wants_load;
		if (old && old->generation == new->generation) {
			*new = *old;
			old->key = (struct value_buf){0};
		}
		if (!new->is_loaded)
			sqlite_load_estimate(h, t);
	}
	sqlite_position_free(&h->at);
	h->at = merged;
	return 0;
}

int sqlite_capture_start(struct capture_handle *h, struct bytes position,
			 struct err *e)
{
	int rc = 0;

	sqlite_db_call(&h->db, 0);
	sqlite_position_free(&h->at);
	h->is_started = false;
	if (position.len == 0) {
		h->must_tell = true;
		rc = begin_now(h, e);
	} else {
		h->must_tell = false;
		rc = sqlite_position_read(&h->at, position, e);
		if (rc == 0)
			rc = check_history(h, e);
	}
	if (rc == 0)
		rc = merge_tables(h, e);
	h->is_started = rc == 0;
	return rc;
}

/* -- polling ---------------------------------------------------------------
 */
/* Where the file stands, within a read transaction. */
static int read_head(struct capture_handle *h, struct err *e)
{
	int rc = sqlite_db_step(&h->db, h->head, e);

	if (rc < 0)
		return rc;
	h->last_seq = sqlite3_column_int64(h->head, 0);
	bool is_there = sqlite3_column_type(h->head, 1) != SQLITE_NULL;
	uint64_t epoch = (uint64_t)sqlite3_column_int64(h->head, 1);
	(void)sqlite3_reset(h->head);
	if (!is_there)
		return err_set(e, ERR_GAP, "%s: our set-up was removed",
			       h->db.options.path);
	if (epoch != h->epoch)
		return err_set(e, ERR_FENCED, "a newer owner captures %s",
			       h->db.options.path);
	rc = sqlite_db_step(&h->db, h->version, e);
	if (rc < 0)
		return rc;
	int64_t version = sqlite3_column_int64(h->version, 0);
	(void)sqlite3_reset(h->version);
	if (version != h->schema_version) {
		rc = sqlite_capture_verify(h, e);
		if (rc)
			return rc;
		h->schema_version = version;
	}
	return 0;
}

static bool is_loading(struct capture_handle *h)
{
	for (size_t i = 0; i < h->n_tables; i++) {
		if (sqlite_load_is_due(&h->tables[i], &h->at))
			return true;
	}
	return false;
}

/* 1: something, with h->next behind it; 0: nothing new. */
static int read_new(struct capture_handle *h, size_t bytes_max,
		    struct change_writer *w, struct err *e)
{
	int rc = read_head(h, e);

	if (rc)
		return rc;
	if (h->last_seq < h->at.seq)
		return err_set(e, ERR_GAP, "%s: an older copy was put back",
			       h->db.options.path);
	bool is_new = h->last_seq > h->at.seq;
	if (!is_new && !is_loading(h))
		return 0;
	sqlite_position_copy(&h->next, &h->at);
	rc = is_new ? sqlite_changes_read(h, bytes_max, w, e) : 0;
	if (rc == 0 && is_loading(h) && change_writer_bytes(w) < bytes_max / 2)
		rc = sqlite_load_read(h, bytes_max, w, e);
	return rc < 0 ? rc : 1;
}

/* Whoever replaces the file moves another one to its name. */
static int check_file(struct capture_handle *h, struct err *e)
{
	uint64_t device = 0, inode = 0;

	if (!h->wake.is_moved)
		return 0;
	h->wake.is_moved = false;
	int rc = identify(h->db.options.path, &device, &inode, e);
	if (rc == 0 && (device != h->device || inode != h->inode))
		rc = err_set(e, ERR_NETWORK, "%s: another file took its place",
			     h->db.options.path);
	return rc;
}

static int look(struct capture_handle *h, size_t bytes_max,
		struct change_writer *w, struct err *e)
{
	int rc = check_file(h, e);

	if (rc == 0)
		rc = sqlite_db_exec(&h->db, "BEGIN", e);
	if (rc)
		return rc;
	rc = read_new(h, bytes_max, w, e);
	/* Nothing was written: this cannot fail in a way that matters. */
	sqlite_db_rollback(&h->db);
	if (h->is_renewed) {
		h->is_renewed = false;
		return 0;
	}
	if (rc == 1) {
		int sync = sqlite_db_sync(&h->db, e);

		if (sync)
			return sync;
	}
	return rc;
}

static void tell(struct capture_handle *h, struct value_buf *position)
{
	sqlite_position_write(&h->at, position);
	h->must_tell = false;
}

int sqlite_capture_poll(struct capture_handle *h, size_t bytes_max, int wait_ms,
			struct change_writer *w, struct value_buf *position,
			struct err *e)
{
	int64_t end_us = sqlite_db_now_us() + (int64_t)wait_ms * 1000;

	if (!h->is_started)
		return err_set(e, ERR_INVALID, "not started");
	sqlite_db_call(&h->db, 0);
	for (;;) {
		int rc = look(h, bytes_max, w, e);

		if (rc < 0)
			return rc;
		if (rc == 1) {
			struct position old = h->at;

			h->at = h->next;
			h->next = (struct position){0};
			sqlite_position_free(&old);
			sqlite_wake_hot(&h->wake);
			tell(h, position);
			return 0;
		}
		if (h->must_tell) {
			tell(h, position);
			return 0;
		}
		if (sqlite_db_take_interrupt(&h->db))
			return err_set(e, ERR_CLOSED, "interrupted");
		int64_t left_us = end_us - sqlite_db_now_us();
		if (left_us <= 0)
			return 0;
		sqlite_wake_wait(&h->wake, h->db.wake_fd, left_us);
	}
}

/* -- the rest --------------------------------------------------------------
 */
int sqlite_capture_confirm(struct capture_handle *h, struct bytes position,
			   struct err *e)
{
	struct position p = {0};
	int rc = sqlite_position_read(&p, position, e);

	if (rc == 0 && p.incarnation == (uint64_t)h->mark.incarnation &&
	    p.seq > h->confirmed)
		h->confirmed = p.seq;
	sqlite_position_free(&p);
	return rc ? rc : sqlite_purge_some(h, e);
}

void sqlite_capture_figures(struct capture_handle *h,
			    struct capture_figures *out)
{
	enum { RECORD_BYTES = 100 }; /* about */
	struct capture_figures f = {.is_connected = true,
				    .position_us = h->at.at * 1000};

	if (h->last_seq > h->purged && h->purged >= 0)
		f.retained_bytes =
			(uint64_t)(h->last_seq - h->purged) * RECORD_BYTES;
	for (size_t i = 0; i < h->at.n; i++) {
		const struct position_table *p = &h->at.tables[i];
		const struct captured *t = sqlite_capture_table(h, p->table_id);

		f.n_loaded += p->n_loaded;
		if (p->is_loaded)
			f.n_to_load += p->n_loaded;
		else if (t)
			f.n_to_load += (uint64_t)t->n_estimated;
		f.n_tables_loading += !p->is_loaded;
	}
	*out = f;
}

void sqlite_capture_interrupt(struct capture_handle *h)
{
	sqlite_db_interrupt(&h->db);
}
