#include "node/ctl/overview.h"

#include <stdio.h>
#include <string.h>

#include "node/config_nearest.h"

/* -- asking ---------------------------------------------------------------- */

static bool is_overview(const struct link_answer *a)
{
	return a->e.code == 0 &&
	       a->response->body_case == SYNOD__ADMIN__RESPONSE__BODY_OVERVIEW;
}

static void check(struct link_answer *a)
{
	if (a->e.code == 0 && !is_overview(a))
		err_set(&a->e, ERR_FORMAT, "the answer is not an overview");
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Only a task's owner knows these; everyone else says 0, and of the lag what
 * was last written into the log. */
static void take_figures(Synod__Admin__TaskInfo *to,
			 const Synod__Admin__TaskInfo *from)
{
	to->retained_bytes = larger(to->retained_bytes, from->retained_bytes);
	if (from->n_to_load > to->n_to_load) {
		to->n_to_load = from->n_to_load;
		to->n_loaded = from->n_loaded;
	}
	if (from->per_second > to->per_second) {
		to->per_second = from->per_second;
		to->lag_p50_us = from->lag_p50_us;
		to->lag_p99_us = from->lag_p99_us;
	}
}

/* Those of a sync come from its apply tasks. */
static void sum_up(Synod__Admin__SyncInfo *sync)
{
	sync->per_second = 0;
	sync->lag_p50_us = sync->lag_p99_us = 0;
	for (size_t i = 0; i < sync->n_tasks; i++) {
		const Synod__Admin__TaskInfo *t = sync->tasks[i];
		if (strcmp(t->kind, "apply") != 0)
			continue;
		sync->per_second += t->per_second;
		sync->lag_p50_us = larger(sync->lag_p50_us, t->lag_p50_us);
		sync->lag_p99_us = larger(sync->lag_p99_us, t->lag_p99_us);
	}
}

static void merge_tasks(Synod__Admin__TaskInfo **to, size_t n_to,
			Synod__Admin__TaskInfo *const *from, size_t n_from)
{
	/* Both are in the same order, save while one is behind. */
	for (size_t i = 0; i < n_to && i < n_from; i++)
		if (to[i]->id == from[i]->id && to[i]->epoch == from[i]->epoch)
			take_figures(to[i], from[i]);
}

static void merge(Synod__Admin__OverviewResponse *to,
		  const Synod__Admin__OverviewResponse *from)
{
	merge_tasks(to->tasks, to->n_tasks, from->tasks, from->n_tasks);
	for (size_t i = 0; i < to->n_syncs && i < from->n_syncs; i++)
		if (to->syncs[i]->id == from->syncs[i]->id) {
			merge_tasks(to->syncs[i]->tasks, to->syncs[i]->n_tasks,
				    from->syncs[i]->tasks,
				    from->syncs[i]->n_tasks);
			sum_up(to->syncs[i]);
		}
}

/* The one that has decided most, with the figures of all. */
static void choose(struct overview *o)
{
	Synod__Admin__OverviewResponse *best = NULL;
	for (size_t i = 0; i < o->n_answers; i++) {
		check(&o->answers[i]);
		if (!is_overview(&o->answers[i]))
			continue;
		Synod__Admin__OverviewResponse *r =
			o->answers[i].response->overview;
		if (!best || r->decided_index > best->decided_index)
			best = r;
	}
	for (size_t i = 0; best && i < o->n_answers; i++)
		if (is_overview(&o->answers[i]) &&
		    o->answers[i].response->overview != best)
			merge(best, o->answers[i].response->overview);
	o->all = best;
}

static int try(struct ctl *c, const char *sync, bool is_everyone,
	       struct overview *o)
{
	Synod__Admin__OverviewRequest body;
	Synod__Admin__Request request;
	*o = (struct overview){0};
	synod__admin__overview_request__init(&body);
	synod__admin__request__init(&request);
	body.sync = ctl_text(sync);
	request.body_case = SYNOD__ADMIN__REQUEST__BODY_OVERVIEW;
	request.overview = &body;
	o->n_answers = is_everyone ? c->link.n_ends : 1;
	if (is_everyone)
		link_call_all(&c->link, &request, (int)c->options.timeout_ms,
			      o->answers);
	else
		link_call_any(&c->link, &request, (int)c->options.timeout_ms,
			      o->answers);
	choose(o);
	return o->all ? 0 : o->answers[0].e.code;
}

int overview_try(struct ctl *c, const char *sync, struct overview *o)
{
	return try(c, sync, false, o);
}

int overview_try_everyone(struct ctl *c, const char *sync, struct overview *o)
{
	return try(c, sync, true, o);
}

static int fail_unless_told(struct ctl *c, const struct overview *o)
{
	return o->all ? 0 : ctl_fail(c, &o->answers[0].e, o->answers[0].hint);
}

int overview_ask(struct ctl *c, const char *sync, struct overview *o)
{
	try(c, sync, false, o);
	return fail_unless_told(c, o);
}

int overview_ask_everyone(struct ctl *c, const char *sync, struct overview *o)
{
	try(c, sync, true, o);
	return fail_unless_told(c, o);
}

void overview_clear(struct overview *o)
{
	for (size_t i = 0; i < o->n_answers; i++)
		link_answer_clear(&o->answers[i]);
	*o = (struct overview){0};
}

/* -- looking --------------------------------------------------------------- */

const Synod__Admin__SyncInfo *overview_sync(const struct overview *o,
					    const char *name)
{
	for (size_t i = 0; i < o->all->n_syncs; i++)
		if (strcmp(o->all->syncs[i]->name, name) == 0)
			return o->all->syncs[i];
	return NULL;
}

const Synod__Admin__TaskInfo *overview_task(const struct overview *o,
					    const char *name)
{
	for (size_t i = 0; i < o->all->n_tasks; i++)
		if (strcmp(o->all->tasks[i]->name, name) == 0)
			return o->all->tasks[i];
	return NULL;
}

static int no_such(struct ctl *c, const char *noun, const char *name,
		   const struct config_nearest *near)
{
	struct err e;
	err_set(&e, ERR_NOTFOUND, "there is no %s '%.64s'%s%s%s", noun, name,
		near->best ? "; did you mean '" : "",
		near->best ? near->best : "", near->best ? "'?" : "");
	return ctl_fail(c, &e,
			strcmp(noun, "task") == 0 ? "synodctl sync show SYNC"
						  : "synodctl sync list");
}

int overview_no_sync(struct ctl *c, const struct overview *o, const char *name)
{
	struct config_nearest near = config_nearest_init(name);
	for (size_t i = 0; i < o->all->n_syncs; i++)
		config_nearest_try(&near, o->all->syncs[i]->name);
	return no_such(c, "sync", name, &near);
}

int overview_no_task(struct ctl *c, const struct overview *o, const char *name)
{
	struct config_nearest near = config_nearest_init(name);
	for (size_t i = 0; i < o->all->n_tasks; i++)
		config_nearest_try(&near, o->all->tasks[i]->name);
	return no_such(c, "task", name, &near);
}

size_t overview_count(const struct overview *o, const char *node)
{
	size_t n = 0;
	for (size_t i = 0; i < o->all->n_tasks; i++)
		n += strcmp(o->all->tasks[i]->node, node) == 0;
	return n;
}

bool overview_is_drained(const struct overview *o, const char *node)
{
	for (size_t i = 0; i < o->all->n_drained; i++)
		if (strcmp(o->all->drained[i], node) == 0)
			return true;
	return false;
}

void overview_to_view(const struct overview *o, struct view *v)
{
	if (!o->all || o->all->revision == 0)
		return; /* nothing was ever declared: there are no tasks */
	for (size_t i = 0; i < v->n_nodes; i++) {
		struct view_node *n = &v->nodes[i];
		n->has_tasks = true;
		n->n_tasks = overview_count(o, n->status->name);
		n->is_drained = overview_is_drained(o, n->status->name);
	}
}
