/* Members: what is known of each member of the founding configuration, and
 * what follows from it: who is in quarantine, what our hello says, which
 * connection is kept. The decisions are cluster/core/admission.h's.
 *
 * Loop thread, except members_admit. */
#ifndef NODE_MEMBERS_H
#define NODE_MEMBERS_H

#include <pthread.h>
#include <stdbool.h>

#include "cluster/core/admission.h"
#include "cluster/core/control.h"
#include "cluster/wire/wire.h"
#include "node/pulse.h"

struct node;

struct member {
	struct admission_member facts;
	const char *name; /* the configuration's */
	char address[LIMIT_ADDRESS_BYTES + 8];
	uint64_t proposed; /* incarnation in a proposal under way; 0: none */
	uint64_t term;     /* by its last hello */
	struct pulse pulse;
	bool is_connected;
	bool is_quarantined; /* as the replica was told */
};

struct members {
	struct member list[LIMIT_NODES]; /* as in the configuration, by name */
	size_t n, self;
	int64_t news_us; /* a member was heard for the first time */
	struct control_cluster cluster;
	bool has_cluster;

	/* For the wire's threads: incarnations that were replaced. */
	pthread_mutex_t lock;
	struct {
		uint64_t id, incarnations[CONTROL_RETIRED];
		unsigned n;
	} retired[LIMIT_NODES];
	bool has_lock;
};

void members_init(struct node *n);
void members_clear(struct members *m);
struct member *members_find(struct members *m, uint64_t id); /* or NULL */
struct member *members_self(struct members *m);
const char *members_name(struct members *m, uint64_t id); /* "-": unknown */

/* What our hello says now. */
struct wire_hello members_hello(struct node *n);
void members_heard(struct node *n, const struct wire_hello *hello);
void members_up(struct node *n, uint64_t peer);
void members_down(struct node *n, uint64_t peer);
/* A frame came from it. */
void members_alive(struct node *n, uint64_t peer);
/* The replicated state may say something new: read members and cluster. */
void members_read_state(struct node *n);
/* Quarantine, hello and records follow from the facts: make it so. */
void members_refresh(struct node *n);
/* The wire asks: may this incarnation speak? nng thread. */
bool members_admit(void *node, const struct wire_hello *hello);

#endif
