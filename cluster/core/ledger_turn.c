/* One entry: its outcome, the rows it touched, and the rows that are in flight
 * no more.
 *
 * Rows that an entry touched are listed under "y", sync, entry. When all have
 * seen that entry, those that no later entry touched are stable: that finds
 * them in the order in which they become so, at one look for each touch. */
#include <string.h>

#include "base/check.h"
#include "cluster/core/key.h"
#include "cluster/core/ledger_image.h"
#include "cluster/core/ledger_internal.h"

/* Rows looked at after one entry: more than it can touch on the average, so
 * that the lists get shorter, and few enough for one entry. */
enum { DRAIN_MIN = 4096, DRAIN_PER_TOUCH = 4 };

static struct key touched_key(uint32_t sync_id, uint64_t index, uint32_t part)
{
	struct key key = key_of_u32('y', sync_id);

	key_u64(&key, index);
	key_u32(&key, part);
	return key;
}

void turn_begin(struct ledger *l, const struct ledger_world *w)
{
	memory_load(l, w->kv);
	outcome_writer_clear(&l->outcome);
	l->is_dirty = true;
	l->memory->touched.len = 0;
	l->memory->touched_part = 0;
	l->memory->n_touched = 0;
	l->memory->has_extra = false;
}

static void flush_touched(struct ledger_memory *m, const struct ledger_world *w)
{
	if (m->touched.len == 0)
		return;
	struct key key =
		touched_key(m->touched_sync, w->index, m->touched_part++);
	w->kv->put(w->kv->ctx, key_bytes(&key),
		   (struct bytes){m->touched.data, m->touched.len});
	m->touched.len = 0;
}

void turn_end(struct ledger *l, const struct ledger_world *w)
{
	struct key key = key_of_u64('x', w->index);
	struct bytes outcome = outcome_bytes(&l->outcome);

	flush_touched(l->memory, w);
	if (outcome.len)
		w->kv->put(w->kv->ctx, key_bytes(&key), outcome);
}

/* -- deliveries ------------------------------------------------------------ */
void turn_emit(struct ledger_turn *t, uint64_t mask, struct bytes change)
{
	outcome_add(&t->l->outcome, t->ordinal, mask, change);
	t->m->has_extra = true;
	t->m->extra_ordinal = t->ordinal;
}

/* An exception at this place speaks for the change itself, too. */
void turn_emit_own(struct ledger_turn *t)
{
	if (t->m->has_extra && t->m->extra_ordinal == t->ordinal)
		turn_emit(t, t->others, (struct bytes){0});
}

/* -- rows ------------------------------------------------------------------ */
static bool is_of_table(const struct row *r)
{
	return r->key.len == ROW_KEY_HEAD;
}

void turn_save(struct ledger_turn *t, struct row *r)
{
	struct ledger_memory *m = t->m;
	uint32_t sync_id = t->table->sync->id;

	if (!r->is_stored) {
		t->l->figures.n_rows++;
		m->n_emptied += is_of_table(r);
	}
	if (r->touched != t->w->index) {
		if (m->touched_sync != sync_id)
			flush_touched(m, t->w);
		m->touched_sync = sync_id;
		value_buf_bytes(&m->touched, row_key_bytes(&r->key));
		m->n_touched++;
		r->touched = t->w->index;
	}
	row_save(r, t->w->kv, &m->record);
}

static void drop_row(struct ledger *l, const struct kv *kv, const struct row *r)
{
	kv->del(kv->ctx, row_key_bytes(&r->key));
	l->figures.n_rows--;
	l->memory->n_emptied -= is_of_table(r);
}

/* A target that has parked the row has not seen it. */
static bool is_parked(const struct ledger *l, const struct ledger_world *w,
		      const struct row *r)
{
	uint32_t table_id = key_get_u32(row_key_bytes(&r->key), 1);
	const struct catalog_table *table;
	struct change c;

	if (l->figures.n_parked_keys == 0)
		return false;
	table = catalog_table(w->catalog, table_id);
	if (!table || change_decode(r->image, &c))
		return false;
	for (uint64_t mask = table->targets; mask; mask &= mask - 1) {
		uint32_t id = (uint32_t)__builtin_ctzll(mask);
		if (letter_parked_at(w->kv, id, table_id, c.key))
			return true;
	}
	return false;
}

static void drain_row(struct ledger *l, const struct ledger_world *w,
		      struct bytes name, uint64_t index)
{
	struct row *r = &l->memory->row;
	struct row_key key = {.len = name.len};

	CHECK(name.len <= LIMIT_KEY_BYTES);
	memcpy(key.data, name.data, name.len);
	row_load(r, w->kv, &key);
	if (r->is_known && r->touched == index && r->n_open == 0 &&
	    !is_parked(l, w, r))
		drop_row(l, w->kv, r);
}

/* The rows of one list; gives how many. */
static size_t drain_list(struct ledger *l, const struct ledger_world *w,
			 struct bytes list, uint64_t index)
{
	struct value_buf *copy = &l->memory->merged;
	size_t n = 0;

	copy->len = 0;
	value_buf_put(copy, list.data, list.len);
	struct value_reader in =
		value_reader((struct bytes){copy->data, copy->len});
	for (; in.at != in.end; n++) {
		struct bytes name = value_read_bytes(&in);
		CHECK(!in.is_bad);
		drain_row(l, w, name, index);
	}
	return n;
}

void turn_drain(struct ledger *l, const struct ledger_world *w,
		uint32_t sync_id)
{
	uint64_t stable = memory_stable(l, w, sync_id);
	uint64_t budget = DRAIN_MIN + DRAIN_PER_TOUCH * l->memory->n_touched;
	struct key at = key_of_u32('y', sync_id);
	struct bytes found, list;

	flush_touched(l->memory, w);
	for (uint64_t n = 0; n < budget;) {
		if (!w->kv->seek(w->kv->ctx, key_bytes(&at), false, &found,
				 &list) ||
		    found.len != 17 || memcmp(found.data, at.data, 5) != 0)
			return;
		uint64_t index = get_u64_be(found.data + 5);
		if (index > stable || index > w->index)
			return;
		memcpy(at.data, found.data, found.len);
		at.len = found.len;
		n += drain_list(l, w, list, index);
		w->kv->del(w->kv->ctx, key_bytes(&at));
	}
}
