/* The change log: what it keeps, in which order, and what its readers see. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/histogram.h"
#include "base/thread.h"
#include "fixture.h"

static void check_bounds(struct fixture *f, uint64_t first, uint64_t last,
			 uint64_t base_index, uint64_t base_term)
{
	struct log_bounds b;
	log_bounds(f->log, &b);
	assert_int_equal(b.first_index, first);
	assert_int_equal(b.last_index, last);
	assert_int_equal(b.base_index, base_index);
	assert_int_equal(b.base_term, base_term);
	assert_int_equal(b.bytes_max, f->quota_bytes);
}

static void reopen(struct fixture *f)
{
	fixture_close_log(f);
	fixture_open_log(f);
}

static void test_a_new_log_is_empty(void **state)
{
	struct fixture *f = *state;
	fixture_open_log(f);
	check_bounds(f, 1, 0, 0, 0);
	assert_int_equal(fixture_read_code(f, 0), ERR_NOTFOUND);
	assert_int_equal(fixture_read_code(f, 1), ERR_NOTFOUND);
	assert_false(log_is_full(f->log));
	reopen(f);
	check_bounds(f, 1, 0, 0, 0);
}

static void test_entries_of_every_size_survive_a_restart(void **state)
{
	struct fixture *f = *state;
	static const size_t sizes[] = {0,    1,    128,   1998,    1999,   4048,
				       4049, 4096, 65536, 1 << 20, 4 << 20};
	enum { N = sizeof(sizes) / sizeof(sizes[0]) };
	fixture_open_log(f);
	for (size_t i = 0; i < N; i++)
		fixture_append(f, i + 1, i + 1, 1, sizes[i]);
	reopen(f);
	check_bounds(f, 1, N, 0, 0);
	struct log_reader r;
	assert_int_equal(log_read_begin(f->log, &r, NULL), 0);
	for (size_t i = N; i-- > 0;) {
		struct log_entry out;
		assert_int_equal(log_read(&r, i + 1, &out, NULL), 0);
		assert_int_equal(out.len, sizes[i]);
		entry_check(&out, i + 1, 1);
		assert_true(out.time_us > 0);
	}
	log_read_end(&r);
}

static void test_type_and_stamp_are_the_callers(void **state)
{
	struct fixture *f = *state;
	struct log_entry e[2] = {
		{.index = 1, .term = 1, .type = LOG_BARRIER},
		{.index = 2, .term = 1, .type = LOG_CHANGE, .time_us = 42}};
	struct log_entry out;
	struct log_reader r;
	fixture_open_log(f);
	log_append(f->log, e, 2, ++f->ticket);
	fixture_wait(f, f->ticket);
	assert_int_equal(log_read_begin(f->log, &r, NULL), 0);
	assert_int_equal(log_read(&r, 1, &out, NULL), 0);
	assert_int_equal(out.type, LOG_BARRIER);
	assert_int_equal(log_read(&r, 2, &out, NULL), 0);
	assert_int_equal(out.type, LOG_CHANGE);
	assert_int_equal(out.time_us, 42);
	log_read_end(&r);
}

/* Many requests share few commits, and each is told, in order. */
static void test_what_waits_shares_a_commit(void **state)
{
	struct fixture *f = *state;
	enum { N = 500 };
	struct histogram h;
	struct err e = {0};
	histogram_clear(&h);
	struct log_config cfg = {.path = f->log_path,
				 .bytes_max = f->quota_bytes,
				 .owner = &f->owner,
				 .clock = clock_system(),
				 .commit_us = &h};
	assert_int_equal(log_open(&f->log, &cfg, &e), 0);
	struct log_entry entries[N];
	for (uint64_t i = 0; i < N; i++)
		entries[i] = entry_make(i + 1, 1, 100);
	for (uint64_t i = 0; i < N; i++)
		log_append(f->log, &entries[i], 1, ++f->ticket);
	fixture_wait(f, f->ticket);
	assert_int_equal(f->n_done, N);
	for (uint64_t i = 0; i < N; i++)
		entry_free(&entries[i]);
	fixture_check_log(f, 1, N, 1);
	fixture_close_log(f);
	assert_in_range(h.n, 1, N / 2);
}

static void test_a_request_over_the_commit_limit_is_done_alone(void **state)
{
	struct fixture *f = *state;
	fixture_open_log(f);
	fixture_append(f, 1, 10, 1, 1 << 20);
	fixture_append(f, 11, 10 + 2 * LOG_COMMIT_RECORDS, 1, 16);
	fixture_check_log(f, 1, 10 + 2 * LOG_COMMIT_RECORDS, 1);
}

static void test_truncate_removes_the_end(void **state)
{
	struct fixture *f = *state;
	fixture_open_log(f);
	fixture_append(f, 1, 100, 1, 3000);
	log_truncate(f->log, 60, ++f->ticket);
	fixture_wait(f, f->ticket);
	check_bounds(f, 1, 59, 0, 0);
	assert_int_equal(fixture_read_code(f, 60), ERR_NOTFOUND);
	fixture_append(f, 60, 70, 2, 200);
	reopen(f);
	check_bounds(f, 1, 70, 0, 0);
	fixture_check_log(f, 1, 59, 1);
	fixture_check_log(f, 60, 70, 2);
	log_truncate(f->log, 1, ++f->ticket);
	fixture_wait(f, f->ticket);
	check_bounds(f, 1, 0, 0, 0);
	log_truncate(f->log, 1, ++f->ticket);
	fixture_append(f, 1, 5, 3, 10);
	reopen(f);
	fixture_check_log(f, 1, 5, 3);
}

/* One queue: a truncate never overtakes an append, nor the other way. */
static void test_requests_are_done_in_order(void **state)
{
	struct fixture *f = *state;
	enum { ROUNDS = 50, PER = 20 };
	struct log_entry entries[ROUNDS][PER];
	fixture_open_log(f);
	for (uint64_t round = 0; round < ROUNDS; round++) {
		uint64_t first = round * PER / 2 + 1;
		for (uint64_t i = 0; i < PER; i++)
			entries[round][i] =
				entry_make(first + i, round + 1, 64 + round);
		if (round)
			log_truncate(f->log, first, ++f->ticket);
		log_append(f->log, entries[round], PER, ++f->ticket);
	}
	fixture_wait(f, f->ticket);
	assert_int_equal(f->n_done, 2 * ROUNDS - 1);
	for (uint64_t round = 0; round < ROUNDS; round++) {
		uint64_t first = round * PER / 2 + 1;
		uint64_t n = round == ROUNDS - 1 ? PER : PER / 2;
		fixture_check_log(f, first, first + n - 1, round + 1);
		for (uint64_t i = 0; i < PER; i++)
			entry_free(&entries[round][i]);
	}
	check_bounds(f, 1, (ROUNDS - 1) * PER / 2 + PER, 0, 0);
}

static void test_reset_begins_behind_an_image(void **state)
{
	struct fixture *f = *state;
	fixture_open_log(f);
	fixture_append(f, 1, 50, 1, 5000);
	log_reset(f->log, 1000, 7, ++f->ticket);
	struct log_entry e = entry_make(1001, 8, 30);
	log_append(f->log, &e, 1, ++f->ticket);
	fixture_wait(f, f->ticket);
	entry_free(&e);
	check_bounds(f, 1001, 1001, 1000, 7);
	assert_int_equal(fixture_read_code(f, 50), ERR_NOTFOUND);
	reopen(f);
	check_bounds(f, 1001, 1001, 1000, 7);
	fixture_check_log(f, 1001, 1001, 8);
	log_reset(f->log, 5000, 9, ++f->ticket);
	fixture_wait(f, f->ticket);
	reopen(f);
	check_bounds(f, 5001, 5000, 5000, 9);
}

static void test_forget_works_while_nothing_comes_in(void **state)
{
	struct fixture *f = *state;
	fixture_open_log(f);
	fixture_append(f, 1, 20000, 1, 20);
	log_forget(f->log, 15000);
	fixture_wait_first(f, 15001);
	check_bounds(f, 15001, 20000, 0, 0);
	assert_int_equal(fixture_read_code(f, 15000), ERR_NOTFOUND);
	fixture_check_log(f, 15001, 20000, 1);
	reopen(f);
	check_bounds(f, 15001, 20000, 0, 0);
	fixture_check_log(f, 15001, 20000, 1);
}

static void test_forget_never_takes_the_newest(void **state)
{
	struct fixture *f = *state;
	fixture_open_log(f);
	log_forget(f->log, 10);
	fixture_append(f, 1, 5, 1, 20);
	fixture_wait_first(f, 5);
	fixture_append(f, 6, 20, 2, 20);
	fixture_wait_first(f, 11);
	check_bounds(f, 11, 20, 0, 0);
	/* What was asked for before a reset has no say after it. */
	log_forget(f->log, 100);
	log_reset(f->log, 50, 3, ++f->ticket);
	fixture_wait(f, f->ticket);
	fixture_append(f, 51, 60, 3, 20);
	fixture_append(f, 61, 61, 3, 20);
	check_bounds(f, 51, 61, 50, 3);
}

static void test_forgotten_pages_are_used_again(void **state)
{
	struct fixture *f = *state;
	fixture_open_log(f);
	uint64_t last = 0;
	size_t used_max = 0;
	for (int round = 0; round < 60; round++) {
		fixture_append(f, last + 1, last + 100, 1, 20000);
		last += 100;
		if (last > 300)
			log_forget(f->log, last - 300);
		struct log_bounds b;
		log_bounds(f->log, &b);
		if (b.bytes_used > used_max)
			used_max = b.bytes_used;
	}
	/* 6000 records of 5 pages went through a quota of 64 MiB. */
	assert_in_range(used_max, 300 * 20000, 800 * 20480);
	assert_false(log_is_full(f->log));
	fixture_check_log(f, last - 290, last, 1);
}

static void test_the_quota_shows_before_it_hurts(void **state)
{
	struct fixture *f = *state;
	f->quota_bytes = (size_t)8 << 20;
	fixture_open_log(f);
	uint64_t last = 0;
	while (!log_is_full(f->log)) {
		fixture_append(f, last + 1, last + 10, 1, 20000);
		last += 10;
		assert_in_range(last, 1, 400);
	}
	struct log_bounds b;
	log_bounds(f->log, &b);
	assert_in_range(b.bytes_used, b.bytes_max / 100 * 90, b.bytes_max);
	/* What is under way still fits: 32 MiB were accepted before. */
	for (int i = 0; i < 8; i++) {
		fixture_append(f, last + 1, last + 4, 1, 1 << 20);
		last += 4;
	}
	assert_true(log_is_full(f->log));
	reopen(f);
	assert_true(log_is_full(f->log));
	log_forget(f->log, last - 2);
	fixture_wait_first(f, last - 1);
	assert_false(log_is_full(f->log));
}

static void test_a_reader_sees_one_moment(void **state)
{
	struct fixture *f = *state;
	struct log_reader r;
	struct log_entry out;
	fixture_open_log(f);
	fixture_append(f, 1, 100, 1, 3000);
	assert_int_equal(log_read_begin(f->log, &r, NULL), 0);
	log_truncate(f->log, 50, ++f->ticket);
	fixture_append(f, 50, 120, 2, 3000);
	log_forget(f->log, 40);
	fixture_wait_first(f, 41);
	for (uint64_t i = 1; i <= 100; i++) {
		assert_int_equal(log_read(&r, i, &out, NULL), 0);
		entry_check(&out, i, 1);
	}
	assert_int_equal(log_read(&r, 101, &out, NULL), ERR_NOTFOUND);
	log_read_end(&r);
	fixture_check_log(f, 41, 49, 1);
	fixture_check_log(f, 50, 120, 2);
}

struct walker {
	struct fixture *f;
	atomic_bool is_over;
	atomic_uint n_walks;
	atomic_bool is_bad;
};

/* One that was held up between the bounds and its view may find that entries
 * were forgotten meanwhile; then the bounds say so by now. */
static bool is_forgotten(struct walker *w, uint64_t index)
{
	struct log_bounds b;
	int64_t start_us = test_now_us();
	do { /* they are shown a moment after the commit */
		log_bounds(w->f->log, &b);
	} while (index >= b.first_index && test_now_us() - start_us < 1000000);
	return index < b.first_index;
}

/* Reads the last 100 entries of whatever the bounds say, again and again. */
static void *walk(void *ctx)
{
	struct walker *w = ctx;
	while (!w->is_over) {
		struct log_bounds b;
		struct log_reader r;
		log_bounds(w->f->log, &b);
		if (log_read_begin(w->f->log, &r, NULL)) {
			w->is_bad = true;
			return NULL;
		}
		uint64_t from = b.last_index > 100 ? b.last_index - 99 : 1;
		for (uint64_t i = from; i <= b.last_index; i++) {
			struct log_entry out;
			int rc = log_read(&r, i, &out, NULL);
			if (rc ? rc != ERR_NOTFOUND || !is_forgotten(w, i)
			       : out.index != i)
				w->is_bad = true;
		}
		log_read_end(&r);
		w->n_walks++;
	}
	return NULL;
}

static void test_readers_and_the_writer_do_not_meet(void **state)
{
	struct fixture *f = *state;
	struct walker w = {.f = f};
	struct thread threads[3] = {0};
	fixture_open_log(f);
	for (int i = 0; i < 3; i++)
		assert_int_equal(
			thread_start(&threads[i], "walker", walk, &w, NULL), 0);
	uint64_t last = 0;
	int64_t start_us = test_now_us();
	while ((last < 20000 || w.n_walks < 50) && !is_overdue(start_us)) {
		fixture_append(f, last + 1, last + 200, 1, 100);
		last += 200;
		if (last > 5000)
			log_forget(f->log, last - 5000);
	}
	w.is_over = true;
	for (int i = 0; i < 3; i++)
		thread_join(&threads[i]);
	assert_false(w.is_bad);
	assert_true(w.n_walks >= 50);
}

static void test_closing_finishes_the_queue(void **state)
{
	struct fixture *f = *state;
	enum { N = 300 };
	struct log_entry entries[N];
	fixture_open_log(f);
	for (uint64_t i = 0; i < N; i++) {
		entries[i] = entry_make(i + 1, 1, 2000);
		log_append(f->log, &entries[i], 1, ++f->ticket);
	}
	fixture_close_log(f);
	fixture_drain(f);
	assert_int_equal(f->n_done, N);
	for (uint64_t i = 0; i < N; i++)
		entry_free(&entries[i]);
	fixture_open_log(f);
	fixture_check_log(f, 1, N, 1);
}

#define T(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_new_log_is_empty),
		T(test_entries_of_every_size_survive_a_restart),
		T(test_type_and_stamp_are_the_callers),
		T(test_what_waits_shares_a_commit),
		T(test_a_request_over_the_commit_limit_is_done_alone),
		T(test_truncate_removes_the_end),
		T(test_requests_are_done_in_order),
		T(test_reset_begins_behind_an_image),
		T(test_forget_works_while_nothing_comes_in),
		T(test_forget_never_takes_the_newest),
		T(test_forgotten_pages_are_used_again),
		T(test_the_quota_shows_before_it_hurts),
		T(test_a_reader_sees_one_moment),
		T(test_readers_and_the_writer_do_not_meet),
		T(test_closing_finishes_the_queue),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
