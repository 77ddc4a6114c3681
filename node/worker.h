/* Worker: a helper thread for what would block the loop: reading the log for
 * followers and operators, making and storing images. Jobs run one after the
 * other and come back as notes in the owner's mailbox.
 *
 * The queue is bounded by who fills it: one fetch or image step a peer, one
 * read a request at the door (LIMIT_NODES, LIMIT_DOOR_REQUESTS). */
#ifndef NODE_WORKER_H
#define NODE_WORKER_H

#include <pthread.h>

#include "base/mailbox.h"
#include "base/thread.h"

enum { NOTE_JOB_DONE = 400 };

struct job {
	struct note note;              /* kind NOTE_JOB_DONE once it ran */
	void (*run)(struct job *job);  /* worker thread */
	void (*done)(struct job *job); /* owner's thread; frees it */
	/* Instead of done when the process stops. */
	void (*drop)(struct job *job);
};

struct worker {
	struct thread thread;
	struct mailbox *owner;
	pthread_mutex_t lock;
	pthread_cond_t filled;
	struct job *head, **tail;
	bool is_closing, is_open;
	/* Held while a job runs: whoever replaces the files that jobs read
	 * takes it. Taken before the other lock. */
	pthread_mutex_t busy;
};

int worker_open(struct worker *w, const char *name, struct mailbox *owner,
		struct err *e);
/* Takes the job. Owner's thread. */
void worker_give(struct worker *w, struct job *job);
/* No job runs until worker_resume. Waits for the one that does. */
void worker_pause(struct worker *w);
void worker_resume(struct worker *w);
/* Finishes the job that runs, drops the rest. */
void worker_close(struct worker *w);

#endif
