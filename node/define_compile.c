#include "node/define_compile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cluster/core/definition.h"
#include "proto/limits.h"

static char *text(const char *s)
{
	return (char *)(uintptr_t)s; /* protobuf-c declares it writable */
}

/* -- connections ----------------------------------------------------------- */

static const Synod__Definition__Connection *
find_connection(const Synod__Definition__Definition *d, const char *name)
{
	for (size_t i = 0; d && i < d->n_connections; i++)
		if (strcmp(d->connections[i]->name, name) == 0)
			return d->connections[i];
	return NULL;
}

/* An id in force is not given to another name, nor to another kind of system:
 * positions and checkpoints are kept by id. */
static uint32_t free_id(const struct compile *c)
{
	const Synod__Definition__Definition *lists[] = {c->env->current,
							c->out};
	uint64_t taken = 0;
	for (size_t i = 0; i < 2; i++)
		for (size_t j = 0; lists[i] && j < lists[i]->n_connections; j++)
			taken |= catalog_bit(lists[i]->connections[j]->id);
	for (uint32_t id = 1; id <= CATALOG_CONNECTIONS; id++)
		if (!(taken & catalog_bit(id)))
			return id;
	return 0;
}

static void take_options(struct compile *c, const struct define_connection *k,
			 Synod__Definition__Connection *out)
{
	const struct connector_option *o = k->connector->options;
	size_t n = k->options.n;
	if (n == 0)
		return;
	out->options = arena_alloc(c->arena, n * sizeof(out->options[0]));
	/* In the order of the connector: how they were written does not count.
	 */
	for (; o && o->name; o++) {
		const char *value = define_option(k, o);
		bool is_written = false;
		for (size_t i = 0; i < n; i++)
			if (strcmp(k->options.keys[i]->text, o->name) == 0)
				is_written = true;
		if (!value || !is_written)
			continue;
		Synod__Definition__Option *option =
			arena_alloc(c->arena, sizeof *option);
		synod__definition__option__init(option);
		option->name = text(o->name);
		option->value = text(value);
		out->options[out->n_options++] = option;
	}
}

static void add_connection(struct compile *c,
			   Synod__Definition__Connection *definition,
			   struct config_place place)
{
	size_t n = c->out->n_connections++;
	c->out->connections[n] = definition;
	c->connections[n] = (struct compile_connection){
		.definition = definition,
		.connector = c->env->connector(definition->type),
		.place = place};
}

static void take_connection(struct compile *c,
			    const struct define_connection *k)
{
	Synod__Definition__Connection *out = arena_alloc(c->arena, sizeof *out);
	const Synod__Definition__Connection *old =
		find_connection(c->env->current, k->name);
	synod__definition__connection__init(out);
	out->name = text(k->name);
	out->type = text(k->type);
	take_options(c, k, out);
	out->id = old && strcmp(old->type, k->type) == 0 ? old->id : free_id(c);
	if (out->id == 0) {
		config_problem_add(c->problems, k->key->place, PROBLEM_LIMIT,
				   "no place for connection '%.64s': at most "
				   "%d, those that go in this step included",
				   k->name, LIMIT_CONNECTIONS);
		return;
	}
	add_connection(c, out, k->key->place);
}

static void take_connections(struct compile *c)
{
	const struct define_text *d = c->text;
	const Synod__Definition__Definition *old = c->env->current;
	size_t n = d->n_connections + (old ? old->n_connections : 0);
	c->out->connections =
		arena_alloc(c->arena, n * sizeof(c->out->connections[0]));
	c->connections = arena_alloc(c->arena, n * sizeof(c->connections[0]));
	for (size_t i = 0; i < d->n_connections; i++)
		take_connection(c, &d->connections[i]);
	/* A text without connections means those in force. */
	bool is_pruned = c->env->prune && d->connections_key;
	for (size_t i = 0; old && i < old->n_connections && !is_pruned; i++)
		if (!find_connection(c->out, old->connections[i]->name))
			add_connection(c, old->connections[i],
				       (struct config_place){0});
	if (c->out->n_connections > LIMIT_CONNECTIONS)
		config_problem_add(c->problems, (struct config_place){0},
				   PROBLEM_LIMIT,
				   "%zu connections are too many: at most %d",
				   c->out->n_connections, LIMIT_CONNECTIONS);
}

struct compile_connection *compile_connection(struct compile *c,
					      const char *name)
{
	for (size_t i = 0; i < c->out->n_connections; i++)
		if (strcmp(c->connections[i].definition->name, name) == 0)
			return &c->connections[i];
	return NULL;
}

/* Of one that mark_used has found: it would have ended with a problem. */
static struct compile_connection *known_connection(struct compile *c,
						   const char *name)
{
	struct compile_connection *k = compile_connection(c, name);

	CHECK(k != NULL);
	return k;
}

/* Those that syncs of the text use, and those that are new or changed. */
static void mark_used(struct compile *c)
{
	const struct define_text *d = c->text;
	for (size_t i = 0; i < d->n_syncs; i++)
		for (size_t j = 0; j < d->syncs[i].n_members; j++) {
			const struct define_name *m = &d->syncs[i].members[j];
			struct compile_connection *k =
				compile_connection(c, m->text);
			if (k) {
				k->is_used = true;
				continue;
			}
			config_problem_add(
				c->problems, m->node->place, PROBLEM_REFERENCE,
				"there is no connection '%.64s'", m->text);
			config_problem_note(c->problems,
					    "describe it under 'connections'");
		}
	for (size_t i = 0; i < c->out->n_connections; i++)
		if (c->connections[i].place.line > 0)
			c->connections[i].is_used = true;
}

/* -- syncs ----------------------------------------------------------------- */

static const Synod__Definition__Sync *
find_sync(const Synod__Definition__Definition *d, const char *name)
{
	for (size_t i = 0; d && i < d->n_syncs; i++)
		if (strcmp(d->syncs[i]->name, name) == 0)
			return d->syncs[i];
	return NULL;
}

static Synod__Definition__Policy *make_policy(struct compile *c,
					      const struct define_sync *s)
{
	Synod__Definition__Policy *out = arena_alloc(c->arena, sizeof *out);
	const char *prefer = s->conflicts.policy.prefer;
	synod__definition__policy__init(out);
	if (prefer) {
		out->rule = SYNOD__DEFINITION__POLICY__RULE__PREFER;
		out->prefer_id = known_connection(c, prefer)->definition->id;
	} else if (s->conflicts.policy.rule == RULE_QUEUE) {
		out->rule = SYNOD__DEFINITION__POLICY__RULE__QUEUE;
	}
	out->delete_vs_update = (Synod__Definition__Policy__DeleteRule)
					s->conflicts.delete_vs_update;
	return out;
}

static Synod__Definition__Initial *make_initial(struct compile *c,
						const struct define_sync *s)
{
	Synod__Definition__Initial *out = arena_alloc(c->arena, sizeof *out);
	const char *authority = s->initial.authority;
	synod__definition__initial__init(out);
	out->is_off = s->initial.load == LOAD_NONE;
	out->chunk = (uint32_t)s->initial.chunk;
	if (authority)
		out->authority_id =
			known_connection(c, authority)->definition->id;
	return out;
}

/* Its id is the old one's iff it means the same, byte for byte. */
static void give_id(struct compile *c, const Synod__Definition__Sync *old,
		    Synod__Definition__Table *t)
{
	for (size_t i = 0; old && i < old->n_tables; i++) {
		/* Packing each with each would take its time. */
		if (strcmp(old->tables[i]->name, t->name) != 0)
			continue;
		t->id = old->tables[i]->id;
		if (definition_same(&t->base, &old->tables[i]->base))
			return;
	}
	t->id = c->out->next_table_id++;
}

static int by_table_id(const void *a, const void *b)
{
	const Synod__Definition__Table *x =
		*(Synod__Definition__Table *const *)a;
	const Synod__Definition__Table *y =
		*(Synod__Definition__Table *const *)b;
	return (x->id > y->id) - (x->id < y->id);
}

static void remember_table(struct compile *c, const struct define_sync *s,
			   const Synod__Definition__Table *t)
{
	for (size_t i = 0; i < t->n_sides; i++) {
		struct compile_connection *k =
			known_connection(c, s->members[i].text);
		if (k->n_tables == k->cap_tables) {
			k->cap_tables = k->cap_tables ? 2 * k->cap_tables : 16;
			k->tables =
				mem_grow(k->tables,
					 k->cap_tables * sizeof(k->tables[0]));
		}
		k->tables[k->n_tables++] = (struct connector_table){
			.table = t,
			.side = t->sides[i],
			.wants_load = t->sides[i]->is_source &&
				      s->initial.load == LOAD_MERGE,
			.is_two_way = s->is_two_way,
			.load_chunk = (uint32_t)s->initial.chunk};
	}
}

static void take_tables(struct compile *c, const struct define_sync *s,
			const Synod__Definition__Sync *old,
			Synod__Definition__Sync *out)
{
	out->tables =
		arena_alloc(c->arena, s->n_tables * sizeof(out->tables[0]));
	for (size_t i = 0; i < s->n_tables; i++) {
		Synod__Definition__Table *t =
			compile_table(c, s, &s->tables[i]);
		if (!t)
			continue;
		give_id(c, old, t);
		remember_table(c, s, t);
		out->tables[out->n_tables++] = t;
	}
	if (out->n_tables > 1)
		qsort(out->tables, out->n_tables, sizeof(out->tables[0]),
		      by_table_id);
}

static void take_sync(struct compile *c, const struct define_sync *s)
{
	Synod__Definition__Sync *out = arena_alloc(c->arena, sizeof *out);
	const Synod__Definition__Sync *old =
		find_sync(c->env->current, s->name);
	synod__definition__sync__init(out);
	out->name = text(s->name);
	out->id = old ? old->id : c->out->next_sync_id++;
	out->is_two_way = s->is_two_way;
	out->n_connection_ids = s->n_members;
	out->connection_ids =
		arena_alloc(c->arena, s->n_members * sizeof(uint32_t));
	for (size_t i = 0; i < s->n_members; i++)
		out->connection_ids[i] =
			known_connection(c, s->members[i].text)->definition->id;
	out->policy = make_policy(c, s);
	out->initial = make_initial(c, s);
	take_tables(c, s, old, out);
	c->out->syncs[c->out->n_syncs++] = out;
}

/* A sync that stays as it is: its tables are taken. */
static void keep_sync(struct compile *c, Synod__Definition__Sync *s)
{
	const Synod__Definition__Definition *old = c->env->current;
	for (size_t i = 0; i < s->n_tables; i++)
		for (size_t j = 0; j < s->tables[i]->n_sides; j++) {
			const Synod__Definition__Side *side =
				s->tables[i]->sides[j];
			char key[LIMIT_NAME_BYTES + 512];
			const char *name = "";
			for (size_t k = 0; k < old->n_connections; k++)
				if (old->connections[k]->id ==
				    side->connection_id)
					name = old->connections[k]->name;
			snprintf(key, sizeof key, "%s %s", name, side->table);
			map_put(c->uses,
				(struct bytes){(const uint8_t *)key,
					       strlen(key)},
				(struct bytes){(const uint8_t *)s->name,
					       strlen(s->name) + 1});
		}
	c->out->syncs[c->out->n_syncs++] = s;
}

static bool is_in_text(const struct define_text *d, const char *name)
{
	for (size_t i = 0; i < d->n_syncs; i++)
		if (strcmp(d->syncs[i].name, name) == 0)
			return true;
	return false;
}

static void take_syncs(struct compile *c)
{
	const struct define_text *d = c->text;
	const Synod__Definition__Definition *old = c->env->current;
	size_t n = d->n_syncs + (old ? old->n_syncs : 0);
	c->out->syncs = arena_alloc(c->arena, n * sizeof(c->out->syncs[0]));
	for (size_t i = 0; old && i < old->n_syncs && !c->env->prune; i++)
		if (!is_in_text(d, old->syncs[i]->name))
			keep_sync(c, old->syncs[i]);
	for (size_t i = 0; i < d->n_syncs; i++)
		take_sync(c, &d->syncs[i]);
}

/* A connection of another kind has a new id: a sync that stays as it is would
 * mean one that is gone. */
static void check_kept(struct compile *c)
{
	for (size_t i = 0; i < c->out->n_syncs; i++) {
		const Synod__Definition__Sync *s = c->out->syncs[i];
		for (size_t j = 0; j < s->n_connection_ids; j++) {
			bool is_there = false;
			for (size_t k = 0; k < c->out->n_connections; k++)
				is_there |= c->out->connections[k]->id ==
					    s->connection_ids[j];
			if (is_there)
				continue;
			config_problem_add(
				c->problems, (struct config_place){0},
				PROBLEM_CONFLICT,
				"sync '%.64s' stays, and a connection of it "
				"becomes another one",
				s->name);
			config_problem_note(c->problems,
					    "name the sync here as well, or "
					    "give the connection another "
					    "name");
			break;
		}
	}
}

/* -- the whole ------------------------------------------------------------- */

static int by_connection_id(const void *a, const void *b)
{
	const Synod__Definition__Connection *x =
		*(Synod__Definition__Connection *const *)a;
	const Synod__Definition__Connection *y =
		*(Synod__Definition__Connection *const *)b;
	return (x->id > y->id) - (x->id < y->id);
}

static int by_sync_id(const void *a, const void *b)
{
	const Synod__Definition__Sync *x = *(Synod__Definition__Sync *const *)a;
	const Synod__Definition__Sync *y = *(Synod__Definition__Sync *const *)b;
	return (x->id > y->id) - (x->id < y->id);
}

static void *from_arena(void *ctx, size_t size)
{
	return arena_alloc(ctx, size);
}

static void keep(void *ctx, void *p)
{
	/* It dies with the arena. */
}

/* One packed form for one meaning; what was borrowed is copied. */
static int settle(struct compile *c, struct err *e)
{
	Synod__Definition__Definition *d = c->out;
	ProtobufCAllocator allocator = {from_arena, keep, c->arena};
	if (d->n_connections > 1)
		qsort(d->connections, d->n_connections,
		      sizeof(d->connections[0]), by_connection_id);
	if (d->n_syncs > 1)
		qsort(d->syncs, d->n_syncs, sizeof(d->syncs[0]), by_sync_id);
	size_t len = synod__definition__definition__get_packed_size(d);
	if (len > LIMIT_DEFINITION_BYTES)
		return err_set(e, ERR_LIMIT,
			       "the definition has %zu bytes, at most %zu", len,
			       LIMIT_DEFINITION_BYTES);
	uint8_t *packed = arena_alloc(c->arena, len + 1);
	synod__definition__definition__pack(d, packed);
	c->out = synod__definition__definition__unpack(&allocator, len, packed);
	CHECK(c->out);
	Synod__Definition__Definition none;
	synod__definition__definition__init(&none);
	struct catalog *before =
		catalog_of(c->env->current ? c->env->current : &none);
	int rc = definition_check(before, c->out, e);
	catalog_free(before);
	return rc;
}

static void prepare(struct compile *c)
{
	const Synod__Definition__Definition *old = c->env->current;
	c->out = arena_alloc(c->arena, sizeof *c->out);
	synod__definition__definition__init(c->out);
	c->out->next_sync_id = old ? old->next_sync_id : 1;
	c->out->next_table_id = old ? old->next_table_id : 1;
	c->n_problems = c->problems->n;
}

static bool has_problems(const struct compile *c)
{
	return c->problems->n > c->n_problems;
}

static int compile(struct compile *c, struct err *e)
{
	prepare(c);
	take_connections(c);
	mark_used(c);
	if (has_problems(c))
		return 0;
	compile_test(c);
	take_syncs(c);
	check_kept(c);
	if (has_problems(c))
		return 0;
	compile_check(c);
	if (c->is_broken)
		return 0;
	int rc = settle(c, e);
	if (rc)
		return rc;
	c->plan->definition = c->out;
	define_compare(c);
	return 0;
}

int define_plan(const struct define_text *d, const struct define_env *env,
		struct define_plan *out, struct config_problems *problems,
		struct err *e)
{
	*out = (struct define_plan){0};
	arena_init(&out->arena, 65536);
	struct compile c = {.text = d,
			    .env = env,
			    .plan = out,
			    .problems = problems,
			    .arena = &out->arena,
			    .uses = map_new()};
	int rc = compile(&c, e);
	for (size_t i = 0; c.out && i < c.out->n_connections; i++)
		free(c.connections[i].tables);
	map_free(c.uses);
	define_order(out);
	return rc;
}
