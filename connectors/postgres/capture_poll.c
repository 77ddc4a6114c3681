#include "connectors/postgres/capture.h"

#include <stdlib.h>

#include "connectors/postgres/slot.h"

enum {
	/* A position without changes is given after so long, if the server has
	 * written anything at all since the last one. */
	CAPTURE_IDLE_MS = 5000,
	/* While a chunk waits for the stream: how often we look; after so long
	 * the server is asked how far it is, and made to write. */
	CAPTURE_LOAD_LOOK_MS = 5,
	CAPTURE_NUDGE_MS = 300,
	/* A chunk that could not be judged is read again. */
	CAPTURE_LOAD_RETRY_MS = 50,
	/* What the source keeps for us. */
	CAPTURE_LOOK_MS = 5000,
	/* Longest wait without a look at what is due. */
	CAPTURE_TURN_MS = 100,
};
/* Or when so much WAL would be kept for nothing. */
#define CAPTURE_IDLE_BYTES ((uint64_t)4 << 20)

/* 1: no more for now; 0: there is no room for more. */
static int drain(struct capture_handle *h, const struct load_room *room,
		 struct err *e)
{
	struct pgoutput_frame frame;

	for (;;) {
		if (!h->txn.is_open &&
		    change_writer_bytes(room->w) >= room->bytes_max)
			return 0;
		int n = pg_stream_next(&h->stream, &frame, e);
		if (n <= 0)
			return n < 0 ? n : 1;
		h->heard_ms = pg_capture_now_ms();
		n = pg_capture_take(h, &frame, room, e);
		if (n < 0)
			return n;
		if (n == 0) {
			pg_stream_hold(&h->stream);
			return 0;
		}
	}
}

/* -- load ------------------------------------------------------------------
 */
static size_t place_of(const struct capture_handle *h, uint32_t id)
{
	size_t i = 0;

	while (i < h->setup.n_tables && h->setup.tables[i].table->id != id)
		i++;
	return i;
}

static void count_rows(struct capture_handle *h,
		       const struct schema_table *schema)
{
	struct session_call call = {
		"select greatest(reltuples, 0)::bigint from pg_class c join "
		"pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 "
		"and c.relname = $2",
		2,
		{schema->schema, schema->name}};
	PGresult *r;

	if (pg_session_call(&h->side, &call, &r, NULL))
		return;
	if (PQntuples(r) > 0)
		h->load.n_to_load =
			h->load.n_loaded +
			(uint64_t)strtoull(PQgetvalue(r, 0, 0), NULL, 10);
	PQclear(r);
}

/* The next table that is not loaded yet; NULL: none. */
static struct position_table *next_table(struct capture_handle *h)
{
	if (h->load.table)
		return pg_position_find(&h->at, h->load.table->table->id);
	for (size_t i = 0; i < h->at.n; i++) {
		struct position_table *t = &h->at.tables[i];
		if (t->state != POSITION_LOADING)
			continue;
		size_t place = place_of(h, t->id);
		if (h->setup.tables[place].is_load_put_off)
			continue;
		pg_load_choose(&h->load, &h->setup.tables[place],
			       &h->schemas[place]);
		count_rows(h, &h->schemas[place]);
		return t;
	}
	return NULL;
}

static void push_stream(struct capture_handle *h)
{
	int64_t ms = pg_capture_now_ms();

	if (ms - h->asked_ms < CAPTURE_LOAD_LOOK_MS)
		return;
	pg_stream_ask(&h->stream);
	h->asked_ms = ms;
	if (ms - h->load.read_at_ms > CAPTURE_NUDGE_MS) {
		pg_load_nudge(&h->load, &h->side);
		h->load.read_at_ms = ms;
	}
}

/* One step of the load, between transactions. */
static int load_step(struct capture_handle *h, const struct load_room *room,
		     struct err *e)
{
	struct position_table *at = next_table(h);

	if (!at)
		return 0;
	int error = pg_capture_side(h, e);
	if (error)
		return error;
	if (!h->load.rows) {
		if (pg_capture_now_ms() - h->load.read_at_ms <
			    CAPTURE_LOAD_RETRY_MS &&
		    h->load.read_at_ms)
			return 0;
		int n = pg_load_read(&h->load, &h->side, at, e);
		if (n <= 0)
			return n;
		h->asked_ms = 0;
	}
	if (h->passed_lsn < h->load.ready_lsn) {
		push_stream(h);
		return 0;
	}
	error = pg_load_give(&h->load, room, at, e);
	/* The next chunk need not wait for the retry. */
	if (!error && !h->load.rows)
		h->load.read_at_ms = 0;
	if (!error)
		h->given_lsn = 0; /* progress, though no row may have passed */
	return error;
}

/* -- the loop --------------------------------------------------------------
 */
static void look_around(struct capture_handle *h)
{
	struct slot_state slot;
	int64_t ms = pg_capture_now_ms();

	if (ms - h->looked_ms < CAPTURE_LOOK_MS)
		return;
	h->looked_ms = ms;
	if (pg_capture_side(h, NULL) == 0 &&
	    pg_slot_look(&h->side, &h->options, &slot, NULL) == 0)
		h->figures.retained_bytes = slot.retained_bytes;
	else
		pg_session_close(&h->side); /* anew with the next look */
}

static bool is_idle_due(const struct capture_handle *h)
{
	if (h->at.lsn <= h->given_lsn || h->at.n_cut)
		return false;
	return h->at.lsn - h->given_lsn >= CAPTURE_IDLE_BYTES ||
	       pg_capture_now_ms() - h->given_ms >= CAPTURE_IDLE_MS;
}

static void give_position(struct capture_handle *h, struct value_buf *position)
{
	pg_position_write(&h->at, position);
	h->given_lsn = h->at.lsn;
	h->given_ms = pg_capture_now_ms();
}

/* A transaction that stands in the writer has to end (or to fill it). */
static bool must_go_on(const struct capture_handle *h,
		       const struct change_writer *w)
{
	return h->txn.is_open && w->is_open && w->n_txn_changes > 0;
}

static int wait_for_more(struct capture_handle *h, int64_t left_ms,
			 const struct change_writer *w, struct err *e)
{
	int64_t wait_ms = left_ms;

	if (must_go_on(h, w)) {
		int64_t silent_ms = pg_capture_now_ms() - h->heard_ms;
		if (silent_ms > CONNECTOR_CALL_MS)
			return err_set(e, ERR_TIMEOUT,
				       "the stream stands still in the middle "
				       "of a transaction");
		wait_ms = CAPTURE_TURN_MS;
	}
	if (h->load.table && wait_ms > CAPTURE_LOAD_LOOK_MS)
		wait_ms = CAPTURE_LOAD_LOOK_MS;
	if (wait_ms > CAPTURE_TURN_MS)
		wait_ms = CAPTURE_TURN_MS;
	return pg_stream_wait(&h->stream, wait_ms > 0 ? wait_ms : 0, e);
}

/* 1: there is something to give; 0: time is up. */
static int run(struct capture_handle *h, const struct load_room *room,
	       int64_t end_ms, struct err *e)
{
	struct change_writer *w = room->w;

	for (;;) {
		int n = drain(h, room, e);
		if (n < 0)
			return n;
		if (n == 0)
			return 1;
		if (!h->txn.is_open &&
		    change_writer_bytes(w) < room->bytes_max) {
			n = load_step(h, room, e);
			if (n < 0)
				return n;
		}
		n = pg_stream_tell(&h->stream, e);
		if (n < 0)
			return n;
		if (!must_go_on(h, w)) {
			if (w->is_open) /* begun, and nothing in it */
				change_abort(w);
			if (w->buf.len > 0 || is_idle_due(h))
				return 1;
			if (pg_capture_now_ms() >= end_ms)
				return 0;
		}
		n = wait_for_more(h, end_ms - pg_capture_now_ms(), w, e);
		if (n < 0)
			return n;
	}
}

int pg_capture_poll(struct capture_handle *h, size_t bytes_max, int wait_ms,
		    struct change_writer *w, struct value_buf *position,
		    struct err *e)
{
	const struct load_room room = {.w = w, .bytes_max = bytes_max};

	if (!h->is_streaming)
		return err_set(e, ERR_NETWORK, "the stream is broken");
	look_around(h);
	int n = run(h, &room, pg_capture_now_ms() + wait_ms, e);
	/* It may have been left in the middle of an answer. */
	if (n < 0)
		pg_session_close(&h->side);
	/* Nothing is lost if it was only interrupted between transactions; what
	 * is in the writer already goes with the error, and must come again. */
	if (n == ERR_CLOSED && !h->txn.is_open && w->buf.len == 0)
		return n;
	if (n < 0) {
		h->is_streaming = false;
		h->figures.is_connected = false;
		return n;
	}
	h->figures.is_connected = true;
	if (n > 0)
		give_position(h, position);
	return 0;
}
