/* The simulated log: one order for all. Proposals take their time, are
 * refused, get lost, or come in after nobody knew of them any more. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "tests/sim/product/world.h"

static struct proposal *push(struct world *w)
{
	if (w->n_proposals == w->cap_proposals) {
		w->cap_proposals = w->cap_proposals ? w->cap_proposals * 2 : 64;
		w->proposals = mem_grow(
			w->proposals, w->cap_proposals * sizeof(*w->proposals));
	}
	struct proposal *p = &w->proposals[w->n_proposals++];
	*p = (struct proposal){.commit_us = INT64_MAX, .fate_us = INT64_MAX};
	return p;
}

static int64_t after_ms(struct world *w, int64_t min, int64_t max)
{
	return w->now_us + rng_range(&w->rng, min * 1000, max * 1000);
}

static void refuse(struct world *w, struct proposal *p)
{
	p->fate.code = ERR_NOT_LEADER;
	p->fate_us = after_ms(w, 1, 5);
	w->counts.refused++;
}

static void decide_fate(struct world *w, struct proposal *p, bool is_cut)
{
	double x = (double)rng_below(&w->rng, 1000) / 1000;

	if (w->is_calm || (!is_cut && x < 0.93)) {
		p->commit_us = after_ms(w, 1, w->is_calm ? 3 : 8);
	} else if (is_cut || x < 0.95) {
		refuse(w, p);
	} else {
		/* Its fate is unknown, or nobody ever says it. */
		p->fate.code = ERR_UNKNOWN_FATE;
		if (x < 0.99)
			p->fate_us = after_ms(w, 5, 80);
		if (world_chance(w, 0.6))
			p->commit_us = after_ms(w, 10, 900);
		w->counts.unknown++;
	}
}

int log_propose(struct runner *r, struct blob *command, uint64_t ticket)
{
	struct world *w = r->w;

	if (!w->is_calm && world_chance(w, 0.01))
		return ERR_BUSY;
	struct proposal *p = push(w);
	p->command = blob_ref(command);
	p->node_id = r->m->id;
	p->boot = r->m->boot;
	p->instance = r->instance;
	p->ticket = p->fate.ticket = ticket;
	decide_fate(w, p, r->m->cut_until_us > w->now_us || w->leader == 0);
	return 0;
}

void log_command(struct world *w, const Synod__Command__Command *c)
{
	struct proposal *p = push(w);

	p->command = command_seal(c);
	decide_fate(w, p, false);
	p->fate_us = INT64_MAX;
}

/* -- appending ------------------------------------------------------------- */
static struct blob *payload_of(struct blob *command)
{
	struct blob *b = blob_new(COMMAND_ID_BYTES + command->len);

	memset(b->data, 0, COMMAND_ID_BYTES);
	memcpy(b->data + COMMAND_ID_BYTES, command->data, command->len);
	return b;
}

/* Where the newest batch of the task ends, and under which epoch it runs, for
 * whoever takes the ledger's rules away. */
static void forge(struct world *w, Synod__Command__Batch *batch)
{
	for (size_t i = w->n_log; i > 0 && w->off.log_from; i--) {
		const struct entry *e = &w->log[i];

		if (e->view.kind != COMMAND_BATCH ||
		    e->view.batch.task_id != batch->task_id)
			continue;
		batch->from = e->view.batch.to;
		break;
	}
	for (size_t i = w->n_log; i > 0 && w->off.log_epoch; i--) {
		const struct entry *e = &w->log[i];

		if (e->is_refused || e->view.kind != COMMAND_OTHER ||
		    !e->view.tree->assign ||
		    e->view.tree->body_case !=
			    SYNOD__COMMAND__COMMAND__BODY_ASSIGN ||
		    e->view.tree->assign->task_id != batch->task_id)
			continue;
		batch->epoch = i;
		break;
	}
}

static struct blob *forged(struct world *w, struct blob *payload)
{
	struct command_view v;
	Synod__Command__Command c = SYNOD__COMMAND__COMMAND__INIT;

	if (!w->off.log_from && !w->off.log_epoch)
		return payload;
	CHECK(command_view_open(&v, blob_bytes(payload), NULL) == 0);
	if (v.kind == COMMAND_BATCH) {
		forge(w, &v.batch);
		c.body_case = SYNOD__COMMAND__COMMAND__BODY_BATCH;
		c.batch = &v.batch;
		struct blob *sealed = command_seal(&c);
		struct blob *other = payload_of(sealed);
		blob_unref(sealed);
		command_view_clear(&v);
		blob_unref(payload);
		return other;
	}
	command_view_clear(&v);
	return payload;
}

static uint64_t append(struct world *w, struct blob *command)
{
	if (w->n_log + 2 > w->cap_log) {
		w->cap_log = w->cap_log ? w->cap_log * 2 : 256;
		w->log = mem_grow(w->log, w->cap_log * sizeof(*w->log));
	}
	struct blob *payload = forged(w, payload_of(command));
	struct entry *e = &w->log[++w->n_log];
	*e = (struct entry){.payload = payload, .at_us = w->now_us};
	w->counts.entries++;
	if (command_view_open(&e->view, blob_bytes(payload), NULL)) {
		e->view = (struct command_view){.kind = COMMAND_OTHER};
		world_bad(w, "entry %zu has %zu bytes", w->n_log, payload->len);
	}
	return w->n_log;
}

static void commit(struct world *w, struct proposal *p)
{
	uint64_t index = append(w, p->command);

	p->commit_us = INT64_MAX;
	if (p->fate.code)
		return;
	p->fate.index = index;
	p->fate_us = after_ms(w, 0, 4);
}

static void tell(struct world *w, struct proposal *p)
{
	struct member *m = &w->members[p->node_id];

	p->fate_us = INT64_MAX;
	if (p->node_id == 0 || !m->is_up || m->boot != p->boot)
		return;
	for (size_t i = 0; i < WORLD_RUNNERS; i++) {
		struct runner *r = &m->runners[i];

		if (!r->is_used || r->instance != p->instance)
			continue;
		if (r->capture)
			capture_fate(r->capture, &p->fate);
		else
			apply_fate(r->apply, &p->fate);
		r->due_us = w->now_us;
	}
}

/* A frozen node hears of its fates when it wakes up. */
void log_turn(struct world *w)
{
	size_t n = 0, n_before = w->n_proposals;

	for (size_t i = 0; i < n_before; i++) {
		struct proposal p = w->proposals[i];
		bool is_asleep =
			p.node_id &&
			w->members[p.node_id].frozen_until_us > w->now_us;

		if (p.commit_us <= w->now_us)
			commit(w, &p);
		if (p.fate_us <= w->now_us && !is_asleep)
			tell(w, &p);
		if (p.commit_us == INT64_MAX && p.fate_us == INT64_MAX)
			blob_unref(p.command);
		else
			w->proposals[n++] = p;
	}
	CHECK(w->n_proposals == n_before);
	w->n_proposals = n;
}

void log_free(struct world *w)
{
	for (size_t i = 0; i < w->n_proposals; i++)
		blob_unref(w->proposals[i].command);
	for (size_t i = 1; i <= w->n_log; i++) {
		command_view_clear(&w->log[i].view);
		blob_unref(w->log[i].payload);
		blob_unref(w->log[i].outcome);
	}
	free(w->proposals);
	free(w->log);
}
