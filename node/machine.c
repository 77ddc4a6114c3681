#include "node/machine.h"

#include "cluster/core/command.h"

/* What only the outcome of an entry, and not its effect on the kv, shows. */
static void show_batch(struct machine *m, const Synod__Command__Batch *batch)
{
	struct bytes to = {batch->to.data, batch->to.len};

	/* Refused: the position is what it was. */
	if (m->control.refusal.code || batch->task_id > CATALOG_CONNECTIONS)
		return;
	decided_set_position(&m->decided, batch->task_id, to);
}

static void show_command(struct machine *m, uint64_t index,
			 const Synod__Command__Command *c)
{
	const struct err *refusal = control_refusal(&m->control);

	switch (c->body_case) {
	case SYNOD__COMMAND__COMMAND__BODY_DEAD_LETTER:
	case SYNOD__COMMAND__COMMAND__BODY_LETTERS:
		atomic_store(&m->decided.letters_index, index);
		break;
	case SYNOD__COMMAND__COMMAND__BODY_CHECKPOINT:
	case SYNOD__COMMAND__COMMAND__BODY_TASK_REPORT:
		return; /* nobody waits for these */
	default:
		break;
	}
	if (refusal->code)
		decided_refuse(&m->decided, index, refusal->code,
			       refusal->text);
}

static void show_entry(struct machine *m, const struct log_entry *entry)
{
	struct bytes outcome = control_outcome(&m->control);
	struct command_view v;

	if (outcome.len)
		decided_add(&m->decided, entry->index, outcome);
	if (entry->type != LOG_COMMAND ||
	    command_view_open(&v, (struct bytes){entry->data, entry->len},
			      NULL))
		return;
	if (v.kind == COMMAND_BATCH)
		show_batch(m, &v.batch);
	else if (v.kind == COMMAND_OTHER)
		show_command(m, entry->index, v.tree);
	command_view_clear(&v);
}

/* Positions of connections that are no longer sources are gone from the ledger
 * as well: a connection of that id begins anew. */
static void drop_positions(struct machine *m)
{
	for (uint32_t id = 1; id <= CATALOG_CONNECTIONS; id++) {
		if (!tasks_find(&m->control.tasks, task_capture_id(id)))
			decided_set_position(&m->decided, id,
					     (struct bytes){0});
	}
}

/* A catalog of our own: the machine's lives as long as its thread likes. */
static void renew_catalog(struct machine *m, const struct kv *kv,
			  uint64_t index)
{
	struct view_catalog *old = m->catalog;

	m->catalog = view_catalog_new(catalog_load(kv), index);
	/* Before the entry itself is shown: whoever works by the old one must
	 * not read from here on. */
	if (old)
		atomic_store(&old->until, index);
	view_catalog_unref(old);
}

static void apply(void *ctx, const struct kv *kv, const struct log_entry *entry)
{
	struct machine *m = ctx;
	struct control_entry e = {
		.index = entry->index,
		.term = entry->term,
		.type = (enum control_type)entry->type,
		.payload = {entry->data, entry->len},
	};
	unsigned changed = control_apply(&m->control, kv, &e);

	m->pending |= changed;
	m->step |= changed;
	show_entry(m, entry);
	if (changed & CONTROL_CHANGED_DEFINITION) {
		renew_catalog(m, kv, entry->index);
		drop_positions(m);
	}
}

static void applied(void *ctx, uint64_t index)
{
	struct machine *m = ctx;
	struct decided *d = &m->decided;
	unsigned changed = m->step;
	const unsigned of_view = CONTROL_CHANGED_DEFINITION |
				 CONTROL_CHANGED_TASKS |
				 CONTROL_CHANGED_PROGRESS;

	m->step = 0;
	if (changed & of_view)
		decided_set_view(
			d, view_new(index, m->catalog, &m->control.tasks));
	atomic_store(&d->floor, m->control.floor);
	if (m->control.ledger.is_loaded)
		atomic_store(&d->n_letters,
			     m->control.ledger.figures.n_letters);
	decided_publish(d, index);
	if (changed) {
		atomic_fetch_or(&m->live, changed);
		m->wake(m->wake_ctx, changed);
	}
}

static void flush(void *ctx, const struct kv *kv)
{
	struct machine *m = ctx;

	control_flush(&m->control, kv);
}

static void committed(void *ctx, uint64_t index)
{
	struct machine *m = ctx;

	decided_durable(&m->decided, index);
	if (m->pending)
		atomic_fetch_or(&m->changed, m->pending);
	m->pending = 0;
}

void machine_init(struct machine *m, void (*wake)(void *, unsigned), void *ctx)
{
	_Static_assert((int)CONTROL_COMMAND == (int)LOG_COMMAND &&
			       (int)CONTROL_BARRIER == (int)LOG_BARRIER &&
			       (int)CONTROL_CONFIGURATION == (int)LOG_CHANGE,
		       "the log's types are the machine's");
	*m = (struct machine){.wake = wake, .wake_ctx = ctx};
	control_init(&m->control);
	decided_init(&m->decided, LIMIT_OUTCOME_WINDOW_BYTES);
	atomic_init(&m->changed, 0);
	atomic_init(&m->live, 0);
}

void machine_clear(struct machine *m)
{
	if (!m->wake)
		return; /* never opened */
	view_catalog_unref(m->catalog);
	decided_clear(&m->decided);
	control_free(&m->control);
	*m = (struct machine){0};
}

struct state_machine machine_hooks(struct machine *m)
{
	return (struct state_machine){
		.ctx = m,
		.apply = apply,
		.flush = flush,
		.committed = committed,
		.applied = applied,
	};
}

static void load(const struct kv *kv, void *ctx)
{
	struct machine *m = ctx;
	struct decided *d = &m->decided;
	struct control_summary summary;
	struct ledger_figures figures;
	struct tasks tasks = {0};

	control_summary(kv, &summary);
	ledger_figures(kv, &figures);
	tasks_load(&tasks, kv);
	uint64_t index = summary.applied_index;
	renew_catalog(m, kv, index);
	decided_reset(d, index, view_new(index, m->catalog, &tasks));
	tasks_clear(&tasks);
	for (uint32_t id = 1; id <= CATALOG_CONNECTIONS; id++)
		decided_set_position(d, id,
				     ledger_position(kv, task_capture_id(id)));
	atomic_store(&d->floor, control_floor(kv));
	atomic_store(&d->n_letters, figures.n_letters);
	atomic_store(&d->letters_index, 0);
}

void machine_load(struct machine *m, struct state_store *state)
{
	state_read(state, load, m);
	atomic_store(&m->live, CONTROL_CHANGED_ALL);
}

unsigned machine_take_changed(struct machine *m)
{
	return atomic_exchange(&m->changed, 0);
}

unsigned machine_take_live(struct machine *m)
{
	return atomic_exchange(&m->live, 0);
}

void machine_replaced(struct machine *m, struct state_store *state)
{
	control_reset(&m->control);
	m->pending = m->step = 0;
	machine_load(m, state);
	atomic_fetch_or(&m->changed, CONTROL_CHANGED_ALL);
}
