#include "rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/endian.h"
#include "base/rng.h"
#include "proto/codec.h"
#include "proto/limits.h"

static bool can_bind(uint16_t port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;
	struct sockaddr_in sa = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	CHECK(fd >= 0);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
	bool ok = bind(fd, (struct sockaddr *)&sa, sizeof sa) == 0;
	close(fd);
	return ok;
}

uint16_t rig_free_ports(void)
{
	/* Below the ports that the kernel gives to outgoing connections. */
	for (int i = 0; i < 1000; i++) {
		uint16_t port;

		rng_entropy(&port, sizeof port);
		port = (uint16_t)(12000 + port % 20000);
		if (can_bind(port) && can_bind((uint16_t)(port + 1)))
			return port;
	}
	fail_msg("no free ports");
	return 0;
}

static void woken(void *ctx)
{
	struct rig_node *n = ctx;

	CHECK(pthread_mutex_lock(&n->lock) == 0);
	n->is_woken = true;
	CHECK(pthread_cond_signal(&n->changed) == 0);
	CHECK(pthread_mutex_unlock(&n->lock) == 0);
}

static void init(struct rig_node *n, uint64_t id, uint16_t port)
{
	*n = (struct rig_node){0};
	n->self = (struct wire_peer){.id = id, .port = port};
	snprintf(n->self.name, sizeof n->self.name, "n%d", (int)id);
	snprintf(n->self.host, sizeof n->self.host, "127.0.0.1");
	CHECK(pthread_mutex_init(&n->lock, NULL) == 0);
	CHECK(pthread_cond_init(&n->changed, NULL) == 0);
	n->tail = &n->head;
	n->cfg = (struct wire_config){
		.cluster_name = "demo",
		.hello = {.node_id = id,
			  .incarnation = 1000 + id,
			  .boot = 2000 + id,
			  .term = 1,
			  .cluster_hash = 77},
	};
}

void rig_make(struct rig_node *nodes, size_t n)
{
	CHECK(n <= RIG_NODES);
	for (size_t i = 0; i < n; i++)
		init(&nodes[i], i + 1, rig_free_ports());
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++)
			if (i != j)
				nodes[i].peers[nodes[i].n_peers++] =
					nodes[j].self;
}

void rig_make_double(struct rig_node *out, const struct rig_node *of)
{
	init(out, of->self.id, rig_free_ports());
	memcpy(out->peers, of->peers, sizeof out->peers);
	out->n_peers = of->n_peers;
	out->cfg = of->cfg;
	out->cfg.hello.boot += 500;
}

void rig_open(struct rig_node *n)
{
	struct err e;

	CHECK(!n->wire);
	mailbox_init(&n->mailbox, LIMIT_INBOX_BYTES, woken, n);
	n->cfg.self = n->self;
	n->cfg.peers = n->peers;
	n->cfg.n_peers = n->n_peers;
	n->cfg.owner = &n->mailbox;
	if (wire_open(&n->wire, &n->cfg, &e))
		fail_msg("%s", e.text);
}

static void free_notes(struct note *notes)
{
	while (notes) {
		struct note *next = notes->next;

		wire_note_free((struct wire_note *)notes);
		notes = next;
	}
}

void rig_close(struct rig_node *n)
{
	if (!n->wire)
		return;
	wire_close(n->wire);
	n->wire = NULL;
	mailbox_close(&n->mailbox);
	free_notes(mailbox_take(&n->mailbox));
	mailbox_destroy(&n->mailbox);
	free_notes(n->head);
	n->head = NULL;
	n->tail = &n->head;
}

void rig_free(struct rig_node *n)
{
	rig_close(n);
	CHECK(pthread_cond_destroy(&n->changed) == 0);
	CHECK(pthread_mutex_destroy(&n->lock) == 0);
}

static struct timespec deadline(void)
{
	struct timespec t;

	CHECK(clock_gettime(CLOCK_REALTIME, &t) == 0);
	t.tv_sec += RIG_WAIT_MS / 1000;
	return t;
}

static void collect(struct rig_node *n)
{
	struct note *taken = mailbox_take(&n->mailbox);

	*n->tail = taken;
	for (; taken; taken = taken->next)
		n->tail = &taken->next;
}

static bool is_match(const struct note *note, int kind, uint64_t peer)
{
	const struct wire_note *w = (const struct wire_note *)note;

	return note->kind == kind && (peer == 0 || w->peer == peer);
}

static struct wire_note *pick(struct rig_node *n, int kind, uint64_t peer,
			      enum wire_channel channel)
{
	for (struct note **at = &n->head; *at; at = &(*at)->next) {
		struct note *note = *at;
		struct wire_note *w = (struct wire_note *)note;

		if (!is_match(note, kind, peer) ||
		    (channel != WIRE__CHANNELS && w->channel != channel))
			continue;
		*at = note->next;
		if (!*at)
			n->tail = at;
		return w;
	}
	return NULL;
}

struct wire_note *rig_wait(struct rig_node *n, int kind, uint64_t peer,
			   enum wire_channel channel)
{
	struct timespec until = deadline();

	for (;;) {
		CHECK(pthread_mutex_lock(&n->lock) == 0);
		n->is_woken = false;
		CHECK(pthread_mutex_unlock(&n->lock) == 0);
		collect(n);
		struct wire_note *found = pick(n, kind, peer, channel);
		if (found)
			return found;
		int rc = 0;
		CHECK(pthread_mutex_lock(&n->lock) == 0);
		while (!n->is_woken && rc == 0)
			rc = pthread_cond_timedwait(&n->changed, &n->lock,
						    &until);
		CHECK(pthread_mutex_unlock(&n->lock) == 0);
		if (rc)
			fail_msg("%s: no note %d about %d on channel %d",
				 n->self.name, kind, (int)peer, (int)channel);
	}
}

bool rig_has(struct rig_node *n, int kind, uint64_t peer)
{
	collect(n);
	for (struct note *at = n->head; at; at = at->next)
		if (is_match(at, kind, peer))
			return true;
	return false;
}

void rig_expect(struct rig_node *n, int kind, uint64_t peer,
		enum wire_channel channel)
{
	wire_note_free(rig_wait(n, kind, peer, channel));
}

void rig_join(struct rig_node *a, struct rig_node *b)
{
	for (int c = 0; c < WIRE__CHANNELS; c++) {
		rig_expect(a, NOTE_WIRE_UP, b->self.id, (enum wire_channel)c);
		rig_expect(b, NOTE_WIRE_HELLO, a->self.id,
			   (enum wire_channel)c);
	}
}

struct blob *rig_frame(uint64_t number, size_t len)
{
	struct blob *b = blob_new(len);

	CHECK(len >= CODEC_HEADER_BYTES + sizeof number);
	memset(b->data, (int)(number & 0xff), len);
	put_u64(b->data + CODEC_HEADER_BYTES, number);
	codec_seal_in_place(CODEC_ENVELOPE, b->data, len - CODEC_HEADER_BYTES);
	return b;
}

uint64_t rig_frame_number(const struct wire_note *note)
{
	struct bytes payload;

	assert_int_equal(codec_open(CODEC_ENVELOPE, blob_bytes(note->frame),
				    LIMIT_FRAME_BYTES, &payload, NULL),
			 0);
	return get_u64(payload.data);
}

int rig_tcp(uint16_t port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in sa = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	return fd;
}

/* The header that both sides of an nng connection send. */
static void shake_hands(int fd, uint8_t protocol)
{
	uint8_t head[8] = {0, 'S', 'P', 0, 0, protocol, 0, 0};
	uint8_t answer[8];

	assert_int_equal(send(fd, head, sizeof head, MSG_NOSIGNAL),
			 sizeof head);
	assert_int_equal(recv(fd, answer, sizeof answer, MSG_WAITALL),
			 sizeof answer);
}

int rig_tcp_push(uint16_t port)
{
	int fd = rig_tcp(port);

	shake_hands(fd, 0x50);
	return fd;
}

int rig_tcp_listen(uint16_t port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;
	struct sockaddr_in sa = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	assert_true(fd >= 0);
	assert_int_equal(
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

int rig_tcp_pull(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	assert_true(fd >= 0);
	shake_hands(fd, 0x51);
	return fd;
}

void rig_tcp_message(int fd, const void *data, size_t len)
{
	uint8_t size[8];

	for (int i = 0; i < 8; i++)
		size[i] = (uint8_t)((uint64_t)len >> (56 - 8 * i));
	/* The other side may close while we speak: that is no failure. */
	if (send(fd, size, sizeof size, MSG_NOSIGNAL) == sizeof size)
		(void)!send(fd, data, len, MSG_NOSIGNAL);
}

void rig_tcp_expect_close(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char buf[256];

	for (;;) {
		assert_int_equal(poll(&p, 1, RIG_WAIT_MS), 1);
		if (recv(fd, buf, sizeof buf, 0) <= 0)
			return;
	}
}
