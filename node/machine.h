/* Machine: the control state (cluster/core) under the state store. Applies on
 * the state thread and shows what is decided at once (decided.h); tells the
 * loop what changed, at once and again once it is durable. */
#ifndef NODE_MACHINE_H
#define NODE_MACHINE_H

#include <stdatomic.h>

#include "cluster/core/control.h"
#include "cluster/store/state.h"
#include "node/decided.h"

struct machine {
	struct control control; /* state thread */
	unsigned pending;       /* changed by the open transaction, likewise */
	unsigned step;          /* changed since applied() was called, too */
	struct view_catalog *catalog; /* that of the newest view, likewise */
	atomic_uint changed;          /* durable and not yet taken, bits */
	atomic_uint live;             /* the same, decided */
	struct decided decided;
	/* Something was decided, bits of enum control_change. State thread. */
	void (*wake)(void *ctx, unsigned changed);
	void *wake_ctx;
};

void machine_init(struct machine *m, void (*wake)(void *, unsigned), void *ctx);
void machine_clear(struct machine *m);
struct state_machine machine_hooks(struct machine *m);
/* Show what the state holds. The state thread is idle: before the first entry
 * is given to it, and after an image replaced the state. */
void machine_load(struct machine *m, struct state_store *state);
/* What changed since the last call, bits of enum control_change: durable; and
 * decided. Any thread. */
unsigned machine_take_changed(struct machine *m);
unsigned machine_take_live(struct machine *m);
/* The state was replaced by an image; the state thread is idle. */
void machine_replaced(struct machine *m, struct state_store *state);

#endif
