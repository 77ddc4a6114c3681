#include "cluster/store/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/rng.h"
#include "base/thread.h"
#include "cluster/store/file.h"
#include "cluster/store/identity.h"

struct store_dir {
	char path[FILE_PATH_MAX];
	int lock_fd;
	struct thread_owner owner; /* who opened it */
	struct store_identity id;
	struct peer_pin pins[PEERS_MAX];
	size_t n_pins;
};

static int make_dir(const char *path, struct err *e)
{
	if (mkdir(path, 0700) == 0)
		return 0;
	struct stat st;
	if (errno != EEXIST)
		return file_error(e, "create the data directory", path);
	if (stat(path, &st) || !S_ISDIR(st.st_mode))
		return err_set(e, ERR_INVALID, "%s is not a directory", path);
	return 0;
}

/* The names above the directory must be as durable as what is in it. */
static int sync_parent(const char *path, struct err *e)
{
	char parent[FILE_PATH_MAX];
	int rc = file_path(parent, path, "..", e);
	return rc ? rc : file_sync_dir(parent, e);
}

static int take_lock(struct store_dir *d, struct err *e)
{
	char path[FILE_PATH_MAX], text[32];
	int rc = file_path(path, d->path, "lock", e);
	if (rc)
		return rc;
	d->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (d->lock_fd < 0)
		return file_error(e, "open", path);
	if (flock(d->lock_fd, LOCK_EX | LOCK_NB)) {
		ssize_t n = pread(d->lock_fd, text, sizeof(text) - 1, 0);
		text[n > 0 ? n : 0] = '\0';
		text[strcspn(text, "\n")] = '\0';
		return err_set(e, ERR_LOCKED,
			       "%s is in use by process %s: stop it, or give "
			       "this node a directory of its own",
			       d->path, n > 0 ? text : "(unknown)");
	}
	/* The pid is for people; the lock is what counts. */
	int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (ftruncate(d->lock_fd, 0) ||
	    pwrite(d->lock_fd, text, (size_t)len, 0) != len)
		return file_error(e, "write", path);
	return 0;
}

static bool has(const struct store_dir *d, const char *name)
{
	char path[FILE_PATH_MAX];
	return !file_path(path, d->path, name, NULL) && file_exists(path);
}

/* No identity: new, unless data without an owner lies there. */
static int create(struct store_dir *d, const struct store_identity *want,
		  struct err *e)
{
	static const char *const names[] = {"hard", "peers", "log", "state"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (has(d, names[i]))
			return err_set(
				e, ERR_CORRUPT,
				"%s holds %s but no identity: nobody knows "
				"whose data it is; move it away and start "
				"again with an empty directory",
				d->path, names[i]);
	}
	d->id = (struct store_identity){.node_id = want->node_id,
					.is_blank = true};
	snprintf(d->id.node_name, STORE_NAME_MAX, "%s", want->node_name);
	snprintf(d->id.cluster_name, STORE_NAME_MAX, "%s", want->cluster_name);
	/* Zero means "none" to everybody who compares incarnations. */
	while (!d->id.incarnation)
		rng_entropy(&d->id.incarnation, sizeof(d->id.incarnation));
	return identity_write(d->path, &d->id, e);
}

static int check(struct store_dir *d, const struct store_identity *want,
		 struct err *e)
{
	if (strcmp(d->id.cluster_name, want->cluster_name) != 0)
		return err_set(e, ERR_IDENTITY,
			       "%s belongs to cluster %s, not to %s: correct "
			       "`cluster` or `data` in the node file, or give "
			       "this node an empty directory",
			       d->path, d->id.cluster_name, want->cluster_name);
	if (d->id.node_id != want->node_id ||
	    strcmp(d->id.node_name, want->node_name) != 0)
		return err_set(e, ERR_IDENTITY,
			       "%s belongs to node %s (id %" PRIu64
			       "), not to %s (id %" PRIu64
			       "): correct `name` or `data` in the node file, "
			       "or give this node an empty directory",
			       d->path, d->id.node_name, d->id.node_id,
			       want->node_name, want->node_id);
	if (d->id.is_blank)
		return 0;
	/* A node that has voted must not be opened without its memory of it. */
	static const char *const names[] = {"hard", "log"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!has(d, names[i]))
			return err_set(
				e, ERR_CORRUPT,
				"%s/%s is gone; move the directory away and "
				"start again with an empty one: the node is "
				"rebuilt from its peers",
				d->path, names[i]);
	}
	return 0;
}

static int load(struct store_dir *d, const struct store_identity *want,
		struct err *e)
{
	struct err why = {0};
	/* A killed process may have left names that can be seen and are not on
	 * the disk yet: nothing may be built on them before they are. */
	int rc = file_sync_dir(d->path, e);
	if (!rc)
		rc = sync_parent(d->path, e);
	if (rc)
		return rc;
	rc = identity_read(d->path, &d->id, &why);
	if (rc == ERR_NOTFOUND)
		rc = create(d, want, e);
	else if (rc)
		rc = err_set(e, rc, "%s", why.text);
	else
		rc = check(d, want, e);
	if (!rc)
		rc = peers_read(d->path, d->pins, &d->n_pins, e);
	if (rc)
		return rc;
	char incoming[FILE_PATH_MAX];
	rc = file_path(incoming, d->path, "incoming", e);
	return rc ? rc : make_dir(incoming, e);
}

int store_dir_open(struct store_dir **out, const char *path,
		   const struct store_identity *want, struct err *e)
{
	CHECK(want->node_id != 0);
	CHECK(strnlen(want->node_name, STORE_NAME_MAX) < STORE_NAME_MAX);
	CHECK(strnlen(want->cluster_name, STORE_NAME_MAX) < STORE_NAME_MAX);
	struct store_dir *d = mem_zero(1, sizeof(*d));
	d->lock_fd = -1;
	thread_own(&d->owner);
	int rc = 0;
	if (strlen(path) + 64 > sizeof(d->path)) {
		rc = err_set(e, ERR_LIMIT, "path too long: %s", path);
		goto fail;
	}
	snprintf(d->path, sizeof(d->path), "%s", path);
	if ((rc = make_dir(path, e)) || (rc = take_lock(d, e)) ||
	    (rc = load(d, want, e)))
		goto fail;
	*out = d;
	return 0;
fail:
	store_dir_close(d);
	return rc;
}

const char *store_dir_path(const struct store_dir *d)
{
	return d->path;
}

const struct store_identity *store_dir_identity(const struct store_dir *d)
{
	return &d->id;
}

static int replace(struct store_dir *d, const struct store_identity *id,
		   struct err *e)
{
	ON_THREAD(&d->owner);
	int rc = identity_write(d->path, id, e);
	if (!rc)
		d->id = *id;
	return rc;
}

int store_dir_set_cluster(struct store_dir *d,
			  const uint8_t id[CLUSTER_ID_BYTES], struct err *e)
{
	static const uint8_t none[CLUSTER_ID_BYTES];
	CHECK(memcmp(id, none, CLUSTER_ID_BYTES) != 0);
	if (memcmp(d->id.cluster_id, id, CLUSTER_ID_BYTES) == 0)
		return 0;
	if (memcmp(d->id.cluster_id, none, CLUSTER_ID_BYTES) != 0)
		return err_set(
			e, ERR_IDENTITY,
			"%s belongs to another cluster of the same name; "
			"give this node an empty directory",
			d->path);
	struct store_identity next = d->id;
	memcpy(next.cluster_id, id, CLUSTER_ID_BYTES);
	return replace(d, &next, e);
}

int store_dir_set_in_use(struct store_dir *d, struct err *e)
{
	if (!d->id.is_blank)
		return 0;
	struct store_identity next = d->id;
	next.is_blank = false;
	return replace(d, &next, e);
}

uint64_t store_dir_peer(const struct store_dir *d, uint64_t node_id)
{
	for (size_t i = 0; i < d->n_pins; i++) {
		if (d->pins[i].node_id == node_id)
			return d->pins[i].incarnation;
	}
	return 0;
}

int store_dir_pin_peer(struct store_dir *d, uint64_t node_id,
		       uint64_t incarnation, struct err *e)
{
	ON_THREAD(&d->owner);
	if (store_dir_peer(d, node_id) == incarnation)
		return 0;
	struct peer_pin pins[PEERS_MAX];
	size_t n = d->n_pins, at = 0;
	memcpy(pins, d->pins, sizeof(pins));
	while (at < n && pins[at].node_id != node_id)
		at++;
	if (at == PEERS_MAX)
		return err_set(e, ERR_LIMIT, "%s/peers knows %d peers already",
			       d->path, PEERS_MAX);
	pins[at] = (struct peer_pin){node_id, incarnation};
	if (at == n)
		n++;
	int rc = peers_write(d->path, pins, n, e);
	if (rc)
		return rc;
	memcpy(d->pins, pins, sizeof(pins));
	d->n_pins = n;
	return 0;
}

void store_dir_close(struct store_dir *d)
{
	if (!d)
		return;
	if (d->lock_fd >= 0)
		close(d->lock_fd);
	free(d);
}
