/* Catalog: what is declared, ready to be looked up: connections, syncs, tables
 * by id. Tables of earlier revisions stay as long as the log may name them.
 * Built from the control state, immutable then: it may be read by any thread
 * for as long as its holder keeps it. */
#ifndef CLUSTER_CORE_CATALOG_H
#define CLUSTER_CORE_CATALOG_H

#include "base/kv.h"
#include "proto/definition.pb-c.h"

/* Ids are 1..CATALOG_CONNECTIONS: a set of connections is a u64, bit id. */
enum { CATALOG_CONNECTIONS = 63 };

struct catalog_table {
	const Synod__Definition__Table *table;
	const Synod__Definition__Sync *sync;
	uint64_t members; /* connections that take part */
	uint64_t sources, targets;
	bool is_two_way;     /* versions are kept: more than one source */
	bool is_current;     /* false: only the log still names it */
	uint64_t order_at;   /* index of the revision that brought it */
	uint64_t dropped_at; /* likewise, that dropped it; 0: is_current */
};

struct catalog;

/* Of the definition in force; empty when none is. */
struct catalog *catalog_load(const struct kv *kv);
/* Of one definition alone: for plans and tests. Takes nothing. */
struct catalog *catalog_of(const Synod__Definition__Definition *d);
void catalog_free(struct catalog *c);

uint32_t catalog_revision(const struct catalog *c); /* 0: none */
const Synod__Definition__Definition *
catalog_definition(const struct catalog *c);
/* NULL when unknown. */
const struct catalog_table *catalog_table(const struct catalog *c,
					  uint32_t table_id);
const Synod__Definition__Side *catalog_side(const struct catalog_table *t,
					    uint32_t connection_id);
const Synod__Definition__Connection *catalog_connection(const struct catalog *c,
							uint32_t id);
const Synod__Definition__Connection *
catalog_connection_named(const struct catalog *c, const char *name);
const Synod__Definition__Sync *catalog_sync(const struct catalog *c,
					    uint32_t id);
const Synod__Definition__Sync *catalog_sync_named(const struct catalog *c,
						  const char *name);
/* Every table, by id, earlier ones too; NULL behind the last. */
const struct catalog_table *catalog_at(const struct catalog *c, size_t i);

/* How many of them are not in force. */
size_t catalog_old_tables(const struct catalog *c);

static inline uint64_t catalog_bit(uint32_t connection_id)
{
	return (uint64_t)1 << connection_id;
}

#endif
