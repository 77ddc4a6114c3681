#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cluster/core/command.h"
#include "node/runner_task.h"

enum {
	/* One look into the log: what it copies, and what it passes over. */
	WINDOW_ENTRIES = 256,
	WINDOW_SCAN = 4096,
	/* The state's disk stands still: better a row in the letters than one
	 * written out of its order. */
	PARKED_WAIT_US = 10 * 1000 * 1000
};
#define WINDOW_BYTES ((size_t)1 << 20)

struct runner_entry {
	uint64_t index;
	uint32_t source_id;
	bool is_batch;
	size_t changes_at, changes_len, outcome_at, outcome_len;
};

void runner_window_free(struct runner_window *w)
{
	free(w->entries);
	free(w->block);
	*w = (struct runner_window){0};
}

/* -- decided ----------------------------------------------------------------
 */
/* Entries behind a revision mean tables that our catalog does not know: to read
 * them by it would be to lose them. */
static uint64_t port_decided(void *ctx)
{
	struct runner_task *t = ctx;
	/* In this order: the state thread says until when before it shows. */
	uint64_t index = atomic_load(&t->node->machine.decided.index);

	pthread_mutex_lock(&t->lock);
	uint64_t until = atomic_load(&t->good->until);
	pthread_mutex_unlock(&t->lock);
	return until && until <= index ? until - 1 : index;
}

/* -- the log ----------------------------------------------------------------
 */
static size_t keep(struct runner_window *w, struct bytes b)
{
	size_t at = w->len;

	if (w->len + b.len > w->block_cap) {
		w->block_cap = 2 * w->block_cap + b.len + 4096;
		w->block = mem_grow(w->block, w->block_cap);
	}
	if (b.len)
		memcpy(w->block + at, b.data, b.len);
	w->len += b.len;
	return at;
}

struct outcome_read {
	struct runner_window *window;
	struct runner_entry *entry;
};

static void read_outcome(const struct kv *kv, void *ctx)
{
	struct outcome_read *r = ctx;
	struct bytes outcome = ledger_read_outcome(kv, r->entry->index);

	r->entry->outcome_at = keep(r->window, outcome);
	r->entry->outcome_len = outcome.len;
}

static void find_outcome(struct runner_task *t, struct runner_entry *entry)
{
	struct blob *blob;

	if (!decided_outcome(&t->node->machine.decided, entry->index, &blob)) {
		struct outcome_read r = {&t->window, entry};
		state_read(t->node->state, read_outcome, &r);
		return;
	}
	if (!blob)
		return;
	entry->outcome_at = keep(&t->window, blob_bytes(blob));
	entry->outcome_len = blob->len;
	blob_unref(blob);
}

/* Without an outcome a batch goes to the other sides of its syncs. */
static bool is_of_our_sync(const struct runner_task *t, uint32_t source_id)
{
	const Synod__Definition__Sync *sync =
		catalog_sync(t->spec.catalog, task_sync(t->id));

	if (source_id == task_connection(t->id))
		return false;
	for (size_t i = 0; sync && i < sync->n_connection_ids; i++) {
		if (sync->connection_ids[i] == source_id)
			return true;
	}
	return false;
}

static void take_entry(struct runner_task *t, const struct log_entry *from)
{
	struct runner_window *w = &t->window;
	struct runner_entry entry = {.index = from->index};
	struct command_view v;

	if (from->type != LOG_COMMAND ||
	    command_view_open(&v, (struct bytes){from->data, from->len}, NULL))
		return;
	entry.is_batch = v.kind == COMMAND_BATCH;
	if (v.kind != COMMAND_APPEND)
		find_outcome(t, &entry);
	if (entry.is_batch)
		entry.source_id = task_connection(v.batch.task_id);
	bool is_wanted = entry.outcome_len ||
			 (entry.is_batch && is_of_our_sync(t, entry.source_id));
	if (is_wanted && entry.is_batch) {
		entry.changes_at = keep(w, (struct bytes){v.batch.changes.data,
							  v.batch.changes.len});
		entry.changes_len = v.batch.changes.len;
	}
	command_view_clear(&v);
	if (!is_wanted)
		return;
	if (w->n == w->cap) {
		w->cap = w->cap ? 2 * w->cap : 64;
		w->entries = mem_grow(w->entries, w->cap * sizeof(entry));
	}
	w->entries[w->n++] = entry;
}

/* Look through (after, limit], as far as one look goes. */
static int look(struct runner_task *t, uint64_t after, uint64_t limit,
		struct err *e)
{
	struct runner_window *w = &t->window;
	struct log_reader reader;
	struct log_entry entry;

	w->from = w->to = after;
	w->n = w->next = w->len = 0;
	int rc = log_read_begin(t->node->log, &reader, e);
	if (rc)
		return rc;
	while (!rc && w->to < limit && w->n < WINDOW_ENTRIES &&
	       w->len < WINDOW_BYTES && w->to - after < WINDOW_SCAN) {
		rc = log_read(&reader, w->to + 1, &entry, e);
		if (rc)
			break;
		take_entry(t, &entry);
		w->to++;
	}
	log_read_end(&reader);
	/* What was found in front of it is good. */
	return w->to > after ? 0 : rc;
}

static struct bytes slice(const struct runner_window *w, size_t at, size_t len)
{
	return len ? (struct bytes){w->block + at, len} : (struct bytes){0};
}

static bool lend_next(struct runner_window *w, uint64_t after,
		      struct task_entry *out)
{
	while (w->next < w->n && w->entries[w->next].index <= after)
		w->next++;
	if (w->next == w->n)
		return false;
	const struct runner_entry *entry = &w->entries[w->next];
	*out = (struct task_entry){
		.index = entry->index,
		.is_batch = entry->is_batch,
		.source_id = entry->source_id,
		.changes = slice(w, entry->changes_at, entry->changes_len),
		.outcome = slice(w, entry->outcome_at, entry->outcome_len),
	};
	return true;
}

static int port_next_entry(void *ctx, uint64_t after, struct task_entry *out,
			   uint64_t *upto, struct err *e)
{
	struct runner_task *t = ctx;
	struct runner_window *w = &t->window;
	struct runner *r = &t->node->runner;
	uint64_t limit = port_decided(t);

	if (after < w->from || after > w->to) {
		w->from = w->to = after;
		w->n = w->next = 0;
	}
	/* Somebody who goes back within the window. */
	if (w->next && w->entries[w->next - 1].index > after)
		w->next = 0;
	if (lend_next(w, after, out))
		return 1;
	if (w->to > after)
		after = w->to;
	if (after >= limit) {
		*upto = after;
		return 0;
	}
	if (after < atomic_load(&t->node->machine.decided.floor))
		return err_set(e, ERR_NOTFOUND,
			       "what was decided behind entry %llu is "
			       "forgotten",
			       (unsigned long long)after);
	pthread_rwlock_rdlock(&r->stores);
	int rc = look(t, after, limit, e);
	pthread_rwlock_unlock(&r->stores);
	if (rc)
		return rc;
	if (lend_next(w, after, out))
		return 1;
	*upto = w->to;
	return 0;
}

/* -- the ledger -------------------------------------------------------------
 */
static uint64_t port_position(void *ctx, uint32_t task_id,
			      struct value_buf *buf)
{
	struct runner_task *t = ctx;
	uint64_t index;
	struct blob *position =
		decided_position(&t->node->machine.decided, task_id, &index);

	if (position)
		value_buf_put(buf, position->data, position->len);
	blob_unref(position);
	return index;
}

struct parked_read {
	uint32_t connection_id, table_id;
	struct bytes key;
	uint64_t id;
};

static void read_parked(const struct kv *kv, void *ctx)
{
	struct parked_read *r = ctx;

	r->id = ledger_parked(kv, r->connection_id, r->table_id, r->key);
}

static bool port_is_parked(void *ctx, uint32_t connection_id, uint32_t table_id,
			   struct bytes key)
{
	struct runner_task *t = ctx;
	struct decided *d = &t->node->machine.decided;
	struct parked_read r = {connection_id, table_id, key, 0};

	uint64_t changed_at = atomic_load(&d->letters_index);
	if (atomic_load(&d->n_letters) == 0)
		return false;
	/* The state shows what is durable: letters of just now are not. */
	if (changed_at && !decided_wait(d, changed_at, PARKED_WAIT_US))
		return true;
	pthread_rwlock_rdlock(&t->node->runner.stores);
	state_read(t->node->state, read_parked, &r);
	pthread_rwlock_unlock(&t->node->runner.stores);
	return r.id != 0;
}

static bool port_is_paused(void *ctx, uint32_t sync_id, uint32_t table_id)
{
	struct runner_task *t = ctx;
	struct view *view = decided_view(&t->node->machine.decided);
	bool is_paused =
		view && tasks_is_paused(&view->tasks, sync_id, table_id);

	view_unref(view);
	return is_paused;
}

static bool port_may_load(void *ctx, uint32_t table_id)
{
	struct runner_task *t = ctx;
	struct view *view = decided_view(&t->node->machine.decided);
	bool may_load = !view || view_may_load(view, table_id);

	view_unref(view);
	return may_load;
}

/* -- what it says -----------------------------------------------------------
 */
static int port_propose(void *ctx, struct blob *command, uint64_t ticket)
{
	struct runner_task *t = ctx;

	/* Apply tasks make room: theirs must get through. */
	if (t->capture && atomic_load(&t->node->runner.is_full))
		return ERR_FULL;
	return runner_offer(t, command, ticket);
}

static void port_report(void *ctx, enum task_state state, const struct err *e,
			const char *hint)
{
	struct runner_task *t = ctx;

	pthread_mutex_lock(&t->lock);
	t->state = state;
	t->code = e ? e->code : 0;
	snprintf(t->text, sizeof(t->text), "%.*s", TASK_TEXT_MAX - 1,
		 e && e->code ? e->text : "");
	snprintf(t->hint, sizeof(t->hint), "%s", hint ? hint : "");
	t->is_news = true;
	pthread_mutex_unlock(&t->lock);
	atomic_store(&t->node->runner.has_news, true);
	loop_wake(&t->node->loop);
}

static void note_first_change(struct runner_task *t)
{
	bool is_first;

	pthread_mutex_lock(&t->lock);
	is_first = !t->first_change_us;
	if (is_first) {
		t->first_change_us = node_now_us(t->node) - t->started_us;
		if (t->first_change_us < 1)
			t->first_change_us = 1;
		t->is_news = true;
	}
	pthread_mutex_unlock(&t->lock);
	if (!is_first)
		return;
	if (t->is_takeover)
		histogram_add(t->node->stats.failover_first_us,
			      (uint64_t)t->first_change_us);
	atomic_store(&t->node->runner.has_news, true);
	loop_wake(&t->node->loop);
}

static void port_count(void *ctx, const struct task_count *c)
{
	struct runner_task *t = ctx;
	struct runner_meters *m = &t->meters;

	switch (c->kind) {
	case TASK_COUNT_CAPTURED:
	case TASK_COUNT_APPLIED:
		metric_add(m->changes, (int64_t)c->n);
		metric_add(m->bytes, (int64_t)c->bytes);
		break;
	case TASK_COUNT_RETRY:
		metric_add(m->retries, 1);
		return;
	case TASK_COUNT_LETTER:
		if (m->letters)
			metric_add(m->letters, (int64_t)c->n);
		return;
	}
	if (c->lag_us > 0) {
		histogram_add(m->lag_us, (uint64_t)c->lag_us);
		t->lags[t->n_lags++ % RUNNER_LAGS] = (uint64_t)c->lag_us;
	}
	if (c->took_us > 0 && m->took_us)
		histogram_add(m->took_us, (uint64_t)c->took_us);
	if (c->stamp_us > 0 && m->replicated_us)
		metric_set(m->replicated_us, c->stamp_us / 1000000);
	t->n_rows += c->n;
	pthread_mutex_lock(&t->lock);
	t->total += c->n;
	pthread_mutex_unlock(&t->lock);
	if (c->n)
		note_first_change(t);
}

static int64_t port_now_us(void *ctx)
{
	struct runner_task *t = ctx;

	return node_now_us(t->node);
}

static int64_t port_wall_us(void *ctx)
{
	struct runner_task *t = ctx;

	return clock_wall_us(&t->node->clock);
}

struct task_ports runner_ports(struct runner_task *t)
{
	return (struct task_ports){
		.ctx = t,
		.propose = port_propose,
		.decided = port_decided,
		.next_entry = port_next_entry,
		.position = port_position,
		.is_parked = port_is_parked,
		.is_paused = port_is_paused,
		.may_load = port_may_load,
		.report = port_report,
		.count = port_count,
		.now_us = port_now_us,
		.wall_us = port_wall_us,
	};
}
