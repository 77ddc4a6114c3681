#include "node/config_nearest.h"

#include <stdbool.h>
#include <string.h>

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Optimal string alignment: three rows of the matrix are enough. */
size_t config_nearest_distance(const char *a, const char *b)
{
	size_t rows[3][NEAREST_WORD_MAX + 1];
	size_t n = strlen(a);
	size_t m = strlen(b);
	if (n > NEAREST_WORD_MAX || m > NEAREST_WORD_MAX)
		return n > m ? n : m;
	for (size_t j = 0; j <= m; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t *row = rows[i % 3];
		const size_t *above = rows[(i - 1) % 3];
		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
			row[j] = least(above[j - 1] + cost,
				       least(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				row[j] = least(row[j],
					       rows[(i - 2) % 3][j - 2] + 1);
		}
	}
	return rows[n % 3][m];
}

struct config_nearest config_nearest_init(const char *typed)
{
	return (struct config_nearest){.typed = typed, .distance = 3};
}

void config_nearest_try(struct config_nearest *n, const char *candidate)
{
	size_t distance = config_nearest_distance(n->typed, candidate);
	/* One edit in three letters is a guess, not a typing mistake. */
	if (distance < n->distance && distance * 3 <= strlen(candidate)) {
		n->distance = distance;
		n->best = candidate;
	}
}
