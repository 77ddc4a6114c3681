#include "node/view.h"

#include <stdlib.h>

#include "base/check.h"

struct view_catalog *view_catalog_new(struct catalog *c, uint64_t since)
{
	struct view_catalog *shared = mem_zero(1, sizeof(*shared));

	CHECK(c);
	atomic_init(&shared->refs, 1);
	atomic_init(&shared->until, 0);
	shared->catalog = c;
	shared->since = since;
	return shared;
}

struct view_catalog *view_catalog_ref(struct view_catalog *c)
{
	atomic_fetch_add(&c->refs, 1);
	return c;
}

void view_catalog_unref(struct view_catalog *c)
{
	if (!c || atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	catalog_free(c->catalog);
	free(c);
}

struct view *view_new(uint64_t index, struct view_catalog *c,
		      const struct tasks *tasks)
{
	struct view *v = mem_zero(1, sizeof(*v));

	atomic_init(&v->refs, 1);
	v->index = index;
	v->shared = view_catalog_ref(c);
	v->catalog = c->catalog;
	tasks_copy(&v->tasks, tasks);
	return v;
}

struct view *view_ref(struct view *v)
{
	atomic_fetch_add(&v->refs, 1);
	return v;
}

void view_unref(struct view *v)
{
	if (!v || atomic_fetch_sub(&v->refs, 1) != 1)
		return;
	view_catalog_unref(v->shared);
	tasks_clear(&v->tasks);
	free(v);
}

/* Has the sync had a form of this table before? An old table of the sync with
 * the same name that this table's revision dropped. */
static bool replaces_another(const struct view *v,
			     const struct catalog_table *table)
{
	const struct catalog_table *old;

	if (!catalog_old_tables(v->catalog))
		return false;
	for (size_t i = 0; (old = catalog_at(v->catalog, i)) != NULL; i++) {
		if (!old->is_current && old->sync->id == table->sync->id &&
		    old->dropped_at <= table->order_at)
			return true;
	}
	return false;
}

bool view_may_load(const struct view *v, uint32_t table_id)
{
	const struct catalog_table *table = catalog_table(v->catalog, table_id);

	if (!table || !table->is_current || !replaces_another(v, table))
		return true;
	for (size_t i = 0; i < v->tasks.n; i++) {
		const struct task *t = &v->tasks.list[i];
		uint64_t at = t->applied > t->upto ? t->applied : t->upto;
		if (task_sync(t->id) == table->sync->id &&
		    t->born_index < table->order_at && at < table->order_at)
			return false;
	}
	return true;
}
