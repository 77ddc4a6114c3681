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
#include "proto/command.pb-c.h"
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

struct pending_call;
/* index: of the entry; code 0: it counts, else why not. */
typedef void (*admin_done)(struct node *n, void *ctx, int code, uint64_t index);

struct admin {
	struct append_call appends[ADMIN_APPENDS];
	struct waiting_call *waiting;
	struct door_request *transfer; /* one at a time */
	struct arena arena;            /* of the request that is being read */
	uint8_t *scratch;              /* a command that is being packed */
	size_t scratch_cap;
	struct pending_call *pending; /* admin_propose */
	uint64_t last_serial;
	char refusal[256]; /* within a done */
	int64_t look_us;   /* for deadlines: not before */
};

void admin_open(struct admin *a);
/* Drops what waits: the door is closing. */
void admin_close(struct node *n);

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

/* -- admin_propose.c ------------------------------------------------------- */
/* Propose a command. 0: done is called exactly once, on the loop: when it is
 * committed, applied and durable in the state here, or refused, by the cluster
 * or by the state; with ERR_UNKNOWN_FATE when the node stops before. */
int admin_propose(struct node *n, const Synod__Command__Command *c,
		  admin_done done, void *ctx, struct err *e);
/* Within done: why the state refused it; "" when it says nothing. */
const char *admin_refusal(const struct node *n);
/* Propose and answer "done" with that text; takes the request. hint: a literal,
 * for a refusal. */
struct admin_deed {
	const char *text, *hint;
};
void admin_do(struct node *n, struct door_request *request,
	      const Synod__Command__Command *c, const struct admin_deed *deed);
void admin_propose_fate(struct node *n, uint64_t tag, int code, uint64_t index);
void admin_propose_turn(struct node *n);
void admin_propose_close(struct node *n);

/* -- admin_overview.c ------------------------------------------------------ */
void admin_overview(struct node *n, struct door_request *request,
		    const Synod__Admin__OverviewRequest *body);

/* -- admin_work.c ---------------------------------------------------------- */
void admin_pause(struct node *n, struct door_request *request,
		 const Synod__Admin__PauseRequest *body);
void admin_move(struct node *n, struct door_request *request,
		const Synod__Admin__MoveRequest *body);
void admin_drain(struct node *n, struct door_request *request,
		 const Synod__Admin__DrainRequest *body);

/* -- admin_conflicts.c ----------------------------------------------------- */
void admin_conflicts(struct node *n, struct door_request *request,
		     const Synod__Admin__ConflictsRequest *body);
void admin_resolve(struct node *n, struct door_request *request,
		   const Synod__Admin__ResolveRequest *body);

/* -- admin_letters.c ------------------------------------------------------- */
void admin_letters(struct node *n, struct door_request *request,
		   const Synod__Admin__LettersRequest *body);
void admin_letters_act(struct node *n, struct door_request *request,
		       const Synod__Admin__LettersActRequest *body);

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
