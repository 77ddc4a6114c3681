/* Definitions for the tests of the core, piece by piece. All of it lives in an
 * arena. */
#ifndef TESTS_UNIT_CORE_DECLARE_H
#define TESTS_UNIT_CORE_DECLARE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "cluster/core/catalog.h"

struct declare {
	struct arena arena;
	Synod__Definition__Definition d;
};

void declare_init(struct declare *a);
void declare_free(struct declare *a);

Synod__Definition__Connection *
declare_connection(struct declare *a, uint32_t id, const char *name);
/* Of the connections in the mask, ascending. Two-way: all are sources and
 * targets; else the first is the source. next_sync_id follows. */
Synod__Definition__Sync *declare_sync(struct declare *a, uint32_t id,
				      const char *name, uint64_t mask,
				      bool is_two_way);
/* Fields id (key) and name; a side for each connection of the sync.
 * next_table_id follows. */
Synod__Definition__Table *declare_table(struct declare *a,
					Synod__Definition__Sync *sync,
					uint32_t id, const char *name);
/* Packed; a blob of its own. */
struct blob *declare_pack(const struct declare *a);

#endif
