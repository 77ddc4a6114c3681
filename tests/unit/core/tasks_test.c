/* Tasks: who owns what, as the entries say, in memory and in the kv alike. */
#include "cluster/core/tasks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "cluster/core/command.h"
#include "declare.h"

enum { STOCK = 1, OUT = 2, BERLIN = 1, PARIS = 2, ROME = 3 };

struct world {
	struct map *map;
	struct kv kv;
	struct declare a;
	struct catalog *catalog;
	struct tasks tasks;
};

static void follow(struct world *w, uint64_t index)
{
	catalog_free(w->catalog);
	w->catalog = catalog_of(&w->a.d);
	tasks_follow(&w->tasks, &w->kv, w->catalog, index);
}

/* stock: berlin and paris both ways; out: berlin to rome. */
static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->map = map_new();
	w->kv = kv_mem(w->map);
	declare_init(&w->a);
	declare_connection(&w->a, BERLIN, "berlin");
	declare_connection(&w->a, PARIS, "paris");
	declare_connection(&w->a, ROME, "rome");
	declare_table(&w->a, declare_sync(&w->a, STOCK, "stock", 6, true), 1,
		      "items");
	declare_table(&w->a, declare_sync(&w->a, OUT, "out", 10, false), 2,
		      "orders");
	tasks_load(&w->tasks, &w->kv);
	follow(w, 7);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	tasks_clear(&w->tasks);
	catalog_free(w->catalog);
	declare_free(&w->a);
	map_free(w->map);
	free(w);
	return 0;
}

static void same_tasks(const struct tasks *a, const struct tasks *b)
{
	assert_int_equal(a->n, b->n);
	if (a->n)
		assert_memory_equal(a->list, b->list, a->n * sizeof(*a->list));
	assert_int_equal(a->n_reach, b->n_reach);
	for (size_t i = 0; i < a->n_reach; i++) {
		assert_int_equal(a->reach[i].node_id, b->reach[i].node_id);
		assert_int_equal(a->reach[i].connection_id,
				 b->reach[i].connection_id);
		assert_int_equal(a->reach[i].time_us, b->reach[i].time_us);
	}
	assert_int_equal(a->n_drained, b->n_drained);
	assert_memory_equal(a->drained, b->drained,
			    a->n_drained * sizeof(a->drained[0]));
	assert_int_equal(a->n_pauses, b->n_pauses);
	for (size_t i = 0; i < a->n_pauses; i++) {
		assert_int_equal(a->pauses[i].sync_id, b->pauses[i].sync_id);
		assert_int_equal(a->pauses[i].table_id, b->pauses[i].table_id);
		assert_string_equal(a->pauses[i].reason, b->pauses[i].reason);
	}
}

/* What is in memory is what stands in the kv, and a copy is the same. */
static void check_mirror(const struct world *w)
{
	struct tasks t;

	tasks_load(&t, &w->kv);
	same_tasks(&w->tasks, &t);
	tasks_clear(&t);
	tasks_copy(&t, &w->tasks);
	same_tasks(&w->tasks, &t);
	tasks_clear(&t);
}

static bool assign(struct world *w, uint64_t index, uint32_t id, uint64_t node,
		   uint64_t expected)
{
	Synod__Command__Assign c;

	synod__command__assign__init(&c);
	c.task_id = id;
	c.node_id = node;
	c.expected_epoch = expected;
	c.time_us = 100 + (int64_t)index;
	return tasks_take_assign(&w->tasks, &w->kv, index, &c);
}

static bool checkpoint(struct world *w, uint32_t id, uint64_t epoch,
		       uint64_t applied, uint64_t upto)
{
	Synod__Command__Checkpoint c;

	synod__command__checkpoint__init(&c);
	c.task_id = id;
	c.epoch = epoch;
	c.applied = applied;
	c.upto = upto;
	c.lag_p50_us = 1;
	c.lag_p99_us = 2;
	c.n_rows = 3;
	c.time_us = 4;
	return tasks_take_checkpoint(&w->tasks, &w->kv, &c);
}

static bool report(struct world *w, uint32_t id, uint64_t epoch,
		   Synod__Command__TaskReport__State s, const char *text)
{
	Synod__Command__TaskReport c;

	synod__command__task_report__init(&c);
	c.task_id = id;
	c.epoch = epoch;
	c.state = s;
	c.code = ERR_SCHEMA;
	c.text = command_text(text);
	c.hint = command_text("do this");
	c.time_us = 9;
	return tasks_take_report(&w->tasks, &w->kv, &c);
}

static bool reach(struct world *w, uint64_t node, uint32_t connection,
		  bool is_reachable, int64_t time_us)
{
	Synod__Command__Reach c;

	synod__command__reach__init(&c);
	c.node_id = node;
	c.connection_id = connection;
	c.is_reachable = is_reachable;
	c.time_us = time_us;
	return tasks_take_reach(&w->tasks, &w->kv, &c);
}

static bool drain(struct world *w, uint64_t node, bool is_drained)
{
	Synod__Command__Drain c;

	synod__command__drain__init(&c);
	c.node_id = node;
	c.is_drained = is_drained;
	return tasks_take_drain(&w->tasks, &w->kv, &c);
}

static bool pause_it(struct world *w, uint32_t sync, uint32_t table,
		     bool is_paused, const char *reason)
{
	Synod__Command__Pause c;

	synod__command__pause__init(&c);
	c.sync_id = sync;
	c.table_id = table;
	c.is_paused = is_paused;
	c.reason = command_text(reason);
	return tasks_take_pause(&w->tasks, &w->kv, &c);
}

static void test_a_definition_brings_its_tasks(void **state)
{
	struct world *w = *state;
	const uint32_t want[] = {
		task_capture_id(BERLIN),      task_capture_id(PARIS),
		task_apply_id(STOCK, BERLIN), task_apply_id(STOCK, PARIS),
		task_apply_id(OUT, ROME),
	};

	assert_int_equal(w->tasks.n, 5);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(w->tasks.list[i].id, want[i]);
		assert_int_equal(w->tasks.list[i].born_index, 7);
		assert_int_equal(w->tasks.list[i].node_id, 0);
		assert_int_equal(w->tasks.list[i].epoch, 0);
	}
	assert_null(tasks_find(&w->tasks, task_capture_id(ROME)));
	assert_null(tasks_find(&w->tasks, task_apply_id(OUT, BERLIN)));
	check_mirror(w);
}

static void test_names_say_what_a_task_is(void **state)
{
	struct world *w = *state;
	char buf[64];

	assert_string_equal(task_name(w->catalog, BERLIN, buf, sizeof(buf)),
			    "berlin/capture");
	assert_string_equal(task_name(w->catalog, task_apply_id(OUT, ROME), buf,
				      sizeof(buf)),
			    "out/rome/apply");
	assert_string_equal(
		task_name(w->catalog, task_apply_id(9, 9), buf, sizeof(buf)),
		"?/?/apply");
	assert_int_equal(task_sync(task_apply_id(OUT, ROME)), OUT);
	assert_int_equal(task_connection(task_apply_id(OUT, ROME)), ROME);
	assert_int_equal(task_kind(task_apply_id(OUT, ROME)), TASK_APPLY);
	assert_int_equal(task_kind(63), TASK_CAPTURE);
}

static void test_tasks_follow_the_definition(void **state)
{
	struct world *w = *state;

	assert_true(assign(w, 8, BERLIN, 5, 0));
	declare_table(&w->a, w->a.d.syncs[1], 3, "more");
	follow(w, 9); /* a table more is no task more */
	assert_int_equal(w->tasks.n, 5);
	assert_int_equal(tasks_find(&w->tasks, BERLIN)->epoch, 8);
	w->a.d.n_syncs = 1;
	follow(w, 10);
	assert_int_equal(w->tasks.n, 4);
	assert_null(tasks_find(&w->tasks, task_apply_id(OUT, ROME)));
	assert_int_equal(tasks_find(&w->tasks, BERLIN)->node_id, 5);
	check_mirror(w);
	w->a.d.n_syncs = 2;
	follow(w, 11);
	assert_int_equal(
		tasks_find(&w->tasks, task_apply_id(OUT, ROME))->born_index,
		11);
	w->a.d.n_syncs = 0;
	follow(w, 12);
	assert_int_equal(w->tasks.n, 0);
	check_mirror(w);
}

static void test_the_entry_is_the_epoch(void **state)
{
	struct world *w = *state;
	const struct task *t = tasks_find(&w->tasks, BERLIN);

	assert_true(assign(w, 20, BERLIN, 5, 0));
	assert_int_equal(t->node_id, 5);
	assert_int_equal(t->epoch, 20);
	assert_int_equal(t->assigned_us, 120);
	/* The other leader was later. */
	assert_false(assign(w, 21, BERLIN, 6, 0));
	assert_int_equal(t->node_id, 5);
	assert_true(assign(w, 22, BERLIN, 6, 20));
	assert_int_equal(t->epoch, 22);
	assert_false(assign(w, 23, ROME, 6, 0));
	assert_true(assign(w, 24, BERLIN, 0, 22)); /* to nobody */
	assert_int_equal(t->epoch, 24);
	check_mirror(w);
}

static void test_only_the_owner_is_heard(void **state)
{
	struct world *w = *state;
	uint32_t id = task_apply_id(STOCK, PARIS);
	const struct task *t = tasks_find(&w->tasks, id);

	assert_false(checkpoint(w, id, 0, 0, 5)); /* of nobody */
	assert_false(report(w, id, 0, 0, ""));
	assert_true(assign(w, 20, id, 5, 0));
	assert_true(checkpoint(w, id, 20, 11, 15));
	assert_int_equal(t->applied, 11);
	assert_int_equal(t->upto, 15);
	assert_int_equal(t->lag_p50_us, 1);
	assert_int_equal(t->lag_p99_us, 2);
	assert_int_equal(t->n_rows, 3);
	assert_int_equal(t->checkpoint_us, 4);
	assert_true(report(w, id, 20,
			   SYNOD__COMMAND__TASK_REPORT__STATE__BLOCKED,
			   "table gone"));
	check_mirror(w);
	assert_true(assign(w, 21, id, 6, 20));
	assert_false(checkpoint(w, id, 20, 12, 16));
	assert_false(report(w, id, 20, 0, "zombie"));
	/* How far it is stays true; how it felt does not. */
	assert_int_equal(t->applied, 11);
	assert_int_equal(t->upto, 15);
	assert_int_equal(t->state,
			 SYNOD__COMMAND__TASK_REPORT__STATE__STARTING);
	assert_int_equal(t->code, 0);
	assert_string_equal(t->text, "");
	assert_string_equal(t->hint, "");
	check_mirror(w);
}

static void test_nonsense_of_an_owner_is_refused(void **state)
{
	struct world *w = *state;
	uint32_t id = task_apply_id(STOCK, PARIS);

	assert_true(assign(w, 20, id, 5, 0));
	assert_true(assign(w, 21, BERLIN, 5, 0));
	assert_false(checkpoint(w, id, 20, 16, 15));   /* upto before applied */
	assert_false(checkpoint(w, BERLIN, 21, 1, 2)); /* a capture */
	assert_false(
		report(w, id, 20, (Synod__Command__TaskReport__State)9, ""));
	check_mirror(w);
}

static void test_long_texts_are_cut_at_a_character(void **state)
{
	struct world *w = *state;
	char text[2 * TASK_TEXT_MAX + 1];

	for (size_t i = 0; i < 2 * TASK_TEXT_MAX; i += 2)
		memcpy(text + i, "\xc3\xa4", 2);
	text[2 * TASK_TEXT_MAX] = '\0';
	assert_true(assign(w, 20, BERLIN, 5, 0));
	assert_true(report(w, BERLIN, 20, 0, text));
	assert_int_equal(strlen(tasks_find(&w->tasks, BERLIN)->text),
			 TASK_TEXT_MAX - 2);
	assert_true(pause_it(w, STOCK, 0, true, text));
	assert_int_equal(strlen(w->tasks.pauses[0].reason), TASK_TEXT_MAX - 2);
	check_mirror(w);
}

static void test_what_is_not_reachable_is_known(void **state)
{
	struct world *w = *state;

	assert_true(tasks_is_reachable(&w->tasks, 5, PARIS));
	assert_true(reach(w, 5, PARIS, false, 100));
	assert_true(reach(w, 4, PARIS, false, 100));
	assert_true(reach(w, 5, BERLIN, false, 100));
	assert_false(tasks_is_reachable(&w->tasks, 5, PARIS));
	assert_true(tasks_is_reachable(&w->tasks, 4, BERLIN));
	check_mirror(w);
	assert_true(reach(w, 5, PARIS, false, 200)); /* again, in vain */
	assert_int_equal(w->tasks.n_reach, 3);
	check_mirror(w);
	assert_true(reach(w, 4, PARIS, true, 300));
	assert_true(reach(w, 4, PARIS, true, 300));
	assert_true(tasks_is_reachable(&w->tasks, 4, PARIS));
	check_mirror(w);
	assert_false(reach(w, 0, PARIS, false, 1));
	assert_false(reach(w, 4, 0, false, 1));
	assert_false(reach(w, 4, 64, false, 1));
	tasks_forget_reach(&w->tasks, &w->kv, PARIS);
	assert_true(tasks_is_reachable(&w->tasks, 5, PARIS));
	assert_false(tasks_is_reachable(&w->tasks, 5, BERLIN));
	check_mirror(w);
	w->a.d.n_connections = 0;
	follow(w, 30);
	assert_int_equal(w->tasks.n_reach, 0);
	check_mirror(w);
}

static void test_drained_nodes_are_bounded(void **state)
{
	struct world *w = *state;

	for (uint64_t id = LIMIT_NODES; id > 0; id--)
		assert_true(drain(w, id, true));
	assert_true(drain(w, 3, true));
	assert_false(drain(w, 100, true));
	assert_false(drain(w, 0, true));
	assert_true(tasks_is_drained(&w->tasks, 3));
	check_mirror(w);
	assert_true(drain(w, 3, false));
	assert_true(drain(w, 3, false));
	assert_false(tasks_is_drained(&w->tasks, 3));
	assert_true(drain(w, 100, true));
	assert_true(tasks_is_drained(&w->tasks, 100));
	check_mirror(w);
}

static void test_syncs_and_tables_are_paused(void **state)
{
	struct world *w = *state;

	assert_false(tasks_is_paused(&w->tasks, STOCK, 0));
	assert_true(pause_it(w, STOCK, 1, true, "a column is gone"));
	assert_true(tasks_is_paused(&w->tasks, STOCK, 1));
	assert_false(tasks_is_paused(&w->tasks, STOCK, 0));
	assert_false(tasks_is_paused(&w->tasks, STOCK, 2));
	assert_true(pause_it(w, OUT, 0, true, "holidays"));
	assert_true(tasks_is_paused(&w->tasks, OUT, 0));
	assert_true(tasks_is_paused(&w->tasks, OUT, 2)); /* with its sync */
	check_mirror(w);
	assert_true(pause_it(w, OUT, 0, true, "longer holidays"));
	assert_int_equal(w->tasks.n_pauses, 2);
	assert_true(pause_it(w, OUT, 0, false, ""));
	assert_true(pause_it(w, OUT, 0, false, ""));
	assert_false(tasks_is_paused(&w->tasks, OUT, 0));
	check_mirror(w);
	assert_true(pause_it(w, OUT, 0, true, ""));
	w->a.d.syncs[0]->n_tables = 0; /* the paused one */
	w->a.d.n_syncs = 1;
	follow(w, 30);
	assert_int_equal(w->tasks.n_pauses, 0);
	check_mirror(w);
}

static void test_the_slowest_apply_task_says_what_is_wanted(void **state)
{
	struct world *w = *state;
	uint32_t ids[] = {task_apply_id(STOCK, BERLIN),
			  task_apply_id(STOCK, PARIS),
			  task_apply_id(OUT, ROME)};

	assert_int_equal(tasks_low_index(&w->tasks), 7); /* born */
	for (size_t i = 0; i < 3; i++) {
		assert_true(assign(w, 10 + i, ids[i], 1, 0));
		assert_true(checkpoint(w, ids[i], 10 + i, 20, 100 + i));
	}
	assert_int_equal(tasks_low_index(&w->tasks), 100);
	w->a.d.n_syncs = 0;
	follow(w, 30);
	assert_true(tasks_low_index(&w->tasks) == UINT64_MAX);
}

/* Whatever comes, memory and kv say the same. */
static void test_random_commands_are_mirrored(void **state)
{
	struct world *w = *state;
	struct rng r;

	rng_init(&r, 3);
	for (uint64_t i = 100; i < 3000; i++) {
		const struct task *t =
			&w->tasks.list[rng_below(&r, w->tasks.n)];
		uint64_t epoch = t->epoch - (rng_chance(&r, 0.1) ? 1 : 0);
		uint32_t id = t->id, c = 1 + (uint32_t)rng_below(&r, 3);

		switch (rng_below(&r, 7)) {
		case 0:
			assign(w, i, id, rng_below(&r, 4), epoch);
			break;
		case 1:
			checkpoint(w, id, epoch, i - 50, i - rng_below(&r, 50));
			break;
		case 2:
			report(w, id, epoch, 1, "text");
			break;
		case 3:
			reach(w, rng_below(&r, 4), c, rng_chance(&r, 0.5), 1);
			break;
		case 4:
			drain(w, rng_below(&r, 12), rng_chance(&r, 0.5));
			break;
		case 5:
			pause_it(w, 1 + (uint32_t)rng_below(&r, 2),
				 (uint32_t)rng_below(&r, 3),
				 rng_chance(&r, 0.5), "why");
			break;
		default:
			w->a.d.n_syncs = 1 + rng_below(&r, 2);
			follow(w, i);
		}
		if (i % 20 == 0)
			check_mirror(w);
	}
	check_mirror(w);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_definition_brings_its_tasks),
		TEST(test_names_say_what_a_task_is),
		TEST(test_tasks_follow_the_definition),
		TEST(test_the_entry_is_the_epoch),
		TEST(test_only_the_owner_is_heard),
		TEST(test_nonsense_of_an_owner_is_refused),
		TEST(test_long_texts_are_cut_at_a_character),
		TEST(test_what_is_not_reachable_is_known),
		TEST(test_drained_nodes_are_bounded),
		TEST(test_syncs_and_tables_are_paused),
		TEST(test_the_slowest_apply_task_says_what_is_wanted),
		TEST(test_random_commands_are_mirrored),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
