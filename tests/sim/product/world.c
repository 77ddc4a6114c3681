/* One run: set up, faults and load for a while, then calm, then the verdict. */
#include "tests/sim/product/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "tests/unit/core/declare.h"

enum {
	TICK_US = 1000,
	/* Ten times what the longest run needs. */
	LOG_MAX = 20000,
	ROWS_MAX = 40000,
	QUIET_US = 1500 * 1000,
	DRAIN_US = 120 * 1000 * 1000,
	PLAN_US = 30 * 1000,
	SILENT_US = LIMIT_SILENT_MS * 1000,
};

void world_bad(struct world *w, const char *fmt, ...)
{
	va_list ap;

	if (w->is_bad)
		return;
	w->is_bad = true;
	va_start(ap, fmt);
	vsnprintf(w->why, sizeof w->why, fmt, ap);
	va_end(ap);
}

void world_trace(struct world *w, const char *fmt, ...)
{
	va_list ap;

	if (!w->is_traced)
		return;
	printf("%9.3f ", (double)w->now_us / 1e6);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

bool world_chance(struct world *w, double p)
{
	return rng_chance(&w->rng, p);
}

/* -- what is declared ------------------------------------------------------ */
static void declare_policy(struct world *w, struct declare *a,
			   Synod__Definition__Sync *sync)
{
	Synod__Definition__Policy *p = arena_alloc(&a->arena, sizeof *p);

	synod__definition__policy__init(p);
	p->rule = (Synod__Definition__Policy__Rule)rng_below(&w->rng, 3);
	if (p->rule == SYNOD__DEFINITION__POLICY__RULE__PREFER)
		p->prefer_id = 1 + (uint32_t)rng_below(&w->rng, WORLD_DBS);
	p->delete_vs_update =
		(Synod__Definition__Policy__DeleteRule)rng_below(&w->rng, 4);
	sync->policy = p;
}

static void declare_tables(struct world *w, struct declare *a,
			   uint32_t generation)
{
	Synod__Definition__Sync *pair, *bank;

	declare_connection(a, 1, "one");
	declare_connection(a, 2, "two");
	declare_connection(a, 3, "three");
	pair = declare_sync(a, SYNC_PAIR, "pair", 0x0e, true);
	declare_policy(w, a, pair);
	declare_table(a, pair, TABLE_REGISTER + generation * WORLD_TABLES,
		      "register");
	declare_table(a, pair, TABLE_CHURN + generation * WORLD_TABLES,
		      "churn");
	bank = declare_sync(a, SYNC_BANK, "bank", 0x0e, false);
	declare_table(a, bank, TABLE_BANK, "bank");
	for (size_t i = 0; i < pair->n_tables; i++)
		pair->tables[i]->fields[1]->type = VALUE_BYTES;
	bank->tables[0]->fields[1]->type = VALUE_BYTES;
}

void world_declare(struct world *w, uint32_t base_revision, uint32_t generation)
{
	Synod__Command__Revision r;
	Synod__Command__Command c = SYNOD__COMMAND__COMMAND__INIT;
	struct declare a;

	synod__command__revision__init(&r);
	declare_init(&a);
	declare_tables(w, &a, generation);
	struct blob *packed = declare_pack(&a);
	r.base_revision = base_revision;
	r.author = command_text("ann");
	r.message = command_text("begin");
	r.time_us = world_wall(w);
	r.definition = (ProtobufCBinaryData){packed->len, packed->data};
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_REVISION;
	c.revision = &r;
	bool was_calm = w->is_calm;
	w->is_calm |= generation == 0; /* this one gets in */
	log_command(w, &c);
	w->is_calm = was_calm;
	blob_unref(packed);
	declare_free(&a);
}

static void name_members(struct world *w)
{
	for (uint64_t id = 1; id <= WORLD_NODES; id++) {
		Synod__Command__Member m;
		Synod__Command__Command c = SYNOD__COMMAND__COMMAND__INIT;
		char name[16];

		synod__command__member__init(&m);
		snprintf(name, sizeof name, "n%llu", (unsigned long long)id);
		m.node_id = id;
		m.name = name;
		m.incarnation = id;
		c.body_case = SYNOD__COMMAND__COMMAND__BODY_MEMBER;
		c.member = &m;
		w->is_calm = true;
		log_command(w, &c);
		w->is_calm = false;
	}
}

static void init(struct world *w)
{
	rng_init(&w->rng, w->seed);
	arena_init(&w->arena, 64 * 1024);
	w->saw = map_new();
	w->is_lossy = world_chance(w, 0.25);
	w->now_us = 1000 * 1000;
	for (uint32_t id = 1; id <= WORLD_DBS; id++)
		database_init(w, id);
	for (uint64_t id = 1; id <= WORLD_NODES; id++)
		member_init(w, id);
	name_members(w);
	world_declare(w, 0, 0);
	database_first_rows(w);
}

void world_free(struct world *w)
{
	for (uint64_t id = 1; id <= WORLD_NODES; id++)
		member_free(&w->members[id]);
	for (uint32_t id = 1; id <= WORLD_DBS; id++)
		database_free(&w->dbs[id]);
	log_free(w);
	map_free(w->saw);
	arena_free(&w->arena);
}

/* -- the leader ------------------------------------------------------------ */
static bool can_lead(const struct world *w, uint64_t id)
{
	const struct member *m = &w->members[id];

	return id && member_is_awake(m) && m->cut_until_us <= w->now_us;
}

static void elect(struct world *w)
{
	if (w->leader && can_lead(w, w->leader) &&
	    (w->is_calm || w->leader_change_us > w->now_us))
		return;
	w->leader = 0;
	for (size_t i = 0; i < 4 && w->leader == 0; i++) {
		uint64_t id = 1 + rng_below(&w->rng, WORLD_NODES);
		if (can_lead(w, id))
			w->leader = id;
	}
	w->leader_change_us = w->now_us + rng_range(&w->rng, 300, 4000) * 1000;
}

static bool is_well(const struct world *w, const struct member *m)
{
	if (!m->is_up)
		return false;
	int64_t since_us = m->frozen_until_us > m->cut_until_us
				   ? m->frozen_until_us
				   : m->cut_until_us;
	/* The leader thinks so after some silence only. */
	return since_us <= w->now_us + SILENT_US;
}

static void assign(struct world *w, const struct planner_move *move)
{
	Synod__Command__Assign a;
	Synod__Command__Command c = SYNOD__COMMAND__COMMAND__INIT;

	synod__command__assign__init(&a);
	a.task_id = move->task_id;
	a.node_id = move->node_id;
	a.expected_epoch = move->expected_epoch;
	a.reason = command_text(move->reason);
	a.time_us = world_wall(w);
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_ASSIGN;
	c.assign = &a;
	log_command(w, &c);
	w->counts.moves++;
}

static void plan(struct world *w)
{
	struct planner_node nodes[WORLD_NODES];
	struct planner_move moves[LIMIT_TASKS];
	struct member *m = &w->members[w->leader];

	if (w->leader == 0 || w->plan_us > w->now_us)
		return;
	w->plan_us = w->now_us + PLAN_US;
	for (uint64_t id = 1; id <= WORLD_NODES; id++)
		nodes[id - 1] = (struct planner_node){
			.id = id,
			.is_well = is_well(w, &w->members[id]),
			.has_log = true,
		};
	struct planner_input in = {
		.tasks = &m->control.tasks,
		.nodes = nodes,
		.n_nodes = WORLD_NODES,
		.now_wall_us = world_wall(w),
		.last_assigned_us = m->last_assigned_us,
	};
	size_t n = planner_plan(&in, moves);
	for (size_t i = 0; i < n; i++)
		assign(w, &moves[i]);
	if (n)
		m->last_assigned_us = world_wall(w);
}

/* -- faults ---------------------------------------------------------------- */
static void hurt_node(struct world *w)
{
	struct member *m = &w->members[1 + rng_below(&w->rng, WORLD_NODES)];
	int64_t for_us = rng_range(&w->rng, 50, 3500) * 1000;

	if (!m->is_up)
		return;
	switch (rng_below(&w->rng, 4)) {
	case 0:
		member_crash(m, for_us);
		break;
	case 1:
		m->frozen_until_us = w->now_us + for_us;
		w->counts.freezes++;
		break;
	case 2:
		m->cut_until_us = w->now_us + for_us;
		break;
	default:
		people_drain(w, m->id, world_chance(w, 0.5));
	}
}

static void hurt_database(struct world *w)
{
	struct database *d = &w->dbs[1 + rng_below(&w->rng, WORLD_DBS)];

	switch (rng_below(&w->rng, 3)) {
	case 0:
		d->boot++;
		d->down_until_us =
			w->now_us + rng_range(&w->rng, 10, 1500) * 1000;
		w->counts.db_crashes++;
		break;
	case 1:
		d->is_poisoned = !d->is_poisoned;
		break;
	default:
		people_pause(w, 1 + (uint32_t)rng_below(&w->rng, 2), 0,
			     world_chance(w, 0.4));
	}
}

/* What a capture has not read by now nobody ever reads. */
static void lose_stream(struct world *w)
{
	struct database *d = &w->dbs[1 + rng_below(&w->rng, WORLD_DBS)];

	d->lost = d->n;
	d->boot++;
}

static void hurt(struct world *w)
{
	if (world_chance(w, 0.0015))
		hurt_node(w);
	if (world_chance(w, 0.002))
		hurt_database(w);
	if (w->is_lossy && world_chance(w, 0.0007))
		lose_stream(w);
	if (w->is_lossy && world_chance(w, 0.0004))
		people_revise(w);
}

/* -- the end of all faults ------------------------------------------------- */
static void heal(struct world *w)
{
	w->is_calm = true;
	for (uint32_t id = 1; id <= WORLD_DBS; id++) {
		w->dbs[id].down_until_us = 0;
		w->dbs[id].is_poisoned = false;
	}
	for (uint64_t id = 1; id <= WORLD_NODES; id++) {
		w->members[id].down_until_us = 0;
		w->members[id].frozen_until_us = 0;
		w->members[id].cut_until_us = 0;
	}
}

/* -- time ------------------------------------------------------------------ */
/* A zombie acts on what it knew first, and hears the news then. */
static void run_member(struct member *m)
{
	struct world *w = m->w;
	bool is_left_alone =
		m->cut_until_us > w->now_us + LIMIT_LEASE_MS * 1000;

	if (!member_is_awake(m))
		return;
	for (size_t i = 0; i < WORLD_RUNNERS; i++) {
		struct runner *r = &m->runners[i];

		if (r->is_used && r->due_us <= w->now_us)
			runner_step(r);
	}
	if (is_left_alone)
		return;
	if (m->has_news)
		runner_follow(m);
	m->has_news = false;
}

static void tick(struct world *w)
{
	w->now_us += TICK_US;
	if (w->n_log > LOG_MAX || w->counts.rows > ROWS_MAX)
		world_bad(w, "it goes round without end");
	log_turn(w);
	elect(w);
	for (uint64_t id = 1; id <= WORLD_NODES; id++) {
		run_member(&w->members[id]);
		member_turn(&w->members[id]);
	}
	plan(w);
}

static void drain(struct world *w)
{
	int64_t from_us = w->now_us, busy_us = w->now_us, replay_us = 0;
	size_t before = 0;

	while (!w->is_bad && w->now_us - busy_us < QUIET_US) {
		size_t size = w->n_log;

		tick(w);
		for (uint32_t id = 1; id <= WORLD_DBS; id++)
			size += w->dbs[id].n;
		if (size != before || !judge_is_quiet(w))
			busy_us = w->now_us;
		before = size;
		if (w->now_us > replay_us) {
			people_mend(w);
			replay_us = w->now_us + 500 * 1000;
		}
		if (w->now_us - from_us < 1000 * 1000 && world_chance(w, 0.01))
			people_resolve(w);
		if (w->now_us - from_us > DRAIN_US)
			world_bad(w, "does not drain: %s", judge_open(w));
	}
	uint64_t ms = (uint64_t)(w->now_us - from_us) / 1000;
	if (ms > w->counts.drain_ms_max)
		w->counts.drain_ms_max = ms;
}

void world_run(struct world *w)
{
	init(w);
	int64_t end_us = w->now_us + rng_range(&w->rng, 1500, 5000) * 1000;
	/* Half of the worlds come to know Synod under load. */
	int64_t users_us = world_chance(w, 0.5) ? 0 : w->now_us + 600 * 1000;

	while (!w->is_bad && w->now_us < end_us) {
		tick(w);
		if (w->now_us > users_us)
			database_users(w);
		if (w->now_us > users_us)
			hurt(w);
		if (world_chance(w, 0.004))
			people_resolve(w);
	}
	heal(w);
	drain(w);
	if (!w->is_bad)
		judge_end(w);
}
