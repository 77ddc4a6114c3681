#include "base/err.h"

#include <ctype.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "death.h"

static void test_err_set_gives_code_and_text(void **state)
{
	struct err e = {0};

	int rc = err_set(&e, ERR_IO, "open %s: %d", "x", 5);

	assert_int_equal(rc, ERR_IO);
	assert_int_equal(e.code, ERR_IO);
	assert_string_equal(e.text, "open x: 5");
}

static void test_err_set_without_err_gives_the_code(void **state)
{
	assert_int_equal(err_set(NULL, ERR_BUSY, "nobody reads it"), ERR_BUSY);
}

static void test_err_set_may_use_its_own_text(void **state)
{
	struct err e = {0};

	err_set(&e, ERR_IO, "inner");
	err_set(&e, ERR_CORRUPT, "outer (%s)", e.text);

	assert_string_equal(e.text, "outer (inner)");
	assert_int_equal(e.code, ERR_CORRUPT);
}

static void test_err_wrap_puts_the_room_in_front(void **state)
{
	struct err e = {0};

	err_set(&e, ERR_FULL, "no space");
	int rc = err_wrap(&e, "store");

	assert_int_equal(rc, ERR_FULL);
	assert_string_equal(e.text, "store: no space");
}

static void test_err_text_is_cut_and_terminated(void **state)
{
	struct err e = {0};
	char longer[2 * ERR_TEXT_MAX];

	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	err_set(&e, ERR_IO, "%s", longer);
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
	err_wrap(&e, "front");

	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
	assert_memory_equal(e.text, "front: xxx", 10);
}

/* Names are read by scripts: they stay unique and in one form. */
static void test_err_every_code_has_name_and_sentence(void **state)
{
	int n_codes = 0;

	for (int code = ERR__BASE + 1; code < ERR__END; code++) {
		const char *name = err_name(code);
		const char *sentence = err_sentence(code);
		size_t len = strlen(sentence);
		for (const char *p = name; *p; p++)
			assert_true(islower((unsigned char)*p) || *p == '_');
		assert_true(isupper((unsigned char)sentence[0]));
		assert_int_equal(sentence[len - 1], '.');
		for (int other = ERR__BASE + 1; other < code; other++)
			assert_string_not_equal(name, err_name(other));
		assert_true(code < 0);
		n_codes++;
	}

	assert_true(n_codes > 20);
	assert_string_equal(err_name(ERR_IO), "io");
	assert_string_equal(err_name(ERR_SYSTEM), "system");
}

static void test_err_codes_outside_the_list_are_named_too(void **state)
{
	const int outside[] = {1, -1, ERR__BASE, ERR__END, -100000};

	assert_string_equal(err_name(0), "ok");
	for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
		assert_string_equal(err_name(outside[i]), "unknown");
		assert_non_null(err_sentence(outside[i]));
	}
}

static void set_code_zero(void *ctx)
{
	err_set(ctx, 0, "success is not an error");
}

static void wrap_success(void *ctx)
{
	err_wrap(ctx, "store");
}

static void test_err_refuses_to_call_success_an_error(void **state)
{
	struct err e = {0};

	death_expect(set_code_zero, &e, "does not hold");
	death_expect(wrap_success, &e, "does not hold");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_err_set_gives_code_and_text),
		cmocka_unit_test(test_err_set_without_err_gives_the_code),
		cmocka_unit_test(test_err_set_may_use_its_own_text),
		cmocka_unit_test(test_err_wrap_puts_the_room_in_front),
		cmocka_unit_test(test_err_text_is_cut_and_terminated),
		cmocka_unit_test(test_err_every_code_has_name_and_sentence),
		cmocka_unit_test(test_err_codes_outside_the_list_are_named_too),
		cmocka_unit_test(test_err_refuses_to_call_success_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
