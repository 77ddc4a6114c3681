#include "bench/target.h"

#include <stdio.h>
#include <string.h>

enum { TARGET_NODES = 3 };

static int fleet_up(struct target *t, struct err *e)
{
	const struct fleet_config cfg = {.synodd = t->args->synodd,
					 .n_nodes = TARGET_NODES,
					 .keep_files = t->args->keep_files};

	int rc = fleet_open(&t->fleet, &cfg, e);
	if (rc == 0)
		rc = fleet_start_all(t->fleet, e);
	if (rc == 0)
		rc = fleet_wait_ready(t->fleet, FLEET_START_MS, &t->leader, e);
	t->n_nodes = TARGET_NODES;
	return rc;
}

static int endpoints_up(struct target *t, struct err *e)
{
	t->n_nodes = t->args->n_endpoints;
	for (unsigned i = 0; i < t->n_nodes; i++) {
		const struct door_client_config cfg = {
			.url = t->args->endpoints[i],
			.n_parallel = 1,
			.timeout_ms = FLEET_ASK_MS};
		int rc = door_dial(&t->doors[i], &cfg, e);
		if (rc)
			return rc;
	}
	return target_find_leader(t, e);
}

static int target_ask(struct target *t, unsigned i,
		      Synod__Admin__Response **answer, struct err *e)
{
	if (t->fleet)
		return fleet_status(t->fleet, i, answer, e);
	return ask_status(t->doors[i], FLEET_ASK_MS, answer, e);
}

int target_open(struct target *t, const struct args *a, struct err *e)
{
	Synod__Admin__Response *answer;

	*t = (struct target){.args = a};
	int rc = a->n_endpoints ? endpoints_up(t, e) : fleet_up(t, e);
	if (rc == 0)
		rc = target_ask(t, 0, &answer, e);
	if (rc) {
		target_close(t);
		return rc;
	}
	snprintf(t->durability, sizeof t->durability, "%s",
		 answer->status->self->durability);
	answer_free(answer);
	return 0;
}

void target_close(struct target *t)
{
	for (unsigned i = 0; i < LIMIT_NODES; i++)
		door_hang_up(t->doors[i]);
	fleet_close(t->fleet);
	*t = (struct target){0};
}

int target_find_leader(struct target *t, struct err *e)
{
	if (t->fleet)
		return fleet_wait_leader(t->fleet, FLEET_START_MS, &t->leader,
					 e);
	t->leader = t->n_nodes;
	for (unsigned i = 0; i < t->n_nodes; i++) {
		Synod__Admin__Response *answer;
		int rc = ask_status(t->doors[i], FLEET_ASK_MS, &answer, e);
		if (rc)
			return rc;
		const Synod__Admin__NodeStatus *s = answer->status->self;
		bool has_leader = s->leader_id != 0;
		if (strcmp(s->state, "leader") == 0)
			t->leader = i;
		answer_free(answer);
		if (!has_leader)
			return err_set(e, ERR_NO_LEADER,
				       "%s knows no leader; is a majority up?",
				       t->args->endpoints[i]);
	}
	return 0;
}

const char *target_url(const struct target *t)
{
	if (t->fleet)
		return fleet_url(t->fleet, t->leader);
	return t->args->endpoints[t->leader < t->n_nodes ? t->leader : 0];
}

int target_watch_start(struct target_watch *w, struct target *t, struct err *e)
{
	pid_t pids[LIMIT_NODES];

	*w = (struct target_watch){.target = t};
	if (!t->fleet)
		return 0;
	for (unsigned i = 0; i < t->n_nodes; i++)
		pids[i] = fleet_pid(t->fleet, i);
	return watch_start(&w->watch, pids, t->n_nodes, e);
}

/* Nodes elsewhere say themselves what they use; a node that does not answer
 * has no figures. */
static void endpoints_mark(struct target_watch *w, int is_end)
{
	struct target *t = w->target;

	for (unsigned i = 0; i < t->n_nodes; i++) {
		Synod__Admin__Response *answer;
		if (ask_status(t->doors[i], FLEET_ASK_MS, &answer, NULL))
			continue;
		const Synod__Admin__NodeStatus *s = answer->status->self;
		if (!is_end)
			t->begin_cpu_us[i] = s->cpu_us;
		else
			w->use[i] = (struct watch_use){
				.cpu_s = (double)(s->cpu_us -
						  t->begin_cpu_us[i]) /
					 1e6,
				.own_bytes = s->rss_bytes};
		answer_free(answer);
	}
}

void target_watch_mark(void *ctx, int is_end)
{
	struct target_watch *w = ctx;

	if (w->target->fleet)
		watch_mark(&w->watch, is_end);
	else
		endpoints_mark(w, is_end);
}

void target_watch_stop(struct target_watch *w)
{
	if (!w->target->fleet)
		return;
	watch_stop(&w->watch);
	memcpy(w->use, w->watch.use, sizeof w->use);
}
