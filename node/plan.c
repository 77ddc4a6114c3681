#include "node/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "cluster/core/command.h"
#include "node/node.h"

enum {
	LOOK_US = 1000 * 1000,
	/* The loop itself stood still (a stopped process, a starved machine):
	 * what it did not hear then is no silence. */
	STALL_US = 400 * 1000
};

void plan_open(struct node *n)
{
	n->plan.since_us = n->plan.turn_us = node_now_us(n);
}

void plan_hurry(struct node *n)
{
	n->plan.look_us = 0;
}

/* -- health -----------------------------------------------------------------
 */
static bool has_log(struct node *n, uint64_t id)
{
	struct replica_member list[LIMIT_NODES];
	size_t count = replica_members(n->replica, list, LIMIT_NODES);

	for (size_t i = 0; i < count; i++) {
		if (list[i].id == id)
			return list[i].role != REPLICA_SPARE;
	}
	return false;
}

static bool is_well(struct node *n, struct member *m)
{
	if (m == members_self(&n->members))
		return n->phase != NODE_LEAVING && !m->is_quarantined;
	return !m->is_quarantined &&
	       !pulse_is_lost(&m->pulse, n->plan.since_us, node_now_us(n));
}

static int by_id(const void *a, const void *b)
{
	const struct planner_node *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

/* Whoever led then: a new leader must not begin with balancing. */
static int64_t last_assigned_us(const struct node *n)
{
	const struct tasks *tasks = &n->runner.view->tasks;
	int64_t last = n->plan.last_assigned_us;

	for (size_t i = 0; i < tasks->n; i++) {
		if (tasks->list[i].assigned_us > last)
			last = tasks->list[i].assigned_us;
	}
	return last;
}

struct planner_input plan_input(struct node *n, struct planner_node *nodes)
{
	struct members *m = &n->members;

	for (size_t i = 0; i < m->n; i++) {
		nodes[i] = (struct planner_node){
			.id = m->list[i].facts.id,
			.is_well = is_well(n, &m->list[i]),
			.has_log = has_log(n, m->list[i].facts.id),
		};
	}
	qsort(nodes, m->n, sizeof(nodes[0]), by_id);
	return (struct planner_input){
		.tasks = &n->runner.view->tasks,
		.nodes = nodes,
		.n_nodes = m->n,
		.now_wall_us = clock_wall_us(&n->clock),
		.last_assigned_us = last_assigned_us(n),
	};
}

/* -- losses -----------------------------------------------------------------
 */
static uint64_t span_us(int64_t from, int64_t to)
{
	return from && to > from ? (uint64_t)(to - from) : 0;
}

static struct plan_loss *loss_of(struct node *n, uint64_t node_id)
{
	struct plan_loss *free_place = NULL;

	for (size_t i = 0; i < LIMIT_NODES; i++) {
		struct plan_loss *l = &n->plan.losses[i];
		if (l->is_used && l->node_id == node_id)
			return l;
		if (!l->is_used && !free_place)
			free_place = l;
	}
	return free_place;
}

/* The node's tasks are being given away: how long did it take to know? When the
 * lost one led, the election is part of it. */
static struct plan_loss *begin_loss(struct node *n, uint64_t node_id)
{
	const struct election *el = &n->lead.election;
	struct member *m = members_find(&n->members, node_id);
	struct plan_loss *l = loss_of(n, node_id);
	int64_t now_us = node_now_us(n);

	if (!m || !l || (l->is_used && l->n_open))
		return l;
	*l = (struct plan_loss){
		.is_used = true, .node_id = node_id, .decided_us = now_us};
	/* It led, and was not heard of since: the election is part of it. It
	 * broke off, or it fell silent before. */
	if (el->lost_id == node_id && m->pulse.heard_us < el->won_us) {
		int64_t from = el->lost_us > m->pulse.heard_us
				       ? el->lost_us
				       : m->pulse.heard_us;
		l->detect_us = span_us(from, el->stood_us);
		l->elect_us = span_us(el->stood_us, el->won_us);
	} else {
		l->detect_us = (uint64_t)pulse_detect_us(&m->pulse, now_us);
	}
	return l;
}

static void propose_failover(struct node *n, const struct plan_loss *l,
			     uint64_t assign_us)
{
	char text[128];
	Synod__Command__Event event;
	Synod__Command__Command command;

	synod__command__event__init(&event);
	synod__command__command__init(&command);
	snprintf(text, sizeof(text), "%zu task%s assigned in %llu ms",
		 l->n_moved, l->n_moved == 1 ? "" : "s",
		 (unsigned long long)(assign_us / 1000));
	event.type = command_text("failover");
	event.node = command_text(members_name(&n->members, l->node_id));
	event.text = text;
	event.time_us = clock_wall_us(&n->clock);
	event.detect_us = l->detect_us;
	event.elect_us = l->elect_us;
	event.assign_us = assign_us;
	command.body_case = SYNOD__COMMAND__COMMAND__BODY_EVENT;
	command.event = &event;
	runner_tell(n, &command);
}

static void end_loss(struct node *n, struct plan_loss *l)
{
	struct stats *s = &n->stats;
	uint64_t assign_us = span_us(l->decided_us, node_now_us(n));

	l->is_used = false;
	if (!l->n_moved)
		return;
	histogram_add(s->failover_detect_us, l->detect_us);
	if (l->elect_us)
		histogram_add(s->failover_elect_us, l->elect_us);
	histogram_add(s->failover_assign_us, assign_us);
	log_event(LOG_INFO, "failover",
		  "member=%s tasks=%zu detect_us=%llu elect_us=%llu "
		  "assign_us=%llu",
		  members_name(&n->members, l->node_id), l->n_moved,
		  (unsigned long long)l->detect_us,
		  (unsigned long long)l->elect_us,
		  (unsigned long long)assign_us);
	propose_failover(n, l, assign_us);
}

/* -- proposals --------------------------------------------------------------
 */
static bool is_proposed(const struct plan *p, const struct planner_move *move)
{
	for (size_t i = 0; p->n_used && i < LIMIT_TASKS; i++) {
		const struct plan_move *m = &p->moves[i];
		if (m->is_used && m->task_id == move->task_id &&
		    m->expected_epoch == move->expected_epoch)
			return true;
	}
	return false;
}

static struct plan_move *take_place(struct plan *p)
{
	for (size_t i = 0; i < LIMIT_TASKS; i++) {
		if (!p->moves[i].is_used)
			return &p->moves[i];
	}
	return NULL;
}

static int propose_assign(struct node *n, const struct planner_move *move,
			  const struct plan_loss *loss, uint64_t tag)
{
	Synod__Command__Assign body;
	Synod__Command__Command command;

	synod__command__assign__init(&body);
	synod__command__command__init(&command);
	body.task_id = move->task_id;
	body.node_id = move->node_id;
	body.expected_epoch = move->expected_epoch;
	body.reason = command_text(move->reason);
	body.time_us = clock_wall_us(&n->clock);
	if (loss) {
		body.detect_us = loss->detect_us;
		body.elect_us = loss->elect_us;
	}
	command.body_case = SYNOD__COMMAND__COMMAND__BODY_ASSIGN;
	command.assign = &body;
	struct blob *sealed = command_seal(&command);
	int rc = replica_propose(n->replica, blob_bytes(sealed), tag, NULL);
	blob_unref(sealed);
	return rc;
}

static bool is_leaving_move(const struct node *n, const struct task *t)
{
	return n->phase == NODE_LEAVING && t->node_id == n->config.id;
}

static void propose(struct node *n, const struct planner_move *move)
{
	struct plan *p = &n->plan;
	const struct task *t =
		tasks_find(&n->runner.view->tasks, move->task_id);
	struct planner_move told = *move;
	struct plan_loss *loss = NULL;

	if (is_proposed(p, move))
		return;
	struct plan_move *m = take_place(p);
	if (!m || !t)
		return;
	if (is_leaving_move(n, t))
		told.reason = "drain"; /* the node is well, and going */
	else if (strcmp(move->reason, "node_lost") == 0)
		loss = begin_loss(n, t->node_id);
	if (propose_assign(n, &told, loss,
			   NODE_TAG_PLAN | (uint64_t)(m - p->moves)))
		return;
	*m = (struct plan_move){.is_used = true,
				.task_id = move->task_id,
				.expected_epoch = move->expected_epoch,
				.lost_id = loss ? loss->node_id : 0,
				.reason = told.reason,
				.proposed_us = node_now_us(n)};
	p->n_used++;
	if (loss)
		loss->n_open++;
}

void plan_fate(struct node *n, uint64_t tag, int code)
{
	struct plan *p = &n->plan;
	size_t i = tag & 0xffff;

	CHECK(i < LIMIT_TASKS && p->moves[i].is_used);
	struct plan_move m = p->moves[i];
	p->moves[i].is_used = false;
	p->n_used--;
	if (!code) {
		p->last_assigned_us = clock_wall_us(&n->clock);
		stats_assigned(&n->stats, m.reason);
	}
	struct plan_loss *l = m.lost_id ? loss_of(n, m.lost_id) : NULL;
	if (l && l->is_used && l->n_open) {
		l->n_moved += code == 0;
		if (--l->n_open == 0)
			end_loss(n, l);
	}
	/* It failed: the next look sees what became of it. */
	if (code)
		p->look_us = node_now_us(n) + 20 * 1000;
}

/* -- the turn ---------------------------------------------------------------
 */
/* The leader for all; one that leaves for itself. */
static bool may_plan(const struct node *n)
{
	if (!n->replica || !n->runner.view || !n->view.leader_id)
		return false;
	if (n->phase == NODE_LEAVING)
		return true;
	return n->phase == NODE_RUNNING && n->view.state == REPLICA_LEADER &&
	       n->view.is_settled;
}

static void note_stall(struct plan *p, int64_t now_us)
{
	if (now_us - p->turn_us > STALL_US)
		p->since_us = now_us;
	p->turn_us = now_us;
}

/* When somebody's silence is long enough. */
static int64_t next_due_us(struct node *n, int64_t now_us)
{
	int64_t due_us = now_us + LOOK_US;

	for (size_t i = 0; i < n->members.n; i++) {
		struct member *m = &n->members.list[i];
		int64_t at = pulse_due_us(&m->pulse, n->plan.since_us);
		if (i != n->members.self && at > now_us && at < due_us)
			due_us = at;
	}
	return due_us;
}

int64_t plan_turn(struct node *n, unsigned changed)
{
	struct plan *p = &n->plan;
	int64_t now_us = node_now_us(n);
	struct planner_node nodes[LIMIT_NODES];
	const unsigned of_tasks =
		CONTROL_CHANGED_DEFINITION | CONTROL_CHANGED_TASKS;

	note_stall(p, now_us);
	if (!may_plan(n))
		return LOOK_US;
	if (!(changed & of_tasks) && now_us < p->look_us)
		return p->look_us - now_us;
	p->look_us = next_due_us(n, now_us);
	struct planner_input in = plan_input(n, nodes);
	if (in.tasks->n == 0)
		return p->look_us - now_us;
	struct planner_move *moves = mem_zero(in.tasks->n, sizeof(*moves));
	size_t count = planner_plan(&in, moves);
	for (size_t i = 0; i < count; i++) {
		const struct task *t = tasks_find(in.tasks, moves[i].task_id);
		if (n->phase != NODE_LEAVING || is_leaving_move(n, t))
			propose(n, &moves[i]);
	}
	free(moves);
	return p->look_us > now_us ? p->look_us - now_us : 0;
}

bool plan_is_leaving(struct node *n)
{
	struct planner_node nodes[LIMIT_NODES];

	if (!n->runner.view || !n->replica)
		return false;
	struct planner_input in = plan_input(n, nodes);
	bool is_anybody = false;
	for (size_t i = 0; i < in.n_nodes; i++)
		is_anybody |= nodes[i].is_well && nodes[i].has_log &&
			      !tasks_is_drained(in.tasks, nodes[i].id);
	if (!is_anybody)
		return false; /* nobody to give them to */
	for (size_t i = 0; i < in.tasks->n; i++) {
		if (in.tasks->list[i].node_id == n->config.id)
			return true;
	}
	return runner_count(&n->runner) > 0;
}
