#include "cluster/core/catalog.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cluster/core/revision.h"

struct catalog {
	const Synod__Definition__Definition *d; /* NULL: nothing is declared */
	Synod__Definition__Definition *owned;   /* the same, when it is ours */
	uint32_t revision;
	const Synod__Definition__Connection
		*connections[CATALOG_CONNECTIONS + 1];
	Synod__Definition__Sync **old; /* of one table each */
	size_t n_old;
	struct catalog_table *tables; /* by id */
	size_t n_tables;
};

/* -- building -------------------------------------------------------------- */
static struct catalog_table *table_add(struct catalog *c,
				       const Synod__Definition__Sync *sync,
				       const Synod__Definition__Table *table)
{
	struct catalog_table *t = &c->tables[c->n_tables++];

	*t = (struct catalog_table){.table = table, .sync = sync};
	for (size_t i = 0; i < table->n_sides; i++) {
		const Synod__Definition__Side *side = table->sides[i];
		uint64_t bit = catalog_bit(side->connection_id);

		t->members |= bit;
		if (side->is_source)
			t->sources |= bit;
		if (side->is_target)
			t->targets |= bit;
	}
	t->is_two_way = (t->sources & (t->sources - 1)) != 0;
	return t;
}

static size_t count_tables(const Synod__Definition__Definition *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n_syncs; i++)
		n += d->syncs[i]->n_tables;
	return n;
}

/* born: one index a table, in the order of the definition; NULL: zeros. */
static void add_definition(struct catalog *c,
			   const Synod__Definition__Definition *d,
			   const uint8_t *born)
{
	size_t n = 0;

	c->d = d;
	for (size_t i = 0; i < d->n_connections; i++) {
		uint32_t id = d->connections[i]->id;

		CHECK(id > 0 && id <= CATALOG_CONNECTIONS);
		c->connections[id] = d->connections[i];
	}
	for (size_t i = 0; i < d->n_syncs; i++) {
		const Synod__Definition__Sync *s = d->syncs[i];

		for (size_t j = 0; j < s->n_tables; j++, n++) {
			struct catalog_table *t = table_add(c, s, s->tables[j]);

			t->is_current = true;
			if (born)
				t->order_at = revision_born(born, n);
		}
	}
}

static void add_old(struct catalog *c, const struct revision_old *old)
{
	Synod__Definition__Sync *s = synod__definition__sync__unpack(
		NULL, old->sync.len, old->sync.data);

	CHECK(s && s->n_tables == 1);
	struct catalog_table *t = table_add(c, s, s->tables[0]);
	t->order_at = old->born_at;
	t->dropped_at = old->dropped_at;
	c->old[c->n_old++] = s;
}

static int compare_tables(const void *a, const void *b)
{
	uint32_t x = ((const struct catalog_table *)a)->table->id;
	uint32_t y = ((const struct catalog_table *)b)->table->id;

	return (x > y) - (x < y);
}

static void sort_tables(struct catalog *c)
{
	if (c->n_tables)
		qsort(c->tables, c->n_tables, sizeof(*c->tables),
		      compare_tables);
	for (size_t i = 1; i < c->n_tables; i++)
		CHECK(c->tables[i - 1].table->id < c->tables[i].table->id);
}

static size_t count_old(const struct kv *kv)
{
	struct revision_old old;
	uint32_t id = 0;
	size_t n = 0;

	for (; revision_next_old(kv, id, &old); id = old.table_id)
		n++;
	return n;
}

struct catalog *catalog_load(const struct kv *kv)
{
	struct catalog *c = mem_zero(1, sizeof(*c));
	struct revision_current now;
	struct revision_old old;
	size_t n = 0, n_old = count_old(kv);

	if (revision_current(kv, &now)) {
		c->revision = now.revision;
		c->owned = synod__definition__definition__unpack(
			NULL, now.definition.len, now.definition.data);
		CHECK(c->owned); /* it was checked when it came */
		n = count_tables(c->owned);
		CHECK(n == now.n_born);
	}
	c->tables = mem_zero(n + n_old + 1, sizeof(*c->tables));
	c->old = mem_zero(n_old + 1, sizeof(*c->old));
	if (c->owned)
		add_definition(c, c->owned, now.born);
	for (uint32_t id = 0; revision_next_old(kv, id, &old);
	     id = old.table_id)
		add_old(c, &old);
	sort_tables(c);
	return c;
}

struct catalog *catalog_of(const Synod__Definition__Definition *d)
{
	struct catalog *c = mem_zero(1, sizeof(*c));

	c->tables = mem_zero(count_tables(d) + 1, sizeof(*c->tables));
	add_definition(c, d, NULL);
	sort_tables(c);
	return c;
}

void catalog_free(struct catalog *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_old; i++)
		synod__definition__sync__free_unpacked(c->old[i], NULL);
	if (c->owned)
		synod__definition__definition__free_unpacked(c->owned, NULL);
	free(c->old);
	free(c->tables);
	free(c);
}

/* -- looking up ------------------------------------------------------------ */
uint32_t catalog_revision(const struct catalog *c)
{
	return c->revision;
}

const Synod__Definition__Definition *catalog_definition(const struct catalog *c)
{
	return c->d;
}

const struct catalog_table *catalog_table(const struct catalog *c,
					  uint32_t table_id)
{
	size_t from = 0, to = c->n_tables;

	while (from < to) {
		size_t at = from + (to - from) / 2;
		uint32_t id = c->tables[at].table->id;

		if (id == table_id)
			return &c->tables[at];
		if (id < table_id)
			from = at + 1;
		else
			to = at;
	}
	return NULL;
}

const struct catalog_table *catalog_at(const struct catalog *c, size_t i)
{
	return i < c->n_tables ? &c->tables[i] : NULL;
}

size_t catalog_old_tables(const struct catalog *c)
{
	return c->n_old;
}

const Synod__Definition__Side *catalog_side(const struct catalog_table *t,
					    uint32_t connection_id)
{
	for (size_t i = 0; i < t->table->n_sides; i++) {
		if (t->table->sides[i]->connection_id == connection_id)
			return t->table->sides[i];
	}
	return NULL;
}

const Synod__Definition__Connection *catalog_connection(const struct catalog *c,
							uint32_t id)
{
	return id <= CATALOG_CONNECTIONS ? c->connections[id] : NULL;
}

const Synod__Definition__Connection *
catalog_connection_named(const struct catalog *c, const char *name)
{
	for (uint32_t id = 1; id <= CATALOG_CONNECTIONS; id++) {
		if (c->connections[id] &&
		    strcmp(c->connections[id]->name, name) == 0)
			return c->connections[id];
	}
	return NULL;
}

const Synod__Definition__Sync *catalog_sync(const struct catalog *c,
					    uint32_t id)
{
	for (size_t i = 0; c->d && i < c->d->n_syncs; i++) {
		if (c->d->syncs[i]->id == id)
			return c->d->syncs[i];
	}
	return NULL;
}

const Synod__Definition__Sync *catalog_sync_named(const struct catalog *c,
						  const char *name)
{
	for (size_t i = 0; c->d && i < c->d->n_syncs; i++) {
		if (strcmp(c->d->syncs[i]->name, name) == 0)
			return c->d->syncs[i];
	}
	return NULL;
}
