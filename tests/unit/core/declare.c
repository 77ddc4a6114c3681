#include "declare.h"

#include <string.h>

#include "cluster/core/command.h"
#include "proto/value.h"

void declare_init(struct declare *a)
{
	arena_init(&a->arena, 4096);
	synod__definition__definition__init(&a->d);
	a->d.next_sync_id = 1;
	a->d.next_table_id = 1;
}

void declare_free(struct declare *a)
{
	arena_free(&a->arena);
}

/* A list that is one longer. */
static void *list_add(struct declare *a, void *list, size_t *n, void *item)
{
	void **grown = arena_alloc(&a->arena, (*n + 1) * sizeof(void *));

	if (*n)
		memcpy(grown, list, *n * sizeof(void *));
	grown[(*n)++] = item;
	return grown;
}

#define ADD(a, list, n, item) ((list) = list_add(a, list, &(n), item))

Synod__Definition__Connection *declare_connection(struct declare *a,
						  uint32_t id, const char *name)
{
	Synod__Definition__Connection *c = arena_alloc(&a->arena, sizeof(*c));

	synod__definition__connection__init(c);
	c->id = id;
	c->name = arena_strdup(&a->arena, name);
	c->type = command_text("sqlite");
	ADD(a, a->d.connections, a->d.n_connections, c);
	return c;
}

Synod__Definition__Sync *declare_sync(struct declare *a, uint32_t id,
				      const char *name, uint64_t mask,
				      bool is_two_way)
{
	Synod__Definition__Sync *s = arena_alloc(&a->arena, sizeof(*s));

	synod__definition__sync__init(s);
	s->id = id;
	s->name = arena_strdup(&a->arena, name);
	s->is_two_way = is_two_way;
	s->connection_ids =
		arena_alloc(&a->arena, CATALOG_CONNECTIONS * sizeof(uint32_t));
	for (uint32_t i = 1; i <= CATALOG_CONNECTIONS; i++) {
		if (mask & catalog_bit(i))
			s->connection_ids[s->n_connection_ids++] = i;
	}
	ADD(a, a->d.syncs, a->d.n_syncs, s);
	if (a->d.next_sync_id <= id)
		a->d.next_sync_id = id + 1;
	return s;
}

static void field_add(struct declare *a, Synod__Definition__Table *t,
		      const char *name, bool is_key)
{
	Synod__Definition__Field *f = arena_alloc(&a->arena, sizeof(*f));

	synod__definition__field__init(f);
	f->name = command_text(name);
	f->type = is_key ? VALUE_INT64 : VALUE_TEXT;
	f->is_key = is_key;
	ADD(a, t->fields, t->n_fields, f);
}

static void side_add(struct declare *a, Synod__Definition__Table *t,
		     uint32_t connection_id)
{
	Synod__Definition__Side *s = arena_alloc(&a->arena, sizeof(*s));

	synod__definition__side__init(s);
	s->connection_id = connection_id;
	s->table = t->name;
	for (size_t i = 0; i < t->n_fields; i++)
		ADD(a, s->columns, s->n_columns, t->fields[i]->name);
	ADD(a, t->sides, t->n_sides, s);
}

Synod__Definition__Table *declare_table(struct declare *a,
					Synod__Definition__Sync *sync,
					uint32_t id, const char *name)
{
	Synod__Definition__Table *t = arena_alloc(&a->arena, sizeof(*t));

	synod__definition__table__init(t);
	t->id = id;
	t->name = arena_strdup(&a->arena, name);
	field_add(a, t, "id", true);
	field_add(a, t, "name", false);
	for (size_t i = 0; i < sync->n_connection_ids; i++) {
		side_add(a, t, sync->connection_ids[i]);
		t->sides[i]->is_source = sync->is_two_way || i == 0;
		t->sides[i]->is_target = sync->is_two_way || i > 0;
	}
	ADD(a, sync->tables, sync->n_tables, t);
	if (a->d.next_table_id <= id)
		a->d.next_table_id = id + 1;
	return t;
}

struct blob *declare_pack(const struct declare *a)
{
	struct blob *b =
		blob_new(synod__definition__definition__get_packed_size(&a->d));

	synod__definition__definition__pack(&a->d, b->data);
	return b;
}
