/* Version vector: for each connection the index of its latest change that a
 * version includes. What is not named is 0: nothing of it. Laws: join is
 * commutative, associative and idempotent, and is the smallest vector that is
 * not before either; compare is a partial order.
 *
 * Pure; any thread; plain data, copied by assignment. */
#ifndef CLUSTER_CORE_VVEC_H
#define CLUSTER_CORE_VVEC_H

#include "proto/value.h"

/* As many as there are connections. */
enum { VVEC_MAX = 63 };

enum vvec_order { VVEC_EQUAL, VVEC_BEFORE, VVEC_AFTER, VVEC_CONCURRENT };

struct vvec_item {
	uint32_t connection_id;
	uint64_t index; /* never 0 */
};

/* Only the first n items hold something. */
struct vvec {
	struct vvec_item items[VVEC_MAX]; /* by connection */
	size_t n;
};

uint64_t vvec_get(const struct vvec *v, uint32_t connection_id);
/* Raise one item to index; a smaller one, or 0, changes nothing. */
void vvec_raise(struct vvec *v, uint32_t connection_id, uint64_t index);
void vvec_join(struct vvec *v, const struct vvec *other);
enum vvec_order vvec_compare(const struct vvec *a, const struct vvec *b);
void vvec_copy(struct vvec *out, const struct vvec *v);

/* varint n, then n times varint connection, varint index. */
void vvec_write(struct value_buf *buf, const struct vvec *v);
/* False: it is none; out is not to be used. */
bool vvec_read(struct value_reader *r, struct vvec *out);

#endif
