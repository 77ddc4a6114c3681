#include "proto/value.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "draw_value.h"
#include "proto/decimal.h"

enum { ROUNDS = 20000 };

static struct bytes text(const char *s)
{
	return (struct bytes){(const uint8_t *)s, strlen(s)};
}

static struct bytes written(const struct value_buf *buf)
{
	return (struct bytes){buf->data, buf->len};
}

static struct value of(enum value_type type, const char *s)
{
	return (struct value){
		.state = VALUE_SET, .type = type, .bytes = text(s)};
}

/* Reads a copy of just that size, so that ASan sees each byte beyond. */
static bool reads(const void *data, size_t len, struct value *out)
{
	uint8_t *copy = mem_alloc(len + 1);
	uint8_t *exact = copy + 1; /* ends where the block ends */

	memcpy(exact, data, len);
	struct value_reader r = value_reader((struct bytes){exact, len});
	struct value v;
	bool is_read = value_read(&r, &v) && r.at == r.end;
	if (is_read && out) {
		*out = v;
		out->bytes = (struct bytes){0}; /* it dies with the copy */
	}
	free(copy);
	return is_read;
}

static void test_value_reads_what_it_wrote(void **state)
{
	struct arena arena;
	struct rng rng;

	arena_init(&arena, 4096);
	rng_init(&rng, 1);
	for (int i = 0; i < ROUNDS; i++) {
		struct value_buf buf = {0}, again = {0};
		struct value v = draw_any(&rng, &arena), got;
		value_write(&buf, &v);
		struct value_reader r = value_reader(written(&buf));
		assert_true(value_read(&r, &got));
		assert_ptr_equal(r.at, r.end);
		assert_true(value_equal(&v, &got));
		value_write(&again, &got);
		assert_int_equal(bytes_compare(written(&buf), written(&again)),
				 0);
		value_buf_free(&buf);
		value_buf_free(&again);
		arena_clear(&arena);
	}
	arena_free(&arena);
}

static void test_value_refuses_every_truncation(void **state)
{
	struct arena arena;
	struct rng rng;

	arena_init(&arena, 4096);
	rng_init(&rng, 2);
	for (int i = 0; i < ROUNDS / 10; i++) {
		struct value_buf buf = {0};
		struct value v = draw_any(&rng, &arena);
		value_write(&buf, &v);
		for (size_t len = 0; len < buf.len; len++)
			assert_false(reads(buf.data, len, NULL));
		assert_true(reads(buf.data, buf.len, NULL));
		value_buf_free(&buf);
		arena_clear(&arena);
	}
	arena_free(&arena);
}

/* Equal bytes and equal values are the same thing. */
static void test_value_equal_is_equal_bytes(void **state)
{
	struct arena arena;
	struct rng rng;

	arena_init(&arena, 4096);
	rng_init(&rng, 3);
	for (int i = 0; i < ROUNDS; i++) {
		struct value_buf x = {0}, y = {0};
		enum value_type type =
			(enum value_type)(1 + rng_below(&rng, VALUE__N - 1));
		struct value a = draw_set(&rng, &arena, type);
		struct value b = draw_set(&rng, &arena, type);
		value_write(&x, &a);
		value_write(&y, &b);
		bool is_same = bytes_compare(written(&x), written(&y)) == 0;
		assert_int_equal(is_same, value_equal(&a, &b));
		int order = value_compare(&a, &b);
		int back = value_compare(&b, &a);
		assert_true((order < 0) == (back > 0));
		assert_true((order == 0) == (back == 0));
		if (is_same)
			assert_int_equal(order, 0);
		value_buf_free(&x);
		value_buf_free(&y);
		arena_clear(&arena);
	}
	arena_free(&arena);
}

static void test_value_refuses_what_is_not_canonical(void **state)
{
	static const struct {
		const char *what;
		uint8_t bytes[12];
		size_t len;
	} bad[] = {
		{"no tag", {0}, 0},
		{"tag 3", {3}, 1},
		{"tag of no type", {16}, 1},
		{"tag beyond the types", {16 + VALUE__N, 0}, 2},
		{"bool 2", {17, 2}, 2},
		{"varint too long", {18, 0x80, 0x00}, 3},
		{"varint with a zero", {18, 0x81, 0x00}, 3},
		{"varint of 65 bits",
		 {19, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2},
		 11},
		{"varint of 11 bytes",
		 {19, 255, 255, 255, 255, 255, 255, 255, 255, 255, 129, 0},
		 12},
		{"another NaN of 4", {21, 1, 0, 0xc0, 0x7f}, 5},
		{"negative NaN of 4", {21, 0, 0, 0xc0, 0xff}, 5},
		{"another NaN of 8", {22, 0, 0, 0, 0, 0, 0, 0xf4, 0x7f}, 9},
		{"empty decimal", {20, 0}, 2},
		{"decimal 01", {20, 2, '0', '1'}, 4},
		{"decimal -0", {20, 2, '-', '0'}, 4},
		{"decimal 1.", {20, 2, '1', '.'}, 4},
		{"decimal .5", {20, 2, '.', '5'}, 4},
		{"decimal +1", {20, 2, '+', '1'}, 4},
		{"bit 2", {16 + VALUE_BIT, 1, '2'}, 3},
		{"months beyond 32 bits",
		 {29, 0x80, 0x80, 0x80, 0x80, 0x10, 0, 0},
		 8},
		{"more bytes than there are", {23, 5, 'a'}, 3},
		{"length of 2^63",
		 {23, 128, 128, 128, 128, 128, 128, 128, 128, 128, 1},
		 11},
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (reads(bad[i].bytes, bad[i].len, NULL))
			fail_msg("taken: %s", bad[i].what);
	assert_true(reads((uint8_t[]){21, 0, 0, 0xc0, 0x7f}, 5, NULL));
	assert_true(reads((uint8_t[]){20, 2, '-', '1'}, 4, NULL));
}

static void test_value_a_bad_reader_stays_bad(void **state)
{
	static const uint8_t data[] = {3, 2, 2, 2};
	struct value_reader r = value_reader((struct bytes){data, 4});
	struct value v = {.state = VALUE_SET, .type = VALUE_UUID};

	assert_false(value_read(&r, &v));
	assert_false(value_read(&r, &v));
	assert_int_equal(value_read_varint(&r), 0);
	assert_int_equal(value_read_bytes(&r).len, 0);
	assert_true(r.is_bad);
	assert_int_equal(v.type, VALUE_UUID); /* untouched */
}

static void test_value_decimals_compare_by_size(void **state)
{
	static const char *const rising[] = {
		"-Infinity", "-100", "-99.9", "-10",  "-9",       "-0.02",
		"-0.010",    "0",    "0.001", "0.01", "1",        "1.1",
		"9",         "10",   "99.99", "100",  "Infinity", "NaN"};
	size_t n = sizeof rising / sizeof rising[0];

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++) {
			struct value a = of(VALUE_DECIMAL, rising[i]);
			struct value b = of(VALUE_DECIMAL, rising[j]);
			int order = value_compare(&a, &b);
			assert_int_equal((order > 0) - (order < 0),
					 (i > j) - (i < j));
		}
	assert_int_equal(decimal_compare(text("1.0"), text("1.00")), 0);
	assert_int_equal(decimal_compare(text("-2"), text("-2.000")), 0);
	struct value a = of(VALUE_DECIMAL, "1.0");
	struct value b = of(VALUE_DECIMAL, "1.00");
	assert_false(value_equal(&a, &b));
}

static void test_value_floats_compare_by_size(void **state)
{
	struct value a = {.state = VALUE_SET, .type = VALUE_F64, .f64 = 0.0};
	struct value b = a, nan = a;

	b.f64 = -0.0;
	nan.f64 = (double)NAN;
	assert_int_equal(value_compare(&a, &b), 0);
	assert_false(value_equal(&a, &b));
	assert_true(value_compare(&nan, &a) > 0);
	assert_true(value_compare(&a, &nan) < 0);
	assert_int_equal(value_compare(&nan, &nan), 0);
	assert_true(value_equal(&nan, &nan));
}

static void test_value_intervals_compare_by_length(void **state)
{
	struct value a = {.state = VALUE_SET, .type = VALUE_INTERVAL};
	struct value b = a;

	a.interval.months = 1;
	b.interval.days = 30;
	assert_int_equal(value_compare(&a, &b), 0);
	assert_false(value_equal(&a, &b));
	b.interval.us = -1;
	assert_true(value_compare(&a, &b) > 0);
	a.interval.months = INT32_MAX;
	a.interval.days = INT32_MAX;
	a.interval.us = INT64_MAX;
	b.interval.months = INT32_MIN;
	assert_true(value_compare(&a, &b) > 0);
}

static void check_print(struct value v, const char *expected)
{
	char buf[64];

	assert_string_equal(value_print(&v, buf, sizeof buf), expected);
}

static struct value number(enum value_type type, int64_t n)
{
	return (struct value){.state = VALUE_SET, .type = type, .i64 = n};
}

static void test_value_prints_for_people(void **state)
{
	check_print((struct value){.state = VALUE_NULL}, "NULL");
	check_print((struct value){.state = VALUE_ABSENT}, "(absent)");
	check_print(of(VALUE_TEXT, "a \"b\"\n"), "\"a \\\"b\\\"\\x0a\"");
	check_print(of(VALUE_DECIMAL, "1.50"), "1.50");
	check_print(of(VALUE_BYTES, "\x01z"), "\\x017a");
	check_print(number(VALUE_INT64, INT64_MIN), "-9223372036854775808");
	check_print(number(VALUE_DATE, 19782), "2024-02-29");
	check_print(number(VALUE_DATE, INT64_MAX), "infinity");
	check_print(number(VALUE_TIMESTAMP, -1), "1969-12-31 23:59:59.999999Z");
	check_print((struct value){.state = VALUE_SET,
				   .type = VALUE_F64,
				   .f64 = 0.1},
		    "0.1");
}

/* Whatever the room: a NUL within it, dots when something is missing, and no
 * half of a letter before them. */
static void test_value_print_is_cut(void **state)
{
	struct value v = of(VALUE_TEXT, "gr\xc3\xbc\xc3\x9f"
					"e");
	char whole[32];

	value_print(&v, whole, sizeof whole);
	for (size_t cap = 1; cap <= strlen(whole); cap++) {
		char *buf = mem_alloc(cap);
		memset(buf, 'x', cap);
		value_print(&v, buf, cap);
		assert_true(memchr(buf, '\0', cap) != NULL);
		size_t len = strlen(buf);
		if (cap >= 4) {
			assert_string_equal(buf + len - 3, "...");
			assert_int_not_equal((uint8_t)whole[len - 3] & 0xc0,
					     0x80);
			assert_memory_equal(buf, whole, len - 3);
		}
		free(buf);
	}
}

static void test_value_every_type_has_a_name(void **state)
{
	for (int i = 1; i < VALUE__N; i++)
		assert_non_null(value_type_name((enum value_type)i));
	assert_null(value_type_name((enum value_type)0));
	assert_null(value_type_name(VALUE__N));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_value_reads_what_it_wrote),
		cmocka_unit_test(test_value_refuses_every_truncation),
		cmocka_unit_test(test_value_equal_is_equal_bytes),
		cmocka_unit_test(test_value_refuses_what_is_not_canonical),
		cmocka_unit_test(test_value_a_bad_reader_stays_bad),
		cmocka_unit_test(test_value_decimals_compare_by_size),
		cmocka_unit_test(test_value_floats_compare_by_size),
		cmocka_unit_test(test_value_intervals_compare_by_length),
		cmocka_unit_test(test_value_prints_for_people),
		cmocka_unit_test(test_value_print_is_cut),
		cmocka_unit_test(test_value_every_type_has_a_name),
	};
	return cmocka_run_group_tests_name("value", tests, NULL, NULL);
}
