/* The options of a PostgreSQL connection, and what follows from them: names of
 * what we leave there. Owned by one thread; the target stays with its lender.
 */
#ifndef CONNECTORS_POSTGRES_OPTIONS_H
#define CONNECTORS_POSTGRES_OPTIONS_H

#include "connectors/connector.h"

enum {
	/* PostgreSQL cuts longer identifiers (NAMEDATALEN - 1). */
	OPTIONS_NAME_MAX = 64,
	OPTIONS_TEXT_MAX = 512,
	/* Digits of the cluster in names that several clusters share. */
	OPTIONS_CLUSTER_DIGITS = 8,
};

/* For the table of the connector. */
extern const struct connector_option pg_options_list[];

struct options {
	char host[OPTIONS_TEXT_MAX], port[8];
	char database[OPTIONS_NAME_MAX], user[OPTIONS_NAME_MAX];
	char *password; /* or NULL; wiped by options_clear */
	char sslmode[16], ca[OPTIONS_TEXT_MAX];
	char slot[OPTIONS_NAME_MAX], publication[OPTIONS_NAME_MAX];
	bool is_own_publication; /* named by us: we may change it */
	char schema[OPTIONS_NAME_MAX];
	char synchronous_commit[16];
	char cluster[OPTIONS_CLUSTER_DIGITS + 1];
};

/* ERR_INVALID names the option; ERR_NOTFOUND the secret. */
int pg_options_read(struct options *o, const struct connector_target *t,
		    struct err *e);
void pg_options_clear(struct options *o);

#endif
