/* Ctrl-C as a question and not as a death: commands that run until they are
 * told to stop block SIGINT and SIGTERM and ask between two steps. */
#ifndef NODE_CTL_STOP_H
#define NODE_CTL_STOP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct stop {
	int fd; /* signalfd */
	sigset_t before;
	bool is_asked;
};

/* Call it before the first connection: threads inherit the mask. */
int stop_begin(struct stop *s, struct err *e);
void stop_end(struct stop *s);
/* Wait up to ms; true as soon as, or when already, asked to stop. */
bool stop_wait(struct stop *s, int64_t ms);

#endif
