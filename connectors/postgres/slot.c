#include "connectors/postgres/slot.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { SLOT_LOOK_MS = 5 };

uint64_t pg_slot_lsn(const char *text)
{
	char *end;
	uint64_t high = strtoull(text, &end, 16);

	return *end == '/' ? high << 32 | strtoull(end + 1, NULL, 16) : 0;
}

void pg_slot_reader_name(char out[SLOT_NAME_BYTES], const struct options *o,
			 uint64_t epoch)
{
	snprintf(out, SLOT_NAME_BYTES, "synod:%s:capture:%" PRIu64, o->cluster,
		 epoch);
}

int pg_slot_look(struct session *s, const struct options *o,
		 struct slot_state *out, struct err *e)
{
	struct session_call call = {
		"select coalesce(wal_status, '') = 'lost', plugin <> "
		"'pgoutput' or database <> current_database(), "
		"coalesce(confirmed_flush_lsn::text, '0/0'), case when "
		"pg_is_in_recovery() then 0 else coalesce(greatest(0, "
		"pg_wal_lsn_diff(pg_current_wal_insert_lsn(), restart_lsn)), "
		"0) end from pg_replication_slots where slot_name = $1",
		1,
		{o->slot}};
	PGresult *r;

	int error = pg_session_call(s, &call, &r, e);
	if (error)
		return error;
	*out = (struct slot_state){0};
	if (PQntuples(r) > 0) {
		out->is_there = true;
		out->is_lost = PQgetvalue(r, 0, 0)[0] == 't';
		out->is_foreign = PQgetvalue(r, 0, 1)[0] == 't';
		out->confirmed_lsn = pg_slot_lsn(PQgetvalue(r, 0, 2));
		out->retained_bytes = strtoull(PQgetvalue(r, 0, 3), NULL, 10);
	}
	PQclear(r);
	return 0;
}

int pg_slot_create(struct session *s, const struct options *o, uint64_t *lsn,
		   struct err *e)
{
	struct session_call call = {
		"select lsn from pg_create_logical_replication_slot($1, "
		"'pgoutput')",
		1,
		{o->slot}};
	PGresult *r;

	int error = pg_session_call(s, &call, &r, e);
	if (error == ERR_TIMEOUT)
		return err_set(e, ERR_TIMEOUT,
			       "slot %s waits for transactions that are open "
			       "on the server",
			       o->slot);
	if (error == ERR_BUSY && e && strstr(e->text, "wal_level"))
		e->code = error = ERR_INVALID;
	if (error)
		return error;
	*lsn = pg_slot_lsn(PQgetvalue(r, 0, 0));
	PQclear(r);
	return 0;
}

int pg_slot_drop(struct session *s, const struct options *o, struct err *e)
{
	struct session_call call = {
		"select pg_drop_replication_slot(slot_name) from "
		"pg_replication_slots where slot_name = $1",
		1,
		{o->slot}};

	return pg_session_call(s, &call, NULL, e);
}

/* Our own readers carry their epoch in their name. */
static bool is_newer(const char *name, const struct options *o, uint64_t epoch)
{
	char mine[SLOT_NAME_BYTES];

	pg_slot_reader_name(mine, o, 0);
	size_t len = strlen(mine) - 1;
	return strncmp(name, mine, len) == 0 &&
	       strtoull(name + len, NULL, 10) > epoch;
}

/* 1: free; 0: its reader was told to end. */
static int free_once(struct session *s, const struct options *o, uint64_t epoch,
		     struct err *e)
{
	struct session_call look = {
		"select s.active_pid, a.application_name from "
		"pg_replication_slots s left join pg_stat_activity a on a.pid "
		"= s.active_pid where s.slot_name = $1 and s.active_pid is not "
		"null",
		1,
		{o->slot}};
	PGresult *r;

	int error = pg_session_call(s, &look, &r, e);
	if (error)
		return error;
	if (PQntuples(r) == 0) {
		PQclear(r);
		return 1;
	}
	if (is_newer(PQgetvalue(r, 0, 1), o, epoch)) {
		PQclear(r);
		return err_set(e, ERR_FENCED,
			       "slot %s is read by a newer epoch", o->slot);
	}
	struct session_call end = {"select pg_terminate_backend($1::int)",
				   1,
				   {PQgetvalue(r, 0, 0)}};
	error = pg_session_call(s, &end, NULL, e);
	PQclear(r);
	return error;
}

int pg_slot_free(struct session *s, const struct options *o, uint64_t epoch,
		 struct err *e)
{
	struct clock clock = clock_system();
	int64_t end_us =
		clock_mono_us(&clock) + (int64_t)CONNECTOR_CALL_MS * 1000;

	for (;;) {
		int n = free_once(s, o, epoch, e);
		if (n != 0)
			return n > 0 ? 0 : n;
		if (clock_mono_us(&clock) > end_us)
			return err_set(e, ERR_TIMEOUT,
				       "slot %s is held by another process",
				       o->slot);
		n = pg_session_wait(s, false, SLOT_LOOK_MS, e);
		if (n < 0)
			return n;
	}
}
