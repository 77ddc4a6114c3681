#include "node/stats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "node/node.h"

/* Memory that the program itself holds is counted, and falls when given back:
 * the figure is not the peak. */
static void test_rss_follows_what_is_held(void **state)
{
	enum { BYTES = 64 << 20 };
	uint64_t before = stats_rss_bytes();
	/* Not from malloc, which may keep what is given back. */
	char *block = mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(block != MAP_FAILED);
	memset(block, 1, BYTES);
	uint64_t with = stats_rss_bytes();
	assert_int_equal(munmap(block, BYTES), 0);
	assert_true(before > 0);
	assert_true(with >= before + BYTES / 2);
	assert_true(stats_rss_bytes() < with);
}

static void test_cpu_only_grows(void **state)
{
	uint64_t before = stats_cpu_us(), now = before;
	volatile unsigned x = 0;

	for (unsigned round = 0; round < 2000 && now < before + 2000; round++) {
		for (unsigned i = 0; i < 1000000; i++)
			x += i | 1;
		now = stats_cpu_us();
	}
	assert_true(x > 0);
	assert_true(now >= before + 2000);
}

/* One family, one HELP and TYPE; every fate counts once. */
static void test_metrics_are_exposed(void **state)
{
	struct node *n = mem_zero(1, sizeof(*n));
	size_t len;

	stats_open(n);
	stats_fate(&n->stats, 0);
	stats_fate(&n->stats, 0);
	stats_fate(&n->stats, ERR_REFUSED);
	stats_fate(&n->stats, ERR_UNKNOWN_FATE);
	histogram_add(n->stats.loop_lag_us, 1500);
	char *text = metrics_expose(&n->stats.registry, &len);
	assert_int_equal(strlen(text), len);
	assert_non_null(strstr(
		text, "synod_raft_proposals_total{result=\"committed\"} 2"));
	assert_non_null(strstr(
		text, "synod_raft_proposals_total{result=\"refused\"} 1"));
	assert_non_null(strstr(
		text, "synod_raft_proposals_total{result=\"unknown\"} 1"));
	assert_non_null(strstr(text, "synod_loop_lag_seconds_count 1"));
	const char *family = strstr(text, "# TYPE synod_raft_proposals_total");
	assert_non_null(family);
	assert_null(strstr(family + 1, "# TYPE synod_raft_proposals_total"));
	free(text);
	stats_close(&n->stats);
	free(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rss_follows_what_is_held),
		cmocka_unit_test(test_cpu_only_grows),
		cmocka_unit_test(test_metrics_are_exposed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
