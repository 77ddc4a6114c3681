/* The state: entries are applied at once, their commit is gathered. */
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/endian.h"
#include "base/thread.h"
#include "fixture.h"

/* Counts what it is given, in the kv; notes when its hooks are called. */
struct probe {
	struct fixture *f;
	_Atomic uint64_t applied, committed; /* by the hooks */
	_Atomic unsigned n_commits, n_steps;
	uint64_t longest_step, longest_commit;
	uint64_t last, n; /* state thread */
	bool was_durable; /* when the hook said that it was applied */
	bool dies;
};

static const struct bytes count_key = {(const uint8_t *)"count", 5};

static uint64_t count_get(const struct kv *kv)
{
	struct bytes v;
	return kv->get(kv->ctx, count_key, &v) ? get_u64(v.data) : 0;
}

static void probe_apply(void *ctx, const struct kv *kv,
			const struct log_entry *entry)
{
	struct probe *p = ctx;
	uint8_t buf[8];
	p->last = entry->index;
	put_u64(buf, count_get(kv) + 1);
	kv->put(kv->ctx, count_key, (struct bytes){buf, 8});
}

static void probe_applied(void *ctx, uint64_t index)
{
	struct probe *p = ctx;
	struct state_point point;
	uint64_t before = atomic_load(&p->applied);
	assert_int_equal(index, p->last);
	if (p->dies)
		kill(getpid(), SIGKILL);
	state_point(p->f->state, &point);
	blob_unref(point.conf);
	p->was_durable |= point.index >= index;
	if (index - before > p->longest_step)
		p->longest_step = index - before;
	p->n_steps++;
	atomic_store(&p->applied, index);
}

static void probe_committed(void *ctx, uint64_t index)
{
	struct probe *p = ctx;
	uint64_t before = atomic_load(&p->committed);
	assert_int_equal(index, p->last);
	assert_int_equal(index, atomic_load(&p->applied));
	if (index - before > p->longest_commit)
		p->longest_commit = index - before;
	p->n_commits++;
	atomic_store(&p->committed, index);
}

static void probe_open(struct probe *p, struct fixture *f)
{
	p->f = f;
	f->machine = (struct state_machine){.ctx = p,
					    .apply = probe_apply,
					    .committed = probe_committed,
					    .applied = probe_applied};
	fixture_open_state(f);
}

static void wait_applied(struct probe *p, uint64_t index)
{
	int64_t start_us = test_now_us();
	while (atomic_load(&p->applied) < index) {
		if (is_overdue(start_us))
			fail_msg("not applied: %" PRIu64, index);
		sched_yield();
	}
}

static void read_count(const struct kv *kv, void *ctx)
{
	*(uint64_t *)ctx = count_get(kv);
}

static void check_count(struct fixture *f, uint64_t want)
{
	uint64_t n = 0;
	state_read(f->state, read_count, &n);
	assert_int_equal(n, want);
}

static void test_what_is_committed_is_applied_before_it_is_durable(void **state)
{
	struct fixture *f = *state;
	struct probe p = {0};
	probe_open(&p, f);
	fixture_append(f, 1, 10, 1, 50);
	state_commit(f->state, 10);
	wait_applied(&p, 10);
	fixture_wait_applied(f, 10);
	assert_false(p.was_durable);
	check_count(f, 10);
}

static void test_entries_share_a_commit_though_each_is_applied(void **state)
{
	enum { N = 300 };
	struct fixture *f = *state;
	struct probe p = {0};
	probe_open(&p, f);
	fixture_append(f, 1, N, 1, 50);
	int64_t start_us = test_now_us();
	for (uint64_t i = 1; i <= N; i++) {
		state_commit(f->state, i);
		wait_applied(&p, i);
	}
	fixture_wait_applied(f, N);
	int64_t took_us = test_now_us() - start_us;
	assert_int_equal(p.n_steps, N);
	assert_in_range(p.n_commits, 1, took_us / STATE_GATHER_US + 1);
	/* Nor did any of them wait for a commit, each of which it preceded. */
	assert_in_range(took_us, 0, N * STATE_GATHER_US / 3);
	check_count(f, N);
}

static void test_a_backlog_is_cut_into_steps_and_transactions(void **state)
{
	enum { N = 2 * STATE_COMMIT_RECORDS + 1000 };
	struct fixture *f = *state;
	struct probe p = {0};
	probe_open(&p, f);
	fixture_append(f, 1, N, 1, 10);
	state_commit(f->state, N);
	fixture_wait_applied(f, N);
	assert_in_range(p.longest_step, 1, STATE_STEP_RECORDS);
	assert_in_range(p.longest_commit, 1, STATE_COMMIT_RECORDS);
	assert_in_range(p.n_commits, 3, N);
	check_count(f, N);
}

static void test_large_entries_are_cut_by_their_bytes(void **state)
{
	enum { N = 40 };
	struct fixture *f = *state;
	struct probe p = {0};
	probe_open(&p, f);
	fixture_append(f, 1, N, 1, 1 << 20);
	state_commit(f->state, N);
	fixture_wait_applied(f, N);
	assert_int_equal(p.longest_step, 1);
	assert_in_range(p.longest_commit, 1, STATE_COMMIT_BYTES >> 20);
	check_count(f, N);
}

static void test_close_commits_what_is_applied(void **state)
{
	struct fixture *f = *state;
	struct probe p = {0};
	struct state_point point;
	probe_open(&p, f);
	fixture_append(f, 1, 10, 1, 50);
	state_commit(f->state, 10);
	wait_applied(&p, 10);
	fixture_close_state(f);
	assert_int_equal(p.committed, 10);
	fixture_open_state(f);
	state_point(f->state, &point);
	assert_int_equal(point.index, 10);
	check_count(f, 10);
}

/* Nothing is left of a transaction that was open, and all of it comes again. */
static void apply_and_die(void *ctx)
{
	struct probe p = {.dies = true};
	struct fixture *f = ctx;
	probe_open(&p, f);
	state_commit(f->state, 10);
	for (;;)
		sched_yield();
}

static void test_a_kill_between_applied_and_commit_repeats(void **state)
{
	struct fixture *f = *state;
	struct probe p = {0};
	struct state_point point;
	fixture_open_log(f);
	fixture_append(f, 1, 10, 1, 50);
	fixture_close_log(f);
	int status = fixture_child(apply_and_die, f, NULL, 0);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	probe_open(&p, f);
	state_point(f->state, &point);
	assert_int_equal(point.index, 0);
	state_commit(f->state, 10);
	fixture_wait_applied(f, 10);
	check_count(f, 10);
}

/* -- readers --------------------------------------------------------------- */
struct reader {
	struct thread thread;
	struct fixture *f;
	atomic_bool *is_done;
	uint64_t n_reads;
};

struct pair {
	uint64_t a, b;
};

/* Two rows that every entry writes: a reader sees both of one commit. */
static void pair_apply(void *ctx, const struct kv *kv,
		       const struct log_entry *entry)
{
	(void)ctx;
	uint8_t buf[8];
	put_u64(buf, entry->index);
	kv->put(kv->ctx, (struct bytes){(const uint8_t *)"a", 1},
		(struct bytes){buf, 8});
	kv->put(kv->ctx, (struct bytes){(const uint8_t *)"b", 1},
		(struct bytes){buf, 8});
}

static void pair_read(const struct kv *kv, void *ctx)
{
	struct pair *p = ctx;
	struct bytes v;
	if (kv->get(kv->ctx, (struct bytes){(const uint8_t *)"a", 1}, &v))
		p->a = get_u64(v.data);
	if (kv->get(kv->ctx, (struct bytes){(const uint8_t *)"b", 1}, &v))
		p->b = get_u64(v.data);
}

static void *reader_main(void *ctx)
{
	struct reader *r = ctx;
	uint64_t last = 0;
	while (!atomic_load(r->is_done)) {
		struct pair p = {0};
		state_read(r->f->state, pair_read, &p);
		CHECK(p.a == p.b);
		CHECK(p.a >= last);
		last = p.a;
		r->n_reads++;
	}
	return NULL;
}

enum { READERS = 4 };

static void readers_start(struct reader *r, struct fixture *f,
			  atomic_bool *is_done)
{
	for (int i = 0; i < READERS; i++) {
		r[i] = (struct reader){.f = f, .is_done = is_done};
		assert_int_equal(thread_start(&r[i].thread, "reader",
					      reader_main, &r[i], NULL),
				 0);
	}
}

static void readers_stop(struct reader *r, atomic_bool *is_done)
{
	atomic_store(is_done, true);
	for (int i = 0; i < READERS; i++) {
		thread_join(&r[i].thread);
		assert_true(r[i].n_reads > 0);
	}
}

static void test_threads_read_while_entries_are_applied(void **state)
{
	struct fixture *f = *state;
	struct reader readers[READERS];
	atomic_bool is_done = false;
	f->machine = (struct state_machine){.apply = pair_apply};
	fixture_open_state(f);
	fixture_append(f, 1, 500, 1, 50);
	readers_start(readers, f, &is_done);
	for (uint64_t i = 100; i <= 500; i += 100) {
		state_commit(f->state, i);
		fixture_wait_applied(f, i);
	}
	readers_stop(readers, &is_done);
}

static void test_an_install_waits_for_readers_and_they_for_it(void **state)
{
	struct fixture *f = *state, *source = NULL;
	struct reader readers[READERS];
	struct state_point p = {0};
	struct pair seen = {0};
	atomic_bool is_done = false;
	char path[FIXTURE_PATH_MAX + 32];
	struct err e = {0};
	snprintf(path, sizeof(path), "%s/image", f->dir);
	assert_int_equal(fixture_setup((void **)&source), 0);
	source->machine = (struct state_machine){.apply = pair_apply};
	fixture_open_state(source);
	fixture_append(source, 1, 300, 7, 50);
	state_commit(source->state, 300);
	fixture_wait_applied(source, 300);
	assert_int_equal(state_image_write(source->state, path, &p, &e), 0);
	void *done = source;
	fixture_teardown(&done);

	f->machine = (struct state_machine){.apply = pair_apply};
	fixture_open_state(f);
	fixture_append(f, 1, 40, 2, 50);
	state_commit(f->state, 40);
	fixture_wait_applied(f, 40);
	readers_start(readers, f, &is_done);
	if (state_image_install(f->state, path, 300, 7, &e))
		fail_msg("%s", e.text);
	state_read(f->state, pair_read, &seen);
	assert_int_equal(seen.a, 300);
	readers_stop(readers, &is_done);
}

/* An image shows what is durable, not what is only applied. */
struct copying {
	struct probe probe; /* first: it is the machine's ctx */
	char path[FIXTURE_PATH_MAX + 32];
	uint64_t at;
	bool has_copied;
};

static void copying_applied(void *ctx, uint64_t index)
{
	struct copying *c = ctx;
	struct state_point p = {0};
	if (c->at && index >= c->at && !c->has_copied) {
		assert_int_equal(
			state_image_write(c->probe.f->state, c->path, &p, NULL),
			0);
		c->has_copied = true;
		c->at = p.index;
		blob_unref(p.conf);
	}
	probe_applied(&c->probe, index);
}

static void test_an_image_is_of_the_last_commit(void **state)
{
	struct fixture *f = *state;
	struct copying c = {0};
	snprintf(c.path, sizeof(c.path), "%s/image", f->dir);
	probe_open(&c.probe, f);
	fixture_close_state(f);
	f->machine.applied = copying_applied;
	fixture_open_state(f);
	fixture_append(f, 1, 20, 1, 50);
	state_commit(f->state, 10);
	fixture_wait_applied(f, 10);
	c.at = 20;
	state_commit(f->state, 20);
	fixture_wait_applied(f, 20);
	assert_true(c.has_copied);
	assert_int_equal(c.at, 10);
}

#define T(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_what_is_committed_is_applied_before_it_is_durable),
		T(test_entries_share_a_commit_though_each_is_applied),
		T(test_a_backlog_is_cut_into_steps_and_transactions),
		T(test_large_entries_are_cut_by_their_bytes),
		T(test_close_commits_what_is_applied),
		T(test_a_kill_between_applied_and_commit_repeats),
		T(test_threads_read_while_entries_are_applied),
		T(test_an_install_waits_for_readers_and_they_for_it),
		T(test_an_image_is_of_the_last_commit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
