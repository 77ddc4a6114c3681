#include "base/ring.h"

#include <stdatomic.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/rng.h"
#include "base/thread.h"

enum { SHORT_US = 20000, LONG_US = 20000000 };

static struct blob *blob_of(size_t len)
{
	struct blob *b = blob_new(len);

	memset(b->data, 0, len);
	return b;
}

static void test_ring_gives_in_order(void **state)
{
	struct ring *r = ring_new(3, 1000);
	struct blob *out;

	/* More rounds than items: the index goes around. */
	for (uint8_t i = 0; i < 10; i++) {
		for (uint8_t j = 0; j < 3; j++)
			assert_int_equal(
				ring_push(r, blob_copy((uint8_t[]){i, j}, 2),
					  0),
				0);
		for (uint8_t j = 0; j < 3; j++) {
			assert_int_equal(ring_pop(r, &out, 0), 0);
			assert_memory_equal(out->data, ((uint8_t[]){i, j}), 2);
			blob_unref(out);
		}
	}
	assert_int_equal(ring_items(r), 0);
	assert_int_equal(ring_bytes(r), 0);
	ring_free(r);
}

static void test_ring_is_bounded_in_items_and_bytes(void **state)
{
	struct ring *r = ring_new(2, 100);
	struct blob *small = blob_of(1), *large = blob_of(101);

	assert_int_equal(ring_push(r, large, 0), ERR_LIMIT);
	assert_int_equal(ring_push(r, blob_of(100), 0), 0);
	assert_int_equal(ring_push(r, small, 0), ERR_TIMEOUT);
	assert_int_equal(ring_bytes(r), 100);
	ring_free(r);

	r = ring_new(2, 100);
	assert_int_equal(ring_push(r, blob_of(0), 0), 0);
	assert_int_equal(ring_push(r, blob_of(0), 0), 0);
	assert_int_equal(ring_push(r, small, 0), ERR_TIMEOUT);
	assert_int_equal(ring_items(r), 2);

	/* Refused blobs are still ours. */
	blob_unref(small);
	blob_unref(large);
	ring_free(r);
}

static void test_ring_waits_until_its_deadline(void **state)
{
	struct ring *r = ring_new(1, 10);
	struct clock clock = clock_system();
	struct blob *b = blob_of(1), *out;

	int64_t start = clock_mono_us(&clock);
	assert_int_equal(ring_pop(r, &out, SHORT_US), ERR_TIMEOUT);
	assert_true(clock_mono_us(&clock) - start >= SHORT_US);

	assert_int_equal(ring_push(r, blob_of(1), 0), 0);
	start = clock_mono_us(&clock);
	assert_int_equal(ring_push(r, b, SHORT_US), ERR_TIMEOUT);
	assert_true(clock_mono_us(&clock) - start >= SHORT_US);
	blob_unref(b);
	ring_free(r);
}

static void test_ring_closed_can_be_emptied(void **state)
{
	struct ring *r = ring_new(4, 100);
	struct blob *b = blob_of(1), *out;

	assert_int_equal(ring_push(r, blob_of(2), 0), 0);
	ring_close(r);

	assert_int_equal(ring_push(r, b, LONG_US), ERR_CLOSED);
	assert_int_equal(ring_pop(r, &out, 0), 0);
	blob_unref(out);
	assert_int_equal(ring_pop(r, &out, LONG_US), ERR_CLOSED);
	blob_unref(b);
	ring_free(r);
	ring_free(NULL);
}

struct waiter {
	struct ring *ring;
	int rc;
};

static void *wait_in_pop(void *ctx)
{
	struct waiter *w = ctx;
	struct blob *out = NULL;

	w->rc = ring_pop(w->ring, &out, LONG_US);
	blob_unref(out);
	return NULL;
}

static void *wait_in_push(void *ctx)
{
	struct waiter *w = ctx;
	struct blob *b = blob_of(1);

	w->rc = ring_push(w->ring, b, LONG_US);
	if (w->rc)
		blob_unref(b);
	return NULL;
}

/* A waiter that close did not wake would sit there for 20 seconds. */
static void test_ring_close_wakes_everybody(void **state)
{
	struct ring *empty = ring_new(1, 1), *full = ring_new(1, 1);
	struct waiter waiters[4] = {
		{empty, 1}, {empty, 1}, {full, 1}, {full, 1}};
	struct clock clock = clock_system();
	struct thread threads[4];

	assert_int_equal(ring_push(full, blob_of(1), 0), 0);
	int64_t start = clock_mono_us(&clock);
	for (int i = 0; i < 4; i++)
		assert_int_equal(
			thread_start(&threads[i], "wait",
				     i < 2 ? wait_in_pop : wait_in_push,
				     &waiters[i], NULL),
			0);
	ring_close(empty);
	ring_close(full);
	for (int i = 0; i < 4; i++) {
		thread_join(&threads[i]);
		assert_int_equal(waiters[i].rc, ERR_CLOSED);
	}

	assert_true(clock_mono_us(&clock) - start < LONG_US);
	ring_free(empty);
	ring_free(full);
}

/* Many pushers, many takers: each number arrives once, those of one pusher in
 * order, and the limits hold at every look. */
enum { N_PUSHERS = 3, N_TAKERS = 3, N_NUMBERS = 4000, STORM_BYTES = 400 };

struct storm {
	struct ring *ring;
	atomic_uint seen[N_PUSHERS][N_NUMBERS];
	atomic_uint n_disorders;
	atomic_uint next_pusher;
};

static void *push_numbers(void *ctx)
{
	struct storm *s = ctx;
	uint32_t me = atomic_fetch_add(&s->next_pusher, 1);
	struct rng r;

	rng_init(&r, me);
	for (uint32_t i = 0; i < N_NUMBERS; i++) {
		struct blob *b = blob_of(8 + (size_t)rng_below(&r, 100));
		put_u32(b->data, me);
		put_u32(b->data + 4, i);
		CHECK(ring_push(s->ring, b, LONG_US) == 0);
	}
	return NULL;
}

static void *take_numbers(void *ctx)
{
	struct storm *s = ctx;
	int64_t last[N_PUSHERS] = {-1, -1, -1};
	struct blob *b;

	while (ring_pop(s->ring, &b, LONG_US) == 0) {
		uint32_t from = get_u32(b->data), i = get_u32(b->data + 4);
		if ((int64_t)i <= last[from])
			atomic_fetch_add(&s->n_disorders, 1);
		last[from] = i;
		atomic_fetch_add(&s->seen[from][i], 1);
		CHECK(ring_bytes(s->ring) <= STORM_BYTES);
		CHECK(ring_items(s->ring) <= 5);
		blob_unref(b);
	}
	return NULL;
}

static void test_ring_loses_and_doubles_nothing(void **state)
{
	static struct storm s;
	struct thread pushers[N_PUSHERS], takers[N_TAKERS];

	s.ring = ring_new(5, STORM_BYTES);
	for (int i = 0; i < N_TAKERS; i++)
		assert_int_equal(thread_start(&takers[i], "take", take_numbers,
					      &s, NULL),
				 0);
	for (int i = 0; i < N_PUSHERS; i++)
		assert_int_equal(thread_start(&pushers[i], "push", push_numbers,
					      &s, NULL),
				 0);
	for (int i = 0; i < N_PUSHERS; i++)
		thread_join(&pushers[i]);
	ring_close(s.ring);
	for (int i = 0; i < N_TAKERS; i++)
		thread_join(&takers[i]);

	for (int i = 0; i < N_PUSHERS; i++)
		for (int j = 0; j < N_NUMBERS; j++)
			assert_int_equal(s.seen[i][j], 1);
	assert_int_equal(s.n_disorders, 0);
	ring_free(s.ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ring_gives_in_order),
		cmocka_unit_test(test_ring_is_bounded_in_items_and_bytes),
		cmocka_unit_test(test_ring_waits_until_its_deadline),
		cmocka_unit_test(test_ring_closed_can_be_emptied),
		cmocka_unit_test(test_ring_close_wakes_everybody),
		cmocka_unit_test(test_ring_loses_and_doubles_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
