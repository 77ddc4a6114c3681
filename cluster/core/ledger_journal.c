/* The conflict journal, "j" and the id: who fought whom, who won, by which rule
 * and why. Open ones stay for ever; of the others LIMIT_CONFLICTS are kept, the
 * oldest go first. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "cluster/core/key.h"
#include "cluster/core/ledger_image.h"
#include "cluster/core/ledger_internal.h"

enum { RULE_MAX = 32, RECORD_FORMAT = 1 };

static const char *const kinds[] = {
	"update_update",
	"update_delete",
	"delete_update",
	"initial",
};
enum { KIND_UPDATES, KIND_UPDATE_DELETE, KIND_DELETE_UPDATE, KIND_INITIAL };

/* -- records --------------------------------------------------------------- */
static struct bytes text_bytes(const char *s)
{
	return (struct bytes){(const uint8_t *)s, strlen(s)};
}

static void write_version(struct value_buf *buf, const struct ledger_version *v,
			  uint32_t ordinal)
{
	value_buf_varint(buf, v->connection_id);
	value_buf_varint(buf, v->index);
	value_buf_varint(buf, ordinal);
	value_buf_zigzag(buf, v->stamp_us);
	value_buf_varint(buf, v->n_vector);
	for (size_t i = 0; i < v->n_vector; i++) {
		value_buf_varint(buf, v->vector[i].connection_id);
		value_buf_varint(buf, v->vector[i].index);
	}
	value_buf_bytes(buf, v->change);
}

static void write_record(struct value_buf *buf, const struct journal_record *j)
{
	const struct ledger_conflict *c = &j->c;

	buf->len = 0;
	value_buf_varint(buf, RECORD_FORMAT);
	value_buf_varint(buf, c->index);
	value_buf_varint(buf, c->ordinal);
	value_buf_varint(buf, c->sync_id);
	value_buf_varint(buf, c->table_id);
	value_buf_varint(buf, (uint64_t)c->state);
	value_buf_varint(buf, c->is_a_winner);
	value_buf_zigzag(buf, c->time_us);
	value_buf_zigzag(buf, c->resolved_us);
	value_buf_bytes(buf, text_bytes(c->resolved_by));
	value_buf_bytes(buf, text_bytes(c->kind));
	value_buf_bytes(buf, text_bytes(c->rule));
	value_buf_bytes(buf, text_bytes(c->reason));
	value_buf_bytes(buf, c->key);
	write_version(buf, &c->a, j->a_ordinal);
	write_version(buf, &c->b, j->b_ordinal);
}

static void read_text(struct value_reader *in, char *out, size_t cap)
{
	struct bytes b = value_read_bytes(in);

	CHECK(b.len < cap);
	if (b.len)
		memcpy(out, b.data, b.len);
	out[b.len] = 0;
}

static uint32_t read_u32(struct value_reader *in)
{
	return (uint32_t)value_read_varint(in);
}

static void read_version(struct value_reader *in, struct ledger_version *v,
			 uint32_t *ordinal)
{
	v->connection_id = read_u32(in);
	v->index = value_read_varint(in);
	*ordinal = read_u32(in);
	v->stamp_us = value_read_zigzag(in);
	v->n_vector = (size_t)value_read_varint(in);
	CHECK(v->n_vector <= LEDGER_VECTOR);
	for (size_t i = 0; i < v->n_vector; i++) {
		v->vector[i].connection_id = read_u32(in);
		v->vector[i].index = value_read_varint(in);
	}
	v->change = value_read_bytes(in);
}

static void read_record(uint64_t id, struct bytes value,
			struct journal_record *out)
{
	struct value_reader in = value_reader(value);
	struct ledger_conflict *c = &out->c;

	CHECK(value_read_varint(&in) == RECORD_FORMAT);
	c->id = id;
	c->index = value_read_varint(&in);
	c->ordinal = read_u32(&in);
	c->sync_id = read_u32(&in);
	c->table_id = read_u32(&in);
	c->state = (enum conflict_state)value_read_varint(&in);
	c->is_a_winner = value_read_varint(&in) != 0;
	c->time_us = value_read_zigzag(&in);
	c->resolved_us = value_read_zigzag(&in);
	read_text(&in, c->resolved_by, sizeof(c->resolved_by));
	read_text(&in, c->kind, sizeof(c->kind));
	read_text(&in, c->rule, sizeof(c->rule));
	read_text(&in, c->reason, sizeof(c->reason));
	c->key = value_read_bytes(&in);
	read_version(&in, &c->a, &out->a_ordinal);
	read_version(&in, &c->b, &out->b_ordinal);
	CHECK(!in.is_bad && in.at == in.end);
}

static void put_record(const struct kv *kv, struct value_buf *buf,
		       const struct journal_record *j)
{
	struct key key = key_of_u64('j', j->c.id);

	write_record(buf, j);
	kv->put(kv->ctx, key_bytes(&key), (struct bytes){buf->data, buf->len});
}

bool journal_read(const struct kv *kv, uint64_t id, struct journal_record *out)
{
	struct key key = key_of_u64('j', id);
	struct bytes value;

	if (!kv->get(kv->ctx, key_bytes(&key), &value))
		return false;
	read_record(id, value, out);
	return true;
}

bool ledger_next_conflict(const struct kv *kv, uint64_t from,
			  struct ledger_conflict *out)
{
	struct key key = key_of_u64('j', from);
	struct journal_record record;
	struct bytes found, value;

	if (!kv->seek(kv->ctx, key_bytes(&key), false, &found, &value) ||
	    found.len != key.len || found.data[0] != 'j')
		return false;
	read_record(get_u64_be(found.data + 1), value, &record);
	*out = record.c;
	return true;
}

/* -- the limit ------------------------------------------------------------- */
/* The oldest that is not open goes. What is below low_conflict_id is open: it
 * is not looked at again. */
static void drop_oldest(struct ledger *l, const struct kv *kv)
{
	struct ledger_memory *m = l->memory;
	struct ledger_conflict c;

	while (ledger_next_conflict(kv, m->low_conflict_id, &c)) {
		struct key key = key_of_u64('j', c.id);
		m->low_conflict_id = c.id + 1;
		if (c.state == CONFLICT_OPEN)
			continue;
		kv->del(kv->ctx, key_bytes(&key));
		m->n_decided--;
		return;
	}
}

static void count_decided(struct ledger *l, const struct kv *kv)
{
	l->memory->n_decided++;
	if (l->memory->n_decided > LIMIT_CONFLICTS)
		drop_oldest(l, kv);
}

/* -- writing --------------------------------------------------------------- */
static void copy_vector(struct ledger_version *out, const struct vvec *v)
{
	out->n_vector = v->n;
	for (size_t i = 0; i < v->n; i++)
		out->vector[i] = (struct ledger_vector_item){
			v->items[i].connection_id, v->items[i].index};
}

static const char *kind_of(const struct row *r, const struct ledger_claim *c)
{
	if (r->is_read && c->is_read)
		return kinds[KIND_INITIAL];
	if (image_is_delete(c->image))
		return kinds[KIND_UPDATE_DELETE];
	if (image_is_delete(r->image))
		return kinds[KIND_DELETE_UPDATE];
	return kinds[KIND_UPDATES];
}

/* Why the two are concurrent, and why this one won. */
static void tell_reason(const struct ledger_turn *t, const struct row *r,
			const struct ledger_claim *c,
			const struct policy_verdict *v, char *out)
{
	uint64_t seen =
		memory_seen(t->m, task_apply_id(t->table->sync->id, c->maker));

	if (c->is_read)
		snprintf(out, LEDGER_TEXT_MAX, "%s", v->reason);
	else if (r->index > seen)
		snprintf(out, LEDGER_TEXT_MAX,
			 "made with entries up to %" PRIu64
			 " seen, before %" PRIu64 "; %s",
			 seen, r->index, v->reason);
	else
		snprintf(out, LEDGER_TEXT_MAX,
			 "made when an older version was written over that "
			 "of entry %" PRIu64 "; %s",
			 r->index, v->reason);
}

static struct bytes key_of_image(struct bytes image)
{
	struct change c;

	CHECK(!change_decode(image, &c));
	return c.key;
}

void journal_add(struct ledger_turn *t, const struct row *r,
		 const struct ledger_claim *c, const struct vvec *vector,
		 const struct policy_verdict *v)
{
	struct ledger_memory *m = t->m;
	struct journal_record j = {.a_ordinal = r->ordinal,
				   .b_ordinal = c->ordinal};

	j.c.id = ++m->last_conflict_id;
	j.c.index = t->w->index;
	j.c.ordinal = t->ordinal;
	j.c.sync_id = t->table->sync->id;
	j.c.table_id = t->table->table->id;
	j.c.state = v->is_open ? CONFLICT_OPEN : CONFLICT_DECIDED;
	j.c.is_a_winner = v->is_a_winner;
	j.c.key = key_of_image(c->image);
	j.c.time_us = t->time_us;
	j.c.a = (struct ledger_version){.connection_id = r->maker,
					.index = r->index,
					.stamp_us = r->stamp_us,
					.change = r->image};
	j.c.b = (struct ledger_version){.connection_id = c->maker,
					.index = t->w->index,
					.stamp_us = c->stamp_us,
					.change = c->image};
	copy_vector(&j.c.a, &r->vector);
	copy_vector(&j.c.b, vector);
	snprintf(j.c.kind, sizeof(j.c.kind), "%s", kind_of(r, c));
	snprintf(j.c.rule, RULE_MAX, "%s", v->rule);
	tell_reason(t, r, c, v, j.c.reason);
	put_record(t->w->kv, &m->record, &j);
	t->l->figures.n_conflicts++;
	if (v->is_open)
		t->l->figures.n_conflicts_open++;
	else
		count_decided(t->l, t->w->kv);
}

void journal_close(struct ledger *l, const struct kv *kv,
		   struct journal_record *j, const char *author,
		   int64_t time_us)
{
	CHECK(j->c.state == CONFLICT_OPEN);
	j->c.state = CONFLICT_RESOLVED;
	j->c.resolved_us = time_us;
	snprintf(j->c.resolved_by, sizeof(j->c.resolved_by), "%s", author);
	put_record(kv, &l->memory->record, j);
	l->figures.n_conflicts_open--;
	if (j->c.id < l->memory->low_conflict_id)
		l->memory->low_conflict_id = j->c.id;
	count_decided(l, kv);
}
