/* A session: one connection to the server, with settings that make its texts
 * the same whatever the customer has set for the role or the database, and
 * with a deadline on every call. libpq is used without blocking: a call waits
 * for the socket, its deadline and the interrupt at once.
 *
 * One thread, save session_wake_up. After ERR_NETWORK, ERR_TIMEOUT or
 * ERR_CLOSED the session is of no use any more and is to be closed; the server
 * notices that within a second, whatever it is doing (client_connection_check_
 * interval). */
#ifndef CONNECTORS_POSTGRES_SESSION_H
#define CONNECTORS_POSTGRES_SESSION_H

#include <libpq-fe.h>

#include "connectors/postgres/options.h"

/* Rings in every session of a handle: the call under way ends with ERR_CLOSED,
 * or the next one that waits, and then it is silent again. */
struct session_bell {
	int fd; /* eventfd */
};
int pg_session_bell_open(struct session_bell *b, struct err *e);
void pg_session_bell_close(struct session_bell *b);
void pg_session_bell_ring(struct session_bell *b); /* any thread */

enum session_kind { SESSION_PLAIN, SESSION_REPLICATION };

struct session {
	PGconn *conn;
	const struct session_bell *bell; /* or NULL */
	int64_t silent_ms;               /* the server may be silent so long */
};

/* name: what the server shows as application_name. */
struct session_plan {
	const struct options *options;
	const struct session_bell *bell; /* or NULL */
	enum session_kind kind;
	const char *name;
	/* Its commits wait for no standby: of a capture, which may itself be
	 * what a commit waits for. */
	bool is_local;
};
int pg_session_open(struct session *s, const struct session_plan *plan,
		    struct err *e);
void pg_session_close(struct session *s); /* zeroed: nothing to do */
bool pg_session_is_open(const struct session *s);

/* One statement; texts as parameters, NULL is NULL. Gives the result, for
 * PQclear, when it is one of rows or of a command. */
struct session_call {
	const char *sql;
	int n;
	const char *params[32]; /* as many as a key may have columns */
};
int pg_session_call(struct session *s, const struct session_call *call,
		    PGresult **out, struct err *e);
/* Several statements in one, without parameters. */
int pg_session_run(struct session *s, const char *sql, struct err *e);

/* -- for those that drive libpq themselves (stream, pipeline) ---------------
 */
/* Wait until the socket can be read (or written, when wants_write), at most
 * wait_ms. 1: it can; 0: time is up; ERR_CLOSED: interrupted. */
int pg_session_wait(struct session *s, bool wants_write, int64_t wait_ms,
		    struct err *e);
/* Send what libpq holds; reads meanwhile, so that both sides cannot wait for
 * each other. */
int pg_session_flush(struct session *s, struct err *e);
/* The next result of what was sent; NULL: the end of a statement. */
int pg_session_result(struct session *s, PGresult **out, struct err *e);
/* Code and text of a result that is not what it should be; the class of
 * failure.h. */
int pg_session_fail(const PGresult *r, const char *what, struct err *e);

#endif
