#include "connectors/sqlite/triggers_text.h"

#include <string.h>
#include <strings.h>

#include "base/digest.h"

/* What one table's triggers are made of. */
struct maker {
	const struct triggers *g;
	const struct connector_table *ct;
	const struct table *table;
	bool has_where, has_suspects;
};

const char sqlite_triggers_at[] =
	"CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)";

const char *sqlite_triggers_event_name(enum triggers_event event)
{
	static const char *const names[] = {"bi", "ai", "bu", "au", "ad"};

	return names[event];
}

static bool is_key(const struct maker *m, size_t field)
{
	return m->ct->table->fields[field]->is_key;
}

static bool is_asked(const struct maker *m, size_t field)
{
	for (size_t i = 0; i < m->ct->side->n_where; i++) {
		if (m->ct->side->where[i]->field == field)
			return true;
	}
	return false;
}

/* A column of the row that is called alias: of the table, or of the suspects,
 * where it is c<field>. */
static void column(struct sql *s, const struct maker *m, const char *alias,
		   size_t field)
{
	sqlite_sql_add(s, "%s.", alias);
	if (strcmp(alias, "s") == 0)
		sqlite_sql_add(s, "c%zu", field);
	else
		sqlite_sql_name(s, m->ct->side->columns[field]);
}

/* The two rows have the same key. IS, for a key may be NULL in SQLite. */
static void same_key(struct sql *s, const struct maker *m, const char *a,
		     const char *b)
{
	const char *between = "(";

	for (size_t i = 0; i < m->ct->table->n_fields; i++) {
		if (!is_key(m, i))
			continue;
		sqlite_sql_add(s, "%s", between);
		column(s, m, a, i);
		sqlite_sql_add(s, " IS ");
		column(s, m, b, i);
		between = " AND ";
	}
	sqlite_sql_add(s, ")");
}

/* Is this field part of an image: of a whole one, or of the old one? */
static bool is_in(const struct maker *m, size_t field, bool is_whole)
{
	return is_whole || is_key(m, field) || is_asked(m, field);
}

static void image_names(struct sql *s, const struct maker *m, bool is_whole)
{
	for (size_t i = 0; i < m->ct->table->n_fields; i++) {
		if (is_in(m, i, is_whole))
			sqlite_sql_add(s, ", c%zu", i);
	}
}

static void image_values(struct sql *s, const struct maker *m,
			 const char *alias, bool is_whole)
{
	for (size_t i = 0; i < m->ct->table->n_fields; i++) {
		if (!is_in(m, i, is_whole))
			continue;
		sqlite_sql_add(s, ", ");
		column(s, m, alias, i);
	}
}

static void suspect_name(struct sql *s, const struct maker *m)
{
	sqlite_sql_add(s, "\"_synod_%lld_t%u_suspect\"", (long long)m->g->id,
		       m->ct->table->id);
}

/* INSERT INTO change SELECT the image of alias; FROM and WHERE follow. */
static void record(struct sql *s, const struct maker *m, enum triggers_op op,
		   const char *alias)
{
	bool is_whole = op == TRIGGERS_PUT;

	sqlite_sql_add(s,
		       " INSERT INTO \"_synod_%lld_change\"(op, tab, at, total",
		       (long long)m->g->id);
	image_names(s, m, is_whole);
	sqlite_sql_add(s, ") SELECT %d, %u, %s, total_changes()", (int)op,
		       m->ct->table->id, sqlite_triggers_at);
	image_values(s, m, alias, is_whole);
}

static void head(struct sql *s, const struct maker *m, const char *event)
{
	char side[MARKS_NAME_MAX];

	sqlite_marks_name(m->g->target, side);
	sqlite_sql_add(s, " %s ON ", event);
	sqlite_sql_name(s, m->table->name);
	sqlite_sql_add(s,
		       " WHEN (SELECT applying FROM \"_synod_state\") IS NOT ");
	sqlite_sql_literal(s, side);
	sqlite_sql_add(s, " BEGIN");
}

/* -- suspects --------------------------------------------------------------
 */
/* Does the index hold the key and nothing else? */
static bool is_of_key(const struct maker *m, const struct table_index *index)
{
	size_t n_key = 0, n_found = 0;

	for (size_t i = 0; i < m->ct->table->n_fields; i++) {
		if (!is_key(m, i))
			continue;
		n_key++;
		for (size_t c = 0; c < index->n; c++) {
			const char *name = index->columns[c].name;

			if (name && !strcasecmp(name, m->ct->side->columns[i]))
				n_found++;
		}
	}
	return n_found == n_key && index->n == n_key;
}

static bool is_suspicious(const struct maker *m, const struct table_index *i)
{
	return !i->has_expression && !is_of_key(m, i);
}

static bool needs_suspects(const struct maker *m)
{
	if (m->has_where)
		return true;
	for (size_t i = 0; i < m->table->n_indexes; i++) {
		if (is_suspicious(m, &m->table->indexes[i]))
			return true;
	}
	return false;
}

/* INSERT INTO suspect SELECT ... FROM the table; WHERE follows. */
static void suspect(struct sql *s, const struct maker *m)
{
	sqlite_sql_add(s, " INSERT INTO ");
	suspect_name(s, m);
	sqlite_sql_add(s, "(tab");
	image_names(s, m, false);
	sqlite_sql_add(s, ") SELECT %u", m->ct->table->id);
	image_values(s, m, "t", false);
	sqlite_sql_add(s, " FROM ");
	sqlite_sql_name(s, m->table->name);
	sqlite_sql_add(s, " AS t WHERE ");
}

static void suspects(struct sql *s, const struct maker *m, const char *self)
{
	sqlite_sql_add(s, " DELETE FROM ");
	suspect_name(s, m);
	sqlite_sql_add(s, ";");
	for (size_t i = 0; i < m->table->n_indexes; i++) {
		const struct table_index *index = &m->table->indexes[i];

		if (!is_suspicious(m, index))
			continue;
		suspect(s, m);
		for (size_t c = 0; c < index->n; c++) {
			sqlite_sql_add(s, "t.");
			sqlite_sql_name(s, index->columns[c].name);
			sqlite_sql_add(s, " = NEW.");
			sqlite_sql_name(s, index->columns[c].name);
			sqlite_sql_add(s, " COLLATE ");
			sqlite_sql_name(s, index->columns[c].collation);
			sqlite_sql_add(s, " AND ");
		}
		sqlite_sql_add(s, "NOT ");
		same_key(s, m, "t", self);
		sqlite_sql_add(s, ";");
	}
	if (!m->has_where)
		return;
	/* What is replaced under the same key was perhaps another side's. */
	suspect(s, m);
	same_key(s, m, "t", "NEW");
	if (strcmp(self, "OLD") == 0) {
		sqlite_sql_add(s, " AND NOT ");
		same_key(s, m, "t", "OLD");
	}
	sqlite_sql_add(s, ";");
}

/* Those that are gone, but for the row itself under its old key. */
static void verify(struct sql *s, const struct maker *m, bool is_update)
{
	record(s, m, TRIGGERS_DELETE, "s");
	sqlite_sql_add(s, " FROM ");
	suspect_name(s, m);
	sqlite_sql_add(s, " AS s WHERE NOT EXISTS (SELECT 1 FROM ");
	sqlite_sql_name(s, m->table->name);
	sqlite_sql_add(s, " AS t WHERE ");
	same_key(s, m, "t", "s");
	sqlite_sql_add(s, ")");
	if (is_update) {
		sqlite_sql_add(s, " AND NOT ");
		same_key(s, m, "s", "OLD");
	}
	sqlite_sql_add(s, ";");
	if (m->has_where) {
		record(s, m, TRIGGERS_BEFORE, "s");
		sqlite_sql_add(s, " FROM ");
		suspect_name(s, m);
		sqlite_sql_add(s, " AS s WHERE ");
		same_key(s, m, "s", "NEW");
		sqlite_sql_add(s, ";");
	}
	sqlite_sql_add(s, " DELETE FROM ");
	suspect_name(s, m);
	sqlite_sql_add(s, ";");
}

/* -- events ----------------------------------------------------------------
 */
static void record_new(struct sql *s, const struct maker *m)
{
	record(s, m, TRIGGERS_PUT, "t");
	sqlite_sql_add(s, " FROM ");
	sqlite_sql_name(s, m->table->name);
	sqlite_sql_add(s, " AS t WHERE ");
	same_key(s, m, "t", "NEW");
	sqlite_sql_add(s, "; END");
}

static void on_insert(struct triggers_text *x, const struct maker *m)
{
	struct sql *before = &x->event[TRIGGERS_BEFORE_INSERT];
	struct sql *after = &x->event[TRIGGERS_AFTER_INSERT];

	head(after, m, "AFTER INSERT");
	if (m->has_suspects) {
		head(before, m, "BEFORE INSERT");
		suspects(before, m, "NEW");
		sqlite_sql_add(before, " END");
		verify(after, m, false);
	}
	record_new(after, m);
}

static void on_update(struct triggers_text *x, const struct maker *m)
{
	struct sql *before = &x->event[TRIGGERS_BEFORE_UPDATE];
	struct sql *after = &x->event[TRIGGERS_AFTER_UPDATE];

	head(after, m, "AFTER UPDATE");
	if (m->has_suspects) {
		head(before, m, "BEFORE UPDATE");
		suspects(before, m, "OLD");
		sqlite_sql_add(before, " END");
		verify(after, m, true);
	}
	record(after, m, TRIGGERS_BEFORE, "OLD");
	if (!m->has_where) {
		sqlite_sql_add(after, " WHERE NOT ");
		same_key(after, m, "OLD", "NEW");
	}
	sqlite_sql_add(after, ";");
	record_new(after, m);
}

static void on_delete(struct triggers_text *x, const struct maker *m)
{
	struct sql *after = &x->event[TRIGGERS_AFTER_DELETE];

	head(after, m, "AFTER DELETE");
	if (m->has_suspects) {
		/* recursive_triggers is on there: it is recorded here. */
		sqlite_sql_add(after, " DELETE FROM ");
		suspect_name(after, m);
		sqlite_sql_add(after, " WHERE rowid IN (SELECT s.rowid FROM ");
		suspect_name(after, m);
		sqlite_sql_add(after, " AS s WHERE ");
		same_key(after, m, "s", "OLD");
		sqlite_sql_add(after, ");");
	}
	record(after, m, TRIGGERS_DELETE, "OLD");
	sqlite_sql_add(after, "; END");
}

void sqlite_triggers_text(struct triggers_text *x, const struct triggers *g,
			  const struct connector_table *ct,
			  const struct table *table)
{
	struct maker m = {.g = g, .ct = ct, .table = table};
	uint64_t hash = 0;

	m.has_where = ct->side->n_where > 0;
	m.has_suspects = needs_suspects(&m);
	*x = (struct triggers_text){.has_suspects = m.has_suspects};
	on_insert(x, &m);
	on_update(x, &m);
	on_delete(x, &m);
	for (size_t i = 0; i < TRIGGERS_EVENT__N; i++) {
		if (x->event[i].text)
			hash = digest64_seed(x->event[i].text, x->event[i].len,
					     hash);
	}
	x->hash = (uint32_t)(hash ^ hash >> 32);
}

void sqlite_triggers_text_free(struct triggers_text *x)
{
	for (size_t i = 0; i < TRIGGERS_EVENT__N; i++)
		sqlite_sql_free(&x->event[i]);
}
