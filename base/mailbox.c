#include "base/mailbox.h"

#include "base/check.h"

static void lock(struct mailbox *m)
{
	CHECK(pthread_mutex_lock(&m->lock) == 0);
}

static void unlock(struct mailbox *m)
{
	CHECK(pthread_mutex_unlock(&m->lock) == 0);
}

void mailbox_init(struct mailbox *m, size_t bytes_max, void (*wake)(void *),
		  void *wake_ctx)
{
	*m = (struct mailbox){
		.bytes_max = bytes_max,
		.wake = wake,
		.wake_ctx = wake_ctx,
	};
	m->tail = &m->head;
	CHECK(pthread_mutex_init(&m->lock, NULL) == 0);
}

static bool fits(const struct mailbox *m, const struct note *n)
{
	return m->bytes <= m->bytes_max &&
	       n->size_bytes <= m->bytes_max - m->bytes;
}

static bool post(struct mailbox *m, struct note *n, bool is_bounded)
{
	lock(m);
	if (m->is_closed || (is_bounded && !fits(m, n))) {
		unlock(m);
		return false;
	}
	bool was_empty = m->head == NULL;
	n->next = NULL;
	*m->tail = n;
	m->tail = &n->next;
	m->bytes += n->size_bytes;
	/* Under the lock, against the habit: so no wake runs any more once
	 * mailbox_close has returned, and its ctx may die. */
	if (was_empty && m->wake)
		m->wake(m->wake_ctx);
	unlock(m);
	return true;
}

bool mailbox_post(struct mailbox *m, struct note *n)
{
	return post(m, n, true);
}

bool mailbox_post_always(struct mailbox *m, struct note *n)
{
	return post(m, n, false);
}

struct note *mailbox_take(struct mailbox *m)
{
	lock(m);
	struct note *notes = m->head;
	m->head = NULL;
	m->tail = &m->head;
	m->bytes = 0;
	unlock(m);
	return notes;
}

void mailbox_close(struct mailbox *m)
{
	lock(m);
	m->is_closed = true;
	unlock(m);
}

void mailbox_destroy(struct mailbox *m)
{
	/* A poster may still be inside its unlock: let it out first. */
	lock(m);
	CHECK(m->is_closed);
	CHECK(m->head == NULL);
	unlock(m);
	CHECK(pthread_mutex_destroy(&m->lock) == 0);
}
