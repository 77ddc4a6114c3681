#include "tests/sim/world.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/digest.h"
#include "tests/sim/drain.h"
#include "tests/sim/faults.h"
#include "tests/sim/work.h"

enum { EVENTS_MAX = 4000000 };

/* -- text -- */
void world_violation(struct world *w, const struct machine *m, const char *fmt,
		     ...)
{
	va_list args;
	int at;

	if (w->is_bad)
		return; /* the first one counts, others may follow from it */
	w->is_bad = true;
	at = snprintf(w->why, sizeof(w->why),
		      "t=%lld.%06llds node %d: ", (long long)(w->now / 1000000),
		      (long long)(w->now % 1000000), m ? (int)m->number : -1);
	va_start(args, fmt);
	vsnprintf(w->why + at, sizeof(w->why) - (size_t)at, fmt, args);
	va_end(args);
	world_trace(w, m, "VIOLATION %s", w->why);
}

void world_trace(struct world *w, const struct machine *m, const char *fmt, ...)
{
	va_list args;

	if (!w->cfg.is_traced)
		return;
	printf("%3lld.%06lld ", (long long)(w->now / 1000000),
	       (long long)(w->now % 1000000));
	if (m)
		printf("%u ", m->number);
	else
		printf("  ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
}

/* -- small helps -- */
void world_push(struct world *w, struct event e)
{
	heap_push(&w->queue, e);
}

int64_t world_delay(struct world *w, int64_t mean_us)
{
	uint64_t luck = rng_below(&w->rng, 100);

	if (luck < 70)
		return 1 + rng_range(&w->rng, mean_us / 4, mean_us);
	if (luck < 97)
		return 1 + rng_range(&w->rng, mean_us / 2, 2 * mean_us);
	return 1 + rng_range(&w->rng, mean_us, 8 * mean_us);
}

struct machine *world_pick(struct world *w)
{
	struct machine *m = &w->machines[rng_below(&w->rng, w->plan.nodes)];

	return m->replica ? m : NULL;
}

struct machine *world_leader(struct world *w)
{
	struct machine *best = NULL;

	for (unsigned i = 0; i < w->plan.nodes; i++) {
		struct machine *m = &w->machines[i];
		if (m->replica && m->view.state == REPLICA_LEADER &&
		    (!best || m->view.term > best->view.term))
			best = m;
	}
	return best;
}

/* -- beginning -- */
static void found(struct world *w)
{
	struct replica_member members[SIM_NODES_MAX];
	uint64_t incarnations[SIM_NODES_MAX];

	for (unsigned i = 0; i < w->plan.nodes; i++) {
		members[i] = (struct replica_member){
			.id = (rng_u64(&w->rng) >> 1) | 1,
			.role = i < w->plan.n_voters ? REPLICA_VOTER
						     : REPLICA_STANDBY,
		};
		snprintf(members[i].name, sizeof(members[i].name), "n%u", i);
		incarnations[i] = rng_u64(&w->rng) | 1;
	}
	w->founding = replica_first_entry(members, w->plan.nodes);
	for (unsigned i = 0; i < w->plan.nodes; i++) {
		struct machine *m = &w->machines[i];
		machine_init(w, i, members[i].id);
		disk_init(m, incarnations[i]);
		for (unsigned k = 0; k < w->plan.nodes; k++)
			m->disk.pins[k] = incarnations[k];
		int64_t drift = (int64_t)w->plan.drift_ppm;
		machine_set_clock(m, 0, rng_range(&w->rng, -drift, drift));
		world_push(w, (struct event){.at = rng_range(&w->rng, 0, 50000),
					     .kind = EVENT_START,
					     .node = (uint8_t)i});
	}
	w->oracle.voters = (1u << w->plan.n_voters) - 1;
}

static void step(struct world *w, const struct event *e)
{
	uint64_t link[3] = {(uint64_t)e->at, e->kind, e->node};

	w->digest = digest64_seed(link, sizeof(link), w->digest);
	switch (e->kind) {
	case EVENT_START:
		machine_start(&w->machines[e->node]);
		break;
	case EVENT_FAULT:
		faults_strike(w);
		break;
	case EVENT_PROPOSE:
		work_step(w);
		break;
	case EVENT_TRAP:
		faults_spring_trap(w, &w->machines[e->node]);
		break;
	case EVENT_ROLE:
		if (!w->is_healing)
			faults_change_role(w);
		break;
	case EVENT_DRAIN:
		drain_step(w);
		break;
	default:
		machine_event(&w->machines[e->node], e);
	}
}

void world_run(struct world *w, const struct world_config *cfg)
{
	struct event e;

	*w = (struct world){.cfg = *cfg};
	/* Seeds of different group sizes are different worlds. */
	rng_init(&w->rng, cfg->seed * 16 + cfg->nodes);
	plan_draw(&w->plan, cfg->nodes, &w->rng);
	found(w);
	world_push(w, (struct event){.at = 100000, .kind = EVENT_FAULT});
	world_push(w, (struct event){.at = 100000, .kind = EVENT_PROPOSE});
	world_push(w,
		   (struct event){.at = w->plan.fault_us, .kind = EVENT_DRAIN});
	while (!w->is_done && !w->is_bad && heap_pop(&w->queue, &e)) {
		CHECK(e.at >= w->now);
		w->now = e.at;
		if (++w->counts.events > EVENTS_MAX)
			world_violation(w, NULL, "it never comes to an end");
		step(w, &e);
	}
}

void world_free(struct world *w)
{
	struct event e;

	for (unsigned i = 0; i < w->plan.nodes; i++)
		machine_free(&w->machines[i]);
	while (heap_pop(&w->queue, &e))
		blob_unref(e.p);
	heap_free(&w->queue);
	blob_unref(w->founding);
	oracle_free(&w->oracle);
}
