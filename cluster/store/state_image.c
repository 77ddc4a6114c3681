/* Images: a compact LMDB file that can be the state's data file as it is. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/digest.h"
#include "cluster/store/state_internal.h"

enum { CHUNK_BYTES = 1 << 20 };

int state_image_digest(const char *path, uint64_t *size, uint64_t *digest,
		       struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return file_error(e, "open", path);
	uint8_t *buf = mem_alloc(CHUNK_BYTES);
	struct digest *d = digest_new();
	uint64_t total = 0;
	int rc = 0;
	for (;;) {
		ssize_t n = read(fd, buf, CHUNK_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			rc = file_error(e, "read", path);
		if (n <= 0)
			break;
		digest_add(d, buf, (size_t)n);
		total += (uint64_t)n;
	}
	if (!rc) {
		*size = total;
		*digest = digest_value(d);
	}
	digest_free(d);
	free(buf);
	close(fd);
	return rc;
}

static int verify_kv(MDB_txn *txn, MDB_dbi dbi, struct err *e)
{
	MDB_cursor *cursor;
	MDB_stat stat;
	int rc = mdb_stat(txn, dbi, &stat);
	if (!rc)
		rc = mdb_cursor_open(txn, dbi, &cursor);
	if (rc)
		return env_error(e, rc, "image");
	size_t n = 0;
	MDB_val k, v;
	int bad = 0;
	while (!bad && !(rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT))) {
		bad = state_kv_check((struct bytes){k.mv_data, k.mv_size},
				     (struct bytes){v.mv_data, v.mv_size}, e);
		n++;
	}
	mdb_cursor_close(cursor);
	if (bad)
		return bad;
	if (rc != MDB_NOTFOUND)
		return env_error(e, rc, "image");
	if (n != stat.ms_entries)
		return err_set(e, ERR_CORRUPT, "%zu records of %zu", n,
			       stat.ms_entries);
	return 0;
}

static int verify_env(MDB_env *mdb, struct state_point *out, struct err *e)
{
	MDB_txn *txn;
	MDB_dbi kv, meta;
	int rc = mdb_txn_begin(mdb, NULL, MDB_RDONLY, &txn);
	if (rc)
		return env_error(e, rc, "image");
	struct state_point point = {0};
	if ((rc = mdb_dbi_open(txn, "kv", 0, &kv)) ||
	    (rc = mdb_dbi_open(txn, "meta", 0, &meta)))
		rc = err_set(e, ERR_CORRUPT, "image: %s", mdb_strerror(rc));
	else if (!(rc = state_point_read(txn, meta, &point, e)))
		rc = verify_kv(txn, kv, e);
	mdb_txn_abort(txn);
	if (rc)
		blob_unref(point.conf);
	else
		*out = point;
	return rc;
}

/* A page that the file does not have would be a SIGBUS. */
static int verify_size(MDB_env *mdb, const char *path, struct err *e)
{
	MDB_envinfo info;
	MDB_stat stat;
	struct stat st;
	CHECK(mdb_env_info(mdb, &info) == 0);
	CHECK(mdb_env_stat(mdb, &stat) == 0);
	if (lstat(path, &st))
		return file_error(e, "look at", path);
	if ((uint64_t)st.st_size < (info.me_last_pgno + 1) * stat.ms_psize)
		return err_set(e, ERR_CORRUPT, "cut short");
	return 0;
}

int state_image_verify(const char *path, struct state_point *out, struct err *e)
{
	MDB_env *mdb;
	int rc = mdb_env_create(&mdb);
	if (rc)
		return env_error(e, rc, path);
	rc = mdb_env_set_maxdbs(mdb, ENV_DBI_MAX);
	if (!rc)
		rc = mdb_env_open(mdb, path,
				  MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK |
					  MDB_NOTLS,
				  0600);
	if (rc) {
		mdb_env_close(mdb);
		return env_error(e, rc, path);
	}
	rc = verify_size(mdb, path, e);
	if (!rc)
		rc = verify_env(mdb, out, e);
	mdb_env_close(mdb);
	return rc && e ? err_wrap(e, path) : rc;
}

static int copy(struct state_store *s, const char *path, struct err *e)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return file_error(e, "create", path);
	int rc = mdb_env_copyfd2(s->env.mdb, fd, MDB_CP_COMPACT);
	if (rc)
		rc = env_error(e, rc, path);
	else if (fsync(fd))
		rc = file_error(e, "sync", path);
	close(fd);
	return rc;
}

int state_image_write(struct state_store *s, const char *path,
		      struct state_point *point, struct err *e)
{
	pthread_rwlock_rdlock(&s->readers);
	int rc = copy(s, path, e);
	pthread_rwlock_unlock(&s->readers);
	/* The copy took its own read transaction: only it knows its point. A
	 * rotten value must not reach a node that is to be rebuilt by it. */
	if (!rc)
		rc = state_image_verify(path, point, e);
	if (rc)
		unlink(path);
	return rc;
}
