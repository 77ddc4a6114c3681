/* Machine: the control state (cluster/core) under the state store. Applies on
 * the state thread; tells the loop what changed once it is durable. */
#ifndef NODE_MACHINE_H
#define NODE_MACHINE_H

#include <stdatomic.h>

#include "cluster/core/control.h"
#include "cluster/store/state.h"

struct machine {
	struct control control; /* state thread */
	unsigned pending;       /* changed by the open transaction, likewise */
	atomic_uint changed;    /* durable and not yet taken, bits */
};

void machine_init(struct machine *m);
struct state_machine machine_hooks(struct machine *m);
/* What changed since the last call, bits of enum control_change. Any thread. */
unsigned machine_take_changed(struct machine *m);
/* The state was replaced by an image; the state thread is idle. */
void machine_replaced(struct machine *m);

#endif
