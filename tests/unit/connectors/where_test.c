#include "connectors/where.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum {
	EQ = SYNOD__DEFINITION__COMPARISON__OP__EQ,
	NE = SYNOD__DEFINITION__COMPARISON__OP__NE,
	LT = SYNOD__DEFINITION__COMPARISON__OP__LT,
	LE = SYNOD__DEFINITION__COMPARISON__OP__LE,
	GT = SYNOD__DEFINITION__COMPARISON__OP__GT,
	GE = SYNOD__DEFINITION__COMPARISON__OP__GE,
	IS_NULL = SYNOD__DEFINITION__COMPARISON__OP__IS_NULL,
	NOT_NULL = SYNOD__DEFINITION__COMPARISON__OP__NOT_NULL,
};

static const struct value null = {.state = VALUE_NULL};
static const struct value unchanged = {.state = VALUE_UNCHANGED};
static const struct value absent = {.state = VALUE_ABSENT};

static struct value i64(int64_t n)
{
	return (struct value){
		.state = VALUE_SET, .type = VALUE_INT64, .i64 = n};
}

static struct value of(enum value_type type, const char *s)
{
	return (struct value){.state = VALUE_SET,
			      .type = type,
			      .bytes = {(const uint8_t *)s, strlen(s)}};
}

/* A side of one or two comparisons. */
struct rig {
	Synod__Definition__Side side;
	Synod__Definition__Comparison list[2];
	Synod__Definition__Comparison *where[2];
	struct value_buf operands[2];
};

static void setup(struct rig *r)
{
	*r = (struct rig){0};
	synod__definition__side__init(&r->side);
	r->side.where = r->where;
}

static void teardown(struct rig *r)
{
	value_buf_free(&r->operands[0]);
	value_buf_free(&r->operands[1]);
}

static void expect(struct rig *r, uint32_t field, int op, struct value operand)
{
	size_t i = r->side.n_where++;

	synod__definition__comparison__init(&r->list[i]);
	value_write(&r->operands[i], &operand);
	r->list[i].field = field;
	r->list[i].op = (Synod__Definition__Comparison__Op)op;
	r->list[i].value.data = r->operands[i].data;
	r->list[i].value.len = r->operands[i].len;
	r->where[i] = &r->list[i];
}

static int one(int op, struct value v, struct value operand)
{
	struct rig r;

	setup(&r);
	expect(&r, 0, op, operand);
	int verdict = where_holds(&r.side, &v, 1);
	teardown(&r);
	return verdict;
}

static void test_where_without_comparisons_holds(void **state)
{
	Synod__Definition__Side side;

	synod__definition__side__init(&side);
	assert_int_equal(where_holds(&side, NULL, 0), WHERE_TRUE);
}

static void test_where_each_operator(void **state)
{
	static const struct {
		int op, less, equal, more;
	} table[] = {
		{EQ, 0, 1, 0}, {NE, 1, 0, 1}, {LT, 1, 0, 0},
		{LE, 1, 1, 0}, {GT, 0, 0, 1}, {GE, 0, 1, 1},
	};

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		int op = table[i].op;
		assert_int_equal(one(op, i64(-5), i64(4)), table[i].less);
		assert_int_equal(one(op, i64(4), i64(4)), table[i].equal);
		assert_int_equal(one(op, i64(5), i64(4)), table[i].more);
		assert_int_equal(one(op, null, i64(4)), WHERE_FALSE);
		assert_int_equal(one(op, i64(4), null), WHERE_FALSE);
		assert_int_equal(one(op, null, null), WHERE_FALSE);
		assert_int_equal(one(op, unchanged, i64(4)), WHERE_UNKNOWN);
		assert_int_equal(one(op, absent, i64(4)), WHERE_UNKNOWN);
		/* Nothing equals NULL: no need to know the value. */
		assert_int_equal(one(op, unchanged, null), WHERE_FALSE);
	}
}

static void test_where_asks_for_null(void **state)
{
	assert_int_equal(one(IS_NULL, null, null), WHERE_TRUE);
	assert_int_equal(one(IS_NULL, i64(0), null), WHERE_FALSE);
	assert_int_equal(one(IS_NULL, unchanged, null), WHERE_UNKNOWN);
	assert_int_equal(one(NOT_NULL, null, null), WHERE_FALSE);
	assert_int_equal(one(NOT_NULL, i64(0), null), WHERE_TRUE);
	assert_int_equal(one(NOT_NULL, absent, null), WHERE_UNKNOWN);
}

static void test_where_compares_by_type(void **state)
{
	struct value nan = {
		.state = VALUE_SET, .type = VALUE_F64, .f64 = (double)NAN};
	struct value large = nan;

	large.f64 = 1e308;
	assert_int_equal(
		one(EQ, of(VALUE_DECIMAL, "1.0"), of(VALUE_DECIMAL, "1.00")),
		WHERE_TRUE);
	assert_int_equal(
		one(LT, of(VALUE_DECIMAL, "9"), of(VALUE_DECIMAL, "10")),
		WHERE_TRUE);
	assert_int_equal(one(LT, of(VALUE_TEXT, "10"), of(VALUE_TEXT, "9")),
			 WHERE_TRUE);
	assert_int_equal(one(EQ, of(VALUE_TEXT, ""), of(VALUE_TEXT, "")),
			 WHERE_TRUE);
	assert_int_equal(one(EQ, nan, nan), WHERE_TRUE);
	assert_int_equal(one(GT, nan, large), WHERE_TRUE);
}

/* What is false decides, whatever is not known. */
static void test_where_all_have_to_hold(void **state)
{
	struct rig r;
	struct value good = i64(1), bad = i64(2);

	setup(&r);
	expect(&r, 0, EQ, i64(1));
	expect(&r, 1, EQ, i64(1));
	assert_int_equal(where_holds(&r.side, (struct value[]){good, good}, 2),
			 WHERE_TRUE);
	assert_int_equal(where_holds(&r.side, (struct value[]){good, bad}, 2),
			 WHERE_FALSE);
	assert_int_equal(
		where_holds(&r.side, (struct value[]){unchanged, good}, 2),
		WHERE_UNKNOWN);
	assert_int_equal(
		where_holds(&r.side, (struct value[]){good, unchanged}, 2),
		WHERE_UNKNOWN);
	assert_int_equal(
		where_holds(&r.side, (struct value[]){unchanged, bad}, 2),
		WHERE_FALSE);
	assert_int_equal(
		where_holds(&r.side, (struct value[]){bad, unchanged}, 2),
		WHERE_FALSE);
	teardown(&r);
}

static void test_where_refuses_what_is_no_comparison(void **state)
{
	struct rig r;
	struct value v = i64(1);

	assert_int_equal(one(EQ, v, of(VALUE_TEXT, "1")), ERR_INVALID);
	assert_int_equal(one(99, v, v), ERR_INVALID);
	assert_int_equal(one(EQ, v, absent), ERR_INVALID);
	setup(&r);
	expect(&r, 1, EQ, v);
	assert_int_equal(where_holds(&r.side, &v, 1), ERR_INVALID);
	r.list[0].field = 0;
	assert_int_equal(where_holds(&r.side, &v, 1), WHERE_TRUE);
	r.list[0].value.len--;
	assert_int_equal(where_holds(&r.side, &v, 1), ERR_INVALID);
	r.list[0].value.len = 0;
	assert_int_equal(where_holds(&r.side, &v, 1), ERR_INVALID);
	teardown(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_where_without_comparisons_holds),
		cmocka_unit_test(test_where_each_operator),
		cmocka_unit_test(test_where_asks_for_null),
		cmocka_unit_test(test_where_compares_by_type),
		cmocka_unit_test(test_where_all_have_to_hold),
		cmocka_unit_test(test_where_refuses_what_is_no_comparison),
	};
	return cmocka_run_group_tests_name("where", tests, NULL, NULL);
}
