#include "connectors/postgres/publication.h"

#include <string.h>

#include "connectors/postgres/checkpoint.h"
#include "connectors/postgres/sql.h"

/* What the server has now. */
struct found {
	bool is_there, has_root, has_checkpoint;
	bool is_all; /* FOR ALL TABLES, or of whole schemas */
	PGresult *tables;
};

static void found_clear(struct found *f)
{
	PQclear(f->tables);
	*f = (struct found){0};
}

static int look(struct session *s, const struct options *o, struct found *f,
		struct err *e)
{
	struct session_call call = {
		"select pubviaroot, puballtables from pg_publication where "
		"pubname = $1",
		1,
		{o->publication}};
	PGresult *r;

	*f = (struct found){0};
	int error = pg_session_call(s, &call, &r, e);
	if (error)
		return error;
	f->is_there = PQntuples(r) > 0;
	if (f->is_there) {
		f->has_root = PQgetvalue(r, 0, 0)[0] == 't';
		f->is_all = PQgetvalue(r, 0, 1)[0] == 't';
	}
	PQclear(r);
	call.sql = "select n.nspname, c.relname from pg_publication p, "
		   "pg_get_publication_tables(p.pubname) t join pg_class c on "
		   "c.oid = t.relid join pg_namespace n on n.oid = "
		   "c.relnamespace where p.pubname = $1";
	return pg_session_call(s, &call, &f->tables, e);
}

static bool has(const struct found *f, const char *schema, const char *name)
{
	for (int i = 0; i < PQntuples(f->tables); i++)
		if (strcmp(PQgetvalue(f->tables, i, 0), schema) == 0 &&
		    strcmp(PQgetvalue(f->tables, i, 1), name) == 0)
			return true;
	return false;
}

/* A table may be planned twice, for two syncs. */
static bool is_repeated(const struct publication_plan *p, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (p->tables[j].oid == p->tables[i].oid)
			return true;
	return false;
}

static size_t list_missing(const struct publication_plan *p,
			   const struct found *f, struct sql *sql)
{
	size_t n = 0;

	if (!has(f, p->options->schema, CHECKPOINT_TABLE)) {
		pg_sql_comma(sql, n++);
		pg_sql_table(sql, p->options->schema, CHECKPOINT_TABLE);
	}
	for (size_t i = 0; i < p->n; i++) {
		const struct schema_table *t = &p->tables[i];
		if (has(f, t->schema, t->name) || is_repeated(p, i))
			continue;
		pg_sql_comma(sql, n++);
		pg_sql_table(sql, t->schema, t->name);
	}
	return n;
}

/* The one statement that brings what is missing; false: nothing is. */
static bool repair(const struct publication_plan *p, const struct found *f,
		   struct sql *sql)
{
	struct sql list;

	pg_sql_init(&list);
	size_t n = list_missing(p, f, &list);
	if (!f->is_there) {
		pg_sql_add(sql, "create publication ");
		pg_sql_name(sql, p->options->publication);
		pg_sql_add(sql,
			   " for table %s with "
			   "(publish_via_partition_root = true)",
			   list.text);
	} else if (n) {
		pg_sql_add(sql, "alter publication ");
		pg_sql_name(sql, p->options->publication);
		pg_sql_add(sql, " add table %s", list.text);
	}
	pg_sql_free(&list);
	if (f->is_there && !f->has_root) {
		pg_sql_add(sql, "%salter publication ", n ? "; " : "");
		pg_sql_name(sql, p->options->publication);
		pg_sql_add(sql, " set (publish_via_partition_root = true)");
	}
	return sql->len > 0;
}

int pg_publication_missing(struct session *s, const struct publication_plan *p,
			   struct arena *arena, const char **out, struct err *e)
{
	struct found f;
	struct sql sql;

	int error = look(s, p->options, &f, e);
	if (!error) {
		pg_sql_init(&sql);
		*out = NULL;
		if (repair(p, &f, &sql)) {
			pg_sql_add(&sql, ";");
			*out = arena_strdup(arena, sql.text);
		}
		pg_sql_free(&sql);
	}
	found_clear(&f);
	return error;
}

static int check_history(const struct publication_plan *p,
			 const struct found *f, struct err *e)
{
	for (size_t i = 0; p->was_captured && i < p->n; i++) {
		const struct schema_table *t = &p->tables[i];
		if (p->was_captured[i] && !has(f, t->schema, t->name))
			return err_set(e, ERR_SCHEMA,
				       "table %s: it was taken out of "
				       "publication %s, changes of it were "
				       "missed; it has to be loaded again",
				       t->path, p->options->publication);
	}
	return 0;
}

/* What is no longer captured costs decoding for nothing; and a table without
 * an identity must not stay, its own writers would fail. */
static int drop_surplus(struct session *s, const struct publication_plan *p,
			const struct found *f, struct err *e)
{
	struct sql sql;
	size_t n = 0;

	pg_sql_init(&sql);
	for (int i = 0; i < PQntuples(f->tables); i++) {
		const char *schema = PQgetvalue(f->tables, i, 0);
		const char *name = PQgetvalue(f->tables, i, 1);
		bool is_wanted = strcmp(schema, p->options->schema) == 0 &&
				 strcmp(name, CHECKPOINT_TABLE) == 0;
		for (size_t j = 0; j < p->n && !is_wanted; j++)
			is_wanted = strcmp(schema, p->tables[j].schema) == 0 &&
				    strcmp(name, p->tables[j].name) == 0;
		if (is_wanted)
			continue;
		if (n == 0) {
			pg_sql_add(&sql, "alter publication ");
			pg_sql_name(&sql, p->options->publication);
			pg_sql_add(&sql, " drop table ");
		}
		pg_sql_comma(&sql, n++);
		pg_sql_table(&sql, schema, name);
	}
	int error = n ? pg_session_run(s, sql.text, e) : 0;
	pg_sql_free(&sql);
	/* A superuser made it for us: what is too much does no harm. */
	return error == ERR_PERMISSION ? 0 : error;
}

int pg_publication_ensure(struct session *s, const struct publication_plan *p,
			  struct err *e)
{
	struct found f;
	struct sql sql;

	pg_sql_init(&sql);
	int error = look(s, p->options, &f, e);
	if (!error)
		error = check_history(p, &f, e);
	if (!error && repair(p, &f, &sql)) {
		error = p->options->is_own_publication
				? pg_session_run(s, sql.text, e)
				: ERR_PERMISSION;
		if (error == ERR_PERMISSION)
			error = err_set(e, ERR_PERMISSION,
					"publication %s lacks tables, and role "
					"%s may not change it; run once: %s",
					p->options->publication,
					p->options->user, sql.text);
	}
	if (!error && f.is_there && !f.is_all && p->options->is_own_publication)
		error = drop_surplus(s, p, &f, e);
	pg_sql_free(&sql);
	found_clear(&f);
	return error;
}

int pg_publication_drop(struct session *s, const struct options *o,
			struct err *e)
{
	struct sql sql;

	if (!o->is_own_publication)
		return 0;
	pg_sql_init(&sql);
	pg_sql_add(&sql, "drop publication if exists ");
	pg_sql_name(&sql, o->publication);
	int error = pg_session_run(s, sql.text, e);
	pg_sql_free(&sql);
	return error;
}
