#include "cluster/store/env.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "cluster/store/file.h"

/* Full sync, no WRITEMAP: a stray pointer must not be able to write into the
 * database, and it was slower besides. NOTLS: a read transaction belongs to
 * its struct, not to a thread. */
#define ENV_FLAGS (MDB_NOTLS | MDB_NORDAHEAD)

int env_error(struct err *e, int rc, const char *what)
{
	int code = ERR_IO;
	if (rc == MDB_MAP_FULL || rc == ENOSPC || rc == EDQUOT)
		code = ERR_FULL;
	else if (rc == MDB_CORRUPTED || rc == MDB_PAGE_NOTFOUND ||
		 rc == MDB_INVALID || rc == MDB_PANIC)
		code = ERR_CORRUPT;
	else if (rc == MDB_VERSION_MISMATCH || rc == MDB_INCOMPATIBLE)
		code = ERR_FORMAT;
	else if (rc == EACCES || rc == EPERM || rc == EROFS)
		code = ERR_PERMISSION;
	else if (rc == ENOMEM)
		code = ERR_NOMEM;
	return err_set(e, code, "%s: %s", what, mdb_strerror(rc));
}

void env_stop(const char *event, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	log_event(LOG_ERROR, event, "reason=%s exit=%d", LOG_Q(text), EX_IOERR);
	_exit(EX_IOERR);
}

void env_stop_rc(const char *event, int rc, const char *what)
{
	if (rc == MDB_MAP_FULL)
		env_stop(event,
			 "%s: the quota is used up; raise it in the "
			 "node file and start again",
			 what);
	if (rc == ENOSPC || rc == EDQUOT)
		env_stop(event,
			 "%s: the disk is full; free space and start "
			 "again",
			 what);
	env_stop(event, "%s: %s", what, mdb_strerror(rc));
}

static size_t map_bytes(const struct env_config *cfg)
{
	if (!cfg->quota_bytes)
		return 0;
	size_t bytes =
		cfg->quota_bytes + cfg->quota_bytes / 4 + ENV_SLACK_BYTES;
	return bytes & ~(size_t)0xffff;
}

static int mdb_start(MDB_env **out, const struct env_config *cfg,
		     const char *path, struct err *e)
{
	MDB_env *mdb;
	int rc = mdb_env_create(&mdb);
	if (rc)
		return env_error(e, rc, "LMDB");
	rc = mdb_env_set_mapsize(mdb, map_bytes(cfg));
	if (!rc)
		rc = mdb_env_set_maxdbs(mdb, ENV_DBI_MAX);
	if (!rc)
		rc = mdb_env_set_maxreaders(mdb, ENV_READERS_MAX);
	if (!rc)
		rc = mdb_env_open(mdb, path, ENV_FLAGS, 0600);
	if (rc) {
		mdb_env_close(mdb);
		return env_error(e, rc, path);
	}
	*out = mdb;
	return 0;
}

static int dbis_open(MDB_env *mdb, const struct env_config *cfg, MDB_dbi *dbi,
		     bool is_new, struct err *e)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(mdb, NULL, is_new ? 0 : MDB_RDONLY, &txn);
	if (rc)
		return env_error(e, rc, cfg->path);
	for (int i = 0; i < ENV_DBI_MAX && !rc; i++)
		rc = mdb_dbi_open(txn, cfg->dbi[i], is_new ? MDB_CREATE : 0,
				  &dbi[i]);
	if (rc == MDB_NOTFOUND)
		rc = MDB_INVALID;
	if (rc) {
		mdb_txn_abort(txn);
		return env_error(e, rc, cfg->path);
	}
	if (is_new && cfg->create(txn, dbi, e)) {
		mdb_txn_abort(txn);
		return err_wrap(e, cfg->path);
	}
	/* Committing a read transaction keeps the handles it opened. */
	rc = mdb_txn_commit(txn);
	return rc ? env_error(e, rc, cfg->path) : 0;
}

/* LMDB writes the first two pages of a file without a sync: a power cut could
 * leave half of them and a node that never starts again. So a new environment
 * is made under another name and gets its own when it is whole. */
static int env_create(const struct env_config *cfg, struct err *e)
{
	char tmp[FILE_PATH_MAX], data[FILE_PATH_MAX + 16];
	char parent[FILE_PATH_MAX];
	if (snprintf(tmp, sizeof(tmp), "%s.new", cfg->path) >= (int)sizeof(tmp))
		return err_set(e, ERR_LIMIT, "path too long: %s", cfg->path);
	snprintf(data, sizeof(data), "%s/data.mdb", tmp);
	int rc = file_parent(parent, cfg->path, e);
	if (!rc)
		rc = file_remove_dir(tmp, e);
	if (rc)
		return rc;
	if (mkdir(tmp, 0700))
		return file_error(e, "create", tmp);
	MDB_env *mdb;
	MDB_dbi dbi[ENV_DBI_MAX];
	rc = mdb_start(&mdb, cfg, tmp, e);
	if (rc)
		return rc;
	rc = dbis_open(mdb, cfg, dbi, true, e);
	mdb_env_close(mdb);
	if (rc)
		return rc;
	if ((rc = file_sync(data, e)) || (rc = file_sync_dir(tmp, e)))
		return rc;
	if (rename(tmp, cfg->path))
		return file_error(e, "rename", tmp);
	return file_sync_dir(parent, e);
}

static int measure_file(struct env *v, struct err *e)
{
	MDB_stat stat;
	mdb_filehandle_t fd;
	struct stat st;
	int rc = mdb_env_stat(v->mdb, &stat);
	if (!rc)
		rc = mdb_env_get_fd(v->mdb, &fd);
	if (!rc && fstat(fd, &st))
		rc = errno;
	if (rc)
		return env_error(e, rc, "data file");
	v->page_bytes = stat.ms_psize;
	v->reserved_bytes = (size_t)st.st_size / v->page_bytes * v->page_bytes;
	MDB_txn *txn;
	rc = mdb_txn_begin(v->mdb, NULL, MDB_RDONLY, &txn);
	if (rc)
		return env_error(e, rc, "data file");
	env_measure(v, txn);
	mdb_txn_abort(txn);
	return 0;
}

static size_t step_bytes(size_t quota)
{
	size_t step = quota / 8 & ~(size_t)0xffff;
	if (step > ENV_STEP_BYTES_MAX)
		return ENV_STEP_BYTES_MAX;
	return step < ENV_STEP_BYTES_MIN ? ENV_STEP_BYTES_MIN : step;
}

int env_open(struct env *v, const struct env_config *cfg, struct err *e)
{
	*v = (struct env){.quota_bytes = cfg->quota_bytes,
			  .map_bytes = map_bytes(cfg),
			  .step_bytes = step_bytes(cfg->quota_bytes)};
	struct err local = {0};
	if (!e)
		e = &local;
	char data[FILE_PATH_MAX];
	int rc = file_path(data, cfg->path, "data.mdb", e);
	if (!rc && !file_exists(data))
		rc = env_create(cfg, e);
	if (!rc)
		rc = mdb_start(&v->mdb, cfg, cfg->path, e);
	if (rc)
		goto fail;
	/* A process that was killed between a write and its sync leaves pages
	 * that can be read and are not on the disk. Nothing may be built on
	 * them before they are. */
	rc = mdb_env_sync(v->mdb, 1);
	if (rc) {
		rc = env_error(e, rc, cfg->path);
		goto fail;
	}
	int dead;
	mdb_reader_check(v->mdb, &dead);
	if ((rc = dbis_open(v->mdb, cfg, v->dbi, false, e)) ||
	    (rc = measure_file(v, e)))
		goto fail;
	if (cfg->quota_bytes)
		env_reserve(v, 0);
	return 0;
fail:
	env_close(v);
	return rc;
}

void env_close(struct env *v)
{
	if (v->mdb)
		mdb_env_close(v->mdb);
	v->mdb = NULL;
}

void env_measure(struct env *v, MDB_txn *txn)
{
	/* 0 and 1 are LMDB's own: the free list and the list of databases. */
	MDB_dbi dbi[ENV_DBI_MAX + 2] = {0, 1, v->dbi[0], v->dbi[1]};
	size_t pages = 2;
	for (int i = 0; i < ENV_DBI_MAX + 2; i++) {
		MDB_stat stat;
		if (mdb_stat(txn, dbi[i], &stat))
			continue;
		pages += stat.ms_branch_pages + stat.ms_leaf_pages +
			 stat.ms_overflow_pages;
	}
	v->used_bytes = pages * v->page_bytes;
}

/* Filesystems without fallocate: at least look whether there is room. */
static int room_on_disk(int fd, size_t step)
{
	struct statvfs st;
	if (fstatvfs(fd, &st))
		return errno;
	if (st.f_frsize * (uint64_t)st.f_bavail < (uint64_t)step * 2)
		return ENOSPC;
	return 0;
}

void env_reserve(struct env *v, int64_t now_us)
{
	MDB_envinfo info;
	mdb_filehandle_t fd;
	CHECK(mdb_env_info(v->mdb, &info) == 0);
	CHECK(mdb_env_get_fd(v->mdb, &fd) == 0);
	size_t end = (info.me_last_pgno + 1) * v->page_bytes;
	if (v->reserved_bytes < end)
		v->reserved_bytes = end;
	if (v->reserved_bytes - end >= v->step_bytes ||
	    v->reserved_bytes >= v->map_bytes) {
		v->is_short = false;
		return;
	}
	if (v->is_short && now_us < v->retry_us)
		return;
	size_t step = v->step_bytes;
	if (step > v->map_bytes - v->reserved_bytes)
		step = v->map_bytes - v->reserved_bytes;
	int rc = 0;
	if (fallocate(fd, 0, (off_t)v->reserved_bytes, (off_t)step))
		rc = errno;
	if (rc == EOPNOTSUPP)
		rc = room_on_disk(fd, step);
	else if (!rc)
		v->reserved_bytes += step;
	if (rc && !v->is_short)
		log_event(LOG_WARN, "disk_reserve_failed",
			  "bytes=%zu reason=%s", step, LOG_Q(strerror(rc)));
	v->is_short = rc != 0;
	v->retry_us = now_us + ENV_RETRY_US;
}

bool env_is_full(const struct env *v)
{
	return v->is_short ||
	       v->used_bytes >= v->quota_bytes / 100 * ENV_FULL_PERCENT;
}
