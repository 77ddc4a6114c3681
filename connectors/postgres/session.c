#include "connectors/postgres/session.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "connectors/postgres/failure.h"

/* Each text form that we read or write depends on one of these, and each can
 * be set by the customer for a role or a database. What comes with the start
 * of the session wins over both. */
static const char settings[] =
	"-c datestyle=ISO -c intervalstyle=postgres -c extra_float_digits=3 "
	"-c bytea_output=hex -c timezone=UTC -c standard_conforming_strings=on "
	"-c lc_monetary=C -c xmloption=content -c array_nulls=on "
	"-c row_security=off -c search_path= -c statement_timeout=0 "
	"-c lock_timeout=5000 -c idle_in_transaction_session_timeout=10000 "
	"-c default_transaction_read_only=off "
	"-c default_transaction_isolation=read\\ committed "
	"-c default_transaction_deferrable=off -c wal_sender_timeout=60000";

int pg_session_bell_open(struct session_bell *b, struct err *e)
{
	b->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (b->fd < 0)
		return err_set(e, ERR_SYSTEM, "eventfd: %s", strerror(errno));
	return 0;
}

void pg_session_bell_close(struct session_bell *b)
{
	if (b->fd > 0)
		close(b->fd);
	b->fd = -1;
}

void pg_session_bell_ring(struct session_bell *b)
{
	/* Full is as good as rung. */
	if (eventfd_write(b->fd, 1) != 0)
		CHECK(errno == EAGAIN);
}

static int64_t now_ms(void)
{
	struct clock clock = clock_system();

	return clock_mono_us(&clock) / 1000;
}

/* libpq ends its messages with a newline, and they may have several lines. */
static int fail_text(int code, const char *what, const char *text,
		     struct err *e)
{
	char line[ERR_TEXT_MAX];

	snprintf(line, sizeof line, "%s", text ? text : "");
	for (char *at = line; *at; at++)
		if (*at == '\n' || *at == '\t')
			*at = ' ';
	size_t len = strlen(line);
	while (len && line[len - 1] == ' ')
		line[--len] = 0;
	return err_set(e, code, "%s: %s", what, line);
}

static int wait_for(struct session *s, short events, int64_t wait_ms,
		    struct err *e)
{
	struct pollfd fds[2] = {
		{.fd = PQsocket(s->conn), .events = events},
		{.fd = s->bell ? s->bell->fd : -1, .events = POLLIN},
	};
	int64_t end_ms = now_ms() + wait_ms;

	for (;;) {
		int64_t left_ms = end_ms - now_ms();
		int n = poll(fds, 2, left_ms > 0 ? (int)left_ms : 0);
		if (n < 0 && errno != EINTR)
			return err_set(e, ERR_SYSTEM, "poll: %s",
				       strerror(errno));
		if (n > 0 && fds[1].revents) {
			eventfd_t rung;
			(void)eventfd_read(s->bell->fd, &rung);
			return err_set(e, ERR_CLOSED, "interrupted");
		}
		if (n > 0)
			return 1;
		if (n == 0)
			return 0;
	}
}

int pg_session_wait(struct session *s, bool wants_write, int64_t wait_ms,
		    struct err *e)
{
	return wait_for(s, wants_write ? POLLIN | POLLOUT : POLLIN, wait_ms, e);
}

/* -- opening ---------------------------------------------------------------
 */
static void start(struct session *s, const struct session_plan *plan)
{
	const struct options *o = plan->options;
	char options[sizeof settings + 64];
	const char *keys[20], *values[20];
	size_t n = 0;
#define PUT(key, value) (keys[n] = (key), values[n] = (value), n++)

	snprintf(options, sizeof options, "%s -c synchronous_commit=%s",
		 settings, plan->is_local ? "local" : o->synchronous_commit);
	PUT("host", o->host);
	PUT("port", o->port);
	PUT("dbname", o->database);
	PUT("user", o->user);
	if (o->password)
		PUT("password", o->password);
	PUT("sslmode", o->sslmode);
	if (o->ca[0])
		PUT("sslrootcert", o->ca);
	PUT("application_name", plan->name);
	PUT("options", options);
	PUT("client_encoding", "UTF8");
	/* A peer that vanished without a word. */
	PUT("keepalives_idle", "5");
	PUT("keepalives_interval", "2");
	PUT("keepalives_count", "3");
	PUT("tcp_user_timeout", "10000");
	if (plan->kind == SESSION_REPLICATION)
		PUT("replication", "database");
	keys[n] = values[n] = NULL;
#undef PUT
	s->conn = PQconnectStartParams(keys, values, 0);
	CHECK(s->conn);
}

/* The text of a failed log in has the SQLSTATE's meaning but not its code. */
static int fail_open(struct session *s, const char *host, struct err *e)
{
	static const struct {
		const char *part;
		int code;
	} hints[] = {
		{"authentication failed", ERR_PERMISSION},
		{"no pg_hba.conf entry", ERR_PERMISSION},
		{"no password supplied", ERR_PERMISSION},
		{"permission denied", ERR_PERMISSION},
		{"must be superuser or replication role", ERR_PERMISSION},
		{"role \"", ERR_PERMISSION},
		{"database \"", ERR_INVALID},
		{"certificate", ERR_PERMISSION},
		{"sslmode", ERR_INVALID},
	};
	const char *text = PQerrorMessage(s->conn);
	int code = ERR_NETWORK;

	for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
		if (strstr(text, hints[i].part) &&
		    (strstr(text, "FATAL") || strstr(text, "ssl") ||
		     strstr(text, "SSL") || strstr(text, "supplied"))) {
			code = hints[i].code;
			break;
		}
	return fail_text(code, host, text, e);
}

static int connect_wait(struct session *s, const char *host, struct err *e)
{
	int64_t end_ms = now_ms() + CONNECTOR_CALL_MS;
	PostgresPollingStatusType want = PGRES_POLLING_WRITING;

	while (PQstatus(s->conn) != CONNECTION_BAD) {
		int n = wait_for(
			s, want == PGRES_POLLING_READING ? POLLIN : POLLOUT,
			end_ms - now_ms(), e);
		if (n < 0)
			return n;
		if (n == 0)
			return err_set(e, ERR_TIMEOUT,
				       "%s does not answer within %d s", host,
				       CONNECTOR_CALL_MS / 1000);
		want = PQconnectPoll(s->conn);
		if (want == PGRES_POLLING_OK)
			return 0;
		if (want == PGRES_POLLING_FAILED)
			break;
	}
	return fail_open(s, host, e);
}

/* The server shall look whether we are still there while it works, and not end
 * a session that has nothing to do; not in `options`, because older servers do
 * not know these settings. */
static int set_newer(struct session *s, struct err *e)
{
	return pg_session_run(
		s,
		"select pg_catalog.set_config(name, case name when "
		"'client_connection_check_interval' then '1000' else '0' end, "
		"false) from pg_catalog.pg_settings where name in "
		"('client_connection_check_interval', 'idle_session_timeout', "
		"'transaction_timeout')",
		e);
}

static void ignore_notice(void *ctx, const PGresult *r)
{
}

int pg_session_open(struct session *s, const struct session_plan *plan,
		    struct err *e)
{
	*s = (struct session){.bell = plan->bell,
			      .silent_ms = CONNECTOR_CALL_MS};
	start(s, plan);
	int error = connect_wait(s, plan->options->host, e);
	if (!error && PQsetnonblocking(s->conn, 1) != 0)
		error = fail_text(ERR_SYSTEM, "non-blocking",
				  PQerrorMessage(s->conn), e);
	if (!error)
		PQsetNoticeReceiver(s->conn, ignore_notice, NULL);
	if (!error && plan->kind == SESSION_PLAIN)
		error = set_newer(s, e);
	if (error)
		pg_session_close(s);
	return error;
}

void pg_session_close(struct session *s)
{
	if (s->conn)
		PQfinish(s->conn);
	*s = (struct session){0};
}

bool pg_session_is_open(const struct session *s)
{
	return s->conn != NULL;
}

/* -- calls -----------------------------------------------------------------
 */
int pg_session_flush(struct session *s, struct err *e)
{
	for (;;) {
		int left = PQflush(s->conn);
		if (left == 0)
			return 0;
		if (left < 0)
			return fail_text(ERR_NETWORK, "send",
					 PQerrorMessage(s->conn), e);
		int n = pg_session_wait(s, true, s->silent_ms, e);
		if (n < 0)
			return n;
		if (n == 0)
			return err_set(e, ERR_TIMEOUT,
				       "the server takes nothing for %d s",
				       (int)(s->silent_ms / 1000));
		if (!PQconsumeInput(s->conn))
			return fail_text(ERR_NETWORK, "receive",
					 PQerrorMessage(s->conn), e);
	}
}

int pg_session_result(struct session *s, PGresult **out, struct err *e)
{
	while (PQisBusy(s->conn)) {
		int n = pg_session_wait(s, false, s->silent_ms, e);
		if (n < 0)
			return n;
		if (n == 0)
			return err_set(e, ERR_TIMEOUT,
				       "the server says nothing for %d s",
				       (int)(s->silent_ms / 1000));
		if (!PQconsumeInput(s->conn))
			return fail_text(ERR_NETWORK, "receive",
					 PQerrorMessage(s->conn), e);
	}
	*out = PQgetResult(s->conn);
	return 0;
}

int pg_session_fail(const PGresult *r, const char *what, struct err *e)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	const char *detail = PQresultErrorField(r, PG_DIAG_MESSAGE_DETAIL);
	const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	char line[ERR_TEXT_MAX];

	snprintf(line, sizeof line, "%s%s%s%s%s%s",
		 text ? text : PQresultErrorMessage(r), detail ? "; " : "",
		 detail ? detail : "", state ? " (" : "", state ? state : "",
		 state ? ")" : "");
	return fail_text(pg_failure_code(state), what, line, e);
}

static bool is_good(const PGresult *r)
{
	ExecStatusType status = PQresultStatus(r);

	return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK ||
	       status == PGRES_EMPTY_QUERY || status == PGRES_COPY_BOTH;
}

/* All results of what was sent; the last good one is given. COPY has no end.
 */
static int collect(struct session *s, const char *what, PGresult **out,
		   struct err *e)
{
	PGresult *kept = NULL, *r;
	int error = pg_session_flush(s, e), failure = 0;

	while (!error) {
		error = pg_session_result(s, &r, e);
		if (error || !r)
			break;
		if (!is_good(r)) {
			failure = pg_session_fail(r, what, e);
			PQclear(r);
			continue;
		}
		PQclear(kept);
		kept = r;
		if (PQresultStatus(r) == PGRES_COPY_BOTH)
			break;
	}
	if (!error)
		error = failure;
	if (error || !out) {
		PQclear(kept);
		return error;
	}
	*out = kept;
	return 0;
}

/* What failed, for people: the statement's beginning. */
static void name_of(const char *sql, char *buf, size_t cap)
{
	snprintf(buf, cap, "%.60s%s", sql, strlen(sql) > 60 ? "..." : "");
}

int pg_session_call(struct session *s, const struct session_call *call,
		    PGresult **out, struct err *e)
{
	char what[80];

	name_of(call->sql, what, sizeof what);
	if (!PQsendQueryParams(s->conn, call->sql, call->n, NULL, call->params,
			       NULL, NULL, 0))
		return fail_text(ERR_NETWORK, what, PQerrorMessage(s->conn), e);
	return collect(s, what, out, e);
}

int pg_session_run(struct session *s, const char *sql, struct err *e)
{
	char what[80];

	name_of(sql, what, sizeof what);
	if (!PQsendQuery(s->conn, sql))
		return fail_text(ERR_NETWORK, what, PQerrorMessage(s->conn), e);
	return collect(s, what, NULL, e);
}
