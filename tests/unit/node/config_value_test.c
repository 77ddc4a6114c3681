#include "node/config_value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_only_true_and_false_are_booleans(void **state)
{
	bool value = false;

	assert_true(config_value_bool("true", &value));
	assert_true(value);
	assert_true(config_value_bool("false", &value));
	assert_false(value);
	static const char *const others[] = {"yes", "no", "on", "off",  "True",
					     "1",   "",   "~",  "truee"};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(config_value_bool(others[i], &value));
}

static void test_numbers_are_decimal_and_bounded(void **state)
{
	int64_t value = 7;

	assert_true(config_value_integer("0", &value));
	assert_int_equal(value, 0);
	assert_true(config_value_integer("-12", &value));
	assert_int_equal(value, -12);
	assert_true(config_value_integer("9223372036854775807", &value));
	assert_true(value == INT64_MAX);
	value = 7;
	static const char *const others[] = {
		"",    "-",     "+1", "012", "0x10",
		"1e3", "1 000", " 1", "1 ",  "9223372036854775808",
		"1.5"};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(config_value_integer(others[i], &value));
	assert_int_equal(value, 7); /* untouched on failure */
}

static void test_sizes_need_a_binary_unit(void **state)
{
	int64_t bytes = 0;

	assert_true(config_value_size("512B", &bytes));
	assert_int_equal(bytes, 512);
	assert_true(config_value_size("8MiB", &bytes));
	assert_int_equal(bytes, 8 << 20);
	assert_true(config_value_size("16TiB", &bytes));
	assert_true(bytes == (int64_t)16 << 40);
	static const char *const others[] = {
		"8",      "8MB",        "8M",
		"8 MiB",  "MiB",        "-1B",
		"1.5GiB", "8388608TiB", "99999999999999999999B"};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(config_value_size(others[i], &bytes));
}

static void test_durations_need_a_unit(void **state)
{
	int64_t ms = 0;

	assert_true(config_value_duration("250ms", &ms));
	assert_int_equal(ms, 250);
	assert_true(config_value_duration("5s", &ms));
	assert_int_equal(ms, 5000);
	assert_true(config_value_duration("10m", &ms));
	assert_int_equal(ms, 600000);
	assert_true(config_value_duration("1h", &ms));
	assert_int_equal(ms, 3600000);
	static const char *const others[] = {"5",
					     "5sec",
					     "5 s",
					     "s",
					     "1h30m",
					     "-5s",
					     "9223372036854775807h"};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(config_value_duration(others[i], &ms));
}

static void test_addresses_are_host_and_port(void **state)
{
	char host[CONFIG_HOST_MAX];
	uint16_t port = 0;

	assert_true(config_value_address("127.0.0.1:41001", host, &port));
	assert_string_equal(host, "127.0.0.1");
	assert_int_equal(port, 41001);
	assert_true(config_value_address("db-1.example.org:1", host, &port));
	assert_string_equal(host, "db-1.example.org");
	assert_true(config_value_address("[fe80::1%eth0]:65535", host, &port));
	assert_string_equal(host, "fe80::1%eth0");
	assert_int_equal(port, 65535);
	static const char *const others[] = {"",        "host",    ":1",
					     "host:",   "host:0",  "host:65536",
					     "::1:5",   "[::1]",   "[::1]5",
					     "[::1:5",  "[a]:5",   "a b:5",
					     "host:5x", "host:05", "ho/st:5",
					     "host:-1"};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(config_value_address(others[i], host, &port));
}

static void test_a_host_of_255_bytes_is_the_longest(void **state)
{
	char text[300];
	char host[CONFIG_HOST_MAX];
	uint16_t port = 0;

	memset(text, 'a', sizeof text);
	memcpy(text + 255, ":9", 3);
	assert_true(config_value_address(text, host, &port));
	memset(text, 'a', sizeof text);
	memcpy(text + 256, ":9", 3);
	assert_false(config_value_address(text, host, &port));
}

static void test_names_are_short_words(void **state)
{
	char longest[65] = {0};

	memset(longest, 'n', 63);
	assert_true(config_value_name(longest));
	longest[63] = 'n';
	assert_false(config_value_name(longest));
	assert_true(config_value_name("n1"));
	assert_true(config_value_name("1st.node_of-all"));
	static const char *const others[] = {"",    "-a",       ".a", "a b",
					     "a/b", "\xc3\xa4", "a\n"};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(config_value_name(others[i]));
}

static void test_values_read_back_as_written(void **state)
{
	static const int64_t numbers[] = {
		0,        1,        999,      1000,    1024,
		3600000,  16777216, 86400001, 5000000, (int64_t)3 << 30,
		INT64_MAX};
	char buf[CONFIG_VALUE_TEXT_MAX];
	int64_t back = -1;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		config_value_put_size(numbers[i], buf);
		assert_true(config_value_size(buf, &back));
		assert_true(back == numbers[i]);
		config_value_put_duration(numbers[i], buf);
		assert_true(config_value_duration(buf, &back));
		assert_true(back == numbers[i]);
	}
	config_value_put_size(8 << 20, buf);
	assert_string_equal(buf, "8MiB");
	config_value_put_duration(90000, buf);
	assert_string_equal(buf, "90s");
	struct config_address v6 = {"::1", 9};
	config_value_put_address(&v6, buf);
	assert_string_equal(buf, "[::1]:9");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_true_and_false_are_booleans),
		cmocka_unit_test(test_numbers_are_decimal_and_bounded),
		cmocka_unit_test(test_sizes_need_a_binary_unit),
		cmocka_unit_test(test_durations_need_a_unit),
		cmocka_unit_test(test_addresses_are_host_and_port),
		cmocka_unit_test(test_a_host_of_255_bytes_is_the_longest),
		cmocka_unit_test(test_names_are_short_words),
		cmocka_unit_test(test_values_read_back_as_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
