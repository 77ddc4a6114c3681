/* The tasks that run on a node, and what it does for them. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "tests/sim/product/world.h"

/* -- ports ----------------------------------------------------------------- */
static int port_propose(void *ctx, struct blob *command, uint64_t ticket)
{
	return log_propose(ctx, command, ticket);
}

static bool is_revision(const struct entry *e)
{
	return e->view.kind == COMMAND_OTHER && e->view.tree &&
	       !e->is_refused &&
	       e->view.tree->body_case ==
		       SYNOD__COMMAND__COMMAND__BODY_REVISION;
}

/* Not beyond a revision that its catalog does not know. */
static uint64_t port_decided(void *ctx)
{
	struct runner *r = ctx;

	if (r->revision_at == r->m->revision_at)
		return r->m->applied;
	for (uint64_t i = r->revision_at + 1; i <= r->m->applied; i++)
		if (is_revision(&r->w->log[i]))
			return i - 1;
	return r->m->applied;
}

static bool concerns(const struct entry *e)
{
	if (e->is_refused)
		return false;
	return e->view.kind == COMMAND_BATCH || e->outcome->len > 0;
}

static int port_next_entry(void *ctx, uint64_t after, struct task_entry *out,
			   uint64_t *upto, struct err *e)
{
	struct runner *r = ctx;

	if (after < control_floor(&r->m->kv))
		return err_set(e, ERR_NOTFOUND, "entry %llu is forgotten",
			       (unsigned long long)after);
	uint64_t decided = port_decided(r);
	for (uint64_t i = after + 1; i <= decided; i++) {
		const struct entry *x = &r->w->log[i];
		bool is_batch = x->view.kind == COMMAND_BATCH;

		if (!concerns(x))
			continue;
		*out = (struct task_entry){.index = i, .is_batch = is_batch};
		if (is_batch) {
			out->source_id = x->view.batch.task_id;
			out->changes =
				(struct bytes){x->view.batch.changes.data,
					       x->view.batch.changes.len};
		}
		out->outcome = blob_bytes(x->outcome);
		if (r->w->off.give_back && is_batch &&
		    out->source_id == task_connection(r->spec.id))
			out->outcome = (struct bytes){0};
		return 1;
	}
	*upto = decided;
	return 0;
}

static uint64_t port_position(void *ctx, uint32_t task_id,
			      struct value_buf *buf)
{
	struct runner *r = ctx;
	struct bytes p = ledger_position(&r->m->kv, task_id);

	value_buf_put(buf, p.data, p.len);
	return r->m->applied;
}

static bool port_is_parked(void *ctx, uint32_t connection_id, uint32_t table_id,
			   struct bytes key)
{
	struct runner *r = ctx;

	return ledger_parked(&r->m->kv, connection_id, table_id, key) != 0;
}

static bool port_is_paused(void *ctx, uint32_t sync_id, uint32_t table_id)
{
	struct runner *r = ctx;

	return tasks_is_paused(&r->m->control.tasks, sync_id, table_id);
}

static bool port_may_load(void *ctx, uint32_t table_id)
{
	struct runner *r = ctx;
	const struct catalog_table *t = catalog_table(r->catalog, table_id);

	for (uint32_t id = 1; t && table_id > WORLD_TABLES && id <= WORLD_DBS;
	     id++) {
		const struct task *a = tasks_find(
			&r->m->control.tasks, task_apply_id(t->sync->id, id));

		if (!a || (a->applied < t->order_at && a->upto < t->order_at))
			return false;
	}
	return true;
}

static void port_report(void *ctx, enum task_state state, const struct err *e,
			const char *hint)
{
	struct runner *r = ctx;

	r->problem = e ? *e : (struct err){0};
	world_trace(r->w, "node %llu task %u %s %s",
		    (unsigned long long)r->m->id, r->spec.id,
		    task_state_name(state), e ? e->text : "");
}

static void port_count(void *ctx, const struct task_count *c)
{
	struct runner *r = ctx;

	if (c->kind == TASK_COUNT_LETTER)
		r->w->counts.letters++;
}

static int64_t port_now(void *ctx)
{
	return ((struct runner *)ctx)->w->now_us;
}

static int64_t port_wall(void *ctx)
{
	return world_wall(((struct runner *)ctx)->w);
}

static struct task_ports *ports_of(struct runner *r)
{
	struct task_ports *p = arena_alloc(&r->w->arena, sizeof *p);

	*p = (struct task_ports){
		.ctx = r,
		.propose = port_propose,
		.decided = port_decided,
		.next_entry = port_next_entry,
		.position = port_position,
		.is_parked = port_is_parked,
		.is_paused = port_is_paused,
		.may_load = port_may_load,
		.report = port_report,
		.count = port_count,
		.now_us = port_now,
		.wall_us = port_wall,
	};
	return p;
}

/* -- coming and going ------------------------------------------------------ */
void runner_stop(struct runner *r)
{
	if (!r->is_used)
		return;
	capture_free(r->capture);
	apply_free(r->apply);
	catalog_free(r->catalog);
	*r = (struct runner){0};
}

static uint64_t paused_tables(const struct member *m)
{
	const struct tasks *tasks = &m->control.tasks;
	uint64_t mask = 0;

	for (uint32_t id = 1; id <= WORLD_IDS; id++) {
		uint32_t sync = world_physical(id) == TABLE_BANK ? SYNC_BANK
								 : SYNC_PAIR;

		if (tasks_is_paused(tasks, sync, id) &&
		    !tasks_is_paused(tasks, sync, 0))
			mask |= (uint64_t)1 << id;
	}
	return mask;
}

static void runner_start(struct runner *r, struct member *m,
			 const struct task *t)
{
	*r = (struct runner){
		.w = m->w,
		.m = m,
		.is_used = true,
		.instance = ++m->w->next_instance,
		.paused = paused_tables(m),
		.revision_at = m->revision_at,
		.catalog = catalog_load(&m->kv),
		.due_us = m->w->now_us,
	};
	r->secrets.ctx = r;
	r->spec = (struct task_spec){
		.id = t->id,
		.epoch = t->epoch,
		.catalog = r->catalog,
		.connector = &connector_sim,
		.target = {.connection = catalog_connection(
				   r->catalog, task_connection(t->id)),
			   .secrets = &r->secrets},
		.start_index = t->born_index,
		.hint_applied = t->applied,
		.hint_upto = t->upto,
		.seed = rng_u64(&m->w->rng),
	};
	CHECK(r->spec.target.connection);
	if (task_kind(t->id) == TASK_CAPTURE)
		r->capture = capture_new(&r->spec, ports_of(r));
	else
		r->apply = apply_new(&r->spec, ports_of(r));
}

static bool is_mine(const struct member *m, const struct task *t)
{
	if (!t || t->node_id != m->id)
		return false;
	return task_kind(t->id) == TASK_CAPTURE ||
	       !tasks_is_paused(&m->control.tasks, task_sync(t->id), 0);
}

static bool is_running(const struct member *m, const struct task *t)
{
	for (size_t i = 0; i < WORLD_RUNNERS; i++)
		if (m->runners[i].is_used && m->runners[i].spec.id == t->id)
			return true;
	return false;
}

/* Goal state: what is assigned here runs, nothing else does. */
void runner_follow(struct member *m)
{
	const struct tasks *tasks = &m->control.tasks;

	for (size_t i = 0; i < WORLD_RUNNERS; i++) {
		struct runner *r = &m->runners[i];
		const struct task *t =
			r->is_used ? tasks_find(tasks, r->spec.id) : NULL;

		if (r->is_used &&
		    (!is_mine(m, t) || t->epoch != r->spec.epoch ||
		     r->revision_at != m->revision_at ||
		     (r->capture && r->paused != paused_tables(m))))
			runner_stop(r);
	}
	for (size_t i = 0; i < tasks->n; i++) {
		if (!is_mine(m, &tasks->list[i]) ||
		    is_running(m, &tasks->list[i]))
			continue;
		for (size_t j = 0; j < WORLD_RUNNERS; j++) {
			if (m->runners[j].is_used)
				continue;
			runner_start(&m->runners[j], m, &tasks->list[i]);
			break;
		}
	}
}

/* -- steps ----------------------------------------------------------------- */
static void propose_hint(struct runner *r)
{
	Synod__Command__Checkpoint cp = SYNOD__COMMAND__CHECKPOINT__INIT;
	Synod__Command__Command c = SYNOD__COMMAND__COMMAND__INIT;

	apply_progress(r->apply, &cp.applied, &cp.upto);
	const struct task *t = tasks_find(&r->m->control.tasks, r->spec.id);
	/* A load may wait for that: again until it is known. */
	bool is_past = t && t->applied < r->revision_at &&
		       t->upto < r->revision_at && cp.upto >= r->revision_at;
	if (r->w->now_us < r->hint_us || (cp.applied <= r->hinted && !is_past))
		return;
	r->hint_us = r->w->now_us + 300 * 1000;
	r->hinted = cp.applied;
	cp.task_id = r->spec.id;
	cp.epoch = r->spec.epoch;
	cp.time_us = world_wall(r->w);
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_CHECKPOINT;
	c.checkpoint = &cp;
	struct blob *b = command_seal(&c);
	log_propose(r, b, UINT64_MAX);
	blob_unref(b);
}

void runner_step(struct runner *r)
{
	struct world *w = r->w;
	int64_t wait_us, busy_us = rng_range(&w->rng, 200, 3000);

	if (r->capture) {
		wait_us = capture_step(r->capture, 10);
		r->state = capture_state(r->capture);
	} else {
		wait_us = apply_step(r->apply, 0);
		r->state = apply_state(r->apply);
		if (r->state == TASK_RUNNING)
			propose_hint(r);
	}
	/* Now and then the system on the other side is slow. */
	if (!w->is_calm && world_chance(w, 0.01))
		busy_us = rng_range(&w->rng, 20000, 300000);
	r->due_us = w->now_us + (wait_us > busy_us ? wait_us : busy_us);
}
