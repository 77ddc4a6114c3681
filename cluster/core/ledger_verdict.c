/* Who is the head of a row: the rules of docs/why/versions.md, one function
 * each. */
#include <string.h>

#include "base/check.h"
#include "cluster/core/ledger_image.h"
#include "cluster/core/ledger_internal.h"

static uint64_t bit_of(uint32_t maker)
{
	return maker ? catalog_bit(maker) : 0;
}

/* Connections of which we hear what was applied there. */
static uint64_t peers(const struct ledger_turn *t)
{
	return t->table->sources & t->table->targets;
}

static bool is_target(const struct ledger_turn *t, uint32_t id)
{
	return (t->table->targets & bit_of(id)) != 0;
}

static void encode_delete(struct value_buf *buf, uint32_t table_id,
			  struct bytes key)
{
	struct change_row row = {
		.op = CHANGE_DELETE, .table_id = table_id, .key = key};

	buf->len = 0;
	change_encode(buf, &row);
}

/* -- loading --------------------------------------------------------------- */
/* The table was emptied and somebody may not know it yet: of the row nothing is
 * left, as of that entry. */
static void become_emptied(struct ledger_turn *t, struct row *r,
			   struct bytes key)
{
	struct row *from = &t->m->table_row;
	struct row_key name;

	row_key_of(&name, t->table->table->id, (struct bytes){0});
	row_load(from, t->w->kv, &name);
	if (!from->is_known)
		return;
	r->is_known = true;
	r->index = from->index;
	r->ordinal = from->ordinal;
	r->maker = from->maker;
	r->stamp_us = from->stamp_us;
	r->has = from->has;
	r->sent = from->sent;
	vvec_copy(&r->vector, &from->vector);
	memcpy(r->sides, from->sides, from->n_sides * sizeof(r->sides[0]));
	r->n_sides = from->n_sides;
	encode_delete(&r->buf, t->table->table->id, key);
	r->image = (struct bytes){r->buf.data, r->buf.len};
}

struct row *verdict_load(struct ledger_turn *t, struct bytes key)
{
	struct row *r = &t->m->row;
	struct row_key name;

	row_key_of(&name, t->table->table->id, key);
	row_load(r, t->w->kv, &name);
	if (!r->is_known && t->m->n_emptied && key.len)
		become_emptied(t, r, key);
	turn_consume(t, r, key);
	return r;
}

/* -- what happens to the head ---------------------------------------------- */
static void deliver(struct ledger_turn *t, struct row *r, uint64_t mask,
		    bool is_read)
{
	struct row_delivery d = {t->w->index, t->ordinal, is_read};

	row_deliver_all(r, mask & peers(t), &d);
	r->sent |= mask;
}

/* An emptied table was sent as such: only who is not sent it needs the row's
 * own delete. */
static void emit_claim(struct ledger_turn *t, const struct ledger_claim *c,
		       struct bytes image, uint64_t mask)
{
	bool is_own = c->is_own && image.data == c->image.data;

	if (t->is_emptied)
		mask &= ~t->others;
	if (t->is_emptied && mask == 0)
		return;
	if (is_own && mask == t->others)
		turn_emit_own(t);
	else
		turn_emit(t, mask, is_own ? (struct bytes){0} : image);
}

void verdict_crown(struct ledger_turn *t, struct row *r,
		   const struct ledger_claim *c, uint64_t mask)
{
	struct bytes image = c->image;

	if (r->is_known)
		image = image_overlay(&t->m->merged, r->image, image);
	emit_claim(t, c, image, mask);
	if (!r->is_known || c->stamp_us > r->stamp_us)
		r->stamp_us = c->stamp_us;
	else
		r->stamp_us++; /* what descends is later, whatever clocks say */
	r->judged = r->is_known && r->is_read && c->is_read ? r->judged : 0;
	r->is_known = true;
	r->is_read = c->is_read;
	r->index = t->w->index;
	r->ordinal = c->ordinal;
	r->maker = c->maker;
	r->image = image;
	r->has = r->sent = bit_of(c->maker);
	vvec_raise(&r->vector, c->maker, t->w->index);
	deliver(t, r, mask, c->is_read && c->is_own);
}

/* The claim goes to nobody. */
static void withhold(struct ledger_turn *t, const struct ledger_claim *c)
{
	if (c->is_own && !t->is_emptied)
		turn_emit(t, 0, (struct bytes){0});
}

void verdict_resend(struct ledger_turn *t, struct row *r, uint64_t mask)
{
	turn_emit(t, mask, r->image);
	deliver(t, r, mask, false);
	t->l->figures.n_resent++;
}

/* Everybody whose row becomes another one by this entry: all others, and the
 * maker where something older is under way to it. */
static uint64_t audience(const struct ledger_turn *t, const struct row *r,
			 const struct ledger_claim *c)
{
	uint64_t mask = t->table->targets & ~bit_of(c->maker);

	if (is_target(t, c->maker) && row_last(r, c->maker))
		mask |= bit_of(c->maker);
	return mask;
}

/* The maker of a claim that is not the head needs the head; mostly it is under
 * way to it already: the last of what is under way always carries the head. */
static uint64_t lacking(const struct ledger_turn *t, const struct row *r,
			uint32_t maker)
{
	uint64_t mask = t->table->targets & ~r->sent;

	if (is_target(t, maker) && !(r->has & bit_of(maker)) &&
	    !row_last(r, maker))
		mask |= bit_of(maker);
	return mask;
}

/* What the head leaves untold is told by the loser: it was written there, and
 * no side could be made equal without it. */
static bool complete_head(struct ledger_turn *t, struct row *r,
			  const struct ledger_claim *c)
{
	struct bytes image = image_overlay(&t->m->merged, c->image, r->image);

	if (image.data == r->image.data)
		return false;
	r->image = image;
	return true;
}

static void keep_head(struct ledger_turn *t, struct row *r,
		      const struct ledger_claim *c)
{
	uint64_t mask;

	r->has &= ~bit_of(c->maker);
	if (t->is_emptied || complete_head(t, r, c))
		mask = t->table->targets;
	else
		mask = lacking(t, r, c->maker);
	if (mask)
		verdict_resend(t, r, mask);
	else
		withhold(t, c);
}

/* -- real changes ---------------------------------------------------------- */
/* The same row by two ways: one version with two names. */
static void join_head(struct ledger_turn *t, struct row *r,
		      const struct ledger_claim *c)
{
	r->has |= bit_of(c->maker);
	r->is_read = false;
	if (c->stamp_us > r->stamp_us)
		r->stamp_us = c->stamp_us;
	vvec_raise(&r->vector, c->maker, t->w->index);
	if (t->is_emptied)
		deliver(t, r, t->others, false); /* by the TRUNCATE */
	else
		withhold(t, c);
}

/* What the claim's maker is known to have seen of the row, and the claim. */
static void claim_vector(const struct ledger_turn *t, const struct row *r,
			 const struct ledger_claim *c, struct vvec *out)
{
	uint64_t seen =
		memory_seen(t->m, task_apply_id(t->table->sync->id, c->maker));

	out->n = 0;
	for (size_t i = 0; i < r->vector.n; i++) {
		const struct vvec_item *item = &r->vector.items[i];
		if (item->connection_id != c->maker && item->index <= seen)
			vvec_raise(out, item->connection_id, item->index);
	}
	vvec_raise(out, c->maker, t->w->index);
}

static void fight(struct ledger_turn *t, struct row *r,
		  const struct ledger_claim *c)
{
	struct policy_side a = {r->maker, r->stamp_us,
				image_is_delete(r->image),
				image_is_whole(r->image)};
	struct policy_side b = {c->maker, c->stamp_us,
				image_is_delete(c->image),
				image_is_whole(c->image)};
	struct policy_verdict v;
	struct vvec vector;

	policy_decide(t->w->catalog, t->table->sync, &a, &b, &v);
	claim_vector(t, r, c, &vector);
	journal_add(t, r, c, &vector, &v);
	vvec_join(&r->vector, &vector);
	r->n_open += v.is_open;
	if (v.is_a_winner)
		keep_head(t, r, c);
	else
		verdict_crown(t, r, c, audience(t, r, c));
}

/* -- rows of an initial load ----------------------------------------------- */
/* A real change wins over it. What is under way to its maker may be there
 * already and be written over, and the echo lost in a gap: another row there
 * gets the head once more. */
static void drop_read(struct ledger_turn *t, struct row *r,
		      const struct ledger_claim *c)
{
	uint64_t mask = lacking(t, r, c->maker);

	if (!r->is_read && is_target(t, c->maker) &&
	    !image_is_same(r->image, c->image))
		mask |= bit_of(c->maker);
	t->l->figures.n_reads_dropped++;
	if (mask)
		verdict_resend(t, r, mask);
	else
		withhold(t, c);
}

bool verdict_initial(struct ledger_turn *t, struct row *r,
		     const struct ledger_claim *c)
{
	struct policy_verdict v;
	struct vvec vector = {.n = 0};

	policy_initial(t->w->catalog, t->table->sync, r->maker, c->maker, &v);
	vvec_raise(&vector, c->maker, t->w->index);
	r->judged |= bit_of(c->maker) | bit_of(r->maker);
	if (!v.is_silent)
		journal_add(t, r, c, &vector, &v);
	return v.is_a_winner;
}

/* Who has the head and yet reads another row: it was written over while nobody
 * watched the table (a gap, or before its capture began). */
static bool is_unwatched_change(const struct row *r,
				const struct ledger_claim *c)
{
	return (r->has & bit_of(c->maker)) && image_is_whole(r->image) &&
	       !image_is_same(r->image, c->image);
}

/* A row that was there before, against whatever is in flight. */
static void claim_read(struct ledger_turn *t, struct row *r,
		       const struct ledger_claim *c)
{
	uint64_t bit = bit_of(c->maker);
	struct ledger_claim winner = *c;

	if (is_unwatched_change(r, c)) {
		winner.is_read = winner.is_own = false;
		verdict_crown(t, r, &winner, audience(t, r, c));
	} else if (!r->is_read || r->maker == c->maker || (r->has & bit) ||
		   (r->judged & bit)) {
		drop_read(t, r, c);
	} else if (image_is_same(r->image, c->image)) {
		r->judged |= bit;
		r->has |= bit;
		drop_read(t, r, c);
	} else if (verdict_initial(t, r, c)) {
		/* What is under way is a READ, which writes over nothing. */
		r->has &= ~bit;
		t->l->figures.n_reads_dropped++;
		if (is_target(t, c->maker))
			verdict_resend(t, r, bit);
		else
			withhold(t, c);
	} else {
		winner.is_own = false; /* as a PUT: it writes over the loser */
		verdict_crown(t, r, &winner, audience(t, r, c));
	}
}

/* -- a claim --------------------------------------------------------------- */
void verdict_claim(struct ledger_turn *t, struct row *r,
		   const struct ledger_claim *c)
{
	if (!r->is_known)
		verdict_crown(t, r, c, audience(t, r, c));
	else if (c->is_read)
		claim_read(t, r, c);
	else if (r->has & bit_of(c->maker))
		verdict_crown(t, r, c, audience(t, r, c));
	else if (image_is_same(r->image, c->image))
		join_head(t, r, c);
	else if (r->is_read)
		verdict_crown(t, r, c, audience(t, r, c));
	else
		fight(t, r, c);
	turn_save(t, r);
}

/* -- TRUNCATE -------------------------------------------------------------- */
static void empty_row(struct ledger_turn *t, struct bytes key,
		      const struct ledger_claim *emptied)
{
	struct ledger_claim c = *emptied;
	struct row *r = verdict_load(t, key);

	encode_delete(&t->m->image, t->table->table->id, key);
	c.image = (struct bytes){t->m->image.data, t->m->image.len};
	c.is_own = false;
	verdict_claim(t, r, &c);
}

/* Every row of the table that is in flight, in the order of the keys. */
static void empty_rows(struct ledger_turn *t, const struct ledger_claim *c)
{
	struct value_buf key = {0};
	struct row_key at;
	struct bytes found, value;
	struct change image;

	row_key_of(&at, t->table->table->id, (struct bytes){0});
	while (t->w->kv->seek(t->w->kv->ctx, row_key_bytes(&at), true, &found,
			      &value) &&
	       found.len > ROW_KEY_HEAD &&
	       memcmp(found.data, at.data, 5) == 0) {
		CHECK(found.len <= LIMIT_KEY_BYTES);
		memcpy(at.data, found.data, found.len);
		at.len = found.len;
		at.whole = (struct bytes){0};
		row_load(&t->m->row, t->w->kv, &at);
		CHECK(!change_decode(t->m->row.image, &image));
		key.len = 0;
		value_buf_put(&key, image.key.data, image.key.len);
		empty_row(t, (struct bytes){key.data, key.len}, c);
	}
	value_buf_free(&key);
}

void verdict_empty(struct ledger_turn *t, const struct ledger_claim *c)
{
	struct row *r = verdict_load(t, (struct bytes){0});
	struct ledger_claim emptied = *c;

	/* Said openly: the deletes behind it would speak for it otherwise. */
	turn_emit(t, t->others, (struct bytes){0});
	emptied.is_own = false;
	t->is_emptied = true;
	verdict_crown(t, r, &emptied, t->others);
	turn_save(t, r);
	empty_rows(t, c);
	t->is_emptied = false;
}
