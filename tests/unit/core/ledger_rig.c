#include "ledger_rig.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/digest.h"
#include "base/endian.h"

/* -- life ------------------------------------------------------------------ */
void rig_init(struct rig *r, unsigned n_connections)
{
	static const char *const names[] = {"west", "east", "north", "south"};
	uint64_t mask = 0;

	*r = (struct rig){.n_connections = n_connections};
	CHECK(n_connections >= 2 && n_connections <= 4);
	r->map = map_new();
	r->kv = kv_mem(r->map);
	declare_init(&r->declare);
	for (uint32_t id = 1; id <= n_connections; id++) {
		declare_connection(&r->declare, id, names[id - 1]);
		mask |= catalog_bit(id);
	}
	r->pair = declare_sync(&r->declare, RIG_PAIR, "pair", mask, true);
	declare_table(&r->declare, r->pair, 1, "items");
	r->copy = declare_sync(&r->declare, RIG_COPY, "copy", mask, false);
	declare_table(&r->declare, r->copy, 2, "orders");
	tasks_load(&r->tasks, &r->kv);
	ledger_init(&r->ledger);
}

static void assign(struct rig *r, uint32_t task_id)
{
	Synod__Command__Assign c;

	synod__command__assign__init(&c);
	c.task_id = task_id;
	c.node_id = 1;
	c.reason = (char *)(uintptr_t) "new";
	CHECK(tasks_take_assign(&r->tasks, &r->kv, ++r->index, &c));
}

void rig_start(struct rig *r)
{
	r->catalog = catalog_of(&r->declare.d);
	tasks_follow(&r->tasks, &r->kv, r->catalog, ++r->index);
	for (size_t i = 0; i < r->tasks.n; i++)
		assign(r, r->tasks.list[i].id);
	r->first_index = r->index + 1;
}

void rig_free(struct rig *r)
{
	for (size_t i = 0; i < r->n_log; i++) {
		blob_unref(r->log[i].command);
		blob_unref(r->log[i].changes);
		blob_unref(r->log[i].outcome);
	}
	free(r->log);
	ledger_free(&r->ledger);
	tasks_clear(&r->tasks);
	catalog_free(r->catalog);
	declare_free(&r->declare);
	map_free(r->map);
}

struct ledger_world rig_world(struct rig *r)
{
	return (struct ledger_world){.kv = &r->kv,
				     .catalog = r->catalog,
				     .tasks = &r->tasks,
				     .index = r->index};
}

/* -- entries --------------------------------------------------------------- */
static bool give(struct rig *r, const Synod__Command__Command *c)
{
	struct ledger_world w = rig_world(r);

	switch (c->body_case) {
	case SYNOD__COMMAND__COMMAND__BODY_BATCH:
		return ledger_batch(&r->ledger, &w, c->batch);
	case SYNOD__COMMAND__COMMAND__BODY_RESOLVE:
		return ledger_resolve(&r->ledger, &w, c->resolve);
	case SYNOD__COMMAND__COMMAND__BODY_DEAD_LETTER:
		return ledger_dead_letter(&r->ledger, &w, c->dead_letter);
	case SYNOD__COMMAND__COMMAND__BODY_DIFFERENCE:
		return ledger_difference(&r->ledger, &w, c->difference);
	case SYNOD__COMMAND__COMMAND__BODY_LETTERS:
		return ledger_letters(&r->ledger, &w, c->letters);
	default:
		CHECK(c->body_case == 0); /* no command of the ledger */
		return false;
	}
}

static struct blob *pack(const Synod__Command__Command *c)
{
	struct blob *b = blob_new(synod__command__command__get_packed_size(c));

	synod__command__command__pack(c, b->data);
	return b;
}

bool rig_take(struct rig *r, const Synod__Command__Command *c)
{
	struct rig_entry e = {.command = pack(c)};

	r->index++;
	bool is_taken = give(r, c);
	struct bytes outcome = ledger_outcome(&r->ledger);
	e.outcome = blob_copy(outcome.data, outcome.len);
	struct bytes kept = ledger_read_outcome(&r->kv, r->index);
	CHECK(bytes_compare(kept, outcome) == 0);
	if (c->body_case == SYNOD__COMMAND__COMMAND__BODY_BATCH) {
		e.source_id = task_connection(c->batch->task_id);
		e.changes = blob_copy(c->batch->changes.data,
				      c->batch->changes.len);
	} else {
		e.changes = blob_copy(NULL, 0);
	}
	if (r->n_log == r->cap_log) {
		r->cap_log = r->cap_log ? 2 * r->cap_log : 64;
		r->log = mem_grow(r->log, r->cap_log * sizeof(r->log[0]));
	}
	r->log[r->n_log++] = e;
	ledger_flush(&r->ledger, &r->kv);
	return is_taken;
}

struct rig_entry *rig_entry(struct rig *r, uint64_t index)
{
	CHECK(index >= r->first_index && index - r->first_index < r->n_log);
	return &r->log[index - r->first_index];
}

uint64_t rig_epoch(const struct rig *r, uint32_t task_id)
{
	const struct task *t = tasks_find(&r->tasks, task_id);

	CHECK(t);
	return t->epoch;
}

bool rig_batch(struct rig *r, uint32_t connection_id,
	       const struct change_writer *w)
{
	struct bytes at = ledger_position(&r->kv, connection_id);
	uint8_t from[8], to[8];
	Synod__Command__Batch b;
	Synod__Command__Command c;

	synod__command__batch__init(&b);
	synod__command__command__init(&c);
	if (at.len)
		memcpy(from, at.data, sizeof(from));
	put_u64(to, (at.len ? get_u64(from) : 0) + 1);
	b.task_id = connection_id;
	b.epoch = rig_epoch(r, connection_id);
	b.from.data = from;
	b.from.len = at.len;
	b.to.data = to;
	b.to.len = sizeof(to);
	b.changes.data = w->buf.data;
	b.changes.len = w->buf.len;
	b.time_us = (int64_t)r->index;
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_BATCH;
	c.batch = &b;
	return rig_take(r, &c);
}

void rig_reload(struct rig *r)
{
	ledger_flush(&r->ledger, &r->kv);
	ledger_reset(&r->ledger);
}

uint64_t rig_digest(struct rig *r)
{
	struct bytes key = {0}, value;
	uint64_t d = 0;
	bool after = false;

	ledger_flush(&r->ledger, &r->kv);
	while (map_seek(r->map, key, after, &key, &value)) {
		d = digest64_seed(key.data, key.len, d);
		d = digest64_seed(value.data, value.len, d);
		after = true;
	}
	return d;
}

/* -- changes --------------------------------------------------------------- */
static struct value int_value(int64_t n)
{
	return (struct value){
		.state = VALUE_SET, .type = VALUE_INT64, .i64 = n};
}

struct parts {
	struct value_buf key;
	struct value values[3];
	struct change_row row;
};

static void take_apart(struct parts *p, enum change_op op, uint32_t table_id,
		       const struct rig_row *row)
{
	bool is_bare = op == CHANGE_DELETE || op == CHANGE_TRUNCATE;

	*p = (struct parts){0};
	p->values[0] = int_value(row->key);
	p->values[1] = int_value(row->uid);
	p->values[2] = int_value(row->note);
	if (op == CHANGE_PATCH)
		p->values[2].state = VALUE_UNCHANGED;
	if (op != CHANGE_TRUNCATE)
		change_key(&p->key, p->values, 1);
	p->row = (struct change_row){
		.op = op,
		.table_id = table_id,
		.key = {p->key.data, p->key.len},
		.values = p->values,
		.n_values = is_bare ? 0 : 3,
	};
}

void rig_change(struct change_writer *w, enum change_op op, uint32_t table_id,
		const struct rig_row *row)
{
	struct parts p;

	take_apart(&p, op, table_id, row);
	change_add(w, &p.row);
	value_buf_free(&p.key);
}

void rig_encode(struct value_buf *buf, enum change_op op, uint32_t table_id,
		const struct rig_row *row)
{
	struct parts p;

	take_apart(&p, op, table_id, row);
	change_encode(buf, &p.row);
	value_buf_free(&p.key);
}

void rig_decode(const struct change *c, struct rig_row *out, bool *has_note)
{
	struct value values[3], key = {0};

	*out = (struct rig_row){.is_there = c->op != CHANGE_DELETE &&
					    c->op != CHANGE_TRUNCATE};
	*has_note = true;
	if (c->key.len) {
		CHECK(change_key_values(c->key, &key, 1) == 1);
		out->key = key.i64;
	}
	if (!out->is_there)
		return;
	CHECK(c->n_values == 3 && change_values(c, values) == 0);
	out->uid = values[1].i64;
	out->note = values[2].i64;
	*has_note = values[2].state == VALUE_SET;
}

bool rig_write(struct rig *r, uint32_t connection_id, enum change_op op,
	       const struct rig_row *row, int64_t stamp_us)
{
	struct change_writer w;

	change_writer_init(&w);
	change_begin(&w, op == CHANGE_READ ? TXN_LOAD : TXN_LOCAL, stamp_us);
	rig_change(&w, op, 1, row);
	change_end(&w);
	bool is_taken = rig_batch(r, connection_id, &w);
	change_writer_free(&w);
	return is_taken;
}

bool rig_echo(struct rig *r, uint32_t sync_id, uint32_t connection_id,
	      uint64_t index)
{
	struct change_writer w;

	change_writer_init(&w);
	change_echo(&w, task_apply_id(sync_id, connection_id), index);
	bool is_taken = rig_batch(r, connection_id, &w);
	change_writer_free(&w);
	return is_taken;
}

unsigned rig_delivered(struct rig *r, uint64_t index, uint32_t connection_id,
		       int64_t key, struct change *out)
{
	struct rig_entry *e = rig_entry(r, index);
	struct delivery_source source = {
		.connection_id = connection_id,
		.source_id = e->source_id,
		.changes = blob_bytes(e->changes),
		.outcome = blob_bytes(e->outcome),
	};
	struct delivery_reader reader;
	struct delivery d;
	struct rig_row row;
	unsigned n = 0;
	bool has_note;
	int rc;

	CHECK(delivery_begin(&reader, r->catalog, &source) == 0);
	while ((rc = delivery_next(&reader, &d)) > 0) {
		rig_decode(&d.change, &row, &has_note);
		if (row.key != key)
			continue;
		n++;
		*out = d.change;
	}
	CHECK(rc == 0);
	return n;
}
