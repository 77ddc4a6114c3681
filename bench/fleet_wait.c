/* Facts about a fleet, awaited with a deadline. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "bench/fleet_internal.h"

enum { WAIT_STEP_MS = 5 };

/* What one round of questions has shown. */
struct view {
	unsigned n_answers, n_followers; /* of them, who name the leader */
	unsigned leader;
	uint64_t leader_id;
	bool has_leader;
	bool is_equal;         /* all have one digest at one index */
	uint64_t commit_index; /* of the leader */
	uint64_t applied_min;  /* of all who answered */
	uint64_t index, digest;
	char text[256]; /* for the error when the deadline passes */
};

static void view_add_text(struct view *v, const char *name,
			  const Synod__Admin__NodeStatus *s)
{
	size_t len = strlen(v->text);

	if (!s)
		snprintf(v->text + len, sizeof v->text - len, " %s: no answer;",
			 name);
	else
		snprintf(v->text + len, sizeof v->text - len,
			 " %s: %s, term %llu, commit %llu, applied %llu;", name,
			 s->state, (unsigned long long)s->term,
			 (unsigned long long)s->commit_index,
			 (unsigned long long)s->applied_index);
}

static void view_judge(struct view *v, unsigned n_nodes,
		       Synod__Admin__Response *const *answers)
{
	const Synod__Admin__NodeStatus *leader = NULL;
	uint64_t term = 0;

	for (unsigned i = 0; i < n_nodes; i++) {
		const Synod__Admin__NodeStatus *s =
			answers[i] ? answers[i]->status->self : NULL;
		if (s && strcmp(s->state, "leader") == 0 && s->term >= term) {
			leader = s;
			term = s->term;
			v->leader = i;
		}
	}
	if (!leader)
		return;
	v->leader_id = leader->id;
	v->index = leader->digest_index;
	v->digest = leader->digest;
	v->commit_index = leader->commit_index;
	v->applied_min = leader->applied_index;
	v->is_equal = leader->digest_index == leader->last_index;
	for (unsigned i = 0; i < n_nodes; i++) {
		const Synod__Admin__NodeStatus *s =
			answers[i] ? answers[i]->status->self : NULL;
		if (!s)
			continue;
		v->n_followers +=
			s->leader_id == leader->id && s->term == leader->term;
		if (s->applied_index < v->applied_min)
			v->applied_min = s->applied_index;
		v->is_equal &=
			s->digest_index == v->index && s->digest == v->digest;
	}
	v->has_leader = v->n_followers * 2 > n_nodes;
}

/* Ask every running node once. Dead and frozen ones do not answer. */
static void view_take(struct fleet *f, struct view *v)
{
	Synod__Admin__Response *answers[FLEET_NODES_MAX] = {0};

	*v = (struct view){0};
	for (unsigned i = 0; i < f->cfg.n_nodes; i++) {
		struct process *p = &f->nodes[i].process;
		struct err ignored;
		if (!p->is_frozen && process_is_running(p) &&
		    fleet_status(f, i, &answers[i], &ignored) == 0)
			v->n_answers++;
		view_add_text(v, f->nodes[i].name,
			      answers[i] ? answers[i]->status->self : NULL);
	}
	view_judge(v, f->cfg.n_nodes, answers);
	for (unsigned i = 0; i < f->cfg.n_nodes; i++)
		answer_free(answers[i]);
}

/* goal: what the leader had committed when it was first seen. A goal that moved
 * with it would never be reached under load, as no two nodes are asked at the
 * same moment. */
static bool view_has_leader(const struct fleet *f, const struct view *v,
			    uint64_t goal)
{
	return v->has_leader;
}

static bool view_is_ready(const struct fleet *f, const struct view *v,
			  uint64_t goal)
{
	return v->has_leader && v->n_answers == f->cfg.n_nodes &&
	       v->n_followers == f->cfg.n_nodes && v->applied_min >= goal;
}

static bool view_is_equal(const struct fleet *f, const struct view *v,
			  uint64_t goal)
{
	return view_is_ready(f, v, goal) && v->is_equal;
}

static int fleet_wait(struct fleet *f, int timeout_ms,
		      bool (*is_so)(const struct fleet *, const struct view *,
				    uint64_t goal),
		      struct view *v, struct err *e)
{
	uint64_t goal = 0;
	const struct clock clock = clock_system();
	const struct timespec step = {.tv_nsec = WAIT_STEP_MS * 1000000L};
	int64_t end_us = clock_mono_us(&clock) + (int64_t)timeout_ms * 1000;

	for (;;) {
		int rc = fleet_check_alive(f, e);
		if (rc)
			return rc;
		view_take(f, v);
		if (goal == 0 && v->has_leader)
			goal = v->commit_index;
		if (is_so(f, v, goal))
			return 0;
		if (clock_mono_us(&clock) > end_us)
			return err_set(e, ERR_TIMEOUT, "after %d ms:%s",
				       timeout_ms, v->text);
		nanosleep(&step, NULL);
	}
}

int fleet_wait_leader(struct fleet *f, int timeout_ms, unsigned *leader,
		      struct err *e)
{
	struct view v;

	if (fleet_wait(f, timeout_ms, view_has_leader, &v, e))
		return err_wrap(e, "no leader");
	*leader = v.leader;
	return 0;
}

int fleet_wait_ready(struct fleet *f, int timeout_ms, unsigned *leader,
		     struct err *e)
{
	struct view v;

	if (fleet_wait(f, timeout_ms, view_is_ready, &v, e))
		return err_wrap(e, "the fleet is not ready");
	*leader = v.leader;
	return 0;
}

int fleet_wait_equal(struct fleet *f, int timeout_ms, uint64_t *index,
		     uint64_t *digest, struct err *e)
{
	struct view v;

	if (fleet_wait(f, timeout_ms, view_is_equal, &v, e))
		return err_wrap(e, "the nodes do not become equal");
	*index = v.index;
	*digest = v.digest;
	return 0;
}
