/* View: who shall run what, as of one decided entry: tasks and catalog, counted
 * and immutable. The state thread makes one when they change; the loop, the
 * planner and the tasks' threads read it without a lock for as long as they
 * hold a reference.
 *
 * Several views share a catalog that did not change between them. */
#ifndef NODE_VIEW_H
#define NODE_VIEW_H

#include <stdatomic.h>

#include "cluster/core/catalog.h"
#include "cluster/core/tasks.h"

/* A catalog and the entries during which it was in force. */
struct view_catalog {
	atomic_uint refs;
	struct catalog *catalog;
	uint64_t since;         /* index of the entry that brought it */
	_Atomic uint64_t until; /* of the one that replaced it; 0: in force */
};

struct view {
	atomic_uint refs;
	uint64_t index; /* of the entry that it was made behind */
	struct view_catalog *shared;
	const struct catalog *catalog; /* that of shared */
	struct tasks tasks;
};

/* Takes the catalog. */
struct view_catalog *view_catalog_new(struct catalog *c, uint64_t since);
struct view_catalog *view_catalog_ref(struct view_catalog *c);
void view_catalog_unref(struct view_catalog *c); /* NULL is allowed */

/* Copies the tasks, takes a reference to the catalog. */
struct view *view_new(uint64_t index, struct view_catalog *c,
		      const struct tasks *tasks);
struct view *view_ref(struct view *v);
void view_unref(struct view *v); /* NULL is allowed */

/* May the rows of this table be loaded? Not while an apply task of its sync has
 * still to deliver what an earlier form of the table left in the log: what is
 * under way under the old table's id would be overtaken unseen. */
bool view_may_load(const struct view *v, uint32_t table_id);

#endif
