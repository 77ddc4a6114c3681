/* What a power cut leaves of the files below one directory.
 *
 * Everything the process writes goes to the real files at once, so that maps
 * and reads see it: they play the page cache. Beside them this model keeps, for
 * every 512-byte sector written and not yet synced, what the disk held before,
 * and for every name made, moved or removed and not yet synced, how to take it
 * back. A sync of a file forgets its old sectors, a sync of a directory its
 * names. disk_cut() puts back a random part of the rest.
 *
 * Pessimistic where POSIX allows it: unsynced sectors survive each by itself,
 * in any combination; a new name is lost without a sync of its directory, even
 * when the file itself was synced. Names are lost in order (a suffix), as a
 * journal loses them. A file cut shorter is taken as durable at once: only
 * files without a name worth keeping are.
 *
 * One lock around everything is the shim's. */
#ifndef TESTS_IT_POWERCUT_DISK_MODEL_H
#define TESTS_IT_POWERCUT_DISK_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct disk_calls { /* the real ones */
	int (*open)(const char *path, int flags, ...);
	ssize_t (*pwrite)(int fd, const void *buf, size_t len, off_t at);
	int (*ftruncate)(int fd, off_t len);
	int (*rename)(const char *from, const char *to);
	int (*unlink)(const char *path);
	int (*mkdir)(const char *path, mode_t mode);
	int (*rmdir)(const char *path);
};

/* root: directory that is watched; side: a directory beside it, on the same
 * disk, where removed files wait for their return. */
void disk_init(const struct disk_calls *calls, const char *root,
	       const char *side);
/* True when the file or directory behind fd is below root (locks are not). */
bool disk_watches_fd(int fd);
bool disk_watches_path(const char *path);

/* Before the write of [at, at + len). */
void disk_before_write(int fd, off_t at, size_t len);
/* Before the size grows by other means (fallocate, ftruncate). */
void disk_before_resize(int fd);
/* A sync of a file or a directory has happened. */
void disk_synced(int fd);
/* A write to an O_DSYNC descriptor has happened. */
void disk_synced_range(int fd, off_t at, size_t len);

void disk_made_file(const char *path);
void disk_made_dir(const char *path);
void disk_before_rename(const char *from, const char *to);
void disk_before_unlink(const char *path);
void disk_removed_dir(const char *path);
/* The rename or unlink just announced has failed. */
void disk_name_failed(void);

/* The lights go out: what is left is on the files afterwards. */
void disk_cut(uint64_t seed);

/* Only the process dies: what is not on the disk yet stays so, and is still to
 * be lost when the next process opens the files. Kept in the side directory. */
void disk_save(void);
void disk_load(void); /* nothing saved: nothing */

#endif
