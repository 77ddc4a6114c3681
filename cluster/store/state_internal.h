/* Inside the state: what state.c (the thread), state_kv.c, state_image.c and
 * store_install.c share.
 *
 * dbi "kv":
 *   key    1..511 bytes of the state machine
 *   value  u64 checksum: XXH3-64 of the value, seed = XXH3-64 of the key;
 *          then the value
 * dbi "meta", key "point", value, little-endian:
 *      0  u64 checksum    XXH3-64 over bytes 8.. to the end
 *      8  u32 format      1
 *     12  u32 conf length, 0xffffffff: there is none
 *     16  u64 applied index
 *     24  u64 applied term
 *     32  u64 conf index
 *     40  conf: payload of that entry */
#ifndef CLUSTER_STORE_STATE_INTERNAL_H
#define CLUSTER_STORE_STATE_INTERNAL_H

#include <lmdb.h>
#include <pthread.h>

#include "base/thread.h"
#include "cluster/store/env.h"
#include "cluster/store/file.h"
#include "cluster/store/state.h"

enum { STATE_DBI_KV, STATE_DBI_META, STATE_FORMAT = 1, STATE_CHECK_BYTES = 8 };

/* One transaction as a kv. Any thread, one at a time. */
struct state_kv {
	MDB_txn *txn;
	MDB_dbi dbi;
	MDB_cursor *cursor; /* opened by the first seek */
	bool is_writable;
	const char *path;
	uint8_t *scratch;
	size_t scratch_bytes;
};

/* What was applied since the last commit. */
struct state_batch {
	MDB_txn *txn; /* NULL: nothing */
	struct state_kv kv;
	struct state_point point; /* what it will stand at; owns conf */
	size_t n_records, bytes;
	int64_t due_us; /* when it should be committed */
};

struct state_store {
	struct state_config cfg;
	char path[FILE_PATH_MAX];
	struct thread thread;
	struct thread_owner owner_thread; /* who committed first */

	/* -- under lock -- */
	pthread_mutex_t lock;
	pthread_cond_t wake; /* monotonic */
	uint64_t target;     /* committed */
	uint64_t wake_at;    /* target at which the thread wants to know */
	bool is_closing, is_full;
	bool is_short;            /* the waiting thread should look for room */
	struct state_point point; /* durable */

	/* -- the thread's own; the owner's while the thread is idle -- */
	struct env env;
	struct state_batch batch;

	/* Held by who reads; an install, which replaces env.mdb, excludes them.
	 */
	pthread_rwlock_t readers;
};

void state_kv_init(struct state_kv *k, MDB_txn *txn, MDB_dbi dbi,
		   const char *path);
struct kv state_kv_of(struct state_kv *k);
void state_kv_clear(struct state_kv *k); /* before the transaction ends */
/* 0 or ERR_CORRUPT. */
int state_kv_check(struct bytes key, struct bytes stored, struct err *e);

/* The point as a transaction sees it; gives a reference to conf. */
int state_point_read(MDB_txn *txn, MDB_dbi meta, struct state_point *out,
		     struct err *e);
int state_point_write(MDB_txn *txn, MDB_dbi meta, const struct state_point *p);

struct env_config state_env_config(const char *path, size_t quota_bytes);
/* Read the point of the environment and publish it. */
int state_load(struct state_store *s, struct err *e);

/* Open an image read-only and check every record in it. */
int state_image_verify(const char *path, struct state_point *out,
		       struct err *e);

#endif
