/* Questions to a node: proto/admin.proto over the door, one call each.
 * Any one thread per door client at a time, as the door says. */
#ifndef BENCH_ASK_H
#define BENCH_ASK_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "cluster/wire/door.h"
#include "proto/admin.pb-c.h"

/* One call. Gives the answer, to be freed with answer_free. A Problem in it is
 * returned as an error: its code, its text, its hint behind a semicolon. */
int ask(struct door_client *c, const Synod__Admin__Request *question,
	int timeout_ms, Synod__Admin__Response **answer, struct err *e);
/* The node's own status. */
int ask_status(struct door_client *c, int timeout_ms,
	       Synod__Admin__Response **answer, struct err *e);
/* Append one value. Gives its index when committed, else the code of its
 * fate. */
int ask_append(struct door_client *c, struct bytes value, int timeout_ms,
	       uint64_t *index, struct err *e);
/* Hand leadership to the node of that name; "" lets the node choose. */
int ask_transfer(struct door_client *c, const char *to, int timeout_ms,
		 struct err *e);
void answer_free(Synod__Admin__Response *answer); /* NULL is allowed */

/* Open a sealed response frame: the way back of door_start. NULL, and the
 * reason in e, when it is none or carries a Problem. */
Synod__Admin__Response *answer_open(struct bytes frame, struct err *e);

#endif
