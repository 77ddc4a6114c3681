/* Mailbox: many threads leave notes, one owner takes them all at once.
 *
 * A note is a small struct embedded in what travels; the mailbox links it and
 * wakes the owner when it was empty. wake runs on the poster's thread, under
 * the lock, and must only set a flag or write to a descriptor; once
 * mailbox_close has returned it does not run any more. Byte-bounded: a post
 * beyond the limit is refused and the poster keeps the note. Order per poster
 * is kept. */
#ifndef BASE_MAILBOX_H
#define BASE_MAILBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct note {
	struct note *next;
	size_t size_bytes; /* what it counts against the limit */
	int kind;          /* the owner's own numbering */
};

struct mailbox {
	pthread_mutex_t lock;
	struct note *head, **tail;
	size_t bytes, bytes_max;
	bool is_closed;
	void (*wake)(void *ctx);
	void *wake_ctx;
};

void mailbox_init(struct mailbox *m, size_t bytes_max, void (*wake)(void *),
		  void *wake_ctx);
/* False: full or closed, the caller still holds the note. */
bool mailbox_post(struct mailbox *m, struct note *n);
/* As mailbox_post, but never refused for size: for completions, whose number
 * is bounded by what was submitted. False only when closed. */
bool mailbox_post_always(struct mailbox *m, struct note *n);
/* All notes in order, linked by next; NULL when empty. Owner only. */
struct note *mailbox_take(struct mailbox *m);
/* Later posts are refused. */
void mailbox_close(struct mailbox *m);
void mailbox_destroy(struct mailbox *m); /* must be empty and closed */

#endif
