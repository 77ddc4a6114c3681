#include "ledger_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"

bool model_draw(struct model *m, unsigned percent)
{
	return rng_below(&m->rng, 100) < percent;
}

static struct event *add_event(struct side *s, enum event_kind kind)
{
	CHECK(s->n_events < EVENTS_MAX);
	struct event *e = &s->events[s->n_events++];

	*e = (struct event){.kind = kind};
	return e;
}

static int64_t add_write(struct model *m, unsigned maker, int64_t key,
			 int64_t saw)
{
	CHECK(m->n_writes + 1 < WRITES_MAX);
	int64_t uid = ++m->n_writes;

	m->clock_us += (int64_t)rng_below(&m->rng, 4);
	m->writes[uid] = (struct write){.saw = saw,
					.key = key,
					.maker = maker,
					.stamp_us = m->clock_us};
	if (saw)
		m->writes[saw].has_child = true;
	return uid;
}

static void write_row(struct model *m, unsigned id, int64_t key, bool joins)
{
	struct side *s = &m->sides[id];
	struct rig_row *row = &s->rows[key];
	int64_t uid = add_write(m, id, key, row->uid);
	struct event *e = add_event(s, EVENT_LOCAL);
	bool is_delete =
		m->flavour.deletes && row->is_there && model_draw(m, 30);

	m->writes[uid].is_delete = is_delete;
	e->is_patch = m->flavour.patches && row->is_there && !is_delete &&
		      model_draw(m, 40);
	e->joins = joins;
	e->stamp_us = m->clock_us;
	row->is_there = !is_delete;
	row->uid = uid;
	if (!e->is_patch)
		row->note = is_delete ? 0 : uid;
	e->row = *row;
}

static void write_transaction(struct model *m, unsigned id)
{
	int64_t key = (int64_t)rng_below(&m->rng, KEYS);

	write_row(m, id, key, false);
	for (unsigned i = 0; i < 2 && model_draw(m, 25); i++)
		write_row(m, id, (key + 1 + i) % KEYS, true);
}

static void truncate_table(struct model *m, unsigned id)
{
	struct side *s = &m->sides[id];
	struct event *e = add_event(s, EVENT_TRUNCATE);

	for (int64_t key = 0; key < KEYS; key++) {
		struct rig_row *row = &s->rows[key];
		int64_t uid = add_write(m, id, key, row->uid);
		m->writes[uid].is_delete = true;
		*row = (struct rig_row){.key = key, .uid = uid};
	}
	e->stamp_us = m->clock_us;
	e->first_uid = m->n_writes - KEYS + 1;
}

static void load_table(struct model *m, unsigned id)
{
	struct side *s = &m->sides[id];

	for (int64_t key = 0; key < KEYS; key++)
		if (s->rows[key].is_there)
			add_event(s, EVENT_LOAD)->row = s->rows[key];
}

/* -- capture --------------------------------------------------------------- */
static void capture_event(struct change_writer *w, unsigned id,
			  const struct event *e)
{
	enum txn_kind kind = e->kind == EVENT_LOAD ? TXN_LOAD : TXN_LOCAL;
	enum change_op op = CHANGE_PUT;

	if (e->kind == EVENT_ECHO) {
		if (w->is_open)
			change_end(w);
		change_echo(w, task_apply_id(RIG_PAIR, id), e->index);
		return;
	}
	if (w->is_open && !e->joins)
		change_end(w);
	if (!w->is_open)
		change_begin(w, kind, e->stamp_us);
	if (e->kind == EVENT_TRUNCATE)
		op = CHANGE_TRUNCATE;
	else if (e->kind == EVENT_LOAD)
		op = CHANGE_READ;
	else if (!e->row.is_there)
		op = CHANGE_DELETE;
	else if (e->is_patch)
		op = CHANGE_PATCH;
	rig_change(w, op, 1, &e->row);
}

/* The last command again: it must not count twice. */
static void repeat_last(struct model *m)
{
	struct rig_entry *last = rig_entry(&m->rig, m->rig.index);
	Synod__Command__Command *c = synod__command__command__unpack(
		NULL, last->command->len, last->command->data);

	if (model_draw(m, 50) &&
	    c->body_case == SYNOD__COMMAND__COMMAND__BODY_BATCH)
		c->batch->epoch--; /* or that of an earlier owner */
	assert_false(rig_take(&m->rig, c));
	synod__command__command__free_unpacked(c, NULL);
}

static void add_deleted(struct model *m, int64_t key, int64_t uid)
{
	m->deleted[m->n_deleted++] =
		(struct deleted){m->rig.index + 1, key, uid};
}

static void note_deletes(struct model *m, const struct event *e)
{
	if (e->kind == EVENT_LOCAL && !e->row.is_there)
		add_deleted(m, e->row.key, e->row.uid);
	for (int64_t key = 0; e->kind == EVENT_TRUNCATE && key < KEYS; key++)
		add_deleted(m, key, e->first_uid + key);
}

static void capture(struct model *m, unsigned id, size_t n_max)
{
	struct side *s = &m->sides[id];
	struct change_writer w;
	size_t n = 0;

	if (s->n_captured == s->n_events)
		return;
	change_writer_init(&w);
	while (s->n_captured < s->n_events) {
		const struct event *e = &s->events[s->n_captured];
		if (n >= n_max && !e->joins)
			break;
		note_deletes(m, e);
		capture_event(&w, id, e);
		s->n_captured++;
		n++;
	}
	if (w.is_open)
		change_end(&w);
	assert_true(rig_batch(&m->rig, id, &w));
	change_writer_free(&w);
	if (model_draw(m, 10))
		repeat_last(m);
}

/* -- apply ----------------------------------------------------------------- */
static bool take_letter(struct model *m, unsigned id, uint64_t index,
			const struct delivery *d, bool is_first)
{
	Synod__Command__DeadLetter letter;
	Synod__Command__Command c;

	synod__command__dead_letter__init(&letter);
	synod__command__command__init(&c);
	letter.task_id = task_apply_id(RIG_PAIR, id);
	letter.epoch = rig_epoch(&m->rig, letter.task_id);
	letter.index = index;
	letter.ordinal = d->ordinal;
	letter.change.data = (uint8_t *)(uintptr_t)d->change.whole.data;
	letter.change.len = d->change.whole.len;
	letter.code = is_first ? ERR_DATA : 0;
	if (is_first)
		letter.text = (char *)(uintptr_t) "refused";
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_DEAD_LETTER;
	c.dead_letter = &letter;
	bool is_taken = rig_take(&m->rig, &c);
	if (is_taken && model_draw(m, 20))
		repeat_last(m);
	return is_taken;
}

static void tell_difference(struct model *m, unsigned id, uint64_t index,
			    const struct delivery *d)
{
	struct rig_row came;
	bool has_note;
	struct value_buf existing = {0};
	Synod__Command__Difference difference;
	Synod__Command__Command c;

	rig_decode(&d->change, &came, &has_note);
	rig_encode(&existing, CHANGE_READ, 1, &m->sides[id].rows[came.key]);
	synod__command__difference__init(&difference);
	synod__command__command__init(&c);
	difference.task_id = task_apply_id(RIG_PAIR, id);
	difference.epoch = rig_epoch(&m->rig, difference.task_id);
	difference.index = index;
	difference.ordinal = d->ordinal;
	difference.change.data = (uint8_t *)(uintptr_t)d->change.whole.data;
	difference.change.len = d->change.whole.len;
	difference.existing.data = existing.data;
	difference.existing.len = existing.len;
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_DIFFERENCE;
	c.difference = &difference;
	assert_true(rig_take(&m->rig, &c));
	if (model_draw(m, 20))
		repeat_last(m);
	value_buf_free(&existing);
}

/* The number of the newest delete of the row up to this entry. */
static int64_t delete_before(const struct model *m, int64_t key, uint64_t index)
{
	for (size_t i = m->n_deleted; i-- > 0;)
		if (m->deleted[i].key == key && m->deleted[i].index <= index)
			return m->deleted[i].uid;
	return 0;
}

static void write_delivery(struct model *m, unsigned id, uint64_t index,
			   const struct delivery *d)
{
	struct side *s = &m->sides[id];
	struct rig_row row;
	bool has_note;

	rig_decode(&d->change, &row, &has_note);
	if (d->change.op == CHANGE_TRUNCATE) {
		for (int64_t key = 0; key < KEYS; key++)
			s->rows[key] = (struct rig_row){
				.key = key,
				.uid = delete_before(m, key, index)};
		return;
	}
	struct rig_row *old = &s->rows[row.key];
	if (d->change.op == CHANGE_READ && old->is_there) {
		if (old->uid != row.uid || old->note != row.note)
			tell_difference(m, id, index, d);
		return;
	}
	if (!has_note)
		row.note = old->note;
	if (!row.is_there)
		row.uid = delete_before(m, row.key, index);
	*old = row;
}

static bool is_parked(struct model *m, unsigned id, const struct change *c)
{
	return ledger_parked(&m->rig.kv, id, c->table_id, c->key) != 0;
}

/* A part of a row that is not there cannot be written. */
static bool lacks_row(const struct model *m, unsigned id,
		      const struct delivery *d)
{
	struct rig_row row;
	bool has_note;

	rig_decode(&d->change, &row, &has_note);
	return d->change.op == CHANGE_PATCH &&
	       !m->sides[id].rows[row.key].is_there;
}

/* One row, or its letter. */
static void apply_delivery(struct model *m, unsigned id, uint64_t index,
			   const struct delivery *d)
{
	bool refuses = m->flavour.letters && !m->is_healing &&
		       model_draw(m, 4) && d->change.op != CHANGE_TRUNCATE;

	if (is_parked(m, id, &d->change))
		assert_true(take_letter(m, id, index, d, false));
	else if (refuses || lacks_row(m, id, d))
		assert_true(take_letter(m, id, index, d, true));
	else
		write_delivery(m, id, index, d);
}

static unsigned apply_entry(struct model *m, unsigned id, uint64_t index)
{
	struct rig_entry *e = rig_entry(&m->rig, index);
	struct delivery_source source = {
		.connection_id = id,
		.source_id = e->source_id,
		.changes = blob_bytes(e->changes),
		.outcome = blob_bytes(e->outcome),
	};
	struct delivery_reader reader;
	struct delivery d;
	unsigned n = 0;
	int rc;

	assert_int_equal(delivery_begin(&reader, m->rig.catalog, &source), 0);
	while ((rc = delivery_next(&reader, &d)) > 0) {
		apply_delivery(m, id, index, &d);
		n++;
	}
	assert_int_equal(rc, 0);
	return n;
}

/* One target transaction: some entries, and the checkpoint. */
static void apply(struct model *m, unsigned id, uint64_t n_max)
{
	struct side *s = &m->sides[id];
	uint64_t upto = m->rig.index;
	unsigned n = 0;

	if (s->applied < m->rig.first_index - 1)
		s->applied = m->rig.first_index - 1;
	if (upto - s->applied > n_max)
		upto = s->applied + n_max;
	if (upto == s->applied)
		return;
	for (uint64_t i = s->applied + 1; i <= upto; i++)
		n += apply_entry(m, id, i);
	s->applied = upto;
	if (n)
		add_event(s, EVENT_ECHO)->index = upto;
}

/* -- a run ----------------------------------------------------------------- */
void model_init(struct model *m, uint64_t seed, struct flavour flavour)
{
	*m = (struct model){.flavour = flavour, .seed = seed};
	rng_init(&m->rng, seed);
	rig_init(&m->rig, 2 + (unsigned)rng_below(&m->rng, 3));
	Synod__Definition__Policy *p =
		arena_alloc(&m->rig.declare.arena, sizeof(*p));
	synod__definition__policy__init(p);
	p->rule = flavour.rule >= 0 ? (unsigned)flavour.rule
				    : (unsigned)rng_below(&m->rng, 2);
	p->delete_vs_update = flavour.delete_rule >= 0
				      ? (unsigned)flavour.delete_rule
				      : (unsigned)rng_below(&m->rng, 3);
	p->prefer_id = 1 + (uint32_t)rng_below(&m->rng, 2);
	m->rig.pair->policy = p;
	rig_start(&m->rig);
	for (unsigned id = 1; id <= m->rig.n_connections; id++) {
		m->sides[id].events =
			mem_alloc(EVENTS_MAX * sizeof(struct event));
		for (int64_t key = 0; key < KEYS; key++)
			m->sides[id].rows[key].key = key;
	}
}

void model_free(struct model *m)
{
	for (unsigned id = 1; id <= m->rig.n_connections; id++)
		free(m->sides[id].events);
	rig_free(&m->rig);
}

/* Rows that were there before: some alike, some not, some on one side only. */
static void plant(struct model *m)
{
	for (int64_t key = 0; key < KEYS; key++) {
		int64_t common = add_write(m, 0, key, 0);
		m->writes[common].is_root = true;
		for (unsigned id = 1; id <= m->rig.n_connections; id++) {
			int64_t uid = common;
			if (model_draw(m, 30))
				continue;
			if (model_draw(m, 30)) {
				uid = add_write(m, id, key, 0);
				m->writes[uid].is_root = true;
			}
			m->sides[id].rows[key] =
				(struct rig_row){.is_there = true,
						 .key = key,
						 .uid = uid,
						 .note = uid};
		}
	}
}

/* The first letter, with its chain. */
static bool replay_letter(struct model *m)
{
	struct ledger_letter letter;
	Synod__Command__Letters letters;
	Synod__Command__Command c;

	if (!ledger_next_letter(&m->rig.kv, 0, &letter))
		return false;
	synod__command__letters__init(&letters);
	synod__command__command__init(&c);
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_LETTERS;
	c.letters = &letters;
	letters.is_replay = true;
	letters.ids = &letter.id;
	letters.n_ids = 1;
	assert_true(rig_take(&m->rig, &c));
	return true;
}

static void step(struct model *m)
{
	unsigned id = 1 + (unsigned)rng_below(&m->rng, m->rig.n_connections);
	unsigned what = (unsigned)rng_below(&m->rng, 100);

	if (what < 40)
		write_transaction(m, id);
	else if (what < 70)
		capture(m, id, 1 + rng_below(&m->rng, 6));
	else if (what < 95 && !m->sides[id].is_stopped)
		apply(m, id, 1 + rng_below(&m->rng, 8));
	else if (what < 97)
		m->sides[id].is_stopped = model_draw(m, 50);
	else if (what < 98 && m->flavour.truncates)
		truncate_table(m, id);
	else if (what < 99 && m->flavour.letters)
		replay_letter(m);
	else if (m->flavour.reloads)
		rig_reload(&m->rig);
}

static bool is_quiet(const struct model *m)
{
	for (unsigned id = 1; id <= m->rig.n_connections; id++)
		if (m->sides[id].n_captured < m->sides[id].n_events ||
		    m->sides[id].applied < m->rig.index)
			return false;
	return true;
}

static void settle(struct model *m)
{
	m->is_healing = true;
	for (unsigned round = 0; !is_quiet(m); round++) {
		CHECK(round < 1000);
		for (unsigned id = 1; id <= m->rig.n_connections; id++) {
			capture(m, id, 64);
			apply(m, id, 64);
		}
	}
}

void model_resolve_all(struct model *m)
{
	struct ledger_conflict conflict;
	Synod__Command__Resolve resolve;
	Synod__Command__Command c;
	uint64_t from = 0;

	synod__command__resolve__init(&resolve);
	synod__command__command__init(&c);
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_RESOLVE;
	c.resolve = &resolve;
	while (ledger_next_conflict(&m->rig.kv, from, &conflict)) {
		from = conflict.id + 1;
		if (conflict.state != CONFLICT_OPEN)
			continue;
		resolve.conflict_id = conflict.id;
		resolve.connection_id = model_draw(m, 50)
						? conflict.a.connection_id
						: conflict.b.connection_id;
		resolve.author = (char *)(uintptr_t) "ann";
		resolve.is_forced = false;
		if (!rig_take(&m->rig, &c)) {
			resolve.is_forced = true;
			assert_true(rig_take(&m->rig, &c));
		}
		assert_false(rig_take(&m->rig, &c));
		settle(m);
	}
}

void model_run(struct model *m)
{
	if (m->flavour.loads)
		plant(m);
	for (unsigned i = 0; i < 120; i++) {
		if (m->flavour.loads && i < 8 && i % 2 == 0 &&
		    i / 2 < m->rig.n_connections)
			load_table(m, 1 + i / 2);
		step(m);
	}
	settle(m);
	while (replay_letter(m))
		settle(m);
}
