#include "connectors/sqlite/triggers.h"

#include <stdio.h>
#include <string.h>

#include "connectors/sqlite/triggers_text.h"

enum { NAME_MAX_BYTES = 80 };

/* Run what was built, and empty it. */
static int run(const struct triggers *g, struct sql *s, struct err *e)
{
	int rc = s->len ? sqlite_db_exec(g->db, s->text, e) : 0;

	sqlite_sql_clear(s);
	return rc;
}

static int number(const struct triggers *g, struct sql *s, int64_t *out,
		  struct err *e)
{
	int rc = sqlite_db_number(g->db, s->text, 0, out, e);

	sqlite_sql_clear(s);
	return rc;
}

/* -- tables of a capture ---------------------------------------------------
 */
static void create_tables(const struct triggers *g, struct sql *s)
{
	long long id = (long long)g->id;

	sqlite_sql_add(s,
		       "CREATE TABLE IF NOT EXISTS \"_synod_%lld_change\"("
		       "seq INTEGER PRIMARY KEY, op INTEGER NOT NULL,"
		       " tab INTEGER NOT NULL, at INTEGER NOT NULL,"
		       " total INTEGER NOT NULL, c0);",
		       id);
	sqlite_sql_add(s,
		       "CREATE TABLE IF NOT EXISTS \"_synod_%lld_table\"("
		       "tab INTEGER PRIMARY KEY, generation INTEGER NOT NULL);",
		       id);
	/* There is always a last record: it tells one history from another,
	 * and its number is never given again. (AUTOINCREMENT would promise
	 * that, too, and cost each write a scan of sqlite_sequence.) */
	sqlite_sql_add(s,
		       "INSERT INTO \"_synod_%lld_change\"(op, tab, at, total)"
		       " SELECT %d, 0, %s, 0 WHERE NOT EXISTS"
		       " (SELECT 1 FROM \"_synod_%lld_change\");",
		       id, (int)TRIGGERS_MARK, sqlite_triggers_at, id);
}

/* Checkpoints of our apply tasks: their cluster, and the connection in the low
 * bits of the task's number. */
static void create_echo(const struct triggers *g, struct sql *s)
{
	long long id = (long long)g->id;

	sqlite_sql_add(
		s,
		"CREATE TRIGGER IF NOT EXISTS \"_synod_%lld_echo\""
		" AFTER UPDATE ON \"_synod_checkpoint\" WHEN NEW.cluster = ",
		id);
	sqlite_sql_literal(s, g->target->cluster);
	sqlite_sql_add(
		s,
		" AND NEW.task %% 64 = %u"
		" AND NEW.applied_index <> OLD.applied_index BEGIN"
		" INSERT INTO \"_synod_%lld_change\"(op, tab, at, total, c0)"
		" VALUES (%d, NEW.task, %s, total_changes(),"
		" NEW.applied_index); END;",
		g->target->connection->id, id, (int)TRIGGERS_ECHO,
		sqlite_triggers_at);
}

int sqlite_triggers_prepare(const struct triggers *g, size_t n_fields,
			    struct err *e)
{
	struct sql s = {0};
	int64_t n = 0;

	create_tables(g, &s);
	create_echo(g, &s);
	int rc = run(g, &s, e);
	if (rc == 0) {
		sqlite_sql_add(&s,
			       "SELECT count(*) - 5 FROM"
			       " pragma_table_info('_synod_%lld_change')",
			       (long long)g->id);
		rc = number(g, &s, &n, e);
	}
	for (size_t i = (size_t)n; rc == 0 && i < n_fields; i++)
		sqlite_sql_add(&s,
			       "ALTER TABLE \"_synod_%lld_change\" ADD c%zu;",
			       (long long)g->id, i);
	if (rc == 0)
		rc = run(g, &s, e);
	sqlite_sql_free(&s);
	return rc;
}

/* -- triggers of a table ---------------------------------------------------
 */
static void trigger_name(char name[NAME_MAX_BYTES], const struct triggers *g,
			 const struct connector_table *ct,
			 const struct triggers_text *x,
			 enum triggers_event event)
{
	(void)snprintf(name, NAME_MAX_BYTES, "_synod_%lld_t%u_%08x_%s",
		       (long long)g->id, ct->table->id, x->hash,
		       sqlite_triggers_event_name(event));
}

static size_t count_events(const struct triggers_text *x)
{
	size_t n = 0;

	for (size_t i = 0; i < TRIGGERS_EVENT__N; i++)
		n += x->event[i].len > 0;
	return n;
}

/* Triggers of ours on this table whose names end like this. */
static int count(const struct triggers *g, const struct connector_table *ct,
		 const struct table *table, const char *end, int64_t *out)
{
	struct sql s = {0};
	char glob[NAME_MAX_BYTES];

	(void)snprintf(glob, sizeof(glob), "_synod_%lld_t%u_%s",
		       (long long)g->id, ct->table->id, end);
	sqlite_sql_add(
		&s, "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'"
		    " AND name GLOB ");
	sqlite_sql_literal(&s, glob);
	sqlite_sql_add(&s, " AND tbl_name = ");
	sqlite_sql_literal(&s, table->name);
	sqlite_sql_add(&s, " COLLATE NOCASE");
	int rc = number(g, &s, out, NULL);
	sqlite_sql_free(&s);
	return rc;
}

static int look(const struct triggers *g, const struct connector_table *ct,
		const struct table *table, const struct triggers_text *x,
		enum triggers_state *state)
{
	int64_t n_whole = 0, n_all = 0, n_after = 0;
	char end[16];

	(void)snprintf(end, sizeof(end), "%08x_*", x->hash);
	int rc = count(g, ct, table, end, &n_whole);
	if (rc == 0)
		rc = count(g, ct, table, "*", &n_all);
	if (rc == 0)
		rc = count(g, ct, table, "*_a[iud]", &n_after);
	if (rc)
		return rc;
	if ((size_t)n_whole == count_events(x) && n_all == n_whole)
		*state = TRIGGERS_WHOLE;
	else
		*state = n_after == 3 ? TRIGGERS_OLDER : TRIGGERS_LOST;
	return 0;
}

int sqlite_triggers_look(const struct triggers *g,
			 const struct connector_table *ct,
			 const struct table *table, enum triggers_state *state,
			 struct err *e)
{
	struct triggers_text x;
	uint64_t generation = 0;
	int rc = sqlite_triggers_generation(g, ct->table->id, &generation, e);

	if (rc)
		return rc;
	if (generation == 0) {
		*state = TRIGGERS_ABSENT;
		return 0;
	}
	sqlite_triggers_text(&x, g, ct, table);
	rc = look(g, ct, table, &x, state);
	sqlite_triggers_text_free(&x);
	return rc ? err_set(e, rc, "cannot read the triggers of \"%.128s\"",
			    table->name)
		  : 0;
}

/* DROP TRIGGER for those that a query names. */
static int drop(const struct triggers *g, struct sql *query, const char *what,
		struct err *e)
{
	struct sql s = {0};
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite_db_prepare(g->db, query->text, &stmt, e);

	while (rc == 0 && (rc = sqlite_db_step(g->db, stmt, e)) == 1) {
		sqlite_sql_add(&s, "DROP %s ", what);
		sqlite_sql_name(&s, (const char *)sqlite3_column_text(stmt, 0));
		sqlite_sql_add(&s, ";");
		rc = 0;
	}
	sqlite3_finalize(stmt);
	if (rc == 0)
		rc = run(g, &s, e);
	sqlite_sql_free(&s);
	sqlite_sql_clear(query);
	return rc;
}

static void select_of_table(struct sql *s, const struct triggers *g,
			    uint32_t table_id, const char *type)
{
	sqlite_sql_add(s,
		       "SELECT name FROM sqlite_schema WHERE type = '%s'"
		       " AND name GLOB '_synod_%lld_t%u_*'",
		       type, (long long)g->id, table_id);
}

static int create(const struct triggers *g, const struct connector_table *ct,
		  const struct triggers_text *x, struct err *e)
{
	struct sql s = {0};
	char name[NAME_MAX_BYTES];

	if (x->has_suspects) {
		sqlite_sql_add(&s,
			       "CREATE TABLE IF NOT EXISTS"
			       " \"_synod_%lld_t%u_suspect\"(tab INTEGER",
			       (long long)g->id, ct->table->id);
		for (size_t i = 0; i < ct->table->n_fields; i++)
			sqlite_sql_add(&s, ", c%zu", i);
		sqlite_sql_add(&s, ");");
	}
	for (size_t i = 0; i < TRIGGERS_EVENT__N; i++) {
		if (!x->event[i].len)
			continue;
		trigger_name(name, g, ct, x, (enum triggers_event)i);
		sqlite_sql_add(&s, "CREATE TRIGGER ");
		sqlite_sql_name(&s, name);
		sqlite_sql_add(&s, "%s;", x->event[i].text);
	}
	int rc = run(g, &s, e);
	sqlite_sql_free(&s);
	return rc;
}

static int new_generation(const struct triggers *g, uint32_t table_id,
			  struct err *e)
{
	struct sql s = {0};
	long long id = (long long)g->id;

	sqlite_sql_add(
		&s,
		"UPDATE \"_synod_capture\" SET generation = generation + 1"
		" WHERE id = %lld;"
		"INSERT OR REPLACE INTO \"_synod_%lld_table\" SELECT %u,"
		" generation FROM \"_synod_capture\" WHERE id = %lld;",
		id, id, table_id, id);
	int rc = run(g, &s, e);
	sqlite_sql_free(&s);
	return rc;
}

int sqlite_triggers_install(const struct triggers *g,
			    const struct connector_table *ct,
			    const struct table *table, bool is_gap,
			    struct err *e)
{
	struct triggers_text x;
	struct sql s = {0};

	select_of_table(&s, g, ct->table->id, "trigger");
	int rc = drop(g, &s, "TRIGGER", e);
	sqlite_sql_free(&s);
	if (rc)
		return rc;
	sqlite_triggers_text(&x, g, ct, table);
	rc = create(g, ct, &x, e);
	sqlite_triggers_text_free(&x);
	if (rc == 0 && is_gap)
		rc = new_generation(g, ct->table->id, e);
	return rc;
}

int sqlite_triggers_generation(const struct triggers *g, uint32_t table_id,
			       uint64_t *out, struct err *e)
{
	struct sql s = {0};
	int64_t n = 0;

	sqlite_sql_add(
		&s,
		"SELECT generation FROM \"_synod_%lld_table\" WHERE tab = %u",
		(long long)g->id, table_id);
	int rc = number(g, &s, &n, e);
	sqlite_sql_free(&s);
	if (rc == 0)
		*out = (uint64_t)n;
	return rc;
}

/* -- what is not wanted any more -------------------------------------------
 */
static int drop_table(const struct triggers *g, uint32_t table_id,
		      struct err *e)
{
	struct sql s = {0};

	select_of_table(&s, g, table_id, "trigger");
	int rc = drop(g, &s, "TRIGGER", e);
	if (rc == 0) {
		select_of_table(&s, g, table_id, "table");
		rc = drop(g, &s, "TABLE", e);
	}
	if (rc == 0) {
		sqlite_sql_add(
			&s, "DELETE FROM \"_synod_%lld_table\" WHERE tab = %u",
			(long long)g->id, table_id);
		rc = run(g, &s, e);
	}
	sqlite_sql_free(&s);
	return rc;
}

int sqlite_triggers_keep(const struct triggers *g,
			 const struct connector_table *list, size_t n,
			 struct err *e)
{
	struct sql s = {0};
	int64_t table_id = 0;
	int rc = 0;

	while (rc == 0) {
		sqlite_sql_add(&s,
			       "SELECT tab FROM \"_synod_%lld_table\" WHERE tab"
			       " NOT IN (0",
			       (long long)g->id);
		for (size_t i = 0; i < n; i++)
			sqlite_sql_add(&s, ", %u", list[i].table->id);
		sqlite_sql_add(&s, ") LIMIT 1");
		rc = number(g, &s, &table_id, e);
		if (rc || table_id == 0)
			break;
		rc = drop_table(g, (uint32_t)table_id, e);
	}
	sqlite_sql_free(&s);
	return rc;
}

int sqlite_triggers_drop(const struct triggers *g, struct err *e)
{
	static const char *const types[] = {"trigger", "table"};
	struct sql s = {0};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < 2; i++) {
		sqlite_sql_add(
			&s,
			"SELECT name FROM sqlite_schema WHERE type = '%s'"
			" AND name GLOB '_synod_%lld_*'",
			types[i], (long long)g->id);
		rc = drop(g, &s, i ? "TABLE" : "TRIGGER", e);
	}
	if (rc == 0) {
		sqlite_sql_add(&s,
			       "DELETE FROM \"_synod_capture\" WHERE id = %lld",
			       (long long)g->id);
		rc = run(g, &s, e);
	}
	sqlite_sql_free(&s);
	return rc;
}
