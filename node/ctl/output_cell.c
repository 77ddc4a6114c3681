#include "node/ctl/output.h"

struct cell cell_text(const char *text)
{
	return (struct cell){.is_set = text != NULL, .text = text};
}

struct cell cell_number(uint64_t number)
{
	return (struct cell){.is_set = true, .number = number};
}

struct cell cell_filled(const char *text)
{
	return text && *text ? cell_text(text) : cell_none();
}

struct cell cell_some(uint64_t number)
{
	return number ? cell_number(number) : cell_none();
}

struct cell cell_bool(bool value)
{
	return cell_number(value ? 1 : 0);
}

struct cell cell_time(int64_t us)
{
	return us > 0 ? cell_number((uint64_t)us) : cell_none();
}

struct cell cell_rate(double per_second)
{
	/* What is no number, or beyond all sense, is not shown as one. */
	if (!(per_second >= 0) || per_second > 1e12)
		return cell_none();
	return cell_number((uint64_t)(per_second * 1000 + 0.5));
}

struct cell cell_none(void)
{
	return (struct cell){0};
}
