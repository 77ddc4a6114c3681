#include "node/runner_forget.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "cluster/core/command.h"
#include "node/runner_task.h"

enum {
	TRIES_MAX = 10,
	TRY_US_MIN = 1000 * 1000,
	TRY_US_MAX = 60 * 1000 * 1000
};

struct forget {
	struct job job;
	struct forget *next;
	struct node *node;
	struct view *view; /* the last one that knew the task */
	uint32_t task_id;
	unsigned n_tries;
	int64_t due_us;
	bool is_busy; /* with the worker */
	struct connector_target target;
	const struct connector *connector;
	struct err e;
};

static void forget_free(struct forget *f)
{
	view_unref(f->view);
	free(f);
}

/* -- one try ----------------------------------------------------------------
 */
static void forget_run(struct job *job)
{
	struct forget *f = (struct forget *)job;

	f->e.code = 0;
	if (f->connector->forget(&f->target, f->task_id, &f->e) && !f->e.code)
		f->e.code = ERR_SYSTEM;
}

static void say_failed(struct node *n, const struct forget *f)
{
	Synod__Command__Event event;
	Synod__Command__Command command;
	char name[3 * LIMIT_NAME_BYTES + 8];
	char text[CONTROL_EVENT_TEXT_MAX];

	task_name(f->view->catalog, f->task_id, name, sizeof(name));
	snprintf(text, sizeof(text), "%.*s: what it left there stays: %.*s",
		 160, name, 320, f->e.text);
	synod__command__event__init(&event);
	synod__command__command__init(&command);
	event.type = command_text("forget_failed");
	event.node = command_text(n->config.name);
	event.text = text;
	event.time_us = clock_wall_us(&n->clock);
	command.body_case = SYNOD__COMMAND__COMMAND__BODY_EVENT;
	command.event = &event;
	runner_tell(n, &command);
	log_event(LOG_WARN, "forget_failed", "task=%s why=%s", name,
		  LOG_Q(f->e.text));
}

static void forget_unlink(struct node *n, struct forget *f)
{
	struct forget **at = &n->forgets;

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	forget_free(f);
}

static void forget_done(struct job *job)
{
	struct forget *f = (struct forget *)job;
	struct node *n = f->node;

	f->is_busy = false;
	if (f->e.code && ++f->n_tries < TRIES_MAX) {
		int64_t wait_us = (int64_t)TRY_US_MIN << f->n_tries;
		f->due_us = node_now_us(n) +
			    (wait_us < TRY_US_MAX ? wait_us : TRY_US_MAX);
		return;
	}
	if (f->e.code)
		say_failed(n, f);
	forget_unlink(n, f);
}

/* The process stops: node_close clears the list. */
static void forget_drop(struct job *job)
{
	((struct forget *)job)->is_busy = false;
}

/* -- what there is to forget ------------------------------------------------
 */
static bool is_ours(struct node *n, const struct task *t)
{
	struct member *owner = members_find(&n->members, t->node_id);

	if (t->node_id == n->config.id)
		return true;
	return n->view.state == REPLICA_LEADER &&
	       (!owner || !owner->is_connected);
}

static void add(struct node *n, struct view *before, uint32_t task_id)
{
	const Synod__Definition__Connection *c =
		catalog_connection(before->catalog, task_connection(task_id));
	struct forget *f = mem_zero(1, sizeof(*f));

	f->job = (struct job){
		.run = forget_run, .done = forget_done, .drop = forget_drop};
	f->node = n;
	f->view = view_ref(before);
	f->task_id = task_id;
	f->connector = c ? connectors_find(c->type) : NULL;
	f->target = (struct connector_target){
		.connection = c,
		.cluster = n->runner.cluster,
		.secrets = &n->runner.secrets_port,
		.base_dir = node_base_dir(n),
	};
	if (!f->connector) {
		forget_free(f);
		return;
	}
	f->next = n->forgets;
	n->forgets = f;
}

void runner_forget_removed(struct node *n, struct view *before,
			   const struct view *now)
{
	for (size_t i = 0; i < before->tasks.n; i++) {
		const struct task *t = &before->tasks.list[i];
		/* Never assigned: it has left nothing. */
		if (t->epoch && !tasks_find(&now->tasks, t->id) &&
		    is_ours(n, t))
			add(n, before, t->id);
	}
}

static bool is_still_running(const struct runner *r, uint32_t task_id)
{
	for (const struct runner_task *t = r->list; t; t = t->next) {
		if (t->id == task_id && !t->is_abandoned)
			return true;
	}
	return false;
}

void runner_forget_turn(struct node *n, int64_t now_us)
{
	struct forget *next;

	for (struct forget *f = n->forgets; f; f = next) {
		next = f->next;
		if (f->is_busy || now_us < f->due_us ||
		    is_still_running(&n->runner, f->task_id))
			continue;
		/* Declared again meanwhile: it is needed. */
		if (tasks_find(&n->runner.view->tasks, f->task_id)) {
			forget_unlink(n, f);
			continue;
		}
		f->is_busy = true;
		worker_give(&n->definer, &f->job);
	}
}

void runner_forget_close(struct node *n)
{
	while (n->forgets)
		forget_unlink(n, n->forgets);
}
