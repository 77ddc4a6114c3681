#include "cluster/core/planner.h"

#include <stdlib.h>

#include "base/check.h"

/* A node as this plan sees it: with what the plan has given and taken. */
struct seat {
	const struct planner_node *node;
	bool is_open;         /* may be given tasks */
	size_t n_tasks;       /* its own, with those of this plan */
	uint64_t connections; /* of its tasks */
};

struct plan {
	const struct planner_input *in;
	struct seat *seats;
	struct planner_move *moves;
	size_t n_moves;
};

/* How well a node reaches a connection. */
enum reach { REACH_NO, REACH_RETRY, REACH_YES };

static struct seat *seat_of(const struct plan *p, uint64_t node_id)
{
	for (size_t i = 0; i < p->in->n_nodes; i++) {
		if (p->seats[i].node->id == node_id)
			return &p->seats[i];
	}
	return NULL;
}

/* Clocks of different leaders may differ: what seems to lie in the future has
 * just happened. */
static bool is_within(int64_t now_us, int64_t then_us, int64_t span_us)
{
	return now_us - then_us < span_us && then_us - now_us < span_us;
}

static enum reach reach_of(const struct planner_input *in, uint64_t node_id,
			   uint32_t connection_id)
{
	for (size_t i = 0; i < in->tasks->n_reach; i++) {
		const struct tasks_reach *r = &in->tasks->reach[i];

		if (r->node_id == node_id && r->connection_id == connection_id)
			return is_within(in->now_wall_us, r->time_us,
					 PLANNER_REACH_US)
				       ? REACH_NO
				       : REACH_RETRY;
	}
	return REACH_YES;
}

static void seats_init(struct plan *p)
{
	const struct planner_input *in = p->in;

	p->seats = mem_zero(in->n_nodes + 1, sizeof(*p->seats));
	for (size_t i = 0; i < in->n_nodes; i++) {
		const struct planner_node *node = &in->nodes[i];

		p->seats[i].node = node;
		p->seats[i].is_open = node->is_well && node->has_log &&
				      !tasks_is_drained(in->tasks, node->id);
	}
	for (size_t i = 0; i < in->tasks->n; i++) {
		const struct task *t = &in->tasks->list[i];
		struct seat *s = t->node_id ? seat_of(p, t->node_id) : NULL;

		if (!s)
			continue;
		s->n_tasks++;
		s->connections |= catalog_bit(task_connection(t->id));
	}
}

/* Is a the better one for a task of this connection? The lowest id comes first
 * in the list, so a tie stays with the one found before. */
static bool is_better(const struct seat *a, const struct seat *b,
		      uint64_t connection)
{
	if (!b)
		return true;
	if (a->n_tasks != b->n_tasks)
		return a->n_tasks < b->n_tasks;
	return (a->connections & connection) && !(b->connections & connection);
}

/* The node with the fewest tasks among those that reach the connection so
 * well. */
static struct seat *seat_find(const struct plan *p, uint32_t connection_id,
			      enum reach at_least)
{
	uint64_t bit = catalog_bit(connection_id);
	struct seat *best = NULL;

	for (size_t i = 0; i < p->in->n_nodes; i++) {
		struct seat *s = &p->seats[i];

		if (s->is_open &&
		    reach_of(p->in, s->node->id, connection_id) >= at_least &&
		    is_better(s, best, bit))
			best = s;
	}
	return best;
}

static void move(struct plan *p, const struct task *t, struct seat *to,
		 const char *reason)
{
	struct seat *from = t->node_id ? seat_of(p, t->node_id) : NULL;

	if (from)
		from->n_tasks--;
	to->n_tasks++;
	to->connections |= catalog_bit(task_connection(t->id));
	p->moves[p->n_moves++] =
		(struct planner_move){.task_id = t->id,
				      .node_id = to->node->id,
				      .expected_epoch = t->epoch,
				      .reason = reason};
}

/* Why the task cannot stay, or NULL. */
static const char *reason_to_leave(const struct plan *p, const struct task *t)
{
	const struct seat *s = t->node_id ? seat_of(p, t->node_id) : NULL;

	if (!t->node_id)
		return "new";
	if (!s || !s->node->is_well || !s->node->has_log)
		return "node_lost";
	if (tasks_is_drained(p->in->tasks, t->node_id))
		return "drain";
	if (reach_of(p->in, t->node_id, task_connection(t->id)) == REACH_NO)
		return "unreachable";
	return NULL;
}

static void place(struct plan *p, const struct task *t)
{
	const char *reason = reason_to_leave(p, t);
	uint32_t connection = task_connection(t->id);
	const struct seat *owner = t->node_id ? seat_of(p, t->node_id) : NULL;

	if (!reason)
		return;
	struct seat *to = seat_find(p, connection, REACH_YES);
	if (!to)
		to = seat_find(p, connection, REACH_RETRY);
	/* Nobody reaches it. Somebody who lives must go on trying. */
	if (!to && (!owner || !owner->node->is_well || !owner->node->has_log))
		to = seat_find(p, connection, REACH_NO);
	if (to && to != owner)
		move(p, t, to, reason);
}

/* -- balance --------------------------------------------------------------- */
/* The task of a node that the least loaded one takes best: with a connection
 * that it has already, else the first. Only where it surely gets through. */
static const struct task *
task_to_give(const struct plan *p, const struct seat *from, struct seat **to)
{
	const struct task *best = NULL;
	bool best_is_warm = false;

	for (size_t i = 0; i < p->in->tasks->n; i++) {
		const struct task *t = &p->in->tasks->list[i];
		uint32_t connection = task_connection(t->id);

		if (t->node_id != from->node->id || best_is_warm)
			continue;
		struct seat *s = seat_find(p, connection, REACH_YES);
		if (!s || s->n_tasks + 2 > from->n_tasks)
			continue;
		bool is_warm = s->connections & catalog_bit(connection);
		if (best && !is_warm)
			continue;
		best = t;
		best_is_warm = is_warm;
		*to = s;
	}
	return best;
}

static void balance(struct plan *p)
{
	const struct task *best = NULL;
	const struct seat *best_from = NULL;
	struct seat *best_to = NULL;

	for (size_t i = 0; i < p->in->n_nodes; i++) {
		const struct seat *from = &p->seats[i];
		struct seat *to = NULL;

		if (best_from && from->n_tasks <= best_from->n_tasks)
			continue;
		const struct task *t = task_to_give(p, from, &to);
		if (!t)
			continue;
		best = t;
		best_from = from;
		best_to = to;
	}
	if (best)
		move(p, best, best_to, "balance");
}

static bool is_calm(const struct planner_input *in)
{
	return in->last_assigned_us == 0 ||
	       !is_within(in->now_wall_us, in->last_assigned_us,
			  PLANNER_CALM_US);
}

size_t planner_plan(const struct planner_input *in, struct planner_move *out)
{
	struct plan p = {.in = in, .moves = out};

	seats_init(&p);
	for (size_t i = 0; i < in->tasks->n; i++)
		place(&p, &in->tasks->list[i]);
	if (p.n_moves == 0 && is_calm(in))
		balance(&p);
	free(p.seats);
	CHECK(p.n_moves <= in->tasks->n);
	return p.n_moves;
}

const char *planner_refuse_move(const struct planner_input *in,
				uint32_t task_id, uint64_t node_id)
{
	const struct task *t = tasks_find(in->tasks, task_id);
	const struct planner_node *node = NULL;

	for (size_t i = 0; i < in->n_nodes; i++) {
		if (in->nodes[i].id == node_id)
			node = &in->nodes[i];
	}
	if (!t)
		return "there is no such task";
	if (!node)
		return "there is no such node";
	if (t->node_id == node_id)
		return "the node has it already";
	if (!node->has_log)
		return "the node is a spare: spares run no tasks";
	if (!node->is_well)
		return "the node is not well";
	if (tasks_is_drained(in->tasks, node_id))
		return "the node is drained";
	if (reach_of(in, node_id, task_connection(task_id)) == REACH_NO)
		return "the node cannot reach the connection";
	return NULL;
}
