#include "connectors/postgres/history.h"

#include <stdlib.h>
#include <string.h>

/* -- snapshots -------------------------------------------------------------
 */
bool pg_history_snapshot_parse(const char *text, struct history_snapshot *out)
{
	struct history_snapshot s = {0};
	char *at;

	s.xmin = strtoull(text, &at, 10);
	if (at == text || *at != ':')
		return false;
	text = at + 1;
	s.xmax = strtoull(text, &at, 10);
	if (at == text || *at != ':')
		return false;
	while (*++at) {
		char *end;
		uint64_t xid = strtoull(at, &end, 10);
		if (end == at || (*end && *end != ',')) {
			pg_history_snapshot_free(&s);
			return false;
		}
		s.running = mem_grow(s.running, (s.n + 1) * sizeof xid);
		s.running[s.n++] = xid;
		if (!*end)
			break;
		at = end;
	}
	*out = s;
	return true;
}

void pg_history_snapshot_free(struct history_snapshot *s)
{
	free(s->running);
	*s = (struct history_snapshot){0};
}

bool pg_history_sees(const struct history_snapshot *s, uint64_t xid)
{
	if (xid < s->xmin)
		return true;
	if (xid >= s->xmax)
		return false;
	for (size_t i = 0; i < s->n; i++)
		if (s->running[i] == xid)
			return false;
	return true;
}

uint64_t pg_history_full_xid(uint32_t xid, uint64_t near)
{
	uint64_t full = (near & ~(uint64_t)UINT32_MAX) | xid;
	uint64_t half = (uint64_t)1 << 31;

	if (full > near && full - near > half && full > UINT32_MAX)
		return full - ((uint64_t)1 << 32);
	if (full < near && near - full > half)
		return full + ((uint64_t)1 << 32);
	return full;
}

/* -- rows ------------------------------------------------------------------
 */
enum { KEY_ROOM = 512 };

/* Table, then key; long keys on the heap. */
struct row_key {
	struct bytes bytes;
	uint8_t room[KEY_ROOM], *heap;
};

static void row_key(struct row_key *k, uint32_t table_id, struct bytes key)
{
	size_t len = sizeof table_id + key.len;

	k->heap = len > sizeof k->room ? mem_alloc(len) : NULL;
	uint8_t *at = k->heap ? k->heap : k->room;
	memcpy(at, &table_id, sizeof table_id);
	if (key.len)
		memcpy(at + sizeof table_id, key.data, key.len);
	k->bytes = (struct bytes){at, len};
}

void pg_history_init(struct history *h)
{
	*h = (struct history){.rows = map_new()};
}

void pg_history_free(struct history *h)
{
	if (h->rows)
		map_free(h->rows);
	*h = (struct history){0};
}

static uint64_t xid_of(struct bytes value)
{
	uint64_t xid;

	memcpy(&xid, value.data, sizeof xid);
	return xid;
}

static void forget_all(struct history *h)
{
	map_free(h->rows);
	h->rows = map_new();
	h->forgotten = h->newest;
}

void pg_history_note(struct history *h, uint32_t table_id, struct bytes key,
		     uint64_t xid)
{
	struct row_key k;

	if (map_count(h->rows) >= HISTORY_ROWS_MAX)
		forget_all(h);
	if (xid > h->newest)
		h->newest = xid;
	row_key(&k, table_id, key);
	map_put(h->rows, k.bytes, (struct bytes){(void *)&xid, sizeof xid});
	free(k.heap);
}

void pg_history_prune(struct history *h, uint64_t xmin)
{
	struct bytes at = {0}, key, value;
	struct map *kept;

	if (map_count(h->rows) == 0)
		return;
	kept = map_new();
	for (bool is_behind = false;
	     map_seek(h->rows, at, is_behind, &key, &value); is_behind = true) {
		if (xid_of(value) >= xmin)
			map_put(kept, key, value);
		at = key;
	}
	map_free(h->rows);
	h->rows = kept;
}

bool pg_history_reaches(const struct history *h,
			const struct history_snapshot *s)
{
	return h->forgotten < s->xmin;
}

static bool is_unseen(const struct history *h, uint32_t table_id,
		      struct bytes key, const struct history_snapshot *s)
{
	struct bytes value;
	struct row_key k;

	row_key(&k, table_id, key);
	bool is_known = map_get(h->rows, k.bytes, &value);
	free(k.heap);
	return is_known && !pg_history_sees(s, xid_of(value));
}

bool pg_history_is_stale(const struct history *h, uint32_t table_id,
			 struct bytes key, const struct history_snapshot *s)
{
	return is_unseen(h, table_id, key, s) ||
	       is_unseen(h, table_id, (struct bytes){0}, s);
}
