/* People: what operators do in the middle of it and when all is over. */
#include "base/check.h"
#include "tests/sim/product/world.h"

void people_drain(struct world *w, uint64_t id, bool is_drained)
{
	Synod__Command__Drain d;
	Synod__Command__Command c = SYNOD__COMMAND__COMMAND__INIT;

	synod__command__drain__init(&d);
	d.node_id = id;
	d.is_drained = is_drained;
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_DRAIN;
	c.drain = &d;
	log_command(w, &c);
	w->counts.drains++;
}

void people_pause(struct world *w, uint32_t sync_id, uint32_t table_id,
		  bool is_paused)
{
	Synod__Command__Pause p;
	Synod__Command__Command c = SYNOD__COMMAND__COMMAND__INIT;

	synod__command__pause__init(&p);
	p.sync_id = sync_id;
	p.table_id = table_id;
	p.is_paused = is_paused;
	p.reason = command_text("to see");
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_PAUSE;
	c.pause = &p;
	log_command(w, &c);
	w->counts.pauses++;
}

static void replay_letters(struct world *w)
{
	Synod__Command__Letters l;
	Synod__Command__Command c = SYNOD__COMMAND__COMMAND__INIT;
	struct ledger_letter letter;
	uint64_t ids[64];
	uint64_t from = 1;

	synod__command__letters__init(&l);
	if (w->leader == 0)
		return;
	while (l.n_ids < 64 &&
	       ledger_next_letter(&w->members[w->leader].kv, from, &letter)) {
		ids[l.n_ids++] = letter.id;
		from = letter.id + 1;
	}
	if (l.n_ids == 0)
		return;
	l.ids = ids;
	l.is_replay = true;
	l.author = command_text("ann");
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_LETTERS;
	c.letters = &l;
	log_command(w, &c);
}

static bool is_declared(uint32_t sync_id, uint32_t table_id)
{
	return table_id == 0 || (world_physical(table_id) == TABLE_BANK) ==
					(sync_id == SYNC_BANK);
}

/* The table by itself, or, with table 0, the sync. */
static bool is_paused(const struct tasks *t, uint32_t sync_id,
		      uint32_t table_id)
{
	return tasks_is_paused(t, sync_id, table_id) &&
	       (table_id == 0 || !tasks_is_paused(t, sync_id, 0));
}

/* Again and again: an older command may come in behind the newer one. */
static void permit(struct world *w)
{
	const struct tasks *tasks = &w->members[1].control.tasks;

	for (uint64_t id = 1; id <= WORLD_NODES; id++)
		if (tasks_is_drained(tasks, id))
			people_drain(w, id, false);
	for (uint32_t sync = 1; sync <= 2; sync++)
		for (uint32_t table = 0; table <= WORLD_IDS; table++)
			if (is_declared(sync, table) &&
			    is_paused(tasks, sync, table))
				people_pause(w, sync, table, false);
}

void people_mend(struct world *w)
{
	permit(w);
	replay_letters(w);
}

/* An open conflict, any; one of the two, or somebody who has no part in it. */
void people_resolve(struct world *w)
{
	Synod__Command__Resolve r;
	Synod__Command__Command c = SYNOD__COMMAND__COMMAND__INIT;
	struct ledger_conflict x;
	uint64_t from = 1 + rng_below(&w->rng, 300);

	if (w->leader == 0)
		return;
	const struct kv *kv = &w->members[w->leader].kv;
	do {
		if (!ledger_next_conflict(kv, from, &x))
			return;
		from = x.id + 1;
	} while (x.state != CONFLICT_OPEN);
	synod__command__resolve__init(&r);
	r.conflict_id = x.id;
	r.connection_id =
		world_chance(w, 0.5) ? x.a.connection_id : x.b.connection_id;
	r.is_forced = world_chance(w, 0.5);
	r.author = command_text("ann");
	r.time_us = world_wall(w);
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_RESOLVE;
	c.resolve = &r;
	log_command(w, &c);
	w->counts.resolves++;
}

/* The tables have other columns by now: all of them are taken over anew. */
void people_revise(struct world *w)
{
	const struct control *c = &w->members[w->leader].control;
	uint32_t generation = 0;

	if (w->leader == 0 || !c->catalog)
		return;
	for (uint32_t id = TABLE_REGISTER; id <= WORLD_IDS; id += WORLD_TABLES)
		if (catalog_table(c->catalog, id))
			generation = id / WORLD_TABLES + 1;
	if (generation * WORLD_TABLES + WORLD_TABLES > WORLD_IDS)
		return;
	world_declare(w, catalog_revision(c->catalog), generation);
	w->counts.revisions++;
}
