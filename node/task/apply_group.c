#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "node/task/apply_inner.h"

enum { BLOCK_BYTES = 64 * 1024 };

void group_init(struct group *g)
{
	*g = (struct group){0};
	arena_init(&g->arena, BLOCK_BYTES);
}

void group_free(struct group *g)
{
	arena_free(&g->arena);
	free(g->rows);
	free(g->is_out);
	*g = (struct group){0};
}

void group_begin(struct group *g, uint64_t after)
{
	arena_clear(&g->arena);
	*g = (struct group){
		.arena = g->arena,
		.rows = g->rows,
		.is_out = g->is_out,
		.cap = g->cap,
		.at = after,
		.whole_index = after,
	};
}

static struct apply_row *row_push(struct group *g)
{
	if (g->n == g->cap) {
		g->cap = g->cap ? g->cap * 2 : 256;
		g->rows = mem_grow(g->rows, g->cap * sizeof *g->rows);
		g->is_out = mem_grow(g->is_out, g->cap * sizeof *g->is_out);
	}
	g->is_out[g->n] = false;
	return &g->rows[g->n++];
}

/* Whose rows go over what is there: the one source of a one-way sync, the
 * declared authority, and what was decided. */
static bool is_authority(const struct catalog_table *t,
			 const struct task_entry *entry)
{
	const Synod__Definition__Initial *initial = t->sync->initial;

	if (!t->is_two_way || !entry->is_batch)
		return true;
	return initial && initial->authority_id &&
	       initial->authority_id == entry->source_id;
}

static int take_row(struct apply *a, const struct task_entry *entry,
		    const struct delivery *d)
{
	struct group *g = &a->group;
	const struct connector_table *table =
		task_tables_find(&a->tables, d->change.table_id);
	struct bytes whole = d->change.whole;
	struct change c;

	if (!table)
		return 0;
	whole.data = arena_copy(&g->arena, whole.data, whole.len);
	if (change_decode(whole, &c) ||
	    (c.n_values && c.n_values != table->table->n_fields))
		return ERR_CORRUPT;
	struct value *values =
		arena_alloc(&g->arena, (c.n_values + 1) * sizeof *values);
	if (change_values(&c, values))
		return ERR_CORRUPT;
	*row_push(g) = (struct apply_row){
		.table = table,
		.index = entry->index,
		.ordinal = d->ordinal,
		.change = c,
		.values = values,
		.is_authority = is_authority(d->table, entry),
	};
	if (d->stamp_us > g->stamp_us)
		g->stamp_us = d->stamp_us;
	return 0;
}

/* Is the last transaction of the entry cut, and are rows of it ours? The next
 * batch of the source goes on with it, or ends it. */
static void follow_part(struct group *g, const struct task_entry *entry,
			const struct delivery_reader *r, size_t n_before)
{
	uint64_t bit = catalog_bit(entry->source_id);
	bool was_open = g->open & bit;

	if (!entry->is_batch || r->is_void)
		return;
	g->open &= ~bit;
	if (r->at.kind == TXN_PART && (was_open || g->n > n_before))
		g->open |= bit;
}

static int take_entry(struct apply *a, const struct task_entry *entry)
{
	struct group *g = &a->group;
	struct delivery_reader r;
	struct delivery d;
	size_t n_before = g->n;
	struct delivery_source source = {
		.connection_id = apply_connection(a),
		.source_id = entry->source_id,
		.changes = entry->changes,
		.outcome = entry->outcome,
	};
	int rc = delivery_begin(&r, a->spec->catalog, &source);

	while (rc == 0 && (rc = delivery_next(&r, &d)) > 0)
		rc = take_row(a, entry, &d);
	if (rc)
		return rc;
	follow_part(g, entry, &r, n_before);
	g->at = entry->index;
	if (g->open == 0) {
		g->n_whole = g->n;
		g->whole_index = g->at;
	}
	return 0;
}

static size_t group_bytes(const struct group *g)
{
	return g->arena.used_bytes + g->n * sizeof *g->rows;
}

/* Enough for one target transaction? What is cut waits for its end, and what is
 * whole in front of it does not wait with it. */
static bool is_full(const struct group *g)
{
	return g->n_whole && (g->n >= LIMIT_APPLY_GROUP_ROWS ||
			      group_bytes(g) >= LIMIT_APPLY_GROUP_BYTES);
}

static int gather_entry(struct apply *a, const struct task_entry *entry,
			struct err *e)
{
	struct group *g = &a->group;
	int rc = take_entry(a, entry);

	if (rc)
		return err_set(e, rc, "entry %llu of the log cannot be read",
			       (unsigned long long)entry->index);
	if (g->n == 0)
		a->upto = g->at;
	if (g->n_whole == 0 && group_bytes(g) > LIMIT_TRANSACTION_BYTES)
		return err_set(e, ERR_LIMIT,
			       "the transaction that ends behind entry %llu "
			       "is larger than %zu MiB",
			       (unsigned long long)g->at,
			       LIMIT_TRANSACTION_BYTES >> 20);
	return 0;
}

int group_gather(struct apply *a, bool *has_more, struct err *e)
{
	struct group *g = &a->group;
	struct task_entry entry;
	uint64_t upto;
	int rc;

	*has_more = true;
	for (size_t i = 0; i < APPLY_LOOK_ENTRIES && !is_full(g); i++) {
		rc = a->ports->next_entry(a->ports->ctx, g->at, &entry, &upto,
					  e);
		if (rc == 0) {
			*has_more = false;
			if (upto > g->at)
				g->at = upto;
			if (g->n == 0 && g->at > a->upto)
				a->upto = g->at;
			break;
		}
		if (rc < 0 || (rc = gather_entry(a, &entry, e)))
			return rc;
	}
	if (g->n_whole == 0)
		return 0;
	/* The rest is read again behind it. */
	g->n = g->n_whole;
	g->at = g->whole_index;
	g->open = 0;
	return 1;
}
