/* One LMDB environment on disk: made atomically, full sync, space reserved
 * ahead of need.
 *
 * The map is a quarter and 64 MiB larger than the quota: a record of many pages
 * needs neighbouring free pages, and what was accepted before the quota was
 * seen to be full must still fit. Disk space is allocated (fallocate) a step
 * ahead of the used pages, so that a full disk shows as env_is_full() while
 * there is still room for many commits, not as an error inside one.
 *
 * Owned by the one thread that writes; used by the rooms of the store only. */
#ifndef CLUSTER_STORE_ENV_H
#define CLUSTER_STORE_ENV_H

#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Readers at a time: more than LIMIT_TASKS of proto/limits.h, each of which has
 * a thread that reads. */
enum { ENV_DBI_MAX = 2, ENV_READERS_MAX = 2048 };
/* Fill of the quota at which env_is_full() says so; see log.h. */
enum { ENV_FULL_PERCENT = 90 };
#define ENV_SLACK_BYTES ((size_t)64 << 20)
/* Reserved ahead at the most; small environments reserve an eighth. */
#define ENV_STEP_BYTES_MAX ((size_t)64 << 20)
#define ENV_STEP_BYTES_MIN ((size_t)1 << 20)

/* A reserve that could not be made is tried again after this time: by the next
 * commit, or by the writer while nothing comes in. */
#define ENV_RETRY_US ((int64_t)1000000)

struct env_config {
	const char *path;   /* directory */
	size_t quota_bytes; /* 0: as it was made, and nothing is reserved */
	const char *dbi[ENV_DBI_MAX];
	/* Writes the first records of a new environment. */
	int (*create)(MDB_txn *txn, const MDB_dbi *dbi, struct err *e);
};

struct env {
	MDB_env *mdb;
	MDB_dbi dbi[ENV_DBI_MAX];
	size_t page_bytes, quota_bytes, map_bytes;
	size_t used_bytes;     /* pages that hold something; env_measure */
	size_t reserved_bytes; /* allocated on the disk */
	size_t step_bytes;
	int64_t retry_us; /* when to ask a full disk again */
	bool is_short;    /* the disk had no room for the next step */
};

/* Open, or make it. What it shows afterwards is durable. */
int env_open(struct env *v, const struct env_config *cfg, struct err *e);
/* NULL handle is allowed. */
void env_close(struct env *v);
/* Count the used pages as txn sees them. */
void env_measure(struct env *v, MDB_txn *txn);
/* Reserve the next step when it is time. Between transactions. */
void env_reserve(struct env *v, int64_t now_us);
bool env_is_full(const struct env *v);

/* rc of LMDB as an error of ours; "what: text". */
int env_error(struct err *e, int rc, const char *what);
/* The disk cannot be trusted or is full beyond all warnings: memory and disk
 * must never disagree, so the process ends (EX_IOERR), and says why. */
__attribute__((noreturn, format(printf, 2, 3))) void
env_stop(const char *event, const char *fmt, ...);
__attribute__((noreturn)) void env_stop_rc(const char *event, int rc,
					   const char *what);

#endif
