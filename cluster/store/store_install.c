#include "cluster/store/store_install.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/endian.h"
#include "base/log.h"
#include "cluster/store/file.h"
#include "cluster/store/log_internal.h"
#include "cluster/store/state_internal.h"

enum { MARKER_BYTES = 40, MARKER_FORMAT = 1 };

static const uint8_t MAGIC[8] = "SYNODIN";

/* The names of an install, built once. */
struct paths {
	char state[FILE_PATH_MAX], fresh[FILE_PATH_MAX], old[FILE_PATH_MAX];
	char data[FILE_PATH_MAX], marker[FILE_PATH_MAX], log[FILE_PATH_MAX];
};

static int paths_of(struct paths *p, const char *dir, struct err *e)
{
	int rc;
	if ((rc = file_path(p->state, dir, "state", e)) ||
	    (rc = file_path(p->fresh, dir, "state.new", e)) ||
	    (rc = file_path(p->old, dir, "state.old", e)) ||
	    (rc = file_path(p->data, dir, "state.new/data.mdb", e)) ||
	    (rc = file_path(p->marker, dir, "installing", e)) ||
	    (rc = file_path(p->log, dir, "log", e)))
		return rc;
	return 0;
}

int install_prepare(const char *dir, const char *image, struct err *e)
{
	struct paths p;
	int rc = paths_of(&p, dir, e);
	if (!rc)
		rc = file_remove_dir(p.fresh, e);
	/* The caller may have written it without a sync. */
	if (!rc)
		rc = file_sync(image, e);
	if (rc)
		return rc;
	if (mkdir(p.fresh, 0700))
		return file_error(e, "create", p.fresh);
	if (rename(image, p.data))
		return file_error(e, "move the image to", p.data);
	/* Both ends of the move: a marker that outlives it would promise an
	 * image that is not there. */
	char parent[FILE_PATH_MAX];
	if ((rc = file_sync_dir(p.fresh, e)) ||
	    (rc = file_parent(parent, image, e)) ||
	    (rc = file_sync_dir(parent, e)))
		return rc;
	return file_sync_dir(dir, e);
}

int install_mark(const char *dir, uint64_t index, uint64_t term, struct err *e)
{
	uint8_t buf[MARKER_BYTES] = {0};
	memcpy(buf + 8, MAGIC, sizeof(MAGIC));
	put_u32(buf + 16, MARKER_FORMAT);
	put_u64(buf + 24, index);
	put_u64(buf + 32, term);
	file_seal(buf, sizeof(buf));
	struct file_new f;
	int rc = file_new_begin(&f, dir, "installing", e);
	if (!rc)
		rc = file_new_write(&f, buf, sizeof(buf), e);
	if (!rc)
		rc = file_new_commit(&f, e);
	file_new_abort(&f);
	return rc;
}

int install_swap(const char *dir, struct err *e)
{
	struct paths p;
	int rc = paths_of(&p, dir, e);
	if (rc)
		return rc;
	/* Gone: it has become the state already. */
	if (file_exists(p.data)) {
		if (file_exists(p.state)) {
			if ((rc = file_remove_dir(p.old, e)))
				return rc;
			if (rename(p.state, p.old))
				return file_error(e, "rename", p.state);
		}
		if (rename(p.fresh, p.state))
			return file_error(e, "rename", p.fresh);
	}
	return file_sync_dir(dir, e);
}

int install_finish(const char *dir, struct err *e)
{
	struct paths p;
	int rc = paths_of(&p, dir, e);
	if (rc)
		return rc;
	if (unlink(p.marker) && errno != ENOENT)
		return file_error(e, "remove", p.marker);
	/* The marker first: without the old state and with the marker a restart
	 * would still be right, but a marker that comes back must not find a
	 * log that went on. */
	if ((rc = file_sync_dir(dir, e)))
		return rc;
	if ((rc = file_remove_dir(p.old, e)))
		return rc;
	return file_remove_dir(p.fresh, e);
}

static int marker_read(const char *path, uint64_t *index, uint64_t *term,
		       struct err *e)
{
	uint8_t buf[MARKER_BYTES];
	size_t len = 0;
	int rc = file_read(path, buf, sizeof(buf), &len, e);
	if (rc)
		return rc;
	if (len != sizeof(buf) || !file_seal_holds(buf, len) ||
	    memcmp(buf + 8, MAGIC, sizeof(MAGIC)) != 0)
		return err_set(e, ERR_CORRUPT,
			       "%s fails its check; move the data directory "
			       "away and start again: the node is rebuilt from "
			       "its peers",
			       path);
	if (get_u32(buf + 16) != MARKER_FORMAT)
		return err_set(
			e, ERR_FORMAT,
			"%s has a format that this program does not know",
			path);
	*index = get_u64(buf + 24);
	*term = get_u64(buf + 32);
	return 0;
}

static int reset_log(const char *path, uint64_t index, uint64_t term,
		     struct err *e)
{
	struct env env;
	struct env_config cfg = log_env_config(path, 0);
	int rc = env_open(&env, &cfg, e);
	if (!rc)
		rc = log_env_reset(&env, index, term, e);
	env_close(&env);
	return rc;
}

static int check_image(const char *path, uint64_t index, uint64_t term,
		       struct err *e)
{
	struct state_point point = {0};
	int rc = state_image_verify(path, &point, e);
	if (rc)
		return rc;
	blob_unref(point.conf);
	if (point.index != index || point.term != term)
		return err_set(e, ERR_INVALID,
			       "%s stands at %" PRIu64 " of term %" PRIu64
			       ", not at %" PRIu64 " of term %" PRIu64,
			       path, point.index, point.term, index, term);
	return 0;
}

/* What the marker promises is there: swap, look, and only then empty the log.
 */
static int resume(const char *dir, const struct paths *p, struct err *e)
{
	uint64_t index = 0, term = 0;
	char data[FILE_PATH_MAX];
	int rc = marker_read(p->marker, &index, &term, e);
	/* It can be seen; it must also stay before the swap begins. */
	if (!rc)
		rc = file_sync_dir(dir, e);
	if (!rc)
		rc = install_swap(dir, e);
	if (!rc)
		rc = file_path(data, p->state, "data.mdb", e);
	if (!rc)
		rc = check_image(data, index, term, e);
	if (!rc)
		rc = reset_log(p->log, index, term, e);
	if (!rc)
		log_event(LOG_INFO, "install_finished", "index=%" PRIu64,
			  index);
	return rc;
}

int store_install_finish(const char *dir, struct err *e)
{
	struct paths p;
	int rc = paths_of(&p, dir, e);
	if (!rc && file_exists(p.marker))
		rc = resume(dir, &p, e);
	if (rc)
		return rc;
	/* Without a marker only what no install ever needed is swept. */
	return install_finish(dir, e);
}

/* -- on a running store ------------------------------------------------ */

static int dir_of_state(char *buf, const struct state_store *s, struct err *e)
{
	static const char name[] = "/state";
	size_t len = strlen(s->path), cut = sizeof(name) - 1;
	if (len <= cut || strcmp(s->path + len - cut, name) != 0)
		return err_set(e, ERR_INVALID,
			       "%s is not the state of a data directory",
			       s->path);
	snprintf(buf, FILE_PATH_MAX, "%.*s", (int)(len - cut), s->path);
	return 0;
}

static int replace_state(struct state_store *s, const char *dir, struct err *e)
{
	struct env_config cfg = state_env_config(s->path, s->env.quota_bytes);
	pthread_rwlock_wrlock(&s->readers);
	env_close(&s->env);
	int rc = install_swap(dir, e);
	if (!rc)
		rc = env_open(&s->env, &cfg, e);
	if (!rc)
		rc = state_load(s, e);
	pthread_rwlock_unlock(&s->readers);
	return rc;
}

int state_image_install(struct state_store *s, const char *path, uint64_t index,
			uint64_t term, struct err *e)
{
	char dir[FILE_PATH_MAX];
	struct err local = {0};
	if (!e)
		e = &local;
	pthread_mutex_lock(&s->lock);
	/* The thread sleeps and stays asleep, with no transaction open: all is
	 * durable, and only the owner wakes it. Nor does it look for room in an
	 * environment that is being replaced. */
	CHECK(s->target == s->point.index);
	s->is_short = false;
	pthread_mutex_unlock(&s->lock);
	int rc = dir_of_state(dir, s, e);
	if (!rc)
		rc = check_image(path, index, term, e);
	if (!rc)
		rc = install_prepare(dir, path, e);
	if (rc)
		return rc;
	/* From the marker on there is no way back: what cannot be finished now
	 * is finished by the next start. */
	rc = install_mark(dir, index, term, e);
	if (!rc)
		rc = replace_state(s, dir, e);
	if (!rc) {
		log_reset_wait(s->cfg.log, index, term);
		rc = install_finish(dir, e);
	}
	if (rc)
		env_stop("install_failed", "%s; it goes on at the next start",
			 e->text);
	return 0;
}
