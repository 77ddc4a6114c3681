/* Inside the log: what log.c (queue, owner's side), log_writer.c (the thread)
 * and log_read.c share. No other file includes it, but for store_install.c,
 * which replaces the log by an image. */
#ifndef CLUSTER_STORE_LOG_INTERNAL_H
#define CLUSTER_STORE_LOG_INTERNAL_H

#include <lmdb.h>
#include <pthread.h>

#include "base/thread.h"
#include "cluster/store/env.h"
#include "cluster/store/log.h"
#include "cluster/store/log_record.h"

enum { LOG_DBI_LOG, LOG_DBI_META };

enum request_kind {
	REQUEST_APPEND,
	REQUEST_TRUNCATE,
	REQUEST_RESET,
	REQUEST_FORGET,
	REQUEST__N
};

/* One malloc: the completion is its first member, and who frees that frees
 * everything. */
struct log_request {
	struct log_done done;
	struct log_request *next;
	enum request_kind kind;
	uint64_t index, term;
	bool *is_done; /* somebody waits for it; no note then. Under lock */
	size_t n_entries, payload_bytes;
	struct log_entry entries[];
};

struct log_store {
	struct mailbox *owner;
	struct clock clock;
	struct histogram *commit_us;
	struct thread writer;

	/* -- owner's thread -- */
	struct thread_owner owner_thread; /* who made the first request */
	uint64_t queued_last;

	/* -- under lock -- */
	pthread_mutex_t lock;
	pthread_cond_t wake, done;
	struct log_request *head, **tail;
	bool is_closing, is_writer_waiting;
	struct log_bounds bounds;
	size_t bounds_txn; /* LMDB's number of the commit they describe */
	bool is_full;

	/* -- the writer's own; set before it starts -- */
	struct env env;
	struct log_meta meta;
	uint64_t last_index, forget_index;
};

/* log_writer.c */
void *log_writer_main(void *ctx);
/* Read bounds from a fresh environment. */
int log_writer_load(struct log_store *s, struct err *e);
/* Store the log's own record; the result of LMDB. */
int log_meta_put(MDB_txn *txn, MDB_dbi dbi, const struct log_meta *meta);

/* log.c: what env_open needs to know about the log. */
struct env_config log_env_config(const char *path, size_t quota_bytes);
/* What log_reset does, for an environment that no writer has. Durable. */
int log_env_reset(struct env *env, uint64_t index, uint64_t term,
		  struct err *e);
/* As log_reset, but durable on return and without a completion. Owner. */
void log_reset_wait(struct log_store *s, uint64_t index, uint64_t term);

#endif
