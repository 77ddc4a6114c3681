#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"

enum {
	/* What a pipe takes in one piece: lines of two threads never mix. */
	LOG_LINE_MAX = PIPE_BUF,
	LOG_NODE_MAX = 64,
};

static const char *const level_names[LOG__N] = {
	[LOG_DEBUG] = "debug",
	[LOG_INFO] = "info",
	[LOG_WARN] = "warn",
	[LOG_ERROR] = "error",
};

/* syslog's numbers, as sd-daemon(3) wants them. */
static const char *const level_prefixes[LOG__N] = {
	[LOG_DEBUG] = "<7>",
	[LOG_INFO] = "<6>",
	[LOG_WARN] = "<4>",
	[LOG_ERROR] = "<3>",
};

static atomic_int threshold = LOG_INFO;
static pthread_mutex_t node_lock = PTHREAD_MUTEX_INITIALIZER;
static char node_name[LOG_NODE_MAX]; /* node_lock */
static pthread_once_t journal_once = PTHREAD_ONCE_INIT;
static bool is_journal; /* journal_once */

void log_set_level(enum log_level level)
{
	CHECK(level >= 0 && level < LOG__N);
	atomic_store(&threshold, (int)level);
}

void log_set_node(const char *name)
{
	CHECK(pthread_mutex_lock(&node_lock) == 0);
	snprintf(node_name, sizeof node_name, "%s", name);
	CHECK(pthread_mutex_unlock(&node_lock) == 0);
}

bool log_parse_level(const char *text, enum log_level *level)
{
	for (int i = 0; i < LOG__N; i++) {
		if (strcmp(text, level_names[i]) != 0)
			continue;
		*level = (enum log_level)i;
		return true;
	}
	return false;
}

const char *log_level_name(enum log_level level)
{
	CHECK(level >= 0 && level < LOG__N);
	return level_names[level];
}

/* JOURNAL_STREAM names the device and inode of the stream that systemd gave
 * the process. A child whose stderr was sent elsewhere inherits the variable,
 * but a file full of <6> would help nobody. */
static void find_journal(void)
{
	const char *text = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	if (!text || sscanf(text, "%llu:%llu", &device, &inode) != 2)
		return;
	is_journal = fstat(STDERR_FILENO, &st) == 0 &&
		     (unsigned long long)st.st_dev == device &&
		     (unsigned long long)st.st_ino == inode;
}

struct line {
	char text[LOG_LINE_MAX];
	size_t len;
};

/* Room for a newline always remains. */
__attribute__((format(printf, 2, 0))) static void
line_add_args(struct line *l, const char *fmt, va_list args)
{
	size_t room = sizeof l->text - 1 - l->len;
	int n = vsnprintf(l->text + l->len, room, fmt, args);

	CHECK(n >= 0);
	l->len += (size_t)n < room ? (size_t)n : room - 1;
}

__attribute__((format(printf, 2, 3))) static void line_add(struct line *l,
							   const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	line_add_args(l, fmt, args);
	va_end(args);
}

static void line_begin(struct line *l, enum log_level level, const char *event)
{
	struct clock clock = clock_system();
	char when[CLOCK_TEXT_MAX];
	char node[LOG_NODE_MAX];

	CHECK(pthread_mutex_lock(&node_lock) == 0);
	memcpy(node, node_name, sizeof node);
	CHECK(pthread_mutex_unlock(&node_lock) == 0);

	clock_format(clock_wall_us(&clock), when);
	l->len = 0;
	line_add(l, "%sts=%s level=%s", is_journal ? level_prefixes[level] : "",
		 when, level_names[level]);
	if (node[0])
		line_add(l, " node=%s", log_quote(node));
	line_add(l, " event=%s", event);
}

/* One write; a line that the system does not take is lost, not waited for. */
static void line_write(struct line *l)
{
	/* An argument that was not quoted must not begin a second line. */
	for (size_t i = 0; i < l->len; i++)
		if ((unsigned char)l->text[i] < ' ')
			l->text[i] = ' ';
	l->text[l->len++] = '\n';
	while (write(STDERR_FILENO, l->text, l->len) < 0 && errno == EINTR)
		continue;
}

void log_event(enum log_level level, const char *event, const char *fmt, ...)
{
	int errno_before = errno;
	struct line l;
	va_list args;

	CHECK(level >= 0 && level < LOG__N);
	if ((int)level < atomic_load(&threshold))
		return;
	CHECK(pthread_once(&journal_once, find_journal) == 0);
	line_begin(&l, level, event);
	if (fmt[0]) {
		line_add(&l, " ");
		va_start(args, fmt);
		line_add_args(&l, fmt, args);
		va_end(args);
	}
	line_write(&l);
	errno = errno_before;
}
