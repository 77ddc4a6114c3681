#include "connectors/postgres/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connectors/postgres/sql.h"
#include "connectors/postgres/types.h"

/* The name as it stands wins over the same in small letters, and public over
 * other schemas. */
static const char find_sql[] =
	"select c.oid from pg_class c join pg_namespace n "
	"on n.oid = c.relnamespace where c.relkind in ('r', 'p') "
	"and case when $1::text is null then n.nspname !~ '^pg_' and "
	"n.nspname <> 'information_schema' "
	"else n.nspname in ($1::text, lower($1::text)) end "
	"and c.relname in ($2::text, lower($2::text)) "
	"order by c.relname = $2::text desc, n.nspname = $1::text desc, "
	"n.nspname = 'public' desc, n.nspname limit 1";

/* leaf: what holds the rows, the table itself or all its partitions. key: the
 * columns of the primary key, or of the index that is the replica identity. */
static const char table_sql[] =
	"with c as (select * from pg_class where oid = $1::oid), "
	"leaf as (select l.* from pg_class l, c where case c.relkind "
	"when 'p' then l.oid in (select relid from pg_partition_tree(c.oid) "
	"where isleaf) else l.oid = c.oid end), "
	"idx as (select i.*, array(select a.attname::text from "
	"pg_attribute a where a.attrelid = i.indrelid and a.attnum = "
	"any((i.indkey::int2[])[0:i.indnkeyatts - 1])) as names "
	"from pg_index i where i.indrelid = any(array(select oid from leaf "
	"union select oid from c)) and i.indisunique and i.indisvalid), "
	"key as (select coalesce((select names from idx, c where indrelid = "
	"c.oid and indisprimary), (select names from idx, c where indrelid = "
	"c.oid and indisreplident), '{}') as names) "
	"select c.oid, n.nspname, c.relname, c.relkind, "
	"(select string_agg(distinct relreplident::text, '') from leaf), "
	"not exists (select from leaf, key where relreplident <> 'f' and "
	"(key.names = '{}' or not key.names <@ coalesce((select i.names from "
	"idx i where i.indrelid = "
	"leaf.oid and case leaf.relreplident when 'd' then i.indisprimary "
	"when 'i' then i.indisreplident else false end), '{}'))), "
	"exists (select from idx, key where indrelid = c.oid and indimmediate "
	"and indpred is null and indexprs is null and idx.names @> key.names "
	"and idx.names <@ key.names), "
	"exists (select from pg_constraint where conrelid = c.oid and "
	"condeferrable) or exists (select from pg_constraint where confrelid "
	"= c.oid and condeferrable), "
	"exists (select from pg_constraint where confrelid = c.oid and "
	"contype = 'f'), "
	"pg_has_role(c.relowner, 'USAGE'), "
	"has_table_privilege(c.oid, 'SELECT'), "
	"has_table_privilege(c.oid, 'INSERT'), "
	"has_table_privilege(c.oid, 'UPDATE'), "
	"has_table_privilege(c.oid, 'DELETE'), "
	"has_table_privilege(c.oid, 'TRUNCATE'), "
	"exists (select from leaf where reltoastrelid <> 0) or "
	"not exists (select from leaf), "
	"array_to_string(array(select quote_ident(x) from key, "
	"unnest(key.names) x), ' '), c.relpersistence = 'p' "
	"from c join pg_namespace n on n.oid = c.relnamespace";

static const char columns_sql[] =
	"with recursive chain(num, oid, mod, depth) as (select attnum, "
	"atttypid, atttypmod, 0 from pg_attribute where attrelid = $1::oid "
	"and attnum > 0 and not attisdropped union all select num, "
	"t.typbasetype, case when t.typtypmod >= 0 then t.typtypmod else mod "
	"end, depth + 1 from chain join pg_type t on t.oid = chain.oid where "
	"t.typtype = 'd'), base as (select distinct on (num) * from chain "
	"order by num, depth desc) "
	"select a.attname, t.oid, t.typtype, case t.typtype when 'e' then "
	"format_type(t.oid, null) || '(' || (select string_agg("
	"quote_literal(enumlabel), ',' order by enumsortorder) from pg_enum "
	"where enumtypid = t.oid) || ')' else format_type(base.oid, base.mod) "
	"end, a.atttypid, a.attnotnull, a.attgenerated, a.attidentity, "
	"a.attstorage, coalesce((select a.attnum = any((i.indkey::int2[])"
	"[0:i.indnkeyatts - 1]) from pg_index i where i.indrelid = a.attrelid "
	"and (i.indisprimary or i.indisreplident) order by i.indisprimary desc "
	"limit 1), false) "
	"from pg_attribute a join base on base.num = a.attnum join pg_type t "
	"on t.oid = base.oid where a.attrelid = $1::oid order by a.attnum";

static bool is_true(const PGresult *r, int row, int column)
{
	return PQgetvalue(r, row, column)[0] == 't';
}

static uint32_t oid_at(const PGresult *r, int row, int column)
{
	return (uint32_t)strtoul(PQgetvalue(r, row, column), NULL, 10);
}

static char *text_at(struct arena *arena, const PGresult *r, int row,
		     int column)
{
	return arena_strdup(arena, PQgetvalue(r, row, column));
}

/* Of several letters, that of the partition with which we could do least. */
static char weakest(const char *letters)
{
	for (const char *order = "ndif"; *order; order++)
		if (strchr(letters, *order))
			return *order;
	return 'd'; /* partitioned, and no partition yet */
}

static void table_of(const PGresult *r, struct arena *arena,
		     struct schema_table *t)
{
	struct sql path;

	*t = (struct schema_table){
		.oid = oid_at(r, 0, 0),
		.schema = text_at(arena, r, 0, 1),
		.name = text_at(arena, r, 0, 2),
		.kind = PQgetvalue(r, 0, 3)[0],
		.identity = weakest(PQgetvalue(r, 0, 4)),
		.identity_has_key = is_true(r, 0, 5),
		.has_key = is_true(r, 0, 6),
		.has_deferrable = is_true(r, 0, 7),
		.is_referenced = is_true(r, 0, 8),
		.is_owned = is_true(r, 0, 9),
		.can_select = is_true(r, 0, 10),
		.can_insert = is_true(r, 0, 11),
		.can_update = is_true(r, 0, 12),
		.can_delete = is_true(r, 0, 13),
		.can_truncate = is_true(r, 0, 14),
		.is_logged = is_true(r, 0, 17),
	};
	pg_sql_init(&path);
	pg_sql_path_add(&path, t->schema, t->name);
	t->path = arena_strdup(arena, path.text);
	pg_sql_free(&path);
}

static void columns_of(const PGresult *r, struct arena *arena, bool has_toast,
		       struct schema_table *t)
{
	t->n = (size_t)PQntuples(r);
	t->columns = arena_alloc(arena, (t->n + 1) * sizeof *t->columns);
	for (int i = 0; i < PQntuples(r); i++) {
		char storage = PQgetvalue(r, i, 8)[0];
		t->columns[i] = (struct schema_column){
			.name = text_at(arena, r, i, 0),
			.type = pg_types_of(oid_at(r, i, 1),
					    PQgetvalue(r, i, 2)[0]),
			.native = text_at(arena, r, i, 3),
			.oid = oid_at(r, i, 4),
			.is_nullable = !is_true(r, i, 5),
			.is_generated = PQgetvalue(r, i, 6)[0] == 's',
			.is_always = PQgetvalue(r, i, 7)[0] == 'a',
			.is_large = has_toast && storage != 'p',
			.is_extended =
				has_toast && (storage == 'x' || storage == 'e'),
			.is_key = is_true(r, i, 9),
		};
	}
}

static int find(struct session *s, const char *name, char *oid, size_t cap,
		struct err *e)
{
	struct arena scratch;
	struct sql_path path;
	PGresult *r = NULL;

	arena_init(&scratch, 256);
	int error = 0;
	if (!pg_sql_parse_path(name, &scratch, &path)) {
		error = err_set(e, ERR_NOTFOUND,
				"%s is no name of a table: schema.name", name);
	} else {
		struct session_call call = {
			find_sql, 2, {path.schema, path.name}};
		error = pg_session_call(s, &call, &r, e);
	}
	if (!error && PQntuples(r) == 0)
		error = err_set(e, ERR_NOTFOUND, "there is no table %s", name);
	if (!error)
		snprintf(oid, cap, "%s", PQgetvalue(r, 0, 0));
	PQclear(r);
	arena_free(&scratch);
	return error;
}

int pg_schema_read(struct session *s, const char *name, struct arena *arena,
		   struct schema_table *out, struct err *e)
{
	char oid[16];
	PGresult *r;

	int error = find(s, name, oid, sizeof oid, e);
	if (error)
		return error;
	struct session_call call = {table_sql, 1, {oid}};
	error = pg_session_call(s, &call, &r, e);
	if (error)
		return error;
	if (PQntuples(r) == 0) {
		PQclear(r);
		return err_set(e, ERR_NOTFOUND, "there is no table %s", name);
	}
	table_of(r, arena, out);
	bool has_toast = is_true(r, 0, 15);
	PQclear(r);
	call.sql = columns_sql;
	error = pg_session_call(s, &call, &r, e);
	if (error)
		return error;
	columns_of(r, arena, has_toast, out);
	PQclear(r);
	return 0;
}

const struct schema_column *pg_schema_find(const struct schema_table *t,
					   const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->columns[i].name, name) == 0)
			return &t->columns[i];
	return NULL;
}

int pg_schema_list(struct session *s, const char *ours, struct arena *arena,
		   struct schema_names *out, struct err *e)
{
	struct session_call call = {
		"select n.nspname, c.relname from pg_class c join "
		"pg_namespace n on n.oid = c.relnamespace where c.relkind in "
		"('r', 'p') and not c.relispartition and c.relpersistence = "
		"'p' and n.nspname !~ '^pg_' and n.nspname not in "
		"('information_schema', $1) order by 1, 2",
		1,
		{ours}};
	PGresult *r;

	int error = pg_session_call(s, &call, &r, e);
	if (error)
		return error;
	int n = 0;
	for (; n < PQntuples(r) && (size_t)n < out->max; n++) {
		struct sql path;
		pg_sql_init(&path);
		pg_sql_path_add(&path, PQgetvalue(r, n, 0),
				PQgetvalue(r, n, 1));
		out->names[n] = arena_strdup(arena, path.text);
		pg_sql_free(&path);
	}
	PQclear(r);
	return n;
}

int pg_schema_match(const struct schema_table *t,
		    const struct connector_table *planned, struct err *e)
{
	const Synod__Definition__Table *table = planned->table;
	const Synod__Definition__Side *side = planned->side;

	for (size_t i = 0; i < table->n_fields && i < side->n_columns; i++) {
		const struct schema_column *c =
			pg_schema_find(t, side->columns[i]);
		const char *was = value_type_name(
			(enum value_type)table->fields[i]->type);
		if (!c)
			return err_set(e, ERR_SCHEMA,
				       "table %s: column %s is gone", t->path,
				       side->columns[i]);
		if ((uint32_t)c->type != table->fields[i]->type)
			return err_set(
				e, ERR_SCHEMA,
				"table %s: column %s is %s now, planned as %s",
				t->path, c->name, c->native, was ? was : "?");
	}
	return 0;
}
