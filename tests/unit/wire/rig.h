/* A rig for tests of the wire: nodes on loopback in one process, each with a
 * mailbox and a way to wait for a note with a deadline. The test's thread owns
 * every node. */
#ifndef TESTS_UNIT_WIRE_RIG_H
#define TESTS_UNIT_WIRE_RIG_H

#include <pthread.h>

#include "base/mailbox.h"
#include "cluster/wire/wire.h"

enum { RIG_NODES = 3, RIG_WAIT_MS = 10000 };

struct rig_node {
	struct wire_peer self;
	struct wire_peer peers[RIG_NODES];
	size_t n_peers;
	struct wire_config cfg;
	struct wire *wire;
	struct mailbox mailbox;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_woken;
	struct note *head, **tail; /* taken and not yet waited for */
};

/* Two neighbouring ports that nobody uses. */
uint16_t rig_free_ports(void);

/* n nodes that know each other, ids 1.., names n1..; not yet open. Change .cfg
 * before rig_open. */
void rig_make(struct rig_node *nodes, size_t n);
/* One more process that claims to be nodes[i]: other ports, another boot. */
void rig_make_double(struct rig_node *out, const struct rig_node *of);
void rig_open(struct rig_node *node);
/* Close and forget all notes; rig_open may follow. */
void rig_close(struct rig_node *node);
void rig_free(struct rig_node *node);

/* The next note of this kind about peer (0: any) and channel (WIRE__CHANNELS:
 * any), taken out of its
 * order; fails the test when it does not come in time. Free with
 * wire_note_free. */
struct wire_note *rig_wait(struct rig_node *node, int kind, uint64_t peer,
			   enum wire_channel channel);
/* Did one come so far? Does not wait and does not take. */
bool rig_has(struct rig_node *node, int kind, uint64_t peer);
/* Wait for a note and free it. */
void rig_expect(struct rig_node *node, int kind, uint64_t peer,
		enum wire_channel channel);
/* Wait until both channels are up from a to b and b has accepted a. */
void rig_join(struct rig_node *a, struct rig_node *b);

/* len bytes that look like a sealed envelope to the wire, beginning with n. */
struct blob *rig_frame(uint64_t n, size_t len);
/* The n of a frame note. */
uint64_t rig_frame_number(const struct wire_note *note);

/* A raw TCP connection to the node; -1 never: fails the test. */
int rig_tcp(uint16_t port);
/* Speak enough of nng's protocol that the node takes us for a PUSH socket. */
int rig_tcp_push(uint16_t port);
/* Send len bytes as one nng message. */
void rig_tcp_message(int fd, const void *data, size_t len);
/* Listen in the place of a node's port; rig_tcp_pull accepts one connection
 * and answers like a PULL socket, which then reads nothing. */
int rig_tcp_listen(uint16_t port);
int rig_tcp_pull(int listener);
/* Wait until the other side closes the connection. */
void rig_tcp_expect_close(int fd);

#endif
