#include "bench/side.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>
#include <sqlite3.h>

#include "base/bytes.h"

enum { BUSY_MS = 10000 };

struct side_link {
	enum side_kind kind;
	sqlite3 *lite;
	PGconn *pg;
};

void side_sqlite(struct side *s, const char *name, const char *dir)
{
	*s = (struct side){.kind = SIDE_SQLITE};
	snprintf(s->name, sizeof(s->name), "%s", name);
	snprintf(s->where, sizeof(s->where), "%s/%s.db", dir, name);
	snprintf(s->yaml, sizeof(s->yaml), "  %s: { type: sqlite, path: %s }\n",
		 name, s->where);
}

void side_postgres(struct side *s, const char *name, const char *database,
		   const struct side_server *server)
{
	*s = (struct side){.kind = SIDE_POSTGRES};
	snprintf(s->name, sizeof(s->name), "%s", name);
	snprintf(s->where, sizeof(s->where),
		 "host=%s port=%u dbname=%s user=%s connect_timeout=5",
		 server->host, server->port, database, server->user);
	snprintf(s->yaml, sizeof(s->yaml),
		 "  %s: { type: postgresql, host: %s, port: %u, "
		 "database: %s, user: %s, tls: disable }\n",
		 name, server->host, server->port, database, server->user);
}

void side_postgres_at(struct side *s, const char *name, const char *place)
{
	char host[128] = "", database[128] = "", user[128] = "";
	unsigned port = 5432;

	/* A text of another form gives empty names, and they cannot be
	 * connected to. */
	if (sscanf(place, "%127[^:]:%u/%127[^/]/%127s", host, &port, database,
		   user) < 4)
		user[0] = 0;
	struct side_server server = {host, port, user};
	side_postgres(s, name, database, &server);
}

/* -- links ----------------------------------------------------------------- */
static sqlite3 *open_lite(const struct side *s)
{
	sqlite3 *db = NULL;

	if (sqlite3_open_v2(s->where, &db,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
				    SQLITE_OPEN_NOMUTEX,
			    NULL) != SQLITE_OK) {
		sqlite3_close(db);
		return NULL;
	}
	sqlite3_busy_timeout(db, BUSY_MS);
	return db;
}

static void ignore_notice(void *ctx, const char *text)
{
}

static PGconn *open_pg(const struct side *s)
{
	PGconn *pg = PQconnectdb(s->where);

	if (PQstatus(pg) != CONNECTION_OK) {
		PQfinish(pg);
		return NULL;
	}
	PQsetNoticeProcessor(pg, ignore_notice, NULL);
	return pg;
}

int side_open(const struct side *s, struct side_link **out, struct err *e)
{
	struct side_link l = {.kind = s->kind};

	if (s->kind == SIDE_SQLITE)
		l.lite = open_lite(s);
	else
		l.pg = open_pg(s);
	if (!l.lite && !l.pg)
		return err_set(e, ERR_NETWORK, "cannot open %s (%s)", s->name,
			       s->where);
	*out = mem_alloc(sizeof(**out));
	**out = l;
	return 0;
}

void side_hang_up(struct side_link *l)
{
	if (!l)
		return;
	sqlite3_close(l->lite);
	PQfinish(l->pg);
	free(l);
}

/* -- statements ------------------------------------------------------------ */
static int lite_error(struct side_link *l, int rc, struct err *e)
{
	const char *text = sqlite3_errmsg(l->lite);

	if (!sqlite3_get_autocommit(l->lite))
		sqlite3_exec(l->lite, "ROLLBACK", NULL, NULL, NULL);
	if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED)
		return err_set(e, ERR_BUSY, "%s", text);
	if (rc == SQLITE_CONSTRAINT)
		return err_set(e, ERR_DATA, "%s", text);
	return err_set(e, ERR_INVALID, "%s", text);
}

static int pg_error(struct side_link *l, PGresult *r, struct err *e)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	int code = ERR_INVALID;

	if (PQstatus(l->pg) != CONNECTION_OK || !state)
		code = ERR_NETWORK;
	else if (strncmp(state, "40", 2) == 0 || strncmp(state, "55", 2) == 0)
		code = ERR_BUSY;
	else if (strncmp(state, "57", 2) == 0 || strncmp(state, "08", 2) == 0)
		code = ERR_NETWORK;
	else if (strncmp(state, "23", 2) == 0)
		code = ERR_DATA;
	err_set(e, code, "%s", PQresultErrorMessage(r));
	PQclear(r);
	if (PQstatus(l->pg) == CONNECTION_OK &&
	    PQtransactionStatus(l->pg) == PQTRANS_INERROR)
		PQclear(PQexec(l->pg, "ROLLBACK"));
	return code;
}

int side_run(struct side_link *l, const char *sql, struct err *e)
{
	if (l->kind == SIDE_SQLITE) {
		int rc = sqlite3_exec(l->lite, sql, NULL, NULL, NULL);
		return rc == SQLITE_OK ? 0 : lite_error(l, rc, e);
	}
	PGresult *r = PQexec(l->pg, sql);
	if (PQresultStatus(r) != PGRES_COMMAND_OK &&
	    PQresultStatus(r) != PGRES_TUPLES_OK)
		return pg_error(l, r, e);
	PQclear(r);
	return 0;
}

/* -- queries --------------------------------------------------------------- */
static void add_cell(char **row, const char *text, bool is_first)
{
	const char *cell = text ? text : "NULL";
	size_t old = is_first ? 0 : strlen(*row) + 1;
	size_t len = strlen(cell);

	*row = mem_grow(*row, old + len + 1);
	if (old)
		(*row)[old - 1] = '|';
	memcpy(*row + old, cell, len + 1);
}

static char **next_row(struct side_rows *out)
{
	out->rows = mem_grow(out->rows, (out->n + 1) * sizeof(*out->rows));
	out->rows[out->n] = NULL;
	return &out->rows[out->n++];
}

static int query_lite(struct side_link *l, const char *sql,
		      struct side_rows *out, struct err *e)
{
	sqlite3_stmt *stmt;
	int rc = sqlite3_prepare_v2(l->lite, sql, -1, &stmt, NULL);

	if (rc != SQLITE_OK)
		return lite_error(l, rc, e);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		char **row = next_row(out);
		for (int i = 0; i < sqlite3_column_count(stmt); i++)
			add_cell(row,
				 (const char *)sqlite3_column_text(stmt, i),
				 i == 0);
	}
	if (rc != SQLITE_DONE) {
		rc = lite_error(l, rc, e);
		sqlite3_finalize(stmt);
		return rc;
	}
	sqlite3_finalize(stmt);
	return 0;
}

static int query_pg(struct side_link *l, const char *sql, struct side_rows *out,
		    struct err *e)
{
	PGresult *r = PQexec(l->pg, sql);

	if (PQresultStatus(r) != PGRES_TUPLES_OK)
		return pg_error(l, r, e);
	for (int i = 0; i < PQntuples(r); i++) {
		char **row = next_row(out);
		for (int k = 0; k < PQnfields(r); k++)
			add_cell(row,
				 PQgetisnull(r, i, k) ? NULL
						      : PQgetvalue(r, i, k),
				 k == 0);
	}
	PQclear(r);
	return 0;
}

int side_query(struct side_link *l, const char *sql, struct side_rows *out,
	       struct err *e)
{
	*out = (struct side_rows){0};
	int rc = l->kind == SIDE_SQLITE ? query_lite(l, sql, out, e)
					: query_pg(l, sql, out, e);
	if (rc)
		side_rows_free(out);
	return rc;
}

void side_rows_free(struct side_rows *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->rows[i]);
	free(r->rows);
	*r = (struct side_rows){0};
}

int side_number(struct side_link *l, const char *sql, int64_t *out,
		struct err *e)
{
	struct side_rows rows;
	int rc = side_query(l, sql, &rows, e);

	if (rc)
		return rc;
	if (rows.n == 0)
		return err_set(e, ERR_NOTFOUND, "%s: no row", sql);
	*out = strtoll(rows.rows[0], NULL, 10);
	side_rows_free(&rows);
	return 0;
}
