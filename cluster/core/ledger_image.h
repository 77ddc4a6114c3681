/* Image: what a version says of its row: one encoded change, PUT (all of it),
 * PATCH (some of it) or DELETE. A READ is kept as a PUT.
 *
 * Pure; any thread. */
#ifndef CLUSTER_CORE_LEDGER_IMAGE_H
#define CLUSTER_CORE_LEDGER_IMAGE_H

#include "proto/change.h"

enum change_op image_op(struct bytes image);
bool image_is_delete(struct bytes image); /* TRUNCATE is one, too */
/* Nothing of the row is untold. */
bool image_is_whole(struct bytes image);
/* They leave the same row behind. */
bool image_is_same(struct bytes a, struct bytes b);
/* The change as a version keeps it, appended to buf; gives it back. */
struct bytes image_of(struct value_buf *buf, const struct change *c);
/* What `over` tells, and of the rest what `under` tells, written to buf. Both
 * of one row. Lent from buf, or over itself when there is nothing to add. */
struct bytes image_overlay(struct value_buf *buf, struct bytes under,
			   struct bytes over);

#endif
