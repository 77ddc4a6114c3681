/* "Did you mean": the word of a list that is nearest to a mistyped one. Pure.
 */
#ifndef NODE_CONFIG_NEAREST_H
#define NODE_CONFIG_NEAREST_H

#include <stddef.h>

/* Longer words are never compared: the cost is the product of the lengths. */
enum { NEAREST_WORD_MAX = 64 };

/* Edits (insert, delete, replace, swap of neighbours) between two words. */
size_t config_nearest_distance(const char *a, const char *b);

struct config_nearest {
	const char *typed;
	const char *best; /* NULL: nothing is near enough to be meant */
	size_t distance;
};

struct config_nearest config_nearest_init(const char *typed);
void config_nearest_try(struct config_nearest *n, const char *candidate);

#endif
