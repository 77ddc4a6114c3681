#include "connectors/sqlite/wake.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

enum {
	STEP_MIN_US = 50,
	FLOOR_US = 100000,
	FLOOR_BLIND_US = 5000, /* without inotify */
};

static int watch(const char *path)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int n = slash ? (int)(slash - path) : 1;

	(void)snprintf(dir, sizeof(dir), "%.*s", n > 0 ? n : 1,
		       slash ? path : ".");
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (fd < 0)
		return -1;
	if (inotify_add_watch(fd, dir,
			      IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE) <
	    0) {
		close(fd);
		return -1;
	}
	return fd;
}

void sqlite_wake_open(struct wake *w, const char *path)
{
	const char *slash = strrchr(path, '/');

	*w = (struct wake){.fd = watch(path), .step_us = STEP_MIN_US};
	(void)snprintf(w->name, sizeof(w->name), "%s",
		       slash ? slash + 1 : path);
}

void sqlite_wake_close(struct wake *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}

void sqlite_wake_hot(struct wake *w)
{
	w->step_us = STEP_MIN_US;
}

/* Only the file itself and its -wal: reading touches neither. */
static void take_event(struct wake *w, const struct inotify_event *event)
{
	size_t n = strlen(w->name);

	if (event->mask & IN_Q_OVERFLOW)
		sqlite_wake_hot(w);
	if (event->len == 0 || strncmp(event->name, w->name, n) != 0)
		return;
	if (strcmp(event->name + n, "-wal") == 0)
		sqlite_wake_hot(w);
	if (event->name[n] == '\0') {
		sqlite_wake_hot(w);
		if (event->mask & (IN_CREATE | IN_MOVED_TO | IN_DELETE))
			w->is_moved = true;
	}
}

static void take_events(struct wake *w)
{
	_Alignas(struct inotify_event) char buf[4096];
	ssize_t n = 0;

	while ((n = read(w->fd, buf, sizeof(buf))) > 0) {
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *event =
				(const void *)(buf + at);

			take_event(w, event);
			at += (ssize_t)(sizeof(*event) + event->len);
		}
	}
}

void sqlite_wake_wait(struct wake *w, int other_fd, int64_t max_us)
{
	int64_t floor_us = w->fd >= 0 ? FLOOR_US : FLOOR_BLIND_US;
	int64_t us = w->step_us < floor_us ? w->step_us : floor_us;
	struct pollfd fds[2] = {{.fd = other_fd, .events = POLLIN},
				{.fd = w->fd, .events = POLLIN}};

	if (us > max_us)
		us = max_us;
	struct timespec t = {.tv_sec = us / 1000000,
			     .tv_nsec = us % 1000000 * 1000};
	/* A negative descriptor is ignored. While hot, events of the writes
	 * that keep it hot must not shorten the wait. */
	bool is_hot = us < FLOOR_BLIND_US;
	w->step_us = us * 2;
	int n = ppoll(fds, is_hot ? 1 : 2, &t, NULL);
	if (w->fd >= 0 && (n == 0 || fds[1].revents))
		take_events(w);
}
