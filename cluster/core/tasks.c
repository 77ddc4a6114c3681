#include "cluster/core/tasks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cluster/core/key.h"

/* Values:
 *   "t"  u64 node, u64 epoch, i64 assigned_us, u32 state, i32 code,
 *        i64 reported_us, u64 applied, u64 upto, u64 lag p50, u64 lag p99,
 *        u64 rows, i64 checkpoint_us, u64 born index, twice u16 length and
 *        text: text, hint
 *   "h"  i64 time_us
 *   "n"  i64 time_us
 *   "z"  i64 time_us, reason */
enum {
	TASK_HEAD = 96,
	TASK_BYTES = TASK_HEAD + 4 + 2 * TASK_TEXT_MAX,
	TASK_KEY = 5,
	REACH_KEY = 13,
	DRAIN_KEY = 9,
	PAUSE_KEY = 9,
	TIME_BYTES = 8,
};

const char *task_kind_name(enum task_kind kind)
{
	return kind == TASK_CAPTURE ? "capture" : "apply";
}

char *task_name(const struct catalog *catalog, uint32_t id, char *buf,
		size_t cap)
{
	const Synod__Definition__Connection *c =
		catalog_connection(catalog, task_connection(id));
	const Synod__Definition__Sync *s = catalog_sync(catalog, task_sync(id));
	const char *name = c ? c->name : "?";

	if (task_kind(id) == TASK_CAPTURE)
		snprintf(buf, cap, "%s/capture", name);
	else
		snprintf(buf, cap, "%s/%s/apply", s ? s->name : "?", name);
	return buf;
}

/* A text is cut where a character begins. */
static void text_set(char out[TASK_TEXT_MAX], const char *text)
{
	size_t len = strlen(text);

	if (len >= TASK_TEXT_MAX) {
		len = TASK_TEXT_MAX - 1;
		while (len > 0 && ((uint8_t)text[len] & 0xc0) == 0x80)
			len--;
	}
	memset(out, 0, TASK_TEXT_MAX);
	memcpy(out, text, len);
}

/* -- the list -------------------------------------------------------------- */
/* Where the task is, or belongs. */
static size_t task_place(const struct tasks *t, uint32_t id)
{
	size_t from = 0, to = t->n;

	while (from < to) {
		size_t at = from + (to - from) / 2;

		if (t->list[at].id < id)
			from = at + 1;
		else
			to = at;
	}
	return from;
}

static struct task *task_get(struct tasks *t, uint32_t id)
{
	size_t at = task_place(t, id);

	return at < t->n && t->list[at].id == id ? &t->list[at] : NULL;
}

const struct task *tasks_find(const struct tasks *t, uint32_t id)
{
	size_t at = task_place(t, id);

	return at < t->n && t->list[at].id == id ? &t->list[at] : NULL;
}

static struct task *task_insert(struct tasks *t, uint32_t id)
{
	size_t at = task_place(t, id);

	if (t->n == t->cap) {
		t->cap = t->cap ? 2 * t->cap : 16;
		t->list = mem_grow(t->list, t->cap * sizeof(*t->list));
	}
	memmove(t->list + at + 1, t->list + at, (t->n - at) * sizeof(*t->list));
	t->n++;
	t->list[at] = (struct task){.id = id};
	return &t->list[at];
}

/* -- in the kv ------------------------------------------------------------- */
static size_t text_write(uint8_t *buf, size_t at, const char *text)
{
	size_t len = strlen(text);

	put_u16(buf + at, (uint16_t)len);
	memcpy(buf + at + 2, text, len);
	return at + 2 + len;
}

static size_t text_read(struct bytes v, size_t at, char out[TASK_TEXT_MAX])
{
	CHECK(v.len >= at + 2);
	size_t len = get_u16(v.data + at);
	CHECK(len < TASK_TEXT_MAX && v.len >= at + 2 + len);
	memset(out, 0, TASK_TEXT_MAX);
	memcpy(out, v.data + at + 2, len);
	return at + 2 + len;
}

static void task_put(const struct kv *kv, const struct task *t)
{
	uint8_t buf[TASK_BYTES];
	struct key key = key_of_u32('t', t->id);

	put_u64(buf, t->node_id);
	put_u64(buf + 8, t->epoch);
	put_u64(buf + 16, (uint64_t)t->assigned_us);
	put_u32(buf + 24, (uint32_t)t->state);
	put_u32(buf + 28, (uint32_t)t->code);
	put_u64(buf + 32, (uint64_t)t->reported_us);
	put_u64(buf + 40, t->applied);
	put_u64(buf + 48, t->upto);
	put_u64(buf + 56, t->lag_p50_us);
	put_u64(buf + 64, t->lag_p99_us);
	put_u64(buf + 72, t->n_rows);
	put_u64(buf + 80, (uint64_t)t->checkpoint_us);
	put_u64(buf + 88, t->born_index);
	size_t at = text_write(buf, TASK_HEAD, t->text);
	at = text_write(buf, at, t->hint);
	kv->put(kv->ctx, key_bytes(&key), (struct bytes){buf, at});
}

static void task_read(struct bytes v, struct task *t)
{
	CHECK(v.len >= TASK_HEAD);
	t->node_id = get_u64(v.data);
	t->epoch = get_u64(v.data + 8);
	t->assigned_us = (int64_t)get_u64(v.data + 16);
	t->state = (Synod__Command__TaskReport__State)get_u32(v.data + 24);
	t->code = (int32_t)get_u32(v.data + 28);
	t->reported_us = (int64_t)get_u64(v.data + 32);
	t->applied = get_u64(v.data + 40);
	t->upto = get_u64(v.data + 48);
	t->lag_p50_us = get_u64(v.data + 56);
	t->lag_p99_us = get_u64(v.data + 64);
	t->n_rows = get_u64(v.data + 72);
	t->checkpoint_us = (int64_t)get_u64(v.data + 80);
	t->born_index = get_u64(v.data + 88);
	text_read(v, text_read(v, TASK_HEAD, t->text), t->hint);
}

static void put_time(const struct kv *kv, const struct key *key, int64_t us)
{
	uint8_t buf[TIME_BYTES];

	put_u64(buf, (uint64_t)us);
	kv->put(kv->ctx, key_bytes(key), (struct bytes){buf, sizeof(buf)});
}

static int64_t time_read(struct bytes v)
{
	CHECK(v.len >= TIME_BYTES);
	return (int64_t)get_u64(v.data);
}

static struct key reach_key(uint64_t node_id, uint32_t connection_id)
{
	struct key k = key_of_u64('h', node_id);

	key_u32(&k, connection_id);
	return k;
}

static struct key pause_key(uint32_t sync_id, uint32_t table_id)
{
	struct key k = key_of_u32('z', sync_id);

	key_u32(&k, table_id);
	return k;
}

/* -- what is not reachable ------------------------------------------------- */
static struct tasks_reach *reach_get(const struct tasks *t, uint64_t node_id,
				     uint32_t connection_id)
{
	for (size_t i = 0; i < t->n_reach; i++) {
		if (t->reach[i].node_id == node_id &&
		    t->reach[i].connection_id == connection_id)
			return &t->reach[i];
	}
	return NULL;
}

static void reach_add(struct tasks *t, const struct tasks_reach *r)
{
	size_t at = t->n_reach;

	t->reach = mem_grow(t->reach, (t->n_reach + 1) * sizeof(*t->reach));
	while (at > 0 && (t->reach[at - 1].node_id > r->node_id ||
			  (t->reach[at - 1].node_id == r->node_id &&
			   t->reach[at - 1].connection_id > r->connection_id)))
		at--;
	memmove(t->reach + at + 1, t->reach + at,
		(t->n_reach - at) * sizeof(*t->reach));
	t->reach[at] = *r;
	t->n_reach++;
}

static void reach_drop(struct tasks *t, const struct kv *kv, size_t i)
{
	struct key key =
		reach_key(t->reach[i].node_id, t->reach[i].connection_id);

	kv->del(kv->ctx, key_bytes(&key));
	t->n_reach--;
	memmove(t->reach + i, t->reach + i + 1,
		(t->n_reach - i) * sizeof(*t->reach));
}

bool tasks_is_reachable(const struct tasks *t, uint64_t node_id,
			uint32_t connection_id)
{
	return reach_get(t, node_id, connection_id) == NULL;
}

bool tasks_take_reach(struct tasks *t, const struct kv *kv,
		      const Synod__Command__Reach *c)
{
	struct tasks_reach r = {c->node_id, c->connection_id, false,
				c->time_us};
	struct tasks_reach *old = reach_get(t, c->node_id, c->connection_id);
	struct key key = reach_key(c->node_id, c->connection_id);

	if (c->node_id == 0 || c->connection_id == 0 ||
	    c->connection_id > CATALOG_CONNECTIONS)
		return false;
	if (c->is_reachable) {
		if (old)
			reach_drop(t, kv, (size_t)(old - t->reach));
		return true;
	}
	if (old)
		*old = r; /* tried again, in vain */
	else
		reach_add(t, &r);
	put_time(kv, &key, c->time_us);
	return true;
}

void tasks_forget_reach(struct tasks *t, const struct kv *kv,
			uint32_t connection_id)
{
	for (size_t i = t->n_reach; i > 0; i--) {
		if (t->reach[i - 1].connection_id == connection_id)
			reach_drop(t, kv, i - 1);
	}
}

/* -- who is drained -------------------------------------------------------- */
static size_t drain_place(const struct tasks *t, uint64_t node_id)
{
	size_t i = 0;

	while (i < t->n_drained && t->drained[i] < node_id)
		i++;
	return i;
}

bool tasks_is_drained(const struct tasks *t, uint64_t node_id)
{
	size_t i = drain_place(t, node_id);

	return i < t->n_drained && t->drained[i] == node_id;
}

bool tasks_take_drain(struct tasks *t, const struct kv *kv,
		      const Synod__Command__Drain *c)
{
	struct key key = key_of_u64('n', c->node_id);
	size_t i = drain_place(t, c->node_id);
	bool is_drained = tasks_is_drained(t, c->node_id);

	if (c->node_id == 0 ||
	    (c->is_drained && !is_drained && t->n_drained == LIMIT_NODES))
		return false;
	if (c->is_drained == is_drained)
		return true;
	if (c->is_drained) {
		memmove(t->drained + i + 1, t->drained + i,
			(t->n_drained - i) * sizeof(t->drained[0]));
		t->drained[i] = c->node_id;
		t->n_drained++;
		put_time(kv, &key, c->time_us);
		return true;
	}
	t->n_drained--;
	memmove(t->drained + i, t->drained + i + 1,
		(t->n_drained - i) * sizeof(t->drained[0]));
	kv->del(kv->ctx, key_bytes(&key));
	return true;
}

/* -- what is paused -------------------------------------------------------- */
static struct tasks_pause *pause_get(const struct tasks *t, uint32_t sync_id,
				     uint32_t table_id)
{
	for (size_t i = 0; i < t->n_pauses; i++) {
		if (t->pauses[i].sync_id == sync_id &&
		    t->pauses[i].table_id == table_id)
			return &t->pauses[i];
	}
	return NULL;
}

static void pause_add(struct tasks *t, const struct tasks_pause *p)
{
	size_t at = t->n_pauses;

	t->pauses = mem_grow(t->pauses, (t->n_pauses + 1) * sizeof(*t->pauses));
	while (at > 0 && (t->pauses[at - 1].sync_id > p->sync_id ||
			  (t->pauses[at - 1].sync_id == p->sync_id &&
			   t->pauses[at - 1].table_id > p->table_id)))
		at--;
	memmove(t->pauses + at + 1, t->pauses + at,
		(t->n_pauses - at) * sizeof(*t->pauses));
	t->pauses[at] = *p;
	t->n_pauses++;
}

static void pause_put(const struct kv *kv, const struct tasks_pause *p)
{
	uint8_t buf[TIME_BYTES + TASK_TEXT_MAX];
	struct key key = pause_key(p->sync_id, p->table_id);
	size_t len = strlen(p->reason);

	put_u64(buf, (uint64_t)p->time_us);
	memcpy(buf + TIME_BYTES, p->reason, len);
	kv->put(kv->ctx, key_bytes(&key),
		(struct bytes){buf, TIME_BYTES + len});
}

static void pause_drop(struct tasks *t, const struct kv *kv, size_t i)
{
	struct key key = pause_key(t->pauses[i].sync_id, t->pauses[i].table_id);

	kv->del(kv->ctx, key_bytes(&key));
	t->n_pauses--;
	memmove(t->pauses + i, t->pauses + i + 1,
		(t->n_pauses - i) * sizeof(*t->pauses));
}

bool tasks_is_paused(const struct tasks *t, uint32_t sync_id, uint32_t table_id)
{
	return pause_get(t, sync_id, 0) ||
	       (table_id && pause_get(t, sync_id, table_id));
}

bool tasks_take_pause(struct tasks *t, const struct kv *kv,
		      const Synod__Command__Pause *c)
{
	struct tasks_pause p = {.sync_id = c->sync_id,
				.table_id = c->table_id,
				.time_us = c->time_us};
	struct tasks_pause *old = pause_get(t, c->sync_id, c->table_id);

	if (c->sync_id == 0)
		return false;
	if (!c->is_paused) {
		if (old)
			pause_drop(t, kv, (size_t)(old - t->pauses));
		return true;
	}
	text_set(p.reason, c->reason);
	if (old)
		*old = p;
	else
		pause_add(t, &p);
	pause_put(kv, &p);
	return true;
}

/* -- what the owners say --------------------------------------------------- */
bool tasks_take_assign(struct tasks *t, const struct kv *kv, uint64_t index,
		       const Synod__Command__Assign *c)
{
	struct task *task = task_get(t, c->task_id);

	if (!task || task->epoch != c->expected_epoch)
		return false;
	task->node_id = c->node_id;
	task->epoch = index;
	task->assigned_us = c->time_us;
	/* The reports of the one before are not those of this one. */
	task->state = SYNOD__COMMAND__TASK_REPORT__STATE__STARTING;
	task->code = 0;
	text_set(task->text, "");
	text_set(task->hint, "");
	task->reported_us = 0;
	task_put(kv, task);
	return true;
}

bool tasks_take_checkpoint(struct tasks *t, const struct kv *kv,
			   const Synod__Command__Checkpoint *c)
{
	struct task *task = task_get(t, c->task_id);

	if (!task || task_kind(task->id) != TASK_APPLY || task->epoch == 0 ||
	    task->epoch != c->epoch || c->upto < c->applied)
		return false;
	task->applied = c->applied;
	task->upto = c->upto;
	task->lag_p50_us = c->lag_p50_us;
	task->lag_p99_us = c->lag_p99_us;
	task->n_rows = c->n_rows;
	task->checkpoint_us = c->time_us;
	task_put(kv, task);
	return true;
}

bool tasks_take_report(struct tasks *t, const struct kv *kv,
		       const Synod__Command__TaskReport *c)
{
	struct task *task = task_get(t, c->task_id);

	if (!task || task->epoch == 0 || task->epoch != c->epoch ||
	    (unsigned)c->state > SYNOD__COMMAND__TASK_REPORT__STATE__BLOCKED)
		return false;
	task->state = c->state;
	task->code = c->code;
	text_set(task->text, c->text);
	text_set(task->hint, c->hint);
	task->reported_us = c->time_us;
	task_put(kv, task);
	return true;
}

uint64_t tasks_low_index(const struct tasks *t)
{
	uint64_t low = UINT64_MAX;

	for (size_t i = 0; i < t->n; i++) {
		const struct task *task = &t->list[i];
		uint64_t at = task->upto > task->born_index ? task->upto
							    : task->born_index;

		if (task_kind(task->id) == TASK_APPLY && at < low)
			low = at;
	}
	return low;
}

/* -- coming and going ------------------------------------------------------ */
static int compare_ids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* The ids that the definition in force wants, in order and once each. */
static uint32_t *wanted_ids(const struct catalog *catalog, size_t *n)
{
	uint32_t *ids = NULL;
	size_t n_ids = 0, cap = 0;
	const struct catalog_table *t;

	for (size_t i = 0; (t = catalog_at(catalog, i)); i++) {
		if (!t->is_current)
			continue;
		if (n_ids + 2 * t->table->n_sides > cap) {
			cap = 2 * (n_ids + 2 * t->table->n_sides);
			ids = mem_grow(ids, cap * sizeof(*ids));
		}
		for (size_t j = 0; j < t->table->n_sides; j++) {
			const Synod__Definition__Side *s = t->table->sides[j];

			if (s->is_source)
				ids[n_ids++] =
					task_capture_id(s->connection_id);
			if (s->is_target)
				ids[n_ids++] = task_apply_id(t->sync->id,
							     s->connection_id);
		}
	}
	if (n_ids)
		qsort(ids, n_ids, sizeof(*ids), compare_ids);
	*n = 0;
	for (size_t i = 0; i < n_ids; i++) {
		if (*n == 0 || ids[*n - 1] != ids[i])
			ids[(*n)++] = ids[i];
	}
	return ids;
}

static void drop_unwanted(struct tasks *t, const struct kv *kv,
			  const uint32_t *ids, size_t n_ids)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++) {
		uint32_t id = t->list[i].id;

		if (n_ids &&
		    bsearch(&id, ids, n_ids, sizeof(*ids), compare_ids)) {
			if (n != i)
				t->list[n] = t->list[i];
			n++;
			continue;
		}
		struct key key = key_of_u32('t', id);
		kv->del(kv->ctx, key_bytes(&key));
	}
	t->n = n;
}

static bool pause_is_of(const struct tasks_pause *p,
			const struct catalog *catalog)
{
	const struct catalog_table *t;

	if (!p->table_id)
		return catalog_sync(catalog, p->sync_id) != NULL;
	t = catalog_table(catalog, p->table_id);
	return t && t->is_current && t->sync->id == p->sync_id;
}

void tasks_follow(struct tasks *t, const struct kv *kv,
		  const struct catalog *catalog, uint64_t index)
{
	size_t n;
	uint32_t *ids = wanted_ids(catalog, &n);

	drop_unwanted(t, kv, ids, n);
	for (size_t i = 0; i < n; i++) {
		if (tasks_find(t, ids[i]))
			continue;
		struct task *task = task_insert(t, ids[i]);
		task->born_index = index;
		task_put(kv, task);
	}
	free(ids);
	for (size_t i = t->n_pauses; i > 0; i--) {
		if (!pause_is_of(&t->pauses[i - 1], catalog))
			pause_drop(t, kv, i - 1);
	}
	for (size_t i = t->n_reach; i > 0; i--) {
		if (!catalog_connection(catalog, t->reach[i - 1].connection_id))
			reach_drop(t, kv, i - 1);
	}
}

/* -- the whole ------------------------------------------------------------- */
static void load_tasks(struct tasks *t, const struct kv *kv)
{
	struct key at = key_table('t');
	struct bytes v;

	while (key_next(kv, &at, TASK_KEY, &v))
		task_read(v, task_insert(t, key_get_u32(key_bytes(&at), 1)));
}

static void load_reach(struct tasks *t, const struct kv *kv)
{
	struct key at = key_table('h');
	struct bytes v;

	while (key_next(kv, &at, REACH_KEY, &v)) {
		struct tasks_reach r = {.node_id = get_u64_be(at.data + 1),
					.connection_id =
						key_get_u32(key_bytes(&at), 9),
					.time_us = time_read(v)};

		reach_add(t, &r);
	}
}

static void load_drained(struct tasks *t, const struct kv *kv)
{
	struct key at = key_table('n');
	struct bytes v;

	while (key_next(kv, &at, DRAIN_KEY, &v)) {
		CHECK(t->n_drained < LIMIT_NODES);
		t->drained[t->n_drained++] = get_u64_be(at.data + 1);
	}
}

static void load_pauses(struct tasks *t, const struct kv *kv)
{
	struct key at = key_table('z');
	struct bytes v;

	while (key_next(kv, &at, PAUSE_KEY, &v)) {
		struct tasks_pause p = {
			.sync_id = key_get_u32(key_bytes(&at), 1),
			.table_id = key_get_u32(key_bytes(&at), 5),
			.time_us = time_read(v)};

		CHECK(v.len - TIME_BYTES < TASK_TEXT_MAX);
		memcpy(p.reason, v.data + TIME_BYTES, v.len - TIME_BYTES);
		pause_add(t, &p);
	}
}

void tasks_load(struct tasks *t, const struct kv *kv)
{
	*t = (struct tasks){0};
	load_tasks(t, kv);
	load_reach(t, kv);
	load_drained(t, kv);
	load_pauses(t, kv);
}

void tasks_clear(struct tasks *t)
{
	free(t->list);
	free(t->reach);
	free(t->pauses);
	*t = (struct tasks){0};
}

static void *copy(const void *from, size_t n, size_t size)
{
	if (n == 0)
		return NULL;
	void *to = mem_alloc(n * size);
	memcpy(to, from, n * size);
	return to;
}

void tasks_copy(struct tasks *out, const struct tasks *t)
{
	*out = *t;
	out->list = copy(t->list, t->n, sizeof(*t->list));
	out->cap = t->n;
	out->reach = copy(t->reach, t->n_reach, sizeof(*t->reach));
	out->pauses = copy(t->pauses, t->n_pauses, sizeof(*t->pauses));
}
