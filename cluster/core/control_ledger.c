/* Commands of the ledger: it decides; what people should know of it is said
 * here. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cluster/core/control_internal.h"

struct ledger_world control_world(const struct control_turn *t)
{
	return (struct ledger_world){.kv = t->kv,
				     .catalog = t->c->catalog,
				     .tasks = &t->c->tasks,
				     .index = t->index};
}

/* As they are before this entry, whether the ledger has read them already or
 * not: a node that has just started must say the same as the others. */
static struct ledger_figures figures(const struct control_turn *t)
{
	struct ledger_figures f = t->c->ledger.figures;

	if (!t->c->ledger.is_loaded)
		ledger_figures(t->kv, &f);
	return f;
}

/* Events are bounded, so a flood of conflicts must not wash the others away:
 * the first one is told, the tenth, the hundredth. */
static bool is_milestone(uint64_t before, uint64_t now)
{
	uint64_t step = 1;

	while (step <= before / 10)
		step *= 10;
	if (before >= step)
		step *= 10;
	return before < step && now >= step;
}

static bool decided(struct control_turn *t, bool is_accepted, const char *why)
{
	if (!is_accepted) {
		control_refuse(t, ERR_CHANGED, "%s", why);
		return false;
	}
	t->c->has_outcome = true;
	t->changed |= CONTROL_CHANGED_LEDGER;
	return true;
}

static void say_conflicts(struct control_turn *t, uint64_t before,
			  int64_t time_us)
{
	uint64_t now = t->c->ledger.figures.n_conflicts_open;
	struct control_note note = {.type = "conflict_opened",
				    .time_us = time_us};

	if (is_milestone(before, now))
		control_say(t, &note,
			    "%" PRIu64 " conflict%s for a person to decide",
			    now, now == 1 ? " waits" : "s wait");
}

void control_take_batch(struct control_turn *t, const Synod__Command__Batch *in)
{
	struct ledger_world world = control_world(t);
	uint64_t before = figures(t).n_conflicts_open;

	/* A refused batch has an outcome as well: nothing of it counts. */
	t->c->has_outcome = true;
	if (decided(t, ledger_batch(&t->c->ledger, &world, in),
		    "another epoch or another position"))
		say_conflicts(t, before, in->time_us);
	ledger_forget(&t->c->ledger, t->kv, t->c->floor);
}

void control_take_resolve(struct control_turn *t,
			  const Synod__Command__Resolve *in)
{
	struct ledger_world world = control_world(t);
	const Synod__Definition__Connection *c =
		catalog_connection(t->c->catalog, in->connection_id);
	struct control_note note = {.type = "conflict_resolved",
				    .time_us = in->time_us};

	if (decided(t, ledger_resolve(&t->c->ledger, &world, in),
		    "it is not open, or the row has moved on"))
		control_say(t, &note, "conflict %" PRIu64 "%s%s: %s",
			    in->conflict_id, in->author[0] ? " by " : "",
			    in->author, c ? c->name : "?");
}

void control_take_letter(struct control_turn *t,
			 const Synod__Command__DeadLetter *in)
{
	struct ledger_world world = control_world(t);
	uint64_t before = figures(t).n_letters;
	char name[CONTROL_TASK_NAME_MAX];
	struct control_note note = {.type = "dead_letter",
				    .time_us = in->time_us};

	if (!decided(t, ledger_dead_letter(&t->c->ledger, &world, in),
		     "another epoch, or it is no change of a known table"))
		return;
	uint64_t now = t->c->ledger.figures.n_letters;
	task_name(t->c->catalog, in->task_id, name, sizeof(name));
	if (is_milestone(before, now))
		control_say(t, &note, "%s: %" PRIu64 " refused change%s; %s",
			    name, now, now == 1 ? "" : "s", in->text);
}

void control_take_difference(struct control_turn *t,
			     const Synod__Command__Difference *in)
{
	struct ledger_world world = control_world(t);
	uint64_t before = figures(t).n_conflicts_open;

	if (decided(t, ledger_difference(&t->c->ledger, &world, in),
		    "another epoch, or it is known already"))
		say_conflicts(t, before, in->time_us);
}

void control_take_letters(struct control_turn *t,
			  const Synod__Command__Letters *in)
{
	struct ledger_world world = control_world(t);
	struct control_note note = {.type = in->is_replay ? "letters_replayed"
							  : "letters_discarded",
				    .time_us = in->time_us};

	if (decided(t, ledger_letters(&t->c->ledger, &world, in),
		    "there are no such dead letters"))
		control_say(t, &note, "%zu%s%s", in->n_ids,
			    in->author[0] ? " by " : "", in->author);
}
