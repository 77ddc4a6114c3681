/* Preloaded into a process: cuts its power at the N-th sync.
 *
 *   POWERCUT_DIR    directory whose files are watched
 *   POWERCUT_SIDE   an empty directory beside it
 *   POWERCUT_AT     the sync at which it happens, from 1; 0: never
 *   POWERCUT_SEED   which unsynced sectors and names survive
 *   POWERCUT_SWALLOW=1   syncs do nothing: a store that trusts them must lose
 *   POWERCUT_KILL   the sync at which only the process dies, from 1; 0: never.
 *                   What was unsynced is lost by a cut of the next process
 *   POWERCUT_FAIL   the sync that answers EIO instead, from 1; 0: none
 *
 * Counted: fsync, fdatasync, and writes to O_DSYNC descriptors (LMDB's meta
 * page) below the directory. At the cut nothing of that sync has happened; the
 * process gets SIGKILL in the middle of the call. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "disk_model.h"

#define EXPORT __attribute__((visibility("default")))

static struct {
	int (*open)(const char *, int, ...);
	ssize_t (*write)(int, const void *, size_t);
	ssize_t (*pwrite)(int, const void *, size_t, off_t);
	ssize_t (*writev)(int, const struct iovec *, int);
	ssize_t (*pwritev)(int, const struct iovec *, int, off_t);
	int (*ftruncate)(int, off_t);
	int (*fallocate)(int, int, off_t, off_t);
	int (*fsync)(int);
	int (*fdatasync)(int);
	int (*rename)(const char *, const char *);
	int (*unlink)(const char *);
	int (*unlinkat)(int, const char *, int);
	int (*mkdir)(const char *, mode_t);
	int (*rmdir)(const char *);
} real;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool is_on, is_swallowing;
static unsigned long cut_at, kill_at, fail_at, n_syncs;
static unsigned long long seed;

static void find(void *slot, const char *name)
{
	void *p = dlsym(RTLD_NEXT, name);
	memcpy(slot, &p, sizeof(p));
}

static unsigned long number(const char *name)
{
	const char *text = getenv(name);
	return text ? strtoul(text, NULL, 10) : 0;
}

static void start(void)
{
	find(&real.open, "open");
	find(&real.write, "write");
	find(&real.pwrite, "pwrite");
	find(&real.writev, "writev");
	find(&real.pwritev, "pwritev");
	find(&real.ftruncate, "ftruncate");
	find(&real.fallocate, "fallocate");
	find(&real.fsync, "fsync");
	find(&real.fdatasync, "fdatasync");
	find(&real.rename, "rename");
	find(&real.unlink, "unlink");
	find(&real.unlinkat, "unlinkat");
	find(&real.mkdir, "mkdir");
	find(&real.rmdir, "rmdir");
	const char *dir = getenv("POWERCUT_DIR");
	const char *side = getenv("POWERCUT_SIDE");
	if (!dir || !side)
		return;
	struct disk_calls calls = {
		.open = real.open,
		.pwrite = real.pwrite,
		.ftruncate = real.ftruncate,
		.rename = real.rename,
		.unlink = real.unlink,
		.mkdir = real.mkdir,
		.rmdir = real.rmdir,
	};
	disk_init(&calls, dir, side);
	disk_load();
	cut_at = number("POWERCUT_AT");
	kill_at = number("POWERCUT_KILL");
	fail_at = number("POWERCUT_FAIL");
	is_swallowing = number("POWERCUT_SWALLOW") != 0;
	seed = number("POWERCUT_SEED");
	is_on = true;
}

/* True: the call concerns us, and the lock is held. */
static bool enter_fd(int fd)
{
	pthread_once(&once, start);
	if (!is_on)
		return false;
	pthread_mutex_lock(&lock);
	if (disk_watches_fd(fd))
		return true;
	pthread_mutex_unlock(&lock);
	return false;
}

static bool enter_path(const char *path)
{
	pthread_once(&once, start);
	if (!is_on || !disk_watches_path(path))
		return false;
	pthread_mutex_lock(&lock);
	return true;
}

static void leave(void)
{
	int saved = errno;
	pthread_mutex_unlock(&lock);
	errno = saved;
}

/* A child does it when this process is dead: a thread that still looks at a map
 * while its file gets shorter would die of that, and the cut with it. The lock
 * is never given back: nobody writes any more. The driver waits for the end of
 * the pipe that the child has inherited. */
static void cut(void)
{
	pid_t victim = getpid();
	if (fork() == 0) {
		kill(victim, SIGKILL);
		/* Another parent: not one thread is left. */
		while (getppid() == victim)
			poll(NULL, 0, 1);
		if (n_syncs == cut_at)
			disk_cut(seed);
		else
			disk_save();
		_exit(0);
	}
	for (;;)
		pause();
}

/* One more sync is due. False: it fails instead. */
static bool sync_may_go_on(void)
{
	n_syncs++;
	if (n_syncs == fail_at) {
		errno = EIO;
		return false;
	}
	if (n_syncs == cut_at || n_syncs == kill_at)
		cut();
	return true;
}

/* -- writes ------------------------------------------------------------ */

static bool is_synced_by_itself(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	return flags >= 0 && (flags & O_DSYNC) != 0;
}

/* Behind a write that has happened: n bytes at `at`, or an error. */
static ssize_t wrote(int fd, off_t at, ssize_t n)
{
	if (n <= 0 || !is_synced_by_itself(fd))
		return n;
	if (!sync_may_go_on())
		return -1;
	if (!is_swallowing)
		disk_synced_range(fd, at, (size_t)n);
	return n;
}

static size_t total(const struct iovec *v, int n)
{
	size_t len = 0;
	for (int i = 0; i < n; i++)
		len += v[i].iov_len;
	return len;
}

EXPORT ssize_t write(int fd, const void *buf, size_t len)
{
	if (!enter_fd(fd))
		return real.write(fd, buf, len);
	off_t at = lseek(fd, 0, SEEK_CUR);
	disk_before_write(fd, at, len);
	ssize_t n = wrote(fd, at, real.write(fd, buf, len));
	leave();
	return n;
}

EXPORT ssize_t pwrite(int fd, const void *buf, size_t len, off_t at)
{
	if (!enter_fd(fd))
		return real.pwrite(fd, buf, len, at);
	disk_before_write(fd, at, len);
	ssize_t n = wrote(fd, at, real.pwrite(fd, buf, len, at));
	leave();
	return n;
}

EXPORT ssize_t pwrite64(int fd, const void *buf, size_t len, off_t at)
{
	return pwrite(fd, buf, len, at);
}

EXPORT ssize_t writev(int fd, const struct iovec *v, int count)
{
	if (!enter_fd(fd))
		return real.writev(fd, v, count);
	off_t at = lseek(fd, 0, SEEK_CUR);
	disk_before_write(fd, at, total(v, count));
	ssize_t n = wrote(fd, at, real.writev(fd, v, count));
	leave();
	return n;
}

EXPORT ssize_t pwritev(int fd, const struct iovec *v, int count, off_t at)
{
	if (!enter_fd(fd))
		return real.pwritev(fd, v, count, at);
	disk_before_write(fd, at, total(v, count));
	ssize_t n = wrote(fd, at, real.pwritev(fd, v, count, at));
	leave();
	return n;
}

EXPORT ssize_t pwritev64(int fd, const struct iovec *v, int count, off_t at)
{
	return pwritev(fd, v, count, at);
}

EXPORT int ftruncate(int fd, off_t len)
{
	if (!enter_fd(fd))
		return real.ftruncate(fd, len);
	disk_before_resize(fd);
	int rc = real.ftruncate(fd, len);
	leave();
	return rc;
}

EXPORT int ftruncate64(int fd, off_t len)
{
	return ftruncate(fd, len);
}

EXPORT int fallocate(int fd, int mode, off_t at, off_t len)
{
	if (!enter_fd(fd))
		return real.fallocate(fd, mode, at, len);
	disk_before_resize(fd);
	int rc = real.fallocate(fd, mode, at, len);
	leave();
	return rc;
}

EXPORT int fallocate64(int fd, int mode, off_t at, off_t len)
{
	return fallocate(fd, mode, at, len);
}

/* -- syncs ------------------------------------------------------------- */

static int sync_fd(int fd)
{
	int rc = sync_may_go_on() ? 0 : -1;
	if (!rc && !is_swallowing)
		disk_synced(fd);
	leave();
	return rc;
}

EXPORT int fsync(int fd)
{
	return enter_fd(fd) ? sync_fd(fd) : real.fsync(fd);
}

EXPORT int fdatasync(int fd)
{
	return enter_fd(fd) ? sync_fd(fd) : real.fdatasync(fd);
}

/* -- names ------------------------------------------------------------- */

static int open_any(const char *path, int flags, mode_t mode)
{
	if (!enter_path(path))
		return real.open(path, flags, mode);
	bool is_new = flags & O_CREAT && access(path, F_OK) != 0;
	int fd = real.open(path, flags, mode);
	if (fd >= 0 && is_new)
		disk_made_file(path);
	leave();
	return fd;
}

static mode_t mode_of(int flags, va_list args)
{
	return flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
}

EXPORT int open(const char *path, int flags, ...)
{
	va_list args;
	va_start(args, flags);
	mode_t mode = mode_of(flags, args);
	va_end(args);
	return open_any(path, flags, mode);
}

EXPORT int open64(const char *path, int flags, ...)
{
	va_list args;
	va_start(args, flags);
	mode_t mode = mode_of(flags, args);
	va_end(args);
	return open_any(path, flags, mode);
}

EXPORT int rename(const char *from, const char *to)
{
	if (!enter_path(to))
		return real.rename(from, to);
	disk_before_rename(from, to);
	int rc = real.rename(from, to);
	if (rc)
		disk_name_failed();
	leave();
	return rc;
}

EXPORT int unlink(const char *path)
{
	if (!enter_path(path))
		return real.unlink(path);
	disk_before_unlink(path);
	int rc = real.unlink(path);
	if (rc)
		disk_name_failed();
	leave();
	return rc;
}

EXPORT int unlinkat(int dir, const char *name, int flags)
{
	char link[64], path[PATH_MAX];
	pthread_once(&once, start);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0 || flags)
		return real.unlinkat(dir, name, flags);
	snprintf(path + n, sizeof(path) - (size_t)n, "/%s", name);
	if (!enter_path(path))
		return real.unlinkat(dir, name, flags);
	disk_before_unlink(path);
	int rc = real.unlinkat(dir, name, flags);
	if (rc)
		disk_name_failed();
	leave();
	return rc;
}

EXPORT int mkdir(const char *path, mode_t mode)
{
	if (!enter_path(path))
		return real.mkdir(path, mode);
	int rc = real.mkdir(path, mode);
	if (!rc)
		disk_made_dir(path);
	leave();
	return rc;
}

EXPORT int rmdir(const char *path)
{
	if (!enter_path(path))
		return real.rmdir(path);
	int rc = real.rmdir(path);
	if (!rc)
		disk_removed_dir(path);
	leave();
	return rc;
}
