/* The kv of the state machines over one LMDB transaction. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/digest.h"
#include "base/endian.h"
#include "cluster/store/state_internal.h"

static uint64_t checksum(struct bytes key, const void *value, size_t len)
{
	return digest64_seed(value, len, digest64(key.data, key.len));
}

int state_kv_check(struct bytes key, struct bytes stored, struct err *e)
{
	if (stored.len >= STATE_CHECK_BYTES &&
	    get_u64(stored.data) == checksum(key,
					     stored.data + STATE_CHECK_BYTES,
					     stored.len - STATE_CHECK_BYTES))
		return 0;
	return err_set(e, ERR_CORRUPT,
		       "a value of the state (%zu bytes, key "
		       "of %zu) fails its checksum",
		       stored.len, key.len);
}

static struct bytes verified(struct state_kv *k, struct bytes key, MDB_val v)
{
	struct bytes stored = {v.mv_data, v.mv_size};
	struct err e = {0};
	/* Never served: what the machine decided from it would be served too,
	 * and would differ from the other nodes. */
	if (state_kv_check(key, stored, &e))
		env_stop("state_corrupt",
			 "%s: %s; move the data directory away and start "
			 "again: the node is rebuilt from its peers",
			 k->path, e.text);
	return (struct bytes){stored.data + STATE_CHECK_BYTES,
			      stored.len - STATE_CHECK_BYTES};
}

static void key_check(struct bytes key)
{
	CHECK(key.len > 0 && key.len <= STATE_KEY_BYTES_MAX);
}

static MDB_val val_of(struct bytes b)
{
	/* LMDB does not write through the pointers it is given. */
	return (MDB_val){b.len, (void *)(uintptr_t)b.data};
}

static bool kv_get(void *ctx, struct bytes key, struct bytes *value)
{
	struct state_kv *k = ctx;
	key_check(key);
	MDB_val mk = val_of(key), v;
	int rc = mdb_get(k->txn, k->dbi, &mk, &v);
	if (rc == MDB_NOTFOUND)
		return false;
	if (rc)
		env_stop_rc("state_read_failed", rc, k->path);
	*value = verified(k, key, v);
	return true;
}

static void kv_put(void *ctx, struct bytes key, struct bytes value)
{
	struct state_kv *k = ctx;
	CHECK(k->is_writable);
	key_check(key);
	size_t len = STATE_CHECK_BYTES + value.len;
	if (len > k->scratch_bytes) {
		k->scratch = mem_grow(k->scratch, len);
		k->scratch_bytes = len;
	}
	/* Through a buffer of our own: key and value may lie in pages that this
	 * very put moves. */
	uint8_t key_copy[STATE_KEY_BYTES_MAX];
	memcpy(key_copy, key.data, key.len);
	if (value.len)
		memcpy(k->scratch + STATE_CHECK_BYTES, value.data, value.len);
	put_u64(k->scratch,
		checksum(key, k->scratch + STATE_CHECK_BYTES, value.len));
	MDB_val mk = {key.len, key_copy}, v = {len, k->scratch};
	int rc = mdb_put(k->txn, k->dbi, &mk, &v, 0);
	if (rc)
		env_stop_rc("state_write_failed", rc, k->path);
}

static void kv_del(void *ctx, struct bytes key)
{
	struct state_kv *k = ctx;
	CHECK(k->is_writable);
	key_check(key);
	uint8_t key_copy[STATE_KEY_BYTES_MAX];
	memcpy(key_copy, key.data, key.len);
	MDB_val mk = {key.len, key_copy};
	int rc = mdb_del(k->txn, k->dbi, &mk, NULL);
	if (rc && rc != MDB_NOTFOUND)
		env_stop_rc("state_write_failed", rc, k->path);
}

static bool kv_seek(void *ctx, struct bytes from, bool after, struct bytes *key,
		    struct bytes *value)
{
	struct state_kv *k = ctx;
	CHECK(from.len <= STATE_KEY_BYTES_MAX);
	int rc = 0;
	if (!k->cursor)
		rc = mdb_cursor_open(k->txn, k->dbi, &k->cursor);
	MDB_val mk = val_of(from), v;
	/* LMDB knows no empty key; ours is before all others. */
	if (!rc)
		rc = mdb_cursor_get(k->cursor, &mk, &v,
				    from.len ? MDB_SET_RANGE : MDB_FIRST);
	if (!rc && after && from.len && mk.mv_size == from.len &&
	    memcmp(mk.mv_data, from.data, from.len) == 0)
		rc = mdb_cursor_get(k->cursor, &mk, &v, MDB_NEXT);
	if (rc == MDB_NOTFOUND)
		return false;
	if (rc)
		env_stop_rc("state_read_failed", rc, k->path);
	struct bytes found = {mk.mv_data, mk.mv_size};
	*value = verified(k, found, v);
	*key = found;
	return true;
}

void state_kv_init(struct state_kv *k, MDB_txn *txn, MDB_dbi dbi,
		   const char *path)
{
	*k = (struct state_kv){.txn = txn, .dbi = dbi, .path = path};
}

struct kv state_kv_of(struct state_kv *k)
{
	return (struct kv){k, kv_get, kv_put, kv_del, kv_seek};
}

void state_kv_clear(struct state_kv *k)
{
	if (k->cursor)
		mdb_cursor_close(k->cursor);
	free(k->scratch);
	k->cursor = NULL;
	k->scratch = NULL;
	k->scratch_bytes = 0;
}
