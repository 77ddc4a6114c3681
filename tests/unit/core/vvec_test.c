/* The laws of version vectors, on drawn ones. */
#include "cluster/core/vvec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"

enum { ROUNDS = 20000 };

static void draw(struct rng *rng, struct vvec *out)
{
	out->n = 0;
	for (uint32_t id = 0; id < 5; id++)
		vvec_raise(out, id, rng_below(rng, 4));
}

static struct vvec joined(const struct vvec *a, const struct vvec *b)
{
	struct vvec out;

	vvec_copy(&out, a);
	vvec_join(&out, b);
	return out;
}

static bool is_within(const struct vvec *a, const struct vvec *b)
{
	enum vvec_order o = vvec_compare(a, b);

	return o == VVEC_EQUAL || o == VVEC_BEFORE;
}

static void test_vvec_compare_is_a_partial_order(void **state)
{
	static const enum vvec_order turned[] = {
		[VVEC_EQUAL] = VVEC_EQUAL,
		[VVEC_BEFORE] = VVEC_AFTER,
		[VVEC_AFTER] = VVEC_BEFORE,
		[VVEC_CONCURRENT] = VVEC_CONCURRENT,
	};
	struct rng rng;
	struct vvec a, b, c;

	rng_init(&rng, 1);
	for (int i = 0; i < ROUNDS; i++) {
		draw(&rng, &a);
		draw(&rng, &b);
		draw(&rng, &c);
		assert_int_equal(vvec_compare(&a, &a), VVEC_EQUAL);
		assert_int_equal(vvec_compare(&a, &b),
				 turned[vvec_compare(&b, &a)]);
		if (is_within(&a, &b) && is_within(&b, &c))
			assert_true(is_within(&a, &c));
	}
}

static void test_vvec_join_is_the_least_upper_bound(void **state)
{
	struct rng rng;
	struct vvec a, b, c;

	rng_init(&rng, 2);
	for (int i = 0; i < ROUNDS; i++) {
		draw(&rng, &a);
		draw(&rng, &b);
		draw(&rng, &c);
		struct vvec ab = joined(&a, &b), ba = joined(&b, &a);
		struct vvec bc = joined(&b, &c);
		struct vvec left = joined(&ab, &c), right = joined(&a, &bc);
		struct vvec aa = joined(&a, &a);
		assert_int_equal(vvec_compare(&ab, &ba), VVEC_EQUAL);
		assert_int_equal(vvec_compare(&left, &right), VVEC_EQUAL);
		assert_int_equal(vvec_compare(&aa, &a), VVEC_EQUAL);
		assert_true(is_within(&a, &ab) && is_within(&b, &ab));
		if (is_within(&a, &c) && is_within(&b, &c))
			assert_true(is_within(&ab, &c));
	}
}

static void test_vvec_reads_what_it_wrote(void **state)
{
	struct value_buf buf = {0};
	struct rng rng;
	struct vvec a, b;

	rng_init(&rng, 3);
	for (int i = 0; i < 1000; i++) {
		draw(&rng, &a);
		buf.len = 0;
		vvec_write(&buf, &a);
		struct value_reader r =
			value_reader((struct bytes){buf.data, buf.len});
		assert_true(vvec_read(&r, &b));
		assert_ptr_equal(r.at, r.end);
		assert_int_equal(vvec_compare(&a, &b), VVEC_EQUAL);
	}
	value_buf_free(&buf);
}

static void test_vvec_refuses_what_is_no_vector(void **state)
{
	static const uint8_t unordered[] = {2, 5, 1, 4, 1};
	static const uint8_t zero[] = {1, 5, 0};
	static const uint8_t cut[] = {2, 5, 1};
	static const uint8_t many[] = {64};
	const struct bytes bad[] = {
		{unordered, sizeof(unordered)},
		{zero, sizeof(zero)},
		{cut, sizeof(cut)},
		{many, sizeof(many)},
	};
	struct vvec v;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct value_reader r = value_reader(bad[i]);
		assert_false(vvec_read(&r, &v));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vvec_compare_is_a_partial_order),
		cmocka_unit_test(test_vvec_join_is_the_least_upper_bound),
		cmocka_unit_test(test_vvec_reads_what_it_wrote),
		cmocka_unit_test(test_vvec_refuses_what_is_no_vector),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
