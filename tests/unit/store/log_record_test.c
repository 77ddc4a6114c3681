/* The bytes of a record, and that every flipped bit of it is seen. */
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/endian.h"
#include "cluster/store/log_record.h"
#include "fixture.h"

enum { LEN = 100, TOTAL = LOG_HEADER_BYTES + LEN };

static void make(uint8_t buf[TOTAL])
{
	struct log_entry entry = entry_make(77, 5, LEN);
	entry.time_us = 123456789;
	entry.type = LOG_CHANGE;
	log_record_write(buf, &entry);
	entry_free(&entry);
}

static void test_layout_is_the_documented_one(void **state)
{
	(void)state;
	uint8_t buf[TOTAL];
	make(buf);
	assert_int_equal(get_u64(buf), digest64_seed(buf + 8, TOTAL - 8, 77));
	assert_int_equal(get_u64(buf + 8), 5);
	assert_int_equal(get_u64(buf + 16), 123456789);
	assert_int_equal(get_u32(buf + 24), LEN);
	assert_int_equal(buf[28], LOG_CHANGE);
	assert_int_equal(buf[29], 0);
	assert_int_equal(get_u16(buf + 30), 0);
}

static void test_gives_back_what_was_written(void **state)
{
	(void)state;
	uint8_t buf[TOTAL];
	struct log_entry out;
	make(buf);
	assert_int_equal(
		log_record_read((struct bytes){buf, TOTAL}, 77, &out, NULL), 0);
	entry_check(&out, 77, 5);
	assert_int_equal(out.time_us, 123456789);
	assert_int_equal(out.type, LOG_CHANGE);
	assert_int_equal(out.len, LEN);
}

static void test_every_flipped_bit_is_seen(void **state)
{
	(void)state;
	uint8_t buf[TOTAL];
	struct log_entry out;
	make(buf);
	for (size_t i = 0; i < TOTAL * 8; i++) {
		buf[i / 8] ^= (uint8_t)(1U << i % 8);
		assert_int_equal(log_record_read((struct bytes){buf, TOTAL}, 77,
						 &out, NULL),
				 ERR_CORRUPT);
		buf[i / 8] ^= (uint8_t)(1U << i % 8);
	}
}

static void test_a_record_in_another_place_is_seen(void **state)
{
	(void)state;
	uint8_t buf[TOTAL];
	struct log_entry out;
	make(buf);
	assert_int_equal(
		log_record_read((struct bytes){buf, TOTAL}, 78, &out, NULL),
		ERR_CORRUPT);
}

static void test_every_cut_is_seen(void **state)
{
	(void)state;
	uint8_t buf[TOTAL];
	struct log_entry out;
	make(buf);
	for (size_t len = 0; len < TOTAL; len++) {
		/* On the heap, exactly as long: a read beyond it is caught. */
		uint8_t *cut = malloc(len + !len);
		memcpy(cut, buf, len);
		assert_int_equal(log_record_read((struct bytes){cut, len}, 77,
						 &out, NULL),
				 ERR_CORRUPT);
		free(cut);
	}
}

static void test_unknown_kinds_are_refused(void **state)
{
	(void)state;
	static const struct {
		size_t at;
		uint8_t value;
	} cases[] = {{28, 0}, {28, 4}, {29, 1}, {30, 1}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t buf[TOTAL];
		struct log_entry out;
		make(buf);
		buf[cases[i].at] = cases[i].value;
		put_u64(buf, digest64_seed(buf + 8, TOTAL - 8, 77));
		assert_int_equal(log_record_read((struct bytes){buf, TOTAL}, 77,
						 &out, NULL),
				 ERR_FORMAT);
	}
}

static void test_keys_sort_as_their_indexes(void **state)
{
	(void)state;
	static const uint64_t indexes[] = {0,   1,          255,
					   256, UINT32_MAX, UINT64_MAX - 1};
	uint8_t last[LOG_KEY_BYTES] = {0}, key[LOG_KEY_BYTES];
	for (size_t i = 0; i < sizeof(indexes) / sizeof(indexes[0]); i++) {
		uint64_t back = 0;
		log_key_write(key, indexes[i]);
		assert_int_equal(log_key_read((struct bytes){key, sizeof(key)},
					      &back, NULL),
				 0);
		assert_true(back == indexes[i]);
		if (i)
			assert_true(memcmp(last, key, sizeof(key)) < 0);
		memcpy(last, key, sizeof(key));
	}
	key[0] = 1;
	uint64_t back;
	assert_int_equal(
		log_key_read((struct bytes){key, sizeof(key)}, &back, NULL),
		ERR_CORRUPT);
}

static void test_meta_is_sealed_and_versioned(void **state)
{
	(void)state;
	struct log_meta meta = {7, 6, 3}, out;
	uint8_t buf[LOG_META_BYTES];
	log_meta_write(buf, &meta);
	assert_int_equal(
		log_meta_read((struct bytes){buf, sizeof(buf)}, &out, NULL), 0);
	assert_memory_equal(&meta, &out, sizeof(meta));
	for (size_t i = 0; i < sizeof(buf) * 8; i++) {
		buf[i / 8] ^= (uint8_t)(1U << i % 8);
		assert_int_equal(log_meta_read((struct bytes){buf, sizeof(buf)},
					       &out, NULL),
				 ERR_CORRUPT);
		buf[i / 8] ^= (uint8_t)(1U << i % 8);
	}
	put_u32(buf + 8, 2);
	put_u64(buf, digest64(buf + 8, sizeof(buf) - 8));
	assert_int_equal(
		log_meta_read((struct bytes){buf, sizeof(buf)}, &out, NULL),
		ERR_FORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout_is_the_documented_one),
		cmocka_unit_test(test_gives_back_what_was_written),
		cmocka_unit_test(test_every_flipped_bit_is_seen),
		cmocka_unit_test(test_a_record_in_another_place_is_seen),
		cmocka_unit_test(test_every_cut_is_seen),
		cmocka_unit_test(test_unknown_kinds_are_refused),
		cmocka_unit_test(test_keys_sort_as_their_indexes),
		cmocka_unit_test(test_meta_is_sealed_and_versioned),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
