#include "cluster/core/outcome.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Table 1: one way, from connection 1 to 2 and 3. Table 2: two-way between 1,
 * 2 and 3. Table 9 is not known. */
enum { ONE_WAY = 1, TWO_WAY = 2, UNKNOWN = 9 };

static struct catalog *make_catalog(void)
{
	enum { N = 3 };
	static Synod__Definition__Side sides[2][N];
	static Synod__Definition__Side *side_list[2][N];
	static Synod__Definition__Table tables[2];
	static Synod__Definition__Table *table_list[2] = {&tables[0],
							  &tables[1]};
	static uint32_t connections[N] = {1, 2, 3};
	static Synod__Definition__Sync syncs[2];
	static Synod__Definition__Sync *sync_list[2] = {&syncs[0], &syncs[1]};
	Synod__Definition__Definition d = SYNOD__DEFINITION__DEFINITION__INIT;

	for (uint32_t t = 0; t < 2; t++) {
		synod__definition__table__init(&tables[t]);
		synod__definition__sync__init(&syncs[t]);
		for (uint32_t i = 0; i < N; i++) {
			synod__definition__side__init(&sides[t][i]);
			sides[t][i].connection_id = i + 1;
			sides[t][i].is_source = t == 1 || i == 0;
			sides[t][i].is_target = t == 1 || i > 0;
			side_list[t][i] = &sides[t][i];
		}
		tables[t].id = t + 1;
		tables[t].n_sides = N;
		tables[t].sides = side_list[t];
		syncs[t].id = t + 1;
		syncs[t].is_two_way = t == 1;
		syncs[t].n_connection_ids = N;
		syncs[t].connection_ids = connections;
		syncs[t].n_tables = 1;
		syncs[t].tables = &table_list[t];
	}
	d.n_syncs = 2;
	d.syncs = sync_list;
	return catalog_of(&d);
}

struct rig {
	struct catalog *catalog;
	struct change_writer changes;
	struct outcome_writer outcome;
	struct value_buf content;
	uint32_t source_id;
};

static void setup(struct rig *r)
{
	*r = (struct rig){.catalog = make_catalog(), .source_id = 1};
	change_writer_init(&r->changes);
}

static void teardown(struct rig *r)
{
	change_writer_free(&r->changes);
	outcome_writer_free(&r->outcome);
	value_buf_free(&r->content);
	catalog_free(r->catalog);
}

static struct value number(int64_t n)
{
	return (struct value){
		.state = VALUE_SET, .type = VALUE_INT64, .i64 = n};
}

/* A change whose key and value are n. */
static void change(struct rig *r, uint32_t table_id, int64_t n)
{
	struct value v = number(n);
	struct value_buf key = {0};

	change_key(&key, &v, 1);
	change_add(&r->changes, &(struct change_row){.op = CHANGE_PUT,
						     .table_id = table_id,
						     .key = {key.data, key.len},
						     .values = &v,
						     .n_values = 1});
	value_buf_free(&key);
}

/* The same as a content of an exception; valid until the next one. */
static struct bytes content(struct rig *r, uint32_t table_id, int64_t n)
{
	struct value v = number(n);
	struct value_buf key = {0};

	r->content.len = 0;
	change_key(&key, &v, 1);
	change_encode(&r->content,
		      &(struct change_row){.op = CHANGE_PUT,
					   .table_id = table_id,
					   .key = {key.data, key.len},
					   .values = &v,
					   .n_values = 1});
	value_buf_free(&key);
	return (struct bytes){r->content.data, r->content.len};
}

/* One local transaction with changes first, first + 1, ... */
static void transaction(struct rig *r, uint32_t table_id, int64_t first, int n)
{
	change_begin(&r->changes, TXN_LOCAL, first * 1000);
	for (int i = 0; i < n; i++)
		change(r, table_id, first + i);
	change_end(&r->changes);
}

struct got {
	int64_t value;
	uint32_t ordinal, txn, table_id;
	int64_t stamp_us;
};

static int read_bytes(struct rig *r, uint32_t connection_id,
		      struct bytes outcome, struct got *got)
{
	struct delivery_source source = {
		.connection_id = connection_id,
		.source_id = r->source_id,
		.changes = {r->changes.buf.data, r->changes.buf.len},
		.outcome = outcome};
	struct delivery_reader reader;
	struct delivery d;
	int n = 0;

	int rc = delivery_begin(&reader, r->catalog, &source);
	while (rc == 0 && (rc = delivery_next(&reader, &d)) > 0) {
		struct value v;
		assert_int_equal(change_values(&d.change, &v), 0);
		got[n++] = (struct got){v.i64, d.ordinal, d.txn,
					d.table->table->id, d.stamp_us};
		rc = 0;
	}
	return rc ? rc : n;
}

/* How many this connection gets, or an error. */
static int deliver(struct rig *r, uint32_t connection_id, struct got *got)
{
	return read_bytes(r, connection_id, outcome_bytes(&r->outcome), got);
}

static void test_outcome_without_exceptions_is_empty(void **state)
{
	struct outcome_writer w = {0};

	assert_int_equal(outcome_bytes(&w).len, 0);
	outcome_writer_free(&w);
}

static void test_delivery_goes_to_all_targets_but_its_source(void **state)
{
	struct rig r;
	struct got got[8];

	setup(&r);
	transaction(&r, ONE_WAY, 10, 1);
	transaction(&r, TWO_WAY, 20, 2);
	assert_int_equal(deliver(&r, 1, got), 0);
	assert_int_equal(deliver(&r, 2, got), 3);
	assert_int_equal(deliver(&r, 3, got), 3);
	assert_int_equal(got[0].table_id, ONE_WAY);
	assert_int_equal(got[2].table_id, TWO_WAY);
	assert_int_equal(deliver(&r, 4, got), 0);
	r.source_id = 2;
	assert_int_equal(deliver(&r, 1, got), 2); /* only the two-way ones */
	teardown(&r);
}

static void test_delivery_numbers_transactions_and_changes(void **state)
{
	struct rig r;
	struct got got[8];

	setup(&r);
	transaction(&r, ONE_WAY, 10, 1);
	change_echo(&r.changes, 65, 7);
	transaction(&r, UNKNOWN, 20, 1);
	transaction(&r, TWO_WAY, 30, 2);
	assert_int_equal(deliver(&r, 2, got), 3);
	assert_int_equal(got[0].txn, 0);
	assert_int_equal(got[0].ordinal, 0);
	assert_int_equal(got[0].stamp_us, 10000);
	/* The echo has no number; the unknown table is passed over. */
	assert_int_equal(got[1].txn, 2);
	assert_int_equal(got[1].ordinal, 2);
	assert_int_equal(got[1].value, 30);
	assert_int_equal(got[2].txn, 2);
	assert_int_equal(got[2].ordinal, 3);
	teardown(&r);
}

static void test_delivery_an_exception_takes_the_place(void **state)
{
	struct rig r;
	struct got got[8];

	setup(&r);
	transaction(&r, TWO_WAY, 10, 3);
	outcome_add(&r.outcome, 1, catalog_bit(1) | catalog_bit(3),
		    (struct bytes){0});
	assert_int_equal(deliver(&r, 2, got), 2);
	assert_int_equal(got[0].value, 10);
	assert_int_equal(got[1].value, 12);
	assert_int_equal(deliver(&r, 3, got), 3);
	assert_int_equal(deliver(&r, 1, got), 1); /* back to its source */
	assert_int_equal(got[0].value, 11);
	assert_int_equal(got[0].ordinal, 1);
	teardown(&r);
}

static void test_delivery_to_nobody(void **state)
{
	struct rig r;
	struct got got[8];

	setup(&r);
	transaction(&r, TWO_WAY, 10, 1);
	outcome_add(&r.outcome, 0, 0, (struct bytes){0});
	for (uint32_t id = 1; id <= 3; id++)
		assert_int_equal(deliver(&r, id, got), 0);
	teardown(&r);
}

static void test_delivery_several_of_one_ordinal_in_order(void **state)
{
	struct rig r;
	struct got got[8];

	setup(&r);
	transaction(&r, TWO_WAY, 10, 2);
	outcome_add(&r.outcome, 0, catalog_bit(2), (struct bytes){0});
	outcome_add(&r.outcome, 0, catalog_bit(1) | catalog_bit(2),
		    content(&r, TWO_WAY, 77));
	outcome_add(&r.outcome, 0, catalog_bit(2), content(&r, ONE_WAY, 78));
	assert_int_equal(deliver(&r, 2, got), 4);
	assert_int_equal(got[0].value, 10);
	assert_int_equal(got[1].value, 77);
	assert_int_equal(got[2].value, 78);
	assert_int_equal(got[2].table_id, ONE_WAY);
	assert_int_equal(got[2].ordinal, 0);
	assert_int_equal(got[3].value, 11);
	assert_int_equal(deliver(&r, 1, got), 1);
	assert_int_equal(got[0].value, 77);
	assert_int_equal(deliver(&r, 3, got), 1);
	assert_int_equal(got[0].value, 11);
	teardown(&r);
}

static void test_delivery_behind_the_last_change(void **state)
{
	struct rig r;
	struct got got[8];

	setup(&r);
	transaction(&r, TWO_WAY, 10, 1);
	outcome_add(&r.outcome, 5, catalog_bit(3), content(&r, TWO_WAY, 5));
	assert_int_equal(deliver(&r, 3, got), 2);
	assert_int_equal(got[1].value, 5);
	assert_int_equal(deliver(&r, 2, got), 1);
	teardown(&r);
}

static void test_delivery_of_an_entry_that_is_no_batch(void **state)
{
	struct rig r;
	struct got got[8];

	setup(&r);
	r.source_id = 0;
	outcome_add(&r.outcome, 0, catalog_bit(1), content(&r, TWO_WAY, 1));
	outcome_add(&r.outcome, 0, catalog_bit(2), content(&r, UNKNOWN, 2));
	outcome_add(&r.outcome, 3, catalog_bit(2), content(&r, TWO_WAY, 3));
	assert_int_equal(deliver(&r, 1, got), 1);
	assert_int_equal(got[0].value, 1);
	assert_int_equal(got[0].txn, 0);
	assert_int_equal(deliver(&r, 2, got), 1);
	assert_int_equal(got[0].value, 3);
	outcome_add(&r.outcome, 4, catalog_bit(3), (struct bytes){0});
	assert_int_equal(deliver(&r, 2, got), ERR_CORRUPT);
	teardown(&r);
}

static void test_delivery_of_a_void_entry_is_none(void **state)
{
	struct rig r;
	struct got got[8];

	setup(&r);
	transaction(&r, TWO_WAY, 10, 2);
	outcome_add(&r.outcome, 0, catalog_bit(2), (struct bytes){0});
	outcome_void(&r.outcome);
	assert_int_equal(outcome_bytes(&r.outcome).len, 2);
	assert_int_equal(deliver(&r, 2, got), 0);
	outcome_writer_clear(&r.outcome);
	assert_int_equal(deliver(&r, 2, got), 2);
	teardown(&r);
}

/* More than one byte of a count. */
static void test_outcome_of_many_exceptions(void **state)
{
	enum { N = 300 };
	struct rig r;
	struct got got[N];

	setup(&r);
	transaction(&r, TWO_WAY, 1, N);
	for (uint32_t i = 0; i < N; i++)
		outcome_add(&r.outcome, i, catalog_bit(1 + i % 3),
			    (struct bytes){0});
	for (uint32_t id = 1; id <= 3; id++)
		assert_int_equal(deliver(&r, id, got), N / 3);
	teardown(&r);
}

static void test_delivery_shows_that_a_part_goes_on(void **state)
{
	struct rig r;
	struct delivery_reader reader;
	struct delivery d;

	setup(&r);
	change_begin(&r.changes, TXN_LOCAL, 4);
	change(&r, ONE_WAY, 4);
	change_part(&r.changes);
	/* Its own source gets nothing, and knows all the same. */
	struct delivery_source source = {
		.connection_id = 1,
		.source_id = 1,
		.changes = {r.changes.buf.data, r.changes.buf.len}};
	assert_int_equal(delivery_begin(&reader, r.catalog, &source), 0);
	assert_int_equal(delivery_next(&reader, &d), 0);
	assert_int_equal(reader.at.kind, TXN_PART);
	assert_int_equal(delivery_next(&reader, &d), 0); /* and stays there */
	teardown(&r);
}

static void refuse(struct rig *r, const char *what, const uint8_t *data,
		   size_t len)
{
	struct got got[8];
	uint8_t *copy = mem_alloc(len);

	memcpy(copy, data, len);
	if (read_bytes(r, 2, (struct bytes){copy, len}, got) != ERR_CORRUPT)
		fail_msg("taken: %s", what);
	free(copy);
}

static void test_outcome_refuses_what_is_none(void **state)
{
	struct rig r;
	struct got got[8];

	setup(&r);
	transaction(&r, TWO_WAY, 10, 3);
	refuse(&r, "unknown flags", ((uint8_t[]){2, 0}), 2);
	refuse(&r, "void with items", ((uint8_t[]){1, 1, 0, 0, 0}), 5);
	refuse(&r, "something behind", ((uint8_t[]){0, 0, 0}), 3);
	refuse(&r, "fewer items than told", ((uint8_t[]){0, 2, 0, 4, 0}), 5);
	refuse(&r, "falling ordinals", ((uint8_t[]){0, 2, 1, 4, 0, 0, 4, 0}),
	       8);
	refuse(&r, "a content that is no change",
	       ((uint8_t[]){0, 1, 0, 4, 1, 1}), 6);
	refuse(&r, "a length beyond the end", ((uint8_t[]){0, 1, 0, 4, 9}), 5);

	outcome_add(&r.outcome, 0, 6, content(&r, TWO_WAY, 1));
	outcome_add(&r.outcome, 2, 6, content(&r, TWO_WAY, 2));
	struct bytes whole = outcome_bytes(&r.outcome);
	assert_int_equal(read_bytes(&r, 2, whole, got), 3);
	for (size_t len = 1; len < whole.len; len++)
		refuse(&r, "a truncation", whole.data, len);
	teardown(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outcome_without_exceptions_is_empty),
		cmocka_unit_test(
			test_delivery_goes_to_all_targets_but_its_source),
		cmocka_unit_test(
			test_delivery_numbers_transactions_and_changes),
		cmocka_unit_test(test_delivery_an_exception_takes_the_place),
		cmocka_unit_test(test_delivery_to_nobody),
		cmocka_unit_test(test_delivery_several_of_one_ordinal_in_order),
		cmocka_unit_test(test_delivery_behind_the_last_change),
		cmocka_unit_test(test_delivery_of_an_entry_that_is_no_batch),
		cmocka_unit_test(test_delivery_of_a_void_entry_is_none),
		cmocka_unit_test(test_outcome_of_many_exceptions),
		cmocka_unit_test(test_delivery_shows_that_a_part_goes_on),
		cmocka_unit_test(test_outcome_refuses_what_is_none),
	};
	return cmocka_run_group_tests_name("outcome", tests, NULL, NULL);
}
