/* A batch: checked whole before anything of it counts, then taken change by
 * change. What goes by one way only is done with by the check: position and
 * data are in the entry, there is nothing to decide. */
#include "cluster/core/key.h"
#include "cluster/core/ledger_image.h"
#include "cluster/core/ledger_internal.h"

/* What the first walk found. */
struct survey {
	uint64_t n_changes, n_reads;
	bool has_more; /* something to decide: the second walk */
};

/* The table of a change; changes of one table mostly come together. */
static const struct catalog_table *table_of(const struct catalog *catalog,
					    const struct catalog_table *last,
					    uint32_t table_id)
{
	if (last && last->table->id == table_id)
		return last;
	return catalog_table(catalog, table_id);
}

static bool is_plain(const struct catalog_table *table, uint64_t source)
{
	return !table || (!table->is_two_way && (table->sources & source));
}

static int survey_txn(const struct catalog *catalog, uint64_t source,
		      struct change_reader *r, struct survey *s)
{
	const struct catalog_table *table = NULL;
	struct change c;
	int rc;

	while ((rc = change_next(r, &c)) > 0) {
		table = table_of(catalog, table, c.table_id);
		s->n_changes++;
		s->n_reads += c.op == CHANGE_READ;
		s->has_more |= !is_plain(table, source);
	}
	return rc;
}

/* False: not whole. */
static bool survey_batch(const struct catalog *catalog, uint64_t source,
			 struct bytes changes, struct survey *s)
{
	struct change_reader r;
	struct change_txn txn;
	int rc;

	change_reader_init(&r, changes);
	while ((rc = change_next_txn(&r, &txn)) > 0) {
		s->has_more |= txn.kind == TXN_ECHO;
		if (survey_txn(catalog, source, &r, s) < 0)
			return false;
		if (txn.kind == TXN_PART && r.in.at != r.in.end)
			return false;
	}
	return rc == 0;
}

/* -- taking ---------------------------------------------------------------- */
static void take_versioned(struct ledger_turn *t, uint32_t source_id,
			   const struct change *c, int64_t stamp_us)
{
	struct ledger_claim claim = {
		.maker = source_id,
		.ordinal = t->ordinal,
		.stamp_us = stamp_us,
		.is_read = c->op == CHANGE_READ,
		.is_own = true,
		.image = c->whole,
	};

	if (c->op == CHANGE_TRUNCATE) {
		verdict_empty(t, &claim);
		return;
	}
	if (claim.is_read) {
		t->m->image.len = 0;
		claim.image = image_of(&t->m->image, c);
	}
	verdict_claim(t, verdict_load(t, c->key), &claim);
}

static void take_change(struct ledger_turn *t, uint32_t source_id,
			const struct change *c, int64_t stamp_us)
{
	if (!t->table)
		return;
	t->others = t->table->targets & ~catalog_bit(source_id);
	if (!(t->table->sources & catalog_bit(source_id)) ||
	    !t->table->is_current)
		/* It is no source of it; or the table in its place is loaded
		 * behind this, and an older row would be written over that. */
		turn_emit(t, 0, (struct bytes){0});
	else if (!t->table->is_two_way || c->op == CHANGE_MOVE ||
		 (c->key.len == 0 && c->op != CHANGE_TRUNCATE))
		turn_emit_own(t);
	else
		take_versioned(t, source_id, c, stamp_us);
}

/* Only an apply task of this very connection can have left it. */
static void take_echo(struct ledger_turn *t, uint32_t source_id,
		      const struct change_txn *txn)
{
	if (task_kind(txn->task_id) != TASK_APPLY ||
	    task_connection(txn->task_id) != source_id ||
	    !tasks_find(t->w->tasks, txn->task_id) ||
	    txn->applied_index >= t->w->index)
		return;
	t->l->figures.n_echoes++;
	if (!memory_see(t->l, t->w->kv, txn->task_id, txn->applied_index))
		return;
	difference_settle(t, txn->task_id, txn->applied_index);
}

static void take_all(struct ledger_turn *t, uint32_t source_id,
		     struct bytes changes)
{
	const struct catalog_table *table = NULL;
	struct change_reader r;
	struct change_txn txn;
	struct change c;

	change_reader_init(&r, changes);
	while (change_next_txn(&r, &txn) > 0) {
		t->ordinal = r.ordinal;
		if (txn.kind == TXN_ECHO)
			take_echo(t, source_id, &txn);
		while (t->ordinal = r.ordinal, change_next(&r, &c) > 0) {
			table = table_of(t->w->catalog, table, c.table_id);
			t->table = table;
			take_change(t, source_id, &c, txn.stamp_us);
		}
	}
}

/* Rows of every sync that this connection may have brought forward. */
static void drain(struct ledger_turn *t, uint32_t source_id)
{
	const Synod__Definition__Definition *d =
		catalog_definition(t->w->catalog);

	for (size_t i = 0; d && i < d->n_syncs; i++)
		if (d->syncs[i]->is_two_way)
			turn_drain(t, d->syncs[i]->id, source_id);
}

/* -- the batch ------------------------------------------------------------- */
static bool is_next(const struct ledger_world *w,
		    const Synod__Command__Batch *c)
{
	const struct task *task = tasks_find(w->tasks, c->task_id);
	struct bytes at = ledger_position(w->kv, c->task_id);

	if (task_kind(c->task_id) != TASK_CAPTURE || !task ||
	    task->epoch == 0 || task->epoch != c->epoch)
		return false;
	return bytes_compare(at, (struct bytes){c->from.data, c->from.len}) ==
	       0;
}

static void move_position(const struct ledger_world *w,
			  const Synod__Command__Batch *c)
{
	struct key key = key_of_u32('v', c->task_id);

	if (c->to.len == 0) /* begin anew: the source has a gap */
		w->kv->del(w->kv->ctx, key_bytes(&key));
	else
		w->kv->put(w->kv->ctx, key_bytes(&key),
			   (struct bytes){c->to.data, c->to.len});
}

static bool take_batch(struct ledger *l, const struct ledger_world *w,
		       const Synod__Command__Batch *c)
{
	struct bytes changes = {c->changes.data, c->changes.len};
	uint32_t source_id = task_connection(c->task_id);
	struct ledger_turn turn = {
		.l = l, .m = l->memory, .w = w, .time_us = c->time_us};
	struct survey s = {0};

	if (!is_next(w, c) ||
	    !survey_batch(w->catalog, catalog_bit(source_id), changes, &s))
		return false;
	move_position(w, c);
	l->figures.n_batches++;
	l->figures.n_changes += s.n_changes;
	l->figures.n_reads += s.n_reads;
	if (s.has_more) {
		take_all(&turn, source_id, changes);
		drain(&turn, source_id);
	}
	return true;
}

bool ledger_batch(struct ledger *l, const struct ledger_world *w,
		  const Synod__Command__Batch *c)
{
	turn_begin(l, w);
	bool is_taken = take_batch(l, w, c);
	if (!is_taken) {
		l->figures.n_refused++;
		outcome_void(&l->outcome);
	}
	turn_end(l, w);
	return is_taken;
}
