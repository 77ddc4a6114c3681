#include "node/machine.h"

static void apply(void *ctx, const struct kv *kv, const struct log_entry *entry)
{
	struct machine *m = ctx;
	struct control_entry e = {
		.index = entry->index,
		.term = entry->term,
		.type = (enum control_type)entry->type,
		.payload = {entry->data, entry->len},
	};

	m->pending |= control_apply(&m->control, kv, &e);
}

static void flush(void *ctx, const struct kv *kv)
{
	struct machine *m = ctx;

	control_flush(&m->control, kv);
}

static void committed(void *ctx, uint64_t index)
{
	struct machine *m = ctx;

	if (m->pending)
		atomic_fetch_or(&m->changed, m->pending);
	m->pending = 0;
}

void machine_init(struct machine *m)
{
	_Static_assert((int)CONTROL_COMMAND == (int)LOG_COMMAND &&
			       (int)CONTROL_BARRIER == (int)LOG_BARRIER &&
			       (int)CONTROL_CONFIGURATION == (int)LOG_CHANGE,
		       "the log's types are the machine's");
	*m = (struct machine){0};
	control_init(&m->control);
	atomic_init(&m->changed, 0);
}

struct state_machine machine_hooks(struct machine *m)
{
	return (struct state_machine){
		.ctx = m,
		.apply = apply,
		.flush = flush,
		.committed = committed,
	};
}

unsigned machine_take_changed(struct machine *m)
{
	return atomic_exchange(&m->changed, 0);
}

void machine_replaced(struct machine *m)
{
	control_reset(&m->control);
	m->pending = 0;
	atomic_fetch_or(&m->changed, CONTROL_CHANGED_MEMBERS |
					     CONTROL_CHANGED_CLUSTER |
					     CONTROL_CHANGED_EVENTS);
}
