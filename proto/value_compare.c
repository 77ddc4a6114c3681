#include <string.h>

#include "base/check.h"
#include "proto/calendar.h"
#include "proto/decimal.h"
#include "proto/value.h"

static int order_i64(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

static int order_u64(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* NaN is above everything and equal to itself, as in PostgreSQL. */
static int order_f64(double a, double b)
{
	if (a != a || b != b)
		return (a != a) - (b != b);
	return (a > b) - (a < b);
}

/* As PostgreSQL compares them: a month has 30 days, a day 24 hours. Days and
 * the rest of a day apart, as the sum in microseconds may not fit. */
static int order_interval(const struct value *a, const struct value *b)
{
	int64_t rest[2], days[2];
	const struct value *both[] = {a, b};

	for (int i = 0; i < 2; i++) {
		days[i] = (int64_t)both[i]->interval.months * 30 +
			  both[i]->interval.days +
			  both[i]->interval.us / CALENDAR_DAY_US;
		rest[i] = both[i]->interval.us % CALENDAR_DAY_US;
		if (rest[i] < 0) {
			rest[i] += CALENDAR_DAY_US;
			days[i]--;
		}
	}
	int order = order_i64(days[0], days[1]);
	return order ? order : order_i64(rest[0], rest[1]);
}

int value_compare(const struct value *a, const struct value *b)
{
	CHECK(a->state == VALUE_SET && b->state == VALUE_SET);
	CHECK(a->type == b->type);
	switch (a->type) {
	case VALUE_BOOL:
		return order_i64(a->boolean, b->boolean);
	case VALUE_INT64:
	case VALUE_DATE:
	case VALUE_TIME:
	case VALUE_DATETIME:
	case VALUE_TIMESTAMP:
		return order_i64(a->i64, b->i64);
	case VALUE_UINT64:
		return order_u64(a->u64, b->u64);
	case VALUE_F32:
		return order_f64((double)a->f32, (double)b->f32);
	case VALUE_F64:
		return order_f64(a->f64, b->f64);
	case VALUE_INTERVAL:
		return order_interval(a, b);
	case VALUE_UUID:
		return memcmp(a->uuid, b->uuid, sizeof a->uuid);
	case VALUE_DECIMAL:
		return decimal_compare(a->bytes, b->bytes);
	default:
		return bytes_compare(a->bytes, b->bytes);
	}
}

/* Equal bits, but for the many NaNs that are written as one. */
static bool is_same_f64(double a, double b)
{
	return (a != a && b != b) || memcmp(&a, &b, sizeof a) == 0;
}

static bool is_same_interval(const struct value *a, const struct value *b)
{
	return a->interval.months == b->interval.months &&
	       a->interval.days == b->interval.days &&
	       a->interval.us == b->interval.us;
}

bool value_equal(const struct value *a, const struct value *b)
{
	if (a->state != b->state)
		return false;
	if (a->state != VALUE_SET)
		return true;
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case VALUE_F32:
		return is_same_f64((double)a->f32, (double)b->f32);
	case VALUE_F64:
		return is_same_f64(a->f64, b->f64);
	case VALUE_INTERVAL:
		return is_same_interval(a, b);
	case VALUE_DECIMAL:
		return bytes_compare(a->bytes, b->bytes) == 0;
	default:
		return value_compare(a, b) == 0;
	}
}
