#include "connectors/postgres/stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "connectors/postgres/sql.h"

enum {
	/* A confirmation may wait for others so long. */
	STREAM_TELL_MS = 200,
	/* Said again though nothing moved: the server must not think that we
	 * are gone (wal_sender_timeout). */
	STREAM_REPEAT_MS = 10000,
};
/* Or until so much WAL hangs on it. */
#define STREAM_TELL_BYTES ((uint64_t)1 << 20)

static int64_t now_ms(void)
{
	struct clock clock = clock_system();

	return clock_mono_us(&clock) / 1000;
}

static int identify(struct stream *s, struct stream_identity *out,
		    struct err *e)
{
	PGresult *r = NULL;

	if (!PQsendQuery(s->session.conn, "IDENTIFY_SYSTEM"))
		return err_set(e, ERR_NETWORK, "IDENTIFY_SYSTEM: not sent");
	int error = pg_session_flush(&s->session, e);
	if (!error)
		error = pg_session_result(&s->session, &r, e);
	if (error)
		return error;
	if (PQresultStatus(r) != PGRES_TUPLES_OK || PQntuples(r) != 1) {
		error = pg_session_fail(r, "IDENTIFY_SYSTEM", e);
	} else {
		out->system_id = strtoull(PQgetvalue(r, 0, 0), NULL, 10);
		out->timeline =
			(uint32_t)strtoul(PQgetvalue(r, 0, 1), NULL, 10);
	}
	PQclear(r);
	while (!error && !pg_session_result(&s->session, &r, e) && r)
		PQclear(r);
	return error;
}

int pg_stream_open(struct stream *s, const struct session_plan *plan,
		   struct stream_identity *out, struct err *e)
{
	*s = (struct stream){0};
	int error = pg_session_open(&s->session, plan, e);
	if (!error)
		error = identify(s, out, e);
	if (error)
		pg_stream_close(s);
	return error;
}

void pg_stream_close(struct stream *s)
{
	PQfreemem(s->buf);
	pg_session_close(&s->session);
	*s = (struct stream){0};
}

int pg_stream_start(struct stream *s, const struct options *o, uint64_t lsn,
		    struct err *e)
{
	struct sql sql, names;
	PGresult *r = NULL;

	pg_sql_init(&names);
	pg_sql_name(&names, o->publication);
	pg_sql_init(&sql);
	pg_sql_add(&sql, "START_REPLICATION SLOT ");
	pg_sql_name(&sql, o->slot);
	pg_sql_add(&sql,
		   " LOGICAL %" PRIX32 "/%" PRIX32
		   " (proto_version '1', publication_names ",
		   (uint32_t)(lsn >> 32), (uint32_t)lsn);
	/* The replication grammar knows plain literals only; a quote is
	 * doubled, and nothing else is special there. */
	pg_sql_add(&sql, "'");
	for (const char *at = names.text; *at; at++)
		pg_sql_add(&sql, "%s%c", *at == '\'' ? "'" : "", *at);
	pg_sql_add(&sql, "')");
	int error = 0;
	if (!PQsendQuery(s->session.conn, sql.text))
		error = err_set(e, ERR_NETWORK, "START_REPLICATION: not sent");
	if (!error)
		error = pg_session_flush(&s->session, e);
	if (!error)
		error = pg_session_result(&s->session, &r, e);
	if (!error && PQresultStatus(r) != PGRES_COPY_BOTH)
		error = pg_session_fail(r, "START_REPLICATION", e);
	PQclear(r);
	pg_sql_free(&sql);
	pg_sql_free(&names);
	s->confirmed = s->told = lsn;
	s->told_at_ms = now_ms();
	return error;
}

/* The copy has ended: the server's last words. */
static int ended(struct stream *s, struct err *e)
{
	PGresult *r = NULL;

	int error = pg_session_result(&s->session, &r, e);
	if (error)
		return error;
	if (r && PQresultStatus(r) == PGRES_FATAL_ERROR) {
		error = pg_session_fail(r, "stream", e);
		/* Decoding goes wrong in the middle: the slot cannot go on. */
		const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
		if (state && strcmp(state, "42704") == 0)
			error = err_set(e, ERR_GAP,
					"the publication was removed while "
					"its changes were still to be read");
	} else {
		error = err_set(e, ERR_NETWORK, "the server ended the stream");
	}
	PQclear(r);
	return error;
}

int pg_stream_next(struct stream *s, struct pgoutput_frame *out, struct err *e)
{
	if (s->is_held) {
		s->is_held = false;
		*out = s->frame;
		return 1;
	}
	PQfreemem(s->buf);
	s->buf = NULL;
	int len = PQgetCopyData(s->session.conn, &s->buf, 1);
	if (len == 0) {
		if (!PQconsumeInput(s->session.conn))
			return err_set(e, ERR_NETWORK, "stream: %.300s",
				       PQerrorMessage(s->session.conn));
		len = PQgetCopyData(s->session.conn, &s->buf, 1);
	}
	if (len == 0)
		return 0;
	if (len == -1)
		return ended(s, e);
	if (len < 0)
		return err_set(e, ERR_NETWORK, "stream: %.300s",
			       PQerrorMessage(s->session.conn));
	struct bytes bytes = {(const uint8_t *)s->buf, (size_t)len};
	if (pgoutput_frame(bytes, &s->frame))
		return err_set(e, ERR_CORRUPT,
			       "the stream has a frame that is none");
	*out = s->frame;
	return 1;
}

void pg_stream_hold(struct stream *s)
{
	s->is_held = true;
}

int pg_stream_wait(struct stream *s, int64_t wait_ms, struct err *e)
{
	return pg_session_wait(&s->session, false, wait_ms, e);
}

void pg_stream_confirm(struct stream *s, uint64_t lsn)
{
	if (lsn > s->confirmed)
		s->confirmed = lsn;
}

void pg_stream_ask(struct stream *s)
{
	s->wants_keepalive = true;
}

static bool is_due(const struct stream *s, int64_t silent_ms)
{
	if (s->wants_keepalive || silent_ms >= STREAM_REPEAT_MS)
		return true;
	return s->confirmed > s->told &&
	       (silent_ms >= STREAM_TELL_MS ||
		s->confirmed - s->told >= STREAM_TELL_BYTES);
}

int pg_stream_tell(struct stream *s, struct err *e)
{
	uint8_t status[PGOUTPUT_STATUS_BYTES];
	struct clock clock = clock_system();
	int64_t ms = now_ms();

	if (!is_due(s, ms - s->told_at_ms))
		return 0;
	pgoutput_status(status, s->confirmed, clock_wall_us(&clock),
			s->wants_keepalive);
	if (PQputCopyData(s->session.conn, (const char *)status,
			  sizeof status) != 1)
		return err_set(e, ERR_NETWORK, "stream: %.300s",
			       PQerrorMessage(s->session.conn));
	s->wants_keepalive = false;
	s->told = s->confirmed;
	s->told_at_ms = ms;
	return pg_session_flush(&s->session, e);
}
