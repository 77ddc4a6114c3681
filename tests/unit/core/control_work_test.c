/* Control: what is declared, who works on it, and what the ledger is asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/core/command.h"
#include "cluster/core/revision.h"
#include "declare.h"
#include "machine.h"

enum { BERLIN = 1, PARIS = 2, STOCK = 1, ITEMS = 1 };
enum { NODE_1 = 11, NODE_2 = 22 };
#define APPLY_PARIS (STOCK * 64 + PARIS)
#define APPLY_BERLIN (STOCK * 64 + BERLIN)

struct world {
	struct machine *m;
	struct declare a;
};

static void give_member(struct machine *m, uint64_t id, const char *name)
{
	Synod__Command__Member member;
	Synod__Command__Command c;

	synod__command__member__init(&member);
	synod__command__command__init(&c);
	member.node_id = id;
	member.name = command_text(name);
	member.incarnation = id + 1000;
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_MEMBER;
	c.member = &member;
	machine_command(m, &c);
}

static void give_revision(struct world *w, uint32_t base)
{
	struct blob *packed = declare_pack(&w->a);
	Synod__Command__Revision r;
	Synod__Command__Command c;

	synod__command__revision__init(&r);
	synod__command__command__init(&c);
	r.base_revision = base;
	r.author = command_text("ann");
	r.message = command_text("because");
	r.time_us = 5;
	r.definition.data = packed->data;
	r.definition.len = packed->len;
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_REVISION;
	c.revision = &r;
	machine_command(w->m, &c);
	blob_unref(packed);
}

static void give_assign(struct world *w, uint32_t task, uint64_t node,
			uint64_t expected)
{
	Synod__Command__Assign a;
	Synod__Command__Command c;

	synod__command__assign__init(&a);
	synod__command__command__init(&c);
	a.task_id = task;
	a.node_id = node;
	a.expected_epoch = expected;
	a.reason = command_text("node_lost");
	a.time_us = 5;
	a.detect_us = 6;
	a.elect_us = 7;
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_ASSIGN;
	c.assign = &a;
	machine_command(w->m, &c);
}

static void give_checkpoint(struct world *w, uint32_t task, uint64_t epoch,
			    uint64_t upto)
{
	Synod__Command__Checkpoint p;
	Synod__Command__Command c;

	synod__command__checkpoint__init(&p);
	synod__command__command__init(&c);
	p.task_id = task;
	p.epoch = epoch;
	p.upto = upto;
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_CHECKPOINT;
	c.checkpoint = &p;
	machine_command(w->m, &c);
}

static void give_pause(struct world *w, uint32_t sync, uint32_t table,
		       bool is_paused)
{
	Synod__Command__Pause p;
	Synod__Command__Command c;

	synod__command__pause__init(&p);
	synod__command__command__init(&c);
	p.sync_id = sync;
	p.table_id = table;
	p.is_paused = is_paused;
	p.reason = command_text("a column is gone");
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_PAUSE;
	c.pause = &p;
	machine_command(w->m, &c);
}

static void give_drain(struct world *w, uint64_t node, bool is_drained)
{
	Synod__Command__Drain d;
	Synod__Command__Command c;

	synod__command__drain__init(&d);
	synod__command__command__init(&c);
	d.node_id = node;
	d.is_drained = is_drained;
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_DRAIN;
	c.drain = &d;
	machine_command(w->m, &c);
}

static void give_reach(struct world *w, uint64_t node, uint32_t connection,
		       bool is_reachable)
{
	Synod__Command__Reach r;
	Synod__Command__Command c;

	synod__command__reach__init(&r);
	synod__command__command__init(&c);
	r.node_id = node;
	r.connection_id = connection;
	r.is_reachable = is_reachable;
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_REACH;
	c.reach = &r;
	machine_command(w->m, &c);
}

static void give_report(struct world *w, uint32_t task, uint64_t epoch,
			uint64_t first_change_us)
{
	Synod__Command__TaskReport r;
	Synod__Command__Command c;

	synod__command__task_report__init(&r);
	synod__command__command__init(&c);
	r.task_id = task;
	r.epoch = epoch;
	r.state = SYNOD__COMMAND__TASK_REPORT__STATE__RUNNING;
	r.first_change_us = first_change_us;
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_TASK_REPORT;
	c.task_report = &r;
	machine_command(w->m, &c);
}

static void give_batch(struct world *w, uint64_t epoch, const char *from,
		       const char *to)
{
	Synod__Command__Batch b;
	Synod__Command__Command c;

	synod__command__batch__init(&b);
	synod__command__command__init(&c);
	b.task_id = BERLIN;
	b.epoch = epoch;
	b.from.data = (uint8_t *)command_text(from);
	b.from.len = strlen(from);
	b.to.data = (uint8_t *)command_text(to);
	b.to.len = strlen(to);
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_BATCH;
	c.batch = &b;
	machine_command(w->m, &c);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	machine_setup((void **)&w->m);
	declare_init(&w->a);
	declare_connection(&w->a, BERLIN, "berlin");
	declare_connection(&w->a, PARIS, "paris");
	declare_table(&w->a, declare_sync(&w->a, STOCK, "stock", 6, true),
		      ITEMS, "items");
	give_member(w->m, NODE_1, "n1");
	give_member(w->m, NODE_2, "n2");
	give_revision(w, 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	void *m = w->m;

	machine_teardown(&m);
	declare_free(&w->a);
	free(w);
	return 0;
}

static const struct task *task_of(const struct world *w, uint32_t id)
{
	return tasks_find(&w->m->control.tasks, id);
}

static uint64_t last_index(const struct world *w)
{
	return w->m->next_index - 1;
}

/* The event that the last entry left; all zeros: none. */
static struct control_event last_event(struct world *w)
{
	struct control_event e = {0};

	control_events(&w->m->kv, last_index(w) - 1, &e, 1);
	return e;
}

static uint64_t n_bad(const struct world *w)
{
	return w->m->control.summary.n_bad;
}

static void check_refused(struct world *w, uint64_t n, int code)
{
	assert_int_equal(n_bad(w), n);
	assert_int_equal(w->m->changed, 0);
	assert_int_equal(control_refusal(&w->m->control)->code, code);
	assert_true(control_refusal(&w->m->control)->text[0] != '\0');
	assert_string_equal(last_event(w).type, "");
}

static void test_a_revision_brings_catalog_and_tasks(void **state)
{
	struct world *w = *state;
	struct control_event e = last_event(w);

	assert_int_equal(w->m->changed, CONTROL_CHANGED_DEFINITION |
						CONTROL_CHANGED_TASKS |
						CONTROL_CHANGED_LEDGER |
						CONTROL_CHANGED_EVENTS);
	assert_int_equal(catalog_revision(w->m->control.catalog), 1);
	assert_int_equal(w->m->control.tasks.n, 4);
	assert_int_equal(task_of(w, APPLY_PARIS)->born_index, last_index(w));
	assert_string_equal(e.type, "revision_applied");
	assert_string_equal(e.text, "revision 1 by ann: +stock +berlin +paris; "
				    "because");
	assert_int_equal(n_bad(w), 0);
}

static void test_a_stale_or_bad_revision_is_refused(void **state)
{
	struct world *w = *state;

	give_revision(w, 0);
	check_refused(w, 1, ERR_CHANGED);
	w->a.d.syncs[0]->tables[0]->sides[0]->connection_id = 7;
	give_revision(w, 1);
	check_refused(w, 2, ERR_INVALID);
	assert_int_equal(catalog_revision(w->m->control.catalog), 1);
	w->a.d.syncs[0]->tables[0]->sides[0]->connection_id = BERLIN;
	give_revision(w, 1);
	assert_int_equal(control_refusal(&w->m->control)->code, 0);
	assert_int_equal(catalog_revision(w->m->control.catalog), 2);
}

static void test_an_assignment_is_told_with_its_phases(void **state)
{
	struct world *w = *state;
	struct control_event e;

	give_assign(w, BERLIN, NODE_1, 0);
	uint64_t epoch = last_index(w);
	assert_int_equal(w->m->changed,
			 CONTROL_CHANGED_TASKS | CONTROL_CHANGED_EVENTS);
	give_assign(w, BERLIN, NODE_2, epoch);
	e = last_event(w);
	assert_string_equal(e.type, "task_assigned");
	assert_string_equal(e.node, "n2");
	assert_string_equal(e.text,
			    "berlin/capture from n1: node_lost, epoch 5");
	assert_int_equal(e.detect_us, 6);
	assert_int_equal(e.elect_us, 7);
	assert_int_equal(task_of(w, BERLIN)->node_id, NODE_2);
	give_assign(w, BERLIN, NODE_1, epoch);
	check_refused(w, 1, ERR_CHANGED);
	/* A node that is no member has no name, and is told all the same. */
	give_assign(w, PARIS, 0xabc, 0);
	assert_string_equal(last_event(w).node, "0000000000000abc");
}

static void test_the_first_change_of_an_owner_is_told(void **state)
{
	struct world *w = *state;

	give_assign(w, BERLIN, NODE_1, 0);
	uint64_t epoch = last_index(w);
	give_report(w, BERLIN, epoch, 0);
	assert_int_equal(w->m->changed, CONTROL_CHANGED_PROGRESS);
	give_report(w, BERLIN, epoch, 1234);
	assert_string_equal(last_event(w).type, "task_working");
	assert_string_equal(last_event(w).node, "n1");
	assert_non_null(strstr(last_event(w).text, "1234 us"));
	give_report(w, BERLIN, epoch + 1, 1234);
	check_refused(w, 1, ERR_FENCED);
}

static void test_a_drain_is_told_once(void **state)
{
	struct world *w = *state;

	give_drain(w, NODE_1, true);
	assert_string_equal(last_event(w).type, "node_drained");
	assert_string_equal(last_event(w).node, "n1");
	give_drain(w, NODE_1, true);
	assert_string_equal(last_event(w).type, "");
	give_drain(w, NODE_1, false);
	assert_string_equal(last_event(w).type, "node_undrained");
	give_drain(w, 0, true);
	check_refused(w, 1, ERR_LIMIT);
}

static void test_reach_is_told_when_it_changes(void **state)
{
	struct world *w = *state;

	give_reach(w, NODE_1, PARIS, false);
	assert_string_equal(last_event(w).type, "connection_unreachable");
	assert_string_equal(last_event(w).text, "paris");
	give_reach(w, NODE_1, PARIS, false);
	assert_string_equal(last_event(w).type, "");
	assert_int_equal(w->m->changed, CONTROL_CHANGED_TASKS);
	give_reach(w, NODE_1, PARIS, true);
	assert_string_equal(last_event(w).type, "connection_reachable");
	give_reach(w, NODE_1, 9, false);
	check_refused(w, 1, ERR_NOTFOUND);
}

/* With another path it may be in reach. */
static void test_a_connection_that_changed_is_tried_anew(void **state)
{
	struct world *w = *state;

	give_reach(w, NODE_1, PARIS, false);
	give_reach(w, NODE_1, BERLIN, false);
	w->a.d.connections[1]->type = command_text("postgresql");
	give_revision(w, 1);
	assert_true(tasks_is_reachable(&w->m->control.tasks, NODE_1, PARIS));
	assert_false(tasks_is_reachable(&w->m->control.tasks, NODE_1, BERLIN));
}

static void test_pauses_are_told_and_bound_to_what_is_declared(void **state)
{
	struct world *w = *state;

	give_pause(w, STOCK, 0, true);
	assert_string_equal(last_event(w).type, "sync_paused");
	assert_string_equal(last_event(w).text, "stock: a column is gone");
	give_pause(w, STOCK, 0, true);
	assert_string_equal(last_event(w).type, "");
	give_pause(w, STOCK, ITEMS, true);
	assert_string_equal(last_event(w).text,
			    "stock, table items: a column is gone");
	give_pause(w, STOCK, 0, false);
	assert_string_equal(last_event(w).type, "sync_resumed");
	assert_true(tasks_is_paused(&w->m->control.tasks, STOCK, ITEMS));
	give_pause(w, 9, 0, true);
	check_refused(w, 1, ERR_NOTFOUND);
	give_pause(w, STOCK, 9, true);
	check_refused(w, 2, ERR_NOTFOUND);
}

static void assign_apply_tasks(struct world *w, uint64_t epochs[2])
{
	give_assign(w, APPLY_BERLIN, NODE_1, 0);
	epochs[0] = last_index(w);
	give_assign(w, APPLY_PARIS, NODE_2, 0);
	epochs[1] = last_index(w);
}

static void pass_entries(struct world *w, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		machine_give(w->m, CONTROL_BARRIER, (struct bytes){0});
}

static void test_a_checkpoint_cannot_be_ahead_of_the_log(void **state)
{
	struct world *w = *state;
	uint64_t epochs[2];

	assign_apply_tasks(w, epochs);
	give_checkpoint(w, APPLY_PARIS, epochs[1], last_index(w) + 2);
	check_refused(w, 1, ERR_FENCED);
	give_checkpoint(w, APPLY_PARIS, epochs[1], last_index(w) + 1);
	assert_int_equal(w->m->changed, CONTROL_CHANGED_PROGRESS);
	give_checkpoint(w, APPLY_PARIS, epochs[0], 1);
	check_refused(w, 2, ERR_FENCED);
}

static void test_the_floor_follows_the_slowest(void **state)
{
	struct world *w = *state;
	uint64_t epochs[2];

	assign_apply_tasks(w, epochs);
	pass_entries(w, CONTROL_SLACK + 100);
	uint64_t at = last_index(w);
	give_checkpoint(w, APPLY_PARIS, epochs[1], at);
	assert_int_equal(control_floor(&w->m->kv), 0);
	give_checkpoint(w, APPLY_BERLIN, epochs[0], at - 10);
	assert_int_equal(control_floor(&w->m->kv), at - 10 - CONTROL_SLACK);
	/* It never goes back. */
	give_checkpoint(w, APPLY_BERLIN, epochs[0], at - 20);
	assert_int_equal(control_floor(&w->m->kv), at - 10 - CONTROL_SLACK);
	machine_restart(w->m);
	give_checkpoint(w, APPLY_BERLIN, epochs[0], at);
	assert_int_equal(control_floor(&w->m->kv), at - CONTROL_SLACK);
}

static void test_a_dropped_table_goes_when_all_are_beyond(void **state)
{
	struct world *w = *state;
	uint64_t epochs[2];

	assign_apply_tasks(w, epochs);
	w->a.d.syncs[0]->n_tables = 0;
	declare_table(&w->a, w->a.d.syncs[0], 2, "items");
	give_revision(w, 1);
	assert_non_null(catalog_table(w->m->control.catalog, ITEMS));
	pass_entries(w, CONTROL_SLACK + 10);
	uint64_t at = last_index(w);
	give_checkpoint(w, APPLY_PARIS, epochs[1], at);
	assert_non_null(catalog_table(w->m->control.catalog, ITEMS));
	machine_restart(w->m);
	give_checkpoint(w, APPLY_BERLIN, epochs[0], at);
	assert_true(w->m->changed & CONTROL_CHANGED_DEFINITION);
	assert_null(catalog_table(w->m->control.catalog, ITEMS));
	assert_non_null(catalog_table(w->m->control.catalog, 2));
}

static void test_a_batch_moves_its_position(void **state)
{
	struct world *w = *state;
	struct bytes at;

	give_assign(w, BERLIN, NODE_1, 0);
	uint64_t epoch = last_index(w);
	give_batch(w, epoch, "", "1");
	assert_true(w->m->changed & CONTROL_CHANGED_LEDGER);
	at = ledger_position(&w->m->kv, BERLIN);
	assert_int_equal(at.len, 1);
	assert_memory_equal(at.data, "1", 1);
	assert_int_equal(control_outcome(&w->m->control).len, 0);
	/* Again, and by an owner of another time: refused, and the outcome
	 * says that nothing of it counts. */
	give_batch(w, epoch, "", "1");
	check_refused(w, 1, ERR_CHANGED);
	assert_true(control_outcome(&w->m->control).len > 0);
	give_batch(w, epoch - 1, "1", "2");
	check_refused(w, 2, ERR_CHANGED);
	machine_give(w->m, CONTROL_BARRIER, (struct bytes){0});
	assert_int_equal(control_outcome(&w->m->control).len, 0);
}

/* A machine that is read anew before each entry ends where one that never was
 * ends, key by key. */
static void play(struct world *w, bool restarts)
{
	uint64_t epochs[2], capture;

#define STEP(call)                             \
	do {                                   \
		call;                          \
		if (restarts)                  \
			machine_restart(w->m); \
	} while (0)
	STEP(give_assign(w, BERLIN, NODE_1, 0));
	capture = last_index(w);
	STEP(assign_apply_tasks(w, epochs));
	STEP(give_batch(w, capture, "", "1"));
	STEP(give_pause(w, STOCK, ITEMS, true));
	STEP(give_reach(w, NODE_1, PARIS, false));
	STEP(give_drain(w, NODE_2, true));
	STEP(give_report(w, BERLIN, capture, 7));
	STEP(give_batch(w, capture, "1", "2"));
	declare_table(&w->a, w->a.d.syncs[0], 2, "orders");
	STEP(give_revision(w, 1));
	STEP(give_checkpoint(w, APPLY_PARIS, epochs[1], last_index(w)));
	STEP(give_batch(w, capture, "1", "2"));
#undef STEP
}

static void test_a_restart_anywhere_changes_nothing(void **state)
{
	struct world *a = *state, *b;
	struct bytes key = {0}, ka, kb, va, vb;
	bool after = false;

	setup((void **)&b);
	play(a, false);
	play(b, true);
	assert_int_equal(map_count(a->m->map), map_count(b->m->map));
	while (map_seek(a->m->map, key, after, &ka, &va)) {
		assert_true(map_seek(b->m->map, key, after, &kb, &vb));
		assert_int_equal(bytes_compare(ka, kb), 0);
		assert_int_equal(bytes_compare(va, vb), 0);
		key = ka;
		after = true;
	}
	void *done = b;
	teardown(&done);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_revision_brings_catalog_and_tasks),
		TEST(test_a_stale_or_bad_revision_is_refused),
		TEST(test_an_assignment_is_told_with_its_phases),
		TEST(test_the_first_change_of_an_owner_is_told),
		TEST(test_a_drain_is_told_once),
		TEST(test_reach_is_told_when_it_changes),
		TEST(test_a_connection_that_changed_is_tried_anew),
		TEST(test_pauses_are_told_and_bound_to_what_is_declared),
		TEST(test_a_checkpoint_cannot_be_ahead_of_the_log),
		TEST(test_the_floor_follows_the_slowest),
		TEST(test_a_dropped_table_goes_when_all_are_beyond),
		TEST(test_a_batch_moves_its_position),
		TEST(test_a_restart_anywhere_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
