/* --watch: the same answer again and again until Ctrl-C. On a terminal it is
 * drawn over itself in the alternate screen; elsewhere answers follow each
 * other. A node that is away for a while does not end it. */
#ifndef NODE_CTL_WATCH_H
#define NODE_CTL_WATCH_H

#include <stdio.h>

#include "node/ctl/ctl.h"

/* Runs draw(c, file) once, or, with --watch, every watch_ms. draw writes one
 * whole answer through c->output, which it begins. Returns the exit code. */
int watch_run(struct ctl *c, int (*draw)(struct ctl *c));

#endif
