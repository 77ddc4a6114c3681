/* Control and all it owns, given whatever may come: real work, stale work and
 * noise. Two nodes get the same entries; one is restarted at random places and
 * cuts its transactions elsewhere. They must say the same at every entry, and
 * their states must be equal, key by key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/core/command.h"
#include "draw.h"
#include "entries.h"
#include "proto/codec.h"

enum { CONNECTIONS = 3, SYNCS = 2, KEYS = 6, ENTRIES = 6000, SEEDS = 4 };
enum { STOCK = 1, OUT = 2, CAPTURES = CONNECTIONS };

struct world {
	struct rng rng;
	struct machine *a, *b; /* steady; restarted */
	struct declare d;
	struct change_writer changes;
	uint32_t next_table;
	uint64_t n_accepted[19]; /* by body case */
};

/* -- entries --------------------------------------------------------------- */
static uint64_t pick(struct world *w, uint64_t n)
{
	return rng_below(&w->rng, n);
}

static const struct task *pick_task(struct world *w)
{
	const struct tasks *t = &w->a->control.tasks;

	return t->n ? &t->list[pick(w, t->n)] : NULL;
}

/* Mostly the one that holds. */
static uint64_t pick_epoch(struct world *w, const struct task *t)
{
	return rng_chance(&w->rng, 0.95) ? t->epoch : t->epoch / 2;
}

static void check_same(struct world *w)
{
	const struct err *a = control_refusal(&w->a->control);
	const struct err *b = control_refusal(&w->b->control);

	assert_int_equal(w->a->changed, w->b->changed);
	assert_int_equal(a->code, b->code);
	assert_int_equal(bytes_compare(control_outcome(&w->a->control),
				       control_outcome(&w->b->control)),
			 0);
	/* What it says can be read by who has to go by it. */
	struct delivery_reader r;
	struct delivery d;
	struct delivery_source source = {
		.outcome = control_outcome(&w->a->control)};
	assert_int_equal(delivery_begin(&r, w->a->control.catalog, &source), 0);
	while (delivery_next(&r, &d) > 0)
		continue;
}

static void give(struct world *w, struct bytes payload)
{
	machine_give(w->a, CONTROL_COMMAND, payload);
	control_flush(&w->a->control, &w->a->kv);
	machine_give(w->b, CONTROL_COMMAND, payload);
	check_same(w);
	if (rng_chance(&w->rng, 0.2)) {
		control_flush(&w->b->control, &w->b->kv);
		if (rng_chance(&w->rng, 0.5))
			machine_restart(w->b);
	}
}

static void give_command(struct world *w, const Synod__Command__Command *c)
{
	struct blob *sealed = command_seal(c);
	struct blob *payload = blob_new(COMMAND_ID_BYTES + sealed->len);

	memset(payload->data, 0, COMMAND_ID_BYTES);
	memcpy(payload->data + COMMAND_ID_BYTES, sealed->data, sealed->len);
	give(w, blob_bytes(payload));
	if (!control_refusal(&w->a->control)->code)
		w->n_accepted[c->body_case]++;
	blob_unref(sealed);
	blob_unref(payload);
}

#define GIVE(w, CASE, field, message)                                \
	do {                                                         \
		Synod__Command__Command c_;                          \
		synod__command__command__init(&c_);                  \
		c_.body_case = SYNOD__COMMAND__COMMAND__BODY_##CASE; \
		c_.field = &(message);                               \
		give_command(w, &c_);                                \
	} while (0)

static void do_noise(struct world *w)
{
	ProtobufCMessage *m =
		draw_message(&w->rng, &synod__command__command__descriptor);

	give_command(w, (const Synod__Command__Command *)m);
	protobuf_c_message_free_unpacked(m, NULL);
}

static void do_revision(struct world *w)
{
	Synod__Command__Revision r;
	Synod__Definition__Sync *s = w->d.d.syncs[pick(w, SYNCS)];

	/* A table that is new, one that goes, or none. */
	if (s->n_tables && pick(w, 2))
		s->n_tables--;
	else if (s->n_tables < 3)
		declare_table(&w->d, s, w->next_table++, "items");
	struct blob *packed = declare_pack(&w->d);
	synod__command__revision__init(&r);
	const struct catalog *now = w->a->control.catalog;
	r.base_revision = now ? catalog_revision(now) : 0;
	r.definition.data = packed->data;
	r.definition.len = packed->len;
	GIVE(w, REVISION, revision, r);
	blob_unref(packed);
}

static void do_assign(struct world *w)
{
	const struct task *t = pick_task(w);
	Synod__Command__Assign a;

	if (!t)
		return;
	synod__command__assign__init(&a);
	a.task_id = t->id;
	a.node_id = pick(w, 4);
	a.expected_epoch = pick_epoch(w, t);
	GIVE(w, ASSIGN, assign, a);
}

static void do_checkpoint(struct world *w)
{
	const struct task *t = pick_task(w);
	Synod__Command__Checkpoint p;

	if (!t)
		return;
	synod__command__checkpoint__init(&p);
	p.task_id = t->id;
	p.epoch = pick_epoch(w, t);
	p.upto = w->a->next_index - pick(w, 50);
	p.applied = p.upto - pick(w, 2) * 5;
	GIVE(w, CHECKPOINT, checkpoint, p);
}

static void do_report(struct world *w)
{
	const struct task *t = pick_task(w);
	Synod__Command__TaskReport r;

	if (!t)
		return;
	synod__command__task_report__init(&r);
	r.task_id = t->id;
	r.epoch = pick_epoch(w, t);
	r.state = (Synod__Command__TaskReport__State)pick(w, 5);
	r.first_change_us = pick(w, 2);
	GIVE(w, TASK_REPORT, task_report, r);
}

static void do_obstacle(struct world *w)
{
	Synod__Command__Reach reach;
	Synod__Command__Drain drain;
	Synod__Command__Pause pause;

	synod__command__reach__init(&reach);
	synod__command__drain__init(&drain);
	synod__command__pause__init(&pause);
	reach.node_id = drain.node_id = 1 + pick(w, 3);
	reach.connection_id = 1 + (uint32_t)pick(w, CONNECTIONS);
	reach.is_reachable = drain.is_drained = pause.is_paused =
		(protobuf_c_boolean)pick(w, 2);
	pause.sync_id = 1 + (uint32_t)pick(w, SYNCS);
	if (pick(w, 3) == 0)
		GIVE(w, REACH, reach, reach);
	else if (pick(w, 2))
		GIVE(w, DRAIN, drain, drain);
	else
		GIVE(w, PAUSE, pause, pause);
}

/* -- rows ------------------------------------------------------------------ */
static uint32_t pick_table(struct world *w)
{
	return 1 + (uint32_t)pick(w, w->next_table);
}

static void row_key(struct world *w, struct value_buf *key)
{
	struct value v = {.state = VALUE_SET,
			  .type = VALUE_INT64,
			  .i64 = (int64_t)pick(w, KEYS)};

	key->len = 0;
	change_key(key, &v, 1);
}

/* A change of a random row; one alone in buf, or the next one of the writer. */
static void row_change(struct world *w, struct value_buf *alone)
{
	static const enum change_op ops[] = {CHANGE_PUT,   CHANGE_PUT,
					     CHANGE_PATCH, CHANGE_DELETE,
					     CHANGE_READ,  CHANGE_TRUNCATE};
	enum change_op op = ops[pick(w, alone ? 4 : 6)];
	bool has_values = op != CHANGE_DELETE && op != CHANGE_TRUNCATE;
	struct value_buf key = {0};
	char text[2] = {(char)('a' + pick(w, 3)), '\0'};

	if (op != CHANGE_TRUNCATE)
		row_key(w, &key);
	else if (pick(w, 8))
		op = CHANGE_DELETE, row_key(w, &key);
	struct value values[2] = {
		{.state = VALUE_SET, .type = VALUE_INT64},
		{.state = VALUE_SET,
		 .type = VALUE_TEXT,
		 .bytes = {(const uint8_t *)text, 1}},
	};
	struct change_row row = {.op = op,
				 .table_id = pick_table(w),
				 .key = {key.data, key.len},
				 .values = has_values ? values : NULL,
				 .n_values = has_values ? 2 : 0};
	if (alone)
		change_encode(alone, &row);
	else
		change_add(&w->changes, &row);
	value_buf_free(&key);
}

static void batch_changes(struct world *w, uint32_t connection_id)
{
	change_writer_clear(&w->changes);
	for (uint64_t n = pick(w, 4); n > 0; n--) {
		if (pick(w, 3) == 0) {
			uint32_t sync = 1 + (uint32_t)pick(w, SYNCS);

			change_echo(&w->changes,
				    task_apply_id(sync, connection_id),
				    w->a->next_index - 1 - pick(w, 20));
			continue;
		}
		change_begin(&w->changes, pick(w, 6) ? TXN_LOCAL : TXN_LOAD,
			     (int64_t)w->a->next_index * 10);
		for (uint64_t m = 1 + pick(w, 5); m > 0; m--)
			row_change(w, NULL);
		change_end(&w->changes);
	}
}

static void do_batch(struct world *w)
{
	const struct task *t = tasks_find(&w->a->control.tasks,
					  1 + (uint32_t)pick(w, CAPTURES));
	Synod__Command__Batch b;
	uint8_t from[16], to[4];

	if (!t)
		return;
	synod__command__batch__init(&b);
	b.task_id = t->id;
	b.epoch = pick_epoch(w, t);
	struct bytes at = ledger_position(&w->a->kv, t->id);
	assert_true(at.len <= sizeof(from));
	if (at.len)
		memcpy(from, at.data, at.len);
	b.from.data = from;
	b.from.len = rng_chance(&w->rng, 0.95) ? at.len : 0;
	for (size_t i = 0; i < sizeof(to); i++)
		to[i] = (uint8_t)rng_u64(&w->rng);
	b.to.data = to;
	b.to.len = sizeof(to);
	batch_changes(w, task_connection(t->id));
	b.changes.data = w->changes.buf.data;
	b.changes.len = w->changes.buf.len;
	b.time_us = (int64_t)w->a->next_index * 10;
	GIVE(w, BATCH, batch, b);
}

static void do_letter(struct world *w)
{
	const struct task *t = pick_task(w);
	struct value_buf change = {0};
	Synod__Command__DeadLetter d;

	if (!t)
		return;
	row_change(w, &change);
	synod__command__dead_letter__init(&d);
	d.task_id = t->id;
	d.epoch = pick_epoch(w, t);
	d.index = w->a->next_index - 1 - pick(w, 5);
	d.ordinal = (uint32_t)pick(w, 3);
	d.change.data = change.data;
	d.change.len = change.len;
	d.code = pick(w, 3) ? ERR_DATA : 0;
	d.text = command_text(d.code ? "too long" : "");
	GIVE(w, DEAD_LETTER, dead_letter, d);
	value_buf_free(&change);
}

/* A whole row as the initial load reads it. */
static void row_read(uint32_t table_id, int64_t id, char c,
		     struct value_buf *out)
{
	struct value values[2] = {
		{.state = VALUE_SET, .type = VALUE_INT64, .i64 = id},
		{.state = VALUE_SET,
		 .type = VALUE_TEXT,
		 .bytes = {(const uint8_t *)&c, 1}},
	};
	struct value_buf key = {0};

	change_key(&key, values, 1);
	change_encode(out, &(struct change_row){.op = CHANGE_READ,
						.table_id = table_id,
						.key = {key.data, key.len},
						.values = values,
						.n_values = 2});
	value_buf_free(&key);
}

static void do_difference(struct world *w)
{
	const struct task *t = pick_task(w);
	struct value_buf a = {0}, b = {0};
	Synod__Command__Difference d;

	if (!t || task_kind(t->id) != TASK_APPLY)
		return;
	const Synod__Definition__Sync *s = w->d.d.syncs[task_sync(t->id) - 1];
	uint32_t table = s->n_tables && pick(w, 8)
				 ? s->tables[pick(w, s->n_tables)]->id
				 : pick_table(w);
	int64_t id = (int64_t)pick(w, KEYS);
	row_read(table, id, 'a', &a);
	row_read(table, id + (pick(w, 8) == 0), 'b', &b);
	synod__command__difference__init(&d);
	d.task_id = t->id;
	d.epoch = pick_epoch(w, t);
	d.index = w->a->next_index - 1 - pick(w, 5);
	d.ordinal = (uint32_t)pick(w, 3);
	d.change.data = a.data;
	d.change.len = a.len;
	d.existing.data = b.data;
	d.existing.len = b.len;
	GIVE(w, DIFFERENCE, difference, d);
	value_buf_free(&a);
	value_buf_free(&b);
}

static void do_letters(struct world *w)
{
	Synod__Command__Letters l;
	struct ledger_letter first;
	uint64_t ids[2] = {1 + pick(w, 500), 0};

	if (ledger_next_letter(&w->a->kv, 0, &first))
		ids[0] = first.id + pick(w, 2);
	ids[1] = ids[0] + 1;
	synod__command__letters__init(&l);
	l.ids = ids;
	l.n_ids = 1 + pick(w, 2);
	l.is_replay = (protobuf_c_boolean)pick(w, 2);
	GIVE(w, LETTERS, letters, l);
}

static void do_resolve(struct world *w)
{
	Synod__Command__Resolve r;
	struct ledger_conflict *c = calloc(1, sizeof(*c));
	uint64_t from = w->a->control.ledger.figures.n_conflicts;

	synod__command__resolve__init(&r);
	r.conflict_id = 1 + pick(w, 100);
	from = from > 20 ? from - pick(w, 20) : 0;
	if (ledger_next_conflict(&w->a->kv, from, c))
		r.conflict_id = c->id;
	r.connection_id = 1 + (uint32_t)pick(w, CONNECTIONS);
	r.is_forced = (protobuf_c_boolean)pick(w, 2);
	GIVE(w, RESOLVE, resolve, r);
	free(c);
}

/* -- the whole ------------------------------------------------------------- */
static void step(struct world *w)
{
	uint64_t dice = pick(w, 100);

	if (dice < 55)
		do_batch(w);
	else if (dice < 65)
		do_checkpoint(w);
	else if (dice < 67)
		do_report(w);
	else if (dice < 72)
		do_letter(w);
	else if (dice < 76)
		do_letters(w);
	else if (dice < 80)
		do_difference(w);
	else if (dice < 85)
		do_resolve(w);
	else if (dice < 90)
		do_noise(w);
	else if (dice < 94)
		do_assign(w);
	else if (dice < 98)
		do_obstacle(w);
	else
		do_revision(w);
}

/* stock is two-way and waits for people, out goes one way. */
static void declare_world(struct world *w)
{
	static Synod__Definition__Policy queue;

	declare_init(&w->d);
	declare_connection(&w->d, 1, "berlin");
	declare_connection(&w->d, 2, "paris");
	declare_connection(&w->d, 3, "rome");
	Synod__Definition__Sync *s =
		declare_sync(&w->d, STOCK, "stock", 14, true);
	declare_table(&w->d, s, 1, "items");
	synod__definition__policy__init(&queue);
	queue.rule = SYNOD__DEFINITION__POLICY__RULE__QUEUE;
	if (pick(w, 2))
		s->policy = &queue;
	declare_table(&w->d, declare_sync(&w->d, OUT, "out", 14, false), 2,
		      "orders");
	w->next_table = 3;
}

static void play(uint64_t seed, uint64_t n_accepted[19])
{
	struct world w = {0};

	rng_init(&w.rng, seed);
	machine_setup((void **)&w.a);
	machine_setup((void **)&w.b);
	change_writer_init(&w.changes);
	declare_world(&w);
	do_revision(&w);
	for (int i = 0; i < 3 * (CONNECTIONS + 1); i++)
		do_assign(&w);
	for (int i = 0; i < ENTRIES; i++) {
		step(&w);
		if (i % 500 == 0)
			machine_check_equal(w.b, w.a);
	}
	machine_check_equal(w.b, w.a);
	for (int i = 0; i < 19; i++)
		n_accepted[i] += w.n_accepted[i];
	change_writer_free(&w.changes);
	declare_free(&w.d);
	void *a = w.a, *b = w.b;
	machine_teardown(&a);
	machine_teardown(&b);
}

static void test_two_nodes_agree_on_anything(void **state)
{
	uint64_t n[19] = {0};

	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		play(seed, n);
	/* Nothing was only refused: else this says little. */
	for (int i = SYNOD__COMMAND__COMMAND__BODY_REVISION;
	     i <= SYNOD__COMMAND__COMMAND__BODY_LETTERS; i++) {
		if (n[i] == 0)
			fail_msg("command %d was never accepted", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_nodes_agree_on_anything),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
