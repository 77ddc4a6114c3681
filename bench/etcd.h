/* The peer to compare with: three etcd processes on loopback, as their packager
 * ships them (fsync on, election 1 s, heartbeat 100 ms), in a throw-away
 * directory on the same file system as ours. Changed from the defaults, each in
 * etcd's favour: the store's quota (2 GB would end the run), the largest
 * request (for 1 MiB values), the log level (fewer lines), and one thing for
 * the machine's sake: a Raft snapshot every 10,000 entries, as 100,000 entries
 * of 64 KiB in memory are more than it has.
 *
 * One thread, the one that starts children (see process.h). */
#ifndef BENCH_ETCD_H
#define BENCH_ETCD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum { ETCD_NODES = 3 };

struct etcd;

/* Is there a program etcd? */
bool etcd_is_installed(void);
/* Start three and wait until one leads. */
int etcd_open(struct etcd **out, struct err *e);
void etcd_close(struct etcd *t); /* NULL is allowed */

uint16_t etcd_leader_port(const struct etcd *t); /* of its clients */
unsigned etcd_leader(const struct etcd *t);      /* 0 .. 2 */
pid_t etcd_pid(const struct etcd *t, unsigned i);

#endif
