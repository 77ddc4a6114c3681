#include "proto/calendar.h"

/* Days of 400 years, and from 0000-03-01 to 1970-01-01. */
enum { ERA_DAYS = 146097, EPOCH_DAYS = 719468 };

static bool is_leap(int64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

bool calendar_is_valid(const struct calendar_date *d)
{
	static const int days[] = {31, 28, 31, 30, 31, 30,
				   31, 31, 30, 31, 30, 31};

	if (d->year < -CALENDAR_YEAR_MAX || d->year > CALENDAR_YEAR_MAX ||
	    d->month < 1 || d->month > 12 || d->day < 1)
		return false;
	int last = days[d->month - 1];
	if (d->month == 2 && is_leap(d->year))
		last++;
	return d->day <= last;
}

int64_t calendar_days(const struct calendar_date *d)
{
	/* A year that begins in March ends with its leap day. */
	int64_t y = d->month <= 2 ? d->year - 1 : d->year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t month = d->month > 2 ? d->month - 3 : d->month + 9;
	int64_t day_of_year = (153 * month + 2) / 5 + d->day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 -
			     year_of_era / 100 + day_of_year;

	return era * ERA_DAYS + day_of_era - EPOCH_DAYS;
}

struct calendar_date calendar_date_of(int64_t days)
{
	int64_t z = days + EPOCH_DAYS;
	int64_t era = (z >= 0 ? z : z - (ERA_DAYS - 1)) / ERA_DAYS;
	int64_t day_of_era = z - era * ERA_DAYS;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 +
			       day_of_era / 36524 - day_of_era / 146096) /
			      365;
	int64_t day_of_year =
		day_of_era -
		(365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t month = (5 * day_of_year + 2) / 153;
	struct calendar_date d = {
		.year = year_of_era + era * 400,
		.month = (int)(month < 10 ? month + 3 : month - 9),
		.day = (int)(day_of_year - (153 * month + 2) / 5 + 1)};

	if (d.month <= 2)
		d.year++;
	return d;
}
