#include "connectors/sqlite/applied_sql.h"

static const char *name_of(const struct applied *t, uint32_t i)
{
	return t->ct->side->columns[i];
}

static bool is_told(const struct value *v)
{
	return v->state == VALUE_SET || v->state == VALUE_NULL;
}

/* A row and the table that it is written to. */
struct subject {
	const struct applied *t;
	const struct apply_row *row;
};

bool sqlite_applied_has(const struct apply_row *row, uint32_t field)
{
	return field < row->change.n_values && is_told(&row->values[field]);
}

static bool is_written(const struct subject *x, uint32_t i)
{
	return sqlite_applied_has(x->row, i);
}

/* WHERE k1 = ?n AND ... with places from first. */
static void where_key(struct sql *s, const struct applied *t, uint32_t first)
{
	for (uint32_t i = 0; i < t->n_key; i++) {
		sqlite_sql_add(s, "%s", i ? " AND " : " WHERE ");
		sqlite_sql_name(s, name_of(t, i));
		sqlite_sql_add(s, " = ?%u", first + i);
	}
}

static void put_sql(struct sql *s, const struct subject *x)
{
	const struct applied *t = x->t;
	const char *between = " ON CONFLICT(";
	uint32_t n_set = 0;

	sqlite_sql_add(s, "INSERT OR ABORT INTO ");
	sqlite_sql_name(s, t->ct->side->table);
	for (uint32_t i = 0; i < t->n; i++) {
		if (!is_written(x, i))
			continue;
		sqlite_sql_add(s, "%s", n_set++ ? ", " : " (");
		sqlite_sql_name(s, name_of(t, i));
	}
	for (uint32_t i = 0, n = 0; i < t->n; i++) {
		if (is_written(x, i))
			sqlite_sql_add(s, "%s?%u", n++ ? ", " : ") VALUES (",
				       i + 1);
	}
	sqlite_sql_add(s, ")");
	for (uint32_t i = 0; i < t->n_key; i++) {
		sqlite_sql_add(s, "%s", between);
		sqlite_sql_name(s, name_of(t, i));
		between = ", ";
	}
	between = ") DO UPDATE SET ";
	for (uint32_t i = t->n_key; i < t->n; i++) {
		if (!is_written(x, i))
			continue;
		sqlite_sql_add(s, "%s", between);
		sqlite_sql_name(s, name_of(t, i));
		sqlite_sql_add(s, " = excluded.");
		sqlite_sql_name(s, name_of(t, i));
		between = ", ";
	}
	if (between[0] == ')')
		sqlite_sql_add(s, ") DO NOTHING");
}

/* A PATCH leaves the key alone, a MOVE writes it, too. */
static void patch_sql(struct sql *s, const struct subject *x, bool is_move)
{
	const struct applied *t = x->t;
	const char *between = " SET ";

	sqlite_sql_add(s, "UPDATE OR ABORT ");
	sqlite_sql_name(s, t->ct->side->table);
	for (uint32_t i = is_move ? 0 : t->n_key; i < t->n; i++) {
		if (i >= t->n_key && !is_written(x, i))
			continue;
		sqlite_sql_add(s, "%s", between);
		sqlite_sql_name(s, name_of(t, i));
		sqlite_sql_add(s, " = ?%u", i + 1);
		between = ", ";
	}
	if (between[0] == ' ') { /* nothing to change: is it there? */
		sqlite_sql_add(s, " SET ");
		sqlite_sql_name(s, name_of(t, 0));
		sqlite_sql_add(s, " = ");
		sqlite_sql_name(s, name_of(t, 0));
	}
	where_key(s, t, t->n + 1);
}

static void read_sql(struct sql *s, const struct applied *t)
{
	sqlite_sql_add(s, "SELECT ");
	for (uint32_t i = 0; i < t->n; i++) {
		sqlite_sql_add(s, "%s", i ? ", " : "");
		sqlite_sql_name(s, name_of(t, i));
	}
	sqlite_sql_add(s, " FROM ");
	sqlite_sql_name(s, t->ct->side->table);
	where_key(s, t, t->n + 1);
}

/* A value that no other row has. */
static const char *spare_value(const struct applied *t, uint32_t i)
{
	if (t->is_nullable[i])
		return "NULL";
	switch (t->fields[i].affinity) {
	case AFFINITY_TEXT:
		return "'_synod_' || hex(randomblob(8))";
	case AFFINITY_REAL:
		return "random() + 0.5";
	case AFFINITY_NONE:
		return "randomblob(16)";
	default:
		return "random()";
	}
}

static void yield_sql(struct sql *s, const struct applied *t)
{
	const char *between = " SET ";

	sqlite_sql_add(s, "UPDATE OR ABORT ");
	sqlite_sql_name(s, t->ct->side->table);
	for (uint32_t i = 0; i < t->n; i++) {
		if (!t->is_unique[i])
			continue;
		sqlite_sql_add(s, "%s", between);
		sqlite_sql_name(s, name_of(t, i));
		sqlite_sql_add(s, " = %s", spare_value(t, i));
		between = ", ";
	}
	where_key(s, t, t->n + 1);
}

void sqlite_applied_sql(struct sql *s, const struct applied *t,
			const struct apply_row *row, enum statement_kind kind)
{
	struct subject x = {t, row};

	switch (kind) {
	case STATEMENT_PUT:
		put_sql(s, &x);
		break;
	case STATEMENT_PATCH:
	case STATEMENT_MOVE:
		patch_sql(s, &x, kind == STATEMENT_MOVE);
		break;
	case STATEMENT_READ:
		read_sql(s, t);
		break;
	case STATEMENT_YIELD:
		yield_sql(s, t);
		break;
	case STATEMENT_DELETE:
	case STATEMENT_TRUNCATE:
		sqlite_sql_add(s, "DELETE FROM ");
		sqlite_sql_name(s, t->ct->side->table);
		if (kind == STATEMENT_DELETE)
			where_key(s, t, t->n + 1);
		break;
	}
}
