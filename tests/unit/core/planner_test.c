/* The planner: every rule of its header, and what no mixture of them may do. */
#include "cluster/core/planner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"

#define NOW ((int64_t)1000000000000)
#define LONG_AGO (NOW - 2 * (int64_t)PLANNER_CALM_US)

/* -- a plan in a table ----------------------------------------------------- */
enum { NODES = 4, TASKS = 8, REACHES = 6 };

struct row {
	const char *what;
	/* One letter a node, from node 1: W well, L lost, S spare, D drained,
	 * - not a member. */
	const char *nodes;
	/* One digit a task: its owner, 0 nobody. Task i is the capture of
	 * connection i + 1. */
	const char *owners;
	/* "node connection age" triples: age f resh, o ld. */
	const char *unreachable;
	bool is_calm;
	const char *after; /* the owners that shall be */
	const char *reason;
};

static const struct row rows[] = {
	{"what is well stays", "WWW", "112233", "", true, "112233", NULL},
	{"an owner that leads no more keeps its tasks", "WWW", "123", "", true,
	 "123", NULL},
	{"tasks of nobody are given to the one with the fewest", "WWW", "110",
	 "", false, "112", "new"},
	{"the lowest id breaks a tie", "WWW", "0", "", false, "1", "new"},
	{"many of nobody are spread", "WWW", "000000", "", false, "123123",
	 "new"},
	{"tasks of a lost node are given away at once", "WLW", "122331", "",
	 false, "113331", "node_lost"},
	{"all of them, each to the one with the fewest", "WLW", "2222", "",
	 false, "1313", "node_lost"},
	{"a node that is no member any more is lost", "WW", "14", "", false,
	 "12", "node_lost"},
	{"a spare runs nothing", "WSW", "12", "", false, "13", "node_lost"},
	{"a spare gets nothing", "WSS", "10", "", false, "11", "new"},
	{"a drained node gives its tasks away", "WDW", "122", "", false, "131",
	 "drain"},
	{"a drained node gets nothing", "WDD", "10", "", false, "11", "new"},
	{"a drained node that is the only one well keeps them", "LDL", "2", "",
	 false, "2", NULL},
	{"who cannot reach the connection gives it away", "WWW", "123", "1 1 f",
	 false, "223", "unreachable"},
	{"only that connection's", "WWW", "11", "1 1 f", false, "21",
	 "unreachable"},
	{"a new task does not go where its connection is not reached", "WWW",
	 "0", "1 1 f", false, "2", "new"},
	{"when no node reaches it the task stays", "WW", "1", "1 1 f 2 1 f",
	 false, "1", NULL},
	{"a drained owner stays when no other reaches it", "DW", "1", "2 1 f",
	 false, "1", NULL},
	{"a lost owner's task goes to a live one that cannot reach it", "LW",
	 "1", "2 1 f", false, "2", "node_lost"},
	{"an old failure keeps the owner", "WW", "1", "1 1 o", false, "1",
	 NULL},
	{"it is tried again where it failed long ago", "WWW", "1",
	 "1 1 f 2 1 f 3 1 o", false, "3", "unreachable"},
	{"but rather where it never failed", "WWW", "1", "1 1 f 2 1 o", false,
	 "3", "unreachable"},
	{"balance moves one task", "WWW", "111111", "", true, "211111",
	 "balance"},
	{"balance waits for calm", "WWW", "111111", "", false, "111111", NULL},
	{"one more is no imbalance", "WW", "112", "", true, "112", NULL},
	{"two more is one", "WW", "111", "", true, "211", "balance"},
	{"balance waits for what must move", "WWL", "111113", "", true,
	 "111112", "node_lost"},
	{"balance goes only where the connection is reached", "WW", "111",
	 "2 1 o", true, "121", "balance"},
	{"balance cannot help", "WW", "11", "2 1 f 2 2 f", true, "11", NULL},
	{"the fullest gives", "WWW", "112222", "", true, "113222", "balance"},
	{"nothing to do", "WWW", "", "", true, "", NULL},
	{"nobody to do it", "LLL", "10", "", true, "10", NULL},
};

struct world {
	struct planner_node nodes[NODES];
	struct tasks tasks;
	struct task list[TASKS];
	struct tasks_reach reach[REACHES];
	struct planner_input in;
};

static void world_nodes(struct world *w, const char *nodes)
{
	for (size_t i = 0; nodes[i]; i++) {
		uint64_t id = i + 1;

		w->nodes[w->in.n_nodes++] =
			(struct planner_node){.id = id,
					      .is_well = nodes[i] != 'L',
					      .has_log = nodes[i] != 'S'};
		if (nodes[i] == 'D')
			w->tasks.drained[w->tasks.n_drained++] = id;
	}
}

static void world_reach(struct world *w, const char *text)
{
	for (; *text; text += text[5] ? 6 : 5) {
		w->reach[w->tasks.n_reach++] = (struct tasks_reach){
			.node_id = (uint64_t)(text[0] - '0'),
			.connection_id = (uint32_t)(text[2] - '0'),
			.time_us = text[4] == 'f' ? NOW - 1000
						  : NOW - 2 * PLANNER_REACH_US};
	}
}

static void world_make(struct world *w, const struct row *r)
{
	*w = (struct world){0};
	w->tasks.list = w->list;
	w->tasks.reach = w->reach;
	world_nodes(w, r->nodes);
	world_reach(w, r->unreachable);
	for (size_t i = 0; r->owners[i]; i++) {
		uint64_t owner = (uint64_t)(r->owners[i] - '0');

		w->list[w->tasks.n++] =
			(struct task){.id = (uint32_t)i + 1,
				      .node_id = owner,
				      .epoch = owner ? 100 + i : 0};
	}
	w->in.tasks = &w->tasks;
	w->in.nodes = w->nodes;
	w->in.now_wall_us = NOW;
	w->in.last_assigned_us = r->is_calm ? LONG_AGO : NOW - 1000;
}

static void test_rules(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct planner_move moves[TASKS];
		struct world w;
		char after[TASKS + 1] = "";

		world_make(&w, r);
		size_t n = planner_plan(&w.in, moves);
		memcpy(after, r->owners, strlen(r->owners));
		for (size_t j = 0; j < n; j++) {
			size_t at = moves[j].task_id - 1;

			assert_true(after[at] == r->owners[at]);
			after[at] = (char)('0' + moves[j].node_id);
			assert_int_equal(moves[j].expected_epoch,
					 w.list[at].epoch);
			assert_non_null(r->reason);
			assert_string_equal(moves[j].reason, r->reason);
		}
		if (strcmp(after, r->after) != 0)
			fail_msg("%s: %s, not %s", r->what, after, r->after);
		assert_int_equal(n == 0, r->reason == NULL);
	}
}

/* Tasks of one connection, two syncs: a tie goes to where its pages are. */
static void test_a_tie_goes_to_the_node_that_has_the_connection(void **state)
{
	struct planner_move moves[TASKS];
	struct world w;

	world_make(&w, &(struct row){.nodes = "WWW",
				     .owners = "123",
				     .unreachable = ""});
	w.list[3] = (struct task){.id = task_apply_id(7, 2)};
	w.tasks.n = 4;
	assert_int_equal(planner_plan(&w.in, moves), 1);
	assert_int_equal(moves[0].task_id, task_apply_id(7, 2));
	assert_int_equal(moves[0].node_id, 2);
	/* Fewer counts for more. */
	w.list[0].node_id = 2;
	assert_int_equal(planner_plan(&w.in, moves), 1);
	assert_int_equal(moves[0].node_id, 1);
}

static void test_balance_moves_what_its_taker_is_warm_for(void **state)
{
	struct planner_move moves[TASKS];
	struct world w;

	world_make(&w, &(struct row){.nodes = "WW",
				     .owners = "1112",
				     .unreachable = "",
				     .is_calm = true});
	w.list[4] = (struct task){.id = task_apply_id(7, 4), .node_id = 1};
	w.tasks.n = 5;
	assert_int_equal(planner_plan(&w.in, moves), 1);
	assert_int_equal(moves[0].task_id, task_apply_id(7, 4));
	assert_int_equal(moves[0].node_id, 2);
}

/* The clock of another leader was ahead: that is calm again at some time. */
static void test_clocks_may_differ(void **state)
{
	struct planner_move moves[TASKS];
	struct world w;

	world_make(&w, &(struct row){.nodes = "WW",
				     .owners = "111",
				     .unreachable = "",
				     .is_calm = true});
	w.in.last_assigned_us = NOW + PLANNER_CALM_US / 2;
	assert_int_equal(planner_plan(&w.in, moves), 0);
	w.in.last_assigned_us = NOW + 100 * (int64_t)PLANNER_CALM_US;
	assert_int_equal(planner_plan(&w.in, moves), 1);
	w.in.last_assigned_us = 0;
	assert_int_equal(planner_plan(&w.in, moves), 1);
}

static void test_a_move_on_request_is_looked_at(void **state)
{
	struct world w;

	world_make(&w, &(struct row){.nodes = "WLSD",
				     .owners = "1",
				     .unreachable = ""});
	assert_non_null(planner_refuse_move(&w.in, 9, 1));
	assert_non_null(planner_refuse_move(&w.in, 1, 9));
	assert_non_null(strstr(planner_refuse_move(&w.in, 1, 1), "already"));
	assert_non_null(strstr(planner_refuse_move(&w.in, 1, 2), "well"));
	assert_non_null(strstr(planner_refuse_move(&w.in, 1, 3), "spare"));
	assert_non_null(strstr(planner_refuse_move(&w.in, 1, 4), "drained"));
	world_make(&w, &(struct row){.nodes = "WW",
				     .owners = "1",
				     .unreachable = "2 1 f"});
	assert_non_null(strstr(planner_refuse_move(&w.in, 1, 2), "reach"));
	world_make(&w, &(struct row){.nodes = "WW",
				     .owners = "1",
				     .unreachable = "2 1 o"});
	assert_null(planner_refuse_move(&w.in, 1, 2));
}

/* -- whatever happens ------------------------------------------------------ */
enum { MANY_NODES = 5, MANY_TASKS = 30, MANY_CONNECTIONS = 6 };

struct random_world {
	struct planner_node nodes[MANY_NODES];
	struct task list[MANY_TASKS];
	struct tasks_reach reach[MANY_NODES * MANY_CONNECTIONS];
	struct tasks tasks;
	struct planner_input in;
};

static void random_world(struct random_world *w, struct rng *r)
{
	*w = (struct random_world){0};
	w->tasks.list = w->list;
	w->tasks.reach = w->reach;
	w->in = (struct planner_input){.tasks = &w->tasks,
				       .nodes = w->nodes,
				       .n_nodes = 1 + rng_below(r, MANY_NODES),
				       .now_wall_us = NOW,
				       .last_assigned_us = LONG_AGO};
	for (uint64_t id = 1; id <= w->in.n_nodes; id++) {
		w->nodes[id - 1] =
			(struct planner_node){.id = id,
					      .is_well = rng_chance(r, 0.8),
					      .has_log = rng_chance(r, 0.9)};
		if (rng_chance(r, 0.1))
			w->tasks.drained[w->tasks.n_drained++] = id;
		for (uint32_t c = 1; c <= MANY_CONNECTIONS; c++) {
			if (rng_chance(r, 0.1))
				w->reach[w->tasks.n_reach++] =
					(struct tasks_reach){.node_id = id,
							     .connection_id = c,
							     .time_us = NOW};
		}
	}
	w->tasks.n = rng_below(r, MANY_TASKS + 1);
	for (size_t i = 0; i < w->tasks.n; i++)
		w->list[i] = (struct task){
			.id = task_apply_id((uint32_t)i + 1,
					    1 + (uint32_t)i % MANY_CONNECTIONS),
			.node_id = rng_below(r, w->in.n_nodes + 2)};
}

static const struct planner_node *node_of(const struct random_world *w,
					  uint64_t id)
{
	return id && id <= w->in.n_nodes ? &w->nodes[id - 1] : NULL;
}

static bool is_well(const struct random_world *w, uint64_t id)
{
	const struct planner_node *n = node_of(w, id);

	return n && n->is_well;
}

static bool may_have(const struct random_world *w, uint64_t node,
		     uint32_t task_id)
{
	const struct planner_node *n = node_of(w, node);

	return n && n->is_well && n->has_log &&
	       !tasks_is_drained(&w->tasks, node) &&
	       tasks_is_reachable(&w->tasks, node, task_connection(task_id));
}

static bool somebody_may(const struct random_world *w, uint32_t task_id)
{
	for (uint64_t id = 1; id <= w->in.n_nodes; id++) {
		if (may_have(w, id, task_id))
			return true;
	}
	return false;
}

static bool somebody_lives(const struct random_world *w)
{
	for (uint64_t id = 1; id <= w->in.n_nodes; id++) {
		if (w->nodes[id - 1].is_well && w->nodes[id - 1].has_log &&
		    !tasks_is_drained(&w->tasks, id))
			return true;
	}
	return false;
}

static void take(struct random_world *w, const struct planner_move *moves,
		 size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < w->tasks.n; j++) {
			if (w->list[j].id == moves[i].task_id)
				w->list[j].node_id = moves[i].node_id;
		}
	}
}

/* Of the tasks that must move each moves once; the others do not, but for one
 * when nothing must. */
static void check_moves(const struct random_world *w,
			const struct planner_move *moves, size_t n)
{
	size_t n_forced = 0, n_free = 0;

	for (size_t i = 0; i < n; i++) {
		const struct task *t = tasks_find(&w->tasks, moves[i].task_id);

		for (size_t j = 0; j < i; j++)
			assert_true(moves[j].task_id != moves[i].task_id);
		assert_non_null(t);
		assert_true(t->node_id != moves[i].node_id);
		if (may_have(w, t->node_id, t->id))
			n_free++;
		else
			n_forced++;
		if (somebody_may(w, t->id))
			assert_true(may_have(w, moves[i].node_id, t->id));
		else
			assert_true(is_well(w, moves[i].node_id));
	}
	assert_true(n_free == 0 || (n_free == 1 && n_forced == 0));
}

static void check_settled(const struct random_world *w)
{
	for (size_t i = 0; i < w->tasks.n; i++) {
		const struct task *t = &w->list[i];

		if (somebody_may(w, t->id))
			assert_true(may_have(w, t->node_id, t->id));
		else if (somebody_lives(w))
			assert_non_null(node_of(w, t->node_id));
	}
}

/* No node has two more than another that could take one of its tasks. */
static void check_balanced(const struct random_world *w)
{
	size_t n[MANY_NODES + 2] = {0};

	for (size_t i = 0; i < w->tasks.n; i++)
		n[w->list[i].node_id]++;
	for (size_t i = 0; i < w->tasks.n; i++) {
		const struct task *t = &w->list[i];

		if (!may_have(w, t->node_id, t->id))
			continue;
		for (uint64_t id = 1; id <= w->in.n_nodes; id++) {
			if (may_have(w, id, t->id))
				assert_true(n[id] + 2 > n[t->node_id]);
		}
	}
}

static void test_random_worlds_settle(void **state)
{
	struct planner_move moves[MANY_TASKS], again[MANY_TASKS];
	struct random_world w;
	struct rng r;

	rng_init(&r, 20);
	for (int i = 0; i < 20000; i++) {
		random_world(&w, &r);
		size_t rounds = 0, n;

		while ((n = planner_plan(&w.in, moves)) > 0) {
			check_moves(&w, moves, n);
			/* Another leader, asked at the same time, says the
			 * same; one that comes later moves nothing back. */
			assert_int_equal(planner_plan(&w.in, again), n);
			assert_memory_equal(moves, again, n * sizeof(*moves));
			take(&w, moves, n);
			if (rounds++ == 0)
				check_settled(&w);
			w.in.last_assigned_us = NOW;
			assert_int_equal(planner_plan(&w.in, again), 0);
			w.in.last_assigned_us = LONG_AGO;
			assert_true(rounds <= 1 + MANY_TASKS);
		}
		check_settled(&w);
		check_balanced(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(
			test_a_tie_goes_to_the_node_that_has_the_connection),
		cmocka_unit_test(test_balance_moves_what_its_taker_is_warm_for),
		cmocka_unit_test(test_clocks_may_differ),
		cmocka_unit_test(test_a_move_on_request_is_looked_at),
		cmocka_unit_test(test_random_worlds_settle),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
