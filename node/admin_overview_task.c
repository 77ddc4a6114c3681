#include <stdio.h>
#include <string.h>

#include "cluster/core/command.h"
#include "node/admin_overview.h"

/* -- tasks -------------------------------------------------------------------
 */
static const char *task_state_word(const struct overview *o,
				   const struct task *t)
{
	if (task_sync(t->id) &&
	    tasks_is_paused(&o->view->tasks, task_sync(t->id), 0))
		return "paused";
	if (!t->node_id)
		return "unassigned";
	switch (t->state) {
	case SYNOD__COMMAND__TASK_REPORT__STATE__RUNNING:
		return "running";
	case SYNOD__COMMAND__TASK_REPORT__STATE__RETRYING:
		return "retrying";
	case SYNOD__COMMAND__TASK_REPORT__STATE__BLOCKED:
		return "blocked";
	default:
		return "starting";
	}
}

static void fill_progress(struct overview *o, const struct task *t,
			  Synod__Admin__TaskInfo *out)
{
	uint64_t at = t->applied > t->upto ? t->applied : t->upto;
	uint64_t decided = atomic_load(&o->n->machine.decided.index);
	struct runner_figures f;

	bool is_here = runner_figures(o->n, t->id, &f);
	/* Its owner knows better than the checkpoint. */
	if (is_here && f.upto > at)
		at = f.upto;
	if (task_kind(t->id) == TASK_APPLY) {
		out->applied_index = t->applied;
		if (at < t->born_index)
			at = t->born_index;
		out->behind = decided > at ? decided - at : 0;
	}
	out->lag_p50_us = t->lag_p50_us;
	out->lag_p99_us = t->lag_p99_us;
	if (!is_here)
		return;
	out->per_second = f.per_second;
	out->retained_bytes = f.capture.retained_bytes;
	out->n_to_load = f.capture.n_to_load;
	out->n_loaded = f.capture.n_loaded;
	if (f.lag_p99_us) {
		out->lag_p50_us = f.lag_p50_us;
		out->lag_p99_us = f.lag_p99_us;
	}
}

Synod__Admin__TaskInfo *overview_task(struct overview *o, const struct task *t)
{
	const struct catalog *c = o->view->catalog;
	Synod__Admin__TaskInfo *out = overview_list(o, 1, sizeof(*out));
	const Synod__Definition__Sync *sync = catalog_sync(c, task_sync(t->id));
	const Synod__Definition__Connection *connection =
		catalog_connection(c, task_connection(t->id));
	char name[3 * LIMIT_NAME_BYTES + 8];

	synod__admin__task_info__init(out);
	out->id = t->id;
	out->name =
		overview_text(o, "%s", task_name(c, t->id, name, sizeof(name)));
	out->kind = command_text(task_kind_name(task_kind(t->id)));
	out->sync = sync ? sync->name : command_text("");
	out->connection = connection ? connection->name : command_text("?");
	out->node = command_text(
		t->node_id ? members_name(&o->n->members, t->node_id) : "");
	out->epoch = t->epoch;
	out->state = command_text(task_state_word(o, t));
	if (t->code)
		out->problem =
			overview_text(o, "%s: %s", err_name(t->code), t->text);
	out->hint = overview_text(o, "%s", t->code ? t->hint : "");
	out->since_us = t->assigned_us;
	fill_progress(o, t, out);
	return out;
}
