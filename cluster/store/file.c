#include "cluster/store/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/endian.h"

int file_path(char *buf, const char *dir, const char *name, struct err *e)
{
	int n = snprintf(buf, FILE_PATH_MAX, "%s/%s", dir, name);
	if (n < 0 || n >= FILE_PATH_MAX)
		return err_set(e, ERR_LIMIT, "path too long: %s/%s", dir, name);
	return 0;
}

int file_parent(char *buf, const char *path, struct err *e)
{
	size_t len = strlen(path);
	if (len >= FILE_PATH_MAX)
		return err_set(e, ERR_LIMIT, "path too long: %s", path);
	memcpy(buf, path, len + 1);
	char *slash = strrchr(buf, '/');
	if (!slash)
		snprintf(buf, FILE_PATH_MAX, ".");
	else if (slash == buf)
		slash[1] = '\0';
	else
		*slash = '\0';
	return 0;
}

int file_error(struct err *e, const char *verb, const char *path)
{
	int cause = errno;
	if (cause == EACCES || cause == EPERM || cause == EROFS)
		return err_set(e, ERR_PERMISSION,
			       "cannot %s %s: %s; make it writable for uid %u",
			       verb, path, strerror(cause),
			       (unsigned)geteuid());
	if (cause == ENOSPC || cause == EDQUOT)
		return err_set(e, ERR_FULL,
			       "cannot %s %s: %s; free space on that disk",
			       verb, path, strerror(cause));
	return err_set(e, ERR_IO, "cannot %s %s: %s", verb, path,
		       strerror(cause));
}

int file_read(const char *path, void *buf, size_t max, size_t *len,
	      struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return err_set(e, ERR_NOTFOUND, "%s does not exist", path);
	if (fd < 0)
		return file_error(e, "open", path);
	size_t have = 0;
	int rc = 0;
	while (have < max) {
		ssize_t n = read(fd, (uint8_t *)buf + have, max - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			rc = file_error(e, "read", path);
		if (n <= 0)
			break;
		have += (size_t)n;
	}
	uint8_t more;
	if (!rc && have == max && read(fd, &more, 1) == 1)
		rc = err_set(e, ERR_CORRUPT, "%s is longer than %zu bytes",
			     path, max);
	close(fd);
	if (!rc)
		*len = have;
	return rc;
}

int file_new_begin(struct file_new *f, const char *dir, const char *name,
		   struct err *e)
{
	char tmp_name[64];
	*f = (struct file_new){.fd = -1};
	snprintf(tmp_name, sizeof(tmp_name), "%s.new", name);
	if (file_path(f->tmp, dir, tmp_name, e) ||
	    file_path(f->path, dir, name, e))
		return ERR_LIMIT;
	snprintf(f->dir, sizeof(f->dir), "%s", dir);
	/* O_TRUNC: what an earlier crash left under that name is worthless. */
	f->fd = open(f->tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (f->fd < 0)
		return file_error(e, "create", f->tmp);
	return 0;
}

int file_new_write(struct file_new *f, const void *data, size_t len,
		   struct err *e)
{
	size_t done = 0;
	while (done < len) {
		ssize_t n =
			write(f->fd, (const uint8_t *)data + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return file_error(e, "write", f->tmp);
		done += (size_t)n;
	}
	return 0;
}

int file_new_commit(struct file_new *f, struct err *e)
{
	/* The order matters: a name must never show data that is not there. */
	if (fsync(f->fd))
		return file_error(e, "sync", f->tmp);
	if (close(f->fd)) {
		f->fd = -1;
		return file_error(e, "close", f->tmp);
	}
	f->fd = -1;
	if (rename(f->tmp, f->path))
		return file_error(e, "rename", f->tmp);
	return file_sync_dir(f->dir, e);
}

void file_new_abort(struct file_new *f)
{
	if (f->fd < 0)
		return;
	close(f->fd);
	unlink(f->tmp);
	f->fd = -1;
}

static int sync_path(const char *path, int flags, struct err *e)
{
	int fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		return file_error(e, "open", path);
	int rc = fsync(fd) ? file_error(e, "sync", path) : 0;
	close(fd);
	return rc;
}

int file_sync_dir(const char *path, struct err *e)
{
	return sync_path(path, O_RDONLY | O_DIRECTORY, e);
}

int file_sync(const char *path, struct err *e)
{
	return sync_path(path, O_RDONLY, e);
}

int file_remove_dir(const char *path, struct err *e)
{
	DIR *d = opendir(path);
	if (!d)
		return errno == ENOENT ? 0 : file_error(e, "open", path);
	int rc = 0;
	for (struct dirent *entry; !rc && (entry = readdir(d));) {
		if (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(d), entry->d_name, 0))
			rc = file_error(e, "empty", path);
	}
	closedir(d);
	if (!rc && rmdir(path))
		rc = file_error(e, "remove", path);
	return rc;
}

int file_exists(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0;
}

void file_seal(uint8_t *buf, size_t len)
{
	put_u64(buf, digest64(buf + 8, len - 8));
}

int file_seal_holds(const uint8_t *buf, size_t len)
{
	return len > 8 && get_u64(buf) == digest64(buf + 8, len - 8);
}
