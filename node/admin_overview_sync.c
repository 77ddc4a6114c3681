#include <stdio.h>
#include <string.h>

#include "cluster/core/command.h"
#include "node/admin_overview.h"

/* -- syncs -------------------------------------------------------------------
 */
static const char *table_pause(const struct overview *o, uint32_t sync_id,
			       uint32_t table_id)
{
	const struct tasks *tasks = &o->view->tasks;

	for (size_t i = 0; i < tasks->n_pauses; i++) {
		const struct tasks_pause *p = &tasks->pauses[i];
		if (p->sync_id == sync_id && p->table_id == table_id)
			return p->reason;
	}
	return NULL;
}

static const char *connection_name(const struct overview *o, uint32_t id)
{
	const Synod__Definition__Connection *c =
		catalog_connection(o->view->catalog, id);

	return c ? c->name : "?";
}

static Synod__Admin__TableInfo *table_info(struct overview *o,
					   const Synod__Definition__Sync *sync,
					   const Synod__Definition__Table *t)
{
	Synod__Admin__TableInfo *out = overview_list(o, 1, sizeof(*out));
	const char *pause = table_pause(o, sync->id, t->id);

	synod__admin__table_info__init(out);
	out->id = t->id;
	out->name = t->name;
	out->sides = overview_list(o, t->n_sides, sizeof(char *));
	for (size_t i = 0; i < t->n_sides; i++)
		out->sides[out->n_sides++] = overview_text(
			o, "%s: %s",
			connection_name(o, t->sides[i]->connection_id),
			t->sides[i]->table);
	out->fields = overview_list(o, t->n_fields, sizeof(char *));
	for (size_t i = 0; i < t->n_fields; i++) {
		const Synod__Definition__Field *f = t->fields[i];
		const char *type = value_type_name((enum value_type)f->type);
		out->fields[out->n_fields++] = overview_text(
			o, "%s %s%s", f->name, type ? type : f->native,
			f->is_key ? " key" : "");
	}
	out->is_paused = pause != NULL;
	out->reason = command_text(pause ? pause : "");
	return out;
}

static bool is_source(const Synod__Definition__Sync *sync, uint32_t id)
{
	for (size_t i = 0; i < sync->n_tables; i++) {
		const Synod__Definition__Table *t = sync->tables[i];
		for (size_t j = 0; j < t->n_sides; j++) {
			if (t->sides[j]->connection_id == id &&
			    t->sides[j]->is_source)
				return true;
		}
	}
	return false;
}

static char *sides_text(struct overview *o, const Synod__Definition__Sync *sync)
{
	char buf[1024] = "";
	size_t used = 0;

	for (size_t i = 0; i < sync->n_connection_ids; i++) {
		const Synod__Definition__Connection *c = catalog_connection(
			o->view->catalog, sync->connection_ids[i]);
		const char *arrow = sync->is_two_way ? " <-> "
				    : i == 1         ? " -> "
						     : ", ";
		int n = snprintf(buf + used, sizeof(buf) - used, "%s%s (%s)",
				 i ? arrow : "", c ? c->name : "?",
				 c ? c->type : "?");
		if (n < 0 || (size_t)n >= sizeof(buf) - used)
			break;
		used += (size_t)n;
	}
	return arena_strdup(o->arena, buf);
}

static const char *policy_name(const Synod__Definition__Sync *sync)
{
	if (!sync->policy)
		return "last-write-wins";
	switch (sync->policy->rule) {
	case SYNOD__DEFINITION__POLICY__RULE__PREFER:
		return "prefer";
	case SYNOD__DEFINITION__POLICY__RULE__QUEUE:
		return "queue";
	default:
		return "last-write-wins";
	}
}

static bool is_task_of(const Synod__Definition__Sync *sync, uint32_t task_id)
{
	if (task_kind(task_id) == TASK_APPLY)
		return task_sync(task_id) == sync->id;
	return is_source(sync, task_connection(task_id));
}

static void add_owner(struct overview *o, Synod__Admin__SyncInfo *out,
		      const char *node)
{
	if (!node[0] || strstr(out->owner, node))
		return;
	out->owner = out->owner[0]
			     ? overview_text(o, "%s, %s", out->owner, node)
			     : command_text(node);
}

/* The worst that its tasks say decides. */
static void judge(struct overview *o, Synod__Admin__SyncInfo *out)
{
	bool is_loading = false;

	out->state = command_text("running");
	for (size_t i = 0; i < out->n_tasks; i++) {
		const Synod__Admin__TaskInfo *t = out->tasks[i];
		is_loading |= t->n_to_load > t->n_loaded;
		if (strcmp(t->state, "running") == 0 ||
		    strcmp(t->state, "paused") == 0)
			continue;
		bool is_bad = strcmp(t->state, "blocked") == 0 ||
			      strcmp(t->state, "unassigned") == 0;
		if (strcmp(out->state, "stopped") != 0)
			out->state =
				command_text(is_bad ? "stopped" : "degraded");
		if (!out->problem[0] && t->problem[0]) {
			out->problem =
				overview_text(o, "%s: %s", t->name, t->problem);
			out->hint = t->hint;
		} else if (!out->problem[0]) {
			out->problem =
				overview_text(o, "%s is %s", t->name, t->state);
		}
	}
	if (is_loading && strcmp(out->state, "running") == 0)
		out->state = command_text("loading");
}

static const struct task *slowest_apply(const struct tasks *tasks)
{
	uint64_t low = tasks_low_index(tasks);

	for (size_t i = 0; i < tasks->n; i++) {
		const struct task *t = &tasks->list[i];
		if (task_kind(t->id) == TASK_APPLY &&
		    (t->upto > t->born_index ? t->upto : t->born_index) == low)
			return t;
	}
	return NULL;
}

/* Captures wait, and one target is to blame, maybe of another sync. */
static void add_full(struct overview *o, Synod__Admin__SyncInfo *out)
{
	const struct task *t = slowest_apply(&o->view->tasks);

	if (strcmp(out->state, "running") == 0)
		out->state = command_text("degraded");
	if (!t) {
		out->problem = command_text("the log is full");
		out->hint = command_text("raise limits.log in the node files");
		return;
	}
	const Synod__Admin__TaskInfo *info = overview_task(o, t);
	out->problem = overview_text(
		o,
		"the log is full, captures wait for %s (%s, %llu entries "
		"behind)%s%s",
		info->name, info->state, (unsigned long long)info->behind,
		info->problem[0] ? ": " : "", info->problem);
	out->hint = info->hint[0] ? info->hint
				  : overview_text(o,
						  "synodctl sync lag %s, or "
						  "raise limits.log in the "
						  "node files",
						  info->sync);
}

static void add_problems(struct overview *o, Synod__Admin__SyncInfo *out)
{
	const char *pause = table_pause(o, out->id, 0);

	if (pause) {
		out->state = command_text("paused");
		out->problem = overview_text(o, "paused%s%s",
					     pause[0] ? ": " : "", pause);
		out->hint =
			overview_text(o, "synodctl sync resume %s", out->name);
		return;
	}
	if (o->n->is_full)
		add_full(o, out);
	for (size_t i = 0; i < out->n_tables && !out->problem[0]; i++) {
		const Synod__Admin__TableInfo *t = out->tables[i];
		if (!t->is_paused)
			continue;
		if (strcmp(out->state, "running") == 0)
			out->state = command_text("degraded");
		out->problem = overview_text(o, "table %s is paused: %s",
					     t->name, t->reason);
		out->hint =
			overview_text(o, "synodctl sync resume %s --table %s",
				      out->name, t->name);
	}
	if (!out->problem[0] && out->letters) {
		out->problem = overview_text(o, "%llu refused change%s wait%s",
					     (unsigned long long)out->letters,
					     out->letters == 1 ? "" : "s",
					     out->letters == 1 ? "s" : "");
		out->hint = overview_text(o, "synodctl dlq list %s", out->name);
	} else if (!out->problem[0] && out->conflicts_open) {
		out->problem = overview_text(
			o, "%llu conflict%s for a person to decide",
			(unsigned long long)out->conflicts_open,
			out->conflicts_open == 1 ? "" : "s");
		out->hint = overview_text(o, "synodctl conflict list %s --open",
					  out->name);
	}
}

static void add_tasks(struct overview *o, const Synod__Definition__Sync *sync,
		      Synod__Admin__SyncInfo *out)
{
	const struct tasks *tasks = &o->view->tasks;

	out->tasks = overview_list(o, tasks->n, sizeof(out->tasks[0]));
	for (size_t i = 0; i < tasks->n; i++) {
		if (!is_task_of(sync, tasks->list[i].id))
			continue;
		Synod__Admin__TaskInfo *t = overview_task(o, &tasks->list[i]);
		out->tasks[out->n_tasks++] = t;
		add_owner(o, out, t->node);
		if (task_kind(t->id) != TASK_APPLY)
			continue;
		out->per_second += t->per_second;
		if (t->lag_p50_us > out->lag_p50_us)
			out->lag_p50_us = t->lag_p50_us;
		if (t->lag_p99_us > out->lag_p99_us)
			out->lag_p99_us = t->lag_p99_us;
	}
}

Synod__Admin__SyncInfo *overview_sync(struct overview *o, size_t at)
{
	const Synod__Definition__Sync *sync = o->all->syncs[at];
	Synod__Admin__SyncInfo *out = overview_list(o, 1, sizeof(*out));

	synod__admin__sync_info__init(out);
	out->id = sync->id;
	out->name = sync->name;
	out->sides = sides_text(o, sync);
	out->is_two_way = sync->is_two_way;
	out->policy = command_text(policy_name(sync));
	out->conflicts = o->conflicts[at];
	out->conflicts_open = o->conflicts_open[at];
	out->letters = o->letters[at];
	out->tables = overview_list(o, sync->n_tables, sizeof(out->tables[0]));
	for (size_t i = 0; i < sync->n_tables; i++)
		out->tables[out->n_tables++] =
			table_info(o, sync, sync->tables[i]);
	add_tasks(o, sync, out);
	judge(o, out);
	add_problems(o, out);
	return out;
}
