/* One table of a sync: described on every side, its fields paired, its key and
 * its types found. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "node/config_nearest.h"
#include "node/define_compile.h"
#include "proto/limits.h"

enum { NAMES_MAX = 4096 };

/* A field: its column on each side. */
struct field {
	const struct connector_column **columns;
	struct config_place place;
	bool is_key;
};

struct side {
	struct compile_connection *connection;
	const char *name; /* of the connection */
	struct connector_schema schema;
	const struct yaml_node *node;
};

struct work {
	struct compile *c;
	const struct define_sync *sync;
	const struct define_table *text;
	struct side *sides;
	size_t n_sides;
	struct field *fields;
	size_t n_fields, cap_fields;
	bool is_bad;
};

static void report(struct work *w, struct config_place place,
		   enum problem_code code, const char *text)
{
	config_problem_add(w->c->problems, place, code, "%s", text);
	w->is_bad = true;
}

/* -- the sides ------------------------------------------------------------- */

static void report_table(struct work *w, const struct side *s,
			 const char *table)
{
	struct compile *c = w->c;
	struct config_nearest near = config_nearest_init(table);
	struct connector_target target = compile_target(c, s->connection);
	const char **names =
		arena_alloc(c->arena, NAMES_MAX * sizeof(names[0]));
	struct err e = {0};
	int n = s->connection->connector->tables(&target, c->arena, names,
						 NAMES_MAX, &e);
	for (int i = 0; i < n; i++) {
		const char *dot = strrchr(names[i], '.');
		config_nearest_try(&near, names[i]);
		if (dot && !strchr(table, '.'))
			config_nearest_try(&near, dot + 1);
	}
	config_problem_add(c->problems, s->node->place, PROBLEM_REFERENCE,
			   "there is no table '%.64s' on '%.64s'", table,
			   s->name);
	if (near.best)
		config_problem_note(c->problems, "did you mean '%s'?",
				    near.best);
	else
		config_problem_note(c->problems,
				    "see them: synodctl connection schema %s",
				    s->name);
	w->is_bad = true;
}

/* A table that takes part twice would be captured twice. */
static void check_use(struct work *w, const struct side *s)
{
	char key[LIMIT_NAME_BYTES + 512];
	struct bytes found;
	int n = snprintf(key, sizeof key, "%s %s", s->name, s->schema.table);
	size_t len = n < 0                    ? 0
		     : (size_t)n < sizeof key ? (size_t)n
					      : sizeof key - 1;
	struct bytes bytes = {(const uint8_t *)key, len};
	if (!map_get(w->c->uses, bytes, &found)) {
		const char *sync = w->sync->name;
		map_put(w->c->uses, bytes,
			(struct bytes){(const uint8_t *)sync,
				       strlen(sync) + 1});
		return;
	}
	config_problem_add(w->c->problems, s->node->place, PROBLEM_CONFLICT,
			   "table '%.100s' of '%.64s' is synced twice",
			   s->schema.table, s->name);
	config_problem_note(w->c->problems, "sync '%.64s' has it",
			    (const char *)found.data);
	w->is_bad = true;
}

static void describe(struct work *w, struct side *s, const char *member)
{
	struct compile *c = w->c;
	struct err e = {0};
	const char *table = define_side(w->text, member, &s->node);
	s->name = member;
	s->connection = compile_connection(c, member);
	if (!s->connection || s->connection->is_down || !table) {
		w->is_bad = true;
		return;
	}
	struct connector_target target = compile_target(c, s->connection);
	int rc = s->connection->connector->describe(&target, table, c->arena,
						    &s->schema, &e);
	if (rc == ERR_NOTFOUND) {
		report_table(w, s, table);
	} else if (rc == ERR_INVALID || rc == ERR_SCHEMA || rc == ERR_DATA ||
		   rc == ERR_LIMIT) {
		report(w, s->node->place, PROBLEM_BAD_VALUE, e.text);
	} else if (rc) {
		compile_down(c, s->connection, &e);
		w->is_bad = true;
	} else {
		check_use(w, s);
	}
}

/* -- fields ---------------------------------------------------------------- */

/* As it is written; else, if only one fits, whatever its case. */
static const struct connector_column *find_column(const struct side *s,
						  const char *name)
{
	const struct connector_column *found = NULL;
	for (size_t i = 0; i < s->schema.n; i++)
		if (strcmp(s->schema.columns[i].name, name) == 0)
			return &s->schema.columns[i];
	for (size_t i = 0; i < s->schema.n; i++) {
		if (strcasecmp(s->schema.columns[i].name, name) != 0)
			continue;
		if (found)
			return NULL;
		found = &s->schema.columns[i];
	}
	return found;
}

static void report_column(struct work *w, const struct side *s,
			  const char *name, struct config_place place)
{
	struct config_nearest near = config_nearest_init(name);
	for (size_t i = 0; i < s->schema.n; i++)
		config_nearest_try(&near, s->schema.columns[i].name);
	config_problem_add(w->c->problems, place, PROBLEM_REFERENCE,
			   "there is no column '%.64s' in '%.64s' of '%.64s'",
			   name, s->schema.table, s->name);
	if (near.best)
		config_problem_note(w->c->problems, "did you mean '%s'?",
				    near.best);
	else
		config_problem_note(
			w->c->problems,
			"see them: synodctl connection schema %s %s", s->name,
			s->schema.table);
	w->is_bad = true;
}

static bool is_taken(const struct work *w, size_t side,
		     const struct connector_column *column)
{
	for (size_t i = 0; i < w->n_fields; i++)
		if (w->fields[i].columns[side] == column)
			return true;
	return false;
}

static struct field *make_field(struct work *w, struct config_place place)
{
	struct compile *c = w->c;
	if (w->n_fields == w->cap_fields) {
		size_t cap = w->cap_fields ? 2 * w->cap_fields : 32;
		struct field *grown =
			arena_alloc(c->arena, cap * sizeof(grown[0]));
		if (w->n_fields > 0)
			memcpy(grown, w->fields,
			       w->n_fields * sizeof(grown[0]));
		w->fields = grown;
		w->cap_fields = cap;
	}
	struct field *f = &w->fields[w->n_fields];
	*f = (struct field){.place = place};
	f->columns = arena_alloc(c->arena, w->n_sides * sizeof(f->columns[0]));
	memset(f->columns, 0, w->n_sides * sizeof(f->columns[0]));
	return f;
}

/* The field goes in unless it is there already, as the same pair. */
static void keep_field(struct work *w, const struct field *f)
{
	for (size_t i = 0; i < w->n_fields; i++) {
		struct field *other = &w->fields[i];
		size_t n = 0;
		for (size_t j = 0; j < w->n_sides; j++)
			n += other->columns[j] == f->columns[j];
		if (n == w->n_sides) {
			other->is_key |= f->is_key;
			return;
		}
		if (n == 0)
			continue;
		report(w, f->place, PROBLEM_CONFLICT,
		       "a column belongs to two fields");
		return;
	}
	if (w->n_fields == LIMIT_FIELDS) {
		report(w, f->place, PROBLEM_LIMIT, "too many fields");
		return;
	}
	w->n_fields++;
}

/* A field that is written down. One that only one side has is none. */
static void take_written(struct work *w, const struct define_field *text,
			 bool is_key)
{
	struct field *f = make_field(w, text->node->place);
	bool is_whole = true;
	for (size_t i = 0; i < w->n_sides; i++)
		if (!define_column(text, w->sides[i].name, NULL))
			return;
	f->is_key = is_key;
	for (size_t i = 0; i < w->n_sides; i++) {
		const struct yaml_node *node = NULL;
		const struct side *s = &w->sides[i];
		const char *name = define_column(text, s->name, &node);
		f->columns[i] = find_column(s, name);
		if (!f->columns[i]) {
			report_column(w, s, name, node->place);
			is_whole = false;
		} else if (f->columns[i]->is_generated) {
			config_problem_add(w->c->problems, node->place,
					   PROBLEM_TYPES,
					   "column '%.64s' of '%.64s' is "
					   "generated and cannot be synced",
					   name, s->name);
			w->is_bad = true;
			is_whole = false;
		}
	}
	if (is_whole)
		keep_field(w, f);
}

/* The column of that name on every side, if nothing else has it. */
static void take_same(struct work *w, const struct connector_column *first)
{
	struct field *f = make_field(w, w->text->node->place);
	if (first->is_generated || is_taken(w, 0, first))
		return;
	f->columns[0] = first;
	for (size_t i = 1; i < w->n_sides; i++) {
		f->columns[i] = find_column(&w->sides[i], first->name);
		if (!f->columns[i] || f->columns[i]->is_generated ||
		    is_taken(w, i, f->columns[i]))
			return;
	}
	keep_field(w, f);
}

static void take_fields(struct work *w)
{
	const struct define_table *t = w->text;
	const struct connector_schema *first = &w->sides[0].schema;
	for (size_t i = 0; i < t->n_keys; i++)
		take_written(w, &t->keys[i], true);
	for (size_t i = 0; i < t->n_fields; i++)
		take_written(w, &t->fields[i], false);
	for (size_t i = 0; i < first->n; i++)
		if (!t->fields_key || first->columns[i].is_key)
			take_same(w, &first->columns[i]);
}

/* -- the key --------------------------------------------------------------- */

static size_t count_keys(const struct connector_schema *schema)
{
	size_t n = 0;
	for (size_t i = 0; i < schema->n; i++)
		n += schema->columns[i].is_key;
	return n;
}

static void report_key(struct work *w, const struct side *s)
{
	char text[256] = "";
	size_t used = 0;
	for (size_t i = 0; i < s->schema.n; i++) {
		if (!s->schema.columns[i].is_key)
			continue;
		int n = snprintf(text + used, sizeof text - used, "%s%s",
				 used > 0 ? ", " : "",
				 s->schema.columns[i].name);
		if (n > 0 && (size_t)n < sizeof text - used)
			used += (size_t)n;
	}
	config_problem_add(w->c->problems,
			   w->text->keys_key ? w->text->keys_key->place
					     : s->node->place,
			   PROBLEM_KEY,
			   "the primary keys do not match: (%s) of '%.64s' is "
			   "not that of the other sides",
			   text, s->name);
	config_problem_note(w->c->problems,
			    "pair columns of other names, such as key: { %s: "
			    "id, %s: other_id }",
			    w->sides[0].name,
			    w->sides[w->n_sides > 1 ? 1 : 0].name);
	w->is_bad = true;
}

/* The key is the primary key on every side. */
static void find_key(struct work *w)
{
	size_t n_keys = 0;
	for (size_t i = 0; i < w->n_sides; i++) {
		if (count_keys(&w->sides[i].schema) > 0)
			continue;
		config_problem_add(w->c->problems, w->sides[i].node->place,
				   PROBLEM_KEY,
				   "table '%.64s' of '%.64s' has no primary "
				   "key",
				   w->sides[i].schema.table, w->sides[i].name);
		config_problem_note(w->c->problems,
				    "rows cannot be told apart without one: "
				    "give it a primary key");
		w->is_bad = true;
	}
	if (w->is_bad)
		return;
	for (size_t i = 0; i < w->n_fields; i++) {
		struct field *f = &w->fields[i];
		bool is_key = true;
		for (size_t j = 0; j < w->n_sides; j++)
			is_key &= f->columns[j]->is_key;
		if (f->is_key && !is_key)
			report(w, f->place, PROBLEM_KEY,
			       "this is not the primary key on all sides");
		f->is_key = is_key;
		n_keys += is_key;
	}
	for (size_t i = 0; i < w->n_sides && !w->is_bad; i++)
		if (count_keys(&w->sides[i].schema) != n_keys)
			report_key(w, &w->sides[i]);
}

/* Fields of the key first, in the order of the first side's table. */
static void sort_fields(struct work *w)
{
	struct field *sorted =
		arena_alloc(w->c->arena, (w->n_fields + 1) * sizeof(sorted[0]));
	const struct connector_schema *first = &w->sides[0].schema;
	size_t n = 0;
	for (int turn = 0; turn < 2; turn++)
		for (size_t i = 0; i < first->n; i++)
			for (size_t j = 0; j < w->n_fields; j++)
				if (w->fields[j].columns[0] ==
					    &first->columns[i] &&
				    w->fields[j].is_key == (turn == 0))
					sorted[n++] = w->fields[j];
	w->fields = sorted;
	w->n_fields = n;
}

/* -- types ----------------------------------------------------------------- */

/* A value that one side may have and another cannot take. */
static void warn_null(struct work *w, const struct field *f)
{
	const struct connector_column *open = NULL;
	for (size_t i = 0; i < w->n_sides; i++)
		if (f->columns[i]->is_nullable &&
		    (w->sync->is_two_way || i == 0))
			open = f->columns[i];
	for (size_t i = w->sync->is_two_way ? 0 : 1; i < w->n_sides && open;
	     i++) {
		if (f->columns[i]->is_nullable)
			continue;
		struct define_change *change = define_change_add(
			w->c->plan, '!', "warning",
			"column %s of %s takes no NULL, another side has them: "
			"such rows become dead letters",
			f->columns[i]->name, w->sides[i].schema.table);
		define_change_what(w->c->plan, change, "connection %s",
				   w->sides[i].name);
		return;
	}
}

static void find_type(struct work *w, const struct field *f,
		      Synod__Definition__Field *out)
{
	struct compile_column *columns =
		arena_alloc(w->c->arena, w->n_sides * sizeof(columns[0]));
	char why[512];
	out->name = (char *)(uintptr_t)f->columns[0]->name;
	out->is_key = f->is_key;
	for (size_t i = 0; i < w->n_sides; i++) {
		const struct side *s = &w->sides[i];
		columns[i] = (struct compile_column){s->connection->connector,
						     s->name, s->schema.table,
						     f->columns[i]};
		if (w->sync->is_two_way || i == 0)
			out->is_nullable |= f->columns[i]->is_nullable;
	}
	if (compile_type(columns, w->n_sides, out, why)) {
		warn_null(w, f);
		return;
	}
	config_problem_add(w->c->problems, f->place, PROBLEM_TYPES,
			   "column '%.64s' cannot be synced without loss",
			   f->columns[0]->name);
	config_problem_note(w->c->problems, "%s", why);
	w->is_bad = true;
}

/* -- the whole ------------------------------------------------------------- */

static Synod__Definition__Side *make_side(struct work *w, size_t i)
{
	struct arena *arena = w->c->arena;
	const struct side *s = &w->sides[i];
	Synod__Definition__Side *out = arena_alloc(arena, sizeof *out);
	synod__definition__side__init(out);
	out->connection_id = s->connection->definition->id;
	out->table = (char *)(uintptr_t)s->schema.table;
	out->is_source = w->sync->is_two_way || i == 0;
	out->is_target = w->sync->is_two_way || i > 0;
	out->n_columns = w->n_fields;
	out->columns =
		arena_alloc(arena, w->n_fields * sizeof(out->columns[0]));
	for (size_t j = 0; j < w->n_fields; j++)
		out->columns[j] =
			(char *)(uintptr_t)w->fields[j].columns[i]->name;
	return out;
}

static Synod__Definition__Table *make_table(struct work *w)
{
	struct arena *arena = w->c->arena;
	Synod__Definition__Table *t = arena_alloc(arena, sizeof *t);
	synod__definition__table__init(t);
	t->name = (char *)(uintptr_t)w->sides[0].schema.table;
	t->n_fields = w->n_fields;
	t->fields = arena_alloc(arena, w->n_fields * sizeof(t->fields[0]));
	for (size_t i = 0; i < w->n_fields; i++) {
		t->fields[i] = arena_alloc(arena, sizeof(*t->fields[i]));
		synod__definition__field__init(t->fields[i]);
		find_type(w, &w->fields[i], t->fields[i]);
	}
	t->n_sides = w->n_sides;
	t->sides = arena_alloc(arena, w->n_sides * sizeof(t->sides[0]));
	for (size_t i = 0; i < w->n_sides; i++)
		t->sides[i] = make_side(w, i);
	if (!w->is_bad && !compile_where(w->c, w->sync, w->text, t))
		w->is_bad = true;
	return t;
}

Synod__Definition__Table *compile_table(struct compile *c,
					const struct define_sync *s,
					const struct define_table *t)
{
	struct work w = {.c = c, .sync = s, .text = t, .n_sides = s->n_members};

	w.sides = arena_alloc(c->arena, w.n_sides * sizeof(w.sides[0]));
	memset(w.sides, 0, w.n_sides * sizeof(w.sides[0]));
	for (size_t i = 0; i < w.n_sides; i++)
		describe(&w, &w.sides[i], s->members[i].text);
	if (w.is_bad)
		return NULL;
	take_fields(&w);
	if (!w.is_bad)
		find_key(&w);
	if (w.is_bad)
		return NULL;
	sort_fields(&w);
	Synod__Definition__Table *out = make_table(&w);
	return w.is_bad ? NULL : out;
}
