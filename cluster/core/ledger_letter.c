/* Dead letters: changes that a target refused, "q" and the id. A row with a
 * letter is parked for that target, "k" connection, table, digest of the key;
 * its chain stands behind that, by entry and ordinal. Two keys of one digest
 * share a chain: they are parked together, and nothing is lost. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/digest.h"
#include "cluster/core/key.h"
#include "cluster/core/ledger_image.h"
#include "cluster/core/ledger_internal.h"

enum { CHAIN_KEY = 25, LINK_KEY = 37, RECORD_FORMAT = 1 };

/* -- keys ------------------------------------------------------------------ */
struct chain_key {
	uint8_t data[LINK_KEY];
	size_t len;
};

static struct bytes chain_bytes(const struct chain_key *k)
{
	return (struct bytes){k->data, k->len};
}

static struct chain_key chain_of(uint32_t connection_id, uint32_t table_id,
				 struct bytes key)
{
	struct chain_key out = {.len = CHAIN_KEY};
	struct key head = key_of_u32('k', connection_id);
	uint64_t first = digest64(key.data, key.len);

	key_u32(&head, table_id);
	memcpy(out.data, head.data, head.len);
	put_u64_be(out.data + 9, first);
	put_u64_be(out.data + 17, digest64_seed(key.data, key.len, ~first));
	return out;
}

static struct chain_key link_of(const struct chain_key *chain, uint64_t index,
				uint32_t ordinal)
{
	struct chain_key out = *chain;

	put_u64_be(out.data + CHAIN_KEY, index);
	for (int i = 0; i < 4; i++)
		out.data[CHAIN_KEY + 8 + i] =
			(uint8_t)(ordinal >> (24 - 8 * i));
	out.len = LINK_KEY;
	return out;
}

/* -- readers --------------------------------------------------------------- */
/* A chain's head: the id of its first letter, and the entry of that. */
static bool read_chain(const struct kv *kv, const struct chain_key *chain,
		       uint64_t *id, uint64_t *index)
{
	struct bytes v;

	if (!kv->get(kv->ctx, chain_bytes(chain), &v))
		return false;
	CHECK(v.len == 16);
	*id = get_u64(v.data);
	*index = get_u64(v.data + 8);
	return true;
}

uint64_t letter_parked_at(const struct kv *kv, uint32_t connection_id,
			  uint32_t table_id, struct bytes key)
{
	struct chain_key chain = chain_of(connection_id, table_id, key);
	uint64_t id, index;

	return read_chain(kv, &chain, &id, &index) ? index : 0;
}

uint64_t ledger_parked(const struct kv *kv, uint32_t connection_id,
		       uint32_t table_id, struct bytes key)
{
	struct chain_key chain = chain_of(connection_id, table_id, key);
	uint64_t id, index;

	return read_chain(kv, &chain, &id, &index) ? id : 0;
}

static void read_letter(uint64_t id, struct bytes value,
			struct ledger_letter *out)
{
	struct value_reader in = value_reader(value);

	CHECK(value_read_varint(&in) == RECORD_FORMAT);
	*out = (struct ledger_letter){.id = id};
	out->index = value_read_varint(&in);
	out->ordinal = (uint32_t)value_read_varint(&in);
	out->connection_id = (uint32_t)value_read_varint(&in);
	out->table_id = (uint32_t)value_read_varint(&in);
	out->behind_id = value_read_varint(&in);
	out->code = (int32_t)value_read_zigzag(&in);
	out->time_us = value_read_zigzag(&in);
	struct bytes text = value_read_bytes(&in);
	CHECK(text.len < sizeof(out->text));
	if (text.len)
		memcpy(out->text, text.data, text.len);
	out->change = value_read_bytes(&in);
	CHECK(!in.is_bad && in.at == in.end);
	struct change c;
	CHECK(!change_decode(out->change, &c));
	out->key = c.key;
}

bool ledger_next_letter(const struct kv *kv, uint64_t from,
			struct ledger_letter *out)
{
	struct key key = key_of_u64('q', from);
	struct bytes found, value;

	if (!kv->seek(kv->ctx, key_bytes(&key), false, &found, &value) ||
	    found.len != key.len || found.data[0] != 'q')
		return false;
	read_letter(get_u64_be(found.data + 1), value, out);
	return true;
}

/* -- a letter comes in ----------------------------------------------------- */
static void put_u64s(const struct kv *kv, const struct chain_key *key,
		     uint64_t a, uint64_t b, size_t len)
{
	uint8_t buf[16];

	put_u64(buf, a);
	put_u64(buf + 8, b);
	kv->put(kv->ctx, chain_bytes(key), (struct bytes){buf, len});
}

static void put_letter(struct ledger *l, const struct kv *kv, uint64_t id,
		       uint64_t behind_id, const Synod__Command__DeadLetter *c)
{
	struct value_buf *buf = &l->memory->record;
	struct key key = key_of_u64('q', id);
	struct change change;
	size_t text_len = strlen(c->text);

	if (text_len >= LEDGER_TEXT_MAX)
		text_len = LEDGER_TEXT_MAX - 1;
	CHECK(!change_decode((struct bytes){c->change.data, c->change.len},
			     &change));
	buf->len = 0;
	value_buf_varint(buf, RECORD_FORMAT);
	value_buf_varint(buf, c->index);
	value_buf_varint(buf, c->ordinal);
	value_buf_varint(buf, task_connection(c->task_id));
	value_buf_varint(buf, change.table_id);
	value_buf_varint(buf, behind_id);
	value_buf_zigzag(buf, c->code);
	value_buf_zigzag(buf, c->time_us);
	value_buf_bytes(buf,
			(struct bytes){(const uint8_t *)c->text, text_len});
	value_buf_bytes(buf, change.whole);
	kv->put(kv->ctx, key_bytes(&key), (struct bytes){buf->data, buf->len});
}

/* From the owner of the task, about a row of its sync, before its target has
 * gone beyond that entry. */
static bool is_due(const struct ledger *l, const struct ledger_world *w,
		   const Synod__Command__DeadLetter *c, struct change *change)
{
	struct bytes whole = {c->change.data, c->change.len};
	const struct task *task = tasks_find(w->tasks, c->task_id);

	if (task_kind(c->task_id) != TASK_APPLY || !task || task->epoch == 0 ||
	    task->epoch != c->epoch || c->index > w->index ||
	    memory_seen(l->memory, c->task_id) >= c->index ||
	    change_decode(whole, change))
		return false;
	const struct catalog_table *table =
		catalog_table(w->catalog, change->table_id);
	return table && table->sync->id == task_sync(c->task_id) &&
	       l->figures.n_letters < LIMIT_LETTERS;
}

/* Of what the entry delivers of the row, some may be there and some not. */
static void doubt_row(struct ledger *l, const struct ledger_world *w,
		      const Synod__Command__DeadLetter *letter,
		      const struct change *c)
{
	struct ledger_turn t = {.l = l, .m = l->memory, .w = w};

	t.table = catalog_table(w->catalog, c->table_id);
	if (!t.table->is_two_way || !t.table->is_current)
		return;
	struct row *r = verdict_load(&t, c->key);
	if (!r->is_known || !r->is_stored)
		return;
	row_doubt(r, task_connection(letter->task_id), letter->index,
		  letter->ordinal);
	turn_save(&t, r);
}

static bool dead_letter(struct ledger *l, const struct ledger_world *w,
			const Synod__Command__DeadLetter *c)
{
	uint32_t target_id = task_connection(c->task_id);
	uint64_t first_id = 0, first_index = 0;
	struct change change;
	struct bytes old;

	if (!is_due(l, w, c, &change))
		return false;
	struct chain_key chain =
		chain_of(target_id, change.table_id, change.key);
	struct chain_key link = link_of(&chain, c->index, c->ordinal);
	if (w->kv->get(w->kv->ctx, chain_bytes(&link), &old))
		return false;
	bool is_first = !read_chain(w->kv, &chain, &first_id, &first_index);
	/* It was to wait behind a letter that is gone: it may go. */
	if (is_first && c->code == 0 && c->text[0] == 0)
		return false;
	uint64_t id = ++l->memory->last_letter_id;
	put_letter(l, w->kv, id, first_id, c);
	put_u64s(w->kv, &link, id, 0, 8);
	if (is_first)
		put_u64s(w->kv, &chain, id, c->index, 16);
	l->figures.n_letters++;
	l->figures.n_parked_keys += is_first;
	if (is_first)
		doubt_row(l, w, c, &change);
	return true;
}

bool ledger_dead_letter(struct ledger *l, const struct ledger_world *w,
			const Synod__Command__DeadLetter *c)
{
	turn_begin(l, w);
	bool is_taken = dead_letter(l, w, c);
	turn_end(l, w);
	return is_taken;
}

/* -- chains go ------------------------------------------------------------- */
/* The next letter of a chain, behind at (or the first); its id, or 0. */
static uint64_t next_link(const struct kv *kv, const struct chain_key *chain,
			  struct chain_key *at)
{
	struct bytes found, v;

	if (!kv->seek(kv->ctx, chain_bytes(at), true, &found, &v) ||
	    found.len != LINK_KEY ||
	    memcmp(found.data, chain->data, CHAIN_KEY) != 0)
		return 0;
	memcpy(at->data, found.data, LINK_KEY);
	at->len = LINK_KEY;
	CHECK(v.len == 8);
	return get_u64(v.data);
}

static void get_letter(const struct kv *kv, uint64_t id,
		       struct ledger_letter *out)
{
	struct key key = key_of_u64('q', id);
	struct bytes value;

	CHECK(kv->get(kv->ctx, key_bytes(&key), &value));
	read_letter(id, value, out);
}

static void remove_chain(struct ledger *l, const struct kv *kv,
			 const struct chain_key *chain)
{
	struct chain_key at = *chain;
	uint64_t id;

	while ((id = next_link(kv, chain, &at))) {
		struct key key = key_of_u64('q', id);
		kv->del(kv->ctx, key_bytes(&key));
		kv->del(kv->ctx, chain_bytes(&at));
		l->figures.n_letters--;
	}
	kv->del(kv->ctx, chain_bytes(chain));
	l->figures.n_parked_keys--;
}

/* Where a replay begins: what a whole row is written over by need not come
 * again. A MOVE does more than its row: it always does. */
static uint64_t find_start(const struct kv *kv, const struct chain_key *chain)
{
	struct chain_key at = *chain;
	struct ledger_letter letter;
	uint64_t id, start = 0;
	bool has_moved = false;

	while ((id = next_link(kv, chain, &at))) {
		get_letter(kv, id, &letter);
		has_moved |= image_op(letter.change) == CHANGE_MOVE;
		if (start == 0 || (!has_moved && image_is_whole(letter.change)))
			start = id;
	}
	return start;
}

/* The letters themselves, in their order. */
static void replay_letters(struct ledger_turn *t, uint32_t target_id,
			   const struct chain_key *chain)
{
	struct chain_key at = *chain;
	struct ledger_letter letter;
	uint64_t start = find_start(t->w->kv, chain), id;

	while ((id = next_link(t->w->kv, chain, &at))) {
		if (id == start)
			start = 0;
		if (start)
			continue;
		get_letter(t->w->kv, id, &letter);
		turn_emit(t, catalog_bit(target_id), letter.change);
		t->ordinal++;
		t->l->figures.n_resent++;
	}
}

/* What the chain holds was never applied: the row's lists must not say so. */
static void withdraw(struct ledger_turn *t, struct row *r, uint32_t target_id,
		     const struct chain_key *chain)
{
	struct chain_key at = *chain;

	while (next_link(t->w->kv, chain, &at))
		row_withdraw(r, target_id, get_u64_be(at.data + CHAIN_KEY));
}

/* Of a table that is no longer in force nothing is written: the one in its
 * place was loaded, and the letter is older than that. */
static void release(struct ledger_turn *t, const struct ledger_letter *letter,
		    bool is_replay)
{
	uint32_t target_id = letter->connection_id;
	struct chain_key chain =
		chain_of(target_id, letter->table_id, letter->key);
	struct row *r = &t->m->row;

	r->is_known = false;
	t->table = catalog_table(t->w->catalog, letter->table_id);
	if (t->table && t->table->is_two_way && t->table->is_current)
		verdict_load(t, letter->key);
	if (r->is_known) {
		withdraw(t, r, target_id, &chain);
		if (is_replay)
			verdict_resend(t, r, catalog_bit(target_id));
		t->ordinal += is_replay;
		turn_save(t, r);
	} else if (is_replay && t->table && t->table->is_current) {
		replay_letters(t, target_id, &chain);
	}
	remove_chain(t->l, t->w->kv, &chain);
}

/* The id may be gone with an earlier one of its chain. */
static bool find_letter(const struct kv *kv, uint64_t id, struct value_buf *buf,
			struct ledger_letter *out)
{
	struct key key = key_of_u64('q', id);
	struct bytes value;

	if (!kv->get(kv->ctx, key_bytes(&key), &value))
		return false;
	buf->len = 0;
	value_buf_put(buf, value.data, value.len);
	read_letter(id, (struct bytes){buf->data, buf->len}, out);
	return true;
}

bool ledger_letters(struct ledger *l, const struct ledger_world *w,
		    const Synod__Command__Letters *c)
{
	struct ledger_letter letter;
	struct value_buf buf = {0};
	bool is_taken = false;

	turn_begin(l, w);
	struct ledger_turn t = {
		.l = l, .m = l->memory, .w = w, .time_us = c->time_us};
	for (size_t i = 0; i < c->n_ids; i++) {
		if (!find_letter(w->kv, c->ids[i], &buf, &letter))
			continue;
		release(&t, &letter, c->is_replay);
		is_taken = true;
	}
	value_buf_free(&buf);
	turn_end(l, w);
	return is_taken;
}

void letter_forget(struct ledger *l, const struct ledger_world *w)
{
	struct ledger_letter letter;
	uint64_t from = 0;

	while (ledger_next_letter(w->kv, from, &letter)) {
		const struct catalog_table *table =
			catalog_table(w->catalog, letter.table_id);
		from = letter.id + 1;
		if (table &&
		    tasks_find(w->tasks, task_apply_id(table->sync->id,
						       letter.connection_id)))
			continue;
		struct chain_key chain = chain_of(letter.connection_id,
						  letter.table_id, letter.key);
		remove_chain(l, w->kv, &chain);
	}
}
