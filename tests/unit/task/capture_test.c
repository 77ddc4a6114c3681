/* Capture over a source that says what the test wants. */
#include "node/task/capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/core/command.h"
#include "declare.h"

struct rig {
	struct declare declare;
	struct catalog *catalog;
	struct connector_secrets secrets; /* carries the rig */
	struct task_spec spec;
	struct task_ports ports;
	struct capture *capture;
	/* the source */
	int poll_code, start_code;
	size_t n_opened, n_tables, n_started, n_confirmed;
	char started_at; /* 0: at no position */
	char next;       /* what the next poll finds; 0: nothing */
	/* the node */
	struct blob *proposed[64];
	uint64_t tickets[64];
	size_t n_proposed;
	uint64_t decided;
	char position;
	bool is_paused;
	int64_t now_us;
};

/* -- the source ------------------------------------------------------------ */
struct capture_handle {
	struct rig *rig;
};

static int fake_open(const struct capture_setup *s, struct capture_handle **out,
		     struct err *e)
{
	struct rig *r = s->target.secrets->ctx;

	r->n_opened++;
	r->n_tables = s->n_tables;
	*out = mem_zero(1, sizeof **out);
	(*out)->rig = r;
	return 0;
}

static int fake_start(struct capture_handle *h, struct bytes position,
		      struct err *e)
{
	h->rig->n_started++;
	h->rig->started_at = position.len ? (char)position.data[0] : 0;
	if (h->rig->start_code)
		return err_set(e, h->rig->start_code, "it is gone");
	return 0;
}

static int fake_poll(struct capture_handle *h, size_t bytes_max, int wait_ms,
		     struct change_writer *w, struct value_buf *position,
		     struct err *e)
{
	struct rig *r = h->rig;
	int code = r->poll_code;

	r->poll_code = 0;
	if (code)
		return err_set(e, code, "table stock is another one");
	if (r->next)
		value_buf_put(position, &r->next, 1);
	r->next = 0;
	return 0;
}

static int fake_confirm(struct capture_handle *h, struct bytes position,
			struct err *e)
{
	h->rig->n_confirmed++;
	return 0;
}

static void fake_close(struct capture_handle *h)
{
	free(h);
}

static const struct connector fake = {
	.type = "fake",
	.capture_open = fake_open,
	.capture_start = fake_start,
	.capture_poll = fake_poll,
	.capture_confirm = fake_confirm,
	.capture_close = fake_close,
};

/* -- the node -------------------------------------------------------------- */
static int fake_propose(void *ctx, struct blob *command, uint64_t ticket)
{
	struct rig *r = ctx;

	assert_true(r->n_proposed < 64);
	r->tickets[r->n_proposed] = ticket;
	r->proposed[r->n_proposed++] = blob_ref(command);
	return 0;
}

static uint64_t fake_decided(void *ctx)
{
	return ((struct rig *)ctx)->decided;
}

static uint64_t fake_position(void *ctx, uint32_t task_id,
			      struct value_buf *buf)
{
	struct rig *r = ctx;

	if (r->position)
		value_buf_put(buf, &r->position, 1);
	return r->decided;
}

static bool fake_is_paused(void *ctx, uint32_t sync_id, uint32_t table_id)
{
	return table_id && ((struct rig *)ctx)->is_paused;
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
	return ((struct rig *)ctx)->now_us;
}

static int setup(void **state)
{
	struct rig *r = mem_zero(1, sizeof *r);

	declare_init(&r->declare);
	declare_connection(&r->declare, 1, "paris");
	declare_connection(&r->declare, 2, "rome");
	declare_table(&r->declare,
		      declare_sync(&r->declare, 1, "pair", 6, true), 1,
		      "stock");
	r->catalog = catalog_of(&r->declare.d);
	r->secrets.ctx = r;
	r->spec = (struct task_spec){
		.id = 1,
		.epoch = 5,
		.catalog = r->catalog,
		.connector = &fake,
		.target = {.secrets = &r->secrets},
	};
	r->ports = (struct task_ports){
		.ctx = r,
		.propose = fake_propose,
		.decided = fake_decided,
		.position = fake_position,
		.is_paused = fake_is_paused,
		.may_load = fake_may_load,
		.report = fake_report,
		.count = fake_count,
		.now_us = fake_now,
		.wall_us = fake_now,
	};
	r->decided = 5;
	r->position = 'a';
	r->capture = capture_new(&r->spec, &r->ports);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	capture_free(r->capture);
	catalog_free(r->catalog);
	declare_free(&r->declare);
	for (size_t i = 0; i < r->n_proposed; i++)
		blob_unref(r->proposed[i]);
	free(r);
	return 0;
}

static void step(struct rig *r)
{
	r->now_us += 1000;
	capture_step(r->capture, 0);
}

static Synod__Command__Command *command_at(struct rig *r, size_t i)
{
	struct blob *b = blob_new(COMMAND_ID_BYTES + r->proposed[i]->len);
	Synod__Command__Command *c;
	struct bytes value;

	memset(b->data, 0, COMMAND_ID_BYTES);
	memcpy(b->data + COMMAND_ID_BYTES, r->proposed[i]->data,
	       r->proposed[i]->len);
	assert_int_equal(command_open(blob_bytes(b), &value, &c, NULL), 0);
	blob_unref(b);
	return c;
}

static void test_capture_confirms_only_what_the_ledger_took(void **state)
{
	struct rig *r = *state;

	r->next = 'b';
	for (int i = 0; i < 3; i++)
		step(r);
	assert_int_equal(r->started_at, 'a');
	assert_int_equal(r->n_proposed, 1);
	capture_fate(r->capture,
		     &(struct task_fate){.ticket = r->tickets[0], .index = 6});
	step(r);
	assert_int_equal(r->n_confirmed, 0); /* committed, not decided */
	r->decided = 6;
	r->position = 'b';
	step(r);
	assert_int_equal(r->n_confirmed, 1);
	assert_int_equal(r->n_started, 1);
}

static void test_capture_begins_anew_when_a_batch_is_refused(void **state)
{
	struct rig *r = *state;

	r->next = 'b';
	for (int i = 0; i < 3; i++)
		step(r);
	capture_fate(r->capture,
		     &(struct task_fate){.ticket = r->tickets[0], .index = 6});
	r->decided = 6;
	r->position = 'x'; /* somebody else's */
	for (int i = 0; i < 3; i++)
		step(r);
	assert_int_equal(r->n_confirmed, 0);
	assert_int_equal(r->n_started, 2);
	assert_int_equal(r->started_at, 'x');
}

static void test_capture_a_changed_table_is_paused_alone(void **state)
{
	struct rig *r = *state;

	step(r);
	r->poll_code = ERR_SCHEMA;
	for (int i = 0; i < 3; i++)
		step(r);
	assert_int_equal(r->n_proposed, 1);
	Synod__Command__Command *c = command_at(r, 0);
	assert_int_equal(c->pause->table_id, 1);
	assert_true(c->pause->is_paused);
	synod__command__command__free_unpacked(c, NULL);
	assert_int_equal(r->n_opened, 2);
	assert_int_equal(r->n_tables, 0);
	assert_int_equal(capture_state(r->capture), TASK_RUNNING);
}

/* Whether or not the node begins it anew. */
static void test_capture_takes_a_resumed_table_in_again(void **state)
{
	struct rig *r = *state;

	step(r);
	r->poll_code = ERR_SCHEMA;
	for (int i = 0; i < 3; i++)
		step(r);
	assert_int_equal(r->n_tables, 0);
	r->is_paused = true;
	step(r);
	r->now_us += 2 * 1000 * 1000;
	for (int i = 0; i < 3; i++)
		step(r);
	assert_int_equal(r->n_opened, 2);
	r->is_paused = false; /* a person resumes it */
	r->now_us += 2 * 1000 * 1000;
	for (int i = 0; i < 3; i++)
		step(r);
	assert_int_equal(r->n_opened, 3);
	assert_int_equal(r->n_tables, 1);
	assert_int_equal(capture_state(r->capture), TASK_RUNNING);
}

static void test_capture_a_gap_gives_the_position_up(void **state)
{
	struct rig *r = *state;

	r->start_code = ERR_GAP;
	step(r);
	assert_int_equal(capture_state(r->capture), TASK_BLOCKED);
	assert_int_equal(r->n_proposed, 1); /* the pause */
	r->is_paused = true;
	for (int i = 0; i < 3; i++)
		step(r);
	assert_int_equal(r->n_proposed, 2);
	Synod__Command__Command *c = command_at(r, 1);
	assert_int_equal(c->batch->from.len, 1);
	assert_int_equal(c->batch->to.len, 0);
	synod__command__command__free_unpacked(c, NULL);
	capture_fate(r->capture,
		     &(struct task_fate){.ticket = r->tickets[1], .index = 7});
	r->decided = 7;
	r->position = 0;
	r->start_code = 0;
	r->is_paused = false; /* a person resumes the table */
	r->now_us += 60 * 1000 * 1000;
	capture_free(r->capture); /* and the node begins the task again */
	r->capture = capture_new(&r->spec, &r->ports);
	step(r);
	assert_int_equal(r->n_tables, 1);
	assert_int_equal(r->started_at, 0);
	assert_int_equal(capture_state(r->capture), TASK_RUNNING);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_capture_confirms_only_what_the_ledger_took),
		TEST(test_capture_begins_anew_when_a_batch_is_refused),
		TEST(test_capture_a_changed_table_is_paused_alone),
		TEST(test_capture_takes_a_resumed_table_in_again),
		TEST(test_capture_a_gap_gives_the_position_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
