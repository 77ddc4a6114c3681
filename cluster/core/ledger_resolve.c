/* A person decides an open conflict. Who chooses what the sides have already
 * changes nothing but the journal; the other version becomes a head that no
 * connection has made, and goes to all. */
#include <string.h>

#include "cluster/core/ledger_image.h"
#include "cluster/core/ledger_internal.h"

/* Whose version is it? b, when both are of one connection: its latest. */
static bool choose(const struct ledger_conflict *c, uint32_t connection_id,
		   bool *is_a)
{
	if (c->b.connection_id == connection_id)
		*is_a = false;
	else if (c->a.connection_id == connection_id)
		*is_a = true;
	else
		return false;
	return true;
}

static bool is_head(const struct row *r, const struct journal_record *j)
{
	const struct ledger_version *winner =
		j->c.is_a_winner ? &j->c.a : &j->c.b;
	uint32_t ordinal = j->c.is_a_winner ? j->a_ordinal : j->b_ordinal;

	return r->is_known && r->index == winner->index &&
	       r->ordinal == ordinal && r->maker == winner->connection_id;
}

/* The chosen version becomes the head. */
static void enthrone(struct ledger_turn *t, struct row *r,
		     const struct journal_record *j, bool is_a, int64_t time_us)
{
	const struct ledger_version *chosen = is_a ? &j->c.a : &j->c.b;
	struct ledger_claim claim = {.stamp_us = time_us};

	t->m->image.len = 0;
	value_buf_put(&t->m->image, chosen->change.data, chosen->change.len);
	claim.image = (struct bytes){t->m->image.data, t->m->image.len};
	verdict_crown(t, r, &claim, t->table->targets);
}

static void close_it(struct ledger *l, const struct kv *kv,
		     struct journal_record *j, bool is_a,
		     const Synod__Command__Resolve *c)
{
	j->c.is_a_winner = is_a;
	journal_close(l, kv, j, c->author, c->time_us);
}

static bool resolve(struct ledger *l, const struct ledger_world *w,
		    const Synod__Command__Resolve *c)
{
	struct ledger_turn t = {
		.l = l, .m = l->memory, .w = w, .time_us = c->time_us};
	struct journal_record j;
	bool is_a;

	if (!journal_read(w->kv, c->conflict_id, &j) ||
	    j.c.state != CONFLICT_OPEN ||
	    !choose(&j.c, c->connection_id, &is_a))
		return false;
	t.table = catalog_table(w->catalog, j.c.table_id);
	if (!t.table || !t.table->is_current) {
		/* The table is gone: there is no row to decide about. */
		close_it(l, w->kv, &j, is_a, c);
		return true;
	}
	struct row *r = verdict_load(&t, j.c.key);
	bool is_still = is_head(r, &j);
	bool is_change = is_a != j.c.is_a_winner || !is_still;
	struct bytes image = is_a ? j.c.a.change : j.c.b.change;

	if ((!is_still && !c->is_forced) ||
	    (is_change && !image_is_whole(image)))
		return false;
	if (r->n_open)
		r->n_open--;
	if (is_change)
		enthrone(&t, r, &j, is_a, c->time_us);
	if (r->is_known)
		turn_save(&t, r);
	/* The writes above took what j lent. */
	if (!journal_read(w->kv, c->conflict_id, &j))
		return false;
	close_it(l, w->kv, &j, is_a, c);
	return true;
}

bool ledger_resolve(struct ledger *l, const struct ledger_world *w,
		    const Synod__Command__Resolve *c)
{
	turn_begin(l, w);
	bool is_taken = resolve(l, w, c);
	turn_end(l, w);
	return is_taken;
}
