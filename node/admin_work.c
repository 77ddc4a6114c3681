#include <stdio.h>
#include <string.h>

#include "cluster/core/command.h"
#include "node/node.h"

/* -- pause and resume --------------------------------------------------------
 */
static const Synod__Definition__Table *
table_named(const Synod__Definition__Sync *sync, const char *name)
{
	for (size_t i = 0; i < sync->n_tables; i++) {
		if (strcmp(sync->tables[i]->name, name) == 0)
			return sync->tables[i];
	}
	return NULL;
}

void admin_pause(struct node *n, struct door_request *request,
		 const Synod__Admin__PauseRequest *in)
{
	const Synod__Definition__Sync *sync =
		catalog_sync_named(node_catalog(n), in->sync);
	const Synod__Definition__Table *table = NULL;
	Synod__Command__Pause body;
	Synod__Command__Command command;
	char text[256];

	if (!sync) {
		admin_refuse(request, ERR_NOTFOUND,
			     "there is no sync of this name",
			     "synodctl sync list");
		return;
	}
	if (in->table[0] && !(table = table_named(sync, in->table))) {
		admin_refuse(request, ERR_NOTFOUND,
			     "the sync has no table of this name",
			     "synodctl sync show NAME");
		return;
	}
	synod__command__pause__init(&body);
	synod__command__command__init(&command);
	body.sync_id = sync->id;
	body.table_id = table ? table->id : 0;
	body.is_paused = in->is_paused;
	body.reason = in->reason;
	body.time_us = clock_wall_us(&n->clock);
	command.body_case = SYNOD__COMMAND__COMMAND__BODY_PAUSE;
	command.pause = &body;
	snprintf(text, sizeof(text), "%s%s%s is %s", in->sync,
		 table ? " table " : "", table ? in->table : "",
		 in->is_paused ? "paused" : "no longer paused");
	admin_do(n, request, &command,
		 &(struct admin_deed){text, "synodctl sync list"});
}

/* -- move --------------------------------------------------------------------
 */
static const struct task *task_named(struct node *n, const char *name)
{
	const struct tasks *tasks = &n->runner.view->tasks;
	char buf[3 * LIMIT_NAME_BYTES + 8];

	for (size_t i = 0; i < tasks->n; i++) {
		task_name(node_catalog(n), tasks->list[i].id, buf, sizeof(buf));
		if (strcmp(buf, name) == 0)
			return &tasks->list[i];
	}
	return NULL;
}

static struct member *member_named(struct members *m, const char *name)
{
	for (size_t i = 0; i < m->n; i++) {
		if (strcmp(m->list[i].name, name) == 0)
			return &m->list[i];
	}
	return NULL;
}

static const char *refuse_move(struct node *n, const struct task *task,
			       const struct member *to)
{
	struct planner_node nodes[LIMIT_NODES];
	struct planner_input in;

	if (!n->replica)
		return "this node waits for the others";
	in = plan_input(n, nodes);
	return planner_refuse_move(&in, task->id, to->facts.id);
}

void admin_move(struct node *n, struct door_request *request,
		const Synod__Admin__MoveRequest *in)
{
	const struct task *task = task_named(n, in->task);
	struct member *to = member_named(&n->members, in->node);
	Synod__Command__Assign body;
	Synod__Command__Command command;
	char text[256];

	if (!task || !to) {
		admin_refuse(request, ERR_NOTFOUND,
			     task ? "no member has this name"
				  : "there is no task of this name",
			     task ? "synodctl node list" : "synodctl status");
		return;
	}
	const char *why = refuse_move(n, task, to);
	if (why) {
		admin_refuse(request, ERR_REFUSED, why, "synodctl node list");
		return;
	}
	synod__command__assign__init(&body);
	synod__command__command__init(&command);
	body.task_id = task->id;
	body.node_id = to->facts.id;
	body.expected_epoch = task->epoch;
	body.reason = command_text("move");
	body.time_us = clock_wall_us(&n->clock);
	command.body_case = SYNOD__COMMAND__COMMAND__BODY_ASSIGN;
	command.assign = &body;
	snprintf(text, sizeof(text), "%s runs on %s now", in->task, in->node);
	admin_do(n, request, &command,
		 &(struct admin_deed){text, "synodctl status"});
}

/* -- drain -------------------------------------------------------------------
 */
void admin_drain(struct node *n, struct door_request *request,
		 const Synod__Admin__DrainRequest *in)
{
	struct member *member = member_named(&n->members, in->node);
	Synod__Command__Drain body;
	Synod__Command__Command command;
	char text[256];

	if (!member) {
		admin_refuse(request, ERR_NOTFOUND, "no member has this name",
			     "synodctl node list");
		return;
	}
	synod__command__drain__init(&body);
	synod__command__command__init(&command);
	body.node_id = member->facts.id;
	body.is_drained = in->is_drained;
	body.time_us = clock_wall_us(&n->clock);
	command.body_case = SYNOD__COMMAND__COMMAND__BODY_DRAIN;
	command.drain = &body;
	snprintf(text, sizeof(text),
		 in->is_drained ? "%s gives its tasks away and gets no more"
				: "%s may have tasks again",
		 in->node);
	admin_do(n, request, &command,
		 &(struct admin_deed){text, "synodctl node list"});
}
