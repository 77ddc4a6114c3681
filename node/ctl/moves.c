#include "node/ctl/moves.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"

enum { LOOK_MS = 50, US_PER_MS = 1000 };

static const struct column columns[] = {
	{"time", "TIME", COLUMN_TIME, COLUMN_IS_FINE | COLUMN_IS_SPARSE},
	{"task", "TASK", COLUMN_TEXT, 0},
	{"from", "FROM", COLUMN_TEXT, 0},
	{"to", "TO", COLUMN_TEXT, COLUMN_IS_SPARSE},
	{"state", "STATE", COLUMN_TEXT, COLUMN_IS_STATE | COLUMN_IS_SPARSE},
};

int moves_begin(struct ctl *c, struct moves *m)
{
	struct err e = {0};
	*m = (struct moves){0};
	if (c->options.wait_ms == 0)
		return 0;
	if (stop_begin(&m->stop, &e))
		return ctl_fail(c, &e, NULL);
	m->has_stop = true;
	return 0;
}

void moves_end(struct moves *m)
{
	if (m->has_stop)
		stop_end(&m->stop);
	free(m->list);
	*m = (struct moves){0};
}

void moves_take_task(struct moves *m, const Synod__Admin__TaskInfo *task)
{
	m->list = mem_grow(m->list, (m->n + 1) * sizeof m->list[0]);
	struct moves_task *t = &m->list[m->n++];
	*t = (struct moves_task){0};
	snprintf(t->name, sizeof t->name, "%s", task->name);
	snprintf(t->from, sizeof t->from, "%s", task->node);
}

void moves_take_node(struct moves *m, const struct overview *o,
		     const char *node)
{
	for (size_t i = 0; i < o->all->n_tasks; i++)
		if (strcmp(o->all->tasks[i]->node, node) == 0)
			moves_take_task(m, o->all->tasks[i]);
}

/* -- showing --------------------------------------------------------------- */

enum { COLUMN_TASK = 1 };

void moves_output(struct ctl *c, const struct moves *m)
{
	output_begin(&c->output, columns, sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0, width = 0; i < m->n; i++) {
		size_t len = strlen(m->list[i].name);
		width = len > width ? len : width;
		output_reserve(&c->output, COLUMN_TASK, width);
	}
}

void moves_put_planned(struct ctl *c, const struct moves *m)
{
	for (size_t i = 0; i < m->n; i++) {
		struct cell cells[] = {cell_none(), cell_text(m->list[i].name),
				       cell_filled(m->list[i].from),
				       cell_filled(m->to), cell_none()};
		output_row(&c->output, cells);
	}
}

static void put_done(struct ctl *c, struct moves_task *t,
		     const Synod__Admin__TaskInfo *now)
{
	struct cell cells[] = {cell_time(ctl_now_us(c)), cell_text(t->name),
			       cell_filled(t->from), cell_text(now->node),
			       cell_text(now->state)};
	t->is_shown = true;
	output_row(&c->output, cells);
	output_flush(&c->output);
}

/* -- waiting --------------------------------------------------------------- */

/* Somebody has taken it over, and begun with it. */
static bool has_arrived(const struct moves *m, const struct moves_task *t,
			const Synod__Admin__TaskInfo *now)
{
	if (m->to ? strcmp(now->node, m->to) != 0
		  : !now->node[0] || strcmp(now->node, t->from) == 0)
		return false;
	return strcmp(now->state, "starting") != 0;
}

/* True: nothing is left to come. */
static bool look(struct ctl *c, struct moves *m)
{
	struct overview o;
	/* A node that is away for a moment is asked again. */
	bool is_done = overview_try(c, NULL, &o) == 0;
	for (size_t i = 0; o.all && i < m->n; i++) {
		struct moves_task *t = &m->list[i];
		const Synod__Admin__TaskInfo *now = overview_task(&o, t->name);
		if (t->is_shown || !now) /* undeclared meanwhile */
			continue;
		if (has_arrived(m, t, now))
			put_done(c, t, now);
		else
			is_done = false;
	}
	overview_clear(&o);
	return is_done;
}

static size_t count_left(const struct moves *m)
{
	size_t n = 0;
	for (size_t i = 0; i < m->n; i++)
		n += !m->list[i].is_shown;
	return n;
}

int moves_wait(struct ctl *c, struct moves *m)
{
	struct clock clock = clock_system();
	int64_t end_us = clock_mono_us(&clock) + c->options.wait_ms * US_PER_MS;
	while (!look(c, m)) {
		size_t left = count_left(m);
		const char *word = left == 1 ? "task is" : "tasks are";
		if (stop_wait(&m->stop, LOOK_MS))
			return ctl_pending(c, "synodctl status",
					   "interrupted; %zu %s still on the "
					   "way",
					   left, word);
		if (clock_mono_us(&clock) >= end_us)
			return ctl_pending(c, "synodctl status",
					   "%zu %s still on the way", left,
					   word);
	}
	return 0;
}
