#include "base/check.h"

#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "death.h"

enum { LINE_OF_CLAIM = __LINE__ + 5 };

static void claim_one_is_two(void *ctx)
{
	*(int *)ctx = 1;
	CHECK(*(int *)ctx == 2);
}

static void test_check_stops_with_file_line_and_claim(void **state)
{
	char words[64];
	int one;

	snprintf(words, sizeof words,
		 "check_test.c:%d: *(int *)ctx == 2 does not hold\n",
		 LINE_OF_CLAIM);
	death_expect(claim_one_is_two, &one, words);
}

static void test_check_evaluates_its_claim_once(void **state)
{
	int n = 0;

	CHECK(++n > 0);

	assert_int_equal(n, 1);
}

static void fail_with_long_claim(void *ctx)
{
	(void)ctx;
	char claim[2000];

	for (size_t i = 0; i < sizeof claim; i++)
		claim[i] = 'x';
	claim[sizeof claim - 1] = '\0';
	check_failed("long.c", 7, claim);
}

static void test_check_cuts_a_long_claim(void **state)
{
	death_expect(fail_with_long_claim, NULL, "long.c:7: xxxx");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check_stops_with_file_line_and_claim),
		cmocka_unit_test(test_check_evaluates_its_claim_once),
		cmocka_unit_test(test_check_cuts_a_long_claim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
