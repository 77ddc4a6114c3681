/* Differences: a row of the initial load that a target has with other values.
 *
 * A target tells of it before it applies the entry, so a change that was made
 * there before may still be on its way: then the two are no initial rows any
 * more. So the difference waits ("g", task, entry, ordinal) until the target is
 * seen to have applied that entry; all that came before is here by then. */
#include <string.h>

#include "base/check.h"
#include "cluster/core/key.h"
#include "cluster/core/ledger_image.h"
#include "cluster/core/ledger_internal.h"

static struct key waiting_key(uint32_t task_id, uint64_t index,
			      uint32_t ordinal)
{
	struct key key = key_of_u32('g', task_id);

	key_u64(&key, index);
	key_u32(&key, ordinal);
	return key;
}

/* The row that came, when no record of it is left. Its maker is the other
 * connection; of several, the first in the order of the sync. */
static void revive(struct ledger_turn *t, struct row *r, uint32_t target_id,
		   struct bytes came, uint64_t index)
{
	const Synod__Definition__Sync *sync = t->table->sync;
	uint32_t maker = 0;

	for (size_t i = sync->n_connection_ids; i-- > 0;) {
		uint32_t id = sync->connection_ids[i];
		if (id != target_id && (t->table->sources & catalog_bit(id)))
			maker = id;
	}
	r->is_known = r->is_read = true;
	r->index = index;
	r->maker = maker;
	r->sent = t->table->targets;
	r->has = t->table->targets & ~catalog_bit(target_id);
	if (maker)
		vvec_raise(&r->vector, maker, index);
	r->image = came;
}

/* Both images are ours to keep until the next entry. */
static void decide(struct ledger_turn *t, uint32_t target_id, struct bytes came,
		   uint64_t index, struct bytes existing)
{
	uint64_t bit = catalog_bit(target_id);
	struct ledger_claim claim = {.maker = target_id,
				     .ordinal = t->ordinal,
				     .is_read = true,
				     .image = existing};
	struct change c;

	CHECK(!change_decode(existing, &c));
	struct row *r = verdict_load(t, c.key);
	if (!r->is_known)
		revive(t, r, target_id, came, index);
	if (!r->is_read || r->maker == target_id || (r->judged & bit))
		return;
	if (image_is_same(r->image, existing))
		return;
	if (verdict_initial(t, r, &claim)) {
		r->has &= ~bit;
		verdict_resend(t, r, bit);
	} else {
		/* To its own side, too: what came behind the READ may have
		 * been written over it there, or is under way. */
		verdict_crown(t, r, &claim, t->table->targets);
	}
	if (t->table->is_two_way)
		turn_save(t, r);
}

/* -- waiting --------------------------------------------------------------- */
/* The record: the row that came, and the row that was there. */
static void wait_for_echo(struct ledger *l, const struct ledger_world *w,
			  const struct key *key,
			  const Synod__Command__Difference *c)
{
	struct value_buf *buf = &l->memory->record;

	buf->len = 0;
	value_buf_zigzag(buf, c->time_us);
	value_buf_bytes(buf, (struct bytes){c->change.data, c->change.len});
	value_buf_bytes(buf, (struct bytes){c->existing.data, c->existing.len});
	w->kv->put(w->kv->ctx, key_bytes(key),
		   (struct bytes){buf->data, buf->len});
	l->memory->n_waiting++;
}

/* A copy in buf of an image as versions keep it. */
static struct bytes keep(struct value_buf *buf, struct bytes whole)
{
	struct change c;

	CHECK(!change_decode(whole, &c));
	buf->len = 0;
	return image_of(buf, &c);
}

static void settle(struct ledger_turn *t, uint32_t target_id,
		   struct bytes value, uint64_t index)
{
	struct value_buf came = {0}, existing = {0};
	struct value_reader in = value_reader(value);
	struct change c;

	t->time_us = value_read_zigzag(&in);
	struct bytes a = keep(&came, value_read_bytes(&in));
	struct bytes b = keep(&existing, value_read_bytes(&in));
	CHECK(!in.is_bad && !change_decode(a, &c));
	t->table = catalog_table(t->w->catalog, c.table_id);
	/* Where another table has taken its place, that one was loaded since.
	 */
	if (t->table && t->table->is_current) {
		t->others = t->table->targets & ~catalog_bit(target_id);
		decide(t, target_id, a, index, b);
	}
	value_buf_free(&came);
	value_buf_free(&existing);
}

/* The first that waits, up to this entry; its key is kept in at. */
static bool next_waiting(const struct kv *kv, struct key *at, uint64_t seen,
			 struct bytes *value)
{
	struct bytes found;

	if (!kv->seek(kv->ctx, key_bytes(at), false, &found, value) ||
	    found.len != 17 || memcmp(found.data, at->data, 5) != 0 ||
	    get_u64_be(found.data + 5) > seen)
		return false;
	memcpy(at->data, found.data, found.len);
	at->len = found.len;
	return true;
}

void difference_settle(struct ledger_turn *t, uint32_t task_id, uint64_t seen)
{
	const struct kv *kv = t->w->kv;
	int64_t time_us = t->time_us;
	struct bytes value;

	if (t->m->n_waiting == 0)
		return;
	struct key at = key_of_u32('g', task_id);
	while (next_waiting(kv, &at, seen, &value)) {
		settle(t, task_connection(task_id), value,
		       get_u64_be(at.data + 5));
		kv->del(kv->ctx, key_bytes(&at));
		t->m->n_waiting--;
	}
	t->time_us = time_us;
}

void difference_forget(struct ledger *l, const struct kv *kv, uint32_t task_id)
{
	struct key at = key_of_u32('g', task_id);
	struct bytes value;

	while (next_waiting(kv, &at, UINT64_MAX, &value)) {
		kv->del(kv->ctx, key_bytes(&at));
		l->memory->n_waiting--;
	}
}

/* -- the command ----------------------------------------------------------- */
static bool is_row(struct bytes whole, const struct catalog_table **table,
		   const struct ledger_world *w)
{
	struct change c;

	if (change_decode(whole, &c) ||
	    (c.op != CHANGE_READ && c.op != CHANGE_PUT) || c.key.len == 0)
		return false;
	*table = catalog_table(w->catalog, c.table_id);
	return *table != NULL;
}

static bool is_same_row(struct bytes a, struct bytes b)
{
	struct change x, y;

	return !change_decode(a, &x) && !change_decode(b, &y) &&
	       x.table_id == y.table_id && bytes_compare(x.key, y.key) == 0;
}

static bool difference(struct ledger *l, const struct ledger_world *w,
		       const Synod__Command__Difference *c)
{
	struct bytes came = {c->change.data, c->change.len};
	struct bytes existing = {c->existing.data, c->existing.len};
	const struct task *task = tasks_find(w->tasks, c->task_id);
	const struct catalog_table *table;
	struct key key = waiting_key(c->task_id, c->index, c->ordinal);
	uint32_t target_id = task_connection(c->task_id);
	struct bytes old;

	if (task_kind(c->task_id) != TASK_APPLY || !task || task->epoch == 0 ||
	    task->epoch != c->epoch || !is_row(existing, &table, w) ||
	    !is_row(came, &table, w) || !is_same_row(came, existing) ||
	    c->index > w->index || table->sync->id != task_sync(c->task_id) ||
	    !(table->targets & catalog_bit(target_id)))
		return false;
	if (w->kv->get(w->kv->ctx, key_bytes(&key), &old))
		return false;
	/* Nobody tells what such a target has applied: nothing to wait for. */
	if (!(table->sources & catalog_bit(target_id))) {
		struct ledger_turn t = {.l = l, .m = l->memory, .w = w};
		l->memory->merged.len = 0;
		value_buf_zigzag(&l->memory->merged, c->time_us);
		value_buf_bytes(&l->memory->merged, came);
		value_buf_bytes(&l->memory->merged, existing);
		settle(&t, target_id,
		       (struct bytes){l->memory->merged.data,
				      l->memory->merged.len},
		       c->index);
		return true;
	}
	if (memory_seen(l->memory, c->task_id) >= c->index)
		return false; /* it was told before, and is settled */
	wait_for_echo(l, w, &key, c);
	return true;
}

bool ledger_difference(struct ledger *l, const struct ledger_world *w,
		       const Synod__Command__Difference *c)
{
	turn_begin(l, w);
	bool is_taken = difference(l, w, c);
	turn_end(l, w);
	return is_taken;
}
