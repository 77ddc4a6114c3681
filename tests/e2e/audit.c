#include "tests/e2e/audit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/map.h"

static const char COUNT[] =
	"INSERT INTO audit (uid, hits) VALUES (NEW.uid, 1) "
	"ON CONFLICT (uid) DO UPDATE SET hits = audit.hits + 1;";

void audit_create(const struct side *s, const char *table)
{
	struct side_link *link = link_dial(s);
	char sql[2048];

	link_must(link, "CREATE TABLE audit (uid TEXT PRIMARY KEY, "
			"hits BIGINT NOT NULL)");
	if (s->kind == SIDE_SQLITE) {
		snprintf(sql, sizeof(sql),
			 "CREATE TRIGGER audit_i AFTER INSERT ON %s BEGIN %s "
			 "END; CREATE TRIGGER audit_u AFTER UPDATE ON %s BEGIN "
			 "%s END",
			 table, COUNT, table, COUNT);
		link_must(link, sql);
	} else {
		/* Our sessions have no search path: names are whole. */
		snprintf(sql, sizeof(sql),
			 "CREATE FUNCTION audit_hit() RETURNS trigger LANGUAGE "
			 "plpgsql SET search_path = public AS $$ BEGIN %s "
			 "RETURN NULL; END $$;"
			 "CREATE TRIGGER audit AFTER INSERT OR UPDATE ON %s "
			 "FOR EACH ROW EXECUTE FUNCTION audit_hit()",
			 COUNT, table);
		link_must(link, sql);
	}
	side_hang_up(link);
}

static struct bytes text(const char *s)
{
	return (struct bytes){(const uint8_t *)s, strlen(s)};
}

/* uid -> hits, as texts. */
static struct map *read_audit(const struct side *s)
{
	struct map *out = map_new();
	struct side_link *link = link_dial(s);
	struct side_rows rows;
	struct err e = {0};

	if (side_query(link, "SELECT uid, hits FROM audit", &rows, &e))
		fail_msg("%s", e.text);
	for (size_t i = 0; i < rows.n; i++) {
		char *bar = strchr(rows.rows[i], '|');
		*bar = 0;
		map_put(out, text(rows.rows[i]), text(bar + 1));
	}
	side_rows_free(&rows);
	side_hang_up(link);
	return out;
}

static void check_writer(struct stage *stage, const struct side *s,
			 struct map *audit, const struct load *writer)
{
	size_t n;
	const struct load_write *w = load_writes(writer, &n);

	for (size_t i = 0; i < n; i++) {
		struct bytes hits;
		if (!map_get(audit, text(w[i].uid), &hits)) {
			if (!w[i].is_unknown)
				stage_fail(stage, "%s: %s is lost", s->name,
					   w[i].uid);
			continue;
		}
		if (bytes_compare(hits, text("1")) != 0)
			stage_fail(stage, "%s: %s was written %.*s times",
				   s->name, w[i].uid, (int)hits.len, hits.data);
		map_delete(audit, text(w[i].uid));
	}
}

size_t audit_check(struct stage *stage, const struct side *s,
		   struct load *const *writers, size_t n)
{
	struct map *audit = read_audit(s);
	size_t count = map_count(audit);
	struct bytes key, value;

	for (size_t i = 0; i < n; i++)
		check_writer(stage, s, audit, writers[i]);
	if (map_seek(audit, (struct bytes){0}, false, &key, &value))
		stage_fail(stage, "%s: nobody wrote %.*s", s->name,
			   (int)key.len, key.data);
	map_free(audit);
	return count;
}
