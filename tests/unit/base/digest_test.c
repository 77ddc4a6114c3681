#include "base/digest.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/endian.h"
#include "base/rng.h"

/* Published values of XXH3: the format on disk must not depend on the build. */
static void test_digest_is_xxh3(void **state)
{
	assert_true(digest64("", 0) == 0x2d06800538d394c2u);
	assert_true(digest64("a", 1) == 0xe6c632b61e964e1fu);
	assert_true(digest64("abc", 3) == 0x78af5f94892f3950u);
}

/* Values of the library, for lengths that take the wide instructions where the
 * processor has them: both must agree for ever. */
static void test_wide_digest_is_the_same(void **state)
{
	uint8_t data[3000];

	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)(i * 7 + i / 256);
	assert_true(digest64_seed(data, 3000, 77) == 0x55f3223e3dd8b036u);
	assert_true(digest64_seed(data, 256, 77) == 0xe716f4f83159f08du);
	assert_true(digest64(data, 3000) == 0xf8b5749ec75008abu);
}

static void test_digest_streams_to_the_same_value(void **state)
{
	static uint8_t data[5000];
	struct rng r;

	rng_init(&r, 3);
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)rng_u64(&r);
	for (size_t len = 0; len < sizeof data; len += 1 + len / 7) {
		struct digest *d = digest_new();
		for (size_t at = 0; at < len;) {
			size_t n = (size_t)rng_below(&r, len - at) + 1;
			digest_add(d, data + at, n);
			at += n;
		}
		assert_true(digest_value(d) == digest64(data, len));
		digest_free(d);
	}
	digest_free(NULL);
}

static void test_digest_sees_every_bit_and_the_seed(void **state)
{
	uint8_t data[300] = {0};
	uint64_t good = digest64_seed(data, sizeof data, 9);

	for (size_t bit = 0; bit < sizeof data * 8; bit++) {
		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_true(digest64_seed(data, sizeof data, 9) != good);
		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_true(digest64_seed(data, sizeof data, 8) != good);
	assert_true(digest64_seed(data, sizeof data, 0) ==
		    digest64(data, sizeof data));
}

static void test_endian_is_fixed(void **state)
{
	uint8_t p[8];

	put_u16(p, 0x0102);
	assert_memory_equal(p, "\x02\x01", 2);
	assert_int_equal(get_u16(p), 0x0102);
	put_u32(p, 0x01020304);
	assert_memory_equal(p, "\x04\x03\x02\x01", 4);
	assert_int_equal(get_u32(p), 0x01020304);
	put_u64(p, 0x0102030405060708);
	assert_memory_equal(p, "\x08\x07\x06\x05\x04\x03\x02\x01", 8);
	assert_int_equal(get_u64(p), 0x0102030405060708);
	put_u64_be(p, 0x0102030405060708);
	assert_memory_equal(p, "\x01\x02\x03\x04\x05\x06\x07\x08", 8);
	assert_int_equal(get_u64_be(p), 0x0102030405060708);
}

static void test_endian_keeps_every_bit(void **state)
{
	struct rng r;
	uint8_t p[8], q[8];

	rng_init(&r, 4);
	for (int i = 0; i < 1000; i++) {
		uint64_t a = rng_u64(&r), b = rng_u64(&r);
		put_u64(p, a);
		assert_true(get_u64(p) == a);
		put_u32(p, (uint32_t)a);
		assert_true(get_u32(p) == (uint32_t)a);
		put_u16(p, (uint16_t)a);
		assert_true(get_u16(p) == (uint16_t)a);
		put_u64_be(p, a);
		put_u64_be(q, b);
		assert_true((memcmp(p, q, 8) < 0) == (a < b));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_digest_is_xxh3),
		cmocka_unit_test(test_wide_digest_is_the_same),
		cmocka_unit_test(test_digest_streams_to_the_same_value),
		cmocka_unit_test(test_digest_sees_every_bit_and_the_seed),
		cmocka_unit_test(test_endian_is_fixed),
		cmocka_unit_test(test_endian_keeps_every_bit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
