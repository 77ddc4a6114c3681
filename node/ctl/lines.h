/* Lines of a file or of standard input, one value a line, without ever holding
 * more than one value of the largest size. */
#ifndef NODE_CTL_LINES_H
#define NODE_CTL_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

struct lines {
	int fd;
	uint8_t *buf;
	size_t begin, end, room; /* unread bytes stand in [begin, end) */
	size_t line_max;
	uint64_t n; /* lines given so far */
	bool is_at_end;
};

/* fd stays the caller's. */
void lines_init(struct lines *l, int fd, size_t line_max);
void lines_clear(struct lines *l);
/* The next line without its newline; it stays until the next call. False: the
 * end, or an error when e->code is set. */
bool lines_next(struct lines *l, struct bytes *line, struct err *e);
/* Would lines_next have to wait for the writer at the other end? */
bool lines_would_wait(const struct lines *l);

#endif
