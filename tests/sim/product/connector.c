/* The seam over the simulated databases. Faults come from here: connections
 * that break before, at and after a commit, refused rows, slots taken over. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/endian.h"
#include "tests/sim/product/world.h"

struct link {
	struct runner *runner;
	struct world *w;
	struct database *d;
	uint64_t boot; /* of the database when it was opened */
	uint64_t epoch;
	uint32_t task_id;
};

static int link_open(struct link *l, const struct connector_target *t,
		     struct err *e)
{
	l->runner = t->secrets->ctx;
	l->w = l->runner->w;
	l->d = &l->w->dbs[t->connection->id];
	l->boot = l->d->boot;
	if (l->d->down_until_us > l->w->now_us)
		return err_set(e, ERR_NETWORK, "the database is down");
	return 0;
}

static int link_check(struct link *l, struct err *e)
{
	struct database *d = l->d;

	if (d->down_until_us > l->w->now_us || l->boot != d->boot)
		return err_set(e, ERR_NETWORK, "the connection broke");
	if (!l->w->is_calm && world_chance(l->w, 0.01))
		return err_set(e, ERR_NETWORK, "the connection broke");
	return 0;
}

/* -- capture --------------------------------------------------------------- */
struct capture_handle {
	struct link link;
	const struct connector_table *tables;
	size_t n_tables;
	uint64_t seq, offset;
	uint64_t loaded; /* mask of table ids */
	bool is_new;
};
enum { POSITION_BYTES = 24 };

static int sim_capture_open(const struct capture_setup *s,
			    struct capture_handle **out, struct err *e)
{
	struct link l = {.epoch = s->epoch, .task_id = s->task_id};
	int rc = link_open(&l, &s->target, e);

	if (rc)
		return rc;
	if (s->epoch < l.d->slot_epoch && !l.w->off.target_fence)
		return err_set(e, ERR_FENCED, "a newer owner has the slot");
	if (s->epoch > l.d->slot_epoch)
		l.d->slot_epoch = s->epoch;
	struct capture_handle *h = mem_zero(1, sizeof *h);
	h->link = l;
	h->tables = s->tables;
	h->n_tables = s->n_tables;
	*out = h;
	return 0;
}

static bool is_due(const struct connector_table *t)
{
	return t->wants_load && !t->is_load_put_off;
}

static uint64_t table_mask(const struct capture_handle *h, bool is_load)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < h->n_tables; i++)
		if (!is_load || is_due(&h->tables[i]))
			mask |= (uint64_t)1 << h->tables[i].table->id;
	return mask;
}

/* As real ones: what does not want to be loaded at first never is. */
static uint64_t never_loaded(const struct capture_handle *h)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < h->n_tables; i++)
		if (!h->tables[i].wants_load)
			mask |= (uint64_t)1 << h->tables[i].table->id;
	return mask;
}

static int sim_capture_start(struct capture_handle *h, struct bytes position,
			     struct err *e)
{
	int rc = link_check(&h->link, e);

	if (rc)
		return rc;
	h->is_new = position.len == 0;
	h->seq = h->link.d->n;
	h->offset = 0;
	h->loaded = never_loaded(h);
	if (position.len == 0)
		return 0;
	CHECK(position.len == POSITION_BYTES);
	h->seq = get_u64(position.data);
	if (h->seq < h->link.d->lost) {
		h->link.w->counts.gaps++;
		return err_set(e, ERR_GAP, "the stream begins behind it");
	}
	h->offset = get_u64(position.data + 8);
	/* A table that was left out is loaded again. */
	h->loaded |= get_u64(position.data + 16) & table_mask(h, false);
	return 0;
}

static void add_op(struct change_writer *w, const struct op *op,
		   enum change_op as)
{
	struct value v[2];
	uint32_t n = as == CHANGE_DELETE || as == CHANGE_TRUNCATE ? 0 : 2;
	struct value_reader r = value_reader(op->values);

	for (uint32_t i = 0; i < n; i++)
		CHECK(value_read(&r, &v[i]));
	change_add(w, &(struct change_row){.op = as,
					   .table_id = op->table_id,
					   .key = op->key,
					   .values = v,
					   .n_values = n});
}

/* Its id in the revision in force; 0: it is not captured. */
static uint32_t captured_id(const struct capture_handle *h, uint32_t physical)
{
	for (size_t i = 0; i < h->n_tables; i++)
		if (world_physical(h->tables[i].table->id) == physical)
			return h->tables[i].table->id;
	return 0;
}

static void add_captured(const struct capture_handle *h,
			 struct change_writer *w, const struct op *op)
{
	struct op x = *op;

	x.table_id = captured_id(h, op->table_id);
	if (x.table_id)
		add_op(w, &x, x.op);
}

/* Some transactions of three rows and more come in two parts. True: stop. */
static bool read_commit(struct capture_handle *h, struct change_writer *w)
{
	struct world *sim = h->link.w;
	const struct commit *c = &h->link.d->stream[h->seq];

	if (c->echo_task && !sim->off.echo) {
		change_echo(w, c->echo_task, c->echo_index);
		h->seq++;
		return false;
	}
	size_t last = c->n;
	if (h->offset == 0 && c->n >= 3 && c->stamp_us % 3 == 0)
		last = 2;
	change_begin(w, TXN_LOCAL, c->stamp_us);
	for (size_t i = h->offset; i < last; i++)
		add_captured(h, w, &c->ops[i]);
	h->offset = 0;
	if (last < c->n && w->n_txn_changes) {
		change_part(w);
		h->offset = last;
		sim->counts.parts++;
		return true;
	}
	for (size_t i = last; i < c->n; i++)
		add_captured(h, w, &c->ops[i]);
	change_end(w);
	h->seq++;
	return false;
}

/* One table at once, at the end of the stream: nothing is in between. */
static void read_table(struct capture_handle *h, struct change_writer *w)
{
	const struct connector_table *t = h->tables;

	while (!is_due(t) || h->loaded >> t->table->id & 1)
		t++;
	h->loaded |= (uint64_t)1 << t->table->id;
	struct map *rows = h->link.d->tables[world_physical(t->table->id)];
	struct bytes key = {0}, values;
	bool after = false;

	change_begin(w, TXN_LOAD, world_wall(h->link.w));
	while (map_seek(rows, key, after, &key, &values)) {
		add_op(w,
		       &(struct op){.table_id = t->table->id,
				    .key = key,
				    .values = values},
		       CHANGE_READ);
		after = true;
		h->link.w->counts.reads++;
	}
	change_end(w);
}

/* Somebody altered a table; the bank must stay whole. */
static int change_table(struct capture_handle *h, struct err *e)
{
	struct world *w = h->link.w;
	const struct connector_table *t =
		&h->tables[rng_below(&w->rng, h->n_tables)];

	if (t->table->id == TABLE_BANK)
		return 0;
	w->counts.table_pauses++;
	return err_set(e, ERR_SCHEMA, "table %s is another one",
		       t->side->table);
}

static int sim_capture_poll(struct capture_handle *h, size_t bytes_max,
			    int wait_ms, struct change_writer *w,
			    struct value_buf *position, struct err *e)
{
	struct world *sim = h->link.w;
	uint8_t raw[POSITION_BYTES];
	uint64_t seq = h->seq, loaded = h->loaded;
	int rc = link_check(&h->link, e);

	if (rc)
		return rc;
	if (h->link.epoch < h->link.d->slot_epoch && !sim->off.target_fence) {
		sim->counts.fenced++;
		return err_set(e, ERR_FENCED, "the slot has a newer owner");
	}
	if (sim->is_lossy && !sim->is_calm && h->n_tables &&
	    world_chance(sim, 0.0005))
		return change_table(h, e);
	uint64_t most = 1 + rng_below(&sim->rng, 4);
	bool is_cut = false;
	while (h->seq < h->link.d->n && most-- && !is_cut)
		is_cut = read_commit(h, w);
	if (h->seq == h->link.d->n && !is_cut &&
	    table_mask(h, true) & ~h->loaded)
		read_table(h, w);
	if (seq == h->seq && !is_cut && loaded == h->loaded && !h->is_new)
		return 0;
	h->is_new = false;
	put_u64(raw, h->seq);
	put_u64(raw + 8, h->offset);
	put_u64(raw + 16, h->loaded);
	value_buf_put(position, raw, sizeof raw);
	return 0;
}

static int sim_capture_confirm(struct capture_handle *h, struct bytes position,
			       struct err *e)
{
	return link_check(&h->link, e);
}

static void sim_capture_figures(struct capture_handle *h,
				struct capture_figures *out)
{
	*out = (struct capture_figures){.is_connected = true};
}

static void sim_capture_interrupt(struct capture_handle *h)
{
}

static void sim_capture_close(struct capture_handle *h)
{
	free(h);
}

/* -- apply ----------------------------------------------------------------- */
struct apply_handle {
	struct link link;
};

static struct checkpoint *checkpoint_of(struct database *d, uint32_t task_id)
{
	for (size_t i = 0; i < d->n_checkpoints; i++)
		if (d->checkpoints[i].task_id == task_id)
			return &d->checkpoints[i];
	CHECK(d->n_checkpoints < WORLD_RUNNERS);
	d->checkpoints[d->n_checkpoints] =
		(struct checkpoint){.task_id = task_id};
	return &d->checkpoints[d->n_checkpoints++];
}

static int sim_apply_open(const struct apply_setup *s,
			  struct apply_handle **out, uint64_t *applied,
			  struct err *e)
{
	struct link l = {.epoch = s->epoch, .task_id = s->task_id};
	int rc = link_open(&l, &s->target, e);

	if (rc)
		return rc;
	struct checkpoint *c = checkpoint_of(l.d, s->task_id);
	if (s->epoch < c->epoch && !l.w->off.target_fence)
		return err_set(e, ERR_FENCED, "a newer owner");
	c->epoch = s->epoch;
	*applied = c->applied;
	*out = mem_zero(1, sizeof **out);
	(*out)->link = l;
	return 0;
}

static void reject(struct apply_rejects *out, size_t row,
		   enum apply_verdict verdict)
{
	out->list = mem_grow(out->list, (out->n + 1) * sizeof *out->list);
	struct apply_reject *r = &out->list[out->n++];
	*r = (struct apply_reject){
		.row = row, .verdict = verdict, .code = ERR_DATA};
	snprintf(r->text, sizeof r->text, "refused");
}

/* Every thirteenth version is more than a poisoned target can take. */
static bool is_poison(const struct database *d, const struct apply_row *row)
{
	struct image image;

	return d->is_poisoned && row->change.table_id != TABLE_BANK &&
	       row->change.n_values &&
	       database_image(row->change.values, &image) &&
	       image.uid % 13 == 0;
}

/* What the row there is by now: what came before in this group counts. */
static bool row_there(const struct database *d, const struct commit *c,
		      const struct apply_row *row, struct bytes *values)
{
	for (size_t i = c->n; i > 0; i--) {
		const struct op *op = &c->ops[i - 1];

		if (op->table_id != world_physical(row->change.table_id))
			continue;
		if (op->op == CHANGE_TRUNCATE)
			return false;
		if (bytes_compare(op->key, row->change.key) != 0)
			continue;
		*values = op->values;
		return op->op != CHANGE_DELETE;
	}
	return map_get(d->tables[world_physical(row->change.table_id)],
		       row->change.key, values);
}

static void take_read(struct world *w, struct value_buf *existing,
		      const struct apply_row *row, struct bytes there)
{
	struct op op = {.table_id = row->change.table_id,
			.key = row->change.key,
			.values = there};
	struct change_writer one;
	struct change_reader r;
	struct change_txn txn;
	struct change c;

	change_writer_init(&one);
	change_begin(&one, TXN_LOAD, 0);
	add_op(&one, &op, CHANGE_READ);
	change_end(&one);
	change_reader_init(&r, (struct bytes){one.buf.data, one.buf.len});
	CHECK(change_next_txn(&r, &txn) == 1 && change_next(&r, &c) == 1);
	value_buf_put(existing, c.whole.data, c.whole.len);
	change_writer_free(&one);
	w->counts.differences++;
}

static void trace_row(const struct link *l, const struct apply_row *row,
		      const char *what)
{
	struct image image = {0};
	struct value v = {0};

	database_image(row->change.values, &image);
	change_key_values(row->change.key, &v, 1);
	world_trace(l->w,
		    "%s in %u: entry %llu/%u %s table %u key %lld uid "
		    "%llu",
		    what, l->d->id, (unsigned long long)row->index,
		    row->ordinal, change_op_name(row->change.op),
		    row->change.table_id, (long long)v.i64,
		    (unsigned long long)image.uid);
}

static void write_row(struct link *l, const struct apply_group *g, size_t i,
		      struct commit *c, struct apply_rejects *rejects)
{
	const struct apply_row *row = &g->rows[i];
	struct bytes there;
	bool is_there = row_there(l->d, c, row, &there);

	if (l->w->is_traced)
		trace_row(l, row, is_poison(l->d, row) ? "poison" : "apply");
	if (is_poison(l->d, row)) {
		reject(rejects, i, APPLY_REFUSED);
		return;
	}
	if (row->change.op == CHANGE_READ && is_there) {
		if (bytes_compare(there, row->change.values) == 0)
			return;
		if (!row->is_authority) {
			reject(rejects, i, APPLY_DIFFERS);
			take_read(l->w, &rejects->list[rejects->n - 1].existing,
				  row, there);
			return;
		}
	}
	if (row->change.op == CHANGE_DELETE && !is_there)
		return;
	c->ops[c->n++] = (struct op){
		.op = row->change.op == CHANGE_READ ? CHANGE_PUT
						    : row->change.op,
		.table_id = world_physical(row->change.table_id),
		.key = {arena_copy(&l->w->arena, row->change.key.data,
				   row->change.key.len),
			row->change.key.len},
		.values = {arena_copy(&l->w->arena, row->change.values.data,
				      row->change.values.len),
			   row->change.values.len},
	};
}

/* Evidence that no later write can wipe out. */
static void witness(struct link *l, const struct apply_group *g)
{
	struct map *seen = map_new();
	uint8_t key[24];
	struct bytes k = {key, sizeof key}, v;

	for (size_t i = 0; i < g->n; i++) {
		put_u64_be(key, l->task_id);
		put_u64_be(key + 8, g->rows[i].index);
		put_u64_be(key + 16, g->rows[i].ordinal);
		if (map_get(l->d->written, k, &v))
			world_bad(l->w,
				  "twice: task %u wrote %llu/%u to %u again",
				  l->task_id,
				  (unsigned long long)g->rows[i].index,
				  g->rows[i].ordinal, l->d->id);
		map_put(seen, k, (struct bytes){key, 1});
	}
	k.len = 0;
	for (bool after = false; map_seek(seen, k, after, &k, &v); after = true)
		map_put(l->d->written, k, v);
	map_free(seen);
}

static void write_rows(struct link *l, const struct apply_group *g,
		       struct apply_rejects *rejects, struct commit *c)
{
	*c = (struct commit){
		.stamp_us = world_wall(l->w),
		.echo_task = l->task_id,
		.echo_index = g->to_index,
		.ops = database_ops(l->w, g->n),
	};
	for (size_t i = 0; i < g->n; i++)
		write_row(l, g, i, c, rejects);
}

static int sim_apply_write(struct apply_handle *h, const struct apply_group *g,
			   struct apply_rejects *rejects, struct err *e)
{
	struct link *l = &h->link;
	struct checkpoint *cp = checkpoint_of(l->d, l->task_id);
	struct commit c;
	int rc = link_check(l, e);

	if (rc)
		return rc;
	bool is_ours = cp->epoch == l->epoch &&
		       (cp->applied == g->from_index || cp->applied == 0);
	if (!is_ours && !l->w->off.target_fence) {
		l->w->counts.fenced++;
		return err_set(e, ERR_FENCED, "the checkpoint has moved");
	}
	write_rows(l, g, rejects, &c);
	if (rejects->n)
		return err_set(e, ERR_DATA, "rows are refused");
	bool is_lost = !l->w->is_calm && world_chance(l->w, 0.02);
	if (is_lost && world_chance(l->w, 0.5))
		return err_set(e, ERR_NETWORK, "broke in front of the commit");
	if (g->to_index > cp->applied)
		cp->applied = g->to_index;
	witness(l, g);
	database_commit(l->w, l->d, &c);
	l->w->counts.rows += g->n;
	if (!is_lost)
		return 0;
	l->w->counts.lost_commits++;
	return err_set(e, ERR_NETWORK, "broke behind the commit");
}

static void sim_apply_interrupt(struct apply_handle *h)
{
}

static void sim_apply_close(struct apply_handle *h)
{
	free(h);
}

const struct connector connector_sim = {
	.type = "sim",
	.capture_open = sim_capture_open,
	.capture_start = sim_capture_start,
	.capture_poll = sim_capture_poll,
	.capture_confirm = sim_capture_confirm,
	.capture_figures = sim_capture_figures,
	.capture_interrupt = sim_capture_interrupt,
	.capture_close = sim_capture_close,
	.apply_open = sim_apply_open,
	.apply_write = sim_apply_write,
	.apply_interrupt = sim_apply_interrupt,
	.apply_close = sim_apply_close,
};
