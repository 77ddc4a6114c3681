#include "cluster/core/tasks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cluster/core/key.h"
#include "cluster/core/tasks_internal.h"

/* Value of "t": u64 node, u64 epoch, i64 assigned_us, u32 state, i32 code,
 * i64 reported_us, u64 applied, u64 upto, u64 lag p50, u64 lag p99, u64 rows,
 * i64 checkpoint_us, u64 born index, u64 detect_us, u64 elect_us, u64
 * first_change_us, twice u16 length and text: text, hint. */
enum {
	TASK_HEAD = 120,
	TASK_BYTES = TASK_HEAD + 4 + 2 * TASK_TEXT_MAX,
	TASK_KEY = 5,
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

void task_text_set(char out[TASK_TEXT_MAX], const char *text)
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
	put_u64(buf + 96, t->detect_us);
	put_u64(buf + 104, t->elect_us);
	put_u64(buf + 112, t->first_change_us);
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
	t->detect_us = get_u64(v.data + 96);
	t->elect_us = get_u64(v.data + 104);
	t->first_change_us = get_u64(v.data + 112);
	text_read(v, text_read(v, TASK_HEAD, t->text), t->hint);
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
	task->detect_us = c->detect_us;
	task->elect_us = c->elect_us;
	/* The reports of the one before are not those of this one. */
	task->state = SYNOD__COMMAND__TASK_REPORT__STATE__STARTING;
	task->code = 0;
	task_text_set(task->text, "");
	task_text_set(task->hint, "");
	task->reported_us = 0;
	task->first_change_us = 0;
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
	task_text_set(task->text, c->text);
	task_text_set(task->hint, c->hint);
	task->reported_us = c->time_us;
	if (!task->first_change_us)
		task->first_change_us = c->first_change_us;
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
	obstacles_follow(t, kv, catalog);
}

/* -- the whole ------------------------------------------------------------- */
static void load_tasks(struct tasks *t, const struct kv *kv)
{
	struct key at = key_table('t');
	struct bytes v;

	while (key_next(kv, &at, TASK_KEY, &v))
		task_read(v, task_insert(t, key_get_u32(key_bytes(&at), 1)));
}

void tasks_load(struct tasks *t, const struct kv *kv)
{
	*t = (struct tasks){0};
	load_tasks(t, kv);
	obstacles_load(t, kv);
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
