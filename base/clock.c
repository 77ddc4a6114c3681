#include "base/clock.h"

#include <stddef.h>
#include <stdio.h>
#include <time.h>

#include "base/check.h"

enum { US_PER_SECOND = 1000000 };

static int64_t read_us(clockid_t id)
{
	struct timespec ts;

	CHECK(clock_gettime(id, &ts) == 0);
	return (int64_t)ts.tv_sec * US_PER_SECOND + ts.tv_nsec / 1000;
}

static int64_t system_mono_us(void *ctx)
{
	(void)ctx;
	return read_us(CLOCK_MONOTONIC);
}

static int64_t system_wall_us(void *ctx)
{
	(void)ctx;
	return read_us(CLOCK_REALTIME);
}

struct clock clock_system(void)
{
	return (struct clock){NULL, system_mono_us, system_wall_us};
}

void clock_format(int64_t wall_us, char *buf)
{
	int64_t seconds = wall_us / US_PER_SECOND;
	int us = (int)(wall_us % US_PER_SECOND);
	struct tm tm;

	if (us < 0) { /* before 1970: C rounds towards zero, clocks do not */
		us += US_PER_SECOND;
		seconds--;
	}
	time_t t = (time_t)seconds;
	CHECK(gmtime_r(&t, &tm) != NULL);
	int n = snprintf(buf, CLOCK_TEXT_MAX,
			 "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ",
			 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
			 tm.tm_hour, tm.tm_min, tm.tm_sec, us);
	CHECK(n > 0 && n < CLOCK_TEXT_MAX);
}
