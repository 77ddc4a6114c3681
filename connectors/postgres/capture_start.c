#include "connectors/postgres/capture.h"

#include <inttypes.h>
#include <string.h>

#include "connectors/postgres/checkpoint.h"
#include "connectors/postgres/publication.h"
#include "connectors/postgres/slot.h"
#include "connectors/postgres/sql.h"

/* -- tables ----------------------------------------------------------------
 */
/* A table whose changes do not tell its key must not be published: its own
 * writers would fail from then on. */
static int check_identity(const struct schema_table *t, struct err *e)
{
	if (t->identity != 'n' && t->identity_has_key)
		return 0;
	return err_set(e, ERR_SCHEMA,
		       "table %s: its replica identity does not tell its key; "
		       "give it a primary key, or run: ALTER TABLE %s REPLICA "
		       "IDENTITY FULL",
		       t->path, t->path);
}

static int cannot_read(const struct capture_handle *h,
		       const struct schema_table *t, struct err *e)
{
	struct sql user;

	pg_sql_init(&user);
	pg_sql_name(&user, h->options.user);
	int error = err_set(e, ERR_PERMISSION, "run: GRANT SELECT ON %s TO %s",
			    t->path, user.text);
	pg_sql_free(&user);
	return error;
}

static int read_schemas(struct capture_handle *h, struct err *e)
{
	size_t n = h->setup.n_tables;

	arena_clear(&h->schema_arena);
	h->schemas =
		arena_alloc(&h->schema_arena, (n + 1) * sizeof *h->schemas);
	for (size_t i = 0; i < n; i++) {
		const struct connector_table *t = &h->setup.tables[i];
		int error = pg_schema_read(&h->side, t->side->table,
					   &h->schema_arena, &h->schemas[i], e);
		if (error == ERR_NOTFOUND)
			return err_set(e, ERR_SCHEMA, "table %s is gone",
				       t->side->table);
		if (!error)
			error = pg_schema_match(&h->schemas[i], t, e);
		if (!error)
			error = check_identity(&h->schemas[i], e);
		if (!error && !h->schemas[i].can_select && t->wants_load)
			error = cannot_read(h, &h->schemas[i], e);
		if (error)
			return error;
	}
	h->plan = (struct relation_plan){.tables = h->setup.tables,
					 .schemas = h->schemas,
					 .n = n,
					 .own_schema = h->options.schema};
	return 0;
}

static int ensure_publication(struct capture_handle *h, struct err *e)
{
	size_t n = h->setup.n_tables;
	bool *was = arena_alloc(&h->schema_arena, (n + 1) * sizeof *was);

	for (size_t i = 0; i < n; i++)
		was[i] = pg_position_find(&h->at,
					  h->setup.tables[i].table->id) != NULL;
	const struct publication_plan plan = {.options = &h->options,
					      .tables = h->schemas,
					      .n = n,
					      .was_captured = was};
	return pg_publication_ensure(&h->side, &plan, e);
}

/* The position names exactly the tables of the setup: one that went away and
 * comes back is loaded anew. True: it is another position now. */
static bool align_tables(struct capture_handle *h)
{
	bool is_changed = false;

	for (size_t i = h->at.n; i-- > 0;) {
		bool is_kept = false;
		for (size_t j = 0; j < h->setup.n_tables; j++)
			is_kept |= h->setup.tables[j].table->id ==
				   h->at.tables[i].id;
		if (!is_kept)
			pg_position_drop(&h->at, i);
		is_changed |= !is_kept;
	}
	for (size_t j = 0; j < h->setup.n_tables; j++) {
		const struct connector_table *t = &h->setup.tables[j];
		if (pg_position_find(&h->at, t->table->id))
			continue;
		is_changed = true;
		pg_position_put(&h->at, t->table->id,
				t->wants_load ? POSITION_LOADING
					      : POSITION_FOLLOWED);
	}
	return is_changed;
}

/* -- where to begin --------------------------------------------------------
 */
static int begin_first(struct capture_handle *h,
		       const struct stream_identity *now, struct err *e)
{
	h->at.system_id = now->system_id;
	h->at.timeline = now->timeline;
	/* A slot of ours without a position is left over from a life that
	 * nobody remembers. */
	int error = pg_slot_drop(&h->side, &h->options, e);
	if (!error)
		error = pg_slot_create(&h->side, &h->options, &h->at.lsn, e);
	return error;
}

static int check_identity_of(const struct capture_handle *h,
			     const struct stream_identity *now, struct err *e)
{
	if (h->at.system_id != now->system_id)
		return err_set(e, ERR_GAP,
			       "%s is another PostgreSQL cluster than the one "
			       "captured so far (system %" PRIu64
			       ", it was %" PRIu64 ")",
			       h->options.host, now->system_id,
			       h->at.system_id);
	if (h->at.timeline != now->timeline)
		return err_set(e, ERR_GAP,
			       "%s was promoted or restored: it is on timeline "
			       "%" PRIu32 ", we stand on %" PRIu32,
			       h->options.host, now->timeline, h->at.timeline);
	return 0;
}

/* The server would go on behind what it has forgotten without a word. */
static int check_slot(struct capture_handle *h, struct err *e)
{
	const char *name = h->options.slot;
	struct slot_state slot;

	int error = pg_slot_look(&h->side, &h->options, &slot, e);
	if (error)
		return error;
	if (!slot.is_there)
		return err_set(e, ERR_GAP,
			       "slot %s is gone: changes since then are lost",
			       name);
	if (slot.is_foreign)
		return err_set(
			e, ERR_GAP,
			"slot %s is not ours: another plugin or database",
			name);
	if (slot.is_lost)
		return err_set(e, ERR_GAP,
			       "slot %s is lost: the server kept less WAL than "
			       "we were behind (max_slot_wal_keep_size)",
			       name);
	if (slot.confirmed_lsn > h->at.lsn)
		return err_set(e, ERR_GAP,
			       "slot %s was moved or made anew: it begins at "
			       "%" PRIX64 ", we stand at %" PRIX64,
			       name, slot.confirmed_lsn, h->at.lsn);
	return 0;
}

static int find_place(struct capture_handle *h, struct bytes position,
		      const struct stream_identity *now, struct err *e)
{
	if (position.len == 0)
		return begin_first(h, now, e);
	int error = check_identity_of(h, now, e);
	return error ? error : check_slot(h, e);
}

static int open_stream(struct capture_handle *h, struct stream_identity *now,
		       struct err *e)
{
	char name[SLOT_NAME_BYTES];

	pg_slot_reader_name(name, &h->options, h->setup.epoch);
	const struct session_plan plan = {.options = &h->options,
					  .bell = &h->bell,
					  .kind = SESSION_REPLICATION,
					  .name = name,
					  .is_local = true};
	return pg_stream_open(&h->stream, &plan, now, e);
}

static void forget_run(struct capture_handle *h)
{
	pg_stream_close(&h->stream);
	pg_relation_free_all(&h->relations);
	pg_position_free(&h->at);
	h->txn = (struct capture_txn){0};
	h->is_streaming = false;
	h->passed_lsn = 0;
}

/* Names of the publication and rights come before the slot: a slot that
 * exists holds WAL. */
static int prepare(struct capture_handle *h, struct bytes position,
		   struct stream_identity *now, struct err *e)
{
	int error = pg_capture_side(h, e);
	if (!error && position.len)
		error = pg_position_read(&h->at, position, e);
	if (!error)
		error = pg_slot_free(&h->side, &h->options, h->setup.epoch, e);
	if (!error)
		error = read_schemas(h, e);
	if (!error)
		error = pg_checkpoint_ensure(&h->side, &h->options, e);
	if (!error)
		error = open_stream(h, now, e);
	return error;
}

int pg_capture_start(struct capture_handle *h, struct bytes position,
		     struct err *e)
{
	struct stream_identity now;

	forget_run(h);
	int error = prepare(h, position, &now, e);
	/* A slot begins behind its publication, or the stream would end with
	 * an error where the publication does not exist yet. */
	if (!error && position.len)
		error = find_place(h, position, &now, e);
	if (!error)
		error = ensure_publication(h, e);
	if (!error && !position.len)
		error = find_place(h, position, &now, e);
	if (!error)
		error = pg_load_start(&h->load, &h->side, e);
	if (!error)
		error = pg_stream_start(&h->stream, &h->options, h->at.lsn, e);
	if (error) {
		/* Broken or not: the next try begins with new connections. */
		pg_stream_close(&h->stream);
		pg_session_close(&h->side);
		return error;
	}
	h->is_streaming = true;
	/* 0: the first poll gives a position, with or without changes. */
	h->given_lsn = align_tables(h) ? 0 : h->at.lsn;
	h->given_ms = h->heard_ms = pg_capture_now_ms();
	return 0;
}
