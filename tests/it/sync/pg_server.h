/* A throw-away PostgreSQL for tests and the demo: a cluster of its own in a
 * temporary directory, on a free port of loopback and a unix socket, with
 * wal_level=logical and fsync as in real life. Run as root, it runs as the user
 * postgres (or nobody): PostgreSQL refuses root.
 *
 * It dies with the thread that started it (SIGQUIT); ended by its pid, never by
 * name. One thread, the main one: see bench/process.h. */
#ifndef TESTS_IT_SYNC_PG_SERVER_H
#define TESTS_IT_SYNC_PG_SERVER_H

#include <stdint.h>

#include "base/err.h"

struct pg_server;

enum {
	/* initdb, a start with recovery, a stop: each on a busy machine. */
	PG_SERVER_WAIT_MS = 60000,
	PG_SERVER_TEXT_MAX = 256,
};

/* The superuser; it needs no password. */
#define PG_SERVER_USER "postgres"

/* Make a cluster, start it and wait until it answers. conf: more lines of
 * postgresql.conf (they win), or NULL. ERR_NOTFOUND when PostgreSQL is not
 * installed; ERR_TIMEOUT and ERR_CLOSED with the end of its log. */
int pg_server_open(struct pg_server **out, const char *conf, struct err *e);
/* End it at once and delete it. NULL is allowed. */
void pg_server_close(struct pg_server *s);

const char *pg_server_host(const struct pg_server *s); /* "127.0.0.1" */
uint16_t pg_server_port(const struct pg_server *s);
const char *pg_server_dir(const struct pg_server *s); /* of its socket */
/* libpq's conninfo of the superuser; stays until the next call. */
const char *pg_server_conninfo(struct pg_server *s, const char *database);

/* Stop politely (SIGINT: clients are thrown out, a checkpoint is written). */
int pg_server_stop(struct pg_server *s, struct err *e);
/* As a power cut of the process: no checkpoint, recovery at the next start. */
int pg_server_crash(struct pg_server *s, struct err *e);
/* Start one that is stopped, on the same port, and wait until it answers. */
int pg_server_start(struct pg_server *s, struct err *e);

/* Statements of the superuser in one call: one transaction, unless a statement
 * like CREATE DATABASE stands alone. */
int pg_server_run(struct pg_server *s, const char *database, const char *sql,
		  struct err *e);
/* The first column of the first row, cut to PG_SERVER_TEXT_MAX; ERR_NOTFOUND
 * when there is none. */
int pg_server_text(struct pg_server *s, const char *database, const char *sql,
		   char buf[PG_SERVER_TEXT_MAX], struct err *e);

#endif
