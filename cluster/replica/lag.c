#include "cluster/replica/internal.h"

/* How many bytes the state machine is behind, without a size per entry: marks
 * of (index, bytes so far), one a commit. */

void lag_add(struct replica *r, raft_index to, uint64_t bytes)
{
	struct lag *l = &r->lag;

	l->total += bytes;
	if (l->n == LAG_MARKS) {
		/* Coarser at the newest end: counted as applied a bit later. */
		l->marks[(l->head + l->n - 1) % LAG_MARKS] =
			(struct lag_mark){to, l->total};
		return;
	}
	l->marks[(l->head + l->n++) % LAG_MARKS] =
		(struct lag_mark){to, l->total};
}

void lag_applied(struct replica *r, raft_index index)
{
	struct lag *l = &r->lag;

	while (l->n > 0 && l->marks[l->head].index <= index) {
		l->applied = l->marks[l->head].bytes;
		l->head = (l->head + 1) % LAG_MARKS;
		l->n--;
	}
}
