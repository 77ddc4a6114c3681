/* The hello as bytes and its verdicts, without sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/wire/wire_hello.h"
#include "proto/codec.h"
#include "proto/peer.pb-c.h"

static struct wire_greeting sample(void)
{
	struct wire_greeting g = {
		.protocol = PROTO_VERSION,
		.hello = {.node_id = 2,
			  .incarnation = 0xfedcba9876543210,
			  .boot = 3,
			  .term = 4,
			  .cluster_hash = 5,
			  .is_blank = true},
		.name = "n2",
		.token = "0123456789abcde",
		.has_token = true,
	};
	return g;
}

static void test_hello_survives_the_way(void **state)
{
	struct wire_greeting g = sample(), back;
	struct err e;

	memset(g.hello.cluster_id, 7, sizeof g.hello.cluster_id);
	g.hello.has_cluster_id = true;
	struct blob *frame = wire_greeting_pack(&g);
	assert_int_equal(wire_greeting_read(blob_bytes(frame), &back, &e), 0);
	assert_true(wire_hello_equal(&g.hello, &back.hello));
	assert_int_equal(back.protocol, PROTO_VERSION);
	assert_string_equal(back.name, "n2");
	assert_true(back.has_token);
	assert_false(back.has_echo);
	assert_memory_equal(back.token, g.token, sizeof g.token);
	blob_unref(frame);
}

static void test_hello_refuses_each_flipped_bit(void **state)
{
	struct wire_greeting g = sample(), back = {0};
	struct blob *frame = wire_greeting_pack(&g);

	for (size_t bit = 0; bit < frame->len * 8; bit++) {
		struct blob *bad = blob_copy(frame->data, frame->len);

		bad->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_not_equal(
			wire_greeting_read(blob_bytes(bad), &back, NULL), 0);
		assert_int_equal(back.hello.node_id, 0); /* untouched */
		blob_unref(bad);
	}
	blob_unref(frame);
}

static void test_hello_refuses_each_truncation(void **state)
{
	struct wire_greeting g = sample(), back;
	struct blob *frame = wire_greeting_pack(&g);

	for (size_t len = 0; len < frame->len; len++)
		assert_int_not_equal(
			wire_greeting_read((struct bytes){frame->data, len},
					   &back, NULL),
			0);
	blob_unref(frame);
}

/* A sealed, parsable hello whose fields have lengths of their own. */
static int read_crafted(const char *name, size_t id_len, size_t token_len)
{
	Synod__Peer__Hello m;
	uint8_t junk[64] = {0};
	char copy[128];
	struct wire_greeting back;

	synod__peer__hello__init(&m);
	snprintf(copy, sizeof copy, "%s", name);
	m.node_name = copy;
	m.cluster_id = (ProtobufCBinaryData){id_len, junk};
	m.token = (ProtobufCBinaryData){token_len, junk};
	struct blob *frame = codec_seal(CODEC_HELLO, &m.base);
	int rc = wire_greeting_read(blob_bytes(frame), &back, NULL);
	blob_unref(frame);
	return rc;
}

static void test_hello_refuses_odd_fields(void **state)
{
	assert_int_equal(read_crafted("n2", 16, 16), 0);
	assert_int_equal(read_crafted("n2", 15, 0), ERR_CORRUPT);
	assert_int_equal(read_crafted("n2", 0, 17), ERR_CORRUPT);
	assert_int_equal(read_crafted("", 0, 0), ERR_CORRUPT);
	assert_int_equal(read_crafted("n2 event=x", 0, 0), ERR_CORRUPT);
	assert_int_equal(read_crafted("n2\n", 0, 0), ERR_CORRUPT);
	char name[66];
	memset(name, 'x', 65);
	name[64] = '\0';
	assert_int_equal(read_crafted(name, 0, 0), ERR_CORRUPT);
	name[63] = '\0';
	assert_int_equal(read_crafted(name, 0, 0), 0);
}

static enum wire_refused judge(const struct wire_greeting *g,
			       const struct wire_hello *self,
			       const struct wire_peer *peer)
{
	struct wire_judge j = {.self = self, .peer = peer};
	struct wire_verdict v;

	bool is_good = wire_greeting_judge(g, &j, &v);
	assert_int_equal(is_good, v.reason == WIRE_REFUSED_NONE);
	return v.reason;
}

static void test_judge_names_the_reason(void **state)
{
	struct wire_hello self = {.node_id = 1, .cluster_hash = 5};
	struct wire_peer n2 = {.id = 2, .name = "n2"};
	struct wire_greeting g = sample();

	assert_int_equal(judge(&g, &self, &n2), WIRE_REFUSED_NONE);
	g.protocol++;
	assert_int_equal(judge(&g, &self, &n2), WIRE_REFUSED_PROTOCOL);
	g = sample();
	g.hello.node_id = 1;
	assert_int_equal(judge(&g, &self, NULL), WIRE_REFUSED_NODE);
	g = sample();
	assert_int_equal(judge(&g, &self, NULL), WIRE_REFUSED_NODE);
	snprintf(g.name, sizeof g.name, "n3");
	assert_int_equal(judge(&g, &self, &n2), WIRE_REFUSED_NODE);
}

static void test_judge_compares_clusters(void **state)
{
	struct wire_hello self = {.node_id = 1, .cluster_hash = 5};
	struct wire_peer n2 = {.id = 2, .name = "n2"};
	struct wire_greeting g = sample();

	/* No id on one side: the founding members decide. */
	g.hello.cluster_hash = 6;
	assert_int_equal(judge(&g, &self, &n2), WIRE_REFUSED_CLUSTER);
	self.has_cluster_id = true;
	assert_int_equal(judge(&g, &self, &n2), WIRE_REFUSED_CLUSTER);
	/* Ids on both: only they decide, members may have changed since. */
	g.hello.has_cluster_id = true;
	g.hello.is_blank = false;
	assert_int_equal(judge(&g, &self, &n2), WIRE_REFUSED_NONE);
	g.hello.cluster_id[15] = 1;
	g.hello.cluster_hash = 5;
	assert_int_equal(judge(&g, &self, &n2), WIRE_REFUSED_CLUSTER);
}

static void test_every_reason_has_a_name(void **state)
{
	for (int r = 0; r < WIRE_REFUSED__N; r++)
		assert_non_null(wire_refused_name((enum wire_refused)r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hello_survives_the_way),
		cmocka_unit_test(test_hello_refuses_each_flipped_bit),
		cmocka_unit_test(test_hello_refuses_each_truncation),
		cmocka_unit_test(test_hello_refuses_odd_fields),
		cmocka_unit_test(test_judge_names_the_reason),
		cmocka_unit_test(test_judge_compares_clusters),
		cmocka_unit_test(test_every_reason_has_a_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
