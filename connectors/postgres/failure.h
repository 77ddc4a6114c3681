/* What a SQLSTATE means for us: the classes of connector.h. Pure; any thread.
 */
#ifndef CONNECTORS_POSTGRES_FAILURE_H
#define CONNECTORS_POSTGRES_FAILURE_H

/* An ERR_ code. NULL or shorter than five letters: the server said nothing,
 * the connection broke. */
int pg_failure_code(const char *sqlstate);

#endif
