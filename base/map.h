/* Ordered map from byte strings to byte strings, in memcmp order.
 * Deterministic: the same operations give the same walk on every machine, which
 * a hash table would not. Copies keys and values. Owned by one thread. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

struct map;

struct map *map_new(void);
void map_free(struct map *m);
size_t map_count(const struct map *m);
void map_put(struct map *m, struct bytes key, struct bytes value);
/* The value stays until the key is put or deleted again. */
bool map_get(const struct map *m, struct bytes key, struct bytes *value);
bool map_delete(struct map *m, struct bytes key);
/* The smallest key >= from, or > from when after is true. False at the end. */
bool map_seek(const struct map *m, struct bytes from, bool after,
	      struct bytes *key, struct bytes *value);
/* Walk the whole map and stop the process when order, balance or count do not
 * hold. For tests and simulations. */
void map_check(const struct map *m);

#endif
