/* Compare: what a new definition changes, line by line, and how deep it goes.
 *
 *   new          something that was not there
 *   live         counts from the next change on; nothing stops
 *   restart      tasks start again where they were
 *   reload       the table is another one: its rows are brought over again
 *   destructive  what is known of it goes: positions, conflicts, dead letters
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "cluster/core/definition.h"
#include "node/define_compile.h"
#include "proto/limits.h"
#include "proto/value.h"

enum { LINE_MAX_BYTES = 1024 };

/* -- lines ----------------------------------------------------------------- */

__attribute__((format(printf, 2, 0))) static const char *
format(struct define_plan *p, const char *fmt, va_list args)
{
	char text[LINE_MAX_BYTES];
	vsnprintf(text, sizeof text, fmt, args);
	return arena_strdup(&p->arena, text);
}

struct define_change *define_change_add(struct define_plan *p, char mark,
					const char *class_name, const char *fmt,
					...)
{
	if (p->n_changes == p->changes_cap) {
		p->changes_cap = p->changes_cap ? 2 * p->changes_cap : 32;
		p->changes = mem_grow(p->changes,
				      p->changes_cap * sizeof(p->changes[0]));
	}
	struct define_change *change = &p->changes[p->n_changes++];
	va_list args;
	va_start(args, fmt);
	*change = (struct define_change){.mark = mark,
					 .what = "",
					 .class_name = class_name,
					 .text = format(p, fmt, args)};
	va_end(args);
	return change;
}

struct define_change *define_change_what(struct define_plan *p,
					 struct define_change *change,
					 const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	change->what = format(p, fmt, args);
	va_end(args);
	return change;
}

/* A text that grows; what does not fit is left out. */
struct line {
	char text[LINE_MAX_BYTES];
	size_t len;
};

__attribute__((format(printf, 2, 3))) static void put(struct line *l,
						      const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(l->text + l->len, sizeof l->text - l->len, fmt, args);
	va_end(args);
	if (n > 0)
		l->len += (size_t)n < sizeof l->text - l->len
				  ? (size_t)n
				  : sizeof l->text - l->len - 1;
}

/* -- names ----------------------------------------------------------------- */

static const char *name_of(const Synod__Definition__Definition *d, uint32_t id)
{
	for (size_t i = 0; i < d->n_connections; i++)
		if (d->connections[i]->id == id)
			return d->connections[i]->name;
	return "?";
}

static void put_members(struct line *l, const Synod__Definition__Definition *d,
			const Synod__Definition__Sync *s)
{
	for (size_t i = 0; i < s->n_connection_ids; i++)
		put(l, "%s%s",
		    i == 0          ? ""
		    : s->is_two_way ? " <-> "
		    : i == 1        ? " -> "
				    : ", ",
		    name_of(d, s->connection_ids[i]));
}

static void put_option(struct line *l, const Synod__Definition__Option *o)
{
	put(l, " %s=%s", o->name, o->value);
}

static void put_fields(struct line *l, const Synod__Definition__Table *t)
{
	for (size_t i = 0; i < t->n_fields; i++)
		put(l, "%s%s%s", i > 0 ? ", " : "", t->fields[i]->name,
		    t->fields[i]->is_key ? " (key)" : "");
}

static void put_rule(struct line *l, const Synod__Definition__Definition *d,
		     const Synod__Definition__Policy *p)
{
	static const char *const rules[] = {"last-write-wins", "prefer",
					    "queue"};
	unsigned rule = p ? (unsigned)p->rule : 0;
	if (rule == SYNOD__DEFINITION__POLICY__RULE__PREFER)
		put(l, "prefer %s", name_of(d, p->prefer_id));
	else
		put(l, "%s", rule < 3 ? rules[rule] : "?");
}

static const char *delete_rule(const Synod__Definition__Policy *p)
{
	static const char *const rules[] = {"as-default", "update-wins",
					    "delete-wins", "queue"};
	unsigned rule = p ? (unsigned)p->delete_vs_update : 0;
	return rule < 4 ? rules[rule] : "?";
}

/* -- connections ----------------------------------------------------------- */

struct compare {
	struct define_plan *plan;
	const struct compile *compile;
	const Synod__Definition__Definition *old, *new;
};

static const Synod__Definition__Connection *
find_connection(const Synod__Definition__Definition *d, const char *name)
{
	for (size_t i = 0; i < d->n_connections; i++)
		if (strcmp(d->connections[i]->name, name) == 0)
			return d->connections[i];
	return NULL;
}

static const Synod__Definition__Option *
find_option(const Synod__Definition__Connection *c, const char *name)
{
	for (size_t i = 0; i < c->n_options; i++)
		if (strcmp(c->options[i]->name, name) == 0)
			return c->options[i];
	return NULL;
}

/* "path /a -> /b, user - -> synod" */
static void put_options(struct line *l, const Synod__Definition__Connection *a,
			const Synod__Definition__Connection *b)
{
	for (size_t i = 0; i < b->n_options; i++) {
		const Synod__Definition__Option *was =
			find_option(a, b->options[i]->name);
		if (was && strcmp(was->value, b->options[i]->value) == 0)
			continue;
		put(l, "%s%s %s -> %s", l->len > 0 ? ", " : "",
		    b->options[i]->name, was ? was->value : "(default)",
		    b->options[i]->value);
	}
	for (size_t i = 0; i < a->n_options; i++)
		if (!find_option(b, a->options[i]->name))
			put(l, "%s%s %s -> (default)", l->len > 0 ? ", " : "",
			    a->options[i]->name, a->options[i]->value);
}

static void add_line(struct compare *k, char mark, const char *class_name,
		     const char *what, const struct line *l)
{
	struct define_change *change =
		define_change_add(k->plan, mark, class_name, "%s", l->text);
	define_change_what(k->plan, change, "%s", what);
}

static void compare_connection(struct compare *k,
			       const Synod__Definition__Connection *c)
{
	const Synod__Definition__Connection *was =
		find_connection(k->old, c->name);
	struct line l = {0};
	char what[LIMIT_NAME_BYTES + 32];
	snprintf(what, sizeof what, "connection %s", c->name);
	if (!was) {
		put(&l, "%s", c->type);
		for (size_t i = 0; i < c->n_options; i++)
			put_option(&l, c->options[i]);
		add_line(k, '+', "new", what, &l);
	} else if (was->id != c->id) {
		put(&l, "type %s -> %s: another system", was->type, c->type);
		add_line(k, '~', "destructive", what, &l);
	} else if (!definition_same(&was->base, &c->base)) {
		put_options(&l, was, c);
		add_line(k, '~', "restart", what, &l);
	}
}

/* -- tables ---------------------------------------------------------------- */

static const Synod__Definition__Table *
find_table(const Synod__Definition__Sync *s, uint32_t id)
{
	for (size_t i = 0; i < s->n_tables; i++)
		if (s->tables[i]->id == id)
			return s->tables[i];
	return NULL;
}

/* What a table that has another id now was before. */
static const Synod__Definition__Table *
find_former(const Synod__Definition__Sync *old,
	    const Synod__Definition__Sync *new,
	    const Synod__Definition__Table *t)
{
	for (size_t i = 0; i < old->n_tables; i++)
		if (!find_table(new, old->tables[i]->id) &&
		    strcmp(old->tables[i]->name, t->name) == 0)
			return old->tables[i];
	return NULL;
}

static const Synod__Definition__Field *
find_field(const Synod__Definition__Table *t, const char *name)
{
	for (size_t i = 0; i < t->n_fields; i++)
		if (strcmp(t->fields[i]->name, name) == 0)
			return t->fields[i];
	return NULL;
}

/* "+ loyalty, - notes, qty int64 -> decimal" */
static void put_table(struct line *l, const Synod__Definition__Table *a,
		      const Synod__Definition__Table *b)
{
	for (size_t i = 0; i < b->n_fields; i++) {
		const Synod__Definition__Field *f = b->fields[i];
		const Synod__Definition__Field *was = find_field(a, f->name);
		const char *comma = l->len > 0 ? ", " : "";
		if (!was)
			put(l, "%s+ %s", comma, f->name);
		else if (was->type != f->type)
			put(l, "%s%s %s -> %s", comma, f->name,
			    value_type_name((enum value_type)was->type),
			    value_type_name((enum value_type)f->type));
		else if (!definition_same(&was->base, &f->base))
			put(l, "%s%s differs", comma, f->name);
	}
	for (size_t i = 0; i < a->n_fields; i++)
		if (!find_field(b, a->fields[i]->name))
			put(l, "%s- %s", l->len > 0 ? ", " : "",
			    a->fields[i]->name);
	if (l->len == 0)
		put(l, "sides or conditions differ");
	put(l, "; its rows are brought over again");
}

static void compare_table(struct compare *k, const Synod__Definition__Sync *was,
			  const Synod__Definition__Sync *s,
			  const Synod__Definition__Table *t)
{
	const Synod__Definition__Table *former = find_former(was, s, t);
	struct line l = {0};
	char what[LINE_MAX_BYTES];
	if (find_table(was, t->id))
		return;
	snprintf(what, sizeof what, "table %s/%.300s", s->name, t->name);
	if (former)
		put_table(&l, former, t);
	else
		put_fields(&l, t);
	add_line(k, former ? '~' : '+', former ? "reload" : "new", what, &l);
}

static void compare_gone(struct compare *k, const Synod__Definition__Sync *was,
			 const Synod__Definition__Sync *s)
{
	for (size_t i = 0; i < was->n_tables; i++) {
		const Synod__Definition__Table *t = was->tables[i];
		bool is_kept = find_table(s, t->id) != NULL;
		for (size_t j = 0; j < s->n_tables; j++)
			is_kept |= strcmp(s->tables[j]->name, t->name) == 0;
		struct line l = {0};
		char what[LINE_MAX_BYTES];
		if (is_kept)
			continue;
		snprintf(what, sizeof what, "table %s/%.300s", s->name,
			 t->name);
		put(&l, "no longer synced; its rows stay where they are");
		add_line(k, '-', "destructive", what, &l);
	}
}

/* -- syncs ----------------------------------------------------------------- */

static const Synod__Definition__Sync *
find_sync(const Synod__Definition__Definition *d, const char *name)
{
	for (size_t i = 0; i < d->n_syncs; i++)
		if (strcmp(d->syncs[i]->name, name) == 0)
			return d->syncs[i];
	return NULL;
}

static void compare_setting(struct compare *k, const char *what,
			    const char *setting, const struct line *was,
			    const struct line *now)
{
	struct line l = {0};
	if (strcmp(was->text, now->text) == 0)
		return;
	put(&l, "%s  %.400s  ->  %.400s", setting, was->text, now->text);
	bool is_live = strncmp(setting, "between", 7) != 0;
	add_line(k, '~', is_live ? "live" : "restart", what, &l);
}

static void put_initial(struct line *l, const Synod__Definition__Definition *d,
			const Synod__Definition__Initial *i)
{
	if (i)
		put(l, "%s, authority %s, chunk %" PRIu32,
		    i->is_off ? "none" : "merge",
		    i->authority_id ? name_of(d, i->authority_id) : "none",
		    i->chunk);
}

static void compare_settings(struct compare *k,
			     const Synod__Definition__Sync *was,
			     const Synod__Definition__Sync *s, const char *what)
{
	struct line a = {0};
	struct line b = {0};
	put_members(&a, k->old, was);
	put_members(&b, k->new, s);
	compare_setting(k, what, "between", &a, &b);
	a = b = (struct line){0};
	put_rule(&a, k->old, was->policy);
	put_rule(&b, k->new, s->policy);
	compare_setting(k, what, "conflicts.default", &a, &b);
	a = b = (struct line){0};
	put(&a, "%s", delete_rule(was->policy));
	put(&b, "%s", delete_rule(s->policy));
	compare_setting(k, what, "conflicts.delete_vs_update", &a, &b);
	a = b = (struct line){0};
	put_initial(&a, k->old, was->initial);
	put_initial(&b, k->new, s->initial);
	compare_setting(k, what, "initial", &a, &b);
}

static void compare_sync(struct compare *k, const Synod__Definition__Sync *s)
{
	const Synod__Definition__Sync *was = find_sync(k->old, s->name);
	char what[LIMIT_NAME_BYTES + 32];
	struct line l = {0};
	snprintf(what, sizeof what, "sync %s", s->name);
	if (!was) {
		put_members(&l, k->new, s);
		put(&l, ", %zu table%s", s->n_tables,
		    s->n_tables == 1 ? "" : "s");
		add_line(k, '+', "new", what, &l);
		return;
	}
	compare_settings(k, was, s, what);
	for (size_t i = 0; i < s->n_tables; i++)
		compare_table(k, was, s, s->tables[i]);
	compare_gone(k, was, s);
}

/* -- the whole ------------------------------------------------------------- */

static bool is_in_text(const struct define_text *d, const char *name,
		       bool is_sync)
{
	size_t n = is_sync ? d->n_syncs : d->n_connections;
	for (size_t i = 0; i < n; i++)
		if (strcmp(is_sync ? d->syncs[i].name : d->connections[i].name,
			   name) == 0)
			return true;
	return false;
}

/* What stays without being named: nobody shall wonder. */
static void add_kept(struct compare *k)
{
	const struct define_text *d = k->compile->text;
	struct line l = {0};
	char what[LIMIT_NAME_BYTES + 32];
	put(&l, "stays: it is not named here (--prune removes it)");
	for (size_t i = 0; i < k->new->n_syncs; i++) {
		if (is_in_text(d, k->new->syncs[i]->name, true))
			continue;
		snprintf(what, sizeof what, "sync %s", k->new->syncs[i]->name);
		add_line(k, '=', "kept", what, &l);
	}
	for (size_t i = 0; d->connections_key && i < k->new->n_connections;
	     i++) {
		const char *name = k->new->connections[i]->name;
		if (is_in_text(d, name, false))
			continue;
		snprintf(what, sizeof what, "connection %s", name);
		add_line(k, '=', "kept", what, &l);
	}
}

static void add_gone(struct compare *k)
{
	char what[LIMIT_NAME_BYTES + 32];
	struct line l = {0};
	put(&l, "its positions, open conflicts and dead letters go; rows stay "
		"where they are");
	for (size_t i = 0; i < k->old->n_syncs; i++) {
		if (find_sync(k->new, k->old->syncs[i]->name))
			continue;
		snprintf(what, sizeof what, "sync %s", k->old->syncs[i]->name);
		add_line(k, '-', "destructive", what, &l);
	}
	l = (struct line){0};
	put(&l, "what was kept there for Synod is no longer read");
	for (size_t i = 0; i < k->old->n_connections; i++) {
		const char *name = k->old->connections[i]->name;
		if (find_connection(k->new, name))
			continue;
		snprintf(what, sizeof what, "connection %s", name);
		add_line(k, '-', "destructive", what, &l);
	}
}

static uint64_t digest_of(const Synod__Definition__Definition *d, uint64_t seed)
{
	size_t len = synod__definition__definition__get_packed_size(d);
	uint8_t *buf = mem_alloc(len + 1);
	synod__definition__definition__pack(d, buf);
	uint64_t digest = digest64_seed(buf, len, seed);
	free(buf);
	return digest;
}

void define_compare(struct compile *c)
{
	Synod__Definition__Definition none;
	synod__definition__definition__init(&none);
	struct compare k = {.plan = c->plan,
			    .compile = c,
			    .old = c->env->current ? c->env->current : &none,
			    .new = c->out};
	for (size_t i = 0; i < k.new->n_connections; i++)
		compare_connection(&k, k.new->connections[i]);
	for (size_t i = 0; i < k.new->n_syncs; i++)
		compare_sync(&k, k.new->syncs[i]);
	add_gone(&k);
	add_kept(&k);
	snprintf(c->plan->hash, sizeof c->plan->hash, "%016" PRIx64,
		 digest_of(k.new, digest_of(k.old, 0)));
}

void define_order(struct define_plan *p)
{
	struct define_change *sorted =
		mem_zero(p->n_changes + 1, sizeof(*sorted));
	size_t n = 0;
	for (int turn = 0; turn < 2; turn++)
		for (size_t i = 0; i < p->n_changes; i++)
			if ((p->changes[i].mark == '!') == (turn == 1))
				sorted[n++] = p->changes[i];
	free(p->changes);
	p->changes = sorted;
	p->changes_cap = p->n_changes + 1;
}

void define_plan_clear(struct define_plan *p)
{
	free(p->changes);
	arena_free(&p->arena);
	*p = (struct define_plan){0};
}
