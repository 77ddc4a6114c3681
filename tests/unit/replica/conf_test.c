/* The payload of a configuration entry: libraft and we must agree to the byte,
 * and nothing broken may get past us. */
#include "cluster/replica/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "proto/limits.h"

static const struct replica_member three[] = {
	{.id = 1, .name = "n1", .role = REPLICA_VOTER},
	{.id = 77, .name = "berlin", .role = REPLICA_STANDBY},
	{.id = UINT64_MAX, .name = "x", .role = REPLICA_SPARE},
};

static void test_encode_is_what_libraft_writes(void **state)
{
	struct raft_configuration c;
	struct raft_buffer theirs;

	raft_configuration_init(&c);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(raft_configuration_add(&c, three[i].id,
							three[i].name,
							(int)three[i].role),
				 0);
	assert_int_equal(raft_configuration_encode(&c, &theirs), 0);
	struct blob *ours = conf_encode(three, 3);

	/* libraft leaves the padding as it was: compare what has a meaning. */
	struct replica_member a[LIMIT_NODES], b[LIMIT_NODES];
	size_t n_a, n_b;
	assert_int_equal(ours->len, theirs.len);
	assert_int_equal(conf_decode(blob_bytes(ours), a, &n_a), 0);
	assert_int_equal(
		conf_decode((struct bytes){theirs.base, theirs.len}, b, &n_b),
		0);
	assert_int_equal(n_a, 3);
	assert_int_equal(n_b, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_true(a[i].id == three[i].id && b[i].id == three[i].id);
		assert_string_equal(a[i].name, three[i].name);
		assert_string_equal(b[i].name, three[i].name);
		assert_int_equal(a[i].role, three[i].role);
		assert_int_equal(b[i].role, three[i].role);
	}
	blob_unref(ours);
	raft_free(theirs.base);
	raft_configuration_close(&c);
}

static void test_every_truncation_of_the_members_is_refused(void **state)
{
	struct replica_member out[LIMIT_NODES];
	struct blob *b = conf_encode(three, 3);
	size_t n, needed = 9;

	for (size_t i = 0; i < 3; i++)
		needed += 10 + strlen(three[i].name);
	for (size_t len = 0; len < needed; len++) {
		/* Exactly len bytes, so that a reader that goes on is seen. */
		uint8_t *cut = malloc(len ? len : 1);
		memcpy(cut, b->data, len);
		assert_int_equal(conf_decode((struct bytes){cut, len}, out, &n),
				 ERR_CORRUPT);
		free(cut);
	}
	blob_unref(b);
}

static void refuse(const struct replica_member *members, size_t n)
{
	struct replica_member out[LIMIT_NODES];
	size_t n_out;
	struct blob *b = conf_encode(members, n);

	assert_int_equal(conf_decode(blob_bytes(b), out, &n_out), ERR_CORRUPT);
	blob_unref(b);
}

static void test_nonsense_is_refused(void **state)
{
	struct replica_member m[2];

	memcpy(m, three, sizeof(m));
	m[1].id = m[0].id;
	refuse(m, 2); /* the same id twice */
	m[1].id = 0;
	refuse(m, 2);
	m[1].id = 9;
	m[1].role = (enum replica_role)3;
	refuse(m, 2);
	m[1].role = REPLICA_VOTER;
	m[1].name[0] = 0;
	refuse(m, 2);
}

static void test_random_bytes_never_hurt(void **state)
{
	struct replica_member out[LIMIT_NODES];
	struct rng rng;

	rng_init(&rng, 7);
	for (int run = 0; run < 50000; run++) {
		struct blob *b = conf_encode(three, 3);
		size_t n = 0;
		for (uint64_t k = rng_below(&rng, 4); k > 0; k--)
			b->data[rng_below(&rng, b->len)] =
				(uint8_t)rng_u64(&rng);
		if (!conf_decode(blob_bytes(b), out, &n))
			assert_in_range(n, 1, LIMIT_NODES);
		blob_unref(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_encode_is_what_libraft_writes),
		cmocka_unit_test(
			test_every_truncation_of_the_members_is_refused),
		cmocka_unit_test(test_nonsense_is_refused),
		cmocka_unit_test(test_random_bytes_never_hurt),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
