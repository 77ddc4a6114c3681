#include "node/task/apply.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "node/task/apply_inner.h"

/* -- its life -------------------------------------------------------------- */
struct apply *apply_new(const struct task_spec *spec,
			const struct task_ports *ports)
{
	struct apply *a = mem_zero(1, sizeof *a);

	CHECK(task_kind(spec->id) == TASK_APPLY);
	a->spec = spec;
	a->ports = ports;
	CHECK(pthread_mutex_init(&a->lock, NULL) == 0);
	task_retry_init(&a->retry, spec->seed);
	group_init(&a->group);
	a->applied = spec->hint_applied;
	a->upto = spec->hint_upto;
	return a;
}

static void close_handle(struct apply *a)
{
	struct apply_handle *h = a->handle;

	pthread_mutex_lock(&a->lock);
	a->handle = NULL;
	pthread_mutex_unlock(&a->lock);
	if (h)
		a->spec->connector->apply_close(h);
	letters_clear(&a->letters);
}

void apply_free(struct apply *a)
{
	if (!a)
		return;
	close_handle(a);
	letters_free(&a->letters);
	group_free(&a->group);
	task_tables_free(&a->tables);
	free(a->sent);
	free(a->sent_row);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

void apply_wake(struct apply *a)
{
	pthread_mutex_lock(&a->lock);
	if (a->handle)
		a->spec->connector->apply_interrupt(a->handle);
	pthread_mutex_unlock(&a->lock);
}

enum task_state apply_state(const struct apply *a)
{
	return a->state;
}

void apply_progress(const struct apply *a, uint64_t *applied, uint64_t *upto)
{
	*applied = a->applied;
	*upto = a->upto;
}

void apply_fate(struct apply *a, const struct task_fate *fate)
{
	letters_fate(&a->letters, fate);
}

static int64_t now(const struct apply *a)
{
	return a->ports->now_us(a->ports->ctx);
}

static int64_t wait_until(const struct apply *a, int64_t due_us)
{
	int64_t left = due_us - now(a);

	return left > 0 ? left : 0;
}

/* -- what goes wrong ------------------------------------------------------- */
/* What the log still holds of a table that is no longer in force, or that is
 * paused (and will be loaded again), may be passed over when the target cannot
 * take it any more. */
static bool pass_over_table(struct apply *a, const struct err *e)
{
	const struct task_ports *p = a->ports;
	const struct connector_table *named =
		task_tables_named(&a->tables, e->text);
	bool has_passed = false;

	if (!named)
		return false;
	for (size_t i = 0; i < a->tables.n; i++) {
		uint32_t id = a->tables.list[i].table->id;
		const struct catalog_table *t =
			catalog_table(a->spec->catalog, id);

		if (strcmp(a->tables.list[i].side->table, named->side->table) !=
		    0)
			continue;
		if (t && t->is_current &&
		    !p->is_paused(p->ctx, t->sync->id, id))
			continue;
		task_tables_leave_out(&a->tables, id);
		has_passed = true;
	}
	return has_passed;
}

static const char *hint_of(int code)
{
	if (code == ERR_SCHEMA)
		return "synodctl config plan and config apply take the table "
		       "over as it is now; or synodctl sync pause NAME "
		       "--table TABLE, and resume loads it again";
	if (code == ERR_NOTFOUND)
		return task_hint(ERR_GAP);
	return task_hint(code);
}

/* Whatever the target did last, its checkpoint says so when it is open again.
 */
static int64_t failed(struct apply *a, const struct err *e)
{
	close_handle(a);
	if (e->code == ERR_CLOSED) {
		a->state = TASK_STARTING;
		return 0;
	}
	if (e->code == ERR_SCHEMA && pass_over_table(a, e)) {
		a->state = TASK_STARTING;
		return 0;
	}
	a->state = task_retry_failed(&a->retry, e->code, now(a));
	a->ports->count(a->ports->ctx,
			&(struct task_count){.kind = TASK_COUNT_RETRY, .n = 1});
	a->ports->report(a->ports->ctx, a->state, e, hint_of(e->code));
	return a->state == TASK_ENDED ? (int64_t)TASK_IDLE_MS * 1000
				      : wait_until(a, a->retry.due_us);
}

/* -- starting -------------------------------------------------------------- */
/* Behind the target's own checkpoint; behind the hint where that was given at
 * this very checkpoint, for then nothing in between concerned the target. */
static void begin_at(struct apply *a, uint64_t applied)
{
	uint64_t upto = applied;

	if (upto < a->spec->start_index)
		upto = a->spec->start_index;
	if (a->applied == applied && a->upto > upto)
		upto = a->upto;
	a->applied = applied;
	a->upto = upto;
	group_begin(&a->group, upto);
}

/* What is written to a source that nobody watches yet, and then written over by
 * its own users, would never be told: the ledger needs our echo in front of
 * their change. So its capture comes first. */
static bool is_watched(struct apply *a)
{
	struct value_buf position = {0};
	bool is_source = false;

	for (size_t i = 0; i < a->tables.n; i++)
		is_source |= a->tables.list[i].is_two_way &&
			     a->tables.list[i].side->is_source;
	if (!is_source)
		return true;
	a->ports->position(a->ports->ctx, task_capture_id(apply_connection(a)),
			   &position);
	bool is_there = position.len > 0;
	value_buf_free(&position);
	return is_there;
}

static int64_t start(struct apply *a)
{
	struct err e = {0};
	struct apply_setup setup;
	struct apply_handle *h = NULL;
	uint64_t applied = 0;

	task_tables_read(&a->tables, a->spec, a->ports);
	setup = (struct apply_setup){
		.target = a->spec->target,
		.tables = a->tables.list,
		.n_tables = a->tables.n,
		.task_id = a->spec->id,
		.epoch = a->spec->epoch,
	};
	if (a->spec->connector->apply_open(&setup, &h, &applied, &e))
		return failed(a, &e);
	pthread_mutex_lock(&a->lock);
	a->handle = h;
	pthread_mutex_unlock(&a->lock);
	begin_at(a, applied);
	a->state = TASK_RUNNING;
	a->ports->report(a->ports->ctx, TASK_RUNNING, NULL, NULL);
	return 0;
}

/* -- running --------------------------------------------------------------- */
static void fill_sent(struct apply *a, struct apply_group *out)
{
	struct group *g = &a->group;

	if (a->sent_cap < g->n_whole) {
		a->sent_cap = g->n_whole * 2;
		a->sent = mem_grow(a->sent, a->sent_cap * sizeof *a->sent);
		a->sent_row = mem_grow(a->sent_row,
				       a->sent_cap * sizeof *a->sent_row);
	}
	*out = (struct apply_group){
		.rows = a->sent,
		.from_index = a->applied,
		.to_index = g->whole_index,
	};
	for (size_t i = 0; i < g->n_whole; i++) {
		if (g->is_out[i])
			continue;
		a->sent_row[out->n] = i;
		a->sent[out->n++] = g->rows[i];
	}
}

static void count_applied(struct apply *a, size_t n, int64_t took_us)
{
	const struct group *g = &a->group;
	int64_t wall_us = a->ports->wall_us(a->ports->ctx);
	struct task_count count = {
		.kind = TASK_COUNT_APPLIED,
		.n = n,
		.bytes = g->arena.used_bytes,
		.stamp_us = g->stamp_us,
		.took_us = took_us,
		.index = g->whole_index,
	};

	if (g->stamp_us && wall_us > g->stamp_us)
		count.lag_us = wall_us - g->stamp_us;
	a->ports->count(a->ports->ctx, &count);
}

/* Rows that stand in the way go to the ledger first; then the group is written
 * without them. */
static int64_t refused(struct apply *a, const struct apply_rejects *rejects,
		       struct err *e)
{
	for (size_t i = 0; i < rejects->n; i++)
		CHECK(rejects->list[i].row < a->group.n_whole);
	if (rejects->n == 0)
		return failed(a, e);
	if (a->letters.n_ignored >= APPLY_LETTERS_IGNORED) {
		err_set(e, ERR_LIMIT,
			"the target refuses a row and the ledger takes no "
			"further dead letter: %.*s",
			CONNECTOR_TEXT_MAX / 2, rejects->list[0].text);
		a->letters.n_ignored = 0;
		return failed(a, e);
	}
	letters_take(a, rejects);
	letters_step(a);
	return APPLY_WAIT_US;
}

static int64_t write_group(struct apply *a)
{
	struct err e = {0};
	struct apply_rejects rejects = {0};
	struct apply_group group;
	int64_t from_us = now(a);
	int64_t wait_us = 0;

	letters_clear(&a->letters);
	fill_sent(a, &group);
	int rc = a->spec->connector->apply_write(a->handle, &group, &rejects,
						 &e);
	if (rc == ERR_DATA) {
		wait_us = refused(a, &rejects, &e);
	} else if (rc) {
		wait_us = failed(a, &e);
	} else {
		task_retry_succeeded(&a->retry);
		count_applied(a, group.n, now(a) - from_us);
		a->applied = a->upto = group.to_index;
		group_begin(&a->group, a->upto);
	}
	apply_rejects_clear(&rejects);
	return wait_us;
}

/* Nothing is written that is behind a parked row of the same key. */
static int64_t run(struct apply *a)
{
	struct err e = {0};
	bool has_more = false;

	if (a->letters.n > a->letters.n_done && !letters_step(a))
		return APPLY_WAIT_US;
	if (!a->group.is_prepared) {
		if (!is_watched(a))
			return APPLY_WAIT_US;
		int rc = group_gather(a, &has_more, &e);

		if (rc < 0)
			return failed(a, &e);
		if (rc == 0)
			return has_more ? 0 : (int64_t)TASK_IDLE_MS * 1000;
		a->group.is_prepared = true;
		letters_look(a);
		if (!letters_step(a))
			return APPLY_WAIT_US;
	}
	return write_group(a);
}

int64_t apply_step(struct apply *a, int wait_ms)
{
	switch (a->state) {
	case TASK_STARTING:
		return start(a);
	case TASK_RUNNING:
		return run(a);
	case TASK_RETRYING:
	case TASK_BLOCKED:
		if (now(a) < a->retry.due_us)
			return wait_until(a, a->retry.due_us);
		return start(a);
	default:
		return (int64_t)TASK_IDLE_MS * 1000;
	}
}
