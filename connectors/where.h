/* Where: does a row belong to a side (Side.where)? All comparisons have to
 * hold. A NULL makes a comparison false, as in SQL, except IS_NULL and
 * NOT_NULL. Texts are compared by their bytes, numbers by size, NaN is the
 * largest number and equal to itself.
 *
 * Pure; any thread. */
#ifndef CONNECTORS_WHERE_H
#define CONNECTORS_WHERE_H

#include "proto/definition.pb-c.h"
#include "proto/value.h"

enum where_verdict {
	WHERE_FALSE = 0,
	WHERE_TRUE = 1,
	/* It depends on a value that is absent or unchanged. */
	WHERE_UNKNOWN = 2,
};

/* values: n of them, in the order of the table's fields. A where_verdict, or
 * ERR_INVALID: a comparison names no field, is none, or has another type than
 * the value. */
int where_holds(const Synod__Definition__Side *side, const struct value *values,
		uint32_t n);

#endif
