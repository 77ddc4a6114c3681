/* Time as a parameter. Pure code is told the time; the world gives it a clock.
 * Monotonic time is for waits, leases and order on this machine; wall time is
 * only for people and for stamps. Both in microseconds. Any thread. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

struct clock {
	void *ctx;
	int64_t (*mono_us)(void *ctx);
	int64_t (*wall_us)(void *ctx); /* since 1970, UTC */
};

/* CLOCK_MONOTONIC and CLOCK_REALTIME. */
struct clock clock_system(void);

static inline int64_t clock_mono_us(const struct clock *c)
{
	return c->mono_us(c->ctx);
}

static inline int64_t clock_wall_us(const struct clock *c)
{
	return c->wall_us(c->ctx);
}

/* RFC 3339 with microseconds and Z; buf holds at least CLOCK_TEXT_MAX. */
enum { CLOCK_TEXT_MAX = 32 };
void clock_format(int64_t wall_us, char *buf);

#endif
