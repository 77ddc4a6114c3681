#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cluster/core/command.h"
#include "cluster/core/revision.h"
#include "node/define.h"
#include "node/node.h"

/* One answer, built in the arena of the request. */
struct overview {
	struct node *n;
	struct arena *arena;
	struct view *view;
	const Synod__Definition__Definition *all;
	/* By the ledger, one number a sync (place in all->syncs). */
	uint64_t *conflicts, *conflicts_open, *letters;
	struct revision revision;
};

__attribute__((format(printf, 2, 3))) static char *text(struct overview *o,
							const char *fmt, ...)
{
	char buf[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(buf, sizeof(buf), fmt, args);
	va_end(args);
	return arena_strdup(o->arena, buf);
}

static void *list_of(struct overview *o, size_t n, size_t size)
{
	size_t bytes = (n + 1) * size;
	void *p = arena_alloc(o->arena, bytes);

	memset(p, 0, bytes);
	return p;
}

/* -- what the ledger knows ---------------------------------------------------
 */
/* Enough for a screen; beyond it the count stops. */
enum { COUNT_MAX = 10000 };

static size_t place_of(const struct overview *o, uint32_t sync_id)
{
	size_t i = 0;

	while (o->all && i < o->all->n_syncs && o->all->syncs[i]->id != sync_id)
		i++;
	return i;
}

static void count_ledger(const struct kv *kv, void *ctx)
{
	struct overview *o = ctx;
	struct ledger_figures figures;
	struct ledger_conflict *c = arena_alloc(o->arena, sizeof(*c));
	struct ledger_letter *l = arena_alloc(o->arena, sizeof(*l));
	uint64_t from = 1;

	ledger_figures(kv, &figures);
	revision_read(kv, catalog_revision(o->view->catalog), &o->revision);
	if (!o->all)
		return;
	if (o->all->n_syncs == 1) {
		o->conflicts[0] = figures.n_conflicts;
		o->conflicts_open[0] = figures.n_conflicts_open;
		o->letters[0] = figures.n_letters;
		return;
	}
	for (int i = 0; i < COUNT_MAX && figures.n_conflicts &&
			ledger_next_conflict(kv, from, c);
	     i++, from = c->id + 1) {
		size_t at = place_of(o, c->sync_id);
		o->conflicts[at]++;
		o->conflicts_open[at] += c->state == CONFLICT_OPEN;
	}
	from = 1;
	for (int i = 0; i < COUNT_MAX && figures.n_letters &&
			ledger_next_letter(kv, from, l);
	     i++, from = l->id + 1) {
		const struct catalog_table *t =
			catalog_table(o->view->catalog, l->table_id);
		o->letters[t ? place_of(o, t->sync->id) : o->all->n_syncs]++;
	}
}

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

	if (task_kind(t->id) == TASK_APPLY) {
		out->applied_index = t->applied;
		if (at < t->born_index)
			at = t->born_index;
		out->behind = decided > at ? decided - at : 0;
	}
	out->lag_p50_us = t->lag_p50_us;
	out->lag_p99_us = t->lag_p99_us;
	if (!runner_figures(o->n, t->id, &f))
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

static Synod__Admin__TaskInfo *task_info(struct overview *o,
					 const struct task *t)
{
	const struct catalog *c = o->view->catalog;
	Synod__Admin__TaskInfo *out = list_of(o, 1, sizeof(*out));
	const Synod__Definition__Sync *sync = catalog_sync(c, task_sync(t->id));
	const Synod__Definition__Connection *connection =
		catalog_connection(c, task_connection(t->id));
	char name[3 * LIMIT_NAME_BYTES + 8];

	synod__admin__task_info__init(out);
	out->id = t->id;
	out->name = text(o, "%s", task_name(c, t->id, name, sizeof(name)));
	out->kind = command_text(task_kind_name(task_kind(t->id)));
	out->sync = sync ? sync->name : command_text("");
	out->connection = connection ? connection->name : command_text("?");
	out->node = command_text(
		t->node_id ? members_name(&o->n->members, t->node_id) : "");
	out->epoch = t->epoch;
	out->state = command_text(task_state_word(o, t));
	if (t->code)
		out->problem = text(o, "%s: %s", err_name(t->code), t->text);
	out->hint = text(o, "%s", t->code ? t->hint : "");
	out->since_us = t->assigned_us;
	fill_progress(o, t, out);
	return out;
}

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
	Synod__Admin__TableInfo *out = list_of(o, 1, sizeof(*out));
	const char *pause = table_pause(o, sync->id, t->id);

	synod__admin__table_info__init(out);
	out->id = t->id;
	out->name = t->name;
	out->sides = list_of(o, t->n_sides, sizeof(char *));
	for (size_t i = 0; i < t->n_sides; i++)
		out->sides[out->n_sides++] =
			text(o, "%s: %s",
			     connection_name(o, t->sides[i]->connection_id),
			     t->sides[i]->table);
	out->fields = list_of(o, t->n_fields, sizeof(char *));
	for (size_t i = 0; i < t->n_fields; i++) {
		const Synod__Definition__Field *f = t->fields[i];
		const char *type = value_type_name((enum value_type)f->type);
		out->fields[out->n_fields++] =
			text(o, "%s %s%s", f->name, type ? type : f->native,
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
	out->owner = out->owner[0] ? text(o, "%s, %s", out->owner, node)
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
			out->problem = text(o, "%s: %s", t->name, t->problem);
			out->hint = t->hint;
		} else if (!out->problem[0]) {
			out->problem = text(o, "%s is %s", t->name, t->state);
		}
	}
	if (is_loading && strcmp(out->state, "running") == 0)
		out->state = command_text("loading");
}

static void add_problems(struct overview *o, Synod__Admin__SyncInfo *out)
{
	const char *pause = table_pause(o, out->id, 0);

	if (pause) {
		out->state = command_text("paused");
		out->problem =
			text(o, "paused%s%s", pause[0] ? ": " : "", pause);
		out->hint = text(o, "synodctl sync resume %s", out->name);
		return;
	}
	for (size_t i = 0; i < out->n_tables && !out->problem[0]; i++) {
		const Synod__Admin__TableInfo *t = out->tables[i];
		if (!t->is_paused)
			continue;
		if (strcmp(out->state, "running") == 0)
			out->state = command_text("degraded");
		out->problem =
			text(o, "table %s is paused: %s", t->name, t->reason);
		out->hint = text(o, "synodctl sync resume %s --table %s",
				 out->name, t->name);
	}
	if (!out->problem[0] && out->letters) {
		out->problem = text(o, "%llu refused change%s wait%s",
				    (unsigned long long)out->letters,
				    out->letters == 1 ? "" : "s",
				    out->letters == 1 ? "s" : "");
		out->hint = text(o, "synodctl dlq list --sync %s", out->name);
	} else if (!out->problem[0] && out->conflicts_open) {
		out->problem = text(o, "%llu conflict%s for a person to decide",
				    (unsigned long long)out->conflicts_open,
				    out->conflicts_open == 1 ? "" : "s");
		out->hint = text(o, "synodctl conflict list --open --sync %s",
				 out->name);
	}
}

static void add_tasks(struct overview *o, const Synod__Definition__Sync *sync,
		      Synod__Admin__SyncInfo *out)
{
	const struct tasks *tasks = &o->view->tasks;

	out->tasks = list_of(o, tasks->n, sizeof(out->tasks[0]));
	for (size_t i = 0; i < tasks->n; i++) {
		if (!is_task_of(sync, tasks->list[i].id))
			continue;
		Synod__Admin__TaskInfo *t = task_info(o, &tasks->list[i]);
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

static Synod__Admin__SyncInfo *sync_info(struct overview *o, size_t at)
{
	const Synod__Definition__Sync *sync = o->all->syncs[at];
	Synod__Admin__SyncInfo *out = list_of(o, 1, sizeof(*out));

	synod__admin__sync_info__init(out);
	out->id = sync->id;
	out->name = sync->name;
	out->sides = sides_text(o, sync);
	out->is_two_way = sync->is_two_way;
	out->policy = command_text(policy_name(sync));
	out->conflicts = o->conflicts[at];
	out->conflicts_open = o->conflicts_open[at];
	out->letters = o->letters[at];
	out->tables = list_of(o, sync->n_tables, sizeof(out->tables[0]));
	for (size_t i = 0; i < sync->n_tables; i++)
		out->tables[out->n_tables++] =
			table_info(o, sync, sync->tables[i]);
	add_tasks(o, sync, out);
	judge(o, out);
	add_problems(o, out);
	return out;
}

/* -- connections -------------------------------------------------------------
 */
/* Where it is, without secrets: what the type's table calls secret, and what
 * refers to one, is left out. */
static char *address_text(struct overview *o,
			  const Synod__Definition__Connection *c)
{
	static const char *const shown[] = {"path", "host",     "port",
					    "user", "database", "dbname"};
	char buf[512] = "";
	size_t used = 0;

	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		for (size_t j = 0; j < c->n_options; j++) {
			const Synod__Definition__Option *option = c->options[j];
			if (strcmp(option->name, shown[i]) != 0 ||
			    strncmp(option->value, "secret://", 9) == 0)
				continue;
			int n = snprintf(buf + used, sizeof(buf) - used,
					 "%s%s=%s", used ? " " : "",
					 option->name, option->value);
			if (n < 0 || (size_t)n >= sizeof(buf) - used)
				return arena_strdup(o->arena, buf);
			used += (size_t)n;
		}
	}
	return arena_strdup(o->arena, buf);
}

static Synod__Admin__ConnectionInfo *
connection_info(struct overview *o, const Synod__Definition__Connection *c)
{
	const struct tasks *tasks = &o->view->tasks;
	Synod__Admin__ConnectionInfo *out = list_of(o, 1, sizeof(*out));

	synod__admin__connection_info__init(out);
	out->id = c->id;
	out->name = c->name;
	out->type = c->type;
	out->address = address_text(o, c);
	out->unreachable_from = list_of(o, tasks->n_reach, sizeof(char *));
	for (size_t i = 0; i < tasks->n_reach; i++) {
		if (tasks->reach[i].connection_id == c->id)
			out->unreachable_from[out->n_unreachable_from++] =
				command_text(
					members_name(&o->n->members,
						     tasks->reach[i].node_id));
	}
	out->syncs = list_of(o, o->all->n_syncs, sizeof(char *));
	for (size_t i = 0; i < o->all->n_syncs; i++) {
		const Synod__Definition__Sync *sync = o->all->syncs[i];
		for (size_t j = 0; j < sync->n_connection_ids; j++) {
			if (sync->connection_ids[j] == c->id)
				out->syncs[out->n_syncs++] = sync->name;
		}
	}
	return out;
}

/* -- the answer ---------------------------------------------------------------
 */
static void fill_all(struct overview *o, Synod__Admin__OverviewResponse *body,
		     const char *only)
{
	const struct tasks *tasks = &o->view->tasks;
	size_t n_syncs = o->all ? o->all->n_syncs : 0;
	size_t n_connections = o->all ? o->all->n_connections : 0;

	body->syncs = list_of(o, n_syncs, sizeof(body->syncs[0]));
	for (size_t i = 0; i < n_syncs; i++) {
		if (!only[0] || strcmp(only, o->all->syncs[i]->name) == 0)
			body->syncs[body->n_syncs++] = sync_info(o, i);
	}
	body->tasks = list_of(o, tasks->n, sizeof(body->tasks[0]));
	for (size_t i = 0; i < tasks->n; i++)
		body->tasks[body->n_tasks++] = task_info(o, &tasks->list[i]);
	body->connections =
		list_of(o, n_connections, sizeof(body->connections[0]));
	for (size_t i = 0; i < n_connections; i++)
		body->connections[body->n_connections++] =
			connection_info(o, o->all->connections[i]);
	body->drained = list_of(o, tasks->n_drained, sizeof(char *));
	for (size_t i = 0; i < tasks->n_drained; i++)
		body->drained[body->n_drained++] = command_text(
			members_name(&o->n->members, tasks->drained[i]));
	body->revision = catalog_revision(o->view->catalog);
	body->revision_author = o->revision.author;
	body->revision_time_us = o->revision.time_us;
	body->decided_index = atomic_load(&o->n->machine.decided.index);
}

void admin_overview(struct node *n, struct door_request *request,
		    const Synod__Admin__OverviewRequest *in)
{
	Synod__Admin__OverviewResponse body;
	Synod__Admin__Response response;
	struct overview o = {.n = n, .arena = &n->admin.arena};

	if (in->sync[0] && !catalog_sync_named(node_catalog(n), in->sync)) {
		admin_refuse(request, ERR_NOTFOUND,
			     "there is no sync of this name",
			     "synodctl sync list");
		return;
	}
	synod__admin__overview_response__init(&body);
	synod__admin__response__init(&response);
	o.view = decided_view(&n->machine.decided);
	o.all = catalog_definition(o.view->catalog);
	size_t n_syncs = o.all ? o.all->n_syncs : 0;
	o.conflicts = list_of(&o, n_syncs + 1, sizeof(uint64_t));
	o.conflicts_open = list_of(&o, n_syncs + 1, sizeof(uint64_t));
	o.letters = list_of(&o, n_syncs + 1, sizeof(uint64_t));
	state_read(n->state, count_ledger, &o);
	fill_all(&o, &body, in->sync);
	response.body_case = SYNOD__ADMIN__RESPONSE__BODY_OVERVIEW;
	response.overview = &body;
	admin_reply(request, &response);
	view_unref(o.view);
}
