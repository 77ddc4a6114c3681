#include "connectors/text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "proto/calendar.h"
#include "proto/decimal.h"

static struct bytes text(const char *s)
{
	return (struct bytes){(const uint8_t *)s, strlen(s)};
}

/* Reads a copy of just that size, so that ASan sees each byte beyond. */
static int read_exact(enum value_type type, const char *s, struct arena *arena,
		      struct value *out)
{
	size_t len = strlen(s);
	uint8_t *copy = mem_alloc(len + 1);

	memcpy(copy + 1, s, len);
	int rc = text_to_value(type, (struct bytes){copy + 1, len}, arena, out,
			       NULL);
	if (rc == 0 && out->bytes.data == copy + 1)
		out->bytes.data = (const uint8_t *)s;
	free(copy);
	return rc;
}

/* from is read, and written as to. */
static void check_as(enum value_type type, const char *from, const char *to)
{
	struct arena arena;
	struct value v;
	struct value_buf buf = {0};

	arena_init(&arena, 4096);
	if (read_exact(type, from, &arena, &v))
		fail_msg("%s: \"%s\" was refused", value_type_name(type), from);
	assert_int_equal(v.state, VALUE_SET);
	assert_int_equal(v.type, type);
	assert_int_equal(value_to_text(&v, &buf, NULL), 0);
	value_buf_put(&buf, "", 1);
	assert_string_equal((const char *)buf.data, to);
	value_buf_free(&buf);
	arena_free(&arena);
}

static void check_same(enum value_type type, const char *s)
{
	check_as(type, s, s);
}

static void refuse(enum value_type type, const char *s, int code)
{
	struct arena arena;
	struct value v = {.state = VALUE_ABSENT};

	arena_init(&arena, 4096);
	int rc = read_exact(type, s, &arena, &v);
	if (rc != code)
		fail_msg("%s: \"%s\": %d", value_type_name(type), s, rc);
	assert_int_equal(v.state, VALUE_ABSENT);
	arena_free(&arena);
}

static void test_text_bool(void **state)
{
	check_same(VALUE_BOOL, "t");
	check_same(VALUE_BOOL, "f");
	check_as(VALUE_BOOL, "true", "t");
	check_as(VALUE_BOOL, "FALSE", "f");
	check_as(VALUE_BOOL, "1", "t");
	check_as(VALUE_BOOL, "0", "f");
	refuse(VALUE_BOOL, "2", ERR_DATA);
	refuse(VALUE_BOOL, "", ERR_DATA);
	refuse(VALUE_BOOL, "tru", ERR_DATA);
	refuse(VALUE_BOOL, "truee", ERR_DATA);
}

static void test_text_whole_numbers(void **state)
{
	check_same(VALUE_INT64, "0");
	check_same(VALUE_INT64, "9223372036854775807");
	check_same(VALUE_INT64, "-9223372036854775808");
	check_as(VALUE_INT64, "+007", "7");
	check_as(VALUE_INT64, "-0", "0");
	refuse(VALUE_INT64, "9223372036854775808", ERR_LIMIT);
	refuse(VALUE_INT64, "-9223372036854775809", ERR_LIMIT);
	refuse(VALUE_INT64, "99999999999999999999999", ERR_LIMIT);
	refuse(VALUE_INT64, "", ERR_DATA);
	refuse(VALUE_INT64, "-", ERR_DATA);
	refuse(VALUE_INT64, " 1", ERR_DATA);
	refuse(VALUE_INT64, "1.0", ERR_DATA);
	refuse(VALUE_INT64, "+-1", ERR_DATA);
	check_same(VALUE_UINT64, "18446744073709551615");
	refuse(VALUE_UINT64, "18446744073709551616", ERR_LIMIT);
	refuse(VALUE_UINT64, "-1", ERR_DATA);
}

static void test_text_floats(void **state)
{
	check_same(VALUE_F64, "0.1");
	check_same(VALUE_F64, "-0");
	check_same(VALUE_F64, "5e-324"); /* the smallest there is */
	check_same(VALUE_F64, "1.7976931348623157e+308");
	check_same(VALUE_F64, "0.30000000000000004");
	check_same(VALUE_F64, "NaN");
	check_as(VALUE_F64, "inf", "Infinity");
	check_as(VALUE_F64, "-Infinity", "-Infinity");
	check_as(VALUE_F64, "+1.50E1", "15");
	check_as(VALUE_F64, ".5", "0.5");
	check_as(VALUE_F64, "0e999", "0");
	refuse(VALUE_F64, "1e309", ERR_LIMIT);
	refuse(VALUE_F64, "1e-400", ERR_LIMIT);
	refuse(VALUE_F64, "0x10", ERR_DATA);
	refuse(VALUE_F64, "1e", ERR_DATA);
	refuse(VALUE_F64, ".", ERR_DATA);
	refuse(VALUE_F64, "nan(1)", ERR_DATA);
	refuse(VALUE_F64, "-", ERR_DATA);
	check_same(VALUE_F32, "0.1");
	check_same(VALUE_F32, "1e-45");
	check_same(VALUE_F32, "3.4028235e+38");
	refuse(VALUE_F32, "3.5e38", ERR_LIMIT);
	refuse(VALUE_F32, "1e-46", ERR_LIMIT);
}

static void check_bits(double d)
{
	struct value_buf buf = {0};
	double back;
	float short_back;

	text_write_f64(&buf, d);
	assert_int_equal(
		text_read_f64((struct bytes){buf.data, buf.len}, &back), 0);
	if (!isnan(d))
		assert_memory_equal(&back, &d, sizeof d);
	float f = (float)d;
	buf.len = 0;
	text_write_f32(&buf, f);
	assert_int_equal(
		text_read_f32((struct bytes){buf.data, buf.len}, &short_back),
		0);
	if (!isnan(f))
		assert_memory_equal(&short_back, &f, sizeof f);
	value_buf_free(&buf);
}

static void test_text_floats_survive_any_bits(void **state)
{
	struct rng rng;

	rng_init(&rng, 1);
	for (int i = 0; i < 20000; i++) {
		uint64_t bits = rng_u64(&rng);
		double d;
		if (i % 4 == 0) /* denormal */
			bits &= UINT64_C(0x800fffffffffffff);
		if (i % 4 == 1) /* one that a float can hold */
			bits = (bits & ~(UINT64_C(0x7ff) << 52)) |
			       (896 + rng_below(&rng, 254)) << 52;
		memcpy(&d, &bits, sizeof d);
		check_bits(d);
	}
}

static void test_text_decimals(void **state)
{
	check_as(VALUE_DECIMAL, "+01.50e3", "1500");
	check_as(VALUE_DECIMAL, "1.50e1", "15.0");
	check_as(VALUE_DECIMAL, "1.5e-3", "0.0015");
	check_as(VALUE_DECIMAL, "-00.00", "0.00");
	check_as(VALUE_DECIMAL, "0e5", "0");
	check_as(VALUE_DECIMAL, "0e-5", "0.00000");
	check_as(VALUE_DECIMAL, "0e99999999999999999999", "0");
	check_as(VALUE_DECIMAL, ".5", "0.5");
	check_as(VALUE_DECIMAL, "5.", "5");
	check_as(VALUE_DECIMAL, "-12.30", "-12.30");
	check_as(VALUE_DECIMAL, "0012300e-2", "123.00");
	check_as(VALUE_DECIMAL, "0.00012e4", "1.2");
	check_as(VALUE_DECIMAL, "nan", "NaN");
	check_as(VALUE_DECIMAL, "-inf", "-Infinity");
	check_as(VALUE_DECIMAL, "+Infinity", "Infinity");
	refuse(VALUE_DECIMAL, "", ERR_DATA);
	refuse(VALUE_DECIMAL, ".", ERR_DATA);
	refuse(VALUE_DECIMAL, "e5", ERR_DATA);
	refuse(VALUE_DECIMAL, "1e", ERR_DATA);
	refuse(VALUE_DECIMAL, "1,5", ERR_DATA);
	refuse(VALUE_DECIMAL, "--1", ERR_DATA);
	refuse(VALUE_DECIMAL, "0x1", ERR_DATA);
	refuse(VALUE_DECIMAL, "1e131072", ERR_LIMIT);
	refuse(VALUE_DECIMAL, "1e99999999999999999999", ERR_LIMIT);
	refuse(VALUE_DECIMAL, "1e-99999999999999999999", ERR_LIMIT);
	refuse(VALUE_DECIMAL, "0e-16384", ERR_LIMIT);
}

static int read_digits(size_t n_whole, size_t n_scale, struct bytes *out,
		       struct arena *arena)
{
	size_t len = n_whole + 1 + n_scale;
	uint8_t *digits = mem_alloc(len);

	memset(digits, '7', len);
	digits[n_whole] = '.';
	int rc = text_read_decimal(
		(struct bytes){digits, n_scale ? len : n_whole}, arena, out);
	if (rc == 0) {
		assert_int_equal(out->len, n_scale ? len : n_whole);
		assert_memory_equal(out->data, digits, out->len);
		assert_true(decimal_is_canonical(*out));
	}
	free(digits);
	return rc;
}

static void test_text_decimals_are_bounded(void **state)
{
	struct arena arena;
	struct bytes out;

	arena_init(&arena, 4096);
	assert_int_equal(read_digits(TEXT_DECIMAL_WHOLE, TEXT_DECIMAL_SCALE,
				     &out, &arena),
			 0);
	assert_int_equal(read_digits(TEXT_DECIMAL_WHOLE + 1, 0, &out, &arena),
			 ERR_LIMIT);
	assert_int_equal(read_digits(1, TEXT_DECIMAL_SCALE + 1, &out, &arena),
			 ERR_LIMIT);
	arena_free(&arena);
}

static void test_text_dates(void **state)
{
	int64_t days;

	check_same(VALUE_DATE, "1970-01-01");
	check_same(VALUE_DATE, "2024-02-29");
	check_same(VALUE_DATE, "2000-02-29");
	check_same(VALUE_DATE, "0001-01-01");
	check_same(VALUE_DATE, "0001-12-31 BC");
	check_same(VALUE_DATE, "0001-02-29 BC"); /* year 0 is a leap year */
	check_same(VALUE_DATE, "4713-01-01 BC");
	check_same(VALUE_DATE, "5874897-12-31");
	check_same(VALUE_DATE, "infinity");
	check_same(VALUE_DATE, "-infinity");
	check_as(VALUE_DATE, "-0043-03-15", "0044-03-15 BC");
	check_as(VALUE_DATE, "0000-01-01", "0001-01-01 BC");
	refuse(VALUE_DATE, "2023-02-29", ERR_DATA);
	refuse(VALUE_DATE, "1900-02-29", ERR_DATA);
	refuse(VALUE_DATE, "2024-13-01", ERR_DATA);
	refuse(VALUE_DATE, "2024-00-01", ERR_DATA);
	refuse(VALUE_DATE, "2024-04-31", ERR_DATA);
	refuse(VALUE_DATE, "2024-1-01", ERR_DATA);
	refuse(VALUE_DATE, "0000-01-01 BC", ERR_DATA);
	refuse(VALUE_DATE, "-0044-01-01 BC", ERR_DATA);
	refuse(VALUE_DATE, "2024-01-01 AD", ERR_DATA);
	refuse(VALUE_DATE, "2024-01-01 ", ERR_DATA);
	refuse(VALUE_DATE, "01.03.2024", ERR_DATA);
	assert_int_equal(text_read_date(text("0001-12-31 BC"), &days), 0);
	assert_int_equal(days, -719163); /* the day before 0001-01-01 */
}

/* Each day is one more than the one before, in text as well. */
static void test_text_dates_have_no_gaps(void **state)
{
	struct value_buf buf = {0};

	for (int64_t day = -900000; day < 900000; day += 7) {
		int64_t back;
		buf.len = 0;
		assert_int_equal(text_write_date(&buf, day), 0);
		struct bytes b = {buf.data, buf.len};
		assert_int_equal(text_read_date(b, &back), 0);
		assert_int_equal(back, day);
	}
	assert_int_equal(text_write_date(&buf, INT64_MAX - 1), ERR_LIMIT);
	assert_int_equal(text_write_date(&buf, INT64_MIN + 1), ERR_LIMIT);
	value_buf_free(&buf);
}

static void test_text_times(void **state)
{
	check_same(VALUE_TIME, "00:00:00");
	check_same(VALUE_TIME, "24:00:00");
	check_same(VALUE_TIME, "23:59:59.999999");
	check_same(VALUE_TIME, "12:34:56.7");
	check_same(VALUE_TIME, "-838:59:59");
	check_as(VALUE_TIME, "12:34", "12:34:00");
	check_as(VALUE_TIME, "12:34:56.700000000", "12:34:56.7");
	refuse(VALUE_TIME, "12:34:56.1234567", ERR_DATA);
	refuse(VALUE_TIME, "12:60:00", ERR_DATA);
	refuse(VALUE_TIME, "12:00:60", ERR_DATA);
	refuse(VALUE_TIME, "12:00:00.", ERR_DATA);
	refuse(VALUE_TIME, "1:00", ERR_DATA);
	refuse(VALUE_TIME, "12", ERR_DATA);
	refuse(VALUE_TIME, "12:00:00+02", ERR_DATA);
}

static void test_text_moments(void **state)
{
	check_same(VALUE_DATETIME, "2024-02-29 12:34:56.000001");
	check_same(VALUE_DATETIME, "0044-03-15 12:00:00 BC");
	check_same(VALUE_DATETIME, "infinity");
	check_as(VALUE_DATETIME, "2024-01-01", "2024-01-01 00:00:00");
	check_as(VALUE_DATETIME, "2024-01-01T10:00", "2024-01-01 10:00:00");
	check_as(VALUE_DATETIME, "2024-02-29 24:00:00", "2024-03-01 00:00:00");
	check_as(VALUE_DATETIME, "0044-03-15 BC", "0044-03-15 00:00:00 BC");
	refuse(VALUE_DATETIME, "2024-01-01 24:00:01", ERR_DATA);
	refuse(VALUE_DATETIME, "2024-01-01 10:00:00+00", ERR_DATA);
	refuse(VALUE_DATETIME, "2024-01-01 10:00:00Z", ERR_DATA);
	refuse(VALUE_DATETIME, "2024-01-01 ", ERR_DATA);
	refuse(VALUE_DATETIME, "999999-01-01 00:00:00", ERR_LIMIT);
	check_same(VALUE_TIMESTAMP, "1969-12-31 23:59:59.999999+00");
	check_same(VALUE_TIMESTAMP, "0001-12-31 23:59:59+00 BC");
	/* 64 bits from 1970 on end 30 years before those of PostgreSQL. */
	check_same(VALUE_TIMESTAMP, "294246-12-31 23:59:59.999999+00");
	refuse(VALUE_TIMESTAMP, "294276-12-31 23:59:59.999999+00", ERR_LIMIT);
	check_same(VALUE_TIMESTAMP, "-infinity");
	check_as(VALUE_TIMESTAMP, "2024-01-01 02:30:00+05:30",
		 "2023-12-31 21:00:00+00");
	check_as(VALUE_TIMESTAMP, "2024-01-01 02:30:00-0530",
		 "2024-01-01 08:00:00+00");
	check_as(VALUE_TIMESTAMP, "1900-01-01 00:00:00+00:09:21",
		 "1899-12-31 23:50:39+00");
	check_as(VALUE_TIMESTAMP, "2024-01-01T00:00:00Z",
		 "2024-01-01 00:00:00+00");
	check_as(VALUE_TIMESTAMP, "2024-01-01 00:00:00",
		 "2024-01-01 00:00:00+00");
	refuse(VALUE_TIMESTAMP, "2024-01-01 00:00:00+16", ERR_DATA);
	refuse(VALUE_TIMESTAMP, "2024-01-01 00:00:00+", ERR_DATA);
	refuse(VALUE_TIMESTAMP, "2024-01-01 00:00:00+05:3", ERR_DATA);
	refuse(VALUE_TIMESTAMP, "2024-01-01 00:00:00 JST", ERR_DATA);
}

static void test_text_intervals(void **state)
{
	check_same(VALUE_INTERVAL, "00:00:00");
	check_same(VALUE_INTERVAL, "1 year 2 mons 3 days 04:05:06.789");
	check_same(VALUE_INTERVAL, "-1 years -2 mons +3 days -04:05:06");
	check_same(VALUE_INTERVAL, "-1 days +02:03:04");
	check_same(VALUE_INTERVAL, "1 day -00:00:01");
	check_same(VALUE_INTERVAL, "1 mon");
	check_same(VALUE_INTERVAL, "1000000:00:00");
	check_same(VALUE_INTERVAL, "2562047788:00:54.775807");
	check_same(VALUE_INTERVAL, "-2562047788:00:54.775808");
	check_same(VALUE_INTERVAL, "-178956970 years -8 mons");
	check_as(VALUE_INTERVAL, "2 weeks 14 months", "1 year 2 mons 14 days");
	refuse(VALUE_INTERVAL, "2562047788:00:54.775808", ERR_LIMIT);
	refuse(VALUE_INTERVAL, "178956971 years", ERR_LIMIT);
	refuse(VALUE_INTERVAL, "9999999999 days", ERR_LIMIT);
	refuse(VALUE_INTERVAL, "", ERR_DATA);
	refuse(VALUE_INTERVAL, "1 fortnight", ERR_DATA);
	refuse(VALUE_INTERVAL, "1 day ", ERR_DATA);
	refuse(VALUE_INTERVAL, "1", ERR_DATA);
	refuse(VALUE_INTERVAL, "1 s", ERR_DATA);
	refuse(VALUE_INTERVAL, "P1Y", ERR_DATA);
	refuse(VALUE_INTERVAL, "04:05:06 ago", ERR_DATA);
}

static void test_text_uuids_and_bytes(void **state)
{
	const char *uuid = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";

	check_same(VALUE_UUID, uuid);
	check_as(VALUE_UUID, "A0EEBC999C0B4EF8BB6D6BB9BD380A11", uuid);
	refuse(VALUE_UUID, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1", ERR_DATA);
	refuse(VALUE_UUID, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g", ERR_DATA);
	refuse(VALUE_UUID, "a0eebc999-c0b-4ef8-bb6d-6bb9bd380a11", ERR_DATA);
	check_same(VALUE_BYTES, "\\x");
	check_as(VALUE_BYTES, "\\x00fFA1", "\\x00ffa1");
	refuse(VALUE_BYTES, "", ERR_DATA);
	refuse(VALUE_BYTES, "00", ERR_DATA);
	refuse(VALUE_BYTES, "\\x0", ERR_DATA);
	refuse(VALUE_BYTES, "\\x0g", ERR_DATA);
	check_same(VALUE_BIT, "");
	check_same(VALUE_BIT, "0101");
	refuse(VALUE_BIT, "012", ERR_DATA);
	check_same(VALUE_TEXT, "");
	check_same(VALUE_JSON, "{\"a\": 1.10}");
	check_same(VALUE_NATIVE, "(1,2)");
}

static void test_text_error_says_what_was_expected(void **state)
{
	struct arena arena;
	struct value v;
	struct err e = {0};

	arena_init(&arena, 4096);
	assert_int_equal(
		text_to_value(VALUE_DATE, text("tomorrow"), &arena, &v, &e),
		ERR_DATA);
	assert_string_equal(e.text, "\"tomorrow\" is no date");
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_bool),
		cmocka_unit_test(test_text_whole_numbers),
		cmocka_unit_test(test_text_floats),
		cmocka_unit_test(test_text_floats_survive_any_bits),
		cmocka_unit_test(test_text_decimals),
		cmocka_unit_test(test_text_decimals_are_bounded),
		cmocka_unit_test(test_text_dates),
		cmocka_unit_test(test_text_dates_have_no_gaps),
		cmocka_unit_test(test_text_times),
		cmocka_unit_test(test_text_moments),
		cmocka_unit_test(test_text_intervals),
		cmocka_unit_test(test_text_uuids_and_bytes),
		cmocka_unit_test(test_text_error_says_what_was_expected),
	};
	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
