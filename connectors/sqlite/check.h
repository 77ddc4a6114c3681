/* Check: what stands in the way of the tables of a sync, or will hurt. Only
 * looks. Any thread. */
#ifndef CONNECTORS_SQLITE_CHECK_H
#define CONNECTORS_SQLITE_CHECK_H

#include "connectors/connector.h"

int sqlite_check(const struct connector_target *t,
		 const struct connector_table *tables, size_t n,
		 struct connector_findings *out, struct err *e);

#endif
