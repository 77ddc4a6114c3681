/* Bounded ring between threads: counted blobs, limited in items and in bytes.
 * This is back-pressure: a full ring blocks (until a deadline) or refuses.
 * Many pushers, many takers. */
#ifndef BASE_RING_H
#define BASE_RING_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct ring;

struct ring *ring_new(size_t items_max, size_t bytes_max);
/* Takes b on success. 0, ERR_TIMEOUT after wait_us (0: at once), ERR_CLOSED,
 * or ERR_LIMIT when b alone is larger than the ring. */
int ring_push(struct ring *r, struct blob *b, int64_t wait_us);
/* Gives the oldest blob. 0, ERR_TIMEOUT, or ERR_CLOSED when closed and empty.
 */
int ring_pop(struct ring *r, struct blob **out, int64_t wait_us);
size_t ring_bytes(struct ring *r);
size_t ring_items(struct ring *r);
void ring_close(
	struct ring *r); /* wakes everybody; what is inside can be popped */
void ring_free(struct ring *r); /* nobody may wait in it any more */

#endif
