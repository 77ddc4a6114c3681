/* Two and three nodes that get on with each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/limits.h"
#include "rig.h"

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void open_all(struct rig_node *nodes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		rig_open(&nodes[i]);
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++)
			if (i != j)
				rig_join(&nodes[i], &nodes[j]);
}

static void free_all(struct rig_node *nodes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		rig_free(&nodes[i]);
}

static void expect_frame(struct rig_node *node, uint64_t from,
			 enum wire_channel channel, uint64_t number)
{
	struct wire_note *n = rig_wait(node, NOTE_WIRE_FRAME, from, channel);

	assert_int_equal(rig_frame_number(n), number);
	wire_note_free(n);
}

static void test_three_nodes_meet_and_talk(void **state)
{
	struct rig_node nodes[3];

	rig_make(nodes, 3);
	open_all(nodes, 3);
	assert_true(wire_is_up(nodes[0].wire, 3));
	assert_false(wire_is_up(nodes[0].wire, 99));
	assert_true(wire_send(nodes[0].wire, 3, WIRE_RAFT, rig_frame(5, 64)));
	assert_true(wire_send(nodes[1].wire, 3, WIRE_BULK, rig_frame(6, 64)));
	expect_frame(&nodes[2], 1, WIRE_RAFT, 5);
	expect_frame(&nodes[2], 2, WIRE_BULK, 6);
	free_all(nodes, 3);
}

static void test_hello_tells_the_facts(void **state)
{
	struct rig_node nodes[2];

	rig_make(nodes, 2);
	nodes[1].cfg.hello.is_blank = true;
	nodes[1].cfg.hello.term = 42;
	rig_open(&nodes[0]);
	rig_open(&nodes[1]);
	struct wire_note *n =
		rig_wait(&nodes[0], NOTE_WIRE_HELLO, 2, WIRE_RAFT);
	assert_int_equal(n->hello.incarnation, 1002);
	assert_int_equal(n->hello.boot, 2002);
	assert_int_equal(n->hello.term, 42);
	assert_true(n->hello.is_blank);
	wire_note_free(n);

	/* A later hello comes over the same connection. */
	struct wire_hello later = nodes[1].cfg.hello;
	later.is_blank = false;
	wire_set_hello(nodes[1].wire, &later);
	n = rig_wait(&nodes[0], NOTE_WIRE_HELLO, 2, WIRE_RAFT);
	assert_false(n->hello.is_blank);
	wire_note_free(n);
	free_all(nodes, 2);
}

/* What is on record for a peer goes to that peer alone, with the hello of a new
 * connection as with one that is said again. */
static void test_hello_tells_what_is_on_record(void **state)
{
	struct rig_node nodes[3];

	rig_make(nodes, 3);
	open_all(nodes, 3);
	wire_set_recorded(nodes[0].wire, 2, 1002);
	struct wire_note *n =
		rig_wait(&nodes[1], NOTE_WIRE_HELLO, 1, WIRE_RAFT);
	assert_int_equal(n->hello.recorded, 1002);
	wire_note_free(n);

	rig_close(&nodes[1]);
	rig_expect(&nodes[0], NOTE_WIRE_DOWN, 2, WIRE_RAFT);
	nodes[1].cfg.hello.boot++;
	rig_open(&nodes[1]);
	n = rig_wait(&nodes[1], NOTE_WIRE_HELLO, 1, WIRE_RAFT);
	assert_int_equal(n->hello.recorded, 1002);
	wire_note_free(n);
	assert_false(rig_has(&nodes[2], NOTE_WIRE_HELLO, 1));
	free_all(nodes, 3);
}

static void test_frames_keep_their_order(void **state)
{
	enum { FRAMES = 2000 };
	struct rig_node nodes[2];
	struct wire_stats stats;

	rig_make(nodes, 2);
	open_all(nodes, 2);
	for (uint64_t i = 0; i < FRAMES; i++)
		assert_true(wire_send(nodes[0].wire, 2, WIRE_RAFT,
				      rig_frame(i, 64 + (size_t)i * 7)));
	for (uint64_t i = 0; i < FRAMES; i++)
		expect_frame(&nodes[1], 1, WIRE_RAFT, i);
	assert_int_equal(wire_queued(nodes[0].wire, 2, WIRE_RAFT), 0);
	wire_stats(nodes[1].wire, &stats);
	assert_int_equal(stats.frames_received, FRAMES);
	assert_int_equal(stats.frames_bad, 0);
	free_all(nodes, 2);
}

static void test_largest_frame_passes(void **state)
{
	struct rig_node nodes[2];

	rig_make(nodes, 2);
	open_all(nodes, 2);
	assert_true(wire_send(nodes[0].wire, 2, WIRE_BULK,
			      rig_frame(1, LIMIT_FRAME_BYTES)));
	assert_true(wire_send(nodes[0].wire, 2, WIRE_BULK, rig_frame(2, 64)));
	struct wire_note *n =
		rig_wait(&nodes[1], NOTE_WIRE_FRAME, 1, WIRE_BULK);
	assert_int_equal(n->frame->len, LIMIT_FRAME_BYTES);
	assert_int_equal(rig_frame_number(n), 1);
	wire_note_free(n);
	expect_frame(&nodes[1], 1, WIRE_BULK, 2);
	free_all(nodes, 2);
}

static void test_broken_connection_is_reported_at_once(void **state)
{
	struct rig_node nodes[2];

	rig_make(nodes, 2);
	open_all(nodes, 2);
	int64_t t0 = now_ms();
	rig_close(&nodes[1]);
	/* Both directions of both channels. */
	for (int c = 0; c < WIRE__CHANNELS; c++)
		for (int direction = 0; direction < 2; direction++)
			rig_expect(&nodes[0], NOTE_WIRE_DOWN, 2,
				   (enum wire_channel)c);
	/* The report takes a millisecond; the bound is for slow machines. */
	assert_true(now_ms() - t0 < 1000);
	assert_false(wire_is_up(nodes[0].wire, 2));
	assert_false(wire_send(nodes[0].wire, 2, WIRE_RAFT, rig_frame(1, 64)));
	free_all(nodes, 2);
}

static void test_restarted_peer_is_met_again(void **state)
{
	struct rig_node nodes[2];

	rig_make(nodes, 2);
	open_all(nodes, 2);
	for (int round = 0; round < 3; round++) {
		rig_close(&nodes[1]);
		rig_expect(&nodes[0], NOTE_WIRE_DOWN, 2, WIRE_RAFT);
		nodes[1].cfg.hello.boot++;
		rig_open(&nodes[1]);
		rig_join(&nodes[0], &nodes[1]);
		rig_join(&nodes[1], &nodes[0]);
		assert_true(wire_send(nodes[0].wire, 2, WIRE_RAFT,
				      rig_frame((uint64_t)round, 64)));
		expect_frame(&nodes[1], 1, WIRE_RAFT, (uint64_t)round);
	}
	assert_false(rig_has(&nodes[0], NOTE_WIRE_REFUSED, 0));
	free_all(nodes, 2);
}

/* What was queued for a connection that broke must not come out of the next
 * one: its hello would not be first. */
static void test_broken_connection_drops_its_queue(void **state)
{
	struct rig_node nodes[2];

	rig_make(nodes, 2);
	open_all(nodes, 2);
	for (uint64_t i = 0; i < 16; i++)
		(void)wire_send(nodes[0].wire, 2, WIRE_RAFT,
				rig_frame(1000 + i, (size_t)1 << 20));
	rig_close(&nodes[1]);
	rig_expect(&nodes[0], NOTE_WIRE_DOWN, 2, WIRE_RAFT);
	nodes[1].cfg.hello.boot++;
	rig_open(&nodes[1]);
	rig_join(&nodes[0], &nodes[1]);
	assert_int_equal(wire_queued(nodes[0].wire, 2, WIRE_RAFT), 0);
	assert_true(wire_send(nodes[0].wire, 2, WIRE_RAFT, rig_frame(7, 64)));
	expect_frame(&nodes[1], 1, WIRE_RAFT, 7);
	struct wire_stats stats;
	wire_stats(nodes[1].wire, &stats);
	assert_int_equal(stats.frames_bad, 0);
	free_all(nodes, 2);
}

/* A peer that reads nothing: what the kernel does not take waits with us, up to
 * the limit; beyond it frames are dropped, and nobody waits. */
static void test_full_queue_drops_and_counts(void **state)
{
	struct rig_node nodes[2];
	struct wire_stats stats;
	size_t n_sent = 0;

	rig_make(nodes, 2);
	int listener = rig_tcp_listen(nodes[1].self.port);
	rig_open(&nodes[0]);
	int fd = rig_tcp_pull(listener);
	rig_expect(&nodes[0], NOTE_WIRE_UP, 2, WIRE_RAFT);
	while (wire_send(nodes[0].wire, 2, WIRE_RAFT,
			 rig_frame(n_sent, ((size_t)1 << 20) - 4096))) {
		assert_true(wire_queued(nodes[0].wire, 2, WIRE_RAFT) <=
			    LIMIT_PEER_QUEUE_BYTES);
		n_sent++;
		assert_true(n_sent < 1000);
	}
	assert_true(n_sent >= LIMIT_PEER_QUEUE_BYTES >> 20);
	wire_stats(nodes[0].wire, &stats);
	assert_int_equal(stats.frames_dropped, 1);
	/* A small one still fits, and the end of the connection empties all. */
	assert_true(wire_send(nodes[0].wire, 2, WIRE_RAFT, rig_frame(1, 64)));
	close(fd);
	rig_expect(&nodes[0], NOTE_WIRE_DOWN, 2, WIRE_RAFT);
	close(listener);
	free_all(nodes, 2);
}

static void test_idle_connection_repeats_its_hello(void **state)
{
	struct rig_node nodes[2];
	struct wire_stats before, after;
	int64_t until = now_ms() + RIG_WAIT_MS;

	rig_make(nodes, 2);
	open_all(nodes, 2);
	wire_stats(nodes[0].wire, &before);
	do {
		struct timespec pause = {.tv_nsec = 20000000};

		nanosleep(&pause, NULL);
		wire_stats(nodes[0].wire, &after);
		assert_true(now_ms() < until);
	} while (after.frames_sent < before.frames_sent + 2);
	/* The same facts again are no news. */
	assert_false(rig_has(&nodes[1], NOTE_WIRE_HELLO, 1));
	free_all(nodes, 2);
}

static void test_dropped_peer_must_say_hello_again(void **state)
{
	struct rig_node nodes[2];

	rig_make(nodes, 2);
	open_all(nodes, 2);
	wire_drop_peer(nodes[0].wire, 2);
	rig_expect(&nodes[0], NOTE_WIRE_DOWN, 2, WIRE_RAFT);
	rig_expect(&nodes[1], NOTE_WIRE_DOWN, 1, WIRE_RAFT);
	rig_expect(&nodes[0], NOTE_WIRE_HELLO, 2, WIRE_RAFT);
	rig_expect(&nodes[0], NOTE_WIRE_UP, 2, WIRE_RAFT);
	free_all(nodes, 2);
}

static int open_code(struct rig_node *n, char *text, size_t len)
{
	struct wire *w;
	struct err e;

	mailbox_init(&n->mailbox, 1 << 20, NULL, NULL);
	n->cfg.self = n->self;
	n->cfg.peers = n->peers;
	n->cfg.n_peers = n->n_peers;
	n->cfg.owner = &n->mailbox;
	int rc = wire_open(&w, &n->cfg, &e);
	if (rc == 0)
		wire_close(w);
	else
		snprintf(text, len, "%s", e.text);
	mailbox_close(&n->mailbox);
	for (struct note *at = mailbox_take(&n->mailbox); at;) {
		struct note *next = at->next;

		wire_note_free((struct wire_note *)at);
		at = next;
	}
	mailbox_destroy(&n->mailbox);
	return rc;
}

static void test_plain_tcp_stays_on_the_machine(void **state)
{
	struct rig_node nodes[2];
	char text[512];

	rig_make(nodes, 2);
	snprintf(nodes[0].peers[0].host, sizeof nodes[0].peers[0].host,
		 "192.0.2.1");
	assert_int_equal(open_code(&nodes[0], text, sizeof text), ERR_INVALID);
	assert_non_null(strstr(text, "insecure: true"));
	nodes[0].cfg.is_insecure = true;
	assert_int_equal(open_code(&nodes[0], text, sizeof text), 0);
	nodes[0].cfg.is_insecure = false;
	snprintf(nodes[0].peers[0].host, sizeof nodes[0].peers[0].host, "::1");
	assert_int_equal(open_code(&nodes[0], text, sizeof text), 0);
	snprintf(nodes[0].self.host, sizeof nodes[0].self.host, "0.0.0.0");
	assert_int_equal(open_code(&nodes[0], text, sizeof text), ERR_INVALID);
	free_all(nodes, 2);
}

static void test_loopback_is_known(void **state)
{
	assert_true(wire_is_loopback("127.0.0.1"));
	assert_true(wire_is_loopback("127.9.9.9"));
	assert_true(wire_is_loopback("::1"));
	assert_true(wire_is_loopback("LocalHost"));
	assert_false(wire_is_loopback("0.0.0.0"));
	assert_false(wire_is_loopback("128.0.0.1"));
	assert_false(wire_is_loopback("127.0.0.1.example.org"));
	assert_false(wire_is_loopback("::"));
	assert_false(wire_is_loopback(""));
}

static void test_taken_port_is_said(void **state)
{
	struct rig_node nodes[2];
	char text[512];

	rig_make(nodes, 2);
	rig_open(&nodes[0]);
	nodes[1].self.port = nodes[0].self.port;
	assert_int_equal(open_code(&nodes[1], text, sizeof text), ERR_NETWORK);
	assert_non_null(strstr(text, "another process has the port"));
	nodes[1].self.port = UINT16_MAX; /* no room for the second one */
	assert_int_equal(open_code(&nodes[1], text, sizeof text), ERR_INVALID);
	free_all(nodes, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_three_nodes_meet_and_talk),
		cmocka_unit_test(test_hello_tells_the_facts),
		cmocka_unit_test(test_hello_tells_what_is_on_record),
		cmocka_unit_test(test_frames_keep_their_order),
		cmocka_unit_test(test_largest_frame_passes),
		cmocka_unit_test(test_broken_connection_is_reported_at_once),
		cmocka_unit_test(test_restarted_peer_is_met_again),
		cmocka_unit_test(test_broken_connection_drops_its_queue),
		cmocka_unit_test(test_full_queue_drops_and_counts),
		cmocka_unit_test(test_idle_connection_repeats_its_hello),
		cmocka_unit_test(test_dropped_peer_must_say_hello_again),
		cmocka_unit_test(test_plain_tcp_stays_on_the_machine),
		cmocka_unit_test(test_loopback_is_known),
		cmocka_unit_test(test_taken_port_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
