#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "node/ctl/health.h"
#include "node/ctl/overview.h"

/* "n1, n3" */
static void list_names(char *const *names, size_t n, char *buf, size_t cap)
{
	size_t used = 0;
	buf[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		int len = snprintf(buf + used, cap - used, "%s%s",
				   i > 0 ? ", " : "", names[i]);
		if (len < 0 || (size_t)len >= cap - used)
			return;
		used += (size_t)len;
	}
}

/* -- connections ----------------------------------------------------------- */

static const Synod__Admin__ConnectionInfo *
connection_of(const struct overview *o, const char *name)
{
	for (size_t i = 0; i < o->all->n_connections; i++)
		if (strcmp(o->all->connections[i]->name, name) == 0)
			return o->all->connections[i];
	return NULL;
}

static bool is_unreachable(const struct overview *o, const char *name)
{
	const Synod__Admin__ConnectionInfo *k = connection_of(o, name);
	return k && k->n_unreachable_from > 0;
}

/* What a task of it says, which is what the database said. */
static const char *cause_of(const struct overview *o, const char *connection)
{
	for (size_t i = 0; i < o->all->n_tasks; i++) {
		const Synod__Admin__TaskInfo *t = o->all->tasks[i];
		if (strcmp(t->connection, connection) == 0 && t->problem[0])
			return t->problem;
	}
	return "";
}

static void judge_connection(struct health *h, const struct overview *o,
			     const Synod__Admin__ConnectionInfo *k)
{
	char nodes[HEALTH_TEXT_MAX / 2];
	char next[HEALTH_TEXT_MAX];
	if (k->n_unreachable_from == 0)
		return;
	const char *cause = cause_of(o, k->name);
	list_names(k->unreachable_from, k->n_unreachable_from, nodes,
		   sizeof nodes);
	snprintf(next, sizeof next, "synodctl connection test %.63s", k->name);
	health_about(h, "connection %s", k->name);
	health_add(h, HEALTH_WARN, next,
		   "%.63s is not reached from %.100s%s%.140s", k->name, nodes,
		   cause[0] ? ": " : "", cause);
}

/* -- tasks ----------------------------------------------------------------- */

static bool is_side_of(const Synod__Admin__TableInfo *t, const char *connection)
{
	size_t len = strlen(connection);
	for (size_t i = 0; i < t->n_sides; i++)
		if (strncmp(t->sides[i], connection, len) == 0 &&
		    t->sides[i][len] == ':')
			return true;
	return false;
}

/* A capture that stands because all its tables are paused: each of them has a
 * sentence of its own. */
static bool is_only_paused(const struct overview *o,
			   const Synod__Admin__TaskInfo *task)
{
	size_t n_paused = 0;
	if (strcmp(task->kind, "capture") != 0)
		return false;
	for (size_t i = 0; i < o->all->n_syncs; i++) {
		const Synod__Admin__SyncInfo *s = o->all->syncs[i];
		for (size_t j = 0; j < s->n_tables; j++) {
			if (!is_side_of(s->tables[j], task->connection))
				continue;
			if (!s->tables[j]->is_paused)
				return false;
			n_paused++;
		}
	}
	return n_paused > 0;
}

static void judge_task(struct health *h, const struct overview *o,
		       const Synod__Admin__TaskInfo *t)
{
	char next[HEALTH_TEXT_MAX];
	const char *why = t->problem[0] ? ": " : "";
	bool is_blocked = strcmp(t->state, "blocked") == 0;
	snprintf(next, sizeof next, "synodctl sync show %.63s",
		 t->sync[0] ? t->sync : "NAME");
	health_about(h, "task %.80s", t->name);
	if (is_blocked && is_only_paused(o, t))
		return;
	if (is_blocked)
		health_add(h, HEALTH_CRITICAL, t->hint[0] ? t->hint : next,
			   "%.100s stands still until this is repaired%s%.180s",
			   t->name, why, t->problem);
	else if (strcmp(t->state, "unassigned") == 0)
		health_add(h, HEALTH_WARN,
			   t->hint[0] ? t->hint : "synodctl node list",
			   "no node does %.100s%s%.180s", t->name, why,
			   t->problem);
	else if (strcmp(t->state, "retrying") == 0 &&
		 !is_unreachable(o, t->connection))
		health_add(h, HEALTH_WARN, t->hint[0] ? t->hint : next,
			   "%.100s tries again and again%s%.180s", t->name, why,
			   t->problem);
	if (t->n_to_load > t->n_loaded)
		health_add(h, HEALTH_OK, "synodctl status --watch",
			   "%.100s loads: about %" PRIu64 " of %" PRIu64
			   " rows",
			   t->name, t->n_loaded, t->n_to_load);
}

/* -- syncs ----------------------------------------------------------------- */

static void judge_tables(struct health *h, const Synod__Admin__SyncInfo *s)
{
	char next[HEALTH_TEXT_MAX];
	for (size_t i = 0; i < s->n_tables; i++) {
		const Synod__Admin__TableInfo *t = s->tables[i];
		if (!t->is_paused)
			continue;
		snprintf(next, sizeof next,
			 "synodctl sync resume %.63s --table %.120s", s->name,
			 t->name);
		health_add(h, HEALTH_WARN, next,
			   "table %.80s of %.63s is paused%s%.140s", t->name,
			   s->name, t->reason[0] ? ": " : "", t->reason);
	}
}

/* What the node found has a sentence of its own here. */
static bool is_told(const Synod__Admin__SyncInfo *s)
{
	for (size_t i = 0; i < s->n_tasks; i++)
		if (strcmp(s->tasks[i]->state, "running") != 0 ||
		    s->tasks[i]->problem[0])
			return true;
	for (size_t i = 0; i < s->n_tables; i++)
		if (s->tables[i]->is_paused)
			return true;
	return s->letters > 0 || s->conflicts_open > 0;
}

static void judge_sync(struct health *h, const Synod__Admin__SyncInfo *s)
{
	char next[HEALTH_TEXT_MAX];
	health_about(h, "sync %s", s->name);
	if (strcmp(s->state, "paused") == 0) {
		snprintf(next, sizeof next, "synodctl sync resume %.63s",
			 s->name);
		health_add(h, HEALTH_WARN, next,
			   "%.63s is %.160s; its changes wait in the log",
			   s->name, s->problem[0] ? s->problem : "paused");
	} else if (s->problem[0] && !is_told(s)) {
		snprintf(next, sizeof next, "synodctl sync show %.63s",
			 s->name);
		health_add(h, HEALTH_WARN, s->hint[0] ? s->hint : next,
			   "%.63s: %.200s", s->name, s->problem);
	}
	judge_tables(h, s);
	if (s->letters > 0) {
		snprintf(next, sizeof next, "synodctl dlq list %.63s", s->name);
		health_add(h, HEALTH_WARN, next,
			   "%.63s: %" PRIu64
			   " change%s in the dead letter queue: the target "
			   "refused %s",
			   s->name, s->letters, s->letters == 1 ? "" : "s",
			   s->letters == 1 ? "it" : "them");
	}
	if (s->conflicts_open > 0) {
		snprintf(next, sizeof next,
			 "synodctl conflict list --open %.63s", s->name);
		health_add(h, HEALTH_WARN, next,
			   "%.63s: %" PRIu64
			   " conflict%s for a person to decide",
			   s->name, s->conflicts_open,
			   s->conflicts_open == 1 ? " is" : "s are");
	}
}

void health_judge_work(struct health *h, const struct overview *o)
{
	if (!o->all)
		return;
	for (size_t i = 0; i < o->all->n_tasks; i++)
		judge_task(h, o, o->all->tasks[i]);
	for (size_t i = 0; i < o->all->n_connections; i++)
		judge_connection(h, o, o->all->connections[i]);
	for (size_t i = 0; i < o->all->n_syncs; i++)
		judge_sync(h, o->all->syncs[i]);
	for (size_t i = 0; i < o->all->n_drained; i++) {
		char next[HEALTH_TEXT_MAX];
		const char *name = o->all->drained[i];
		size_t n = overview_count(o, name);
		snprintf(next, sizeof next, "synodctl node undrain %.63s",
			 name);
		health_about(h, "node %s", name);
		health_add(h, HEALTH_OK, next,
			   "%.63s is drained and has %zu task%s", name, n,
			   n == 1 ? "" : "s");
	}
}
