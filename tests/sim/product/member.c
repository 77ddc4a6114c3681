/* A node: the real control state over a map, behind the log. */
#include "base/check.h"
#include "tests/sim/product/world.h"

void member_init(struct world *w, uint64_t id)
{
	struct member *m = &w->members[id];

	m->w = w;
	m->id = id;
	m->map = map_new();
	m->kv = kv_mem(m->map);
	m->is_up = true;
	control_init(&m->control);
}

static void stop_all(struct member *m)
{
	for (size_t i = 0; i < WORLD_RUNNERS; i++)
		runner_stop(&m->runners[i]);
}

void member_free(struct member *m)
{
	stop_all(m);
	control_free(&m->control);
	map_free(m->map);
}

bool member_is_awake(const struct member *m)
{
	return m->is_up && m->frozen_until_us <= m->w->now_us;
}

/* What it had decided is on its disk, or all of it is decided again. */
void member_crash(struct member *m, int64_t for_us)
{
	stop_all(m);
	control_free(&m->control);
	if (world_chance(m->w, 0.5)) {
		map_free(m->map);
		m->map = map_new();
		m->kv = kv_mem(m->map);
		m->applied = m->revision_at = 0;
	}
	control_init(&m->control);
	m->is_up = false;
	m->boot++;
	m->down_until_us = m->w->now_us + for_us;
	m->frozen_until_us = 0;
	m->w->counts.crashes++;
}

static void trace_outcome(const struct member *m, uint64_t index,
			  struct bytes outcome)
{
	struct value_reader r = value_reader(outcome);

	if (!m->w->is_traced || outcome.len == 0)
		return;
	r.at++;
	for (uint64_t n = value_read_varint(&r); n && !r.is_bad; n--) {
		uint64_t ordinal = value_read_varint(&r);
		uint64_t mask = value_read_varint(&r);
		struct image image = {0};
		struct change c;

		if (change_decode(value_read_bytes(&r), &c) == 0)
			database_image(c.values, &image);
		world_trace(m->w, "entry %llu/%llu goes to %llx uid %llu",
			    (unsigned long long)index,
			    (unsigned long long)ordinal,
			    (unsigned long long)mask,
			    (unsigned long long)image.uid);
	}
}

/* Every node must decide the same about an entry. */
static void compare(struct member *m, uint64_t index)
{
	struct entry *e = &m->w->log[index];
	struct bytes outcome = control_outcome(&m->control);
	bool is_refused = control_refusal(&m->control)->code != 0;

	if (!e->is_decided) {
		e->is_decided = true;
		e->is_refused = is_refused;
		trace_outcome(m, index, outcome);
		e->outcome = blob_copy(outcome.data, outcome.len);
		m->w->counts.void_batches +=
			is_refused && e->view.kind == COMMAND_BATCH;
		return;
	}
	if (is_refused != e->is_refused ||
	    bytes_compare(blob_bytes(e->outcome), outcome) != 0)
		world_bad(m->w, "node %llu decides entry %llu otherwise",
			  (unsigned long long)m->id, (unsigned long long)index);
}

static void apply_next(struct member *m)
{
	uint64_t index = m->applied + 1;
	struct control_entry entry = {
		.index = index,
		.term = 1,
		.type = CONTROL_COMMAND,
		.payload = blob_bytes(m->w->log[index].payload),
	};

	control_apply(&m->control, &m->kv, &entry);
	compare(m, index);
	const struct command_view *v = &m->w->log[index].view;
	if (v->kind == COMMAND_OTHER && v->tree &&
	    v->tree->body_case == SYNOD__COMMAND__COMMAND__BODY_REVISION &&
	    !m->w->log[index].is_refused)
		m->revision_at = index;
	m->applied = index;
	m->has_news = true;
}

/* What a new leader does, too: an entry by which everybody finds his feet. */
static void say_hello(struct world *w)
{
	Synod__Command__Append a = SYNOD__COMMAND__APPEND__INIT;
	Synod__Command__Command c = SYNOD__COMMAND__COMMAND__INIT;

	c.body_case = SYNOD__COMMAND__COMMAND__BODY_APPEND;
	c.append = &a;
	log_command(w, &c);
}

void member_turn(struct member *m)
{
	struct world *w = m->w;

	if (!m->is_up && m->down_until_us <= w->now_us) {
		m->is_up = true;
		m->entry_due_us = w->now_us;
		say_hello(w);
	}
	if (!member_is_awake(m) || m->cut_until_us > w->now_us)
		return;
	if (m->applied == w->n_log || m->entry_due_us > w->now_us)
		return;
	while (m->applied < w->n_log)
		apply_next(m);
	control_flush(&m->control, &m->kv);
	m->entry_due_us = w->now_us + rng_range(&w->rng, 0, 4000);
	for (size_t i = 0; i < WORLD_RUNNERS; i++)
		m->runners[i].due_us = w->now_us;
}
