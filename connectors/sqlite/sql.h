/* SQL text: built in a growing buffer. Every name and every literal goes
 * through sql_name and sqlite_sql_literal, which quote; nothing else may write
 * them. Zero it, write, sql_free. Owned by one thread. */
#ifndef CONNECTORS_SQLITE_SQL_H
#define CONNECTORS_SQLITE_SQL_H

#include <stddef.h>

struct sql {
	char *text; /* ends with a NUL once something was written */
	size_t len, cap;
};

/* Keywords, numbers and names of our own making. */
void sqlite_sql_add(struct sql *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void sqlite_sql_name(struct sql *s, const char *name);    /* "a ""b""" */
void sqlite_sql_literal(struct sql *s, const char *text); /* 'it''s' */
void sqlite_sql_clear(struct sql *s);                     /* keeps memory */
void sqlite_sql_free(struct sql *s);

#endif
