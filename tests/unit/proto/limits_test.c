#include "proto/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster/store/log.h"
#include "cluster/store/state.h"
#include "proto/codec.h"

/* The limits lean on each other; a change of one must not starve another. */
static void test_limits_an_entry_fits_every_queue_it_passes(void **state)
{
	size_t largest = LIMIT_ENTRY_BYTES;

	assert_true(largest <= LIMIT_PROPOSALS_BYTES);
	assert_true(largest <= LIMIT_WINDOW_BYTES);
	assert_true(largest <= LIMIT_GROUP_BYTES);
	assert_true(largest <= LIMIT_RAFT_CACHE_BYTES);
	assert_true(largest <= LIMIT_FEED_WINDOW_BYTES);
	assert_true(largest <= LIMIT_COMMIT_BYTES);
	assert_true(largest <= LIMIT_APPLY_BYTES);
	assert_true(largest <= LIMIT_APPLY_LAG_BYTES);
}

static void test_limits_a_frame_holds_an_entry_and_more(void **state)
{
	size_t overhead = CODEC_HEADER_BYTES + 1024;

	assert_true(LIMIT_ENTRY_BYTES + LIMIT_FRAME_FILL_BYTES + overhead <=
		    LIMIT_FRAME_BYTES);
	assert_true(LIMIT_CHUNK_BYTES + overhead <= LIMIT_FRAME_BYTES);
	assert_true(LIMIT_TAIL_BYTES + LIMIT_ENTRY_BYTES + overhead <=
		    LIMIT_FRAME_BYTES);
	assert_true(LIMIT_FRAME_BYTES <= LIMIT_PEER_QUEUE_BYTES);
	assert_true(LIMIT_FRAME_BYTES <= LIMIT_INBOX_BYTES);
	/* Each byte of a frame stands twice at the most once it is unpacked. */
	assert_true(2 * LIMIT_FRAME_BYTES <= LIMIT_UNPACK_BYTES);
}

static void test_limits_ranges_are_ranges(void **state)
{
	assert_true(LIMIT_RAFT_TRAILING_MIN < LIMIT_RAFT_TRAILING_MAX);
	assert_true(LIMIT_ELECTION_MS_MIN < LIMIT_ELECTION_MS_MAX);
	assert_true(LIMIT_RECONNECT_MS_MIN < LIMIT_RECONNECT_MS_MAX);
	assert_true(LIMIT_HANDOVER_MS < LIMIT_STOP_MS);
	assert_true(LIMIT_LOG_FULL_PERCENT < 100);
	assert_true(LIMIT_WINDOW_COUNT <= LIMIT_PROPOSALS_COUNT);
	assert_true(LIMIT_NODES % 2 == 1);
}

/* The store stands below proto and has constants of its own. */
static void test_limits_of_the_store_are_the_same(void **state)
{
	assert_int_equal(LOG_COMMIT_BYTES, LIMIT_COMMIT_BYTES);
	assert_int_equal(LOG_COMMIT_RECORDS, LIMIT_COMMIT_RECORDS);
	assert_int_equal(LOG_FORGET_RECORDS, LIMIT_FORGET_RECORDS);
	assert_int_equal(LOG_READER_MS, LIMIT_READER_MS);
	assert_int_equal(STATE_COMMIT_BYTES, LIMIT_APPLY_BYTES);
	assert_int_equal(STATE_COMMIT_RECORDS, LIMIT_APPLY_RECORDS);
	assert_int_equal(STATE_KEY_BYTES_MAX, LIMIT_KEY_BYTES);
	assert_true(LIMIT_ENTRY_BYTES <= LOG_PAYLOAD_BYTES_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_limits_an_entry_fits_every_queue_it_passes),
		cmocka_unit_test(test_limits_a_frame_holds_an_entry_and_more),
		cmocka_unit_test(test_limits_ranges_are_ranges),
		cmocka_unit_test(test_limits_of_the_store_are_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
