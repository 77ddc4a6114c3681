/* Control: what is declared, who works on it, and what the ledger is asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/core/command.h"
#include "cluster/core/revision.h"
#include "entries.h"

enum { BERLIN = 1, PARIS = 2, STOCK = 1, ITEMS = 1 };
enum { NODE_1 = 11, NODE_2 = 22 };
#define APPLY_PARIS (STOCK * 64 + PARIS)
#define APPLY_BERLIN (STOCK * 64 + BERLIN)

struct world {
	struct machine *m;
	struct declare a;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	machine_setup((void **)&w->m);
	declare_init(&w->a);
	declare_connection(&w->a, BERLIN, "berlin");
	declare_connection(&w->a, PARIS, "paris");
	declare_table(&w->a, declare_sync(&w->a, STOCK, "stock", 6, true),
		      ITEMS, "items");
	entry_member(w->m, NODE_1, "n1");
	entry_member(w->m, NODE_2, "n2");
	entry_revision(w->m, 0, &w->a);
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

	entry_revision(w->m, 0, &w->a);
	check_refused(w, 1, ERR_CHANGED);
	w->a.d.syncs[0]->tables[0]->sides[0]->connection_id = 7;
	entry_revision(w->m, 1, &w->a);
	check_refused(w, 2, ERR_INVALID);
	assert_int_equal(catalog_revision(w->m->control.catalog), 1);
	w->a.d.syncs[0]->tables[0]->sides[0]->connection_id = BERLIN;
	entry_revision(w->m, 1, &w->a);
	assert_int_equal(control_refusal(&w->m->control)->code, 0);
	assert_int_equal(catalog_revision(w->m->control.catalog), 2);
}

static void test_an_assignment_is_told_with_its_phases(void **state)
{
	struct world *w = *state;
	struct control_event e;

	entry_assign(w->m, BERLIN, NODE_1, 0);
	uint64_t epoch = last_index(w);
	assert_int_equal(w->m->changed,
			 CONTROL_CHANGED_TASKS | CONTROL_CHANGED_EVENTS);
	entry_assign(w->m, BERLIN, NODE_2, epoch);
	e = last_event(w);
	assert_string_equal(e.type, "task_assigned");
	assert_string_equal(e.node, "n2");
	assert_string_equal(e.text,
			    "berlin/capture from n1: node_lost, epoch 5");
	assert_int_equal(e.detect_us, 6);
	assert_int_equal(e.elect_us, 7);
	assert_int_equal(task_of(w, BERLIN)->node_id, NODE_2);
	entry_assign(w->m, BERLIN, NODE_1, epoch);
	check_refused(w, 1, ERR_CHANGED);
	/* A node that is no member has no name, and is told all the same. */
	entry_assign(w->m, PARIS, 0xabc, 0);
	assert_string_equal(last_event(w).node, "0000000000000abc");
}

static void test_the_first_change_of_an_owner_is_told(void **state)
{
	struct world *w = *state;

	entry_assign(w->m, BERLIN, NODE_1, 0);
	uint64_t epoch = last_index(w);
	entry_report(w->m, BERLIN, epoch, 0);
	assert_int_equal(w->m->changed, CONTROL_CHANGED_PROGRESS);
	entry_report(w->m, BERLIN, epoch, 1234);
	assert_string_equal(last_event(w).type, "task_working");
	assert_string_equal(last_event(w).node, "n1");
	assert_non_null(strstr(last_event(w).text, "1234 us"));
	/* The whole way of a fail-over in one event. */
	assert_int_equal(last_event(w).detect_us, 6);
	assert_int_equal(last_event(w).elect_us, 7);
	assert_int_equal(last_event(w).assign_us, 10000 - 5 - 1234);
	assert_int_equal(last_event(w).first_change_us, 1234);
	/* Once is enough. */
	entry_report(w->m, BERLIN, epoch, 99);
	assert_string_equal(last_event(w).type, "");
	assert_int_equal(task_of(w, BERLIN)->first_change_us, 1234);
	entry_report(w->m, BERLIN, epoch + 1, 1234);
	check_refused(w, 1, ERR_FENCED);
}

static void test_a_drain_is_told_once(void **state)
{
	struct world *w = *state;

	entry_drain(w->m, NODE_1, true);
	assert_string_equal(last_event(w).type, "node_drained");
	assert_string_equal(last_event(w).node, "n1");
	entry_drain(w->m, NODE_1, true);
	assert_string_equal(last_event(w).type, "");
	entry_drain(w->m, NODE_1, false);
	assert_string_equal(last_event(w).type, "node_undrained");
	entry_drain(w->m, 0, true);
	check_refused(w, 1, ERR_LIMIT);
}

static void test_reach_is_told_when_it_changes(void **state)
{
	struct world *w = *state;

	entry_reach(w->m, NODE_1, PARIS, false);
	assert_string_equal(last_event(w).type, "connection_unreachable");
	assert_string_equal(last_event(w).text, "paris");
	entry_reach(w->m, NODE_1, PARIS, false);
	assert_string_equal(last_event(w).type, "");
	assert_int_equal(w->m->changed, CONTROL_CHANGED_TASKS);
	entry_reach(w->m, NODE_1, PARIS, true);
	assert_string_equal(last_event(w).type, "connection_reachable");
	entry_reach(w->m, NODE_1, 9, false);
	check_refused(w, 1, ERR_NOTFOUND);
}

/* With another path it may be in reach. */
static void test_a_connection_that_changed_is_tried_anew(void **state)
{
	struct world *w = *state;

	entry_reach(w->m, NODE_1, PARIS, false);
	entry_reach(w->m, NODE_1, BERLIN, false);
	w->a.d.connections[1]->type = command_text("postgresql");
	entry_revision(w->m, 1, &w->a);
	assert_true(tasks_is_reachable(&w->m->control.tasks, NODE_1, PARIS));
	assert_false(tasks_is_reachable(&w->m->control.tasks, NODE_1, BERLIN));
}

static void test_pauses_are_told_and_bound_to_what_is_declared(void **state)
{
	struct world *w = *state;

	entry_pause(w->m, STOCK, 0, true);
	assert_string_equal(last_event(w).type, "sync_paused");
	assert_string_equal(last_event(w).text, "stock: a column is gone");
	entry_pause(w->m, STOCK, 0, true);
	assert_string_equal(last_event(w).type, "");
	entry_pause(w->m, STOCK, ITEMS, true);
	assert_string_equal(last_event(w).text,
			    "stock, table items: a column is gone");
	entry_pause(w->m, STOCK, 0, false);
	assert_string_equal(last_event(w).type, "sync_resumed");
	assert_true(tasks_is_paused(&w->m->control.tasks, STOCK, ITEMS));
	entry_pause(w->m, 9, 0, true);
	check_refused(w, 1, ERR_NOTFOUND);
	entry_pause(w->m, STOCK, 9, true);
	check_refused(w, 2, ERR_NOTFOUND);
}

static void assign_apply_tasks(struct world *w, uint64_t epochs[2])
{
	entry_assign(w->m, APPLY_BERLIN, NODE_1, 0);
	epochs[0] = last_index(w);
	entry_assign(w->m, APPLY_PARIS, NODE_2, 0);
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
	entry_checkpoint(w->m, APPLY_PARIS, epochs[1], last_index(w) + 2);
	check_refused(w, 1, ERR_FENCED);
	entry_checkpoint(w->m, APPLY_PARIS, epochs[1], last_index(w) + 1);
	assert_int_equal(w->m->changed, CONTROL_CHANGED_PROGRESS);
	entry_checkpoint(w->m, APPLY_PARIS, epochs[0], 1);
	check_refused(w, 2, ERR_FENCED);
}

static void test_the_floor_follows_the_slowest(void **state)
{
	struct world *w = *state;
	uint64_t epochs[2];

	assign_apply_tasks(w, epochs);
	pass_entries(w, CONTROL_SLACK + 100);
	uint64_t at = last_index(w);
	entry_checkpoint(w->m, APPLY_PARIS, epochs[1], at);
	assert_int_equal(control_floor(&w->m->kv), 0);
	entry_checkpoint(w->m, APPLY_BERLIN, epochs[0], at - 10);
	assert_int_equal(control_floor(&w->m->kv), at - 10 - CONTROL_SLACK);
	/* It never goes back. */
	entry_checkpoint(w->m, APPLY_BERLIN, epochs[0], at - 20);
	assert_int_equal(control_floor(&w->m->kv), at - 10 - CONTROL_SLACK);
	machine_restart(w->m);
	entry_checkpoint(w->m, APPLY_BERLIN, epochs[0], at);
	assert_int_equal(control_floor(&w->m->kv), at - CONTROL_SLACK);
}

static void test_a_dropped_table_goes_when_all_are_beyond(void **state)
{
	struct world *w = *state;
	uint64_t epochs[2];

	assign_apply_tasks(w, epochs);
	w->a.d.syncs[0]->n_tables = 0;
	declare_table(&w->a, w->a.d.syncs[0], 2, "items");
	entry_revision(w->m, 1, &w->a);
	assert_non_null(catalog_table(w->m->control.catalog, ITEMS));
	pass_entries(w, CONTROL_SLACK + 10);
	uint64_t at = last_index(w);
	entry_checkpoint(w->m, APPLY_PARIS, epochs[1], at);
	assert_non_null(catalog_table(w->m->control.catalog, ITEMS));
	machine_restart(w->m);
	entry_checkpoint(w->m, APPLY_BERLIN, epochs[0], at);
	/* Nobody has to start anew for that. */
	assert_false(w->m->changed & CONTROL_CHANGED_DEFINITION);
	assert_null(catalog_table(w->m->control.catalog, ITEMS));
	assert_non_null(catalog_table(w->m->control.catalog, 2));
}

static void test_a_batch_moves_its_position(void **state)
{
	struct world *w = *state;
	struct bytes at;

	entry_assign(w->m, BERLIN, NODE_1, 0);
	uint64_t epoch = last_index(w);
	entry_batch(w->m, epoch, "", "1");
	assert_true(w->m->changed & CONTROL_CHANGED_LEDGER);
	at = ledger_position(&w->m->kv, BERLIN);
	assert_int_equal(at.len, 1);
	assert_memory_equal(at.data, "1", 1);
	assert_int_equal(control_outcome(&w->m->control).len, 0);
	/* Again, and by an owner of another time: refused, and the outcome
	 * says that nothing of it counts. */
	entry_batch(w->m, epoch, "", "1");
	check_refused(w, 1, ERR_CHANGED);
	assert_true(control_outcome(&w->m->control).len > 0);
	entry_batch(w->m, epoch - 1, "1", "2");
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
	STEP(entry_assign(w->m, BERLIN, NODE_1, 0));
	capture = last_index(w);
	STEP(assign_apply_tasks(w, epochs));
	STEP(entry_batch(w->m, capture, "", "1"));
	STEP(entry_pause(w->m, STOCK, ITEMS, true));
	STEP(entry_reach(w->m, NODE_1, PARIS, false));
	STEP(entry_drain(w->m, NODE_2, true));
	STEP(entry_report(w->m, BERLIN, capture, 7));
	STEP(entry_batch(w->m, capture, "1", "2"));
	declare_table(&w->a, w->a.d.syncs[0], 2, "orders");
	STEP(entry_revision(w->m, 1, &w->a));
	STEP(entry_checkpoint(w->m, APPLY_PARIS, epochs[1], last_index(w)));
	STEP(entry_batch(w->m, capture, "1", "2"));
#undef STEP
}

static void test_a_restart_anywhere_changes_nothing(void **state)
{
	struct world *a = *state, *b;

	setup((void **)&b);
	play(a, false);
	play(b, true);
	machine_check_equal(a->m, b->m);
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
