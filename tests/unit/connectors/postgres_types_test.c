/* What a column of PostgreSQL takes and gives back without loss; positions;
 * which transactions a snapshot sees; and names of ours. */
#include "connectors/postgres/types.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "connectors/postgres/history.h"
#include "connectors/postgres/options.h"
#include "connectors/postgres/position.h"

static bool takes(enum value_type column, const char *native,
		  enum value_type type, const char *from)
{
	const struct connector_column c = {
		.name = "c", .type = column, .native = native};

	return connector_postgres.refuses(&c, type, from) == NULL;
}

static void test_types_refuse_what_would_be_lost(void **state)
{
	static const struct {
		enum value_type type;
		const char *to, *from;
		bool takes;
	} cases[] = {
		{VALUE_INT64, "bigint", "integer", true},
		{VALUE_INT64, "integer", "bigint", false},
		{VALUE_INT64, "integer", "INTEGER", false},
		{VALUE_INT64, "smallint", "smallint", true},
		{VALUE_DECIMAL, "numeric", "numeric(10,2)", true},
		{VALUE_DECIMAL, "numeric(10,2)", "numeric", false},
		{VALUE_DECIMAL, "numeric(12,2)", "numeric(10,2)", true},
		{VALUE_DECIMAL, "numeric(12,3)", "numeric(10,2)", false},
		{VALUE_DECIMAL, "numeric(10,2)", "TEXT", false},
		{VALUE_TEXT, "text", "character varying(9)", true},
		{VALUE_TEXT, "character varying(9)", "text", false},
		{VALUE_TEXT, "character varying(9)", "character varying(8)",
		 true},
		{VALUE_TEXT, "character(5)", "character varying(5)", false},
		{VALUE_TEXT, "character(5)", "character(5)", true},
		{VALUE_TIMESTAMP, "timestamp(3) with time zone",
		 "timestamp with time zone", false},
		{VALUE_TIMESTAMP, "timestamp with time zone",
		 "timestamp(3) with time zone", true},
		{VALUE_JSON, "jsonb", "json", false},
		{VALUE_JSON, "json", "jsonb", true},
		{VALUE_BIT, "bit(5)", "bit(4)", false},
		{VALUE_BIT, "bit varying", "bit(4)", true},
		{VALUE_BIT, "bit varying(3)", "bit(4)", false},
		{VALUE_NATIVE, "inet", "inet", true},
		{VALUE_NATIVE, "inet", "cidr", false},
		{VALUE_ENUM, "m('a','b')", "m('a')", false},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (takes(cases[i].type, cases[i].to, cases[i].type,
			  cases[i].from) != cases[i].takes)
			fail_msg("%s into %s", cases[i].from, cases[i].to);
	assert_false(takes(VALUE_TEXT, "text", VALUE_INT64, "integer"));
	assert_true(takes(VALUE_UUID, "uuid", VALUE_UUID, "TEXT"));
}

static void test_position_comes_back_whole(void **state)
{
	struct position p = {.system_id = UINT64_MAX,
			     .timeline = 3,
			     .lsn = 0x1234567890,
			     .cut_lsn = 5,
			     .n_cut = 77};
	struct value_buf buf = {0};
	struct position q;

	/* two tables, one of them in the middle of its load */
	pg_position_put(&p, 9, POSITION_LOADED);
	pg_position_reach(pg_position_put(&p, 8, POSITION_LOADING),
			  (struct bytes){(const uint8_t *)"key", 3});
	pg_position_write(&p, &buf);
	assert_int_equal(
		pg_position_read(&q, (struct bytes){buf.data, buf.len}, NULL),
		0);
	assert_true(q.system_id == UINT64_MAX && q.lsn == p.lsn);
	assert_int_equal(q.n_cut, 77);
	assert_int_equal(q.n, 2);
	struct position_table *t = pg_position_find(&q, 8);
	assert_int_equal(t->state, POSITION_LOADING);
	assert_memory_equal(t->key, "key", 3);
	pg_position_free(&q);
	for (size_t len = 1; len < buf.len; len++)
		assert_int_not_equal(
			pg_position_read(&q, (struct bytes){buf.data, len},
					 NULL),
			0);
	pg_position_free(&p);
	value_buf_free(&buf);
}

static void test_history_judges_by_the_snapshot(void **state)
{
	struct history_snapshot s;
	struct history h;
	struct bytes key = {(const uint8_t *)"k", 1}, none = {0};

	assert_true(pg_history_snapshot_parse("100:110:103,105", &s));
	assert_true(pg_history_sees(&s, 99));
	assert_true(pg_history_sees(&s, 104));
	assert_false(pg_history_sees(&s, 103));
	assert_false(pg_history_sees(&s, 110));
	pg_history_init(&h);
	pg_history_note(&h, 1, key, 104);
	assert_false(pg_history_is_stale(&h, 1, key, &s));
	pg_history_note(&h, 1, key, 105);
	assert_true(pg_history_is_stale(&h, 1, key, &s));
	assert_false(pg_history_is_stale(&h, 2, key, &s));
	pg_history_note(&h, 2, none, 111); /* TRUNCATE */
	assert_true(pg_history_is_stale(&h, 2, key, &s));
	pg_history_prune(&h, 106);
	assert_false(pg_history_is_stale(&h, 1, key, &s));
	assert_true(pg_history_is_stale(&h, 2, key, &s));
	pg_history_free(&h);
	pg_history_snapshot_free(&s);
	assert_false(pg_history_snapshot_parse("100:110", &s));
	assert_false(pg_history_snapshot_parse("100:110:1,x", &s));
}

static void test_history_that_is_full_asks_for_newer_snapshots(void **state)
{
	struct history_snapshot old, late;
	struct history h;

	pg_history_init(&h);
	for (uint32_t i = 0; i <= HISTORY_ROWS_MAX; i++)
		pg_history_note(&h, 1,
				(struct bytes){(const uint8_t *)&i, sizeof i},
				500);
	assert_true(pg_history_snapshot_parse("500:501:", &old));
	assert_true(pg_history_snapshot_parse("501:501:", &late));
	assert_false(pg_history_reaches(&h, &old));
	assert_true(pg_history_reaches(&h, &late));
	pg_history_free(&h);
	pg_history_snapshot_free(&old);
	pg_history_snapshot_free(&late);
}

static void test_history_makes_short_numbers_whole(void **state)
{
	uint64_t turn = (uint64_t)7 << 32;

	assert_true(pg_history_full_xid(5, turn + 9) == turn + 5);
	assert_true(pg_history_full_xid(5, turn - 3) == turn + 5);
	assert_true(pg_history_full_xid(UINT32_MAX, turn + 2) == turn - 1);
	assert_true(pg_history_full_xid(UINT32_MAX, 2) == UINT32_MAX);
}

/* A slot that two connections share is taken from one by the other. */
static void test_names_of_ours_differ(void **state)
{
	static const char *const names[] = {
		"shop",
		"shop-a",
		"shop_a",
		"Shop_a",
		"a-name-of-sixty-three-characters-that-has-nothing-at-its-end-"
		"01",
		"a-name-of-sixty-three-characters-that-has-nothing-at-its-end-"
		"02",
		"a_name_of_sixty_three_characters_that_has_nothing_at_its_end_"
		"01",
		"a_name_of_sixty_three_characters_that_has_nothing_at_its_end_"
		"02",
	};
	enum { N = sizeof names / sizeof *names };
	Synod__Definition__Option database, user, *list[] = {&database, &user};
	Synod__Definition__Connection c;
	struct connector_target t = {.connection = &c,
				     .cluster = "0123456789abcdef"};
	struct options options[N];

	synod__definition__connection__init(&c);
	synod__definition__option__init(&database);
	synod__definition__option__init(&user);
	database.name = (char[]){"database"};
	user.name = (char[]){"user"};
	database.value = user.value = (char[]){"x"};
	c.options = list;
	c.n_options = 2;
	for (size_t i = 0; i < N; i++) {
		char name[OPTIONS_NAME_MAX];

		snprintf(name, sizeof name, "%s", names[i]);
		c.name = name;
		assert_int_equal(pg_options_read(&options[i], &t, NULL), 0);
		assert_true(strspn(options[i].slot,
				   "abcdefghijklmnopqrstuvwxyz0123456789_") ==
			    strlen(options[i].slot));
		for (size_t j = 0; j < i; j++) {
			assert_string_not_equal(options[i].slot,
						options[j].slot);
			assert_string_not_equal(options[i].publication,
						options[j].publication);
		}
	}
	assert_string_equal(options[0].slot, "synod_01234567_shop");
	assert_string_equal(options[2].slot, "synod_01234567_shop_a");
	for (size_t i = 0; i < N; i++)
		pg_options_clear(&options[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types_refuse_what_would_be_lost),
		cmocka_unit_test(test_position_comes_back_whole),
		cmocka_unit_test(test_history_judges_by_the_snapshot),
		cmocka_unit_test(
			test_history_that_is_full_asks_for_newer_snapshots),
		cmocka_unit_test(test_history_makes_short_numbers_whole),
		cmocka_unit_test(test_names_of_ours_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
