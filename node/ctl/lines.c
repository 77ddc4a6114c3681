#include "node/ctl/lines.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ_BYTES = 65536 };

void lines_init(struct lines *l, int fd, size_t line_max)
{
	*l = (struct lines){.fd = fd, .line_max = line_max};
	l->room = READ_BYTES;
	l->buf = mem_alloc(l->room);
}

void lines_clear(struct lines *l)
{
	free(l->buf);
	*l = (struct lines){.fd = -1};
}

/* Room for one more read behind what is not given out yet. */
static void make_room(struct lines *l)
{
	memmove(l->buf, l->buf + l->begin, l->end - l->begin);
	l->end -= l->begin;
	l->begin = 0;
	if (l->room - l->end >= READ_BYTES)
		return;
	l->room *= 2;
	l->buf = mem_grow(l->buf, l->room);
}

static int fill(struct lines *l, struct err *e)
{
	if (l->room - l->end < READ_BYTES)
		make_room(l);
	ssize_t n = 0;
	do
		n = read(l->fd, l->buf + l->end, READ_BYTES);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_set(e, ERR_IO, "reading line %" PRIu64 ": %s",
			       l->n + 1, strerror(errno));
	l->end += (size_t)n;
	l->is_at_end = n == 0;
	return 0;
}

static const uint8_t *newline(const struct lines *l, size_t from)
{
	return memchr(l->buf + l->begin + from, '\n', l->end - l->begin - from);
}

bool lines_next(struct lines *l, struct bytes *line, struct err *e)
{
	size_t seen = 0; /* bytes without a newline: not looked at again */
	for (;;) {
		const uint8_t *stop = newline(l, seen);
		seen = l->end - l->begin;
		size_t len = stop ? (size_t)(stop - l->buf) - l->begin : seen;
		if (len > l->line_max) {
			err_set(e, ERR_INVALID,
				"line %" PRIu64 " is longer than %zu bytes",
				l->n + 1, l->line_max);
			return false;
		}
		if (!stop && !l->is_at_end) {
			if (fill(l, e))
				return false;
			continue;
		}
		if (!stop && len == 0)
			return false;
		*line = (struct bytes){l->buf + l->begin, len};
		l->begin += len + (stop ? 1 : 0);
		l->n++;
		return true;
	}
}

bool lines_would_wait(const struct lines *l)
{
	if (l->is_at_end || newline(l, 0))
		return false;
	struct pollfd p = {.fd = l->fd, .events = POLLIN};
	return poll(&p, 1, 0) == 0;
}
