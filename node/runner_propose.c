#include <stdlib.h>

#include "base/check.h"
#include "cluster/core/command.h"
#include "node/runner_task.h"

/* Proposals of tasks: a queue that keeps their order, so that a moment without
 * a leader costs a batch its time and not its place; then the replica; then
 * the fate back to whoever still listens. */

/* Tag: NODE_TAG_TASK, life of the place, place. */
enum { TAG_PLACE_BITS = 20, TAG_LIFE_MASK = 0xffffff };
#define FLIGHT_NONE SIZE_MAX

/* -- the task's side --------------------------------------------------------
 */
int runner_offer(struct runner_task *t, struct blob *command, uint64_t ticket)
{
	struct runner *r = &t->node->runner;
	size_t bytes = command->len + sizeof(struct runner_proposal);

	if (atomic_fetch_add(&r->queue_bytes, bytes) + bytes >
	    LIMIT_TASK_QUEUE_BYTES) {
		atomic_fetch_sub(&r->queue_bytes, bytes);
		return ERR_BUSY;
	}
	struct runner_proposal *p = mem_zero(1, sizeof(*p));
	*p = (struct runner_proposal){
		.note = {.size_bytes = bytes, .kind = NOTE_TASK_PROPOSAL},
		.runner = r,
		.serial = t->serial,
		.ticket = ticket,
		.command = blob_ref(command),
	};
	/* Bounded by the count above, not by what the wire left of the box. */
	if (mailbox_post_always(&t->node->mailbox, &p->note))
		return 0;
	atomic_fetch_sub(&r->queue_bytes, bytes);
	blob_unref(p->command);
	free(p);
	return ERR_CLOSED;
}

/* -- flights ----------------------------------------------------------------
 */
static size_t take_flight(struct runner *r)
{
	size_t i = r->free_flight;

	if (i == r->n_flights) {
		size_t cap = r->n_flights ? 2 * r->n_flights : 64;
		if (cap > (size_t)1 << TAG_PLACE_BITS)
			return FLIGHT_NONE;
		r->flights = mem_grow(r->flights, cap * sizeof(*r->flights));
		for (size_t j = r->n_flights; j < cap; j++)
			r->flights[j] =
				(struct runner_flight){.next_free = j + 1};
		r->n_flights = cap;
	}
	r->free_flight = r->flights[i].next_free;
	r->flights[i].is_used = true;
	return i;
}

static void give_flight(struct runner *r, size_t i)
{
	r->flights[i].is_used = false;
	r->flights[i].life++;
	r->flights[i].next_free = r->free_flight;
	r->free_flight = i;
}

static uint64_t tag_of(const struct runner *r, size_t i)
{
	return NODE_TAG_TASK |
	       (uint64_t)(r->flights[i].life & TAG_LIFE_MASK)
		       << TAG_PLACE_BITS |
	       i;
}

static int propose(struct node *n, struct bytes command, uint64_t serial,
		   uint64_t ticket)
{
	struct runner *r = &n->runner;
	size_t i = take_flight(r);

	if (i == FLIGHT_NONE)
		return ERR_BUSY;
	r->flights[i].serial = serial;
	r->flights[i].ticket = ticket;
	struct err e = {0};
	int rc = replica_propose(n->replica, command, tag_of(r, i), &e);
	if (rc)
		give_flight(r, i);
	return rc;
}

static void tell_fate(struct runner *r, uint64_t serial,
		      const struct task_fate *fate)
{
	struct runner_task *t = serial ? runner_find(r, serial) : NULL;

	if (t)
		runner_task_fate(t, fate);
}

void runner_fate(struct node *n, uint64_t tag, int code, uint64_t index)
{
	struct runner *r = &n->runner;
	size_t i = tag & (((uint64_t)1 << TAG_PLACE_BITS) - 1);

	CHECK(i < r->n_flights && r->flights[i].is_used && tag_of(r, i) == tag);
	struct runner_flight flight = r->flights[i];
	give_flight(r, i);
	if (flight.serial == RUNNER_GATE) {
		runner_gate_fate(r, flight.ticket, code, index);
		return;
	}
	tell_fate(r, flight.serial,
		  &(struct task_fate){.ticket = flight.ticket,
				      .code = code,
				      .index = index});
}

int runner_ask_gate(struct node *n, const Synod__Command__Command *command)
{
	struct blob *sealed = command_seal(command);
	int rc = propose(n, blob_bytes(sealed), RUNNER_GATE,
			 ++n->runner.gate_ticket);

	blob_unref(sealed);
	return rc;
}

int runner_tell(struct node *n, const Synod__Command__Command *command)
{
	struct blob *sealed = command_seal(command);
	int rc = n->replica ? propose(n, blob_bytes(sealed), 0, 0)
			    : ERR_NO_LEADER;

	blob_unref(sealed);
	return rc;
}

/* -- the queue --------------------------------------------------------------
 */
static void drop(struct runner *r, struct runner_proposal *p)
{
	atomic_fetch_sub(&r->queue_bytes, p->note.size_bytes);
	blob_unref(p->command);
	free(p);
}

void runner_take_proposal(struct node *n, struct runner_proposal *p)
{
	struct runner *r = &n->runner;

	p->note.next = NULL;
	p->deadline_us = node_now_us(n) + (int64_t)LIMIT_PROPOSAL_MS * 1000;
	*r->queue_tail = p;
	r->queue_tail = (struct runner_proposal **)&p->note.next;
	runner_propose_turn(n);
}

/* True: it has left the queue's head. */
static bool try_head(struct node *n, struct runner_proposal *p)
{
	struct runner *r = &n->runner;

	/* Nobody waits for it any more: under its epoch it may be refused or
	 * count, both are right. */
	if (!runner_find(r, p->serial))
		return true;
	int rc = n->replica ? propose(n, blob_bytes(p->command), p->serial,
				      p->ticket)
			    : ERR_NO_LEADER;
	if (!rc)
		return true;
	bool may_wait = rc == ERR_BUSY || rc == ERR_NO_LEADER;
	if (may_wait && node_now_us(n) < p->deadline_us)
		return false;
	tell_fate(r, p->serial,
		  &(struct task_fate){.ticket = p->ticket, .code = rc});
	return true;
}

void runner_propose_turn(struct node *n)
{
	struct runner *r = &n->runner;

	while (r->queue && try_head(n, r->queue)) {
		struct runner_proposal *p = r->queue;
		r->queue = (struct runner_proposal *)p->note.next;
		if (!r->queue)
			r->queue_tail = &r->queue;
		drop(r, p);
	}
}

void runner_propose_close(struct runner *r)
{
	while (r->queue) {
		struct runner_proposal *p = r->queue;
		r->queue = (struct runner_proposal *)p->note.next;
		drop(r, p);
	}
	free(r->flights);
	r->flights = NULL;
}
