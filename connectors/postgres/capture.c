#include "connectors/postgres/capture.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "connectors/postgres/slot.h"

int64_t pg_capture_now_ms(void)
{
	struct clock clock = clock_system();

	return clock_mono_us(&clock) / 1000;
}

int pg_capture_side(struct capture_handle *h, struct err *e)
{
	char name[SLOT_NAME_BYTES];

	if (pg_session_is_open(&h->side))
		return 0;
	pg_slot_reader_name(name, &h->options, h->setup.epoch);
	const struct session_plan plan = {.options = &h->options,
					  .bell = &h->bell,
					  .kind = SESSION_PLAIN,
					  .name = name,
					  .is_local = true};
	return pg_session_open(&h->side, &plan, e);
}

/* A standby decodes nothing (PostgreSQL 15), and its slots are not ours. */
static int check_server(struct capture_handle *h, struct err *e)
{
	struct session_call call = {
		"select pg_is_in_recovery(), current_setting('wal_level')",
		0,
		{NULL}};
	PGresult *r;

	int error = pg_session_call(&h->side, &call, &r, e);
	if (error)
		return error;
	if (PQgetvalue(r, 0, 0)[0] == 't')
		error = err_set(e, ERR_BUSY,
				"%s is a standby for now, it cannot be "
				"captured",
				h->options.host);
	else if (strcmp(PQgetvalue(r, 0, 1), "logical") != 0)
		error = err_set(e, ERR_INVALID,
				"wal_level is %s; run: ALTER SYSTEM SET "
				"wal_level = 'logical'; and restart the server",
				PQgetvalue(r, 0, 1));
	PQclear(r);
	return error;
}

int pg_capture_open(const struct capture_setup *setup,
		    struct capture_handle **out, struct err *e)
{
	struct capture_handle *h = mem_zero(1, sizeof *h);

	h->setup = *setup;
	h->bell.fd = -1;
	arena_init(&h->schema_arena, (size_t)16 << 10);
	arena_init(&h->arena, (size_t)64 << 10);
	pg_load_init(&h->load);
	int error = pg_options_read(&h->options, &setup->target, e);
	if (!error)
		error = pg_session_bell_open(&h->bell, e);
	if (!error)
		error = pg_capture_side(h, e);
	if (!error)
		error = check_server(h, e);
	if (!error)
		error = pg_slot_free(&h->side, &h->options, setup->epoch, e);
	if (error) {
		pg_capture_close(h);
		return error;
	}
	h->figures.is_connected = true;
	*out = h;
	return 0;
}

void pg_capture_close(struct capture_handle *h)
{
	if (!h)
		return;
	pg_stream_close(&h->stream);
	pg_session_close(&h->side);
	pg_session_bell_close(&h->bell);
	pg_relation_free_all(&h->relations);
	pg_load_free(&h->load);
	pg_position_free(&h->at);
	arena_free(&h->arena);
	arena_free(&h->schema_arena);
	pg_options_clear(&h->options);
	free(h);
}

int pg_capture_confirm(struct capture_handle *h, struct bytes position,
		       struct err *e)
{
	struct position p;

	if (position.len == 0 || !h->is_streaming)
		return 0;
	int error = pg_position_read(&p, position, e);
	if (error)
		return error;
	pg_stream_confirm(&h->stream, p.lsn);
	pg_position_free(&p);
	return pg_stream_tell(&h->stream, e);
}

void pg_capture_figures(struct capture_handle *h, struct capture_figures *out)
{
	h->figures.n_loaded = h->load.n_loaded;
	h->figures.n_to_load = h->load.n_to_load;
	h->figures.n_tables_loading = 0;
	for (size_t i = 0; i < h->at.n; i++)
		h->figures.n_tables_loading +=
			h->at.tables[i].state == POSITION_LOADING;
	*out = h->figures;
}

void pg_capture_interrupt(struct capture_handle *h)
{
	pg_session_bell_ring(&h->bell);
}
