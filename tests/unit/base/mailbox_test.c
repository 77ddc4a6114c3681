#include "base/mailbox.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/thread.h"
#include "death.h"

static void count_wake(void *ctx)
{
	(*(int *)ctx)++;
}

static void test_mailbox_gives_all_in_order(void **state)
{
	struct note notes[3] = {
		{.size_bytes = 1}, {.size_bytes = 2}, {.size_bytes = 3}};
	struct mailbox m;
	int n_wakes = 0;

	mailbox_init(&m, 100, count_wake, &n_wakes);
	for (int i = 0; i < 3; i++)
		assert_true(mailbox_post(&m, &notes[i]));

	assert_int_equal(n_wakes, 1); /* only the first found it empty */
	struct note *n = mailbox_take(&m);
	for (int i = 0; i < 3; i++, n = n->next)
		assert_ptr_equal(n, &notes[i]);
	assert_null(n);
	assert_null(mailbox_take(&m));
	assert_true(mailbox_post(&m, &notes[0]));
	assert_int_equal(n_wakes, 2);
	assert_ptr_equal(mailbox_take(&m), &notes[0]);
	mailbox_close(&m);
	mailbox_destroy(&m);
}

static void test_mailbox_is_bounded_in_bytes(void **state)
{
	struct note big = {.size_bytes = 60}, more = {.size_bytes = 41};
	struct note fits = {.size_bytes = 40}, huge = {.size_bytes = SIZE_MAX};
	struct mailbox m;

	mailbox_init(&m, 100, NULL, NULL);
	assert_true(mailbox_post(&m, &big));

	assert_false(mailbox_post(&m, &more));
	assert_false(mailbox_post(&m, &huge));
	assert_true(mailbox_post(&m, &fits));
	/* Completions are never refused, and others do not profit from it. */
	assert_true(mailbox_post_always(&m, &more));
	struct note *n = mailbox_take(&m);
	assert_ptr_equal(n, &big);
	assert_ptr_equal(n->next, &fits);
	assert_ptr_equal(n->next->next, &more);
	/* Taking makes room again. */
	assert_true(mailbox_post(&m, &big));
	mailbox_take(&m);
	mailbox_close(&m);
	mailbox_destroy(&m);
}

static void test_mailbox_closed_refuses(void **state)
{
	struct note before = {.size_bytes = 1}, after = {.size_bytes = 1};
	struct mailbox m;
	int n_wakes = 0;

	mailbox_init(&m, 100, count_wake, &n_wakes);
	assert_true(mailbox_post(&m, &before));
	mailbox_close(&m);

	assert_false(mailbox_post(&m, &after));
	assert_false(mailbox_post_always(&m, &after));
	assert_int_equal(n_wakes, 1);
	assert_ptr_equal(mailbox_take(&m), &before);
	mailbox_destroy(&m);
}

static void destroy_open(void *ctx)
{
	mailbox_destroy(ctx);
}

static void destroy_full(void *ctx)
{
	struct note n = {.size_bytes = 1};

	mailbox_post(ctx, &n);
	mailbox_close(ctx);
	mailbox_destroy(ctx);
}

static void test_mailbox_destroy_wants_it_closed_and_empty(void **state)
{
	struct mailbox m;

	mailbox_init(&m, 100, NULL, NULL);
	death_expect(destroy_open, &m, "is_closed does not hold");
	death_expect(destroy_full, &m, "does not hold");
	mailbox_close(&m);
	mailbox_destroy(&m);
}

enum { N_POSTERS = 4, N_NOTES = 5000 };

struct letter {
	struct note note;
	int from, number;
};

struct office {
	struct mailbox mailbox;
	sem_t bell;
	atomic_int next_poster;
};

static void ring_bell(void *ctx)
{
	sem_post(ctx);
}

static void *post_letters(void *ctx)
{
	struct office *o = ctx;
	int me = atomic_fetch_add(&o->next_poster, 1);

	for (int i = 0; i < N_NOTES; i++) {
		struct letter *l = mem_zero(1, sizeof *l);
		l->from = me;
		l->number = i;
		l->note.size_bytes = sizeof *l;
		/* Every other thread minds the limit and tries again. */
		if (me % 2 == 0)
			CHECK(mailbox_post_always(&o->mailbox, &l->note));
		else
			while (!mailbox_post(&o->mailbox, &l->note))
				sched_yield();
	}
	return NULL;
}

static int read_letters(struct note *n, int next[N_POSTERS])
{
	int n_read = 0;

	while (n) {
		struct letter *l = (struct letter *)(void *)n;
		n = n->next;
		assert_int_equal(l->number, next[l->from]);
		next[l->from]++;
		n_read++;
		free(l);
	}
	return n_read;
}

/* The owner sleeps until it is woken: a wake that is lost fails the test by
 * its deadline. */
static void test_mailbox_loses_neither_note_nor_wake(void **state)
{
	struct thread threads[N_POSTERS];
	int next[N_POSTERS] = {0};
	struct office o = {.next_poster = 0};
	struct timespec deadline;

	assert_int_equal(sem_init(&o.bell, 0, 0), 0);
	mailbox_init(&o.mailbox, 50 * sizeof(struct letter), ring_bell,
		     &o.bell);
	for (int i = 0; i < N_POSTERS; i++)
		assert_int_equal(thread_start(&threads[i], "post", post_letters,
					      &o, NULL),
				 0);
	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += 40;
	for (int left = N_POSTERS * N_NOTES; left > 0;) {
		assert_int_equal(sem_timedwait(&o.bell, &deadline), 0);
		left -= read_letters(mailbox_take(&o.mailbox), next);
	}
	for (int i = 0; i < N_POSTERS; i++)
		thread_join(&threads[i]);

	for (int i = 0; i < N_POSTERS; i++)
		assert_int_equal(next[i], N_NOTES);
	assert_null(mailbox_take(&o.mailbox));
	mailbox_close(&o.mailbox);
	mailbox_destroy(&o.mailbox);
	sem_destroy(&o.bell);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mailbox_gives_all_in_order),
		cmocka_unit_test(test_mailbox_is_bounded_in_bytes),
		cmocka_unit_test(test_mailbox_closed_refuses),
		cmocka_unit_test(
			test_mailbox_destroy_wants_it_closed_and_empty),
		cmocka_unit_test(test_mailbox_loses_neither_note_nor_wake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
