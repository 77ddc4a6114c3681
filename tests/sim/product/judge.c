/* What must hold, while it runs and at the end. */
#include <stdio.h>
#include <string.h>

#include "base/endian.h"
#include "tests/sim/product/world.h"

/* A target that has the bank has all of it, whatever moment it is. */
void judge_bank(struct world *w, const struct database *d)
{
	struct bytes key = {0}, values;
	struct image image;
	int64_t sum = 0, n = 0;

	for (bool after = false;
	     map_seek(d->tables[TABLE_BANK], key, after, &key, &values);
	     after = true) {
		database_image(values, &image);
		sum += image.amount;
		n++;
	}
	if (w->is_lossy)
		return; /* half a transaction may be lost in a gap */
	/* Before the load some of its rows may have come alone. */
	if (n == BANK_ACCOUNTS && sum != BANK_ACCOUNTS * BANK_EACH)
		world_bad(w, "the bank of %u holds %lld in %lld accounts",
			  d->id, (long long)sum, (long long)n);
}

/* -- quiet ----------------------------------------------------------------- */
/* An apply task that has looked through all of the log. */
static bool has_all(const struct world *w, const struct runner *r)
{
	uint64_t applied = 0, upto = w->n_log;

	if (r->apply)
		apply_progress(r->apply, &applied, &upto);
	return upto == w->n_log;
}

static size_t owners(const struct world *w, uint32_t task_id, bool *is_running)
{
	size_t n = 0;

	*is_running = true;
	for (uint64_t id = 1; id <= WORLD_NODES; id++) {
		for (size_t i = 0; i < WORLD_RUNNERS; i++) {
			const struct runner *r = &w->members[id].runners[i];

			if (!r->is_used || r->spec.id != task_id)
				continue;
			*is_running &=
				r->state == TASK_RUNNING && has_all(w, r);
			n++;
		}
	}
	return n;
}

/* Nothing in force waits for its load. */
static bool is_loaded(const struct world *w, uint32_t id, uint64_t mask)
{
	const struct catalog *c = w->members[1].control.catalog;

	for (uint32_t t = 1; c && t <= WORLD_IDS; t++) {
		const struct catalog_table *table = catalog_table(c, t);

		if (table && table->is_current &&
		    (table->sources & catalog_bit(id)) && !(mask >> t & 1))
			return false;
	}
	return true;
}

const char *judge_open(struct world *w)
{
	static char text[128];
	const struct tasks *tasks = &w->members[1].control.tasks;
	struct ledger_letter letter;
	bool is_running;

	for (uint64_t id = 1; id <= WORLD_NODES; id++)
		if (!w->members[id].is_up || w->members[id].applied != w->n_log)
			return "a node is behind the log";
	if (tasks->n != WORLD_DBS * 2 + 2)
		return "tasks are missing";
	for (size_t i = 0; i < tasks->n; i++) {
		size_t n = owners(w, tasks->list[i].id, &is_running);

		if (n == 1 && is_running)
			continue;
		snprintf(text, sizeof text, "task %u has %zu owners%s",
			 tasks->list[i].id, n,
			 is_running ? "" : ", one is not at its end");
		return text;
	}
	for (uint32_t id = 1; id <= WORLD_DBS; id++) {
		struct bytes p = ledger_position(&w->members[1].kv, id);

		if (p.len && get_u64(p.data) == w->dbs[id].n &&
		    is_loaded(w, id, get_u64(p.data + 16)))
			continue;
		snprintf(text, sizeof text, "%u is not captured to its end",
			 id);
		return text;
	}
	if (ledger_next_letter(&w->members[1].kv, 1, &letter))
		return "a dead letter is left";
	return NULL;
}

bool judge_is_quiet(struct world *w)
{
	return judge_open(w) == NULL;
}

/* -- the end ---------------------------------------------------------------
 */
enum { KEYS = 16 };
static size_t key_number(struct bytes key)
{
	struct value v;

	return change_key_values(key, &v, 1) == 1 ? (size_t)v.i64 % KEYS : 0;
}

/* For whoever looks for the reason: all that was ever done to a row. */
static void trace_key(struct world *w, uint32_t table_id, size_t key)
{
	struct change_reader r;
	struct change_txn txn;
	struct change c;
	struct image i;

	for (uint64_t n = 1; n <= w->n_log && w->is_traced; n++) {
		const Synod__Command__Batch *b = &w->log[n].view.batch;

		if (w->log[n].view.kind != COMMAND_BATCH ||
		    w->log[n].is_refused)
			continue;
		change_reader_init(
			&r, (struct bytes){b->changes.data, b->changes.len});
		while (change_next_txn(&r, &txn) > 0) {
			if (txn.kind == TXN_ECHO)
				world_trace(
					w, "%llu by %u: echo %u %llu",
					(unsigned long long)n, b->task_id,
					txn.task_id,
					(unsigned long long)txn.applied_index);
			while (change_next(&r, &c) > 0) {
				if (world_physical(c.table_id) != table_id ||
				    key_number(c.key) != key)
					continue;
				database_image(c.values, &i);
				world_trace(w, "%llu by %u: %s %llu saw %llu",
					    (unsigned long long)n, b->task_id,
					    change_op_name(c.op),
					    (unsigned long long)i.uid,
					    (unsigned long long)i.saw);
			}
		}
	}
}

/* -- the end --------------------------------------------------------------- */
static bool is_same_map(const struct map *a, const struct map *b,
			struct bytes *where)
{
	struct bytes ka = {0}, kb = {0}, va, vb;
	bool after = false;

	for (;; after = true) {
		bool has_a = map_seek(a, ka, after, &ka, &va);
		bool has_b = map_seek(b, kb, after, &kb, &vb);

		*where = has_a ? ka : kb;
		if (!has_a || !has_b)
			return has_a == has_b;
		if (bytes_compare(ka, kb) != 0 || bytes_compare(va, vb) != 0)
			return false;
	}
}

static void judge_table(struct world *w, uint32_t id, uint32_t table_id)
{
	struct bytes where = {0};

	if (is_same_map(w->dbs[1].tables[table_id], w->dbs[id].tables[table_id],
			&where))
		return;
	if (!w->is_bad)
		trace_key(w, table_id, key_number(where));
	world_bad(w, "table %u of 1 and %u differ at key %zu", table_id, id,
		  key_number(where));
}

static void judge_equal(struct world *w)
{
	struct bytes where = {0};

	for (uint32_t id = 2; id <= WORLD_DBS; id++)
		for (uint32_t t = 1; t <= WORLD_TABLES; t++)
			judge_table(w, id, t);
	for (uint64_t id = 2; id <= WORLD_NODES; id++)
		if (!is_same_map(w->members[1].map, w->members[id].map, &where))
			world_bad(w, "the states of node 1 and %llu differ",
				  (unsigned long long)id);
}

/* -- the journal ----------------------------------------------------------- */
struct oracle {
	struct world *w;
	uint64_t heads[KEYS];  /* uid of the newest version */
	bool is_blurred[KEYS]; /* a load took part: not followed */
	/* It was parked somewhere: when its letters are replayed nobody knows
	 * any more what a target had of it, and the ledger says "conflict"
	 * rather than lose one. */
	bool is_doubtful[KEYS];
	uint64_t next_conflict;
};

static uint64_t saw_of(const struct world *w, uint64_t uid)
{
	uint8_t key[8];
	struct bytes v;

	put_u64(key, uid);
	return map_get(w->saw, (struct bytes){key, 8}, &v) ? get_u64(v.data)
							   : 0;
}

static bool is_ancestor(const struct world *w, uint64_t old, uint64_t uid)
{
	for (; uid; uid = saw_of(w, uid))
		if (uid == old)
			return true;
	return false;
}

static bool change_image(struct bytes whole, struct image *out)
{
	struct change c;

	*out = (struct image){0};
	return change_decode(whole, &c) == 0 && c.n_values &&
	       database_image(c.values, out);
}

/* The next conflict of the register in the journal. */
static bool next_conflict(struct oracle *o, struct ledger_conflict *c)
{
	while (ledger_next_conflict(&o->w->members[1].kv, o->next_conflict,
				    c)) {
		if (c->table_id == TABLE_REGISTER &&
		    !o->is_blurred[key_number(c->key)])
			return true;
		o->next_conflict = c->id + 1;
	}
	return false;
}

/* Where a load had part in a row, who saw what is not known to its writers. */
static void blur(struct oracle *o)
{
	struct ledger_conflict c;

	for (uint64_t id = 1;
	     ledger_next_conflict(&o->w->members[1].kv, id, &c); id = c.id + 1)
		if (c.table_id == TABLE_REGISTER &&
		    strcmp(c.kind, "initial") == 0)
			o->is_blurred[key_number(c.key)] = true;
}

static void doubt(struct oracle *o)
{
	for (uint64_t i = 1; i <= o->w->n_log; i++) {
		const Synod__Command__Command *t = o->w->log[i].view.tree;
		struct change c;

		if (o->w->log[i].view.kind != COMMAND_OTHER || !t ||
		    t->body_case != SYNOD__COMMAND__COMMAND__BODY_DEAD_LETTER)
			continue;
		if (change_decode((struct bytes){t->dead_letter->change.data,
						 t->dead_letter->change.len},
				  &c) == 0 &&
		    c.table_id == TABLE_REGISTER)
			o->is_doubtful[key_number(c.key)] = true;
	}
}

static void judge_pair(struct oracle *o, uint64_t index, uint64_t head,
		       const struct change *c)
{
	struct ledger_conflict got;
	struct image a = {0}, b, made;
	size_t k = key_number(c->key);

	database_image(c->values, &made);
	bool is_expected = head && !is_ancestor(o->w, head, made.uid);
	bool is_there = next_conflict(o, &got) && got.index == index &&
			bytes_compare(got.key, c->key) == 0 &&
			change_image(got.b.change, &b) && b.uid == made.uid;
	if (is_there) {
		change_image(got.a.change, &a);
		o->next_conflict = got.id + 1;
		o->w->counts.conflicts++;
	}
	o->heads[k] = made.uid;
	if (is_there && o->is_doubtful[k])
		is_expected = true;
	if (is_there != is_expected)
		trace_key(o->w, TABLE_REGISTER, k);
	if (is_there != is_expected)
		world_bad(o->w, "entry %llu: %llu against %llu %s",
			  (unsigned long long)index,
			  (unsigned long long)made.uid,
			  (unsigned long long)head,
			  is_expected ? "is not in the journal"
				      : "is no conflict, the journal says so");
	else if (is_there && a.uid != head)
		world_bad(o->w, "entry %llu: another version in the journal",
			  (unsigned long long)index);
	/* What a person decided later is not what counted here. */
	if (is_there && (got.resolved_us || got.is_a_winner))
		o->heads[k] = a.uid;
}

/* An old version is the head again: those who are behind it may count as not
 * having it though they have its twin. */
static void judge_resolve(struct oracle *o, const Synod__Command__Command *t)
{
	struct ledger_conflict c;
	struct image image;

	if (t->body_case != SYNOD__COMMAND__COMMAND__BODY_RESOLVE ||
	    !ledger_next_conflict(&o->w->members[1].kv, t->resolve->conflict_id,
				  &c) ||
	    c.id != t->resolve->conflict_id || c.table_id != TABLE_REGISTER)
		return;
	change_image(c.is_a_winner ? c.a.change : c.b.change, &image);
	o->heads[key_number(c.key)] = image.uid;
	o->is_doubtful[key_number(c.key)] = true;
}

static void judge_entry(struct oracle *o, uint64_t index)
{
	const struct entry *e = &o->w->log[index];
	struct change_reader r;
	struct change_txn txn;
	struct change c;

	if (e->view.kind == COMMAND_OTHER && !e->is_refused && e->view.tree)
		judge_resolve(o, e->view.tree);
	if (e->view.kind != COMMAND_BATCH || e->is_refused)
		return;
	change_reader_init(&r, (struct bytes){e->view.batch.changes.data,
					      e->view.batch.changes.len});
	while (change_next_txn(&r, &txn) > 0) {
		o->w->counts.echoes += txn.kind == TXN_ECHO;
		while (change_next(&r, &c) > 0) {
			size_t k = key_number(c.key);

			if (c.table_id == TABLE_REGISTER &&
			    txn.kind != TXN_LOAD && !o->is_blurred[k] &&
			    !o->w->is_bad)
				judge_pair(o, index, o->heads[k], &c);
		}
	}
}

static void judge_journal(struct world *w)
{
	struct oracle o = {.w = w, .next_conflict = 1};
	struct ledger_conflict left;

	blur(&o);
	doubt(&o);
	for (uint64_t i = 1; i <= w->n_log; i++)
		judge_entry(&o, i);
	if (!w->is_bad && next_conflict(&o, &left))
		world_bad(w, "conflict %llu of the journal is none",
			  (unsigned long long)left.id);
}

void judge_end(struct world *w)
{
	judge_equal(w);
	if (!w->is_bad && !w->is_lossy)
		judge_journal(w);
}
