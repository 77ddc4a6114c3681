/* Free TCP ports on loopback for a fleet. They lie below the range that the
 * kernel gives to outgoing connections, and a block of them belongs to one
 * process at a time (it holds an abstract unix socket that names the block):
 * two fleets that start at once do not meet. */
#ifndef BENCH_PORTS_H
#define BENCH_PORTS_H

#include <stdint.h>

#include "base/err.h"

enum { PORTS_BLOCK = 64 };

struct ports {
	int fd;         /* holds the block */
	uint16_t first; /* 0: no block taken */
	uint16_t n_given;
};

/* ERR_BUSY when no block is free. */
int ports_take(struct ports *p, struct err *e);
/* The first of n consecutive ports, all of which could be bound just now.
 * ERR_LIMIT when the block is used up. */
int ports_give(struct ports *p, uint16_t n, uint16_t *first, struct err *e);
/* None taken: nothing to do. */
void ports_return(struct ports *p);

#endif
