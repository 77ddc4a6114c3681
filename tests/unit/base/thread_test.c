#include "base/thread.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "death.h"

struct report {
	sigset_t mask;
	bool is_owner;
	struct thread_owner *owner;
	pthread_barrier_t barrier;
};

static void *write_report(void *ctx)
{
	struct report *r = ctx;

	pthread_sigmask(SIG_SETMASK, NULL, &r->mask);
	if (r->owner)
		r->is_owner = thread_is_owner(r->owner);
	return NULL;
}

static void test_thread_blocks_all_signals(void **state)
{
	struct report r = {0};
	struct thread t;
	sigset_t before, after;

	pthread_sigmask(SIG_SETMASK, NULL, &before);
	assert_int_equal(thread_start(&t, "signals", write_report, &r, NULL),
			 0);
	thread_join(&t);

	assert_true(sigismember(&r.mask, SIGTERM));
	assert_true(sigismember(&r.mask, SIGHUP));
	/* The caller's own mask is as it was. */
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	assert_int_equal(sigismember(&after, SIGTERM),
			 sigismember(&before, SIGTERM));
	assert_false(sigismember(&after, SIGTERM));
}

static void *wait_twice(void *ctx)
{
	struct report *r = ctx;

	pthread_barrier_wait(&r->barrier);
	pthread_barrier_wait(&r->barrier);
	return NULL;
}

static void test_thread_has_its_name(void **state)
{
	struct report r = {0};
	struct thread t;
	char name[16];

	pthread_barrier_init(&r.barrier, NULL, 2);
	assert_int_equal(
		thread_start(&t, "fifteen letters", wait_twice, &r, NULL), 0);
	pthread_barrier_wait(&r.barrier);
	assert_true(t.is_running);
	pthread_getname_np(t.id, name, sizeof name);
	pthread_barrier_wait(&r.barrier);
	thread_join(&t);

	assert_string_equal(name, "fifteen letters");
	assert_false(t.is_running);
	thread_join(&t); /* a second time there is nothing to do */
	pthread_barrier_destroy(&r.barrier);
}

static void test_thread_join_of_one_never_started(void **state)
{
	struct thread t = {0};

	thread_join(&t);
	assert_false(t.is_running);
}

static void start_long_name(void *ctx)
{
	struct thread t;

	thread_start(&t, "sixteen letters!", write_report, ctx, NULL);
}

static void test_thread_name_too_long_is_a_bug(void **state)
{
	struct report r = {0};

	death_expect(start_long_name, &r, "does not hold");
}

static void test_thread_owner_knows_its_thread(void **state)
{
	struct thread_owner owner = {0};
	struct report r = {.owner = &owner};
	struct thread t;

	assert_true(thread_is_owner(&owner)); /* unbound: everybody may */
	thread_own(&owner);
	ON_THREAD(&owner);
	assert_int_equal(thread_start(&t, "stranger", write_report, &r, NULL),
			 0);
	thread_join(&t);

	assert_false(r.is_owner);
}

static void *enter_foreign(void *ctx)
{
	ON_THREAD((struct thread_owner *)ctx);
	return NULL;
}

static void call_from_stranger(void *ctx)
{
	struct thread t;

	thread_own(ctx);
	thread_start(&t, "stranger", enter_foreign, ctx, NULL);
	thread_join(&t);
}

static void test_thread_stranger_stops_the_process(void **state)
{
	struct thread_owner owner = {0};

	death_expect(call_from_stranger, &owner, "thread_is_owner(");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_thread_blocks_all_signals),
		cmocka_unit_test(test_thread_has_its_name),
		cmocka_unit_test(test_thread_join_of_one_never_started),
		cmocka_unit_test(test_thread_name_too_long_is_a_bug),
		cmocka_unit_test(test_thread_owner_knows_its_thread),
		cmocka_unit_test(test_thread_stranger_stops_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
