/* Days since 1970-01-01 and the civil date of the Gregorian calendar, carried
 * back before its time (proleptic), with a year 0 (1 BC). The algorithms are
 * Howard Hinnant's (public domain). Pure; any thread. */
#ifndef PROTO_CALENDAR_H
#define PROTO_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

#define CALENDAR_SECOND_US INT64_C(1000000)
#define CALENDAR_DAY_US (INT64_C(86400) * CALENDAR_SECOND_US)
/* Years of the text forms: what 64 bits of microseconds hold lies within. */
enum { CALENDAR_YEAR_MAX = 9999999 };

struct calendar_date {
	int64_t year; /* 0 is 1 BC, -1 is 2 BC */
	int month, day;
};

/* False: there is no such day, or its year is beyond CALENDAR_YEAR_MAX. */
bool calendar_is_valid(const struct calendar_date *d);
/* Of a valid date. */
int64_t calendar_days(const struct calendar_date *d);
/* Any number of days within +-2^60. */
struct calendar_date calendar_date_of(int64_t days);

#endif
