/* Wake: when to look at a database file again.
 *
 * inotify tells of a write before it is a commit that readers see, so an event
 * says only "look often for a while": every 50 us at first, then ever more
 * seldom up to FLOOR. The floor alone would find everything; where inotify is
 * missing it is shorter. Owned by one thread. */
#ifndef CONNECTORS_SQLITE_WAKE_H
#define CONNECTORS_SQLITE_WAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct wake {
	int fd;          /* inotify; -1: none */
	char name[256];  /* of the file, without its directory */
	int64_t step_us; /* of the next wait */
	bool is_moved;   /* another file may have taken its name */
};

/* Never fails: without inotify it looks more often. */
void sqlite_wake_open(struct wake *w, const char *path);
void sqlite_wake_close(struct wake *w);
/* Something was found: look often for a while. */
void sqlite_wake_hot(struct wake *w);
/* Wait until it is time to look, or for max_us, or until other_fd is readable.
 */
void sqlite_wake_wait(struct wake *w, int other_fd, int64_t max_us);

#endif
