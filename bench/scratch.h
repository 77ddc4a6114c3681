/* A throw-away directory under $TMPDIR or /tmp: the same file system for
 * everybody who is measured in it, and gone at the end. */
#ifndef BENCH_SCRATCH_H
#define BENCH_SCRATCH_H

#include "base/err.h"

/* Short: the path of a unix socket in it must fit into 107 bytes. */
enum { SCRATCH_PATH_MAX = 80 };

struct scratch {
	char path[SCRATCH_PATH_MAX]; /* "" when there is none */
};

/* ERR_LIMIT when TMPDIR is too long for unix sockets, ERR_IO. */
int scratch_make(struct scratch *s, struct err *e);
/* Delete it with everything inside; links are not followed. Nothing made:
 * nothing to do. */
void scratch_remove(struct scratch *s);
/* Delete all there are, for the way out. Any thread. */
void scratch_remove_all(void);

#endif
