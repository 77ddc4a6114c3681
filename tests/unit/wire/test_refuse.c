/* Strangers, impostors, copies and garbage: refused, and the others go on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rng.h"
#include "cluster/wire/wire_hello.h"
#include "proto/codec.h"
#include "proto/limits.h"
#include "rig.h"

static void expect_talk(struct rig_node *from, struct rig_node *to)
{
	static uint64_t number = 100;

	number++;
	assert_true(wire_send(from->wire, to->self.id, WIRE_RAFT,
			      rig_frame(number, 64)));
	struct wire_note *n =
		rig_wait(to, NOTE_WIRE_FRAME, from->self.id, WIRE_RAFT);
	assert_int_equal(rig_frame_number(n), number);
	wire_note_free(n);
}

static void expect_refused(struct rig_node *node, uint64_t peer,
			   const char *text)
{
	struct wire_note *n =
		rig_wait(node, NOTE_WIRE_REFUSED, peer, WIRE__CHANNELS);

	if (!strstr(n->text, text))
		fail_msg("\"%s\" does not say \"%s\"", n->text, text);
	wire_note_free(n);
}

/* Two nodes that get on, and a third that is changed before it opens. */
static void open_two(struct rig_node nodes[3])
{
	rig_make(nodes, 3);
	rig_open(&nodes[0]);
	rig_open(&nodes[1]);
	rig_join(&nodes[0], &nodes[1]);
	rig_join(&nodes[1], &nodes[0]);
}

static void close_three(struct rig_node nodes[3])
{
	struct wire_stats stats;

	expect_talk(&nodes[0], &nodes[1]);
	wire_stats(nodes[0].wire, &stats);
	assert_true(stats.hellos_refused > 0);
	for (int i = 0; i < 3; i++)
		rig_free(&nodes[i]);
}

static void test_other_cluster_is_refused(void **state)
{
	struct rig_node nodes[3];

	open_two(nodes);
	nodes[2].cfg.hello.cluster_hash = 78;
	rig_open(&nodes[2]);
	expect_refused(&nodes[0], 3, "another cluster");
	/* And the stranger refuses us. */
	expect_refused(&nodes[2], 1, "another cluster");
	assert_false(rig_has(&nodes[0], NOTE_WIRE_HELLO, 3));
	close_three(nodes);
}

static void test_unknown_node_is_refused(void **state)
{
	struct rig_node nodes[3];

	open_two(nodes);
	nodes[2].self.id = nodes[2].cfg.hello.node_id = 9;
	rig_open(&nodes[2]);
	expect_refused(&nodes[0], 9, "not a member");
	close_three(nodes);
}

static void test_our_own_id_is_refused(void **state)
{
	struct rig_node nodes[3];

	open_two(nodes);
	nodes[2].cfg.hello.node_id = 1;
	rig_open(&nodes[2]);
	expect_refused(&nodes[0], 1, "the id of this node");
	close_three(nodes);
}

static bool admit_known(void *ctx, const struct wire_hello *hello)
{
	return hello->incarnation == 1000 + hello->node_id;
}

static void test_other_incarnation_is_refused(void **state)
{
	struct rig_node nodes[3];

	rig_make(nodes, 3);
	nodes[0].cfg.admit = nodes[1].cfg.admit = admit_known;
	rig_open(&nodes[0]);
	rig_open(&nodes[1]);
	rig_join(&nodes[0], &nodes[1]);
	nodes[2].cfg.hello.incarnation = 5;
	rig_open(&nodes[2]);
	expect_refused(&nodes[0], 3, "another data directory");
	/* It may hear us, but nothing it says is delivered. */
	rig_expect(&nodes[2], NOTE_WIRE_HELLO, 1, WIRE_RAFT);
	(void)wire_send(nodes[2].wire, 1, WIRE_RAFT, rig_frame(666, 64));
	expect_refused(&nodes[0], 3, "another data directory");
	assert_false(rig_has(&nodes[0], NOTE_WIRE_FRAME, 3));
	close_three(nodes);
}

static void test_refusals_do_not_flood(void **state)
{
	struct rig_node nodes[3];
	struct wire_stats stats;
	int n_notes = 0;

	open_two(nodes);
	nodes[2].cfg.hello.cluster_hash = 78;
	rig_open(&nodes[2]);
	/* Two of them are a second apart: enough time for many attempts. */
	expect_refused(&nodes[0], 3, "another cluster");
	expect_refused(&nodes[0], 3, "another cluster");
	wire_stats(nodes[0].wire, &stats);
	while (rig_has(&nodes[0], NOTE_WIRE_REFUSED, 3)) {
		expect_refused(&nodes[0], 3, "another cluster");
		n_notes++;
	}
	assert_true(n_notes <= 1);
	assert_true(stats.hellos_refused > 2);
	/* But it backs off: 10 ms at first, half a second in the end. */
	assert_true(stats.hellos_refused < 200);
	close_three(nodes);
}

static void test_copied_directory_is_refused(void **state)
{
	struct rig_node nodes[3], copy;

	rig_make(nodes, 2);
	rig_open(&nodes[0]);
	rig_open(&nodes[1]);
	rig_join(&nodes[0], &nodes[1]);
	rig_join(&nodes[1], &nodes[0]);
	rig_make_double(&copy, &nodes[1]);
	rig_open(&copy);
	expect_refused(&nodes[0], 2, "two processes speak as n2");
	/* The older one goes on. */
	expect_talk(&nodes[1], &nodes[0]);
	assert_false(rig_has(&nodes[0], NOTE_WIRE_HELLO, 2));
	assert_false(rig_has(&nodes[0], NOTE_WIRE_DOWN, 2));
	/* When it ends, the other one may take its place. */
	rig_close(&nodes[1]);
	rig_expect(&nodes[0], NOTE_WIRE_DOWN, 2, WIRE_RAFT);
	struct wire_note *n =
		rig_wait(&nodes[0], NOTE_WIRE_HELLO, 2, WIRE_RAFT);
	assert_int_equal(n->hello.boot, copy.cfg.hello.boot);
	wire_note_free(n);
	rig_free(&copy);
	rig_free(&nodes[0]);
	rig_free(&nodes[1]);
}

/* -- raw TCP --------------------------------------------------------------- */

static void test_frame_before_hello_closes(void **state)
{
	struct rig_node nodes[3];
	struct blob *frame = rig_frame(666, 64);

	open_two(nodes);
	for (int c = 0; c < WIRE__CHANNELS; c++) {
		int fd = rig_tcp_push((uint16_t)(nodes[0].self.port + c));

		rig_tcp_message(fd, frame->data, frame->len);
		rig_tcp_expect_close(fd);
		close(fd);
	}
	expect_refused(&nodes[0], 0, "no hello");
	assert_false(rig_has(&nodes[0], NOTE_WIRE_FRAME, 0));
	blob_unref(frame);
	close_three(nodes);
}

static void test_damaged_hello_closes(void **state)
{
	struct rig_node nodes[3];
	struct wire_greeting g = {
		.protocol = PROTO_VERSION,
		.hello = {.node_id = 3, .incarnation = 1003, .boot = 1},
		.name = "n3",
	};

	open_two(nodes);
	struct blob *frame = wire_greeting_pack(&g);
	frame->data[frame->len - 1] ^= 1;
	int fd = rig_tcp_push(nodes[0].self.port);
	rig_tcp_message(fd, frame->data, frame->len);
	rig_tcp_expect_close(fd);
	close(fd);
	expect_refused(&nodes[0], 0, "checksum");
	blob_unref(frame);
	close_three(nodes);
}

static void test_oversized_frame_closes(void **state)
{
	struct rig_node nodes[3];
	/* One byte over the limit, and one exbibyte. */
	static const uint8_t sizes[2][8] = {{0, 0, 0, 0, 0, 0x80, 0, 1},
					    {0x10}};

	open_two(nodes);
	for (int i = 0; i < 2; i++) {
		int fd = rig_tcp_push(nodes[0].self.port);

		assert_int_equal(write(fd, sizes[i], 8), 8);
		rig_tcp_expect_close(fd);
		close(fd);
	}
	expect_talk(&nodes[0], &nodes[1]);
	expect_talk(&nodes[1], &nodes[0]);
	for (int i = 0; i < 3; i++)
		rig_free(&nodes[i]);
}

static void test_garbage_harms_nobody(void **state)
{
	struct rig_node nodes[3];
	uint8_t junk[512];
	struct rng rng;

	open_two(nodes);
	rng_init(&rng, 7);
	for (int i = 0; i < 60; i++) {
		uint16_t port = (uint16_t)(nodes[0].self.port + i % 2);
		int fd = i % 3 ? rig_tcp_push(port) : rig_tcp(port);

		for (size_t k = 0; k < sizeof junk; k++)
			junk[k] = (uint8_t)rng_u64(&rng);
		if (i % 3 == 1)
			junk[1] = CODEC_HELLO;
		if (i % 3)
			rig_tcp_message(fd, junk, rng_below(&rng, 513));
		else
			(void)!write(fd, junk, sizeof junk);
		close(fd);
	}
	expect_talk(&nodes[0], &nodes[1]);
	expect_talk(&nodes[1], &nodes[0]);
	assert_false(rig_has(&nodes[0], NOTE_WIRE_DOWN, 0));
	assert_false(rig_has(&nodes[1], NOTE_WIRE_DOWN, 0));
	for (int i = 0; i < 3; i++)
		rig_free(&nodes[i]);
}

static void test_silent_stranger_is_closed(void **state)
{
	struct rig_node nodes[3];

	open_two(nodes);
	int fd = rig_tcp_push(nodes[0].self.port);
	rig_tcp_expect_close(fd);
	close(fd);
	expect_refused(&nodes[0], 0, "no hello within");
	close_three(nodes);
}

static void test_crowd_of_strangers_keeps_no_peer_out(void **state)
{
	enum { CROWD = 2 * LIMIT_WIRE_CONNECTIONS };
	struct rig_node nodes[3];
	int fds[CROWD];

	open_two(nodes);
	for (int i = 0; i < CROWD; i++)
		fds[i] = rig_tcp_push(nodes[0].self.port);
	rig_open(&nodes[2]);
	rig_join(&nodes[2], &nodes[0]);
	expect_refused(&nodes[0], 0, "more than");
	expect_talk(&nodes[2], &nodes[0]);
	for (int i = 0; i < CROWD; i++)
		close(fds[i]);
	close_three(nodes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_other_cluster_is_refused),
		cmocka_unit_test(test_unknown_node_is_refused),
		cmocka_unit_test(test_our_own_id_is_refused),
		cmocka_unit_test(test_other_incarnation_is_refused),
		cmocka_unit_test(test_refusals_do_not_flood),
		cmocka_unit_test(test_copied_directory_is_refused),
		cmocka_unit_test(test_frame_before_hello_closes),
		cmocka_unit_test(test_damaged_hello_closes),
		cmocka_unit_test(test_oversized_frame_closes),
		cmocka_unit_test(test_garbage_harms_nobody),
		cmocka_unit_test(test_silent_stranger_is_closed),
		cmocka_unit_test(test_crowd_of_strangers_keeps_no_peer_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
