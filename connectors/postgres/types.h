/* Types: which logical type a column of PostgreSQL has, and which of its
 * columns may hold another system's field without loss. Pure; any thread. */
#ifndef CONNECTORS_POSTGRES_TYPES_H
#define CONNECTORS_POSTGRES_TYPES_H

#include "connectors/connector.h"

/* Of a base type, domains already resolved. kind is pg_type.typtype ('b', 'e',
 * ...); what we do not know is VALUE_NATIVE. */
enum value_type pg_types_of(uint32_t oid, char kind);

/* As connector.refuses. */
const char *pg_types_refuses(const struct connector_column *column,
			     enum value_type type, const char *native);

#endif
