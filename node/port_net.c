#include "node/node.h"

static void net_send(void *ctx, uint64_t peer, struct blob *frame, bool bulk)
{
	struct node *n = ctx;

	/* Lost frames are counted by the wire and repeated by Raft. */
	wire_send(n->wire, peer, bulk ? WIRE_BULK : WIRE_RAFT, frame);
}

struct replica_net port_net(struct node *n)
{
	return (struct replica_net){.ctx = n, .send = net_send};
}
