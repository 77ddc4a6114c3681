/* Admin: requests of synodctl and synod-bench, taken from the door and answered
 * exactly once. What is not known at once waits in struct admin: an append for
 * the fates of its values, a tail or a look at the events for something new, a
 * transfer for its end.
 *
 * Loop thread. Answers to tails are packed on the reader's thread. */
#ifndef NODE_ADMIN_H
#define NODE_ADMIN_H

#include <stdint.h>

#include "base/arena.h"
#include "cluster/wire/door.h"
#include "proto/admin.pb-c.h"
#include "proto/limits.h"

struct node;

/* Requests that wait. The door holds back what is beyond its own limit; on its
 * two sockets together that is twice as many. */
enum { ADMIN_APPENDS = 2 * LIMIT_DOOR_REQUESTS };

struct append_fate {
	int32_t code;
	uint64_t index;
};

/* An append: its place in the table and the number of a value are the tag of
 * the value's proposal. */
struct append_call {
	struct door_request *request; /* NULL once answered */
	bool is_used;
	uint32_t life; /* makes tags of earlier uses of the place differ */
	size_t n, n_left;
	int64_t deadline_us;
	struct append_fate *fates;
	size_t fates_cap;
};

/* Waits until index can be shown or the deadline passes. */
struct waiting_call {
	struct waiting_call *next;
	struct door_request *request;
	uint64_t from_index; /* first wanted; events: behind this one */
	uint32_t count;
	bool with_values, is_events;
	int64_t deadline_us;
};

struct admin {
	struct append_call appends[ADMIN_APPENDS];
	struct waiting_call *waiting;
	struct door_request *transfer; /* one at a time */
	struct arena arena;            /* of the request that is being read */
	uint8_t *scratch;              /* a command that is being packed */
	size_t scratch_cap;
	int64_t look_us; /* for deadlines: not before */
};

void admin_open(struct admin *a);
/* Drops what waits: the door is closing. */
void admin_close(struct admin *a);

/* Takes the request. */
void admin_request(struct node *n, struct door_request *request);
/* Something may be new, or time has passed. */
void admin_turn(struct node *n);

/* -- between the files of the admin ---------------------------------------- */
/* Answer with a body; takes the request. */
void admin_reply(struct door_request *request,
		 const Synod__Admin__Response *response);
/* Answer that it failed. hint may be NULL. */
void admin_refuse(struct door_request *request, int code, const char *text,
		  const char *hint);

/* -- admin_append.c -------------------------------------------------------- */
void admin_append(struct node *n, struct door_request *request,
		  const Synod__Admin__AppendRequest *body);
void admin_fate(struct node *n, uint64_t tag, int code, uint64_t index);
void admin_append_turn(struct node *n, int64_t now_us);

/* -- admin_read.c ---------------------------------------------------------- */
void admin_tail(struct node *n, struct door_request *request,
		const Synod__Admin__TailRequest *body);
void admin_events(struct node *n, struct door_request *request,
		  const Synod__Admin__EventsRequest *body);
void admin_read_turn(struct node *n, int64_t now_us);

/* -- admin_status.c -------------------------------------------------------- */
void admin_status(struct node *n, struct door_request *request,
		  const Synod__Admin__StatusRequest *body);
void admin_metrics(struct node *n, struct door_request *request);

/* -- admin_transfer.c ------------------------------------------------------ */
void admin_transfer(struct node *n, struct door_request *request,
		    const Synod__Admin__TransferRequest *body);
void admin_transferred(struct node *n, int code);

#endif
