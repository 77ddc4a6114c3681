/* What is declared, and who works on it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "cluster/core/control_internal.h"
#include "cluster/core/definition.h"
#include "cluster/core/revision.h"

static const char *connection_name(const struct control_turn *t, uint32_t id)
{
	const Synod__Definition__Connection *c =
		catalog_connection(t->c->catalog, id);

	return c ? c->name : "?";
}

/* -- the floor ------------------------------------------------------------- */
/* What every apply task is beyond needs no outcome and no dropped table any
 * more. The slack is for targets that lost their last transactions. */
static void move_floor(struct control_turn *t)
{
	struct control *c = t->c;
	struct key key = key_table('f');
	uint64_t low = tasks_low_index(&c->tasks);
	uint8_t buf[8];

	if (low > t->index)
		low = t->index; /* there are no apply tasks */
	if (low <= c->floor + CONTROL_SLACK)
		return;
	c->floor = low - CONTROL_SLACK;
	put_u64(buf, c->floor);
	t->kv->put(t->kv->ctx, key_bytes(&key),
		   (struct bytes){buf, sizeof(buf)});
	if (c->n_old_tables && revision_purge(t->kv, c->catalog, c->floor))
		control_reload(t);
}

/* -- revisions ------------------------------------------------------------- */
void control_reload(struct control_turn *t)
{
	struct control *c = t->c;

	catalog_free(c->catalog);
	c->catalog = catalog_load(t->kv);
	c->n_old_tables = catalog_old_tables(c->catalog);
	struct ledger_world world = control_world(t);
	ledger_follow(&c->ledger, &world);
	t->changed |= CONTROL_CHANGED_LEDGER;
}

/* What a node could not reach under another address or name may be in reach
 * now. */
static void forget_reach(struct control_turn *t, const struct catalog *before,
			 const struct catalog *after)
{
	for (uint32_t id = 1; id <= CATALOG_CONNECTIONS; id++) {
		const Synod__Definition__Connection *old =
			catalog_connection(before, id);
		const Synod__Definition__Connection *now =
			catalog_connection(after, id);

		if (old && now && !definition_same(&old->base, &now->base))
			tasks_forget_reach(&t->c->tasks, t->kv, id);
	}
}

void control_take_revision(struct control_turn *t,
			   const Synod__Command__Revision *in)
{
	struct control *c = t->c;
	struct revision r;
	struct err e = {0};

	if (revision_take(t->kv, c->catalog, t->index, in, &e)) {
		control_refuse(t, e.code, "%s", e.text);
		return;
	}
	struct catalog *after = catalog_load(t->kv);
	forget_reach(t, c->catalog, after);
	tasks_follow(&c->tasks, t->kv, after, t->index);
	catalog_free(after);
	control_reload(t);
	t->changed |= CONTROL_CHANGED_DEFINITION | CONTROL_CHANGED_TASKS;
	CHECK(revision_read(t->kv, catalog_revision(c->catalog), &r));
	struct control_note note = {.type = "revision_applied",
				    .time_us = in->time_us};
	control_say(t, &note, "revision %" PRIu32 "%s%s: %s%s%s", r.number,
		    r.author[0] ? " by " : "", r.author, r.change,
		    r.message[0] ? "; " : "", r.message);
	move_floor(t);
}

/* -- tasks ----------------------------------------------------------------- */
void control_take_assign(struct control_turn *t,
			 const Synod__Command__Assign *in)
{
	const struct task *task = tasks_find(&t->c->tasks, in->task_id);
	uint64_t from = task ? task->node_id : 0;
	char name[CONTROL_TASK_NAME_MAX], old[LIMIT_NAME_BYTES + 8] = "";
	struct control_member m;

	if (!tasks_take_assign(&t->c->tasks, t->kv, t->index, in)) {
		control_refuse(
			t, ERR_CHANGED,
			"the task was assigned by another one meanwhile");
		return;
	}
	t->changed |= CONTROL_CHANGED_TASKS;
	if (from && control_member(t->kv, from, &m))
		snprintf(old, sizeof(old), " from %s", m.name);
	struct control_note note = {.type = "task_assigned",
				    .node_id = in->node_id,
				    .time_us = in->time_us,
				    .detect_us = in->detect_us,
				    .elect_us = in->elect_us};
	task_name(t->c->catalog, in->task_id, name, sizeof(name));
	control_say(t, &note, "%s%s: %s, epoch %" PRIu64, name, old,
		    in->reason[0] ? in->reason : "?", t->index);
}

void control_take_checkpoint(struct control_turn *t,
			     const Synod__Command__Checkpoint *in)
{
	/* Nobody can have looked through what is not there yet. */
	if (in->upto > t->index ||
	    !tasks_take_checkpoint(&t->c->tasks, t->kv, in)) {
		control_refuse(t, ERR_FENCED, "a checkpoint of no owner");
		return;
	}
	t->changed |= CONTROL_CHANGED_PROGRESS;
	move_floor(t);
	ledger_forget(&t->c->ledger, t->kv, t->c->floor);
}

/* From the assignment until its owner began, by two nodes' clocks; no more than
 * a hint where they differ. */
static uint64_t assign_us(const struct task *task,
			  const Synod__Command__TaskReport *in)
{
	if (in->time_us < task->assigned_us)
		return 0;
	uint64_t all = (uint64_t)in->time_us - (uint64_t)task->assigned_us;
	return all < in->first_change_us ? 0 : all - in->first_change_us;
}

void control_take_report(struct control_turn *t,
			 const Synod__Command__TaskReport *in)
{
	const struct task *task = tasks_find(&t->c->tasks, in->task_id);
	bool was_working = task && task->first_change_us;
	char name[CONTROL_TASK_NAME_MAX];

	if (!tasks_take_report(&t->c->tasks, t->kv, in)) {
		control_refuse(t, ERR_FENCED, "a report of no owner");
		return;
	}
	t->changed |= CONTROL_CHANGED_PROGRESS;
	if (!in->first_change_us || was_working)
		return;
	struct control_note note = {.type = "task_working",
				    .node_id = task->node_id,
				    .time_us = in->time_us,
				    .detect_us = task->detect_us,
				    .elect_us = task->elect_us,
				    .assign_us = assign_us(task, in),
				    .first_change_us = in->first_change_us};
	task_name(t->c->catalog, in->task_id, name, sizeof(name));
	control_say(t, &note,
		    "%s: first change after %" PRIu64 " us, epoch %" PRIu64,
		    name, in->first_change_us, in->epoch);
}

void control_take_reach(struct control_turn *t, const Synod__Command__Reach *in)
{
	struct tasks *tasks = &t->c->tasks;
	bool was = tasks_is_reachable(tasks, in->node_id, in->connection_id);

	if (!catalog_connection(t->c->catalog, in->connection_id) ||
	    !tasks_take_reach(tasks, t->kv, in)) {
		control_refuse(t, ERR_NOTFOUND, "there is no such connection");
		return;
	}
	t->changed |= CONTROL_CHANGED_TASKS;
	if (was == (in->is_reachable != 0))
		return;
	struct control_note note = {.type = in->is_reachable
						    ? "connection_reachable"
						    : "connection_unreachable",
				    .node_id = in->node_id,
				    .time_us = in->time_us};
	control_say(t, &note, "%s", connection_name(t, in->connection_id));
}

void control_take_drain(struct control_turn *t, const Synod__Command__Drain *in)
{
	bool was = tasks_is_drained(&t->c->tasks, in->node_id);

	if (!tasks_take_drain(&t->c->tasks, t->kv, in)) {
		control_refuse(t, ERR_LIMIT, "no more nodes can be drained");
		return;
	}
	t->changed |= CONTROL_CHANGED_TASKS;
	if (was == (in->is_drained != 0))
		return;
	struct control_note note = {.type = in->is_drained ? "node_drained"
							   : "node_undrained",
				    .node_id = in->node_id,
				    .time_us = in->time_us};
	control_say(t, &note, "%s",
		    in->is_drained ? "its tasks go to other nodes"
				   : "it may be given tasks again");
}

/* -- pauses ---------------------------------------------------------------- */
static bool is_declared(const struct control_turn *t,
			const Synod__Command__Pause *in)
{
	const struct catalog_table *table;

	if (!in->table_id)
		return catalog_sync(t->c->catalog, in->sync_id) != NULL;
	table = catalog_table(t->c->catalog, in->table_id);
	return table && table->is_current && table->sync->id == in->sync_id;
}

static bool is_paused(const struct control_turn *t,
		      const Synod__Command__Pause *in)
{
	const struct tasks *tasks = &t->c->tasks;

	for (size_t i = 0; i < tasks->n_pauses; i++) {
		if (tasks->pauses[i].sync_id == in->sync_id &&
		    tasks->pauses[i].table_id == in->table_id)
			return true;
	}
	return false;
}

void control_take_pause(struct control_turn *t, const Synod__Command__Pause *in)
{
	bool was = is_paused(t, in);

	if (!is_declared(t, in) || !tasks_take_pause(&t->c->tasks, t->kv, in)) {
		control_refuse(t, ERR_NOTFOUND,
			       "there is no such sync or table");
		return;
	}
	t->changed |= CONTROL_CHANGED_TASKS;
	if (was == (in->is_paused != 0))
		return;
	struct control_note note = {.type = in->is_paused ? "sync_paused"
							  : "sync_resumed",
				    .time_us = in->time_us};
	const struct catalog_table *table =
		in->table_id ? catalog_table(t->c->catalog, in->table_id)
			     : NULL;
	control_say(t, &note, "%s%s%s%s%s",
		    catalog_sync(t->c->catalog, in->sync_id)->name,
		    table ? ", table " : "", table ? table->table->name : "",
		    in->reason[0] ? ": " : "", in->reason);
}
