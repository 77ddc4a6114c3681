#include "node/admin_overview.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cluster/core/command.h"

char *overview_text(struct overview *o, const char *fmt, ...)
{
	char buf[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(buf, sizeof(buf), fmt, args);
	va_end(args);
	return arena_strdup(o->arena, buf);
}

void *overview_list(struct overview *o, size_t n, size_t size)
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

/* -- the answer ---------------------------------------------------------------
 */
static void fill_all(struct overview *o, Synod__Admin__OverviewResponse *body,
		     const char *only)
{
	const struct tasks *tasks = &o->view->tasks;
	size_t n_syncs = o->all ? o->all->n_syncs : 0;
	size_t n_connections = o->all ? o->all->n_connections : 0;

	body->syncs = overview_list(o, n_syncs, sizeof(body->syncs[0]));
	for (size_t i = 0; i < n_syncs; i++) {
		if (!only[0] || strcmp(only, o->all->syncs[i]->name) == 0)
			body->syncs[body->n_syncs++] = overview_sync(o, i);
	}
	body->tasks = overview_list(o, tasks->n, sizeof(body->tasks[0]));
	for (size_t i = 0; i < tasks->n; i++)
		body->tasks[body->n_tasks++] =
			overview_task(o, &tasks->list[i]);
	body->connections =
		overview_list(o, n_connections, sizeof(body->connections[0]));
	for (size_t i = 0; i < n_connections; i++)
		body->connections[body->n_connections++] =
			overview_connection(o, o->all->connections[i]);
	body->drained = overview_list(o, tasks->n_drained, sizeof(char *));
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
	o.conflicts = overview_list(&o, n_syncs + 1, sizeof(uint64_t));
	o.conflicts_open = overview_list(&o, n_syncs + 1, sizeof(uint64_t));
	o.letters = overview_list(&o, n_syncs + 1, sizeof(uint64_t));
	state_read(n->state, count_ledger, &o);
	fill_all(&o, &body, in->sync);
	response.body_case = SYNOD__ADMIN__RESPONSE__BODY_OVERVIEW;
	response.overview = &body;
	admin_reply(request, &response);
	view_unref(o.view);
}
