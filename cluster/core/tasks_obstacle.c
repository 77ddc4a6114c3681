/* Obstacles: what keeps tasks from running somewhere, or at all. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cluster/core/key.h"
#include "cluster/core/tasks_internal.h"

/* Values:
 *   "h"  i64 time_us
 *   "n"  i64 time_us
 *   "z"  i64 time_us, reason */
enum { REACH_KEY = 13, DRAIN_KEY = 9, PAUSE_KEY = 9, TIME_BYTES = 8 };

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
	task_text_set(p.reason, c->reason);
	if (old)
		*old = p;
	else
		pause_add(t, &p);
	pause_put(kv, &p);
	return true;
}

/* -- coming and going ------------------------------------------------------ */
static bool pause_is_of(const struct tasks_pause *p,
			const struct catalog *catalog)
{
	const struct catalog_table *t;

	if (!p->table_id)
		return catalog_sync(catalog, p->sync_id) != NULL;
	t = catalog_table(catalog, p->table_id);
	return t && t->is_current && t->sync->id == p->sync_id;
}

void obstacles_follow(struct tasks *t, const struct kv *kv,
		      const struct catalog *catalog)
{
	for (size_t i = t->n_pauses; i > 0; i--) {
		if (!pause_is_of(&t->pauses[i - 1], catalog))
			pause_drop(t, kv, i - 1);
	}
	for (size_t i = t->n_reach; i > 0; i--) {
		if (!catalog_connection(catalog, t->reach[i - 1].connection_id))
			reach_drop(t, kv, i - 1);
	}
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

void obstacles_load(struct tasks *t, const struct kv *kv)
{
	load_reach(t, kv);
	load_drained(t, kv);
	load_pauses(t, kv);
}
