/* Small files of the data directory: read whole, replaced atomically, sealed.
 *
 * A replacement is written under another name, synced, renamed over the old
 * file, and the directory is synced: a crash leaves the old or the new one.
 * Used by the rooms of the store only. Any thread. */
#ifndef CLUSTER_STORE_FILE_H
#define CLUSTER_STORE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { FILE_PATH_MAX = 4096 };

/* dir/name into buf of FILE_PATH_MAX bytes. ERR_LIMIT when it is too long. */
int file_path(char *buf, const char *dir, const char *name, struct err *e);
/* The directory a path lies in, into buf of FILE_PATH_MAX bytes. ERR_LIMIT. */
int file_parent(char *buf, const char *path, struct err *e);
/* Like err_set with ERR_IO or ERR_PERMISSION, from errno. */
int file_error(struct err *e, const char *verb, const char *path);

/* At most max bytes; ERR_NOTFOUND when there is none, ERR_CORRUPT when it is
 * longer. */
int file_read(const char *path, void *buf, size_t max, size_t *len,
	      struct err *e);

/* A file on its way to replace path. fd may be used in between. */
struct file_new {
	int fd;
	char tmp[FILE_PATH_MAX], path[FILE_PATH_MAX], dir[FILE_PATH_MAX];
};

int file_new_begin(struct file_new *f, const char *dir, const char *name,
		   struct err *e);
int file_new_write(struct file_new *f, const void *data, size_t len,
		   struct err *e);
/* Durable under its name on return; on failure the old file is still there. */
int file_new_commit(struct file_new *f, struct err *e);
void file_new_abort(struct file_new *f); /* after commit: nothing */

/* Make the names in a directory durable. */
int file_sync_dir(const char *path, struct err *e);
/* Make what is in a file durable: what a killed process wrote may be visible
 * and still not on the disk. */
int file_sync(const char *path, struct err *e);
/* Remove a directory and the plain files in it; nothing to do when there is
 * none. The caller syncs the parent. */
int file_remove_dir(const char *path, struct err *e);
/* True when something of that name exists. */
int file_exists(const char *path);

/* Sealed records: a u64 checksum over everything behind it comes first. */
void file_seal(uint8_t *buf, size_t len);
int file_seal_holds(const uint8_t *buf, size_t len);

#endif
