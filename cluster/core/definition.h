/* Definition: is a definition one that the cluster can work by? Asked twice,
 * with the same answer: by the node that plans it, so that an operator reads
 * the reason, and by every node when it is committed, so that what is in force
 * never has to be doubted.
 *
 * Pure; any thread; holds no state. */
#ifndef CLUSTER_CORE_DEFINITION_H
#define CLUSTER_CORE_DEFINITION_H

#include "base/err.h"
#include "cluster/core/catalog.h"

/* May d follow the definition of that catalog (which may be empty)? 0, or
 * ERR_INVALID or ERR_LIMIT and the reason.
 *
 * Ids are in range and unique. That of a connection in force stays its own as
 * long as it is there: positions are kept by it. A sync or table is either in
 * force already, or its id is new: at or above the old next_sync_id or
 * next_table_id and below the new one. A table in force stays in its sync and
 * has, byte for byte, the same fields and sides: what a table id means never
 * changes, because the log names it. Every side's connection exists and is one
 * of the sync's, every field has a column on every side, the key's fields come
 * first, policies name connections of their sync. */
int definition_check(const struct catalog *before,
		     const Synod__Definition__Definition *d, struct err *e);

/* What d changes, for the history: "+stock ~customers -old", syncs and then
 * connections. At most cap bytes with the NUL, "..." at the end when there is
 * more. Returns buf. */
char *definition_summary(const struct catalog *before,
			 const Synod__Definition__Definition *d, char *buf,
			 size_t cap);

/* Equal in every field, as they are packed. */
bool definition_same(const ProtobufCMessage *a, const ProtobufCMessage *b);

#endif
