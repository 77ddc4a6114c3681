#include "node/goal.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/digest.h"
#include "proto/limits.h"

static void add_message(struct digest *d, const ProtobufCMessage *m)
{
	size_t len = protobuf_c_message_get_packed_size(m);
	uint8_t *buf = mem_alloc(len + 1);

	protobuf_c_message_pack(m, buf);
	digest_add(d, &len, sizeof(len));
	digest_add(d, buf, len);
	free(buf);
}

static bool takes_part(const Synod__Definition__Sync *sync, uint32_t id)
{
	for (size_t i = 0; i < sync->n_connection_ids; i++) {
		if (sync->connection_ids[i] == id)
			return true;
	}
	return false;
}

/* Single tables only: a paused sync goes on being captured. */
static void add_pauses(struct digest *d, const struct view *view,
		       uint32_t sync_id)
{
	for (size_t i = 0; i < view->tasks.n_pauses; i++) {
		const struct tasks_pause *p = &view->tasks.pauses[i];
		if (p->sync_id == sync_id && p->table_id)
			digest_add(d, &p->table_id, sizeof(p->table_id));
	}
}

/* A table that has to wait before it is loaded, and then need not any more. */
static void add_loads(struct digest *d, const struct view *view,
		      const Synod__Definition__Sync *sync)
{
	for (size_t i = 0; i < sync->n_tables; i++) {
		bool may_load = view_may_load(view, sync->tables[i]->id);
		digest_add(d, &may_load, sizeof(may_load));
	}
}

uint64_t goal_concern(const struct view *view, uint32_t task_id)
{
	const Synod__Definition__Definition *all =
		catalog_definition(view->catalog);
	uint32_t connection_id = task_connection(task_id);
	const Synod__Definition__Connection *connection =
		catalog_connection(view->catalog, connection_id);
	struct digest *d = digest_new();

	if (connection)
		add_message(d, &connection->base);
	for (size_t i = 0; all && i < all->n_syncs; i++) {
		const Synod__Definition__Sync *sync = all->syncs[i];
		if (task_kind(task_id) == TASK_APPLY
			    ? sync->id != task_sync(task_id)
			    : !takes_part(sync, connection_id))
			continue;
		add_message(d, &sync->base);
		add_pauses(d, view, sync->id);
		if (task_kind(task_id) == TASK_CAPTURE)
			add_loads(d, view, sync);
	}
	uint64_t value = digest_value(d);
	digest_free(d);
	return value;
}

static bool shall_run(const struct view *view, const struct task *t)
{
	uint32_t sync_id = task_sync(t->id);

	if (!catalog_connection(view->catalog, task_connection(t->id)))
		return false;
	if (task_kind(t->id) == TASK_CAPTURE)
		return true;
	return catalog_sync(view->catalog, sync_id) &&
	       !tasks_is_paused(&view->tasks, sync_id, 0);
}

size_t goal_list(const struct view *view, uint64_t node_id, struct goal *out)
{
	size_t n = 0;

	for (size_t i = 0; i < view->tasks.n; i++) {
		const struct task *t = &view->tasks.list[i];
		if (t->node_id != node_id || !shall_run(view, t))
			continue;
		out[n++] = (struct goal){
			.task_id = t->id,
			.epoch = t->epoch,
			.concern = goal_concern(view, t->id),
		};
	}
	return n;
}

static int by_id(const void *key, const void *item)
{
	uint32_t id = *(const uint32_t *)key;
	const struct goal *g = item;

	return (id > g->task_id) - (id < g->task_id);
}

const struct goal *goal_find(const struct goal *list, size_t n,
			     uint32_t task_id)
{
	return n ? bsearch(&task_id, list, n, sizeof(*list), by_id) : NULL;
}

enum goal_step goal_judge(const struct goal_running *is,
			  const struct goal *wanted, int64_t now_us)
{
	bool is_same = wanted && wanted->epoch == is->epoch &&
		       wanted->concern == is->concern;

	switch (is->state) {
	case GOAL_RUNNING:
		return is_same ? GOAL_KEEP : GOAL_STOP;
	case GOAL_STOPPING:
		/* Under the same epoch nothing would tell the two apart. */
		if (wanted && wanted->epoch != is->epoch &&
		    now_us - is->told_us > (int64_t)LIMIT_TASK_STOP_MS * 1000)
			return GOAL_ABANDON;
		return GOAL_WAIT;
	case GOAL_ENDED:
		/* Fenced: whoever has taken over is on record soon. */
		if (!is->was_told && wanted && wanted->epoch == is->epoch &&
		    now_us - is->ended_us < GOAL_FENCED_US)
			return GOAL_KEEP;
		return GOAL_REMOVE;
	}
	return GOAL_KEEP;
}
