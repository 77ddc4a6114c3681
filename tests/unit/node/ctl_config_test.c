/* synodctl config and connection, as an operator sees them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "ctl_fixture.h"

static const char good[] = "synod: 1\n"
			   "connections:\n"
			   "  a: { type: sqlite, path: a.db }\n"
			   "  b: { type: sqlite, path: /b.db }\n"
			   "syncs:\n"
			   "  stock:\n"
			   "    between: [a, b]\n"
			   "    tables: [items]\n";

/* What the node was asked, and what it is to answer. */
struct told {
	char text[4096], hash[32], message[64], author[64];
	unsigned n_plans, n_applies;
	bool is_pruned;
	uint32_t rollback_to;
	const char *class_name; /* of the change */
	unsigned n_failed, n_problems;
	bool is_stale;
};

struct scene {
	struct fake fake;
	struct told told;
	char folder[64], file[96];
};

static void define(struct told *t, const Synod__Admin__DefineRequest *r,
		   Synod__Admin__Response *out)
{
	static Synod__Admin__DefineResponse body;
	static Synod__Admin__DefineChange changes[2];
	static Synod__Admin__DefineChange *list[] = {&changes[0], &changes[1]};
	static char mark[2][2] = {"+", "!"};
	static char what[] = "sync stock", conn[] = "connection a";
	static char class_name[16], text[] = "a <-> b, 1 table";
	static char check[] = "check failed", why[] = "items: no images";
	static char repair[] = "ALTER TABLE items", hash[] = "00112233aabbccdd";
	static char problems[] = "t.yaml:1:1: error: x\n";

	snprintf(t->text, sizeof t->text, "%s", r->text);
	snprintf(t->hash, sizeof t->hash, "%s", r->plan_hash);
	snprintf(t->message, sizeof t->message, "%s", r->message);
	snprintf(t->author, sizeof t->author, "%s", r->author);
	t->is_pruned = r->prune;
	t->rollback_to = r->rollback_to;
	bool is_apply =
		r->action == SYNOD__ADMIN__DEFINE_REQUEST__ACTION__APPLY;
	*(is_apply ? &t->n_applies : &t->n_plans) += 1;
	if (is_apply && t->is_stale) {
		fake_problem(out, ERR_CHANGED, "the plan is another one now",
			     "synodctl config plan");
		return;
	}
	synod__admin__define_response__init(&body);
	for (size_t i = 0; i < 2; i++)
		synod__admin__define_change__init(&changes[i]);
	snprintf(class_name, sizeof class_name, "%s", t->class_name);
	mark[0][0] = strcmp(t->class_name, "new") == 0 ? '+' : '~';
	changes[0].mark = mark[0];
	changes[0].what = what;
	changes[0].class_name = class_name;
	changes[0].text = text;
	changes[1].mark = mark[1];
	changes[1].what = conn;
	changes[1].class_name = check;
	changes[1].text = why;
	changes[1].repair = repair;
	body.base_revision = 7;
	body.revision = is_apply ? 8 : 0;
	body.index = is_apply ? 91 : 0;
	body.plan_hash = hash;
	body.n_changes = t->n_failed > 0 ? 2 : 1;
	body.changes = list;
	body.n_failed = t->n_failed;
	if (t->n_problems > 0)
		body.problems = problems;
	body.n_problems = t->n_problems;
	out->body_case = SYNOD__ADMIN__RESPONSE__BODY_DEFINE;
	out->define = &body;
}

static void revisions(Synod__Admin__Response *out)
{
	static Synod__Admin__RevisionsResponse body;
	static Synod__Admin__RevisionInfo info;
	static Synod__Admin__RevisionInfo *list[] = {&info};
	static char author[] = "alice", change[] = "+stock";
	static char text[] = "# as written\nsynod: 1\n";

	synod__admin__revisions_response__init(&body);
	synod__admin__revision_info__init(&info);
	info.revision = 7;
	info.index = 80;
	info.time_us = 1700000000000000;
	info.author = author;
	info.change = change;
	info.text = text;
	info.n_syncs = 3;
	body.n_revisions = 1;
	body.revisions = list;
	out->body_case = SYNOD__ADMIN__RESPONSE__BODY_REVISIONS;
	out->revisions = &body;
}

static void connection(const Synod__Admin__ConnectionRequest *r,
		       Synod__Admin__Response *out)
{
	static Synod__Admin__ConnectionResponse body;
	static Synod__Admin__ColumnInfo column;
	static Synod__Admin__ColumnInfo *columns[] = {&column};
	static char text[] = "SQLite 3.40.1", node[] = "n1", items[] = "items";
	static char name[] = "sku", type[] = "text", native[] = "TEXT";
	static char *tables[] = {items};

	synod__admin__connection_response__init(&body);
	synod__admin__column_info__init(&column);
	body.node = node;
	body.took_us = 1500;
	if (r->action == SYNOD__ADMIN__CONNECTION_REQUEST__ACTION__TEST)
		body.text = text;
	if (r->action == SYNOD__ADMIN__CONNECTION_REQUEST__ACTION__TABLES) {
		body.n_tables = 1;
		body.tables = tables;
	}
	if (r->action == SYNOD__ADMIN__CONNECTION_REQUEST__ACTION__SCHEMA) {
		column.name = name;
		column.type = type;
		column.native = native;
		column.is_key = true;
		body.n_columns = 1;
		body.columns = columns;
	}
	out->body_case = SYNOD__ADMIN__RESPONSE__BODY_CONNECTION;
	out->connection = &body;
}

static void node(struct fake *f, const char *url,
		 const Synod__Admin__Request *request,
		 Synod__Admin__Response *out)
{
	switch (request->body_case) {
	case SYNOD__ADMIN__REQUEST__BODY_DEFINE:
		define(f->ctx, request->define, out);
		break;
	case SYNOD__ADMIN__REQUEST__BODY_REVISIONS:
		revisions(out);
		break;
	default:
		CHECK(request->body_case ==
		      SYNOD__ADMIN__REQUEST__BODY_CONNECTION);
		connection(request->connection, out);
	}
}

static void write_file(const struct scene *s, const char *text)
{
	FILE *file = fopen(s->file, "we");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int setup(void **state)
{
	struct scene *s = mem_zero(1, sizeof *s);

	snprintf(s->folder, sizeof s->folder, "/tmp/ctl-config-XXXXXX");
	CHECK(mkdtemp(s->folder));
	snprintf(s->file, sizeof s->file, "%s/t.yaml", s->folder);
	fake_init(&s->fake, node);
	s->fake.ctx = &s->told;
	s->told.class_name = "new";
	write_file(s, good);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	fake_clear(&s->fake);
	unlink(s->file);
	rmdir(s->folder);
	free(s);
	return 0;
}

/* @ in the line stands for the file. */
static int run(struct scene *s, const char *line)
{
	char all[512];
	const char *at = strchr(line, '@');

	if (!at)
		return fake_run(&s->fake, line);
	snprintf(all, sizeof all, "%.*s%s%s", (int)(at - line), line, s->file,
		 at + 1);
	return fake_run(&s->fake, all);
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is missing in:\n%s", part, text);
}

/* -- validate -------------------------------------------------------------- */

static void test_validate_counts_and_asks_no_node(void **state)
{
	struct scene *s = *state;
	char expected[256];

	assert_int_equal(run(s, "config validate @ -q"), EXIT_DONE);

	snprintf(expected, sizeof expected, "%s\t2\t1\t1\n", s->file);
	assert_out(&s->fake, expected);
	assert_err(&s->fake, "");
	assert_int_equal(s->fake.n_calls, 0);
}

static void test_validate_shows_every_problem(void **state)
{
	struct scene *s = *state;
	char expected[1024];

	write_file(s, "synod: 1\n"
		      "connections:\n"
		      "  a: { type: sqlit, path: a.db }\n"
		      "synks: {}\n");
	assert_int_equal(run(s, "config validate @"), EXIT_USAGE);

	snprintf(expected, sizeof expected,
		 "%s:3:14: error: there is no connector 'sqlit' "
		 "[config.bad_value]\n"
		 "    3 |   a: { type: sqlit, path: a.db }\n"
		 "      |              ^\n"
		 "      = did you mean 'sqlite'? allowed: "
		 "sqlite|postgresql\n"
		 "%s:4:1: error: unknown key 'synks' [config.unknown_key]\n"
		 "    4 | synks: {}\n"
		 "      | ^\n"
		 "      = did you mean 'syncs'?\n"
		 "%s: 2 problems\n"
		 "synodctl: error: %s: 2 problems; nothing was done  "
		 "[invalid]\n"
		 "hint: synodctl explain config.bad_value\n",
		 s->file, s->file, s->file, s->file);
	assert_err(&s->fake, expected);
	assert_out(&s->fake, "");
}

static void test_file_that_is_not_there(void **state)
{
	struct scene *s = *state;

	assert_int_equal(run(s, "config plan -f /nowhere/t.yaml"), EXIT_USAGE);
	assert_has(s->fake.err, "/nowhere/t.yaml: No such file");
	assert_int_equal(run(s, "config plan"), EXIT_USAGE);
	assert_has(s->fake.err, "which file?");
	assert_int_equal(s->fake.n_calls, 0);
}

/* -- plan ------------------------------------------------------------------ */

static void test_plan_is_a_screen(void **state)
{
	struct scene *s = *state;
	char expected[512];

	assert_int_equal(run(s, "config plan -f @ -o table"), EXIT_DONE);

	assert_out(&s->fake, "      WHAT        CLASS  TEXT\n"
			     "+     sync stock  new    a <-> b, 1 table\n");
	snprintf(expected, sizeof expected,
		 "synodctl: 1 relative path: taken from %s\n"
		 "synodctl: against revision 7: 1 to add, 0 to change, 0 to "
		 "delete. Nothing was changed.\n"
		 "synodctl: plan 00112233aabbccdd: synodctl config apply -f "
		 "%s --plan 00112233aabbccdd\n",
		 s->folder, s->file);
	assert_err(&s->fake, expected);
	assert_int_equal(s->told.n_applies, 0);
}

static void test_plan_sends_absolute_paths(void **state)
{
	struct scene *s = *state;
	char expected[128];

	run(s, "config plan -f @ --prune");

	snprintf(expected, sizeof expected,
		 "  a: { type: sqlite, path: \"%s/a.db\" }\n", s->folder);
	assert_has(s->told.text, expected);
	assert_has(s->told.text, "path: /b.db }");
	assert_true(s->told.is_pruned);
}

static void test_plan_has_an_exit_code_on_demand(void **state)
{
	struct scene *s = *state;

	assert_int_equal(run(s, "config plan @ --exit-code"), EXIT_DIFFERENT);
}

static void test_failed_check_shows_its_repair(void **state)
{
	struct scene *s = *state;

	s->told.n_failed = 1;
	assert_int_equal(run(s, "config plan -f @ -o table"), EXIT_FAILED);
	assert_out(
		&s->fake,
		"      WHAT          CLASS         TEXT\n"
		"+     sync stock    new           a <-> b, 1 table\n"
		"!     connection a  check failed  items: no images; repair: "
		"ALTER TABLE items\n");
	assert_has(s->fake.err, "1 check failed; nothing was done");

	run(s, "config plan -f @ -o json");
	json_t *all = fake_json(&s->fake);
	json_t *row = json_array_get(json_object_get(all, "result"), 1);
	assert_string_equal(json_string_value(json_object_get(row, "repair")),
			    "ALTER TABLE items");
	assert_string_equal(json_string_value(json_object_get(row, "text")),
			    "items: no images");
	assert_int_equal(
		json_integer_value(json_object_get(
			json_object_get(all, "summary"), "checks_failed")),
		1);
	assert_true(json_is_false(json_object_get(all, "ok")));
	json_decref(all);
}

static void test_problems_of_the_node_are_shown(void **state)
{
	struct scene *s = *state;

	s->told.n_problems = 1;
	assert_int_equal(run(s, "config plan -f @"), EXIT_USAGE);
	assert_has(s->fake.err, "t.yaml:1:1: error: x\n");
	assert_has(s->fake.err, "1 problem; nothing was done  [invalid]");
}

/* -- apply ----------------------------------------------------------------- */

static void test_apply_does_what_it_has_shown(void **state)
{
	struct scene *s = *state;

	assert_int_equal(run(s, "config apply -f @ -m why"), EXIT_DONE);

	assert_int_equal(s->told.n_plans, 1);
	assert_int_equal(s->told.n_applies, 1);
	assert_string_equal(s->told.hash, "00112233aabbccdd");
	assert_string_equal(s->told.message, "why");
	assert_string_not_equal(s->told.author, "");
	assert_has(s->fake.err, "revision 8 is in force (index 91)");
}

static void test_apply_asks_before_it_disturbs(void **state)
{
	struct scene *s = *state;

	s->told.class_name = "restart";
	assert_int_equal(run(s, "config apply -f @"), EXIT_USAGE);
	assert_int_equal(s->told.n_applies, 0);
	assert_has(s->fake.err, "Nobody is there to confirm it.");
	assert_has(s->fake.err, "--plan 00112233aabbccdd");

	assert_int_equal(run(s, "config apply -f @ --yes"), EXIT_DONE);
	assert_int_equal(s->told.n_applies, 1);

	s->told.class_name = "live";
	assert_int_equal(run(s, "config apply -f @"), EXIT_DONE);
	assert_int_equal(s->told.n_applies, 2);
}

static void test_apply_of_a_stale_plan_is_4(void **state)
{
	struct scene *s = *state;

	s->told.is_stale = true;
	assert_int_equal(run(s, "config apply -f @ --plan 0011"), EXIT_CHANGED);
	assert_int_equal(s->told.n_plans, 0);
	assert_string_equal(s->told.hash, "0011");
	assert_has(s->fake.err, "[changed]\nhint: synodctl config plan\n");
}

static void test_apply_with_failed_checks_fails(void **state)
{
	struct scene *s = *state;

	s->told.n_failed = 1;
	assert_int_equal(run(s, "config apply -f @"), EXIT_FAILED);
	assert_int_equal(s->told.n_applies, 0);
}

static void test_rollback_asks_for_a_revision(void **state)
{
	struct scene *s = *state;

	assert_int_equal(run(s, "config rollback"), EXIT_USAGE);
	assert_int_equal(run(s, "config rollback x1"), EXIT_USAGE);
	assert_int_equal(run(s, "config rollback 35"), EXIT_DONE);
	assert_int_equal(s->told.rollback_to, 35);
	assert_string_equal(s->told.text, "");
	assert_int_equal(s->told.n_applies, 1);
}

/* -- the rest -------------------------------------------------------------- */

static void test_history_and_export(void **state)
{
	struct scene *s = *state;

	assert_int_equal(run(s, "config history"), EXIT_DONE);
	assert_out(&s->fake,
		   "7\t2023-11-14T22:13:20.000000Z\talice\t3\t+stock\t\n");
	assert_int_equal(run(s, "config export 7"), EXIT_DONE);
	assert_out(&s->fake, "# as written\nsynod: 1\n");
	assert_int_equal(run(s, "config export seven"), EXIT_USAGE);
}

static void test_connection_is_tested_and_shown(void **state)
{
	struct scene *s = *state;

	assert_int_equal(run(s, "connection test a"), EXIT_DONE);
	assert_out(&s->fake, "a\tn1\t0.001500\tSQLite 3.40.1\n");
	assert_int_equal(run(s, "connection schema a"), EXIT_DONE);
	assert_out(&s->fake, "items\n");
	assert_int_equal(run(s, "connection schema a items"), EXIT_DONE);
	assert_out(&s->fake, "sku\tTEXT\ttext\tyes\tno\n");
	assert_int_equal(run(s, "connection test"), EXIT_USAGE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_validate_counts_and_asks_no_node),
		TEST(test_validate_shows_every_problem),
		TEST(test_file_that_is_not_there),
		TEST(test_plan_is_a_screen),
		TEST(test_plan_sends_absolute_paths),
		TEST(test_plan_has_an_exit_code_on_demand),
		TEST(test_failed_check_shows_its_repair),
		TEST(test_problems_of_the_node_are_shown),
		TEST(test_apply_does_what_it_has_shown),
		TEST(test_apply_asks_before_it_disturbs),
		TEST(test_apply_of_a_stale_plan_is_4),
		TEST(test_apply_with_failed_checks_fails),
		TEST(test_rollback_asks_for_a_revision),
		TEST(test_history_and_export),
		TEST(test_connection_is_tested_and_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
