/* Decimal numbers as canonical text (VALUE_DECIMAL): -?digits(.digits)? without
 * leading zeros and without a negative zero, the scale kept; or NaN, Infinity,
 * -Infinity. Pure; any thread. */
#ifndef PROTO_DECIMAL_H
#define PROTO_DECIMAL_H

#include <stdbool.h>

#include "base/bytes.h"

bool decimal_is_canonical(struct bytes text);
/* By size, both canonical: 1.0 and 1.00 compare as 0; NaN is above Infinity. */
int decimal_compare(struct bytes a, struct bytes b);

#endif
