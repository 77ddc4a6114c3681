#include "tests/e2e/oracle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/map.h"

/* -- the journal ----------------------------------------------------------- */
/* The uid of a version: a text for people, in double quotes. */
static bool uid_of(const Synod__Admin__Version *v, char *out, size_t cap)
{
	for (size_t i = 0; i < v->n_cells; i++) {
		const char *text = v->cells[i]->value;
		size_t len = strlen(text);
		if (strcmp(v->cells[i]->name, "uid") != 0 || len < 2)
			continue;
		snprintf(out, cap, "%.*s", (int)len - 2, text + 1);
		return true;
	}
	return false;
}

static void take_entry(const Synod__Admin__ConflictInfo *c,
		       struct oracle_journal *out)
{
	struct oracle_entry entry = {.id = c->id};

	if (!uid_of(c->a, entry.a, sizeof(entry.a)) ||
	    !uid_of(c->b, entry.b, sizeof(entry.b)))
		return;
	snprintf(entry.side_a, sizeof(entry.side_a), "%s", c->a->connection);
	snprintf(entry.side_b, sizeof(entry.side_b), "%s", c->b->connection);
	entry.is_a_winner = c->is_a_winner;
	entry.stamp_a = c->a->stamp_us;
	entry.stamp_b = c->b->stamp_us;
	out->entries =
		mem_grow(out->entries, (out->n + 1) * sizeof(*out->entries));
	out->entries[out->n++] = entry;
}

void oracle_journal(struct stage *s, struct oracle_journal *out)
{
	uint64_t from = 1;

	*out = (struct oracle_journal){0};
	while (from) {
		Synod__Admin__ConflictsRequest body;
		Synod__Admin__Request question;
		synod__admin__conflicts_request__init(&body);
		synod__admin__request__init(&question);
		body.from_id = from;
		body.count = 200;
		question.body_case = SYNOD__ADMIN__REQUEST__BODY_CONFLICTS;
		question.conflicts = &body;
		Synod__Admin__Response *answer = stage_ask(s, &question);
		const Synod__Admin__ConflictsResponse *r = answer->conflicts;
		for (size_t i = 0; i < r->n_conflicts; i++)
			take_entry(r->conflicts[i], out);
		from = r->next_id;
		answer_free(answer);
	}
}

void oracle_journal_free(struct oracle_journal *j)
{
	free(j->entries);
	*j = (struct oracle_journal){0};
}

/* -- who knew of whom ------------------------------------------------------ */
static struct bytes text(const char *s)
{
	return (struct bytes){(const uint8_t *)s, strlen(s)};
}

struct graph {
	struct map *saw;   /* uid -> uid it saw */
	struct map *built; /* uids that somebody saw */
	struct map *lost;  /* uid -> entries in which it lost, as text */
	struct map *ended; /* uids that the table ended with */
};

static void graph_open(struct graph *g)
{
	*g = (struct graph){map_new(), map_new(), map_new(), map_new()};
}

static void graph_close(struct graph *g)
{
	map_free(g->saw);
	map_free(g->built);
	map_free(g->lost);
	map_free(g->ended);
}

static bool is_ancestor(const struct graph *g, const char *old,
			const char *young)
{
	struct bytes at = text(young), saw;

	while (map_get(g->saw, at, &saw)) {
		if (bytes_compare(saw, text(old)) == 0)
			return true;
		at = saw;
	}
	return false;
}

static void add_writes(struct graph *g, struct load *const *writers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t n_writes;
		const struct load_write *w = load_writes(writers[i], &n_writes);
		for (size_t k = 0; k < n_writes; k++) {
			map_put(g->saw, text(w[k].uid), text(w[k].saw));
			map_put(g->built, text(w[k].saw), text(""));
		}
	}
}

static void add_end(struct graph *g, const struct side *side, const char *table)
{
	struct side_link *link = link_dial(side);
	struct side_rows rows;
	struct err e = {0};
	char sql[256];

	snprintf(sql, sizeof(sql), "SELECT uid FROM %s", table);
	if (side_query(link, sql, &rows, &e))
		fail_msg("%s", e.text);
	for (size_t i = 0; i < rows.n; i++)
		map_put(g->ended, text(rows.rows[i]), text(""));
	side_rows_free(&rows);
	side_hang_up(link);
}

/* -- the rules ------------------------------------------------------------- */
static void check_entries(struct stage *s, struct graph *g,
			  const struct oracle_journal *j)
{
	struct map *pairs = map_new();
	struct bytes ignored;
	char pair[64];

	for (size_t i = 0; i < j->n; i++) {
		const struct oracle_entry *e = &j->entries[i];
		bool is_ordered = strcmp(e->a, e->b) < 0;
		snprintf(pair, sizeof(pair), "%s %s", is_ordered ? e->a : e->b,
			 is_ordered ? e->b : e->a);
		if (map_get(pairs, text(pair), &ignored))
			stage_fail(s, "c-%llu: %s is in the journal twice",
				   (unsigned long long)e->id, pair);
		map_put(pairs, text(pair), text(""));
		if (is_ancestor(g, e->a, e->b) || is_ancestor(g, e->b, e->a))
			stage_fail(s, "c-%llu: %s and %s are not concurrent",
				   (unsigned long long)e->id, e->a, e->b);
		const char *loser = e->is_a_winner ? e->b : e->a;
		if (map_get(g->lost, text(loser), &ignored))
			stage_fail(s, "c-%llu: %s lost before",
				   (unsigned long long)e->id, loser);
		map_put(g->lost, text(loser), text(""));
	}
	map_free(pairs);
}

static void check_writes(struct stage *s, const struct graph *g)
{
	struct bytes key = {NULL, 0}, value, ignored;
	bool is_behind = false;

	while (map_seek(g->saw, key, is_behind, &key, &value)) {
		is_behind = true;
		if (map_get(g->built, key, &ignored) ||
		    map_get(g->ended, key, &ignored) ||
		    map_get(g->lost, key, &ignored))
			continue;
		stage_fail(
			s,
			"%.*s, which saw %.*s, is gone: nobody built upon it "
			"and no entry of the journal says that it lost",
			(int)key.len, key.data, (int)value.len, value.data);
	}
}

size_t oracle_check(struct stage *s, const struct side *end, const char *table,
		    struct load *const *writers, size_t n_writers)
{
	struct oracle_journal journal;
	struct graph g;

	graph_open(&g);
	add_writes(&g, writers, n_writers);
	add_end(&g, end, table);
	oracle_journal(s, &journal);
	check_entries(s, &g, &journal);
	check_writes(s, &g);
	size_t n = journal.n;
	oracle_journal_free(&journal);
	graph_close(&g);
	return n;
}
