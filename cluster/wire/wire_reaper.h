/* The reaper: frees broken streams. A stream may not be freed from inside its
 * own events, and freeing waits for nng; so whoever loses one gives it to this
 * thread. One per wire and per door. */
#ifndef CLUSTER_WIRE_WIRE_REAPER_H
#define CLUSTER_WIRE_WIRE_REAPER_H

#include <pthread.h>

#include "base/thread.h"
#include "cluster/wire/wire_stream.h"

struct wire_dead {
	struct wire_dead *next;
	struct wire_stream *stream;
};

struct wire_reaper {
	struct thread thread;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	struct wire_dead *head;
	bool is_closing, has_lock;
};

int wire_reaper_start(struct wire_reaper *r, struct err *e);
/* Takes the stream. Any thread, any lock. NULL is allowed. */
void wire_reaper_give(struct wire_reaper *r, struct wire_stream *s);
/* Frees what is left and ends the thread: nobody may give any more. */
void wire_reaper_stop(struct wire_reaper *r);

#endif
