#include "connectors/postgres/apply.h"

static bool is_key(const struct apply_target *t, size_t i)
{
	return t->table->table->fields[i]->is_key;
}

static const char *column(const struct apply_target *t, size_t i)
{
	return t->table->side->columns[i];
}

/* The names of the fields that are written; and their parameters. */
static void list(const struct apply_target *t, const uint8_t *fields,
		 struct sql *out)
{
	size_t n = 0, n_fields = t->table->table->n_fields;

	pg_sql_add(out, "(");
	for (size_t i = 0; i < n_fields; i++)
		if (fields[i]) {
			pg_sql_comma(out, n++);
			pg_sql_name(out, column(t, i));
		}
	pg_sql_add(out, ")");
}

static void key_list(const struct apply_target *t, struct sql *out)
{
	size_t n = 0;

	for (size_t i = 0; i < t->table->table->n_fields; i++)
		if (is_key(t, i)) {
			pg_sql_comma(out, n++);
			pg_sql_name(out, column(t, i));
		}
}

static void table(const struct apply_target *t, struct sql *out)
{
	pg_sql_table(out, t->schema.schema, t->schema.name);
}

/* " where k1 = $n and ..."; the key's parameters come last. */
static void where_key(const struct apply_target *t, size_t n, struct sql *out)
{
	bool is_first = true;

	for (size_t i = 0; i < t->table->table->n_fields; i++) {
		if (!is_key(t, i))
			continue;
		pg_sql_add(out, is_first ? " where " : " and ");
		pg_sql_name(out, column(t, i));
		pg_sql_add(out, " = $%zu", ++n);
		is_first = false;
	}
}

/* A field that UPDATE may set: the values of GENERATED ALWAYS identities can
 * only be inserted. */
static bool is_settable(const struct apply_target *t, size_t i)
{
	return !t->columns[i]->is_always;
}

static void insert(const struct apply_target *t, const uint8_t *fields,
		   struct sql *out)
{
	size_t n = 0;

	pg_sql_add(out, "insert into ");
	table(t, out);
	pg_sql_add(out, " as t ");
	list(t, fields, out);
	pg_sql_add(out, " overriding system value values (");
	for (size_t i = 0; i < t->table->table->n_fields; i++)
		if (fields[i]) {
			pg_sql_comma(out, n++);
			pg_sql_add(out, "$%zu", n);
		}
	pg_sql_add(out, ") on conflict (");
	key_list(t, out);
	pg_sql_add(out, ") do ");
}

/* The column's text, of the row that is there or of the one that comes. */
static void compare_list(const struct apply_target *t, const uint8_t *fields,
			 const char *of, struct sql *out)
{
	size_t n = 0;

	pg_sql_add(out, "row(");
	for (size_t i = 0; i < t->table->table->n_fields; i++)
		if (fields[i] && !is_key(t, i) && is_settable(t, i)) {
			pg_sql_comma(out, n++);
			pg_sql_add(out, "%s.", of);
			pg_sql_name(out, column(t, i));
			pg_sql_add(out, "::text");
		}
	pg_sql_add(out, ")");
}

static void upsert(const struct apply_target *t, const uint8_t *fields,
		   bool only_other, struct sql *out)
{
	size_t n = 0;

	insert(t, fields, out);
	size_t len = out->len;
	for (size_t i = 0; i < t->table->table->n_fields; i++) {
		if (!fields[i] || is_key(t, i) || !is_settable(t, i))
			continue;
		pg_sql_add(out, n++ ? ", " : "update set ");
		pg_sql_name(out, column(t, i));
		pg_sql_add(out, " = excluded.");
		pg_sql_name(out, column(t, i));
	}
	if (out->len == len) { /* nothing but the key */
		pg_sql_add(out, "nothing");
		return;
	}
	/* As texts: some types have no equality, and equal is not the same
	 * (1.0 and 1.00). */
	if (only_other) {
		pg_sql_add(out, " where ");
		compare_list(t, fields, "t", out);
		pg_sql_add(out, " is distinct from ");
		compare_list(t, fields, "excluded", out);
	}
}

/* Fails, with a division by zero, unless it meets a row. */
static void update(const struct apply_target *t, const uint8_t *fields,
		   bool with_key, struct sql *out)
{
	size_t n = 0;
	struct sql set;

	pg_sql_init(&set);
	for (size_t i = 0; i < t->table->table->n_fields; i++) {
		if (!fields[i] || (is_key(t, i) && !with_key))
			continue;
		if (!is_settable(t, i))
			continue;
		pg_sql_comma(&set, n++);
		pg_sql_name(&set, column(t, i));
		pg_sql_add(&set, " = $%zu", n);
	}
	if (n == 0) {
		pg_sql_add(out, "select 1 / count(*) from ");
		table(t, out);
		where_key(t, 0, out);
	} else {
		pg_sql_add(out, "with u as (update ");
		table(t, out);
		pg_sql_add(out, " set %s", set.text);
		where_key(t, n, out);
		pg_sql_add(out, " returning 1) select 1 / count(*) from u");
	}
	pg_sql_free(&set);
}

static void truncate_table(const struct apply_target *t, struct sql *out)
{
	pg_sql_add(out, t->can_truncate ? "truncate table " : "delete from ");
	table(t, out);
}

static void select_row(const struct apply_target *t, struct sql *out)
{
	pg_sql_add(out, "select ");
	for (size_t i = 0; i < t->table->table->n_fields; i++) {
		pg_sql_comma(out, i);
		pg_sql_name(out, column(t, i));
	}
	pg_sql_add(out, " from ");
	table(t, out);
	where_key(t, 0, out);
}

void pg_apply_sql(const struct apply_target *t, enum apply_op op,
		  const uint8_t *fields, struct sql *out)
{
	switch (op) {
	case APPLY_PUT:
		upsert(t, fields, false, out);
		break;
	case APPLY_READ_OVER:
		upsert(t, fields, true, out);
		break;
	case APPLY_READ:
		insert(t, fields, out);
		pg_sql_add(out, "nothing");
		break;
	case APPLY_PATCH:
		update(t, fields, false, out);
		break;
	case APPLY_MOVE:
		update(t, fields, true, out);
		break;
	case APPLY_DELETE:
		pg_sql_add(out, "delete from ");
		table(t, out);
		where_key(t, 0, out);
		break;
	case APPLY_TRUNCATE:
		truncate_table(t, out);
		break;
	case APPLY_SELECT:
		select_row(t, out);
		break;
	}
}
