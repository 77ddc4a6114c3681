/* One node with a log and events in memory, behind a fake link. */
#ifndef TESTS_UNIT_NODE_CTL_LOG_NODE_H
#define TESTS_UNIT_NODE_CTL_LOG_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl_fixture.h"

enum { VALUES_MAX = 4096, ENTRIES_MAX = 2500 };

struct node {
	char *values[VALUES_MAX];
	size_t lens[VALUES_MAX];
	size_t n_values;
	size_t batches[64];
	size_t n_batches;
	int fate_of_last; /* of the last value of a batch */

	uint64_t first, last; /* of the log */
	Synod__Admin__LogEntry entries[ENTRIES_MAX];
	Synod__Admin__LogEntry *list[ENTRIES_MAX];
	Synod__Admin__Fate fates[LIMIT_APPEND_VALUES];
	Synod__Admin__Fate *fate_list[LIMIT_APPEND_VALUES];
	Synod__Admin__AppendResponse append;
	Synod__Admin__TailResponse tail;
	Synod__Admin__Event events[ENTRIES_MAX];
	Synod__Admin__Event *event_list[ENTRIES_MAX];
	Synod__Admin__EventsResponse events_answer;
	uint64_t n_events;
	unsigned n_waits; /* requests of a follower */
	unsigned stop_after_waits;
	bool is_binary;
};

/* Begins with an empty log; a request with a wait appends one entry and, after
 * stop_after_waits of them, sends this process SIGINT. */
struct node *node_start(struct fake *f);
void node_stop(struct fake *f, struct node *n);

#endif
