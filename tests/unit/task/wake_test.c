/* A stop: another thread makes a step return that blocks in the connector. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/thread.h"
#include "declare.h"
#include "node/task/apply.h"
#include "node/task/capture.h"

enum { DEADLINE_S = 5 };

/* The system: a call blocks until it is interrupted. */
struct rig {
	struct declare declare;
	struct catalog *catalog;
	struct connector_secrets secrets; /* carries the rig */
	struct task_spec spec;
	struct task_ports ports;
	struct capture *capture;
	struct apply *apply;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_blocked, is_interrupted, was_late;
	atomic_bool is_stopping;
	atomic_uint n_interrupted;
};
struct capture_handle {
	struct rig *rig;
};
struct apply_handle {
	struct rig *rig;
};

static struct timespec deadline(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += DEADLINE_S;
	return t;
}

/* Until *fact; false: it did not become so. The lock is held. */
static bool await(struct rig *r, const bool *fact)
{
	struct timespec until = deadline();

	while (!*fact)
		if (pthread_cond_timedwait(&r->changed, &r->lock, &until) ==
		    ETIMEDOUT)
			return *fact;
	return true;
}

static int block(struct rig *r, struct err *e)
{
	pthread_mutex_lock(&r->lock);
	r->is_blocked = true;
	pthread_cond_broadcast(&r->changed);
	if (!await(r, &r->is_interrupted))
		r->was_late = true;
	r->is_blocked = r->is_interrupted = false;
	pthread_mutex_unlock(&r->lock);
	return err_set(e, ERR_CLOSED, "interrupted");
}

static void interrupt(struct rig *r)
{
	pthread_mutex_lock(&r->lock);
	r->is_interrupted = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	atomic_fetch_add(&r->n_interrupted, 1);
}

static int fake_capture_open(const struct capture_setup *s,
			     struct capture_handle **out, struct err *e)
{
	*out = mem_zero(1, sizeof **out);
	(*out)->rig = s->target.secrets->ctx;
	return 0;
}

static int fake_capture_start(struct capture_handle *h, struct bytes position,
			      struct err *e)
{
	return 0;
}

static int fake_capture_poll(struct capture_handle *h, size_t bytes_max,
			     int wait_ms, struct change_writer *w,
			     struct value_buf *position, struct err *e)
{
	return block(h->rig, e);
}

static void fake_capture_interrupt(struct capture_handle *h)
{
	interrupt(h->rig);
}

static void fake_capture_close(struct capture_handle *h)
{
	free(h);
}

static int fake_apply_open(const struct apply_setup *s,
			   struct apply_handle **out, uint64_t *applied,
			   struct err *e)
{
	*out = mem_zero(1, sizeof **out);
	(*out)->rig = s->target.secrets->ctx;
	*applied = 0;
	return 0;
}

static int fake_apply_write(struct apply_handle *h, const struct apply_group *g,
			    struct apply_rejects *rejects, struct err *e)
{
	return block(h->rig, e);
}

static void fake_apply_interrupt(struct apply_handle *h)
{
	interrupt(h->rig);
}

static void fake_apply_close(struct apply_handle *h)
{
	free(h);
}

static const struct connector fake = {
	.type = "fake",
	.capture_open = fake_capture_open,
	.capture_start = fake_capture_start,
	.capture_poll = fake_capture_poll,
	.capture_interrupt = fake_capture_interrupt,
	.capture_close = fake_capture_close,
	.apply_open = fake_apply_open,
	.apply_write = fake_apply_write,
	.apply_interrupt = fake_apply_interrupt,
	.apply_close = fake_apply_close,
};

/* -- the node -------------------------------------------------------------- */
static uint64_t fake_decided(void *ctx)
{
	return 9;
}

static int fake_next_entry(void *ctx, uint64_t after, struct task_entry *out,
			   uint64_t *upto, struct err *e)
{
	struct change_writer w;
	struct value values[2] = {
		{.state = VALUE_SET, .type = VALUE_INT64, .i64 = 1},
		{.state = VALUE_NULL, .type = VALUE_TEXT},
	};
	static struct value_buf row, key;

	*upto = 9;
	if (after >= 7)
		return 0;
	key.len = row.len = 0;
	change_key(&key, values, 1);
	change_writer_init(&w);
	change_begin(&w, TXN_LOCAL, 1);
	change_add(&w, &(struct change_row){.op = CHANGE_PUT,
					    .table_id = 1,
					    .key = {key.data, key.len},
					    .values = values,
					    .n_values = 2});
	change_end(&w);
	value_buf_put(&row, w.buf.data, w.buf.len);
	change_writer_free(&w);
	*out = (struct task_entry){.index = 7,
				   .is_batch = true,
				   .source_id = 1,
				   .changes = {row.data, row.len}};
	return 1;
}

static uint64_t fake_position(void *ctx, uint32_t task_id,
			      struct value_buf *buf)
{
	value_buf_put(buf, "p", 1);
	return 9;
}

static bool fake_no(void *ctx, uint32_t a, uint32_t b)
{
	return false;
}

static bool fake_is_parked(void *ctx, uint32_t connection_id, uint32_t table_id,
			   struct bytes key)
{
	return false;
}

static bool fake_may_load(void *ctx, uint32_t table_id)
{
	return true;
}

static void fake_report(void *ctx, enum task_state state, const struct err *e,
			const char *hint)
{
}

static void fake_count(void *ctx, const struct task_count *c)
{
}

static int64_t fake_now(void *ctx)
{
	return 1;
}

static int setup(void **state)
{
	struct rig *r = mem_zero(1, sizeof *r);

	declare_init(&r->declare);
	declare_connection(&r->declare, 1, "paris");
	declare_connection(&r->declare, 2, "rome");
	declare_table(&r->declare,
		      declare_sync(&r->declare, 1, "one", 6, false), 1, "t");
	r->catalog = catalog_of(&r->declare.d);
	r->secrets.ctx = r;
	r->spec = (struct task_spec){.epoch = 5,
				     .catalog = r->catalog,
				     .connector = &fake,
				     .target = {.secrets = &r->secrets}};
	r->ports = (struct task_ports){
		.ctx = r,
		.decided = fake_decided,
		.next_entry = fake_next_entry,
		.position = fake_position,
		.is_parked = fake_is_parked,
		.is_paused = fake_no,
		.may_load = fake_may_load,
		.report = fake_report,
		.count = fake_count,
		.now_us = fake_now,
		.wall_us = fake_now,
	};
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	capture_free(r->capture);
	apply_free(r->apply);
	catalog_free(r->catalog);
	declare_free(&r->declare);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r);
	return 0;
}

/* -- two threads ----------------------------------------------------------- */
static void wake(struct rig *r)
{
	if (r->capture)
		capture_wake(r->capture);
	else
		apply_wake(r->apply);
}

/* Opens and closes its handle all the time. */
static void *work(void *ctx)
{
	struct rig *r = ctx;

	while (!atomic_load(&r->is_stopping)) {
		if (r->capture)
			capture_step(r->capture, 200);
		else
			apply_step(r->apply, 0);
	}
	return NULL;
}

static void stop_while_it_blocks(struct rig *r)
{
	struct thread thread = {0};

	assert_int_equal(thread_start(&thread, "task", work, r, NULL), 0);
	for (int i = 0; i < 50; i++) {
		pthread_mutex_lock(&r->lock);
		bool is_there = await(r, &r->is_blocked);
		pthread_mutex_unlock(&r->lock);
		assert_true(is_there);
		wake(r);
		wake(r); /* perhaps between close and open */
	}
	atomic_store(&r->is_stopping, true);
	/* As the node does: again until the thread has ended. */
	pthread_mutex_lock(&r->lock);
	r->is_interrupted = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	thread_join(&thread);
	assert_false(r->was_late);
	assert_true(atomic_load(&r->n_interrupted) >= 50);
}

static void test_wake_ends_a_poll(void **state)
{
	struct rig *r = *state;

	r->spec.id = task_capture_id(1);
	r->capture = capture_new(&r->spec, &r->ports);
	stop_while_it_blocks(r);
}

static void test_wake_ends_a_write(void **state)
{
	struct rig *r = *state;

	r->spec.id = task_apply_id(1, 2);
	r->apply = apply_new(&r->spec, &r->ports);
	stop_while_it_blocks(r);
}

static void test_wake_of_a_task_that_has_nothing_open(void **state)
{
	struct rig *r = *state;

	r->spec.id = task_apply_id(1, 2);
	r->apply = apply_new(&r->spec, &r->ports);
	wake(r);
	assert_int_equal(atomic_load(&r->n_interrupted), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_wake_ends_a_poll),
		TEST(test_wake_ends_a_write),
		TEST(test_wake_of_a_task_that_has_nothing_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
