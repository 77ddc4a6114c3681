/* A side: one database that a test or a scenario writes to and reads from as an
 * application would, SQLite or PostgreSQL, through its own client library: what
 * Synod did is read back from here and from nowhere else.
 *
 * A side may be used by many threads; a link (one client connection) by one. */
#ifndef BENCH_SIDE_H
#define BENCH_SIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum side_kind { SIDE_SQLITE, SIDE_POSTGRES };

struct side {
	enum side_kind kind;
	char name[32];   /* of the connection in the definition */
	char where[512]; /* file, or libpq's conninfo */
	char yaml[1024]; /* the connection, as in a definition */
};

void side_sqlite(struct side *s, const char *name, const char *dir);
/* A database that exists on a server, and the role that Synod uses there. */
struct side_server {
	const char *host;
	unsigned port;
	const char *user;
};
void side_postgres(struct side *s, const char *name, const char *database,
		   const struct side_server *server);

/* The same from HOST:PORT/DATABASE/USER. */
void side_postgres_at(struct side *s, const char *name, const char *place);

struct side_link;

/* ERR_NETWORK with the reason. */
int side_open(const struct side *s, struct side_link **out, struct err *e);
void side_hang_up(struct side_link *l); /* NULL is allowed */

/* One or several statements. 0; ERR_BUSY: a lock or a dead-lock, nothing of the
 * transaction remains, roll back and repeat; ERR_DATA: a constraint, likewise;
 * ERR_NETWORK: the link is broken, the fate of a commit is open. */
int side_run(struct side_link *l, const char *sql, struct err *e);
/* A query's rows, each as its columns joined by '|', "NULL" where nothing is.
 * Free with side_rows_free. */
struct side_rows {
	char **rows;
	size_t n;
};
int side_query(struct side_link *l, const char *sql, struct side_rows *out,
	       struct err *e);
void side_rows_free(struct side_rows *r);
/* The first column of the first row; ERR_NOTFOUND when there is none. */
int side_number(struct side_link *l, const char *sql, int64_t *out,
		struct err *e);

#endif
