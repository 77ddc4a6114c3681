/* What the ledger mirrors in memory: figures, and what every target is seen to
 * have applied. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cluster/core/key.h"
#include "cluster/core/ledger_internal.h"

enum { N_FIGURES = 18, FIGURES_FORMAT = 1 };

/* -- figures --------------------------------------------------------------- */
/* In the order of the record; add at the end. */
static void list_figures(struct ledger_figures *f, struct ledger_memory *m,
			 uint64_t *out[N_FIGURES])
{
	uint64_t *const list[] = {
		&f->n_batches,        &f->n_refused,        &f->n_changes,
		&f->n_echoes,         &f->n_reads,          &f->n_reads_dropped,
		&f->n_conflicts,      &f->n_conflicts_open, &f->n_letters,
		&f->n_parked_keys,    &f->n_rows,           &f->n_resent,
		&m->last_conflict_id, &m->last_letter_id,   &m->n_decided,
		&m->low_conflict_id,  &m->n_waiting,        &m->n_emptied,
	};

	_Static_assert(sizeof(list) / sizeof(list[0]) == N_FIGURES, "all");
	memcpy(out, list, sizeof(list));
}

static void read_figures(const struct kv *kv, struct ledger_figures *f,
			 struct ledger_memory *m)
{
	struct key key = key_table('i');
	uint64_t *list[N_FIGURES];
	struct bytes v;

	list_figures(f, m, list);
	if (!kv->get(kv->ctx, key_bytes(&key), &v))
		return;
	struct value_reader in = value_reader(v);
	CHECK(value_read_varint(&in) == FIGURES_FORMAT);
	for (size_t i = 0; i < N_FIGURES; i++)
		*list[i] = value_read_varint(&in);
	CHECK(!in.is_bad && in.at == in.end);
}

void ledger_figures(const struct kv *kv, struct ledger_figures *out)
{
	struct ledger_memory m = {0};

	*out = (struct ledger_figures){0};
	read_figures(kv, out, &m);
}

void ledger_flush(struct ledger *l, const struct kv *kv)
{
	struct key key = key_table('i');
	uint64_t *list[N_FIGURES];

	if (!l->is_dirty)
		return;
	list_figures(&l->figures, l->memory, list);
	l->scratch.len = 0;
	value_buf_varint(&l->scratch, FIGURES_FORMAT);
	for (size_t i = 0; i < N_FIGURES; i++)
		value_buf_varint(&l->scratch, *list[i]);
	kv->put(kv->ctx, key_bytes(&key),
		(struct bytes){l->scratch.data, l->scratch.len});
	l->is_dirty = false;
}

/* -- seen ------------------------------------------------------------------ */
static struct key seen_key(uint32_t task_id)
{
	return key_of_u32('v', task_id);
}

static uint64_t seen_value(struct bytes v)
{
	CHECK(v.len == 8);
	return get_u64(v.data);
}

uint64_t ledger_seen(const struct kv *kv, uint32_t apply_task_id)
{
	struct key key = seen_key(apply_task_id);
	struct bytes v;

	if (task_kind(apply_task_id) != TASK_APPLY ||
	    !kv->get(kv->ctx, key_bytes(&key), &v))
		return 0;
	return seen_value(v);
}

struct bytes ledger_position(const struct kv *kv, uint32_t task_id)
{
	struct key key = seen_key(task_id);
	struct bytes v;

	if (task_kind(task_id) != TASK_CAPTURE ||
	    !kv->get(kv->ctx, key_bytes(&key), &v))
		return (struct bytes){0};
	return v;
}

/* The first of a task that is not smaller. */
static size_t seen_place(const struct ledger_memory *m, uint32_t task_id)
{
	size_t low = 0, high = m->n_seen;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (m->seen[mid].task_id < task_id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

uint64_t memory_seen(const struct ledger_memory *m, uint32_t task_id)
{
	size_t i = seen_place(m, task_id);

	if (i == m->n_seen || m->seen[i].task_id != task_id)
		return 0;
	return m->seen[i].index;
}

static struct ledger_seen *seen_of(struct ledger_memory *m, uint32_t task_id)
{
	size_t i = seen_place(m, task_id);

	if (i < m->n_seen && m->seen[i].task_id == task_id)
		return &m->seen[i];
	if (m->n_seen == m->cap_seen) {
		m->cap_seen = m->cap_seen ? 2 * m->cap_seen : 16;
		m->seen = mem_grow(m->seen, m->cap_seen * sizeof(m->seen[0]));
	}
	memmove(m->seen + i + 1, m->seen + i,
		(m->n_seen - i) * sizeof(m->seen[0]));
	m->seen[i] = (struct ledger_seen){task_id, 0};
	m->n_seen++;
	return &m->seen[i];
}

bool memory_see(struct ledger *l, const struct kv *kv, uint32_t task_id,
		uint64_t index)
{
	struct ledger_seen *s = seen_of(l->memory, task_id);
	struct key key = seen_key(task_id);
	uint8_t buf[8];

	if (index <= s->index)
		return false;
	s->index = index;
	put_u64(buf, index);
	kv->put(kv->ctx, key_bytes(&key), (struct bytes){buf, sizeof(buf)});
	return true;
}

void memory_forget_task(struct ledger *l, const struct kv *kv, uint32_t task_id)
{
	struct ledger_memory *m = l->memory;
	struct key key = seen_key(task_id);
	size_t i = seen_place(m, task_id);

	kv->del(kv->ctx, key_bytes(&key));
	if (i == m->n_seen || m->seen[i].task_id != task_id)
		return;
	memmove(m->seen + i, m->seen + i + 1,
		(m->n_seen - i - 1) * sizeof(m->seen[0]));
	m->n_seen--;
}

/* -- life ------------------------------------------------------------------ */
void memory_load(struct ledger *l, const struct kv *kv)
{
	struct key at = key_table('v');
	struct bytes v;

	if (l->is_loaded)
		return;
	if (!l->memory) {
		l->memory = mem_zero(1, sizeof(*l->memory));
		row_init(&l->memory->row);
		row_init(&l->memory->table_row);
	}
	read_figures(kv, &l->figures, l->memory);
	l->memory->n_seen = 0;
	while (key_next(kv, &at, 5, &v)) {
		uint32_t id = key_get_u32(key_bytes(&at), 1);
		if (task_kind(id) == TASK_APPLY)
			seen_of(l->memory, id)->index = seen_value(v);
	}
	l->is_loaded = true;
}

void memory_free(struct ledger_memory *m)
{
	if (!m)
		return;
	free(m->seen);
	row_free(&m->row);
	row_free(&m->table_row);
	value_buf_free(&m->record);
	value_buf_free(&m->image);
	value_buf_free(&m->merged);
	value_buf_free(&m->waiters);
	free(m);
}
