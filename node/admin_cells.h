/* Cells: a row of the log as people read it: one cell a field, with its name
 * and the value as value_print writes it. Everything lives in the arena. */
#ifndef NODE_ADMIN_CELLS_H
#define NODE_ADMIN_CELLS_H

#include "base/arena.h"
#include "cluster/core/catalog.h"
#include "proto/admin.pb-c.h"
#include "proto/change.h"

/* The cells of a change; table NULL (it is no longer known): by number. Returns
 * how many; 0 when it does not decode. */
size_t admin_cells(struct arena *arena, const struct catalog_table *table,
		   struct bytes change, Synod__Admin__Cell ***out);
/* "id=7 region='EU'" */
char *admin_key(struct arena *arena, const struct catalog_table *table,
		struct bytes key);
/* Which cells of two versions differ. */
void admin_cells_compare(Synod__Admin__Cell **a, size_t n_a,
			 Synod__Admin__Cell **b, size_t n_b);

#endif
