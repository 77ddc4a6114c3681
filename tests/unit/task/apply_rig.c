#include "apply_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cluster/core/command.h"

/* -- the target ------------------------------------------------------------ */
struct apply_handle {
	struct rig *rig;
};

static int rig_apply_open(const struct apply_setup *s,
			  struct apply_handle **out, uint64_t *applied,
			  struct err *e)
{
	struct rig *r = s->target.secrets->ctx;
	int code = r->open_code;

	r->n_opened++;
	r->open_code = 0;
	if (code)
		return err_set(e, code, "it does not open");
	*out = mem_zero(1, sizeof **out);
	(*out)->rig = r;
	*applied = r->applied;
	return 0;
}

static int64_t key_of(const struct change *c)
{
	struct value v;

	CHECK(change_key_values(c->key, &v, 1) == 1);
	return v.i64;
}

static void put_row(struct value_buf *key, struct value *values, int64_t id)
{
	values[0] = (struct value){
		.state = VALUE_SET, .type = VALUE_INT64, .i64 = id};
	values[1] = (struct value){.state = VALUE_SET,
				   .type = VALUE_TEXT,
				   .bytes = {(const uint8_t *)"x", 1}};
	change_key(key, values, 1);
}

static void put_existing(struct value_buf *out, const struct change *c)
{
	struct value_buf key = {0};
	struct value values[2];

	put_row(&key, values, key_of(c));
	change_encode(out, &(struct change_row){.op = CHANGE_READ,
						.table_id = c->table_id,
						.key = {key.data, key.len},
						.values = values,
						.n_values = 2});
	value_buf_free(&key);
}

/* The first that stands in the way: behind it nothing is tried. */
static void refuse_row(struct rig *r, const struct apply_group *g,
		       struct apply_rejects *out)
{
	for (size_t i = 0; i < g->n; i++) {
		const struct change *c = &g->rows[i].change;
		bool differs = key_of(c) == r->differing_key;

		if (!differs && key_of(c) != r->refused_key)
			continue;
		struct apply_reject *x = mem_zero(1, sizeof *x);
		*out = (struct apply_rejects){.list = x, .n = 1};
		*x = (struct apply_reject){.row = i, .code = ERR_DATA};
		snprintf(x->text, sizeof x->text, "no such thing");
		if (!differs)
			return;
		x->verdict = APPLY_DIFFERS;
		put_existing(&x->existing, c);
		return;
	}
}

static int rig_apply_write(struct apply_handle *h, const struct apply_group *g,
			   struct apply_rejects *rejects, struct err *e)
{
	struct rig *r = h->rig;
	int code = r->write_code;
	enum rig_break breaks = r->breaks;

	r->n_asked++;
	r->write_code = 0;
	r->breaks = RIG_WHOLE;
	if (code)
		return err_set(e, code, "table t of the target is another one");
	if (g->from_index != r->applied)
		return err_set(e, ERR_FENCED, "the checkpoint has moved");
	refuse_row(r, g, rejects);
	if (rejects->n)
		return err_set(e, ERR_DATA, "rows are refused");
	if (breaks == RIG_BREAK_BEFORE)
		return err_set(e, ERR_NETWORK, "broke in front of it");
	CHECK(r->n_writes < RIG_WRITES && r->n_keys + g->n <= RIG_ROWS);
	r->writes[r->n_writes++] = (struct rig_write){
		.from = g->from_index,
		.to = g->to_index,
		.first = r->n_keys,
		.n = g->n,
	};
	for (size_t i = 0; i < g->n; i++)
		r->keys[r->n_keys++] = key_of(&g->rows[i].change);
	r->applied = g->to_index;
	if (breaks == RIG_BREAK_BEHIND)
		return err_set(e, ERR_NETWORK, "broke behind it");
	return 0;
}

static void rig_apply_close(struct apply_handle *h)
{
	free(h);
}

static const struct connector rig_connector = {
	.type = "rig",
	.apply_open = rig_apply_open,
	.apply_write = rig_apply_write,
	.apply_close = rig_apply_close,
};

/* -- the node -------------------------------------------------------------- */
static int rig_propose(void *ctx, struct blob *command, uint64_t ticket)
{
	struct rig *r = ctx;

	CHECK(r->n_proposed < RIG_PROPOSED);
	r->tickets[r->n_proposed] = ticket;
	r->proposed[r->n_proposed++] = blob_ref(command);
	return 0;
}

static uint64_t rig_decided(void *ctx)
{
	return ((struct rig *)ctx)->decided;
}

static int rig_next_entry(void *ctx, uint64_t after, struct task_entry *out,
			  uint64_t *upto, struct err *e)
{
	struct rig *r = ctx;

	if (after < r->floor)
		return err_set(e, ERR_NOTFOUND, "it is forgotten");
	for (uint64_t i = after + 1; i <= r->decided; i++) {
		const struct value_buf *b = &r->log[i].changes;

		if (!r->log[i].is_there)
			continue;
		*out = (struct task_entry){.index = i,
					   .is_batch = true,
					   .source_id = RIG_SOURCE,
					   .changes = {b->data, b->len}};
		return 1;
	}
	*upto = r->decided;
	return 0;
}

static uint64_t rig_position(void *ctx, uint32_t task_id, struct value_buf *buf)
{
	struct rig *r = ctx;

	CHECK(task_id == task_capture_id(RIG_TARGET));
	if (!r->is_unwatched)
		value_buf_put(buf, "p", 1);
	return r->decided;
}

static bool rig_is_parked(void *ctx, uint32_t connection_id, uint32_t table_id,
			  struct bytes key)
{
	struct rig *r = ctx;
	struct value v;

	CHECK(connection_id == RIG_TARGET);
	CHECK(change_key_values(key, &v, 1) == 1);
	for (size_t i = 0; i < r->n_parked; i++)
		if (r->parked[i] == v.i64)
			return true;
	return false;
}

static bool rig_is_paused(void *ctx, uint32_t sync_id, uint32_t table_id)
{
	return ((struct rig *)ctx)->is_paused;
}

static bool rig_may_load(void *ctx, uint32_t table_id)
{
	return true;
}

static void rig_report(void *ctx, enum task_state state, const struct err *e,
		       const char *hint)
{
	struct rig *r = ctx;

	r->problem = e ? *e : (struct err){0};
	snprintf(r->hint, sizeof r->hint, "%s", hint ? hint : "");
}

static void rig_count(void *ctx, const struct task_count *c)
{
	if (c->kind == TASK_COUNT_LETTER)
		((struct rig *)ctx)->n_letters++;
}

static int64_t rig_now(void *ctx)
{
	return ((struct rig *)ctx)->now_us;
}

/* -- its life -------------------------------------------------------------- */
static void declare(struct rig *r)
{
	declare_init(&r->declare);
	declare_connection(&r->declare, RIG_SOURCE, "paris");
	declare_connection(&r->declare, RIG_TARGET, "rome");
	declare_table(&r->declare,
		      declare_sync(&r->declare, RIG_ONE_WAY, "one", 6, false),
		      RIG_ONE_WAY, "t");
	declare_table(&r->declare,
		      declare_sync(&r->declare, RIG_TWO_WAY, "two", 6, true),
		      RIG_TWO_WAY, "u");
	r->catalog = catalog_of(&r->declare.d);
}

void rig_restart(struct rig *r)
{
	apply_free(r->apply);
	r->apply = apply_new(&r->spec, &r->ports);
}

void rig_open(struct rig *r, uint32_t sync_id)
{
	*r = (struct rig){.now_us = 1000};
	declare(r);
	r->secrets.ctx = r;
	r->spec = (struct task_spec){
		.id = task_apply_id(sync_id, RIG_TARGET),
		.epoch = 5,
		.catalog = r->catalog,
		.connector = &rig_connector,
		.target = {.secrets = &r->secrets},
	};
	r->ports = (struct task_ports){
		.ctx = r,
		.propose = rig_propose,
		.decided = rig_decided,
		.next_entry = rig_next_entry,
		.position = rig_position,
		.is_parked = rig_is_parked,
		.is_paused = rig_is_paused,
		.may_load = rig_may_load,
		.report = rig_report,
		.count = rig_count,
		.now_us = rig_now,
		.wall_us = rig_now,
	};
	rig_restart(r);
}

void rig_close(struct rig *r)
{
	apply_free(r->apply);
	catalog_free(r->catalog);
	declare_free(&r->declare);
	for (size_t i = 0; i < r->n_proposed; i++)
		blob_unref(r->proposed[i]);
	for (size_t i = 0; i < RIG_LOG; i++)
		value_buf_free(&r->log[i].changes);
}

void rig_txn(struct rig *r, const struct rig_txn *t)
{
	uint32_t table = task_sync(r->spec.id);
	struct rig_entry *entry = &r->log[t->index];
	struct change_writer w;
	struct value values[2];

	CHECK(t->index < RIG_LOG && !entry->is_there);
	change_writer_init(&w);
	change_begin(&w, t->op == CHANGE_READ ? TXN_LOAD : TXN_LOCAL, 500);
	for (size_t i = 0; i < t->n; i++) {
		struct value_buf key = {0};

		put_row(&key, values, t->keys[i]);
		change_add(&w, &(struct change_row){.op = t->op,
						    .table_id = table,
						    .key = {key.data, key.len},
						    .values = values,
						    .n_values = 2});
		value_buf_free(&key);
	}
	if (t->is_part)
		change_part(&w);
	else
		change_end(&w);
	value_buf_put(&entry->changes, w.buf.data, w.buf.len);
	change_writer_free(&w);
	entry->is_there = true;
	if (r->decided < t->index)
		r->decided = t->index;
}

void rig_step(struct rig *r)
{
	r->now_us += 1000;
	apply_step(r->apply, 0);
}

void rig_steps(struct rig *r, size_t n)
{
	for (size_t i = 0; i < n; i++)
		rig_step(r);
}

void rig_fate(struct rig *r, size_t i, uint64_t index)
{
	r->decided = index;
	apply_fate(r->apply, &(struct task_fate){.ticket = r->tickets[i],
						 .index = index});
}

Synod__Command__Command *rig_command(struct rig *r, size_t i)
{
	struct blob *b = blob_new(COMMAND_ID_BYTES + r->proposed[i]->len);
	Synod__Command__Command *c = NULL;
	struct bytes value;

	memset(b->data, 0, COMMAND_ID_BYTES);
	memcpy(b->data + COMMAND_ID_BYTES, r->proposed[i]->data,
	       r->proposed[i]->len);
	CHECK(command_open(blob_bytes(b), &value, &c, NULL) == 0);
	blob_unref(b);
	return c;
}
