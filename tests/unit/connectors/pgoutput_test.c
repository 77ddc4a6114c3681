/* pgoutput as the server writes it, by hand, and what a broken one may say. */
#include "connectors/postgres/pgoutput_decode.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define BYTES(text) ((struct bytes){(const uint8_t *)(text), sizeof(text) - 1})

static const char update[] = "U\0\0\x40\x06"
			     "K\0\x02t\0\0\0\x01"
			     "7n"
			     "N\0\x02t\0\0\0\x01"
			     "8u";

static void test_pgoutput_begin_has_place_and_time(void **state)
{
	struct pgoutput_message m;

	assert_int_equal(
		pgoutput_decode(BYTES("B\0\0\0\x01\0\0\0\x02"
				      "\0\0\0\0\0\0\0\x05\0\0\x02\xe9"),
				&m),
		0);
	assert_int_equal(m.kind, PGOUTPUT_BEGIN);
	assert_true(m.final_lsn == 0x100000002);
	assert_true(m.commit_us == INT64_C(946684800000005));
	assert_int_equal(m.xid, 745);
}

static void test_pgoutput_update_has_both_keys(void **state)
{
	struct pgoutput_message m;
	struct pgoutput_value v;

	assert_int_equal(pgoutput_decode(BYTES(update), &m), 0);
	assert_int_equal(m.relation, 0x4006);
	assert_true(m.is_key_only);
	struct bytes at = m.old_row.data;
	assert_true(pgoutput_next_value(&at, &v));
	assert_memory_equal(v.text.data, "7", 1);
	assert_true(pgoutput_next_value(&at, &v));
	assert_int_equal(v.kind, PGOUTPUT_NULL);
	assert_false(pgoutput_next_value(&at, &v));
	at = m.new_row.data;
	assert_true(pgoutput_next_value(&at, &v));
	assert_memory_equal(v.text.data, "8", 1);
	assert_true(pgoutput_next_value(&at, &v));
	assert_int_equal(v.kind, PGOUTPUT_UNCHANGED);
}

static void test_pgoutput_relation_tells_columns(void **state)
{
	struct pgoutput_message m;
	struct pgoutput_column c;

	assert_int_equal(pgoutput_decode(BYTES("R\0\0\x40\x06public\0t\0"
					       "f\0\x01\x01id\0\0\0\0\x17"
					       "\xff\xff\xff\xff"),
					 &m),
			 0);
	assert_string_equal(m.schema, "public");
	assert_string_equal(m.name, "t");
	assert_int_equal(m.identity, 'f');
	struct bytes at = m.columns;
	assert_true(pgoutput_next_column(&at, &c));
	assert_string_equal(c.name, "id");
	assert_true(c.is_key);
	assert_int_equal(c.type_oid, 23);
	assert_int_equal(c.type_mod, -1);
	assert_false(pgoutput_next_column(&at, &c));
}

/* Every beginning of a good message, and one byte more, is refused. */
static void test_pgoutput_cut_or_longer_is_refused(void **state)
{
	struct pgoutput_message m = {.relation = 99};
	uint8_t longer[sizeof update] = {0};

	for (size_t len = 0; len < sizeof update - 1; len++)
		assert_int_equal(
			pgoutput_decode(
				(struct bytes){(const uint8_t *)update, len},
				&m),
			ERR_CORRUPT);
	memcpy(longer, update, sizeof update - 1);
	assert_int_equal(
		pgoutput_decode((struct bytes){longer, sizeof longer}, &m),
		ERR_CORRUPT);
	assert_int_equal(m.relation, 99); /* untouched */
}

static void test_pgoutput_lies_are_refused(void **state)
{
	static const struct bytes lies[] = {
		{NULL, 0},
		/* a length beyond the message, and beyond 31 bits */
		BYTES("I\0\0\0\x01N\0\x01t\0\0\0\x09x"),
		BYTES("I\0\0\0\x01N\0\x01t\xff\xff\xff\xff"),
		/* more columns than there can be */
		BYTES("I\0\0\0\x01N\xff\xffn"),
		/* an insert with an old row, a kind of value of binary mode */
		BYTES("I\0\0\0\x01K\0\x01n"),
		BYTES("I\0\0\0\x01N\0\x01"
		      "b\0\0\0\x01x"),
		/* a truncate of four billion tables */
		BYTES("T\xff\xff\xff\xff\0"),
		/* a message of a later version of the protocol */
		BYTES("S\0\0\0\x01\0"),
	};
	struct pgoutput_message m;

	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++)
		assert_int_equal(pgoutput_decode(lies[i], &m), ERR_CORRUPT);
}

static void test_pgoutput_frames(void **state)
{
	uint8_t status[PGOUTPUT_STATUS_BYTES];
	struct pgoutput_frame f;

	assert_int_equal(pgoutput_frame(BYTES("k\0\0\0\0\0\0\0\x63"
					      "\0\0\0\0\0\0\0\x03\x01"),
					&f),
			 0);
	assert_int_equal(f.kind, PGOUTPUT_KEEPALIVE);
	assert_int_equal(f.end_lsn, 0x63);
	assert_true(f.wants_reply);
	assert_int_equal(pgoutput_frame(BYTES("k\0"), &f), ERR_CORRUPT);
	assert_int_equal(pgoutput_frame(BYTES("x"), &f), ERR_CORRUPT);

	pgoutput_status(status, 0x0102030405060708, 946684800000001, true);
	assert_int_equal(status[0], 'r');
	assert_int_equal(status[16], 8); /* flushed */
	assert_int_equal(status[32], 1); /* since 2000 */
	assert_int_equal(status[33], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pgoutput_begin_has_place_and_time),
		cmocka_unit_test(test_pgoutput_update_has_both_keys),
		cmocka_unit_test(test_pgoutput_relation_tells_columns),
		cmocka_unit_test(test_pgoutput_cut_or_longer_is_refused),
		cmocka_unit_test(test_pgoutput_lies_are_refused),
		cmocka_unit_test(test_pgoutput_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
