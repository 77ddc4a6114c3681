/* What no single setting of a definition can show: who takes part in a sync,
 * which columns make a field, which rows are meant. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "node/config_nearest.h"
#include "node/define_text.h"
#include "proto/limits.h"

struct check {
	struct define_text *d;
	struct config_problems *problems;
	struct arena *arena;
};

/* -- who takes part -------------------------------------------------------- */

static bool is_member(const struct define_sync *s, const char *name)
{
	for (size_t i = 0; i < s->n_members; i++)
		if (strcmp(s->members[i].text, name) == 0)
			return true;
	return false;
}

static void note_members(struct check *c, const struct define_sync *s,
			 const char *typed)
{
	struct config_nearest near = config_nearest_init(typed);
	char text[256] = "";
	size_t used = 0;
	for (size_t i = 0; i < s->n_members; i++) {
		config_nearest_try(&near, s->members[i].text);
		int n = snprintf(text + used, sizeof text - used, "%s%s",
				 i > 0 ? ", " : "", s->members[i].text);
		if (n > 0 && (size_t)n < sizeof text - used)
			used += (size_t)n;
	}
	if (near.best)
		config_problem_note(c->problems, "did you mean '%s'?",
				    near.best);
	else
		config_problem_note(c->problems, "of this sync are: %s", text);
}

/* A name that must be one of the sync's. */
static void check_member(struct check *c, const struct define_sync *s,
			 const char *name, struct config_place place)
{
	if (s->n_members == 0 || is_member(s, name))
		return;
	config_problem_add(c->problems, place, PROBLEM_REFERENCE,
			   "'%.64s' does not take part in sync '%.64s'", name,
			   s->name);
	note_members(c, s, name);
}

/* A file without connections means those that are in force. */
static void check_known(struct check *c, const struct define_name *name)
{
	struct define_text *d = c->d;
	struct config_nearest near = config_nearest_init(name->text);
	if (!d->connections_key)
		return;
	for (size_t i = 0; i < d->n_connections; i++) {
		if (strcmp(d->connections[i].name, name->text) == 0)
			return;
		config_nearest_try(&near, d->connections[i].name);
	}
	config_problem_add(c->problems, name->node->place, PROBLEM_REFERENCE,
			   "there is no connection '%.64s'", name->text);
	if (near.best)
		config_problem_note(c->problems, "did you mean '%s'?",
				    near.best);
	else
		config_problem_note(c->problems,
				    "describe it under 'connections' of this "
				    "file");
}

static void add_member(struct check *c, struct define_sync *s,
		       struct define_name name)
{
	if (!name.text)
		return; /* it was reported */
	if (is_member(s, name.text)) {
		config_problem_add(c->problems, name.node->place,
				   PROBLEM_CONFLICT, "'%.64s' takes part twice",
				   name.text);
		return;
	}
	check_known(c, &name);
	s->members[s->n_members++] = name;
}

static void check_members(struct check *c, struct define_sync *s)
{
	size_t n = s->n_between + s->n_to + 1;
	s->members = arena_alloc(c->arena, n * sizeof(s->members[0]));
	s->is_two_way = s->between_key != NULL;
	if (s->between_key && (s->from_key || s->to_key)) {
		const struct yaml_node *other =
			s->from_key ? s->from_key : s->to_key;
		config_problem_add(c->problems, other->place, PROBLEM_CONFLICT,
				   "'between' and '%s' exclude each other",
				   other->text);
		config_problem_note(c->problems,
				    "two-way: between: [a, b]; one-way: from: "
				    "a and to: b");
	} else if (!s->between_key && (!s->from_key || !s->to_key)) {
		config_problem_add(c->problems, s->key->place,
				   PROBLEM_MISSING_KEY,
				   "sync '%.64s' does not say between which "
				   "connections",
				   s->name);
		config_problem_note(c->problems,
				    "two-way: between: [a, b]; one-way: from: "
				    "a and to: b");
	}
	for (size_t i = 0; i < s->n_between; i++)
		add_member(c, s, s->between[i]);
	if (s->is_two_way)
		return;
	if (s->from)
		add_member(c, s,
			   (struct define_name){s->from, s->from_key->value});
	for (size_t i = 0; i < s->n_to; i++)
		add_member(c, s, s->to[i]);
}

/* -- tables ---------------------------------------------------------------- */

static void report_expression(struct check *c, const struct yaml_node *key)
{
	config_problem_add(c->problems, key->place, PROBLEM_LATER,
			   "'%.64s' is not built yet", key->text);
	config_problem_note(c->problems,
			    "Expressions are planned. Remove it for now.");
}

/* Keys of a mapping that are to be connections with a text each. */
static void check_sides(struct check *c, const struct define_sync *s,
			const struct config_others *sides, bool is_field)
{
	for (size_t i = 0; i < sides->n; i++) {
		const struct yaml_node *key = sides->keys[i];
		if (is_field && strncmp(key->text, "to_", 3) == 0 &&
		    !is_member(s, key->text)) {
			report_expression(c, key);
			continue;
		}
		check_member(c, s, key->text, key->place);
		define_value(c->problems, key);
	}
}

/* How many sides a field has. One of all columns, or one on each side, or it
 * is none: a column of one side that is not synced. */
static void check_field(struct check *c, const struct define_sync *s,
			const struct define_field *f)
{
	size_t n = 0;
	check_sides(c, s, &f->sides, true);
	if (f->column || !f->node || f->node->kind != TREE_MAPPING)
		return;
	for (size_t i = 0; i < s->n_members; i++)
		n += define_column(f, s->members[i].text, NULL) != NULL;
	if (n == 1 || n == s->n_members || s->n_members < 2)
		return;
	config_problem_add(c->problems, f->node->place, PROBLEM_MISSING_KEY,
			   "the field is on %zu of %zu sides", n, s->n_members);
	config_problem_note(c->problems,
			    "name its column for each connection of the "
			    "sync");
}

static void check_condition(struct check *c, struct define_where *w,
			    const struct yaml_node *key)
{
	const struct yaml_node *node = define_value(c->problems, key);
	struct define_condition *out = &w->conditions[w->n_conditions];
	struct err e = {0};
	struct where_text where;
	if (!node)
		return;
	*out = (struct define_condition){.connection = key->text, .node = node};
	w->n_conditions++;
	int rc = where_parse(node->text, c->arena, &where, &e);
	out->list = where.list;
	out->n = where.n;
	if (!rc)
		return;
	struct config_place place = define_place(node, where.end);
	config_problem_add(c->problems, place, PROBLEM_BAD_VALUE,
			   "the condition does not read: %.200s", e.text);
	config_problem_note(c->problems,
			    "write comparisons such as country = 'DE' and "
			    "total >= 100");
}

static void check_where(struct check *c, const struct define_sync *s,
			struct define_where *w)
{
	if (!w->key || w->sides.n == 0)
		return;
	w->conditions =
		arena_alloc(c->arena, w->sides.n * sizeof(w->conditions[0]));
	for (size_t i = 0; i < w->sides.n; i++) {
		const struct yaml_node *key = w->sides.keys[i];
		check_member(c, s, key->text, key->place);
		check_condition(c, w, key);
	}
}

static void check_table(struct check *c, const struct define_sync *s,
			struct define_table *t)
{
	check_sides(c, s, &t->sides, false);
	for (size_t i = 0; i < s->n_members; i++) {
		const char *name = s->members[i].text;
		if (t->node->kind != TREE_MAPPING || define_side(t, name, NULL))
			continue;
		config_problem_add(c->problems, t->node->place,
				   PROBLEM_MISSING_KEY,
				   "the table has no name on '%.64s'", name);
		config_problem_note(c->problems,
				    "add %.64s: NAME, or table: NAME where "
				    "all sides call it the same",
				    name);
	}
	for (size_t i = 0; i < t->n_fields; i++)
		check_field(c, s, &t->fields[i]);
	for (size_t i = 0; i < t->n_keys; i++)
		check_field(c, s, &t->keys[i]);
	check_where(c, s, &t->where);
}

static void check_sync(struct check *c, struct define_sync *s)
{
	check_members(c, s);
	for (size_t i = 0; i < s->n_tables; i++)
		check_table(c, s, &s->tables[i]);
	const char *prefer = s->conflicts.policy.prefer;
	if (prefer)
		check_member(c, s, prefer,
			     s->conflicts.policy.prefer_key->value->place);
	if (s->initial.authority)
		check_member(c, s, s->initial.authority,
			     s->initial.authority_key->value->place);
	if (s->mode_key && s->mode > 0) {
		config_problem_add(c->problems, s->mode_key->value->place,
				   PROBLEM_LATER,
				   "mode 'shadow' is not built yet");
		config_problem_note(c->problems,
				    "Comparing without writing is planned. "
				    "Remove it for now.");
	}
}

/* -- a table belongs to one sync ------------------------------------------- */

struct use {
	const char *connection, *table;
	const struct define_sync *sync;
	const struct yaml_node *node;
};

static int compare_uses(const void *a, const void *b)
{
	const struct use *x = a;
	const struct use *y = b;
	int order = strcmp(x->connection, y->connection);
	if (order == 0)
		order = strcmp(x->table, y->table);
	if (order != 0)
		return order;
	if (x->node->place.line != y->node->place.line)
		return x->node->place.line < y->node->place.line ? -1 : 1;
	return x->node->place.column < y->node->place.column ? -1 : 1;
}

static size_t gather_uses(const struct define_text *d, struct use *out)
{
	size_t n = 0;
	for (size_t i = 0; i < d->n_syncs; i++) {
		const struct define_sync *s = &d->syncs[i];
		for (size_t j = 0; j < s->n_tables * s->n_members; j++) {
			struct use use = {
				.connection = s->members[j % s->n_members].text,
				.sync = s};
			use.table = define_side(&s->tables[j / s->n_members],
						use.connection, &use.node);
			if (!use.table)
				continue;
			if (out)
				out[n] = use;
			n++;
		}
	}
	return n;
}

static void check_uses(struct check *c)
{
	size_t n = gather_uses(c->d, NULL);
	if (n == 0)
		return;
	struct use *uses = mem_zero(n, sizeof *uses);
	gather_uses(c->d, uses);
	qsort(uses, n, sizeof *uses, compare_uses);
	for (size_t i = 1; i < n; i++) {
		const struct use *a = &uses[i - 1];
		const struct use *b = &uses[i];
		if (strcmp(a->connection, b->connection) != 0 ||
		    strcmp(a->table, b->table) != 0)
			continue;
		config_problem_add(c->problems, b->node->place,
				   PROBLEM_CONFLICT,
				   "table '%.64s' of '%.64s' is synced twice",
				   b->table, b->connection);
		config_problem_note(c->problems,
				    "first on line %u, in sync '%.64s'",
				    a->node->place.line, a->sync->name);
	}
	free(uses);
}

/* False: too many to look at each. */
static bool check_limits(struct check *c)
{
	size_t n_tables = 0;
	size_t n_tasks = c->d->n_connections;
	for (size_t i = 0; i < c->d->n_syncs; i++) {
		n_tables += c->d->syncs[i].n_tables;
		n_tasks += c->d->syncs[i].n_members;
	}
	if (n_tables > LIMIT_TABLES)
		config_problem_add(c->problems, (struct config_place){0},
				   PROBLEM_LIMIT,
				   "%zu tables are too many: at most %d",
				   n_tables, LIMIT_TABLES);
	if (n_tasks > LIMIT_TASKS)
		config_problem_add(c->problems, (struct config_place){0},
				   PROBLEM_LIMIT,
				   "%zu tasks are too many: at most %d",
				   n_tasks, LIMIT_TASKS);
	return n_tables <= LIMIT_TABLES && n_tasks <= LIMIT_TASKS;
}

void define_check(struct define_text *d, define_connector find,
		  struct config_problems *problems)
{
	struct check c = {d, problems, &d->settings.arena};

	define_check_connections(d, find, problems);
	for (size_t i = 0; i < d->n_syncs; i++)
		check_sync(&c, &d->syncs[i]);
	if (check_limits(&c))
		check_uses(&c);
}
