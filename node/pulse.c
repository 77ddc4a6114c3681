#include "node/pulse.h"

#include "proto/limits.h"

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

int64_t pulse_due_us(const struct pulse *p, int64_t since_us)
{
	const int64_t lost_us = (int64_t)LIMIT_LOST_MS * 1000;
	const int64_t silent_us = (int64_t)LIMIT_SILENT_MS * 1000;

	if (!p->is_connected && p->down_us)
		return later(p->down_us, since_us) + lost_us;
	return later(p->heard_us, since_us) + silent_us;
}

bool pulse_is_lost(const struct pulse *p, int64_t since_us, int64_t now_us)
{
	return now_us >= pulse_due_us(p, since_us);
}

int64_t pulse_detect_us(const struct pulse *p, int64_t now_us)
{
	int64_t from = p->heard_us;

	if (!p->is_connected && p->down_us)
		from = p->down_us;
	return from && now_us > from ? now_us - from : 0;
}
