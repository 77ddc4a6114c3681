#include "bench/etcd_message.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_put_is_what_etcd_reads(void **state)
{
	/* etcdserverpb.PutRequest{key: "k", value: 300 bytes}, by protoc. */
	static const uint8_t want[] = {0x0a, 0x01, 'k', 0x12, 0xac, 0x02};
	uint8_t head[ETCD_PUT_HEAD_MAX];

	assert_int_equal(etcd_put_head("k", 300, head), sizeof want);
	assert_memory_equal(head, want, sizeof want);
}

/* StatusResponse{header{cluster_id 5, member_id 300, revision 1}, version
 * "3.4", dbSize 7, leader 300, raftIndex 1} */
static const uint8_t status_bytes[] = {
	0x0a, 0x07, 0x08, 0x05, 0x10, 0xac, 0x02, 0x18, 0x01, 0x12, 0x03,
	'3',  '.',  '4',  0x18, 0x07, 0x20, 0xac, 0x02, 0x28, 0x01};

static void test_status_tells_who_leads(void **state)
{
	struct etcd_status s;

	assert_true(etcd_status_read(
		(struct bytes){status_bytes, sizeof status_bytes}, &s));
	assert_int_equal(s.member_id, 300);
	assert_int_equal(s.leader_id, 300);
}

static void test_status_survives_every_cut_and_flip(void **state)
{
	uint8_t copy[sizeof status_bytes];
	struct etcd_status s;

	/* A cut within a field is refused; none reads beyond the end (asan). */
	for (size_t len = 0; len < sizeof status_bytes; len++) {
		uint8_t *exact = test_malloc(len + 1);
		memcpy(exact, status_bytes, len);
		bool is_good = etcd_status_read((struct bytes){exact, len}, &s);
		bool is_boundary =
			len == 9 || len == 14 || len == 16 || len == 19;
		assert_int_equal(is_good, is_boundary);
		test_free(exact);
	}
	for (size_t bit = 0; bit < 8 * sizeof copy; bit++) {
		memcpy(copy, status_bytes, sizeof copy);
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		etcd_status_read((struct bytes){copy, sizeof copy}, &s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put_is_what_etcd_reads),
		cmocka_unit_test(test_status_tells_who_leads),
		cmocka_unit_test(test_status_survives_every_cut_and_flip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
