/* Random values and changes, the odd ones often. Tests only. */
#ifndef TEST_DRAW_VALUE_H
#define TEST_DRAW_VALUE_H

#include "base/arena.h"
#include "base/rng.h"
#include "proto/change.h"

/* Set, of that type; texts live in arena. */
struct value draw_set(struct rng *r, struct arena *arena, enum value_type type);
/* Set or NULL; any type. */
struct value draw_told(struct rng *r, struct arena *arena);
/* In any state. */
struct value draw_any(struct rng *r, struct arena *arena);
/* Transactions of every kind; a part can only be the last. */
void draw_changes(struct rng *r, struct arena *arena, struct change_writer *w);

#endif
