#include "define_fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum { COLUMNS_MAX = 64 };

struct fake_world fake_world;

static bool is_down(const struct connector_target *t)
{
	return fake_world.down &&
	       strcmp(fake_world.down, t->connection->name) == 0;
}

static int fake_test(const struct connector_target *t, char *text, size_t cap,
		     struct err *e)
{
	if (is_down(t))
		return err_set(e, ERR_NETWORK, "connection refused");
	snprintf(text, cap, "fake");
	return 0;
}

static bool is_of(const struct fake_column *c, const struct connector_target *t)
{
	return strcmp(c->connection, t->connection->name) == 0;
}

/* "items" is found as "main.items" too: names are made canonical. */
static bool is_table(const struct fake_column *c, const char *name)
{
	const char *dot = strrchr(c->table, '.');

	return strcmp(c->table, name) == 0 ||
	       (dot && strcmp(dot + 1, name) == 0);
}

static int fake_describe(const struct connector_target *t, const char *name,
			 struct arena *arena, struct connector_schema *out,
			 struct err *e)
{
	struct connector_column *list =
		arena_alloc(arena, COLUMNS_MAX * sizeof(list[0]));

	if (is_down(t))
		return err_set(e, ERR_NETWORK, "connection refused");
	*out = (struct connector_schema){.columns = list};
	for (const struct fake_column *c = fake_world.columns; c->table; c++) {
		if (!is_of(c, t) || !is_table(c, name))
			continue;
		CHECK(out->n < COLUMNS_MAX);
		out->table = c->table;
		list[out->n++] = (struct connector_column){
			.name = c->name,
			.type = c->type,
			.native = c->native,
			.is_key = c->is_key,
			.is_nullable = c->is_nullable,
			.is_generated = c->is_generated};
	}
	return out->n > 0 ? 0 : err_set(e, ERR_NOTFOUND, "no table %s", name);
}

static int fake_tables(const struct connector_target *t, struct arena *arena,
		       const char **names, size_t max, struct err *e)
{
	const char *last = "";
	int n = 0;

	for (const struct fake_column *c = fake_world.columns; c->table; c++) {
		if (!is_of(c, t) || strcmp(c->table, last) == 0 ||
		    (size_t)n == max)
			continue;
		last = names[n++] = c->table;
	}
	return n;
}

static const char *fake_refuses(const struct connector_column *column,
				enum value_type type, const char *native)
{
	bool is_same = strcmp(column->native, native) == 0;

	if (is_same)
		return NULL;
	if (fake_world.refused &&
	    strcmp(column->native, fake_world.refused) == 0)
		return "it is narrower";
	if (type == VALUE_NATIVE)
		return "another system's type";
	return column->type == type ? NULL : "another type";
}

static int fake_check(const struct connector_target *t,
		      const struct connector_table *tables, size_t n,
		      struct connector_findings *out, struct err *e)
{
	CHECK(n > 0 && tables[0].side && tables[0].table);
	if (fake_world.finding &&
	    strcmp(fake_world.finding, t->connection->name) == 0)
		connector_find(out, fake_world.is_finding_fatal,
			       tables[0].side->table, fake_world.finding_repair,
			       "%s", fake_world.finding_text);
	return 0;
}

static const char *const tls_words[] = {"disable", "require", NULL};

static const struct connector_option sqlite_list[] = {
	{.name = "path",
	 .doc = "File of the database.",
	 .is_required = true,
	 .is_path = true},
	{.name = "busy_ms",
	 .doc = "Wait.",
	 .preset = "5000",
	 .is_number = true},
	{.name = NULL},
};

static const struct connector_option postgres_list[] = {
	{.name = "host", .doc = "Host.", .preset = "127.0.0.1"},
	{.name = "database", .doc = "Database.", .is_required = true},
	{.name = "password", .doc = "Password.", .is_secret = true},
	{.name = "tls", .doc = "TLS.", .preset = "require", .words = tls_words},
	{.name = NULL},
};

static const struct connector kinds[] = {
	{.type = "sqlite",
	 .options = sqlite_list,
	 .test = fake_test,
	 .describe = fake_describe,
	 .tables = fake_tables,
	 .refuses = fake_refuses,
	 .check = fake_check},
	{.type = "postgresql",
	 .options = postgres_list,
	 .test = fake_test,
	 .describe = fake_describe,
	 .tables = fake_tables,
	 .refuses = fake_refuses,
	 .check = fake_check},
};

const struct connector *fake_connector(const char *type)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].type, type) == 0)
			return &kinds[i];
	return NULL;
}

void fake_plan(struct fake_plan *p, const char *text,
	       const Synod__Definition__Definition *current, bool prune)
{
	struct define_env env = {.connector = fake_connector,
				 .cluster = "00",
				 .base_dir = "/data",
				 .current = current,
				 .prune = prune};
	size_t len = 0;

	*p = (struct fake_plan){0};
	config_problems_init(&p->problems);
	struct define_text *d =
		define_read((struct bytes){(const uint8_t *)text, strlen(text)},
			    "t.yaml", fake_connector, &p->problems);
	if (d)
		p->code = define_plan(d, &env, &p->plan, &p->problems, &p->e);
	define_text_free(d);
	FILE *out = open_memstream(&p->shown, &len);
	CHECK(out);
	config_problems_print(&p->problems, out);
	fclose(out);
}

void fake_plan_clear(struct fake_plan *p)
{
	define_plan_clear(&p->plan);
	config_problems_clear(&p->problems);
	free(p->shown);
	*p = (struct fake_plan){0};
}

char *fake_lines(const struct fake_plan *p)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	CHECK(out);
	for (size_t i = 0; i < p->plan.n_changes; i++) {
		const struct define_change *c = &p->plan.changes[i];
		fprintf(out, "%c %s | %s | %s%s%s\n", c->mark, c->what,
			c->class_name, c->text, c->repair ? " | " : "",
			c->repair ? c->repair : "");
	}
	fclose(out);
	return text;
}
