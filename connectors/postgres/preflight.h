/* Preflight: what stands in the way of capture and apply here, each with the
 * SQL that repairs it. Changes nothing. One thread. */
#ifndef CONNECTORS_POSTGRES_PREFLIGHT_H
#define CONNECTORS_POSTGRES_PREFLIGHT_H

#include "connectors/postgres/session.h"

struct preflight {
	struct session *session;
	const struct options *options;
	const struct connector_table *tables;
	size_t n;
	struct connector_findings *findings;
};

int pg_preflight_check(const struct preflight *p, struct err *e);

#endif
