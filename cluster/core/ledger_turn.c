/* One entry: its outcome, the rows that it saved, and those that are in flight
 * no more.
 *
 * A row waits in one queue at a time: for the connection to which the newest of
 * what is under way goes, at that entry ("y", sync, connection, entry, and the
 * entry and part that wrote the list). When the connection is seen there, the
 * row is looked at: with nothing under way any more it goes, else it waits for
 * the next. A row knows where it waits; what earlier lists say of it is void.
 * So each is found when it is due, at one look for each time it was saved. */
#include <string.h>

#include "base/check.h"
#include "cluster/core/key.h"
#include "cluster/core/ledger_image.h"
#include "cluster/core/ledger_internal.h"

/* Rows looked at after one entry: more than it can touch on the average, so
 * that the lists get shorter, and few enough for one entry. */
enum { DRAIN_MIN = 4096, DRAIN_PER_SAVE = 4 };

enum { QUEUE_KEY = 1 + 4 + 4, WAITERS_KEY = QUEUE_KEY + 8 + 8 + 4 };

struct waiters_key {
	uint8_t data[WAITERS_KEY];
	size_t len;
};

static struct waiters_key queue_of(uint32_t sync_id, uint32_t connection_id)
{
	struct waiters_key out = {.len = QUEUE_KEY};
	struct key head = key_of_u32('y', sync_id);

	key_u32(&head, connection_id);
	memcpy(out.data, head.data, head.len);
	return out;
}

static struct bytes waiters_bytes(const struct waiters_key *k)
{
	return (struct bytes){k->data, k->len};
}

void turn_begin(struct ledger *l, const struct ledger_world *w)
{
	memory_load(l, w->kv);
	outcome_writer_clear(&l->outcome);
	l->is_dirty = true;
	l->memory->waiters.len = 0;
	l->memory->n_waiters_parts = 0;
	l->memory->n_saved = 0;
	l->memory->has_extra = false;
}

static void flush_waiters(struct ledger_memory *m, const struct ledger_world *w)
{
	if (m->waiters.len == 0)
		return;
	struct waiters_key key = queue_of(m->waiters_sync, m->waiters_id);
	struct key tail = key_table('y');
	put_u64_be(key.data + QUEUE_KEY, m->waiters_index);
	put_u64_be(key.data + QUEUE_KEY + 8, w->index);
	key_u32(&tail, m->n_waiters_parts++);
	memcpy(key.data + QUEUE_KEY + 16, tail.data + 1, 4);
	key.len = WAITERS_KEY;
	w->kv->put(w->kv->ctx, waiters_bytes(&key),
		   (struct bytes){m->waiters.data, m->waiters.len});
	m->waiters.len = 0;
}

void turn_end(struct ledger *l, const struct ledger_world *w)
{
	struct key key = key_of_u64('x', w->index);
	struct bytes outcome = outcome_bytes(&l->outcome);

	flush_waiters(l->memory, w);
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

static void drop_row(struct ledger *l, const struct kv *kv, struct row *r)
{
	if (!r->is_stored)
		return;
	kv->del(kv->ctx, row_key_bytes(&r->key));
	r->is_stored = false;
	l->figures.n_rows--;
	l->memory->n_emptied -= is_of_table(r);
}

static uint64_t seen_of_target(const struct ledger_turn *t, uint32_t id)
{
	return memory_seen(t->m, task_apply_id(t->table->sync->id, id));
}

/* What waits behind a dead letter was not applied, whatever the echoes say. */
static uint64_t seen_of_row(const struct ledger_turn *t, uint32_t id,
			    struct bytes key)
{
	uint64_t seen = seen_of_target(t, id), parked = 0;

	if (t->l->figures.n_parked_keys)
		parked = letter_parked_at(t->w->kv, id, t->table->table->id,
					  key);
	return parked && parked <= seen ? parked - 1 : seen;
}

void turn_consume(struct ledger_turn *t, struct row *r, struct bytes key)
{
	size_t i = 0;

	while (i < r->n_sides) {
		size_t n = r->n_sides;
		uint32_t id = r->sides[i].connection_id;
		row_consume(r, id, seen_of_row(t, id, key));
		row_consume_part(r, id, seen_of_target(t, id));
		i += n == r->n_sides; /* else another stands there now */
	}
}

/* For the newest of what is still to be seen. What a parked row waits for is
 * not seen to be applied: the end of its chain comes back to it. */
static void choose_queue(const struct ledger_turn *t, struct row *r)
{
	r->wait_id = 0;
	r->wait_index = 0;
	for (size_t i = 0; i < r->n_sides; i++) {
		uint32_t id = r->sides[i].connection_id;
		uint64_t last = row_last(r, id);
		if (last > r->wait_index &&
		    last > memory_seen(t->m,
				       task_apply_id(t->table->sync->id, id))) {
			r->wait_id = id;
			r->wait_index = last;
		}
	}
}

static void enqueue(struct ledger_turn *t, const struct row *r)
{
	struct ledger_memory *m = t->m;
	uint32_t sync_id = t->table->sync->id;

	if (m->waiters_sync != sync_id || m->waiters_id != r->wait_id ||
	    m->waiters_index != r->wait_index)
		flush_waiters(m, t->w);
	m->waiters_sync = sync_id;
	m->waiters_id = r->wait_id;
	m->waiters_index = r->wait_index;
	value_buf_bytes(&m->waiters, row_key_bytes(&r->key));
}

void turn_save(struct ledger_turn *t, struct row *r)
{
	uint32_t wait_id = r->wait_id;
	uint64_t wait_index = r->wait_index;

	t->m->n_saved++;
	if (r->n_sides == 0 && r->n_open == 0) {
		drop_row(t->l, t->w->kv, r);
		return;
	}
	if (!r->is_stored) {
		t->l->figures.n_rows++;
		t->m->n_emptied += is_of_table(r);
	}
	choose_queue(t, r);
	if (r->wait_id &&
	    (r->wait_id != wait_id || r->wait_index != wait_index))
		enqueue(t, r);
	row_save(r, t->w->kv, &t->m->record);
}

/* -- rows that waited ------------------------------------------------------ */
static void drain_row(struct ledger_turn *t, struct bytes name,
		      uint32_t wait_id, uint64_t wait_index)
{
	struct row *r = &t->m->row;
	struct row_key key = {.len = name.len};
	struct change c;

	CHECK(name.len <= LIMIT_KEY_BYTES);
	memcpy(key.data, name.data, name.len);
	row_load(r, t->w->kv, &key);
	if (!r->is_known || r->wait_id != wait_id ||
	    r->wait_index != wait_index)
		return;
	t->table = catalog_table(t->w->catalog, key_get_u32(name, 1));
	if (!t->table)
		return;
	c.key = (struct bytes){0};
	if (t->l->figures.n_parked_keys)
		CHECK(!change_decode(r->image, &c));
	turn_consume(t, r, c.key);
	turn_save(t, r);
}

/* The rows of one list; gives how many. */
static size_t drain_list(struct ledger_turn *t, struct bytes list,
			 uint32_t wait_id, uint64_t wait_index)
{
	struct value_buf *copy = &t->m->merged;
	size_t n = 0;

	copy->len = 0;
	value_buf_put(copy, list.data, list.len);
	struct value_reader in =
		value_reader((struct bytes){copy->data, copy->len});
	for (; in.at != in.end; n++) {
		struct bytes name = value_read_bytes(&in);
		CHECK(!in.is_bad);
		drain_row(t, name, wait_id, wait_index);
	}
	return n;
}

void turn_drain(struct ledger_turn *t, uint32_t sync_id, uint32_t seen_by)
{
	uint64_t seen = memory_seen(t->m, task_apply_id(sync_id, seen_by));
	uint64_t budget = DRAIN_MIN + DRAIN_PER_SAVE * t->m->n_saved;
	struct waiters_key at = queue_of(sync_id, seen_by);
	const struct kv *kv = t->w->kv;
	struct bytes found, list;

	flush_waiters(t->m, t->w);
	for (uint64_t n = 0; n < budget;) {
		if (!kv->seek(kv->ctx, waiters_bytes(&at), false, &found,
			      &list) ||
		    found.len != WAITERS_KEY ||
		    memcmp(found.data, at.data, QUEUE_KEY) != 0)
			return;
		uint64_t index = get_u64_be(found.data + QUEUE_KEY);
		if (index > seen)
			return;
		memcpy(at.data, found.data, found.len);
		at.len = found.len;
		n += drain_list(t, list, seen_by, index);
		kv->del(kv->ctx, waiters_bytes(&at));
	}
}
