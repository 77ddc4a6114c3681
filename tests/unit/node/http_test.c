/* What a path is answered with. */
#include "node/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct http_sync syncs[] = {
	{.name = "pair", .state = "running", .lag_us = 7000},
	{.name = "stock", .state = "degraded"},
};

static struct http_snapshot healthy(void)
{
	return (struct http_snapshot){
		.made_us = 1000000,
		.is_member = true,
		.has_leader = true,
		.has_caught_up = true,
		.has_room = true,
		.syncs = syncs,
		.n_syncs = 2,
	};
}

static unsigned status(const struct http_snapshot *s,
		       const struct http_query *q, int64_t now_us,
		       const char *body)
{
	struct http_answer a = http_answer_to(s, q, now_us);
	unsigned code = a.status;

	if (body) {
		char *text = mem_zero(1, a.body->len + 1);
		memcpy(text, a.body->data, a.body->len);
		if (!strstr(text, body))
			fail_msg("'%s' is not in '%s'", body, text);
		free(text);
	}
	blob_unref(a.body);
	return code;
}

static unsigned get(const struct http_snapshot *s, const char *path)
{
	return status(s, &(struct http_query){.path = path}, 1000000, NULL);
}

static void test_live_while_the_loop_turns(void **state)
{
	struct http_snapshot s = healthy();
	struct http_query q = {.path = "/livez"};

	assert_int_equal(status(&s, &q, 1000000, "ok"), 200);
	assert_int_equal(status(&s, &q, 1001000 + HTTP_STALE_MS * 1000, NULL),
			 503);
}

static void test_ready_needs_everything(void **state)
{
	struct http_snapshot s = healthy();

	assert_int_equal(get(&s, "/readyz"), 200);
	s.has_leader = false;
	assert_int_equal(get(&s, "/readyz"), 503);
	s = healthy();
	s.has_caught_up = false;
	assert_int_equal(get(&s, "/readyz"), 503);
	s = healthy();
	s.has_room = false;
	assert_int_equal(get(&s, "/readyz"), 503);
	s = healthy();
	s.is_member = false;
	assert_int_equal(get(&s, "/readyz"), 503);
}

static void test_bad_sync_is_told_and_does_not_count(void **state)
{
	struct http_snapshot s = healthy();
	struct http_query q = {.path = "/readyz", .is_verbose = true};

	assert_int_equal(status(&s, &q, 1000000, "sync stock is degraded"),
			 200);
}

static void test_leader_is_one_node(void **state)
{
	struct http_snapshot s = healthy();

	assert_int_equal(get(&s, "/leader"), 503);
	s.is_leader = true;
	assert_int_equal(get(&s, "/leader"), 200);
}

static void test_sync_by_name_and_lag(void **state)
{
	struct http_snapshot s = healthy();
	struct http_query q = {.path = "/syncz/pair", .lag = "5s"};

	assert_int_equal(status(&s, &q, 1000000, "running"), 200);
	q.lag = "6ms";
	assert_int_equal(status(&s, &q, 1000000, "lag 7 ms"), 503);
	q.lag = "soon";
	assert_int_equal(status(&s, &q, 1000000, NULL), 400);
	assert_int_equal(get(&s, "/syncz/stock"), 503);
	assert_int_equal(get(&s, "/syncz/none"), 404);
	assert_int_equal(get(&s, "/syncz/"), 404);
	assert_int_equal(get(&s, "/"), 404);
}

static void test_durations(void **state)
{
	uint64_t us;

	assert_true(http_parse_duration("5s", &us));
	assert_int_equal(us, 5000000);
	assert_true(http_parse_duration("250ms", &us));
	assert_int_equal(us, 250000);
	assert_true(http_parse_duration("2m", &us));
	assert_int_equal(us, 120000000);
	assert_true(http_parse_duration("3", &us));
	assert_int_equal(us, 3000000);
	assert_false(http_parse_duration("", &us));
	assert_false(http_parse_duration("-1s", &us));
	assert_false(http_parse_duration("1h", &us));
	assert_false(http_parse_duration("99999999999999999999s", &us));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_live_while_the_loop_turns),
		cmocka_unit_test(test_ready_needs_everything),
		cmocka_unit_test(test_bad_sync_is_told_and_does_not_count),
		cmocka_unit_test(test_leader_is_one_node),
		cmocka_unit_test(test_sync_by_name_and_lag),
		cmocka_unit_test(test_durations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
