#include "cluster/core/ledger.h"

#include <string.h>

#include "base/check.h"
#include "cluster/core/key.h"
#include "cluster/core/ledger_internal.h"

/* Outcomes that one call forgets. */
enum { FORGET_MAX = 256 };

void ledger_init(struct ledger *l)
{
	*l = (struct ledger){0};
}

void ledger_free(struct ledger *l)
{
	memory_free(l->memory);
	outcome_writer_free(&l->outcome);
	value_buf_free(&l->scratch);
	ledger_init(l);
}

void ledger_reset(struct ledger *l)
{
	CHECK(!l->is_dirty); /* a reset between apply and flush loses figures */
	ledger_free(l);
}

/* -- outcomes -------------------------------------------------------------- */
struct bytes ledger_outcome(struct ledger *l)
{
	return outcome_bytes(&l->outcome);
}

struct bytes ledger_read_outcome(const struct kv *kv, uint64_t index)
{
	struct key key = key_of_u64('x', index);
	struct bytes v;

	if (!kv->get(kv->ctx, key_bytes(&key), &v))
		return (struct bytes){0};
	return v;
}

void ledger_forget(struct ledger *l, const struct kv *kv, uint64_t index)
{
	struct key from = key_table('x'), key;
	struct bytes found, v;

	(void)l;
	for (int i = 0; i < FORGET_MAX; i++) {
		if (!kv->seek(kv->ctx, key_bytes(&from), false, &found, &v) ||
		    found.len != 9 || found.data[0] != 'x')
			return;
		uint64_t at = get_u64_be(found.data + 1);
		if (at > index)
			return;
		key = key_of_u64('x', at);
		kv->del(kv->ctx, key_bytes(&key));
	}
}

/* -- what is declared has changed ------------------------------------------ */
/* The first u32 of the next record behind at that is of this letter. */
static bool next_group(const struct kv *kv, const struct key *at,
		       struct bytes *found)
{
	struct bytes v;

	return kv->seek(kv->ctx, key_bytes(at), false, found, &v) &&
	       found->len >= 5 && found->data[0] == at->data[0];
}

static void delete_found(const struct kv *kv, struct bytes found)
{
	uint8_t key[LIMIT_KEY_BYTES];

	CHECK(found.len <= sizeof(key));
	memcpy(key, found.data, found.len); /* the delete may move it */
	kv->del(kv->ctx, (struct bytes){key, found.len});
}

static bool follow_table(const struct ledger_world *w, uint32_t table_id)
{
	const struct catalog_table *t = catalog_table(w->catalog, table_id);

	return t && t->is_current && t->is_two_way;
}

static void follow_rows(struct ledger *l, const struct ledger_world *w)
{
	struct key at = key_table('l');
	struct bytes found;

	while (next_group(w->kv, &at, &found)) {
		uint32_t table_id = key_get_u32(found, 1);
		if (follow_table(w, table_id)) {
			if (table_id == UINT32_MAX)
				return;
			at = key_of_u32('l', table_id + 1);
			continue;
		}
		l->figures.n_rows--;
		l->memory->n_emptied -= found.len == ROW_KEY_HEAD;
		delete_found(w->kv, found);
	}
}

static void follow_touched(const struct ledger_world *w)
{
	struct key at = key_table('y');
	struct bytes found;

	while (next_group(w->kv, &at, &found)) {
		uint32_t sync_id = key_get_u32(found, 1);
		if (!catalog_sync(w->catalog, sync_id)) {
			delete_found(w->kv, found);
			continue;
		}
		if (sync_id == UINT32_MAX)
			return;
		at = key_of_u32('y', sync_id + 1);
	}
}

static void follow_tasks(struct ledger *l, const struct ledger_world *w)
{
	struct key at = key_table('v');
	struct bytes v;

	while (key_next(w->kv, &at, 5, &v)) {
		uint32_t id = key_get_u32(key_bytes(&at), 1);
		if (tasks_find(w->tasks, id))
			continue;
		memory_forget_task(l, w->kv, id);
		if (task_kind(id) == TASK_APPLY)
			difference_forget(l, w->kv, id);
	}
}

/* Differences may wait without an echo ever having come. */
static void follow_waiting(struct ledger *l, const struct ledger_world *w)
{
	struct key at = key_table('g');
	struct bytes found;

	while (next_group(w->kv, &at, &found)) {
		uint32_t id = key_get_u32(found, 1);
		if (!tasks_find(w->tasks, id))
			difference_forget(l, w->kv, id);
		if (id == UINT32_MAX)
			return;
		at = key_of_u32('g', id + 1);
	}
}

void ledger_follow(struct ledger *l, const struct ledger_world *w)
{
	turn_begin(l, w);
	follow_tasks(l, w);
	follow_waiting(l, w);
	follow_rows(l, w);
	follow_touched(w);
	letter_forget(l, w);
	turn_end(l, w);
}
