/* What shall run, against what runs. */
#include "node/goal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "cluster/core/command.h"
#include "proto/value.h"

/* Two connections, a two-way sync 1 of them with one table. */
struct world {
	Synod__Definition__Connection a, b, *connections[2];
	Synod__Definition__Side sides[2], *side_list[2];
	Synod__Definition__Field field, *fields[1];
	Synod__Definition__Table table, *tables[1];
	Synod__Definition__Sync sync, *syncs[1];
	Synod__Definition__Definition all;
	uint32_t ids[2];
	char *columns[1];
	struct tasks tasks;
	struct task list[4];
	struct tasks_pause pauses[1];
};

static void init_connection(Synod__Definition__Connection *c, uint32_t id,
			    const char *name)
{
	synod__definition__connection__init(c);
	c->id = id;
	c->name = command_text(name);
	c->type = command_text("sqlite");
}

static void init_sync(struct world *w)
{
	synod__definition__sync__init(&w->sync);
	synod__definition__table__init(&w->table);
	synod__definition__field__init(&w->field);
	w->field.name = command_text("id");
	w->field.type = VALUE_INT64;
	w->field.is_key = true;
	w->fields[0] = &w->field;
	w->columns[0] = command_text("id");
	for (size_t i = 0; i < 2; i++) {
		synod__definition__side__init(&w->sides[i]);
		w->sides[i].connection_id = w->ids[i];
		w->sides[i].table = command_text("item");
		w->sides[i].n_columns = 1;
		w->sides[i].columns = w->columns;
		w->sides[i].is_source = w->sides[i].is_target = true;
		w->side_list[i] = &w->sides[i];
	}
	w->table.id = 1;
	w->table.name = command_text("item");
	w->table.n_fields = 1;
	w->table.fields = w->fields;
	w->table.n_sides = 2;
	w->table.sides = w->side_list;
	w->tables[0] = &w->table;
	w->sync.id = 1;
	w->sync.name = command_text("pair");
	w->sync.is_two_way = true;
	w->sync.n_connection_ids = 2;
	w->sync.connection_ids = w->ids;
	w->sync.n_tables = 1;
	w->sync.tables = w->tables;
	w->syncs[0] = &w->sync;
}

static void init(struct world *w)
{
	static const uint32_t ids[] = {1, 2, 65, 66};

	*w = (struct world){.ids = {1, 2}};
	init_connection(&w->a, 1, "a");
	init_connection(&w->b, 2, "b");
	w->connections[0] = &w->a;
	w->connections[1] = &w->b;
	init_sync(w);
	synod__definition__definition__init(&w->all);
	w->all.n_connections = 2;
	w->all.connections = w->connections;
	w->all.n_syncs = 1;
	w->all.syncs = w->syncs;
	w->all.next_sync_id = 2;
	w->all.next_table_id = 2;
	for (size_t i = 0; i < 4; i++)
		w->list[i] = (struct task){
			.id = ids[i], .node_id = 7, .epoch = 100 + i};
	w->tasks.list = w->list;
	w->tasks.n = 4;
}

static struct view *view_of(struct world *w)
{
	struct view_catalog *c = view_catalog_new(catalog_of(&w->all), 1);
	struct view *view = view_new(10, c, &w->tasks);

	view_catalog_unref(c);
	return view;
}

static void test_own_tasks_run(void **state)
{
	struct world w;
	struct goal goals[4];

	init(&w);
	w.list[1].node_id = 8;
	struct view *view = view_of(&w);

	assert_int_equal(goal_list(view, 7, goals), 3);
	assert_int_equal(goals[0].task_id, 1);
	assert_int_equal(goals[0].epoch, 100);
	assert_int_equal(goals[1].task_id, 65);
	assert_non_null(goal_find(goals, 3, 66));
	assert_null(goal_find(goals, 3, 2));
	assert_int_equal(goal_list(view, 8, goals), 1);
	view_unref(view);
}

static void test_paused_sync_is_captured_and_not_applied(void **state)
{
	struct world w;
	struct goal goals[4];

	init(&w);
	w.pauses[0] = (struct tasks_pause){.sync_id = 1};
	w.tasks.pauses = w.pauses;
	w.tasks.n_pauses = 1;
	struct view *view = view_of(&w);

	assert_int_equal(goal_list(view, 7, goals), 2);
	assert_int_equal(goals[0].task_id, 1);
	assert_int_equal(goals[1].task_id, 2);
	view_unref(view);
}

static uint64_t concern(struct world *w, uint32_t task_id)
{
	struct view *view = view_of(w);
	uint64_t value = goal_concern(view, task_id);

	view_unref(view);
	return value;
}

static void test_only_what_concerns_a_task_starts_it_anew(void **state)
{
	struct world w;

	init(&w);
	uint64_t a = concern(&w, 1), b = concern(&w, 2);
	uint64_t apply_a = concern(&w, 65);
	/* A connection is elsewhere now. */
	Synod__Definition__Option option, *options[] = {&option};
	synod__definition__option__init(&option);
	option.name = command_text("path");
	option.value = command_text("elsewhere");
	w.a.n_options = 1;
	w.a.options = options;
	assert_int_not_equal(concern(&w, 1), a);
	assert_int_not_equal(concern(&w, 65), apply_a);
	assert_int_equal(concern(&w, 2), b);
}

static void test_paused_table_starts_its_tasks_anew(void **state)
{
	struct world w;

	init(&w);
	uint64_t a = concern(&w, 1), apply_b = concern(&w, 66);
	w.pauses[0] = (struct tasks_pause){.sync_id = 1, .table_id = 1};
	w.tasks.pauses = w.pauses;
	w.tasks.n_pauses = 1;
	assert_int_not_equal(concern(&w, 1), a);
	assert_int_not_equal(concern(&w, 66), apply_b);
	/* The whole sync: a capture goes on as it is. */
	w.pauses[0].table_id = 0;
	assert_int_equal(concern(&w, 1), a);
}

static void test_another_epoch_stops(void **state)
{
	struct goal_running is = {
		.state = GOAL_RUNNING, .epoch = 5, .concern = 1};
	struct goal same = {.epoch = 5, .concern = 1};
	struct goal newer = {.epoch = 6, .concern = 1};
	struct goal other = {.epoch = 5, .concern = 2};

	assert_int_equal(goal_judge(&is, &same, 0), GOAL_KEEP);
	assert_int_equal(goal_judge(&is, &newer, 0), GOAL_STOP);
	assert_int_equal(goal_judge(&is, &other, 0), GOAL_STOP);
	assert_int_equal(goal_judge(&is, NULL, 0), GOAL_STOP);
}

static void test_stuck_one_gives_way_to_a_newer_epoch_only(void **state)
{
	const int64_t late_us = (int64_t)LIMIT_TASK_STOP_MS * 1000 + 1;
	struct goal_running is = {
		.state = GOAL_STOPPING, .epoch = 5, .was_told = true};
	struct goal same = {.epoch = 5}, newer = {.epoch = 6};

	assert_int_equal(goal_judge(&is, &newer, 1000), GOAL_WAIT);
	assert_int_equal(goal_judge(&is, &newer, late_us), GOAL_ABANDON);
	assert_int_equal(goal_judge(&is, &same, late_us), GOAL_WAIT);
	assert_int_equal(goal_judge(&is, NULL, late_us), GOAL_WAIT);
}

static void test_fenced_one_is_not_started_again_at_once(void **state)
{
	struct goal_running is = {.state = GOAL_ENDED, .epoch = 5};
	struct goal same = {.epoch = 5}, newer = {.epoch = 6};

	assert_int_equal(goal_judge(&is, &same, 0), GOAL_KEEP);
	assert_int_equal(goal_judge(&is, &same, GOAL_FENCED_US), GOAL_REMOVE);
	assert_int_equal(goal_judge(&is, &newer, 0), GOAL_REMOVE);
	assert_int_equal(goal_judge(&is, NULL, 0), GOAL_REMOVE);
	/* One that was told to stop, for a new catalog, is. */
	is.was_told = true;
	assert_int_equal(goal_judge(&is, &same, 0), GOAL_REMOVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_tasks_run),
		cmocka_unit_test(test_paused_sync_is_captured_and_not_applied),
		cmocka_unit_test(test_only_what_concerns_a_task_starts_it_anew),
		cmocka_unit_test(test_paused_table_starts_its_tasks_anew),
		cmocka_unit_test(test_another_epoch_stops),
		cmocka_unit_test(
			test_stuck_one_gives_way_to_a_newer_epoch_only),
		cmocka_unit_test(test_fenced_one_is_not_started_again_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
