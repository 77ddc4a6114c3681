/* A control state over memory, and the entries that it is given. */
#ifndef TESTS_UNIT_CORE_MACHINE_H
#define TESTS_UNIT_CORE_MACHINE_H

#include "base/map.h"
#include "cluster/core/control.h"
#include "proto/command.pb-c.h"

struct machine {
	struct control control;
	struct map *map;
	struct kv kv;
	uint64_t next_index;
	unsigned changed; /* by the last entry */
};

/* cmocka set-up and tear-down. */
int machine_setup(void **state);
int machine_teardown(void **state);

void machine_give(struct machine *m, enum control_type type,
		  struct bytes payload);
/* Apply a command and flush, as a transaction of one entry. */
void machine_command(struct machine *m, const Synod__Command__Command *c);
/* As after a crash: memory is gone, the kv is there. */
void machine_restart(struct machine *m);
/* Both are flushed; then their states must be equal, key by key. */
void machine_check_equal(struct machine *a, struct machine *b);

#endif
